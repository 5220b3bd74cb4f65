package manager

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"hotline/internal/wait"
)

func TestScalingOf(t *testing.T) {
	tests := []struct {
		service Service
		want    scaling
	}{
		{Service{MinProcNum: 1, MaxProcNum: 4}, scaling{ScaleByBusy, 0.75, 0.25, 20 * time.Second, 240 * time.Second, 20 * time.Second, 1, 4}},
		{Service{Scale: ScaleByQueue, ScaleCooldown: time.Minute}, scaling{ScaleByQueue, 1, 0.1, 20 * time.Second, 240 * time.Second, time.Minute, 0, 0}},
		{Service{Scale: ScaleByCPU, ScaleUpWindow: time.Second}, scaling{ScaleByCPU, 0.3, 0.15, time.Second, 240 * time.Second, 20 * time.Second, 0, 0}},
		{Service{Scale: ScaleByCPU, ScaleUp: 2, ScaleDown: 1, ScaleDownWindow: time.Hour}, scaling{ScaleByCPU, 2, 1, 20 * time.Second, time.Hour, 20 * time.Second, 0, 0}},
	}
	for _, test := range tests {
		if diff := cmp.Diff(test.want, test.service.scaling(), cmp.AllowUnexported(scaling{})); diff != "" {
			t.Errorf("scaling of %+v, -want +got:\n%s", test.service, diff)
		}
	}
}

// A policy is fed with one load a second; want is how many workers there are when a load has been seen for so many seconds.
func TestScalePolicy(t *testing.T) {
	type phase struct {
		seconds int
		load    float64
		want    int
	}
	rule := scaling{by: ScaleByBusy, up: 0.8, down: 0.3, upWindow: 20 * time.Second, downWindow: 240 * time.Second, settle: 10 * time.Second, min: 1, max: 4}
	slow := rule
	slow.settle = 100 * time.Second
	tests := []struct {
		name    string
		rule    scaling
		random  float64
		workers int
		phases  []phase
	}{
		{"idle", rule, 0, 1, []phase{{1000, 0, 1}}},
		{"up after a whole window", rule, 0, 1, []phase{{19, 1, 1}, {1, 1, 2}, {19, 1, 2}, {1, 1, 3}, {20, 1, 4}, {1000, 1, 4}}},
		{"at the threshold", rule, 0, 1, []phase{{20, 0.8, 2}}},
		{"a peak", rule, 0, 1, []phase{{100, 0.2, 1}, {10, 1, 1}, {100, 0.2, 1}}},
		{"a peak in a busy time", rule, 0, 1, []phase{{30, 0.7, 1}, {10, 1, 2}}},
		{"with jitter", rule, 1, 1, []phase{{23, 1, 1}, {1, 1, 2}, {23, 1, 2}, {1, 1, 3}}},
		{"down slowly", rule, 0, 4, []phase{{239, 0, 4}, {1, 0, 3}, {239, 0, 3}, {1, 0, 2}, {240, 0, 1}, {1000, 0, 1}}},
		{"down with jitter", rule, 1, 2, []phase{{287, 0, 2}, {1, 0, 1}}},
		{"between", rule, 0, 3, []phase{{1000, 0.5, 3}}},
		{"two workers with what is too much for one", rule, 0, 2, []phase{{1000, 0.37, 2}}},
		{"down would not last", scaling{ScaleByCPU, 0.3, 0.29, time.Second, time.Second, time.Second, 1, 4}, 0, 2, []phase{{500, 0.25, 2}}},
		{"down lasts", scaling{ScaleByCPU, 0.3, 0.29, time.Second, time.Second, time.Second, 1, 4}, 0, 2, []phase{{1, 0.1, 1}}},
		{"one hour in use, one idle", rule, 0, 2, []phase{{3600, 0.5, 2}, {95, 0, 2}, {2, 0, 1}}},
		{"cooldown", slow, 0, 1, []phase{{99, 1, 1}, {1, 1, 2}, {99, 1, 2}, {1, 1, 3}}},
		{"below min", rule, 0, 0, []phase{{1, 0, 1}}},
		{"over max", rule, 0, 6, []phase{{1, 0.9, 5}, {1, 0.9, 4}, {15, 0.9, 4}}},
		{"no room", scaling{ScaleByBusy, 0.8, 0.3, time.Second, time.Second, time.Second, 2, 2}, 0, 2, []phase{{100, 1, 2}, {100, 0, 2}}},
	}
	for _, test := range tests {
		now := time.Unix(1e9, 0)
		random := func() float64 { return test.random }
		p, workers, passed := new(scalePolicy), test.workers, 0
		p.begin(test.rule, workers, now, random)
		for i, ph := range test.phases {
			for range ph.seconds {
				now = now.Add(time.Second)
				passed++
				p.see(ph.load, now)
				n, why := p.decide(now)
				if d := n - workers; d < -1 || d > 1 || (d != 0) != (why != "") {
					t.Errorf("%s, second %d: from %d to %d: %q", test.name, passed, workers, n, why)
				}
				if n != workers {
					workers = n
					p.begin(test.rule, workers, now, random)
				}
			}
			if workers != ph.want {
				t.Errorf("%s, phase %d, second %d: got %d workers, want %d", test.name, i, passed, workers, ph.want)
			}
		}
		if len(p.loads) > 300 {
			t.Errorf("%s: %d loads are kept", test.name, len(p.loads))
		}
	}
}

// A policy that was not asked for a long time goes by what it knows of that time.
func TestScalePolicyAfterPause(t *testing.T) {
	now := time.Unix(1e9, 0)
	p := new(scalePolicy)
	p.begin(scaling{ScaleByBusy, 0.8, 0.3, 20 * time.Second, 240 * time.Second, time.Second, 1, 4}, 2, now, func() float64 { return 0 })
	now = now.Add(time.Hour)
	p.see(0.1, now)
	if n, why := p.decide(now); n != 1 || !strings.Contains(why, "10 % busy over 4m0s, scale_down is 30 % busy") {
		t.Errorf("decide: got %d, %q", n, why)
	}
}

// crew is workers that have a load, as a scaler sees them.
type crew struct {
	load     float64 // of all together
	workers  []*workload
	last     time.Time
	settling int // steps for which a new worker is not ready
}

// pass lets the workers work until now.
func (c *crew) pass(now time.Time) (all []workload) {
	took := now.Sub(c.last)
	c.last = now
	for _, w := range c.workers {
		w.age += took
		w.did += time.Duration(min(c.load/float64(len(c.workers)), 1) * float64(took))
		all = append(all, *w)
	}
	return all
}

func (c *crew) scaleTo(n int) {
	for len(c.workers) < n {
		c.workers = append(c.workers, &workload{worker: new(int)})
	}
	c.workers = c.workers[:n]
	c.settling = 3
}

// A section under a load that rises and falls has as many workers as that needs, and does not swing.
func TestScalerFollowsLoad(t *testing.T) {
	wait.Bubble(t, func(t *testing.T) {
		rule := scalingDefaults(ScaleByBusy)
		rule.min, rule.max = 1, 5
		c, s := &crew{last: time.Now()}, new(scaler)
		c.scaleTo(1)
		ctx, cancel := context.WithTimeout(t.Context(), 3*time.Hour)
		defer cancel()
		var steps []string
		begun := time.Now()
		for sleep(ctx, loadEvery) == nil {
			switch since := time.Since(begun); {
			case since < time.Hour:
				c.load = 2.5
			case since < 2*time.Hour:
				c.load = 0.4
			default:
				c.load = 100
			}
			c.settling--
			workers := len(c.workers)
			n, why := s.step(time.Now(), rule, workers, c.pass(time.Now()), c.settling < 0)
			if n != workers {
				if why == "" {
					t.Errorf("%d workers in place of %d without a reason", n, workers)
				}
				steps = append(steps, fmt.Sprintf("hour %d: %d", int(time.Since(begun).Hours()), n))
				c.scaleTo(n)
			}
		}
		want := []string{
			"hour 0: 2", "hour 0: 3", "hour 0: 4", // each is busy for 63 % of the time then
			"hour 1: 3", "hour 1: 2", "hour 1: 1",
			"hour 2: 2", "hour 2: 3", "hour 2: 4", "hour 2: 5",
		}
		if diff := cmp.Diff(want, steps); diff != "" {
			t.Errorf("-want +got:\n%s", diff)
		}
	})
}

// While workers are on their way nothing is decided, and what was seen before does not count.
func TestScalerWaitsForWorkers(t *testing.T) {
	now := time.Unix(1e9, 0)
	rule := scaling{ScaleByQueue, 1, 0.1, 2 * time.Second, 3 * time.Second, time.Second, 1, 5}
	s, c := new(scaler), &crew{last: now, load: 1}
	c.scaleTo(1)
	step := func(seconds int, settled bool) (n int) {
		for range seconds {
			now = now.Add(time.Second)
			n, _ = s.step(now, rule, 1, c.pass(now), settled)
			if n != 1 {
				break
			}
		}
		return n
	}
	for _, test := range []struct {
		seconds int
		settled bool
		want    int
	}{{100, false, 1}, {2, true, 1}, {1, false, 1}, {2, true, 1}, {2, true, 2}} {
		if got := step(test.seconds, test.settled); got != test.want {
			t.Errorf("%d steps, settled %t: got %d workers, want %d", test.seconds, test.settled, got, test.want)
		}
	}
	s = new(scaler)
	step(1, true)
	c.workers[0] = &workload{worker: new(int)} // another process: its figures begin anew
	if got := step(1, true); got != 1 || len(s.policy.loads) != 0 {
		t.Errorf("with another worker: got %d, and %d loads", got, len(s.policy.loads))
	}
}

func TestHaveSettled(t *testing.T) {
	worker := func(s State, ends int) *slot { return &slot{state: s, backoff: backoff{ends: ends}} }
	well, weak, begins := worker(Ready, 0), worker(Ready, loopEnds), worker(Starting, loopEnds-1)
	waits, tried := worker(Waiting, loopEnds), worker(Starting, loopEnds)
	for _, test := range []struct {
		workers []*slot
		want    bool
	}{
		{[]*slot{well, well}, true},
		{[]*slot{well, begins}, false},
		{[]*slot{well, waits}, true},
		{[]*slot{well, tried}, true},
		{[]*slot{weak, waits}, true},
		{[]*slot{well, waits, tried}, false},
		{[]*slot{well, well, waits, tried}, true},
		{[]*slot{waits}, false},
	} {
		if got := haveSettled(test.workers); got != test.want {
			var states []string
			for _, w := range test.workers {
				states = append(states, fmt.Sprint(w.state, " after ", w.backoff.ends))
			}
			t.Errorf("haveSettled(%s): got %t", strings.Join(states, ", "), got)
		}
	}
}
