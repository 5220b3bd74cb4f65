package link

import (
	"context"
	"sync"
	"time"

	"hotline/internal/wire"
)

// callContext is the context of one call: it ends when the caller cancels, when the deadline passes, and when the link
// ends. It is one allocation and no goroutine: the link ends it.
type callContext struct {
	context.Context // the link's, for its values
	id              uint64
	deadline        int64 // on the link's clock, 0 for none
	clock           clock

	mu    sync.Mutex
	done  chan struct{}           // guarded by mu: made when somebody asks
	err   error                   // guarded by mu
	after map[*afterFunc]struct{} // guarded by mu: what AfterFunc was given and end has not started
}

type afterFunc struct{ f func() }

// Deadline returns when the call ends by itself, as its caller sees it.
func (c *callContext) Deadline() (time.Time, bool) {
	if c.deadline == 0 {
		return time.Time{}, false
	}
	return c.clock.time(c.deadline), true
}

// Done is closed when the context has ended.
func (c *callContext) Done() <-chan struct{} {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.done == nil {
		c.done = make(chan struct{})
		if c.err != nil {
			close(c.done)
		}
	}
	return c.done
}

// Err says why the context has ended, or nil.
func (c *callContext) Err() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.err
}

// AfterFunc lets contexts that are derived from this one end with it, without a goroutine each: package context looks
// for this method.
func (c *callContext) AfterFunc(f func()) (stop func() bool) {
	a := &afterFunc{f}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.err != nil {
		go f()
		return func() bool { return false }
	}
	if c.after == nil {
		c.after = make(map[*afterFunc]struct{})
	}
	c.after[a] = struct{}{}
	return func() bool {
		c.mu.Lock()
		defer c.mu.Unlock()
		_, ok := c.after[a]
		delete(c.after, a)
		return ok
	}
}

// end ends the context, and reports whether it was the first to do so.
func (c *callContext) end(err error) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.err != nil {
		return false
	}
	c.err = err
	if c.done != nil {
		close(c.done)
	}
	for a := range c.after {
		go a.f()
	}
	c.after = nil
	return true
}

// track makes the context of a call that can be cancelled or has a deadline.
func (s *Server) track(h *wire.Header) *callContext {
	c := &callContext{Context: s.ctx, id: h.ID, clock: s.clock}
	if h.Timeout != 0 {
		c.deadline = s.clock.now() + int64(min(h.Timeout, 1<<61))
	}
	s.mu.Lock()
	if s.active == nil {
		s.active = make(map[uint64]*callContext)
	}
	s.active[h.ID] = c
	if s.err != nil {
		c.end(context.Canceled)
	}
	s.mu.Unlock()
	if c.deadline != 0 {
		s.alarm.set(c.deadline)
	}
	return c
}

// untrack ends the context of a call whose handler has returned, and reports whether its caller had gone: then
// nobody waits for the reply.
func (s *Server) untrack(c *callContext) (gone bool) {
	s.mu.Lock()
	if s.active[c.id] == c {
		delete(s.active, c.id)
	} else {
		gone = true
		s.zombies.Add(-1)
	}
	s.mu.Unlock()
	c.end(context.Canceled)
	return gone
}

// cancelCall ends the context of a call that its caller gave up, or forgets what has come of its request.
func (s *Server) cancelCall(id uint64) {
	if m := s.partial[id]; m != nil {
		delete(s.partial, id)
		m.release(s.opt.Buffers)
		s.running.Add(-1)
		s.finished()
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if c := s.active[id]; c != nil {
		delete(s.active, id)
		s.zombies.Add(1)
		c.end(context.Canceled)
	}
}
