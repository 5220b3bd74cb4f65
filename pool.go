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
	surplus []*link.Client // guarded by mu: likewise, because there is a faster one to the instance, or it refuses calls: they don't end by themselves
	lost    uint64         // guarded by mu: how many members have ended, or were dropped
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
			p.lost++
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

// chooseHotLocked leaves the hot link as it is while it is a member, and none is faster.
func (p *pool) chooseHotLocked() {
	n := p.fastestLocked()
	p.several.Store(n > 1)
	if n > 0 && !slices.Contains(p.members[:n], p.hot.Load()) {
		p.hot.Store(p.members[rand.IntN(n)])
	}
}

// add makes s a member, in the place of a slower link to the same instance. It closes s where the pool was closed, or has a
// link to that instance that is as fast.
func (p *pool) add(s *session) error {
	p.mu.Lock()
	closed := p.closed
	added := !closed && p.addLocked(s)
	p.mu.Unlock()
	if added {
		return nil
	}
	s.link.Close() // which may take its time
	if closed {
		return ErrClosed
	}
	return nil
}

func (p *pool) addLocked(s *session) bool {
	p.sortOutLocked()
	if i := slices.IndexFunc(p.members, s.sameInstance); i >= 0 {
		slower := p.members[i].link
		if p.members[i].rank <= s.rank {
			return false
		}
		p.members = slices.Delete(p.members, i, i+1)
		slower.Retire()
		p.surplus = append(p.surplus, slower)
	}
	at, _ := slices.BinarySearchFunc(p.members, s.rank, func(m *session, rank int) int { return m.rank - rank })
	p.members = slices.Insert(p.members, at, s)
	p.failure = nil
	p.chooseHotLocked()
	return true
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
	if _, open := s.link.Load(); open { // its server refuses calls, and won't end it
		s.link.Retire()
		p.surplus = append(p.surplus, s.link)
	} else {
		p.retired = append(p.retired, s.link)
	}
	p.lost++
	p.sortOutLocked()
}

// linked reports whether there is a link for calls.
func (p *pool) linked() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.sortOutLocked()
	return len(p.members) > 0
}

// rank returns how fast the link to an instance is, or the one that was made by an address. Either may be empty.
func (p *pool) rank(instance, address string) (rank int, ok bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, m := range p.members {
		if instance != "" && m.welcome.Instance == instance || m.address == address {
			return m.rank, true
		}
	}
	return 0, false
}

// tidy takes out the links that have ended, closes those that nobody needs any more, and returns how many were ever lost.
func (p *pool) tidy() (lost uint64) {
	p.mu.Lock()
	p.sortOutLocked()
	var idle []*link.Client
	p.surplus = slices.DeleteFunc(p.surplus, func(l *link.Client) bool {
		if l.InFlight() > 0 {
			return false
		}
		idle = append(idle, l) // and it stays so
		return true
	})
	lost = p.lost
	p.mu.Unlock()
	for _, l := range idle {
		l.Close()
	}
	return lost
}

// untidy reports whether there are links that tidy is to close.
func (p *pool) untidy() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return len(p.surplus) > 0
}

// failed notes, and returns, why no link could be made.
func (p *pool) failed(cause error) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.failure = cause
	return cause
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
	links := append(p.retired, p.surplus...)
	for _, s := range p.members {
		links = append(links, s.link)
	}
	p.closed, p.members, p.retired, p.surplus = true, nil, nil, nil
	p.mu.Unlock()
	for _, l := range links {
		l.Close()
	}
}
