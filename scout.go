package hotline

import (
	"context"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"hotline/registry"
)

// scout looks for instances that the client has no link to, or a slow one, at all of the client's addresses. It does so while
// calls overlap: one call at a time has no use for a second link. It also does, less and less often, while the client is away
// from its fastest address, until it has come back. Otherwise it costs nothing.
type scout struct {
	client *Client
	ctx    context.Context // ends when the client is closed
	cancel context.CancelFunc
	group  sync.WaitGroup

	wanted  atomic.Bool // calls have overlapped since the last look
	running atomic.Bool
	wake    chan struct{} // one token: wanted was set

	seen sighting // of the last look at everything; run's

	mu      sync.Mutex      // held while a goroutine is started or stop is called
	tries   map[string]*try // guarded by mu: by a place's id
	joining int             // guarded by mu: attempts under way
}

// sighting is what was there at a look. When it is the same again there is nothing new.
type sighting struct {
	complete bool
	stamp    registry.Stamp
	lost     uint64 // links
}

const (
	scoutPause = 40 * time.Millisecond // between two looks while calls overlap
	awayPause  = 5 * time.Second       // the longest between two looks while they don't
)

func (s *scout) init(c *Client) {
	s.client, s.wake, s.tries = c, make(chan struct{}, 1), make(map[string]*try)
	s.ctx, s.cancel = context.WithCancel(context.Background())
}

// stop ends the looking and all attempts to connect, and waits for that.
func (s *scout) stop() {
	s.mu.Lock()
	s.cancel()
	s.mu.Unlock()
	s.group.Wait()
}

// start runs f on a goroutine that stop waits for. It returns ErrClosed after stop.
func (s *scout) start(f func()) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.ctx.Err() != nil {
		return ErrClosed
	}
	s.group.Go(f)
	return nil
}

// overlap is told that two calls are in flight on one link. It is quick when it was told so a moment ago.
func (s *scout) overlap() {
	if !s.wanted.Load() {
		s.overlapSlow()
	}
}

func (s *scout) overlapSlow() {
	s.wanted.Store(true)
	select {
	case s.wake <- struct{}{}:
	default: // it will see that it is wanted
	}
	s.begin()
}

// begin makes somebody look, if nobody does.
func (s *scout) begin() {
	if !s.running.Swap(true) {
		_ = s.start(s.run) // after stop nothing is looked for
	}
}

// tend is to be called when links have changed: it makes somebody look where there is reason to, though no calls overlap.
func (s *scout) tend() {
	if s.unsettled() {
		s.begin()
	}
}

// unsettled reports whether the client is linked by a slower way than another of its addresses may offer, or has links that
// are to be closed.
func (s *scout) unsettled() bool {
	by := s.client.pool.hot.Load().from.rank()
	return slices.ContainsFunc(s.client.addresses, func(a address) bool { return a.rank() < by }) || s.client.pool.untidy()
}

// run looks until calls have not overlapped for a while, and all is settled. It is the only one that does.
func (s *scout) run() {
	timer := time.NewTimer(scoutPause)
	defer timer.Stop()
	pause, all := scoutPause, s.wanted.Load()
	for {
		s.look(all)
		timer.Reset(pause)
		wake := s.wake
		if pause == scoutPause {
			wake = nil // soon enough
		}
		select {
		case <-timer.C:
		case <-wake:
		case <-s.ctx.Done():
			return
		}
		if all = s.wanted.Swap(false); all {
			pause = scoutPause
			continue
		}
		if s.unsettled() {
			pause = min(2*pause, awayPause)
			continue
		}
		// Who gives reason to look after this sees that nobody runs, or we see it here.
		s.running.Store(false)
		if !s.wanted.Load() && !s.unsettled() || s.running.Swap(true) {
			return
		}
	}
}

// look begins to make links to all instances that are new, or only to one that is reached in a faster way than the hot one.
func (s *scout) look(all bool) {
	c := s.client
	sight := s.sight()
	if all && sight.complete && sight == s.seen && !s.due() {
		return
	}
	hot := c.pool.hot.Load()
	var met []string
	for _, a := range c.addresses {
		places, err := a.places(c.target, c.dialer.Dir)
		if err != nil && all {
			c.dialer.Logger.Debug().Err(err).Msg("looking for instances")
		}
		for _, p := range places {
			if p.key != "" && p.key != hot.key() || !all && p.ways[0].rank() >= hot.rank {
				continue
			}
			met = append(met, p.id())
			if begun, full := s.join(p); full {
				sight.complete = false
			} else if begun && !all {
				return
			}
		}
	}
	if all {
		s.seen = sight
		s.forget(met)
	}
}

// sight returns what a look will see, or less than that.
func (s *scout) sight() sighting {
	v := sighting{complete: true, lost: s.client.pool.tidy()}
	if slices.ContainsFunc(s.client.addresses, address.many) {
		d, err := registry.Open(s.client.dialer.Dir)
		if err == nil {
			v.stamp, err = d.Stamp()
		}
		v.complete = err == nil // else the lookup will say why
	}
	return v
}
