package hotline

import (
	"fmt"
	"slices"
	"time"
)

// try is what a scout knows of a place where it tried to make a link. Links are made beside the looking, so that an instance that
// hangs holds up no other, and a place where none could be made is left alone for a while, longer each time.
type try struct {
	joining  bool
	failures int       // in a row
	next     time.Time // not before this again, after failures
	instance string    // that answered there last, for a place that does not say whose it is
}

const (
	firstRetry = 100 * time.Millisecond // after a failure; doubled for each further one
	lastRetry  = 4 * time.Second        // less than a scout pauses
)

// note notes what came of a try.
func (t *try) note(s *session, failures []error) {
	if s != nil {
		t.instance = s.welcome.Instance
	}
	if len(failures) == 0 {
		t.failures = 0
		return
	}
	t.next = time.Now().Add(min(firstRetry<<t.failures, lastRetry))
	t.failures = min(t.failures+1, 10)
}

// join begins to make a link to an instance, if there is none that is as fast, unless that is under way or was in vain a
// moment ago. full says that there are too many under way.
func (s *scout) join(p place) (begun, full bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	id := p.id()
	t := s.tries[id]
	if t == nil {
		t = new(try)
	}
	instance, by := p.instance, ""
	if instance == "" {
		instance, by = t.instance, id
	}
	if rank, ok := s.client.pool.rank(instance, by); ok {
		p.ways = slices.DeleteFunc(slices.Clone(p.ways), func(way address) bool { return way.rank() >= rank })
	}
	switch {
	case len(p.ways) == 0: // it is reached, be it by others
		t.failures = 0
		return false, false
	case t.joining || time.Now().Before(t.next) || s.ctx.Err() != nil:
		return false, false
	case s.joining == maxJoins:
		return false, true
	}
	s.tries[id] = t
	t.joining = true
	s.joining++
	s.group.Go(func() {
		v, failures := s.client.join(s.ctx, p)
		v, failures = s.admit(v, failures)
		s.mu.Lock()
		defer s.mu.Unlock()
		t.joining = false
		s.joining--
		t.note(v, failures)
	})
	return true, false
}

// admit takes a link to another instance of the same service among the client's, and says in the log what went wrong.
func (s *scout) admit(v *session, failures []error) (*session, []error) {
	c := s.client
	if key := c.pool.hot.Load().key(); v != nil && v.key() != key {
		v.link.Close()
		failures = append(failures, fmt.Errorf("%s leads to %s, not to %s", v.address, v.key(), key))
		v = nil
	}
	if v == nil {
		if s.ctx.Err() == nil {
			c.dialer.Logger.Debug().Err(oneError(failures)).Msg("could not connect")
		}
		return nil, failures
	}
	c.explain(v, failures)
	_ = c.pool.add(v) // which fails where the client is closed
	s.tend()
	return v, failures
}

// due reports whether a place is to be tried again.
func (s *scout) due() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	now := time.Now()
	for _, t := range s.tries {
		if t.failures > 0 && !t.joining && !now.Before(t.next) {
			return true
		}
	}
	return false
}

// forget forgets the places that were not met again.
func (s *scout) forget(met []string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for id, t := range s.tries {
		if !t.joining && !slices.Contains(met, id) {
			delete(s.tries, id)
		}
	}
}
