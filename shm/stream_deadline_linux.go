package shm

import (
	"sync"
	"sync/atomic"
	"time"
)

// deadline is a time at which calls are to fail. It can be changed at any time, also while calls wait. The zero value
// is no deadline.
type deadline struct {
	wake func() // called when it has passed, after late was closed; nil for nothing; set before the first use

	mu     sync.Mutex
	closed bool        // guarded by mu
	at     time.Time   // when the timer is to fire; zero when it isn't; guarded by mu
	timer  *time.Timer // guarded by mu

	// late is closed when the deadline has passed, and is another channel when it was changed after that. Changes before
	// leave it as it is, so that a call may wait at it across them.
	late atomic.Pointer[chan struct{}]
}

// passed returns the channel that is closed when the deadline has passed.
func (d *deadline) passed() <-chan struct{} {
	if late := d.late.Load(); late != nil {
		return *late
	}
	d.late.CompareAndSwap(nil, newLate())
	return *d.late.Load()
}

func newLate() *chan struct{} {
	late := make(chan struct{})
	return &late
}

// set changes the deadline; the zero time is none. It reports false when the deadline was closed.
func (d *deadline) set(t time.Time) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.closed {
		return false
	}
	d.stopLocked()
	if isClosed(d.passed()) {
		d.late.Store(newLate())
	}
	if t.IsZero() {
		return true
	}
	wait := time.Until(t)
	if wait <= 0 {
		d.passLocked()
		return true
	}
	d.at = time.Now().Add(wait) // as the timer measures it, whatever happens to the clock on the wall
	if d.timer == nil {
		d.timer = time.AfterFunc(wait, d.fire)
	} else {
		d.timer.Reset(wait)
	}
	return true
}

// fire is run by the timer. It may be late: for a deadline that has been changed since.
func (d *deadline) fire() {
	d.mu.Lock()
	defer d.mu.Unlock()
	if !d.at.IsZero() && !time.Now().Before(d.at) {
		d.passLocked()
	}
}

// pass makes the deadline one that has passed, now.
func (d *deadline) pass() {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.passLocked()
}

func (d *deadline) passLocked() {
	d.stopLocked()
	if late := d.passed(); !isClosed(late) {
		close(*d.late.Load())
	}
	if d.wake != nil {
		d.wake()
	}
}

// close ends the deadline: it will not pass any more.
func (d *deadline) close() {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.closed = true
	d.stopLocked()
}

func (d *deadline) stopLocked() {
	d.at = time.Time{}
	if d.timer != nil {
		d.timer.Stop()
	}
}

// isClosed reports whether a channel that carries nothing is closed.
func isClosed(c <-chan struct{}) bool {
	select {
	case <-c:
		return true
	default:
		return false
	}
}
