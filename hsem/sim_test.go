package hsem

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"math"
	"math/rand/v2"
	"runtime"
	"slices"
	"testing"
	"time"
)

var schedules = flag.Int("schedules", 1500, "how many schedules TestSchedules tries of each kind")

// sim is a world in which one processor does one step at a time, and a seeded generator says which. A step is one access to
// memory or one call of the kernel. Everything in it is used by who has the processor, so that nothing needs a lock.
type sim struct {
	rng   *rand.Rand
	procs []*proc
	back  chan struct{} // a proc gives the processor back

	state    uint64
	mark     bool
	unlinked bool
	clock    time.Duration

	counts   bool // the semaphore is a counting one
	deaf     bool // a mutant: nobody hears a wake-up
	doubtful bool // a mutant: who is stopped counts as dead

	killed  int
	notices int // acquisitions that are to be told of a death
	due     int // deaths, and closed handles, of owners
	inside  int // living procs that hold the semaphore
	lost    int // of a counting semaphore: ones that died with their holder
	failure error
}

// proc is a process with one goroutine. It is the world of its handle.
type proc struct {
	*sim
	slot     uint32
	resume   chan bool // the processor is yours; false: you are dead
	over     bool
	dead     bool
	immortal bool
	stopped  bool
	asleep   bool
	resting  bool          // asleep, but not for the semaphore
	due      time.Duration // of a sleep
	notice   bool          // the acquisition under way is to be told of a death
	inside   bool
	has      bool // has a one of a counting semaphore
	waiting  bool // counted among the waiters of a counting semaphore
}

var _ world = (*proc)(nil)

func newSim(seed uint64) *sim {
	return &sim{rng: rand.New(rand.NewPCG(seed, 1)), back: make(chan struct{})}
}

// start makes a process that will run body.
func (s *sim) start(body func(*proc)) *proc {
	p := &proc{sim: s, slot: uint32(len(s.procs) + 1), resume: make(chan bool)}
	s.procs = append(s.procs, p)
	go func() {
		defer func() {
			p.over = true
			s.back <- struct{}{}
		}()
		p.live()
		body(p)
	}()
	return p
}

// live waits for the processor, or for the end.
func (p *proc) live() {
	if !<-p.resume {
		runtime.Goexit()
	}
}

// yield ends a step.
func (p *proc) yield() {
	p.back <- struct{}{}
	p.live()
}

func (s *sim) fail(format string, args ...any) {
	if s.failure == nil {
		s.failure = fmt.Errorf(format, args...)
	}
}

// run lets all processes run to their end. Up to kills of them are killed; stops says whether some are stopped for a while.
func (s *sim) run(kills int, stops bool) {
	for steps := 0; ; steps++ {
		if steps > 200_000 {
			s.fail("no end after %d steps: the state is %#x", steps, s.state)
		}
		var ready, asleep, stopped []*proc
		for _, p := range s.procs {
			switch {
			case p.over:
			case p.stopped:
				stopped = append(stopped, p)
			case p.asleep && p.due > s.clock:
				asleep = append(asleep, p)
			default:
				p.asleep = false
				ready = append(ready, p)
			}
		}
		all := append(append(append([]*proc(nil), ready...), asleep...), stopped...)
		if len(all) == 0 {
			return
		}
		if s.failure != nil {
			for _, p := range all {
				s.kill(p)
			}
			return
		}
		chance := s.rng.IntN(1000)
		switch {
		case kills > 0 && chance < 10:
			if p := all[s.rng.IntN(len(all))]; !p.immortal {
				kills--
				s.kill(p)
			}
		case stops && chance < 30 && len(ready) > 0:
			ready[s.rng.IntN(len(ready))].stopped = true
		case len(stopped) > 0 && (chance < 60 || len(ready) == 0):
			s.clock += time.Duration(s.rng.Int64N(int64(3 * step)))
			stopped[s.rng.IntN(len(stopped))].stopped = false
		case len(ready) > 0:
			s.clock += time.Microsecond
			p := ready[s.rng.IntN(len(ready))]
			p.resume <- true
			<-s.back
		default:
			s.checkSleepers(asleep)
			next := asleep[0]
			for _, p := range asleep {
				if p.due < next.due {
					next = p
				}
			}
			s.clock = next.due
		}
	}
}

// kill ends a process where it is.
func (s *sim) kill(p *proc) {
	p.dead = true
	s.killed++
	if owner(s.state) == p.slot {
		s.due++
	}
	if p.inside {
		s.inside--
	}
	if p.has {
		s.lost++
	}
	p.resume <- false
	<-s.back
}

// checkSleepers is called when nobody can go on before some time has passed: then a semaphore that is to be had is a lost
// wake-up, unless one was lost with a process that died.
func (s *sim) checkSleepers(asleep []*proc) {
	waits := slices.ContainsFunc(asleep, func(p *proc) bool { return !p.resting })
	free := owner(s.state) == 0 || s.state&destroyed != 0
	if s.counts {
		free = value(s.state) > 0 && !s.mark // the mark is not in the word that is slept on: a step may pass before it is seen
	}
	if s.killed == 0 && free && waits {
		s.fail("all sleep, and the state is %#x", s.state)
	}
}

// enter and leave surround what the semaphore protects.
func (p *proc) enter() {
	p.inside = true
	if p.sim.inside++; p.sim.inside > 1 {
		p.fail("%d hold the lock at once", p.sim.inside)
	}
}

func (p *proc) leave() {
	p.inside = false
	p.sim.inside--
}

func (p *proc) load() uint64 {
	p.yield()
	return p.state
}

func (p *proc) cas(old, new uint64) bool {
	p.yield()
	if p.state != old {
		return false
	}
	if p.counts {
		p.took(old, new)
	} else {
		p.changed(old, new)
	}
	p.state = new
	return true
}

// changed holds every change of a hybrid lock's owner against what is true.
func (p *proc) changed(old, new uint64) {
	from, to := owner(old), owner(new)
	switch {
	case to == p.slot:
		if from != 0 && !p.procs[from-1].dead {
			p.fail("%d takes the lock from %d, who lives", p.slot, from)
		}
		if old&destroyed != 0 {
			p.fail("%d takes a destroyed lock", p.slot)
		}
		if uint32(new>>32) != uint32(old>>32)+1 {
			p.fail("the epoch goes from %d to %d", old>>32, new>>32)
		}
		p.notice = from != 0 || old&orphaned != 0
		if p.notice {
			p.notices++
		}
	case from != to:
		if from != p.slot || to != 0 {
			p.fail("%d makes the owner %d, who was %d", p.slot, to, from)
		}
		if new&orphaned != 0 {
			p.sim.due++
		}
	}
}

// took follows the ones of a counting semaphore.
func (p *proc) took(old, new uint64) {
	switch value(new) - value(old) {
	case math.MaxUint32:
		p.has = true
	case 1:
		p.has = false
	}
	switch uint32(new>>32) - uint32(old>>32) {
	case math.MaxUint32:
		p.waiting = false
	case 1:
		p.waiting = true
	}
}

func (p *proc) sleep(s uint64, d time.Duration) {
	p.yield()
	if uint32(p.state) == uint32(s) && p.rng.IntN(20) > 0 {
		p.asleep, p.due = true, p.clock+d
		p.yield()
	}
}

func (p *proc) wake(n int) {
	p.yield()
	for _, i := range p.rng.Perm(len(p.procs)) {
		if other := p.procs[i]; n > 0 && other.asleep && !other.resting && !other.over && !p.deaf {
			other.asleep = false
			n--
		}
	}
}

func (p *proc) spin(ready func() bool) {
	for range p.rng.IntN(3) {
		if ready() {
			return
		}
	}
}

func (p *proc) now() time.Duration { return p.clock }

func (p *proc) alive(slot uint32) bool {
	p.yield()
	other := p.procs[slot-1]
	return !other.dead && !(p.doubtful && other.stopped)
}

func (p *proc) removed() bool {
	p.yield()
	return p.unlinked
}

func (p *proc) marked() bool {
	p.yield()
	return p.sim.mark
}

func (p *proc) mark() {
	p.yield()
	p.sim.mark = true
}

var errCanceled = errors.New("canceled")

// limit is that of one lock: none, a deadline, or a cancel at some time.
func (p *proc) limit() limit {
	switch p.rng.IntN(4) {
	case 0:
		return limit{deadline: p.clock + time.Duration(p.rng.Int64N(int64(2*step)))}
	case 1:
		return limit{stop: func() error {
			if p.rng.IntN(4) == 0 {
				return errCanceled
			}
			return nil
		}}
	}
	return limit{}
}

// useHybrid is what a process does with a hybrid lock.
func (p *proc) useHybrid() {
	h := hybrid{world: p, slot: p.slot}
	for range 1 + p.rng.IntN(4) {
		p.notice = false
		ok, err := false, error(nil)
		switch p.rng.IntN(4) {
		case 0:
			ok, err = h.try()
		case 1:
			ok = h.fast()
		default:
			err = h.lock(p.limit())
			ok = err == nil || errors.Is(err, ErrOwnerDied)
		}
		if ok != (owner(p.state) == p.slot) {
			p.fail("%d: lock says %v, %v, the owner is %d", p.slot, ok, err, owner(p.state))
		}
		if !ok {
			if err != nil && !errors.Is(err, errCanceled) && !errors.Is(err, context.DeadlineExceeded) && !errors.Is(err, ErrDestroyed) {
				p.fail("%d: lock: %v", p.slot, err)
			}
			continue
		}
		if p.notice != errors.Is(err, ErrOwnerDied) {
			p.fail("%d: lock: %v, though the owner had died: %v", p.slot, err, p.notice)
		}
		p.enter()
		for range p.rng.IntN(4) {
			p.yield()
		}
		p.leave()
		if p.rng.IntN(10) == 0 {
			h.abandon()
		} else if err := h.unlock(); err != nil && !errors.Is(err, ErrDestroyed) {
			p.fail("%d: unlock: %v", p.slot, err)
		}
		if err := h.unlock(); !errors.Is(err, ErrNotOwner) {
			p.fail("%d: a second unlock: %v", p.slot, err)
		}
	}
}

// useCounting is what a process does with a counting semaphore.
func (p *proc) useCounting() {
	c := counting{world: p}
	for range 1 + p.rng.IntN(4) {
		ok, err := false, error(nil)
		switch p.rng.IntN(4) {
		case 0:
			ok, err = c.try()
		case 1:
			ok = c.fast()
		default:
			err = c.lock(p.limit())
			ok = err == nil
		}
		if !ok {
			if err != nil && !errors.Is(err, errCanceled) && !errors.Is(err, context.DeadlineExceeded) && !errors.Is(err, ErrDestroyed) {
				p.fail("%d: lock: %v", p.slot, err)
			}
			continue
		}
		p.enter()
		for range p.rng.IntN(4) {
			p.yield()
		}
		p.leave()
		p.give(func() {})
	}
}

// give adds one to a counting semaphore, destroyed or not, so that the sums are right. In the same step it calls given.
func (p *proc) give(given func()) {
	for {
		s := p.load()
		if p.cas(s, s+1) {
			given()
			if s >= waiterOne {
				p.wake(1)
			}
			return
		}
	}
}

// simulate runs one schedule and returns what went wrong. The seed says all about it.
func simulate(seed uint64, counts bool, mutate func(*sim)) error {
	s := newSim(seed)
	kills, stops, destroys := 0, s.rng.IntN(2) == 0, s.rng.IntN(5) == 0
	if s.rng.IntN(2) == 0 {
		kills = 1 + s.rng.IntN(2)
	}
	if s.counts = counts; counts {
		s.state = 1
	}
	if mutate != nil {
		mutate(s)
	}
	for range 2 + s.rng.IntN(4) {
		if counts {
			s.start((*proc).useCounting)
		} else {
			s.start((*proc).useHybrid)
		}
	}
	if destroys {
		s.start(func(p *proc) {
			for range s.rng.IntN(60) {
				p.yield()
			}
			p.ruin(counts)
		})
	}
	if counts && kills > 0 {
		// A one that dies with its holder is given back by nobody: here somebody adds one for each.
		s.start(func(p *proc) {
			for slices.ContainsFunc(s.procs, func(other *proc) bool { return other != p && !other.over }) {
				p.rest(step)
				if s.lost > 0 {
					p.give(func() { s.lost-- })
				}
			}
		}).immortal = true
	}
	s.run(kills, stops)
	if s.failure == nil {
		s.audit(counts, destroys)
	}
	return s.failure
}

// ruin is Destroy, of which only the first half is done when its process dies in the middle.
func (p *proc) ruin(counts bool) {
	if counts {
		(&counting{world: p}).destroy()
		return
	}
	p.unlinked = true
	p.yield()
	(&hybrid{world: p, slot: p.slot}).destroy()
}

func (p *proc) rest(d time.Duration) {
	p.asleep, p.resting, p.due = true, true, p.clock+d
	p.yield()
	p.resting = false
}

// audit looks at what is left when all processes have ended.
func (s *sim) audit(counts, destroyedIt bool) {
	if counts {
		waiting := 0
		for _, p := range s.procs {
			if p.waiting {
				waiting++
			}
		}
		if n := int(s.state >> 32); n != waiting {
			s.fail("%d waiters are left in the state, %d died waiting", n, waiting)
		}
		if int(value(s.state))+s.lost != 1 {
			s.fail("the value is %d, and %d died with their holders", value(s.state), s.lost)
		}
		return
	}
	if destroyedIt {
		return
	}
	s.start(func(p *proc) { // takes the notice that may be left
		h := hybrid{world: p, slot: p.slot}
		if err := h.lock(limit{}); p.notice != errors.Is(err, ErrOwnerDied) {
			p.fail("the last lock: %v, though the owner had died: %v", err, p.notice)
		}
		_ = h.unlock()
	})
	s.run(0, false)
	if s.notices != s.due {
		s.fail("%d owners died, %d times somebody was told", s.due, s.notices)
	}
}

// TestSchedules runs both protocols as they are under many schedules, with deaths, stops, timeouts, cancels and Destroy.
func TestSchedules(t *testing.T) {
	for seed := range uint64(*schedules) {
		if err := simulate(seed, false, nil); err != nil {
			t.Fatalf("hybrid, seed %d: %v", seed, err)
		}
		if err := simulate(seed, true, nil); err != nil {
			t.Fatalf("counting, seed %d: %v", seed, err)
		}
	}
}

// TestSchedulesFind: the schedules find what they are there to find.
func TestSchedulesFind(t *testing.T) {
	for _, c := range []struct {
		name   string
		counts bool
		mutate func(*sim)
	}{
		{"hybrid: nobody hears a wake-up", false, func(s *sim) { s.deaf = true }},
		{"hybrid: who is stopped counts as dead", false, func(s *sim) { s.doubtful = true }},
		{"counting: nobody hears a wake-up", true, func(s *sim) { s.deaf = true }},
	} {
		found := false
		for seed := range uint64(500) {
			if found = simulate(seed, c.counts, c.mutate) != nil; found {
				break
			}
		}
		if !found {
			t.Errorf("%s: 500 schedules found nothing", c.name)
		}
	}
}
