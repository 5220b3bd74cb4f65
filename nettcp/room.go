package nettcp

import (
	"time"

	"hotline/internal/link"
	"hotline/internal/wire"
)

// What may be queued for a peer that does not keep up. Long frames stop far earlier than short ones, so that a caller
// with a long message does not put it all in front of everybody's next small frame, and so that most of it goes to
// the kernel without a copy, when its caller finds nobody in charge.
const (
	smallFrame = 4 << 10 // the longest frame for which smallQueue holds
	smallQueue = 1 << 20
	largeQueue = 128 << 10
)

// waiters are the callers who wait for room, in the order in which they came.
type waiters struct{ first, last *waiter }

// waiter is a caller who waits for room.
type waiter struct {
	size  int
	ready chan struct{} // closed when the room is his, or there will never be any
	owns  bool          // guarded by the writer's mu: the room is counted in queued
	next  *waiter
}

// reserveLocked counts size bytes as queued, and waits for the room if it has to. It fails with what ended the
// writing side, or with [link.ErrInterrupted] as stop says. The caller holds w.mu, which is given up during the wait.
func (w *writer) reserveLocked(stop link.Stop, size int) error {
	if w.err != nil {
		return w.err
	}
	if w.fitsLocked(size) && (size <= smallFrame || w.waiters.first == nil) {
		w.queued += size
		return nil
	}
	me := &waiter{size: size, ready: make(chan struct{})}
	w.waiters.add(me)
	w.mu.Unlock()
	await(me.ready, stop)
	w.mu.Lock()
	switch {
	case me.owns && w.err == nil:
		return nil
	case w.err != nil:
		return w.err
	}
	w.waiters.remove(me)
	w.grantLocked() // those behind may be smaller
	return link.ErrInterrupted
}

// fitsLocked reports whether there is room for a frame of size bytes. There always is when nothing is queued.
func (w *writer) fitsLocked(size int) bool {
	limit := largeQueue + wire.HeaderSize
	if size <= smallFrame {
		limit = smallQueue
	}
	return w.queued == 0 || w.queued+size <= limit
}

// grantLocked gives room to those who wait, first come, first served. The caller holds w.mu.
func (w *writer) grantLocked() {
	for me := w.waiters.first; me != nil && w.fitsLocked(me.size); me = w.waiters.first {
		w.waiters.remove(me)
		w.queued += me.size
		me.owns = true
		close(me.ready)
	}
}

// dismissLocked ends all waits, because there will be no room any more. The caller holds w.mu and has set err.
func (w *writer) dismissLocked() {
	for me := w.waiters.first; me != nil; me = me.next {
		close(me.ready)
	}
	w.waiters = waiters{}
}

// await waits until ready is closed, and reports false when stop came first.
func await(ready <-chan struct{}, stop link.Stop) bool {
	var late <-chan time.Time
	if !stop.Deadline.IsZero() {
		timer := time.NewTimer(time.Until(stop.Deadline))
		defer timer.Stop()
		late = timer.C
	}
	select {
	case <-ready:
		return true
	case <-stop.Done:
	case <-late:
	}
	return false
}

func (l *waiters) add(me *waiter) {
	if l.last == nil {
		l.first = me
	} else {
		l.last.next = me
	}
	l.last = me
}

// remove takes me out; one that is not in the list is ignored.
func (l *waiters) remove(me *waiter) {
	var before *waiter
	for at := l.first; at != nil; before, at = at, at.next {
		if at != me {
			continue
		}
		if before == nil {
			l.first = me.next
		} else {
			before.next = me.next
		}
		if l.last == me {
			l.last = before
		}
		me.next = nil
		return
	}
}
