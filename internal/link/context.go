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
	gone            chan struct{} // guarded by Server.mu: made when a long reply is about to be sent

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

// track makes the context of a call that can be cancelled or has a deadline, or returns nil when the peer uses the id of
// one that is under way.
func (s *Server) track(m *message) *callContext {
	c := &callContext{Context: s.ctx, id: m.head.ID, clock: s.clock}
	if m.head.Timeout != 0 {
		began := m.began
		if began == 0 {
			began = s.clock.now()
		}
		c.deadline = began + int64(min(m.head.Timeout, 1<<61))
	}
	if !s.enter(c) {
		return nil
	}
	if c.deadline != 0 {
		s.alarm.set(c.deadline)
	}
	return c
}

func (s *Server) enter(c *callContext) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.active == nil {
		s.active = make(map[uint64]*callContext)
	}
	if s.active[c.id] != nil {
		return false
	}
	s.active[c.id] = c
	if s.err != nil {
		c.end(context.Canceled)
	}
	return true
}

// returned ends the context of a call whose handler has returned, and reports whether its caller still waits. A call with
// a long reply stays under way until untrack: gone is closed when the caller gives it up.
func (s *Server) returned(c *callContext, long bool) (waits bool) {
	c.end(context.Canceled)
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.active[c.id] != c {
		s.zombies.Add(-1)
		return false
	}
	if long {
		c.gone = make(chan struct{})
	} else {
		delete(s.active, c.id)
	}
	return true
}

// untrack forgets a call whose long reply was sent, or given up.
func (s *Server) untrack(c *callContext) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.active[c.id] == c {
		delete(s.active, c.id)
	}
}

// cancelCall ends the context of a call that its caller gave up, forgets what has come of its request, or stops sending
// its reply, whatever the call has come to.
func (s *Server) cancelCall(id uint64, why wire.Code) {
	if m := s.partial[id]; m != nil {
		delete(s.partial, id)
		s.in.settle(m)
		m.release(s.opt.Buffers)
		s.running.Add(-1)
		s.finished()
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.cancelStreamLocked(id, why)
	c := s.active[id]
	if c == nil {
		return
	}
	delete(s.active, id)
	if c.gone != nil {
		close(c.gone)
		return
	}
	s.zombies.Add(1)
	if why == wire.CodeDeadline {
		c.end(context.DeadlineExceeded)
	} else {
		c.end(context.Canceled)
	}
}
