package link

import (
	"sync"
	"sync/atomic"
	"time"
)

// Sentry looks at links whose handlers run, and moves the reading role on from a handler that runs long. One goroutine
// serves all the links that share a Sentry; it runs only while some of them are busy. The zero value is ready.
type Sentry struct {
	mu    sync.Mutex
	links []*Server // guarded by mu: those being watched
}

// watched is what the sentry keeps in a Server.
type watched struct {
	on   atomic.Bool // in the sentry's list
	seen uint64      // guarded by Sentry.mu: turn at the last look
	calm int         // guarded by Sentry.mu: looks without a change
}

const (
	// sentryPause is the time between two looks. The runtime's timers make it about a millisecond on a machine that
	// is otherwise asleep.
	sentryPause = 200 * time.Microsecond

	// sentryCalm is after how many looks without a call a link is no longer watched.
	sentryCalm = 50
)

// look makes sure that s is watched. It is called after turn says that a handler runs.
func (y *Sentry) look(s *Server) {
	if !s.watch.on.Load() {
		y.lookSlow(s)
	}
}

func (y *Sentry) lookSlow(s *Server) {
	y.mu.Lock()
	defer y.mu.Unlock()
	if s.watch.on.Swap(true) {
		return
	}
	s.watch.seen, s.watch.calm = s.turn.Load(), 0
	y.links = append(y.links, s)
	if len(y.links) == 1 {
		go y.run()
	}
}

// run ends by itself when no link is busy.
func (y *Sentry) run() {
	for {
		time.Sleep(sentryPause)
		y.mu.Lock()
		kept := y.links[:0]
		for _, s := range y.links {
			if y.inspect(s) {
				kept = append(kept, s)
			}
		}
		clear(y.links[len(kept):])
		y.links = kept
		n := len(kept)
		y.mu.Unlock()
		if n == 0 {
			return
		}
	}
}

// inspect looks at one link, and reports whether it is to be looked at again.
func (y *Sentry) inspect(s *Server) bool {
	w, now := &s.watch, s.turn.Load()
	if now != w.seen {
		w.seen, w.calm = now, 0
		return true
	}
	if now&1 == 1 {
		s.takeRole(now)
		return true
	}
	if w.calm++; w.calm < sentryCalm {
		return true
	}
	// A worker that sets turn after our load sees on == false, or we see its turn here: both are sequentially
	// consistent, and in the opposite order.
	w.on.Store(false)
	if s.turn.Load() == now {
		return false
	}
	return !w.on.Swap(true)
}

// takeRole gives the reading role of a worker whose handler runs long to a new worker.
func (s *Server) takeRole(running uint64) {
	if s.crowded() {
		return // the sentry comes again
	}
	next := running>>turnShift + 1
	s.crew.join() // the worker that runs the handler is still in the crew, or the swap fails
	if !s.turn.CompareAndSwap(running, readingTurn(next)) {
		s.crew.leave()
		return
	}
	s.opt.Methods.wasSlow(uint16(running >> 1))
	go s.work(next)
}

// Methods remembers which methods of a service are slow. Many links share it.
type Methods struct{ score []atomic.Int32 }

const (
	slowScore  = 16                    // quick calls in a row until a slow method is thought quick again
	slowEnough = 20 * time.Microsecond // what a goroutine of its own is worth
)

// NewMethods makes the memory for n methods.
func NewMethods(n int) *Methods { return &Methods{make([]atomic.Int32, n)} }

func (m *Methods) isSlow(method uint16) bool {
	return int(method) < len(m.score) && m.score[method].Load() > 0
}

func (m *Methods) wasSlow(method uint16) {
	if int(method) < len(m.score) {
		m.score[method].Store(slowScore)
	}
}

// ran accounts for a call of a slow method that had a goroutine of its own.
func (m *Methods) ran(method uint16, took time.Duration) {
	if took >= slowEnough {
		m.wasSlow(method)
	} else if v := &m.score[method]; v.Add(-1) < 0 {
		v.CompareAndSwap(-1, 0) // many calls at once may have gone below
	}
}
