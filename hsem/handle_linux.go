package hsem

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"sync/atomic"
	"time"

	"hotline/internal/spin"
)

// protocol is one of the two ways to use the shared word.
type protocol interface {
	fast() bool
	try() (bool, error)
	lock(limit) error
	unlock() error
	destroy()
}

// handle is the part of a semaphore's handle that is the same for both kinds. It is the protocols' real world.
type handle struct {
	name  string
	kind  *kind
	proto protocol
	obj   *object
	state *atomic.Uint64 // in obj's mapping
	slot  uint32         // 0 where handles have none
	began time.Time      // when now was 0

	// turn is held, by sending to it, by the one goroutine that is in proto.lock. The others of this handle wait for it in
	// channels, where they keep no thread and listen to their context.
	turn   chan struct{}
	waiter spin.Waiter // used by who has the turn
	done   func() bool // ends the call that wakes who has the turn when its context ends; nil for none

	closed  atomic.Bool
	closing chan struct{} // closed by Close

	// Who has the turn and waits for another goroutine of this handle sleeps on rouse, after it has set napping.
	napping atomic.Bool
	rouse   chan struct{} // of capacity 1
}

func newHandle(name string, k *kind, obj *object, offset int, opts []Option) *handle {
	maxSpin := newSettings(opts).maxSpin
	switch {
	case maxSpin < 0:
		maxSpin = spin.DefaultMax
	case maxSpin == 0:
		maxSpin = -1 // what NewWaiter has for never
	}
	return &handle{
		name: name, kind: k, obj: obj, state: obj.mem.word64(offset), began: time.Now(),
		turn: make(chan struct{}, 1), waiter: spin.NewWaiter(spin.NewGroup(spin.CPUs()), maxSpin),
		closing: make(chan struct{}), rouse: make(chan struct{}, 1),
	}
}

// failed says what was attempted.
func (h *handle) failed(what string, err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("%s %q: %w", what, h.name, err)
}

// lockSlow is what comes when the semaphore was not to be had at once. A timeout below 0 is none.
func (h *handle) lockSlow(ctx context.Context, timeout time.Duration) error {
	err := h.wait(ctx, timeout)
	if err != nil && !errors.Is(err, ErrOwnerDied) {
		return h.failed("lock", err)
	}
	if kept := h.keep(); kept != nil {
		return kept
	}
	return h.failed("lock", err)
}

// keep gives back what was locked through a handle that was closed meanwhile.
func (h *handle) keep() error {
	raceLocked()
	if !h.closed.Load() {
		return nil
	}
	_ = h.proto.unlock()
	return h.failed("lock", ErrClosed)
}

func (h *handle) wait(ctx context.Context, timeout time.Duration) error {
	if h.closed.Load() {
		return ErrClosed
	}
	l := limit{stop: func() error { return h.stopped(ctx) }}
	if deadline, ok := ctx.Deadline(); ok {
		l.deadline = max(deadline.Sub(h.began), 1)
	}
	if timeout >= 0 {
		if now := h.now(); timeout < math.MaxInt64-now {
			l.deadline = max(now+timeout, 1)
		}
	}
	if err := h.takeTurn(ctx, l.deadline); err != nil {
		return err
	}
	defer h.leaveTurn()
	return h.proto.lock(l)
}

// takeTurn waits until this goroutine is the one that waits for all.
func (h *handle) takeTurn(ctx context.Context, deadline time.Duration) error {
	select {
	case h.turn <- struct{}{}:
		return nil
	default:
	}
	var late <-chan time.Time
	if deadline != 0 {
		timer := time.NewTimer(deadline - h.now())
		defer timer.Stop()
		late = timer.C
	}
	select {
	case h.turn <- struct{}{}:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	case <-late:
		return context.DeadlineExceeded
	case <-h.closing:
		return ErrClosed
	}
}

func (h *handle) leaveTurn() {
	if h.done != nil {
		h.done()
		h.done = nil
	}
	<-h.turn
}

// stopped is asked before each sleep of the goroutine that has the turn.
func (h *handle) stopped(ctx context.Context) error {
	if h.done == nil && ctx.Done() != nil {
		h.done = context.AfterFunc(ctx, h.nudge)
	}
	if h.closed.Load() {
		return ErrClosed
	}
	return ctx.Err()
}

// nudge ends the sleep of who has the turn, if it sleeps already; if not, the sleep will be one of at most a step. It
// wakes other processes too, for no reason.
func (h *handle) nudge() {
	h.wake(math.MaxInt32)
	h.rouseOwn()
}

// rouseOwn wakes a goroutine of this handle that waits for another one.
func (h *handle) rouseOwn() {
	if h.napping.Load() {
		select {
		case h.rouse <- struct{}{}:
		default:
		}
	}
}

// try is TryLock.
func (h *handle) try() (bool, error) {
	if h.closed.Load() {
		return false, h.failed("lock", ErrClosed)
	}
	ok, err := h.proto.try()
	if ok {
		if err := h.keep(); err != nil {
			return false, err
		}
	}
	return ok, h.failed("lock", err)
}

// unlock is Unlock.
func (h *handle) unlock() error {
	raceUnlocking()
	if err := h.proto.unlock(); err != nil {
		return h.unlockFailed(err)
	}
	h.rouseOwn()
	return nil
}

func (h *handle) unlockFailed(err error) error {
	h.rouseOwn()
	if h.closed.Load() {
		err = ErrClosed
	}
	return h.failed("unlock", err)
}

// close is the part of Close that both kinds share: leave lets go of what the handle still holds.
func (h *handle) close(leave func()) error {
	if h.closed.Swap(true) {
		return nil
	}
	close(h.closing)
	_ = faultless(h.obj.mem, func() error {
		leave()
		return nil
	})
	if len(h.turn) > 0 {
		h.nudge()
	}
	return h.obj.file.Close()
}

// destroyAll removes the name, if it is still this semaphore's, and ends all waits.
func (h *handle) destroyAll() error {
	if h.closed.Load() {
		return h.failed("destroy", ErrClosed)
	}
	removed, err := h.kind.remove(h.name, h.obj, false)
	if err != nil {
		return h.failed("destroy", err)
	}
	if !removed { // the name is gone, or another's
		err = faultless(h.obj.mem, func() error {
			h.proto.destroy()
			return nil
		})
	}
	h.rouseOwn()
	return h.failed("destroy", err)
}

// littleEndian reports whether the low half of a 64-bit word comes first in memory.
var littleEndian = binary.NativeEndian.Uint16([]byte{1, 0}) == 1

// What follows is the real world of the protocols.

var _ world = (*handle)(nil)

func (h *handle) load() uint64             { return h.state.Load() }
func (h *handle) cas(old, new uint64) bool { return h.state.CompareAndSwap(old, new) }
func (h *handle) wake(n int)               { futexWake(h.state, n) }
func (h *handle) spin(ready func() bool)   { h.waiter.Wait(ready) }
func (h *handle) now() time.Duration       { return time.Since(h.began) }
func (h *handle) alive(slot uint32) bool   { return slotTaken(h.obj, slot) }
func (h *handle) marked() bool             { return h.obj.mem.word32(offMark).Load() != 0 }
func (h *handle) mark()                    { h.obj.mem.word32(offMark).Store(1) }

func (h *handle) removed() bool {
	n, err := h.obj.links()
	return err == nil && n == 0
}

// sleep waits for another process in the kernel, and for another goroutine of this handle in a channel.
func (h *handle) sleep(s uint64, d time.Duration) {
	if h.slot == 0 || owner(s) != h.slot {
		futexWait(h.state, uint32(s), d)
		return
	}
	// No wake-up is lost: we set napping and then look at the state, and Unlock changes the state and then looks at napping.
	h.napping.Swap(true)
	defer h.napping.Store(false)
	if h.load() != s {
		return
	}
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-h.rouse:
	case <-timer.C:
	}
}
