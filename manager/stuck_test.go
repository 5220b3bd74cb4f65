//go:build unix

package manager

import (
	"context"
	"sync"
	"testing"
	"time"

	"hotline/internal/wait"
)

// An output that is never taken holds up neither the workers nor the end.
func TestOutputThatIsStuck(t *testing.T) {
	l := newLab(t)
	out := newStuckOutput()
	defer close(out.release) // ends the goroutine that writes
	m, err := New(l.config("[one]\nbinary = %s\n", l.program("serve", "echo_serv", "a")), &Options{Stdout: out, RestartMin: time.Millisecond})
	if err != nil {
		t.Fatal(err)
	}
	m.lastWords = time.Millisecond
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- m.Run(ctx) }()
	r := &running{Manager: m, t: t}
	r.until("ready", isReady)
	wait.Receive(t, "something to say", out.entered)
	for range 3 {
		pid := r.Status()[0].Workers[0].PID
		kill(t, pid)
		r.until("another worker", func(w *WorkerStatus) bool { return w.State == Ready && w.PID != pid })
	}
	if err := r.Restart(t.Context(), "one", nil); err != nil {
		t.Error(err)
	}
	cancel()
	if err := wait.Receive(t, "the end of Run", done); err != nil {
		t.Error(err)
	}
	l.isClean()
}

// While what nobody needs any more is being closed, for as long as that takes, workers are started again.
func TestSweepThatIsStuck(t *testing.T) {
	l := newLab(t)
	text := "[one]\nbinary = " + l.program("serve", "echo_serv", "a") + "\nrestart_min = 1ms\n"
	r := l.run(l.config("%s", text), Options{})
	r.until("ready", isReady)
	p, err := r.poolOf("one")
	if err != nil {
		t.Fatal(err)
	}
	slow := new(tally) // its lock takes the place of a file system that takes nothing
	slow.mu.Lock()
	unlock := sync.OnceFunc(slow.mu.Unlock)
	t.Cleanup(unlock) // before the one that ends the manager, which waits for it
	p.mu.Lock()
	p.current.log.tally = slow
	p.mu.Unlock()
	l.write("%slog_dir = others\n", text)
	if _, err := r.Reload(t.Context(), false, nil); err != nil {
		t.Error(err)
	}
	pid := r.Status()[0].Workers[0].PID
	kill(t, pid)
	r.until("another worker", func(w *WorkerStatus) bool { return w.State == Ready && w.PID != pid })
	unlock()
	if err := r.stop(); err != nil {
		t.Error(err)
	}
	l.isClean()
}
