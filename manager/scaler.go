package manager

import (
	"context"
	"math/rand/v2"
	"slices"
	"time"
)

// loadEvery is how often the workers' loads are read.
const loadEvery = time.Second

// workload is what a worker has done until now.
type workload struct {
	worker any           // who it is, to be found again
	age    time.Duration // on the clock that the rest goes by
	did    time.Duration // of what the section scales by: busy, waited or CPU time
}

// scaler follows the loads of a section's workers. It belongs to one goroutine. The zero value is ready for use.
type scaler struct {
	policy scalePolicy
	before map[any]workload // by worker; nil at the beginning
}

// step takes what all workers have done until now and returns how many there are to be, and why, where that differs. settled is
// false while workers are on their way: then nothing is decided, and what was seen before does not count.
func (s *scaler) step(now time.Time, rule scaling, workers int, all []workload, settled bool) (n int, why string) {
	if s.before == nil || rule != s.policy.rule || workers != s.policy.workers || !settled {
		s.policy.begin(rule, workers, now, rand.Float64)
		s.remember(all)
		if workers >= rule.min && workers <= rule.max || !settled {
			return workers, ""
		}
		return s.policy.decide(now)
	}
	load, ok := s.load(all)
	s.remember(all)
	if ok {
		s.policy.see(load, now)
	}
	return s.policy.decide(now)
}

// load returns the average load of the workers since the step before. ok is false where nothing is known of one.
func (s *scaler) load(all []workload) (load float64, ok bool) {
	for _, w := range all {
		b, known := s.before[w.worker]
		took := w.age - b.age
		if !known || took <= 0 {
			return 0, false
		}
		load += max(float64(w.did-b.did)/float64(took), 0)
	}
	return load / float64(len(all)), len(all) > 0
}

func (s *scaler) remember(all []workload) {
	s.before = make(map[any]workload, len(all))
	for _, w := range all {
		s.before[w.worker] = w
	}
}

// watchLoads makes the number of workers of all sections follow what they have to do, until ctx ends.
func (m *Manager) watchLoads(ctx context.Context) {
	scalers := make(map[*pool]*scaler)
	for sleep(ctx, m.loadEvery) == nil {
		pools := m.allPools()
		kept := make(map[*pool]*scaler, len(pools))
		for _, p := range pools {
			if s := p.settings(); s.MinProcNum == s.MaxProcNum {
				continue
			}
			kept[p] = scalers[p]
			if kept[p] == nil {
				kept[p] = new(scaler)
			}
			p.follow(kept[p])
		}
		scalers = kept
	}
}

// follow looks at the loads of a section, and adds a worker, or takes one away, where that is due. A number of workers that was
// set by hand is kept.
func (p *pool) follow(s *scaler) {
	p.mu.Lock()
	rule, workers, byHand := p.service.scaling(), p.target, p.byHand
	staying := slices.DeleteFunc(slices.Clone(p.slots), func(w *slot) bool { return w.retiring })
	settled := p.mode == on && !byHand && p.roll == nil && len(staying) == workers && haveSettled(staying)
	var all []*process
	for _, w := range staying { // not those that drain, which may take long
		if w.state == Ready && w.process != nil {
			all = append(all, w.process)
		}
	}
	p.mu.Unlock()
	loads := make([]workload, 0, len(all))
	for _, process := range all {
		w, err := process.workload(rule.by)
		if err != nil { // it has just ended, or counts nothing
			settled = false
			continue
		}
		loads = append(loads, w)
	}
	if n, why := s.step(time.Now(), rule, workers, loads, settled); n != workers {
		p.scaleAsLoadSays(workers, n, why)
	}
}

// haveSettled reports whether the number of workers can follow the load of those that are ready: none is on its way, and at most
// half are in a crash loop. Where few can live, more would not help.
func haveSettled(workers []*slot) bool {
	ready := 0
	for _, w := range workers {
		if w.state == Ready {
			ready++
		}
	}
	return !anyOnItsWay(workers) && 2*ready >= len(workers)
}

// scaleAsLoadSays sets how many workers there are to be, unless that was changed meanwhile.
func (p *pool) scaleAsLoadSays(from, to int, why string) {
	p.update(func() {
		if p.target == from && !p.byHand && p.mode == on {
			p.target = to
			p.say("%d workers in place of %d: %s", to, from, why)
		}
	})
}

// workload returns what the process has done until now.
func (p *process) workload(by ScaleBy) (workload, error) {
	l, err := p.figures.load()
	w := workload{worker: p, age: l.Age}
	switch {
	case by == ScaleByCPU:
		w.age = time.Since(p.began) // not the board's: who counts no calls has CPU time all the same
		w.did, err = p.cpuTime()
	case err != nil:
		return workload{}, err
	case by == ScaleByQueue:
		w.did = l.Spent - l.Busy
	default:
		w.did = l.Busy
	}
	return w, err
}
