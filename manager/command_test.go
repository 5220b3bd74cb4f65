//go:build unix

package manager

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"hotline"
	"hotline/internal/wait"
)

func TestStartStopScale(t *testing.T) {
	l := newLab(t)
	port := freePort(t)
	r := l.run(l.config("[one]\nbinary = %s\ntcp_bind = 127.0.0.1\nmax_proc_num = 3\n", l.program("serve", "a", port)), Options{})
	r.until("ready", isReady)
	ctx := t.Context()
	numbers := func() (all []int) {
		for _, w := range r.Status()[0].Workers {
			all = append(all, w.Number)
		}
		return all
	}
	if err := r.Scale(ctx, "one", 3, nil); err != nil || !slices.Equal(numbers(), []int{1, 2, 3}) {
		t.Errorf("Scale to 3: %v, workers %v", err, numbers())
	}
	if err := r.Scale(ctx, "one", 2, nil); err != nil || !slices.Equal(numbers(), []int{1, 2}) || r.Status()[0].Wanted != 2 {
		t.Errorf("Scale to 2: %v, workers %v", err, numbers())
	}
	for _, n := range []int{0, 4} {
		if err := r.Scale(ctx, "one", n, nil); err == nil || !strings.Contains(err.Error(), "from 1 to 3 workers") {
			t.Errorf("Scale to %d: got %v", n, err)
		}
	}
	for word, end := range map[string]func(context.Context, string, Progress) error{"stopping": r.Stop, "draining": r.Drain} {
		said := new(lines)
		if err := end(ctx, "one", said.say); err != nil {
			t.Fatal(err)
		}
		said.has(t, "one: "+word+" 2 workers\none: stopped")
		if s := r.Status()[0]; s.State != Stopped || len(s.Workers) != 0 {
			t.Errorf("after the stop: got %+v", s)
		}
		if c, err := net.Dial("tcp", "127.0.0.1:"+port); err == nil {
			c.Close()
			t.Error("the port of a stopped section is open")
		}
		if err := r.Restart(ctx, "one", nil); !errors.Is(err, ErrStopped) {
			t.Errorf("Restart of a stopped section: got %v", err)
		}
		if err := r.Scale(ctx, "one", 3, nil); !errors.Is(err, ErrStopped) || r.Status()[0].Wanted != 2 {
			t.Errorf("Scale of a stopped section: got %v, %d workers are wanted", err, r.Status()[0].Wanted)
		}
		for i := range 2 { // the second does nothing
			said := new(lines)
			if err := r.Start(ctx, "one", said.say); err != nil {
				t.Fatal(err)
			}
			if i == 0 {
				said.has(t, "one: starting 2 workers\n")
				said.has(t, " is ready, pid ")
			}
		}
		wait.Until(t, "both", func() bool { return ready(r.Status()[0]) == 2 && slices.Equal(numbers(), []int{1, 2}) })
		ask(t, port)
	}
	if err := r.Stop(ctx, "oen", nil); !errors.Is(err, ErrNoSection) || !strings.Contains(err.Error(), "did you mean one?") {
		t.Errorf("Stop of nothing: got %v", err)
	}
	r.stop()
	if err := r.Stop(ctx, "one", nil); !errors.Is(err, ErrStopping) {
		t.Errorf("Stop after the end: got %v", err)
	}
	l.isClean()
}

func TestCommandsBeforeRun(t *testing.T) {
	l := newLab(t)
	m, err := New(l.config("[one]\nbinary = %s\n", l.program("serve", "a", "1")), nil)
	if err != nil {
		t.Fatal(err)
	}
	if err := m.Start(t.Context(), "one", nil); !errors.Is(err, ErrNotRunning) {
		t.Errorf("Start: got %v", err)
	}
}

// Drain gives calls the time that they need, Stop only stop_timeout. The bound of a restart is not theirs.
func TestDrainWaitsAndStopDoesNot(t *testing.T) {
	l := newLab(t)
	r := l.run(l.config("[lab]\nbinary = %s\nstop_timeout = 120ms\ndrain_timeout = 10ms\n", l.program("lab", "lab", "lab")), Options{})
	r.until("ready", isReady)
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	call := func(ms int) (*labClient, chan error) {
		c := new(labClient)
		if err := hotline.Connect(ctx, c); err != nil {
			t.Fatal(err)
		}
		done := make(chan error, 1)
		go func() { done <- c.Sleep(ctx, ms) }()
		wait.Until(t, "the call", func() bool {
			s, err := r.Stats("lab", 1)
			return runtime.GOOS != "linux" || err == nil && len(s.Running) == 1
		})
		return c, done
	}
	c, done := call(500)
	defer c.Close()
	if err := r.Drain(ctx, "lab", nil); err != nil {
		t.Fatal(err)
	}
	if err := wait.Receive(t, "the call", done); err != nil {
		t.Errorf("the call under a drain: %v", err)
	}
	if err := r.Start(ctx, "lab", nil); err != nil {
		t.Fatal(err)
	}
	c, done = call(100_000)
	defer c.Close()
	draining := make(chan error, 1)
	go func() { draining <- r.Drain(ctx, "lab", nil) }()
	wait.Until(t, "the drain", func() bool { return r.Status()[0].State == Draining })
	if err := r.Stop(ctx, "lab", nil); err != nil { // which is the sharper one
		t.Fatal(err)
	}
	if err := wait.Receive(t, "the drain", draining); err != nil {
		t.Errorf("Drain: %v", err)
	}
	if err := wait.Receive(t, "the call", done); err == nil {
		t.Error("the call outlived stop_timeout")
	}
}

// A section whose workers end again and again has failed, is tried slowly, and is well again when one has been stable.
func TestCrashLoop(t *testing.T) {
	l := newLab(t)
	l.link("one", "crash", "a", "1")
	r := l.run(l.config("[one]\nbinary = one\nrestart_min = 1ms\nrestart_max = 300ms\nrestart_stable = 50ms\n[two]\nbinary = %s\nafter = one\n",
		l.program("serve", "b", "2")), Options{})
	wait.Until(t, "the failure", func() bool { s := r.Status(); return len(s) > 0 && s[0].State == Failed })
	s := r.Status()
	if w := s[0].Workers[0]; !w.Failed || s[0].Restarts < 4 || !strings.Contains(s[0].LastEnd, "exit status 3") {
		t.Errorf("got %+v", s[0])
	}
	if s[1].State != Starting || s[1].Workers[0].PID != 0 {
		t.Errorf("the section that waits for it: got %+v", s[1])
	}
	r.out.Has(t, "one: worker 1 has ended 5 times in a row without being ready for 50ms: it has failed, and is tried every 300ms")
	if err := r.Start(t.Context(), "one", nil); err == nil || !strings.Contains(err.Error(), "again and again") {
		t.Errorf("Start: got %v", err)
	}
	l.link("one", "serve", "a", "1")
	wait.Until(t, "the recovery", func() bool { s := r.Status(); return s[0].State == Ready && s[1].State == Ready })
	r.out.Has(t, "one: worker 1 is stable again")
}

// Workers are replaced when their time has come, one at a time, and nobody notices. TestReplacedByCalls is about their calls.
func TestRecycling(t *testing.T) {
	for _, c := range []struct{ key, due string }{
		{"max_proc_age = 1s", "it has been ready for "},
		{"max_proc_mem_bytes = 1048576", "bytes of memory (PSS), max_proc_mem_bytes is 1048576"},
	} {
		t.Run(c.key, func(t *testing.T) {
			if _, err := os.Stat("/proc/self/smaps_rollup"); err != nil && strings.Contains(c.key, "mem") {
				t.Skip("there is no PSS here:", err)
			}
			l := newLab(t)
			m := l.manager(l.config("[lab]\nbinary = %s\nmin_proc_num = 2\nrestart_max = 100ms\n%s\n", l.program("lab", "lab", "lab"), c.key),
				Options{})
			m.checkEvery = 10 * time.Millisecond
			r := l.runs(m)
			r.until("ready", isReady)
			client := new(labClient)
			if err := hotline.Connect(t.Context(), client); err != nil {
				t.Fatal(err)
			}
			defer client.Close()
			work := &load{t: t, stop: make(chan struct{})}
			work.mixed(t.Context(), client)
			first := r.Status()[0].Workers
			r.whileAll("lab", func(slots []*slot, ready int) (over bool, err error) {
				if ready < 2 || len(slots) > 3 {
					return false, fmt.Errorf("there are %d workers, %d of them ready, want 2 ready and one more at most", len(slots), ready)
				}
				return len(slots) == 2 && !slices.ContainsFunc(slots, func(w *slot) bool {
					return w.process != nil && slices.ContainsFunc(first, func(f WorkerStatus) bool { return f.PID == w.process.cmd.Process.Pid })
				}), nil
			})
			if n := work.end(); n == 0 || work.failed.Load() != 0 {
				t.Errorf("%d of %d calls failed", work.failed.Load(), n)
			}
			if n := r.Status()[0].Restarts; n != 0 {
				t.Errorf("%d workers ended by themselves", n)
			}
			r.out.Has(t, " is replaced by worker 3: ", c.due) // whichever was ready first
		})
	}
}

// whileAll has look see the workers of a section after every change, under the lock, until it says that it is over.
func (r *running) whileAll(section string, look func(slots []*slot, ready int) (over bool, err error)) {
	r.t.Helper()
	p, err := r.poolOf(section)
	if err != nil {
		r.t.Fatal(err)
	}
	for {
		p.mu.Lock()
		over, err := look(p.slots, p.ready())
		changed := p.changed
		p.mu.Unlock()
		if err != nil {
			r.t.Fatal(err)
		}
		if over {
			return
		}
		wait.Receive(r.t, "a change of the workers", changed)
	}
}

func ready(s SectionStatus) (n int) {
	for _, w := range s.Workers {
		if w.State == Ready {
			n++
		}
	}
	return n
}

// Sections start when those that they wait for are ready, and stop before them.
func TestAfter(t *testing.T) {
	l := newLab(t)
	r := l.run(l.config("[one]\nbinary = %s\nafter = two, three\n[two]\nbinary = %s\nafter = three\n[three]\nbinary = %s\n",
		l.program("serve", "a", "1"), l.program("serve", "b", "2"), l.program("serve", "c", "3")), Options{})
	r.until("ready", isReady)
	s := r.Status()
	at := func(i int) time.Time { return s[i].Workers[0].Started }
	if !at(2).Before(at(1)) || !at(1).Before(at(0)) {
		t.Errorf("started at %v, %v, %v, want the last first", at(0), at(1), at(2))
	}
	r.out.Has(t, "ready: 3 services")
}

// A runtime directory has one manager.
func TestSecondManager(t *testing.T) {
	l := newLab(t)
	c := l.config("[one]\nbinary = %s\n", l.program("serve", "a", "1"))
	r := l.run(c, Options{})
	r.until("ready", isReady)
	m, err := New(c, nil)
	if err != nil {
		t.Fatal(err)
	}
	var running *RunningError
	if err := m.Run(t.Context()); !errors.As(err, &running) {
		t.Fatalf("got %v, want a *RunningError", err)
	}
	if running.PID != os.Getpid() || running.File != c.File || time.Since(running.Started) > patience || running.Dir != filepath.Join(l.path, "run") {
		t.Errorf("got %+v", running)
	}
	if text := running.Error(); !strings.Contains(text, fmt.Sprintf("(pid %d, since ", os.Getpid())) {
		t.Errorf("got %s", text)
	}
	r.stop()
	l.isClean()
	l.run(c, Options{}).until("ready", isReady)
}
