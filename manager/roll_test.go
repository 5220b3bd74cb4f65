//go:build unix

package manager

import (
	"strings"
	"testing"
	"time"

	"hotline/internal/wait"
)

// halfway is a restart of two workers: the first one drains, for as long as a stream of its is open, and a new one has its place.
type halfway struct {
	*running
	pool   *pool
	kept   int // the pid of the second one
	fresh  WorkerStatus
	stream *held
	done   chan error // takes what Restart returns
}

func restartHalfway(t *testing.T, keys string) *halfway {
	t.Helper()
	r := newLab(t).runLab("min_proc_num = 2\n" + keys)
	p, err := r.poolOf("lab")
	if err != nil {
		t.Fatal(err)
	}
	workers := r.Status()[0].Workers
	h := &halfway{running: r, pool: p, kept: workers[1].PID, done: make(chan error, 1)}
	h.stream = hold(t, connectLab(t, workers[0].Addresses...))
	go func() { h.done <- r.Restart(t.Context(), "lab", nil) }()
	wait.Until(t, "the first worker to drain", func() bool {
		workers = r.Status()[0].Workers
		return workers[0].State == Stopping || len(h.done) > 0
	})
	if h.fresh = workers[len(workers)-1]; h.fresh.Generation != 2 || h.fresh.State != Ready {
		t.Fatalf("got %+v", workers)
	}
	return h
}

// staying returns the workers that do not end.
func (h *halfway) staying() (all []WorkerStatus) {
	for _, w := range h.Status()[0].Workers {
		if w.State != Stopping {
			all = append(all, w)
		}
	}
	return all
}

// areAll reports whether two workers are ready, both of a generation.
func (h *halfway) areAll(generation int) bool {
	all := h.staying()
	for _, w := range all {
		if w.State != Ready || w.Generation != generation {
			return false
		}
	}
	return len(all) == 2
}

// A new worker that ends soon after it was ready takes no more places than the one that it has, and gives that back.
func TestNewWorkerThatEnds(t *testing.T) {
	h := restartHalfway(t, "restart_min = 1ms\n")
	kill(t, h.fresh.PID)
	const want = "section [lab]: the new worker ended (signal: killed) when it had been ready for "
	if err := wait.Receive(t, "the end of Restart", h.done); err == nil || !strings.Contains(err.Error(), want) {
		t.Errorf("Restart: got %v, want %s", err, want)
	}
	wait.Until(t, "two workers of what ran before", func() bool { return h.areAll(1) })
	if w := h.staying(); w[0].PID != h.kept || w[1].Number != h.fresh.Number {
		t.Errorf("got %+v", w)
	}
	h.stream.works()
	close(h.stream.send)
	wait.Until(t, "the first worker's end", func() bool { return len(h.Status()[0].Workers) == 2 })
	if s := h.Status()[0]; s.Rolling || s.State != Ready || s.Generation != 1 {
		t.Errorf("got %+v", s)
	}
	if err := h.Restart(t.Context(), "lab", nil); err != nil {
		t.Errorf("the next one: %v", err)
	}
}

// A new worker that was stable and ends is started again, as any other is. The restart goes on when it is ready.
func TestNewWorkerThatIsStartedAgain(t *testing.T) {
	h := restartHalfway(t, "restart_stable = 1ms\nrestart_min = 1h\nrestart_max = 1h\n")
	looked := time.Now()
	wait.Until(t, "it to be stable", func() bool { return time.Since(looked) > 2*time.Millisecond })
	kill(t, h.fresh.PID)
	wait.Until(t, "its end", func() bool { return h.staying()[1].State == Waiting || len(h.done) > 0 })
	close(h.stream.send)
	wait.Until(t, "the first worker's end", func() bool { return len(h.Status()[0].Workers) == 2 || len(h.done) > 0 })
	if err := h.pool.beat(t.Context()); err != nil {
		t.Fatal(err)
	}
	if w := h.staying(); len(w) != 2 || w[0].PID != h.kept || w[1].State != Waiting || !h.Status()[0].Rolling {
		t.Errorf("one of the new workers is not ready: got %+v", w)
	}
	h.pool.update(func() {
		for _, w := range h.pool.slots {
			w.againAt = time.Now()
		}
	})
	if err := wait.Receive(t, "the end of Restart", h.done); err != nil || !h.areAll(2) {
		t.Errorf("Restart: got %v, %+v", err, h.staying())
	}
}
