package spin

import (
	"time"
)

// The shape of a wait. A look costs a nanosecond and a pause some tens of them (it differs tenfold between CPUs), which makes the
// tight phase one to two microseconds long.
//
// The yielding phase gives way to goroutines and not to processes: where the scheduler of the kernel has put both ends
// of a link on one CPU, sched_yield in both keeps them there for good, at 6 µs a turn with an idle CPU
// beside them, and where something else wants the CPU it costs a whole time slice of 4 ms. Sleeping ends both.
const (
	tightLooks  = 48  // polls of the tight phase
	tightPauses = 1   // pause instructions between two of them
	yieldLooks  = 4   // polls between two yields
	missFull    = 256 // the miss rate when every recent wait outlasted the budget
	missHalf    = missFull / 2
	missWeight  = 4  // one wait moves the miss rate by a quarter of the way
	probeEvery  = 16 // while spinning doesn't pay, every sixteenth wait tries it again
)

// Waiter is one waiting place, such as the reading end of a link. One goroutine at a time may wait at it. The zero
// value never spins.
type Waiter struct {
	group *Group
	max   time.Duration
	miss  int // moving average: how many of the last full waits outlasted the budget, 0 to missFull
	short int // short waits since the last full one
}

// NewWaiter returns a waiter that spins for at most max at a time; max 0 means [DefaultMax], less than 0 never.
func NewWaiter(g *Group, max time.Duration) Waiter {
	if max == 0 {
		max = DefaultMax
	}
	if max < 0 {
		max = 0
	}
	return Waiter{group: g, max: max}
}

// Wait polls ready until it is true or the budget of this wait is spent, and returns the last answer. It never
// sleeps. ready must be quick, and is polled at least once.
func (w *Waiter) Wait(ready func() bool) bool {
	if ready() {
		return true
	}
	if w.max <= 0 || !w.group.Enabled() {
		return false
	}
	for range tightLooks {
		pause(tightPauses)
		if ready() {
			w.hit()
			return true
		}
	}
	return w.waitSlow(ready)
}

// waitSlow is the yielding phase. It yields to the kernel's other threads and not to Go's other goroutines:
// runtime.Gosched wakes another of the process's threads each time, which takes the very CPU that the peer needs, and
// often the goroutine too. Goroutines that are ready run on the process's other CPUs; a spin is short, and the group leaves one
// CPU alone.
func (w *Waiter) waitSlow(ready func() bool) bool {
	if w.miss > missHalf {
		if w.short++; w.short < probeEvery {
			return false
		}
		w.short = 0
	}
	if !w.group.enter() {
		return false
	}
	defer w.group.leave()
	for start := time.Now(); time.Since(start) < w.max; {
		for range yieldLooks {
			if ready() {
				w.miss = 0 // a spin that had to be long and paid: keep doing it
				return true
			}
			pause(tightPauses)
		}
	}
	w.miss += (missFull - w.miss + missWeight - 1) / missWeight
	return false
}

// hit learns from a wait that ended in the tight phase.
func (w *Waiter) hit() {
	if w.miss != 0 {
		w.miss -= (w.miss + missWeight - 1) / missWeight
	}
}
