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

// watched is what the sentry keeps in a Server. What is not marked otherwise is guarded by Sentry.mu.
type watched struct {
	on      atomic.Bool // in the sentry's list; by anyone
	several atomic.Bool // calls of more than one caller have come since the last look; by the reader

	slot  uint64 // of the last call's id; the reader's
	seen  uint64 // turn at the last look
	calm  int    // looks without a change
	quick bool   // to be looked at again soon
}

// How often the sentry looks. While it sleeps the process has a timer pending, and a thread that waits in the poller
// must arm it each time: that costs several microseconds on a virtual machine, a third of a call over a socket. When it
// wakes, its thread takes a CPU from one that spins, and the peer at the other end of that link waits in vain
// and falls asleep. So links are looked at often only where this pays: when they are new to the sentry, when it has
// just found a handler running, and while the calls of several callers come so fast that nobody sleeps in
// between. A lone caller waits for its own handler, and nobody behind it.
const (
	sentrySoon = 200 * time.Microsecond // about a millisecond on a machine that is otherwise asleep
	sentryLate = 10 * time.Millisecond
	hotCall    = 10 * time.Microsecond // calls at this distance or less are fast

	// sentryCalm is after how many looks without a call a link is no longer watched.
	sentryCalm = 10
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
	s.watch.seen, s.watch.calm, s.watch.quick = s.turn.Load(), 0, true
	y.links = append(y.links, s)
	if len(y.links) == 1 {
		go y.run()
	}
}

// note is told the id of each call, by the reader. A caller that is alone uses the same slot again and again, as Client makes
// ids. Of a client that makes them in another way every caller seems to be one of several, whose link is looked at more often.
func (w *watched) note(id uint64) {
	if slot := id & (1<<slotBits - 1); slot != w.slot {
		w.slot = slot
		if !w.several.Load() {
			w.several.Store(true)
		}
	}
}

// run ends by itself when no link is busy.
func (y *Sentry) run() {
	pause := sentrySoon
	for {
		began := time.Now()
		time.Sleep(pause)
		y.mu.Lock()
		pause = sentryLate
		kept := y.links[:0]
		for _, s := range y.links {
			if !y.inspect(s, time.Since(began)) {
				continue
			}
			kept = append(kept, s)
			if s.watch.quick {
				pause = sentrySoon
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

// inspect looks at one link some time after the last look, and reports whether it is to be looked at again.
func (y *Sentry) inspect(s *Server, after time.Duration) bool {
	w, now := &s.watch, s.turn.Load()
	several := w.several.Swap(false)
	if now != w.seen {
		calls := now>>turnShift - w.seen>>turnShift
		hot := several && time.Duration(calls)*hotCall > after
		w.quick = hot || now&1 == 1 && !w.quick
		w.seen, w.calm = now, 0
		return true
	}
	if now&1 == 1 {
		s.takeRole(now)
		return true
	}
	w.quick = false
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
type Methods struct{ all []pace }

// pace is what is known of one method.
type pace struct {
	left    atomic.Int32 // quick calls until the method is thought quick again; 0 when it is
	penalty atomic.Int32 // what left was set to last: it doubles, so that a method that is slow now and then is not tried for ever
}

const (
	minPenalty = 16
	maxPenalty = 1 << 14
	slowEnough = 20 * time.Microsecond // what a goroutine of its own is worth
)

// NewMethods makes the memory for n methods.
func NewMethods(n int) *Methods { return &Methods{make([]pace, n)} }

// isSlow reports whether a call of the method should have a goroutine of its own.
func (m *Methods) isSlow(method uint16) bool {
	return int(method) < len(m.all) && m.all[method].left.Load() > 0
}

// wasSlow accounts for a handler that held up a link.
func (m *Methods) wasSlow(method uint16) {
	if int(method) >= len(m.all) {
		return
	}
	p := &m.all[method]
	penalty := min(max(minPenalty, 2*p.penalty.Load()), maxPenalty)
	p.penalty.Store(penalty)
	p.left.Store(penalty)
}

// ran accounts for a call of a slow method that had a goroutine of its own.
func (m *Methods) ran(method uint16, took time.Duration) {
	p := &m.all[method]
	if took >= slowEnough {
		p.left.Store(p.penalty.Load())
	} else if p.left.Add(-1) < 0 {
		p.left.CompareAndSwap(-1, 0) // many calls at once may have gone below
	}
}
