package shm

import (
	"fmt"
	"runtime"
	"slices"
	"sync"
	"time"

	"hotline/internal/link"
	"hotline/internal/spin"
	"hotline/internal/wire"
)

// writer is the writing end of a connection. Its lock is held for the copying of one frame at most. Writers that find
// no room leave the lock and wait in a queue, first come first served; who comes later waits behind them, so that
// a large frame is not overtaken for ever by small ones.
type writer struct {
	mu sync.Mutex
	sink
	queue []*waiter // those who wait for room; the first one alone watches the ring
	spare *waiter   // one that is not in use
	spin  spin.Waiter
	shrinker
}

// waiter is a Write that waits for room.
type waiter struct {
	news chan struct{} // capacity 1: you have become the first, or there may be room
}

// Write copies a frame into the ring. When there is no room it waits until the peer has made some, or gives up as stop
// says. A frame longer than MaxFrame, or whose header doesn't fit its parts, is the caller's mistake and ends the
// connection like every other error.
func (c *Conn) Write(stop link.Stop, h *wire.Header, metadata, payload []byte) error {
	n := len(metadata) + len(payload)
	if n > c.MaxFrame() || int(h.Length) != n {
		return c.fail(fmt.Errorf("%s: write a frame of length %d with %d bytes: at most %d are allowed",
			c.name, h.Length, n, c.MaxFrame()))
	}
	span := frameSpan(n)
	o := &c.out
	o.mu.Lock()
	if c.state.Load() != 0 || len(o.queue) != 0 || !o.fitsAtOnce(span) {
		if err := c.writeSlow(stop, span); err != nil {
			o.mu.Unlock()
			return err
		}
	}
	raceWrite()
	o.put(h, metadata, payload)
	wake := o.publish(span)
	if o.grown() && !o.shrinker.set {
		c.watchMemory()
	}
	o.mu.Unlock()
	if wake {
		c.rang.Store(true)
		c.bell.ring()
	}
	runtime.KeepAlive(c)
	return nil
}

// writeSlow waits until it is this writer's turn and span bytes have room. It is called, and returns, with o.mu
// held. Where it returns an error, nothing was sent.
func (c *Conn) writeSlow(stop link.Stop, span uint64) error {
	o := &c.out
	me := o.enqueue()
	defer o.leave(me)
	for spun := false; ; {
		if c.state.Load() != 0 {
			return c.writeError()
		}
		if o.queue[0] == me {
			fits, err := o.fits(span)
			if !fits && err == nil && spun {
				// The reader sets head and looks at want; we set want and look at head.
				o.win.want.Swap(o.wanted(span))
				fits, err = o.fits(span)
			}
			if err != nil {
				return c.fail(err)
			}
			if fits {
				return nil
			}
			o.grow()
			if !spun {
				o.spinForRoom(span)
				spun = true
				continue
			}
		}
		o.mu.Unlock()
		err := me.wait(stop, c.over)
		o.mu.Lock()
		if err != nil {
			return err
		}
		spun = false
	}
}

// spinForRoom polls the reader's word for a while. It leaves the lock meanwhile: others come to the queue behind us.
func (w *writer) spinForRoom(span uint64) {
	w.mu.Unlock()
	roomAt := w.roomAt(span)
	w.spin.Wait(func() bool { return w.win.head.Load() >= roomAt })
	w.mu.Lock()
}

// writeError is why nothing can be written any more.
func (c *Conn) writeError() error {
	if err := c.failure(); err != nil {
		return err
	}
	return fmt.Errorf("%s: write: %w", c.name, ErrPeerGone)
}

// enqueue puts a waiter at the end of the queue. w.mu is held.
func (w *writer) enqueue() *waiter {
	me := w.spare
	w.spare = nil
	if me == nil {
		me = &waiter{news: make(chan struct{}, 1)}
	}
	w.queue = append(w.queue, me)
	return me
}

// leave takes a waiter out of the queue, and tells the next if that is the first now. w.mu is held.
func (w *writer) leave(me *waiter) {
	i := slices.Index(w.queue, me)
	w.queue = slices.Delete(w.queue, i, i+1)
	if i == 0 && len(w.queue) != 0 {
		w.queue[0].tell()
	}
	select {
	case <-me.news: // told, and not heard
	default:
	}
	w.spare = me
}

// roomArrived tells the first in the queue to look again.
func (w *writer) roomArrived() {
	w.mu.Lock()
	defer w.mu.Unlock()
	if len(w.queue) != 0 {
		w.queue[0].tell()
	}
}

// tell gives news. They are not counted.
func (w *waiter) tell() {
	select {
	case w.news <- struct{}{}:
	default:
	}
}

// wait sleeps until there are news or over is closed, or gives up.
func (w *waiter) wait(stop link.Stop, over <-chan struct{}) error {
	var late <-chan time.Time
	if !stop.Deadline.IsZero() {
		timer := time.NewTimer(time.Until(stop.Deadline))
		defer timer.Stop()
		late = timer.C
	}
	select {
	case <-w.news:
	case <-over:
	case <-stop.Done:
		return link.ErrInterrupted
	case <-late:
		return link.ErrInterrupted
	}
	return nil
}
