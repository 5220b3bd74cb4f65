package hotline

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"time"

	"hotline/registry"
)

// scout looks for instances that the client has no link to, while calls overlap. It costs nothing while they don't:
// one call at a time has no use for a second link.
type scout struct {
	client *Client
	ctx    context.Context // ends when the client is closed
	cancel context.CancelFunc
	group  sync.WaitGroup

	wanted  atomic.Bool // calls have overlapped since the last look
	running atomic.Bool

	mu sync.Mutex // held while a goroutine is started or stop is called

	seen   registry.Stamp // of the last look; run's
	looked bool           // everything that was there at the last look is linked; run's
}

// scoutPause is between two looks.
const scoutPause = 40 * time.Millisecond

func (s *scout) init(c *Client) {
	s.client = c
	s.ctx, s.cancel = context.WithCancel(context.Background())
}

// stop ends the looking, and waits for it.
func (s *scout) stop() {
	s.mu.Lock()
	s.cancel()
	s.mu.Unlock()
	s.group.Wait()
}

// overlap is told that two calls are in flight on one link. It is quick when it was told so a moment ago.
func (s *scout) overlap() {
	if !s.wanted.Load() {
		s.overlapSlow()
	}
}

func (s *scout) overlapSlow() {
	s.wanted.Store(true)
	if s.running.Swap(true) {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.ctx.Err() == nil {
		s.group.Go(s.run)
	}
}

// run looks until calls have not overlapped for a while. It is the only one that does.
func (s *scout) run() {
	timer := time.NewTimer(scoutPause)
	defer timer.Stop()
	for {
		s.look()
		timer.Reset(scoutPause)
		select {
		case <-timer.C:
		case <-s.ctx.Done():
			return
		}
		if s.wanted.Swap(false) {
			continue
		}
		// Who sets wanted after this sees that nobody runs, or we see it here.
		s.running.Store(false)
		if !s.wanted.Load() || s.running.Swap(true) {
			return
		}
	}
}

// look makes links to the instances that are new in the runtime directory.
func (s *scout) look() {
	c := s.client
	hot := c.pool.hot.Load()
	if !hot.from.many() {
		return
	}
	d, err := registry.Open(c.dialer.Dir)
	if err != nil {
		c.dialer.Logger.Debug().Err(err).Msg("looking for instances")
		return
	}
	stamp, err := d.Stamp() // before the lookup, which may see more
	if err != nil || s.looked && stamp == s.seen {
		return
	}
	s.seen, s.looked = stamp, true
	places, err := hot.from.places(c.target, c.dialer.Dir)
	if err != nil {
		c.dialer.Logger.Debug().Err(err).Msg("looking for instances")
		return
	}
	for _, p := range places {
		if p.key != hot.key() || c.pool.has(p.instance) {
			continue
		}
		var mismatch *MismatchError
		if err := c.join(s.ctx, p); err != nil && !errors.As(err, &mismatch) { // which is in the log
			s.looked = false // it may be reached the next time
		}
	}
}
