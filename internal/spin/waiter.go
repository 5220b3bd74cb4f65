package spin

import (
	"runtime"
	"time"
)

// The shape of a wait, as measured with two processes on two CPUs that were idle, or busy with one or two other programs.
const (
	// tightLooks is how often the tight phase polls memory, with a pause between two looks. A pause is some tens of
	// nanoseconds (it differs tenfold between CPUs), which makes the phase one to two microseconds long. A look that is a
	// system call takes some hundreds by itself.
	tightLooks     = 96
	tightCallLooks = 4

	// A yield that takes much longer than one for nothing, and brings what we wait for, has let the peer run: both
	// are on one CPU. That is how to get an answer from there, in 6 to 12 µs, but with both always ready to run the
	// kernel leaves them there, though another CPU may be idle: neither waking nor, for a long time, its balancing
	// moves one of them. After shareTurns such waits in a row this one's thread moves itself; where that does not
	// help for long, because others have the other CPUs, it does so after twice as many each time, up to shareLast.
	// apartWaits waits without sharing say that it did help.
	shareTurns = 16
	shareLast  = 1 << 12
	apartWaits = 1 << 10

	// A yield that takes sliceTime has let a program run that has nothing to do with us, for a time slice of up to 4 ms.
	// The next sliceWaits waits don't yield. A peer takes less: it yields too.
	sliceTime  = 500 * time.Microsecond
	sliceWaits = 256

	// Where Go has one processor, waits that all end soon would leave it to others only when the runtime takes it
	// away, after 10 ms.
	loneTurns = 64

	// A place that has met another one in a slow wait yields to Go's other goroutines too for so many more.
	crowdWaits = 16

	longLooks  = 4                     // polls between two looks at the clock in the long phase
	yieldEvery = 20 * time.Microsecond // of the long phase: the peer may be on our CPU all the while

	// The long phase is left out while it doesn't pay, and tried again after probeFirst waits, then
	// after twice as many each time, up to probeLast.
	missFull   = 256 // the miss rate when every recent long phase was for nothing
	missHalf   = missFull / 2
	missWeight = 4 // one wait moves the miss rate by a quarter of the way
	probeFirst = 16
	probeLast  = 256
)

// Waiter is one waiting place, such as the reading end of a link. One goroutine at a time may wait at it. The zero
// value never spins.
type Waiter struct {
	group  *Group
	max    time.Duration
	tight  int    // looks of the tight phase
	miss   int    // moving average: how many of the last long phases were for nothing, 0 to missFull
	probe  int    // long phases to leave out between two while they don't pay
	left   int    // of them
	shared int    // successive waits that ended with the peer having run on our CPU
	turns  int    // of them until the thread moves
	apart  int    // waits since it moved that ended otherwise
	wary   int    // waits that are not to yield
	place  uint32 // its number in the group
	crowd  int    // slow waits until this is thought the only busy place of its group
}

// NewWaiter returns a waiter that spins for at most max at a time; max 0 means [DefaultMax], less than 0 never.
func NewWaiter(g *Group, max time.Duration) Waiter {
	if max == 0 {
		max = DefaultMax
	}
	if max < 0 {
		max = 0
	}
	w := Waiter{group: g, max: max, tight: tightLooks, probe: probeFirst, turns: shareTurns}
	if g.Enabled() {
		w.place = g.places.Add(1)
	}
	return w
}

// Longer returns a waiter for the same place, for waits that may be so many times as long.
func (w *Waiter) Longer(times int) Waiter {
	return Waiter{group: w.group, max: w.max * time.Duration(times), tight: w.tight, probe: probeFirst, turns: shareTurns, place: w.place}
}

// NewCallWaiter is NewWaiter for waits whose looks are system calls.
func NewCallWaiter(g *Group, max time.Duration) Waiter {
	w := NewWaiter(g, max)
	w.tight = tightCallLooks
	return w
}

// Enabled reports whether Wait ever looks more than once.
func (w *Waiter) Enabled() bool { return w.max > 0 && w.group.Enabled() }

// Wait polls ready until it is true or the budget of this wait is spent, and returns the last answer. It never
// sleeps. ready must be quick, and is polled at least once.
func (w *Waiter) Wait(ready func() bool) bool {
	if ready() {
		return true
	}
	if !w.Enabled() {
		return false
	}
	for range w.tight {
		pause(1)
		if ready() {
			w.hit()
			return true
		}
	}
	return w.waitSlow(ready)
}

// waitSlow is what comes after the tight phase: a yield, and the long phase.
//
// It yields to the kernel's other threads and not to Go's other goroutines: runtime.Gosched wakes another of the
// process's threads each time, which takes the very CPU that the peer needs, and often the goroutine too. Goroutines
// that are ready run on the process's other CPUs; a spin is short, and the group leaves one CPU alone. It yields to them
// as well where they may have no other: where Go has one processor, and where several places of the group are
// busy, which could have all processors among them and keep one more waiting until the runtime takes a processor away.
func (w *Waiter) waitSlow(ready func() bool) bool {
	w.meet()
	if w.shared >= w.turns {
		w.part()
	}
	if w.wary > 0 {
		w.wary--
	} else if w.yieldOnce(ready) {
		return true
	}
	if w.miss > missHalf && w.left > 0 {
		w.left--
		return false
	}
	if !w.group.enter() {
		return false
	}
	defer w.group.leave()
	if w.long(ready) {
		w.miss, w.left, w.probe = 0, 0, probeFirst // it paid: keep doing it
		return true
	}
	w.miss += (missFull - w.miss + missWeight - 1) / missWeight
	w.left, w.probe = w.probe, min(2*w.probe, probeLast)
	return false
}

// meet finds out whether other places of the group have slow waits as well.
func (w *Waiter) meet() {
	if w.group.last.Load() != w.place {
		w.group.last.Store(w.place)
		w.crowd = crowdWaits
	} else if w.crowd > 0 {
		w.crowd--
	}
}

// long is the long phase.
func (w *Waiter) long(ready func() bool) bool {
	start := time.Now()
	for yieldAt := yieldEvery; ; {
		for range longLooks {
			if ready() {
				w.alone()
				return true
			}
			pause(1)
		}
		spent := time.Since(start)
		if spent >= w.max {
			return false
		}
		if spent >= yieldAt && w.wary == 0 {
			if w.yieldOnce(ready) {
				return true
			}
			yieldAt = time.Since(start) + yieldEvery
		}
	}
}

// yieldOnce lets another process run on this CPU if there is one, learns from how long that took, and looks again.
func (w *Waiter) yieldOnce(ready func() bool) bool {
	if w.group.lone || w.crowd > 0 {
		runtime.Gosched()
	}
	start := time.Now()
	yield()
	took := time.Since(start)
	if took > sliceTime {
		w.wary = sliceWaits
	}
	if !ready() {
		w.shared = 0
		return false
	}
	if took > 2*w.group.yieldCost+time.Microsecond {
		w.shared++
	} else {
		w.alone()
	}
	return true
}

// alone accounts for a wait that ended without a turn of the peer's on our CPU.
func (w *Waiter) alone() {
	w.shared = 0
	w.apart++
	if w.group.lone && w.apart%loneTurns == 0 {
		runtime.Gosched()
	}
}

// part moves this thread to another CPU than the one that it shares with the peer.
func (w *Waiter) part() {
	if w.apart >= apartWaits {
		w.turns = shareTurns
	}
	w.shared, w.apart, w.turns = 0, 0, min(2*w.turns, shareLast)
	move()
}

// hit learns from a wait that ended in the tight phase.
func (w *Waiter) hit() {
	w.alone()
	if w.miss != 0 {
		w.miss -= (w.miss + missWeight - 1) / missWeight
	}
}
