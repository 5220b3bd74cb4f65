package hotline

import (
	"math/rand/v2"
	"slices"
	"sync"
	"sync/atomic"

	"hotline/internal/link"
)

// pool is a client's links, one to an instance.
type pool struct {
	hot     atomic.Pointer[session] // the link that calls try first; never nil once the client is connected, though it may have ended
	several atomic.Bool             // there are others

	mu      sync.Mutex
	members []*session     // guarded by mu: links that took calls when they were last looked at, fastest transport first
	retired []*link.Client // guarded by mu: links that take no more calls, and may have some in flight
	failure error          // guarded by mu: why no link could be made when it was last tried
	closed  bool           // guarded by mu
}

// pick returns the link for a call when the hot one is busy or has ended: of two by the fastest transport that there is,
// chosen at random, the one with fewer calls in flight. It returns nil where no link takes calls.
func (p *pool) pick() (*session, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed {
		return nil, ErrClosed
	}
	for len(p.members) > 0 {
		if s := p.pickLocked(); s != nil {
			return s, nil
		}
		p.sortOutLocked()
	}
	return nil, nil
}

// pickLocked returns nil where it has met a link that takes no calls.
func (p *pool) pickLocked() *session {
	n := p.fastestLocked()
	i := rand.IntN(n)
	s := p.members[i]
	load, open := s.link.Load()
	if n > 1 && open {
		other := p.members[(i+1+rand.IntN(n-1))%n]
		less, ok := other.link.Load()
		if open = ok; less < load {
			s = other
		}
	}
	if !open {
		return nil
	}
	return s
}

// fastestLocked returns how many of the first members share the best transport.
func (p *pool) fastestLocked() int {
	for n, s := range p.members {
		if s.rank != p.members[0].rank {
			return n
		}
	}
	return len(p.members)
}

// sortOutLocked retires the members that take no more calls, and closes retired links that have ended.
func (p *pool) sortOutLocked() {
	open := p.members[:0]
	for _, s := range p.members {
		if _, ok := s.link.Load(); ok {
			open = append(open, s)
		} else {
			p.retired = append(p.retired, s.link)
		}
	}
	clear(p.members[len(open):])
	p.members = open
	p.retired = slices.DeleteFunc(p.retired, func(l *link.Client) bool {
		if l.Err() == nil {
			return false
		}
		l.Close() // at once: it has ended
		return true
	})
	p.chooseHotLocked()
}

// chooseHotLocked leaves the hot link as it is while it is a member.
func (p *pool) chooseHotLocked() {
	p.several.Store(len(p.members) > 1)
	if len(p.members) > 0 && !slices.Contains(p.members, p.hot.Load()) {
		p.hot.Store(p.members[rand.IntN(p.fastestLocked())])
	}
}

// add makes s a member. A pool that was closed, or has a link to that instance, closes it.
func (p *pool) add(s *session) error {
	p.mu.Lock()
	closed := p.closed
	if closed || p.hasLocked(s.welcome.Instance) {
		p.mu.Unlock()
		s.link.Close() // which may take its time
		if closed {
			return ErrClosed
		}
		return nil
	}
	defer p.mu.Unlock()
	at, _ := slices.BinarySearchFunc(p.members, s.rank, func(m *session, rank int) int { return m.rank - rank })
	p.members = slices.Insert(p.members, at, s)
	p.failure = nil
	p.chooseHotLocked()
	return nil
}

// drop takes a link out that was lost or drains; calls in flight on it go on.
func (p *pool) drop(s *session) {
	p.mu.Lock()
	defer p.mu.Unlock()
	i := slices.Index(p.members, s)
	if i < 0 {
		return
	}
	p.members = slices.Delete(p.members, i, i+1)
	p.retired = append(p.retired, s.link)
	p.sortOutLocked()
}

// has reports whether a member is linked to the instance.
func (p *pool) has(instance string) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.hasLocked(instance)
}

func (p *pool) hasLocked(instance string) bool {
	return slices.ContainsFunc(p.members, func(m *session) bool { return m.welcome.Instance == instance })
}

// failed notes, and returns, why no link could be made.
func (p *pool) failed(reasons []error) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.failure = oneError(reasons)
	return p.failure
}

// lastFailure returns what failed noted last.
func (p *pool) lastFailure() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.failure
}

func (p *pool) isClosed() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.closed
}

// close ends all links.
func (p *pool) close() {
	p.mu.Lock()
	links := p.retired
	for _, s := range p.members {
		links = append(links, s.link)
	}
	p.closed, p.members, p.retired = true, nil, nil
	p.mu.Unlock()
	for _, l := range links {
		l.Close()
	}
}
