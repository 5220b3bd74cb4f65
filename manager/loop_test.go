//go:build unix

package manager

import (
	"testing"
	"time"

	"hotline/internal/wait"
)

// runWithLoop runs the lab's service by two workers the second of which is in a crash loop, and is tried in an hour. What is
// started meanwhile lives.
func runWithLoop(t *testing.T, keys string) *running {
	t.Helper()
	l := newLab(t)
	l.link("program", "lab", "lab", "lab")
	m := l.manager(l.config("[lab]\nbinary = program\nmin_proc_num = 2\nrestart_min = 1ms\nrestart_max = 1h\n%s", keys), Options{})
	m.loadEvery = 20 * time.Millisecond
	r := l.runs(m)
	r.until("ready", isReady)
	l.link("program", "crash", "lab", "lab")
	kill(t, r.Status()[0].Workers[1].PID)
	wait.Until(t, "the crash loop", func() bool {
		w := r.Status()[0].Workers[1]
		return w.Failed && w.State == Waiting
	})
	l.link("program", "lab", "lab", "lab")
	return r
}

// A worker is replaced where its time has come, although another one is in a crash loop.
func TestReplacedBesideACrashLoop(t *testing.T) {
	r := runWithLoop(t, "")
	pid, p := r.Status()[0].Workers[0].PID, r.allPools()[0]
	p.update(func() { p.slots[0].due = "the test says so" })
	wait.Until(t, "another worker in its place", func() bool {
		w := r.Status()[0].Workers
		return len(w) == 2 && w[1].Number == 3 && w[1].State == Ready && w[1].PID != pid
	})
	r.out.Has(t, "lab: worker 1 is replaced by worker 3: the test says so")
	if w := r.Status()[0].Workers[0]; w.Number != 2 || w.State != Waiting || !w.Failed {
		t.Errorf("the one in a crash loop: got %+v", w)
	}
}
