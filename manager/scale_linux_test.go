package manager

import (
	"context"
	"slices"
	"testing"
	"time"

	"hotline"
	"hotline/internal/wait"
)

// wanted is how many workers the section is to have, and whether all of them are ready.
func wanted(m *Manager) (n int, ready bool) {
	all := m.Status()
	if len(all) == 0 {
		return 0, false
	}
	for _, w := range all[0].Workers {
		if w.State != Ready {
			return all[0].Wanted, false
		}
	}
	return all[0].Wanted, len(all[0].Workers) == all[0].Wanted
}

// Real workers become more while they are busy, and fewer when they are not, in each way of scaling; a number that was set by
// hand stays.
func TestScalingOfRealWorkers(t *testing.T) {
	for by, thresholds := range map[ScaleBy]string{
		ScaleByBusy: "", ScaleByQueue: "", ScaleByCPU: "scale_up = 10%\nscale_down = 5%\n", // on a machine that others use, too
	} {
		t.Run(string(by), func(t *testing.T) {
			l := newLab(t)
			c := l.config("[one]\nbinary = %s\nmax_proc_num = 3\nscale = %s\nscale_up_window = 100ms\nscale_down_window = 200ms\nscale_cooldown = 100ms\n%s",
				l.program("work", "work", "word"), by, thresholds)
			m, err := New(c, nil)
			if err != nil {
				t.Fatal(err)
			}
			m.loadEvery = 20 * time.Millisecond
			ctx, cancel := context.WithCancel(t.Context())
			done := make(chan error, 1)
			go func() { done <- m.Run(ctx) }()
			defer func() {
				cancel()
				if err := <-done; err != nil {
					t.Error(err)
				}
			}()
			until := func(what string, n int) {
				t.Helper()
				wait.Until(t, what, func() bool {
					is, ready := wanted(m)
					return is == n && ready
				})
			}
			until("one worker", 1)
			client := new(workClient)
			if err := hotline.Connect(t.Context(), client, "auto://"); err != nil {
				t.Fatal(err)
			}
			defer client.Close()
			busy, idle := context.WithCancel(t.Context())
			defer idle()
			ended := make(chan struct{}, 12)
			for range cap(ended) {
				go func() {
					defer func() { ended <- struct{}{} }()
					for busy.Err() == nil {
						if by == ScaleByCPU {
							client.Burn(t.Context(), 5*time.Millisecond)
						} else {
							client.Sleep(t.Context(), 5*time.Millisecond)
						}
					}
				}()
			}
			if by == ScaleByCPU { // as much as the machine has: two or three workers
				wait.Until(t, "more workers", func() bool { n, _ := wanted(m); return n > 1 })
			} else {
				until("three workers", 3)
			}
			idle()
			for range cap(ended) {
				wait.Receive(t, "the end of a caller", ended)
			}
			until("one worker again", 1)
			if err := m.Scale(t.Context(), "one", 2, nil); err != nil {
				t.Fatal(err)
			}
			looked := time.Now()
			wait.Until(t, "time for many looks", func() bool { return time.Since(looked) > time.Second/2 })
			if n, _ := wanted(m); n != 2 || !m.Status()[0].ByHand {
				t.Errorf("after Scale: got %d workers, %+v", n, m.Status()[0])
			}
			if _, err := m.Reload(t.Context(), false, nil); err != nil {
				t.Fatal(err)
			}
			until("one worker after a reload", 1)
		})
	}
}

// A worker that has something to do is not the one that is taken away, and where all have, what is under way outlives
// stop_timeout.
func TestScaleDownLeavesTheBusyAlone(t *testing.T) {
	r := newLab(t).runLab("max_proc_num = 3\n")
	if err := r.Scale(t.Context(), "lab", 3, nil); err != nil {
		t.Fatal(err)
	}
	workers := r.Status()[0].Workers
	at := func(number int) *held { return hold(t, connectLab(t, workers[number-1].Addresses...)) }
	one, three, more := at(1), at(3), at(3)
	numbers := func() (all []int) {
		for _, w := range r.Status()[0].Workers {
			all = append(all, w.Number)
		}
		return all
	}
	said := new(lines)
	if err := r.Scale(t.Context(), "lab", 2, said.say); err != nil || !slices.Equal(numbers(), []int{1, 3}) {
		t.Errorf("Scale to 2: %v, workers %v", err, numbers())
	}
	said.has(t, "lab: worker 2 is one too many: it ends when its calls have")
	done := make(chan error, 1)
	go func() { done <- r.Scale(t.Context(), "lab", 1, said.say) }()
	wait.Until(t, "a word of the worker that ends", func() bool { return said.says("lab: worker 1 still finishes 1 call, ") || len(done) > 0 })
	for _, h := range []*held{one, three, more} {
		h.works()
	}
	close(one.send)
	if err := wait.Receive(t, "the end of Scale", done); err != nil || !slices.Equal(numbers(), []int{3}) {
		t.Errorf("Scale to 1: %v, workers %v", err, numbers())
	}
	for _, h := range []*held{three, more} {
		h.works()
		close(h.send)
	}
	for _, h := range []*held{one, three, more} {
		if err := wait.Receive(t, "the end of a stream", h.end); err != nil {
			t.Errorf("a stream: %v", err)
		}
	}
}

// While a worker that was one too many drains, which may take long, others are added where there is more to do.
func TestScaleUpWhileOneDrains(t *testing.T) {
	r := newLab(t).runLab("max_proc_num = 2\nscale = queue\nscale_up_window = 100ms\nscale_down_window = 200ms\nscale_cooldown = 100ms\n")
	addresses := func(number int) (all []string) {
		for _, w := range r.Status()[0].Workers {
			if w.Number == number {
				all = w.Addresses
			}
		}
		return all
	}
	several := func() (all []*held) {
		c := connectLab(t, addresses(1)...)
		for range 3 {
			all = append(all, hold(t, c))
		}
		return all
	}
	has := func(ready, stopping int) func() bool {
		return func() bool {
			n := map[State]int{}
			for _, w := range r.Status()[0].Workers {
				n[w.State]++
			}
			return n[Ready] == ready && n[Stopping] == stopping
		}
	}
	first := several()
	wait.Until(t, "a second worker", has(2, 0))
	long := hold(t, connectLab(t, addresses(2)...))
	for _, h := range first[1:] {
		close(h.send)
	}
	wait.Until(t, "the second worker to drain", has(1, 1))
	more := several()
	wait.Until(t, "a worker in its place", has(2, 1))
	long.works()
	for _, h := range append(more, long, first[0]) {
		close(h.send)
	}
}

// A worker in a crash loop keeps none from being added where the others have too much to do.
func TestScaleUpBesideACrashLoop(t *testing.T) {
	r := runWithLoop(t, "max_proc_num = 4\nscale_up_window = 100ms\nscale_cooldown = 100ms\n")
	h := hold(t, connectLab(t, r.Status()[0].Workers[0].Addresses...))
	wait.Until(t, "a third worker", func() bool {
		s := r.Status()[0]
		return s.Wanted == 3 && ready(s) == 2 && s.Workers[2].State == Ready
	})
	h.works()
	close(h.send)
}
