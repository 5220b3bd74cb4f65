package manager

import (
	"cmp"
	"fmt"
	"time"
)

// ScaleBy says what the number of a section's workers follows, between min_proc_num and max_proc_num.
type ScaleBy string

// What the number of workers can follow. Each is the average of the section's workers.
const (
	ScaleByBusy  ScaleBy = "busy"  // the share of time in which a worker has at least one call under way
	ScaleByQueue ScaleBy = "queue" // the calls that a worker has under way beyond the first
	ScaleByCPU   ScaleBy = "cpu"   // the CPU time that a worker's process uses, as a share of one CPU
)

// scaling is how a section's number of workers follows what they have to do.
type scaling struct {
	by                           ScaleBy
	up, down                     float64 // an average that is not below up adds a worker, one that is not above down takes one away
	upWindow, downWindow, settle time.Duration
	min, max                     int
}

// scalingDefaults are the thresholds where the keys say nothing. The windows are those of the first hotline: 20 s up and 240 s
// down.
func scalingDefaults(by ScaleBy) scaling {
	s := scaling{by: by, upWindow: 20 * time.Second, downWindow: 240 * time.Second, settle: 20 * time.Second}
	switch by {
	case ScaleByQueue:
		s.up, s.down = 1, 0.1
	case ScaleByCPU:
		s.up, s.down = 0.3, 0.15
	default:
		s.by, s.up, s.down = ScaleByBusy, 0.75, 0.25
	}
	return s
}

// scaling returns what a section's keys say.
func (s *Service) scaling() scaling {
	r := scalingDefaults(s.Scale)
	r.up, r.down = cmp.Or(s.ScaleUp, r.up), cmp.Or(s.ScaleDown, r.down)
	r.upWindow, r.downWindow = cmp.Or(s.ScaleUpWindow, r.upWindow), cmp.Or(s.ScaleDownWindow, r.downWindow)
	r.settle = cmp.Or(s.ScaleCooldown, r.settle)
	r.min, r.max = s.MinProcNum, s.MaxProcNum
	return r
}

// format writes an average as the keys have it.
func (s *scaling) format(v float64) string {
	if s.by == ScaleByQueue {
		return fmt.Sprintf("%.3g calls waiting", v)
	}
	word := "busy"
	if s.by == ScaleByCPU {
		word = "of a CPU"
	}
	return fmt.Sprintf("%.3g %% %s", v*100, word)
}

// scalePolicy decides how many workers a section is to have. Every change is one worker more or less, and begins anew:
//
//   - nothing changes for the cooldown, and until a whole window has been seen with this number of workers; so the window up,
//     which is short, makes for quick steps up, and the window down, which is long, for slow ones down;
//   - both are up to a fifth longer, at random, so that sections with the same load do not move at once;
//   - a worker is taken away only if what it did would leave the others well below the threshold at which one is added. That is
//     the hysteresis which, with few workers, a distance between the thresholds does not give.
//
// It belongs to one goroutine, and has no clock of its own. The zero value is ready for use.
type scalePolicy struct {
	rule    scaling
	workers int       // that what follows is about
	since   time.Time // when it began
	longer  float64   // by how much this time's waits are longer, from 1 to 1.2
	loads   []loadSpan
}

// loadSpan is the average of the workers' loads from the end of the span before to its own.
type loadSpan struct {
	end  time.Time
	took time.Duration
	load float64
}

// scaleMargin is how much of the upper threshold the other workers may reach when one is taken away.
const scaleMargin = 0.9

// begin forgets what was seen.
func (p *scalePolicy) begin(rule scaling, workers int, now time.Time, random func() float64) {
	*p = scalePolicy{rule: rule, workers: workers, since: now, longer: 1 + random()/5, loads: p.loads[:0]}
}

// see takes note of the load from the last call, or from begin, until now.
func (p *scalePolicy) see(load float64, now time.Time) {
	last := p.since
	if n := len(p.loads); n > 0 {
		last = p.loads[n-1].end
	}
	p.loads = append(p.loads, loadSpan{now, now.Sub(last), load})
	oldest := now.Add(-p.wait(max(p.rule.upWindow, p.rule.downWindow)))
	for len(p.loads) > 0 && !p.loads[0].end.After(oldest) {
		p.loads = p.loads[1:]
	}
}

func (p *scalePolicy) wait(d time.Duration) time.Duration {
	return time.Duration(float64(d) * p.longer)
}

// decide returns how many workers there are to be, and why, where that differs from how many there are.
func (p *scalePolicy) decide(now time.Time) (workers int, why string) {
	r := &p.rule
	switch { // who changed the limits wants them kept at once
	case p.workers < r.min:
		return p.workers + 1, fmt.Sprintf("min_proc_num is %d", r.min)
	case p.workers > r.max:
		return p.workers - 1, fmt.Sprintf("max_proc_num is %d", r.max)
	case r.min == r.max || now.Sub(p.since) < p.wait(r.settle):
		return p.workers, ""
	}
	if load, ok := p.average(p.wait(r.upWindow), now); ok && load >= r.up && p.workers < r.max {
		return p.workers + 1, fmt.Sprintf("%s over %v, scale_up is %s", r.format(load), r.upWindow, r.format(r.up))
	}
	load, ok := p.average(p.wait(r.downWindow), now)
	if !ok || load > r.down || p.workers <= r.min {
		return p.workers, ""
	}
	if left := p.workers - 1; left > 0 && load*float64(p.workers)/float64(left) >= r.up*scaleMargin {
		return p.workers, ""
	}
	return p.workers - 1, fmt.Sprintf("%s over %v, scale_down is %s", r.format(load), r.downWindow, r.format(r.down))
}

// average returns the average load over a window that ends now. ok is false if less has been seen.
func (p *scalePolicy) average(window time.Duration, now time.Time) (load float64, ok bool) {
	begin := now.Add(-window)
	if len(p.loads) == 0 || p.loads[0].end.Add(-p.loads[0].took).After(begin) {
		return 0, false
	}
	var sum, all float64
	for _, s := range p.loads {
		if took := min(s.took, s.end.Sub(begin)); took > 0 {
			sum, all = sum+s.load*float64(took), all+float64(took)
		}
	}
	if all == 0 {
		return 0, false
	}
	return sum / all, true
}
