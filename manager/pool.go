package manager

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"sync"
	"time"
)

// pool is the workers of a section. What is wanted of them (mode, target, current) is written by commands; what is there
// (slots) is made so by one goroutine, run, which alone starts processes and asks them to end. Each process has a goroutine
// that watches it and writes down what became of it. All of it is under mu, and who changed something calls update, which
// wakes run and all who wait in await.
type pool struct {
	manager *Manager
	section string
	tally   *tally // of all that its workers do

	wake    chan struct{}  // has room for one; run looks again
	watches sync.WaitGroup // the goroutines that watch processes
	sweeps  sync.WaitGroup // the goroutines that close editions
	ended   chan struct{}  // closed when run has returned: no process is left

	memoryUnread sync.Once // of the word that the memory of workers can't be read

	mu      sync.Mutex
	changed chan struct{} // closed, and replaced, when anything below has changed

	service *Service // what the manager heeds; what the workers are started with is in their editions
	current *edition // that all workers are to have
	roll    *roll    // on the way to it, or nil
	made    int      // editions
	mode    mode
	blocked error // while pending: why the section that it waits for won't be ready, or not soon; else nil
	closing bool  // run is to return when there is no worker: the section is gone, or the manager stops
	target  int   // workers, from min_proc_num to max_proc_num
	byHand  bool  // the scale command has set target: it stays until a reload

	slots     []*slot   // by number
	served    bool      // as many as wanted have been ready at once
	late      bool      // it was not ready within start_timeout of its begin
	begunAt   time.Time // when it began, or was given other workers before it was ready
	restarts  int       // of workers, since the manager began
	lastEnd   string    // of any worker that was not asked to end
	endedAt   time.Time // of lastEnd
	patience  backoff   // before a replacement that is not urgent is tried again
	notBefore time.Time
	kept      []*edition // that are not closed: the current one, and those that workers still have

	rounds    uint64             // of run, that have begun
	finished  uint64             // of those, with all that was to be said in them
	said      []func()           // what is to be said, logged and closed, outside of the lock
	saying    bool               // run is about to do it
	listeners map[*listener]bool // of commands that show what is said
}

// mode is what is wanted of a section as a whole.
type mode int

const (
	pending  mode = iota // it waits for sections that must be ready before it starts
	on                   // its workers run
	draining             // they end when their calls have, for which they have drain_timeout if the section is closing; see slot.release
	off                  // they end within stop_timeout
)

// roll is a rolling restart under way.
type roll struct {
	from *edition      // to go back to
	err  error         // why it failed; set before done is closed
	done chan struct{} // closed when every worker has the new edition and is ready, or one of those has failed
}

func (m *Manager) newPool(e *edition) *pool {
	p := &pool{
		manager: m, section: e.service.Section, tally: m.tallyOf(e.service.Section), service: e.service, target: e.service.MinProcNum,
		wake: make(chan struct{}, 1), ended: make(chan struct{}), changed: make(chan struct{}), listeners: map[*listener]bool{},
	}
	t := m.timing(e.service)
	t.set(&p.patience)
	p.setCurrent(e)
	e.log.Trim()
	p.resize()
	return p
}

// setCurrent makes e the edition that all workers are to have.
func (p *pool) setCurrent(e *edition) {
	p.made++
	e.number, p.current = p.made, e
	p.kept = append(p.kept, e)
	p.tally.open(e.log)
}

// update changes something, and tells all whom it may concern.
func (p *pool) update(change func()) {
	p.mu.Lock()
	change()
	p.changedLocked()
	p.mu.Unlock()
	select {
	case p.wake <- struct{}{}:
	default: // it will look anyway
	}
}

func (p *pool) changedLocked() {
	close(p.changed)
	p.changed = make(chan struct{})
}

// run makes what is there what is wanted, until the pool is closing and no process is left.
func (p *pool) run() {
	defer close(p.ended)
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		p.mu.Lock()
		next := p.reconcile(time.Now())
		p.sweep()
		said, over := p.said, p.closing && len(p.slots) == 0
		p.said, p.saying = nil, true
		p.rounds++
		p.mu.Unlock()
		for _, say := range said {
			say()
		}
		p.mu.Lock()
		p.saying = false
		p.finished = p.rounds
		p.changedLocked()
		p.mu.Unlock()
		if over {
			p.watches.Wait()
			return
		}
		if !next.IsZero() {
			timer.Reset(time.Until(next))
		}
		select {
		case <-p.wake:
			timer.Stop()
		case <-timer.C:
		}
	}
}

// beat returns when run has made a whole round from now on, or has returned, or else ctx's error: so a caller knows that it
// does not hang.
func (p *pool) beat(ctx context.Context) error {
	var next uint64
	p.update(func() { next = p.rounds + 1 })
	for {
		p.mu.Lock()
		alive, changed := p.finished >= next, p.changed
		p.mu.Unlock()
		if alive {
			return nil
		}
		select {
		case <-changed:
		case <-p.ended:
			return nil
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// begin starts the workers, unless somebody has stopped the section meanwhile.
func (p *pool) begin() {
	p.update(func() {
		if p.mode == pending {
			p.setOn()
		}
	})
}

// setOn lets the workers run, and gives the section its time to be ready. The lock is held.
func (p *pool) setOn() {
	p.mode, p.late, p.begunAt = on, false, time.Now()
}

// shut stops all workers for good, and returns when that is done.
func (p *pool) shut() {
	p.update(func() { p.mode, p.closing = off, true })
	<-p.ended
}

// setTarget sets how many workers of a section that is not stopped there are to be, whatever they have to do, until a reload. The
// lock is held.
func (p *pool) setTarget(n int) error {
	if !p.isOn() {
		return p.errStopped()
	}
	if s := p.service; n < s.MinProcNum || n > s.MaxProcNum {
		return fmt.Errorf("section [%s] has from %d to %d workers, not %d: change min_proc_num or max_proc_num, and reload",
			p.section, s.MinProcNum, s.MaxProcNum, n)
	}
	p.target, p.byHand = n, true
	return nil
}

// ready returns how many workers are.
func (p *pool) ready() (n int) {
	for _, w := range p.slots {
		if w.state == Ready {
			n++
		}
	}
	return n
}

// standing returns the workers that are to stay: not those that end, and not those that are to take another's place and are
// not ready yet.
func (p *pool) standing() (all []*slot) {
	for _, w := range p.slots {
		if !w.retiring && w.replaces == nil {
			all = append(all, w)
		}
	}
	return all
}

// hasBeenReady reports whether the section is, or was, ready, so that those that wait for it may start.
func (p *pool) hasBeenReady() bool { return p.served }

// hasSettled reports whether nobody need wait for the section's first readiness any more: it has come, or won't soon.
func (p *pool) hasSettled() bool {
	return p.hasBeenReady() || p.closing || !p.isOn() || p.late || p.failing() != nil
}

// isReady reports whether as many workers are ready as there must be; or why they can't be waited for.
func (p *pool) isReady(n int) (bool, error) {
	if p.isOn() && p.ready() >= n && p.roll == nil {
		return true, nil
	}
	return false, p.stuck()
}

// stuck says why the section won't be ready by itself, or not soon; nil if it will.
func (p *pool) stuck() error {
	switch {
	case p.closing:
		return p.errGone()
	case !p.isOn():
		return p.errStopped()
	case p.mode == pending && p.blocked != nil:
		return fmt.Errorf("section [%s] waits for another: %w", p.section, p.blocked)
	case p.late && !p.hasBeenReady():
		return fmt.Errorf("section [%s] has not been ready within start_timeout, and is tried further: %s", p.section, p.lastEndOrNone())
	case p.failing() != nil:
		return fmt.Errorf("section [%s]: its workers end again and again, and are tried slowly: %s", p.section, p.lastEnd)
	}
	return nil
}

// noteEnd takes note of how a worker ended that was not asked to.
func (p *pool) noteEnd(how string) { p.lastEnd, p.endedAt = how, time.Now() }

func (p *pool) lastEndOrNone() string { return cmp.Or(p.lastEnd, "no worker has ended yet") }

// errStopped is the error of a command that needs a section to run which is stopped.
func (p *pool) errStopped() error { return fmt.Errorf("section [%s]: %w", p.section, ErrStopped) }

// errGone is the error of a command that meets a section which a reload has removed. While the manager stops there is no command.
func (p *pool) errGone() error {
	return fmt.Errorf("section [%s]: %w: it is not in the file any more", p.section, ErrNoSection)
}

// isScaled reports whether as many workers are ready as are wanted, and those that were too many have ended; or why that can't
// be waited for.
func (p *pool) isScaled() (bool, error) {
	ok, err := p.isReady(p.target)
	return ok && len(p.slots) == p.target, err
}

// failing returns a worker that is in a crash loop, or nil.
func (p *pool) failing() *slot {
	for _, w := range p.slots {
		if w.backoff.looping() {
			return w
		}
	}
	return nil
}

// anyOnItsWay reports whether one of the workers is not ready and is to be soon. For one in a crash loop nobody waits.
func anyOnItsWay(workers []*slot) bool {
	return slices.ContainsFunc(workers, func(w *slot) bool { return w.state != Ready && !w.backoff.looping() })
}

// free returns the smallest number that no worker has.
func (p *pool) free() int {
	n := 1
	for _, w := range p.slots {
		if w.number == n {
			n++
		}
	}
	return n
}

// add makes a worker, which waits to be started.
func (p *pool) add(e *edition, replaces *slot) *slot {
	w := &slot{pool: p, number: p.free(), edition: e, replaces: replaces, state: Waiting}
	t := p.manager.timing(p.service)
	t.set(&w.backoff)
	p.slots = append(p.slots, w)
	slices.SortFunc(p.slots, func(a, b *slot) int { return a.number - b.number })
	return w
}

func (p *pool) remove(w *slot) {
	p.slots = slices.DeleteFunc(p.slots, func(o *slot) bool { return o == w })
	for _, o := range p.slots {
		if o.replaces == w {
			o.replaces = nil // it is gone already: the other stays in its place
		}
	}
}

// isOn reports whether workers run, or will when the sections are ready that this one waits for.
func (p *pool) isOn() bool { return p.mode == pending || p.mode == on }

// isEmpty reports whether no worker is left of a section that is stopped, and its ports are closed.
func (p *pool) isEmpty() bool { return len(p.slots) == 0 && len(p.current.listeners()) == 0 }

// close closes what is open. No worker runs any more, and run has returned.
func (p *pool) close() {
	p.sweeps.Wait()
	for _, e := range p.kept {
		p.manager.closeEdition(e)
	}
}
