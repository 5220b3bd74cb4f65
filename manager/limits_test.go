//go:build unix

package manager

import (
	"testing"
	"time"

	"hotline/internal/wait"
)

// runOver runs a worker that is over its limit of memory and is not replaced before an hour is over.
func runOver(t *testing.T, memoryOf func(*process) (int64, error)) (*lab, *running, *pool) {
	t.Helper()
	l := newLab(t)
	m := l.manager(l.config("[one]\nbinary = %s\nmax_proc_mem_bytes = 1048576\nrestart_min = 1ms\n", l.program("serve", "a", "1")), Options{})
	m.checkEvery, m.memoryOf = time.Hour, memoryOf
	r := l.runs(m)
	r.until("ready", isReady)
	p := r.allPools()[0]
	p.update(func() { p.notBefore = time.Now().Add(time.Hour) })
	return l, r, p
}

// What a process is to be replaced for ends with it, and with the limit.
func TestDueEnds(t *testing.T) {
	l, r, p := runOver(t, func(*process) (int64, error) { return 1 << 30, nil })
	due := func(want string) {
		t.Helper()
		if got := r.Status()[0].Workers[0].Due; got != want {
			t.Errorf("it is due: got %q, want %q", got, want)
		}
	}
	const over = "it has 1073741824 bytes of memory (PSS), max_proc_mem_bytes is 1048576"
	p.checkLimits(time.Now())
	due(over)
	pid := r.Status()[0].Workers[0].PID
	kill(t, pid)
	r.until("another process", func(w *WorkerStatus) bool { return w.State == Ready && w.PID != pid })
	due("")
	p.checkLimits(time.Now())
	due(over)
	l.write("[one]\nbinary = %s\nrestart_min = 1ms\n", l.program("serve", "a", "1"))
	if _, err := r.Reload(t.Context(), false, nil); err != nil {
		t.Error(err)
	}
	p.checkLimits(time.Now())
	due("")
}

// A worker is not replaced for a limit that a reload took away while it was looked at.
func TestLimitThatGoesMeanwhile(t *testing.T) {
	asked, answer := make(chan struct{}), make(chan struct{})
	l, r, p := runOver(t, func(*process) (int64, error) {
		close(asked)
		<-answer
		return 1 << 30, nil
	})
	done := make(chan struct{})
	go func() {
		defer close(done)
		p.checkLimits(time.Now())
	}()
	wait.Receive(t, "the look", asked)
	l.write("[one]\nbinary = %s\n", l.program("serve", "a", "1"))
	if _, err := r.Reload(t.Context(), false, nil); err != nil {
		t.Error(err)
	}
	close(answer)
	wait.Receive(t, "the end of the look", done)
	if due := r.Status()[0].Workers[0].Due; due != "" {
		t.Errorf("it is due: %q", due)
	}
}
