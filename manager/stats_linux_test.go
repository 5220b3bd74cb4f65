package manager

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"hotline"
	"hotline/internal/board"
	"hotline/internal/procstat"
	"hotline/internal/wait"
)

// work runs a section of real workers, and returns a client of them.
func (l *lab) work(keys string) (*running, *workClient) {
	l.t.Helper()
	r := l.run(l.config("[one]\nbinary = %s\n%s", l.program("work", "work", "word"), keys), Options{})
	r.until("ready", isReady)
	c := new(workClient)
	if err := hotline.Connect(l.t.Context(), c, "auto://"); err != nil {
		l.t.Fatal(err)
	}
	l.t.Cleanup(func() { c.Close() })
	return r, c
}

func (r *running) stats(worker int) *Stats {
	r.t.Helper()
	s, err := r.Stats("one", worker)
	if err != nil {
		r.t.Fatal(err)
	}
	return s
}

func (s *Stats) method(t *testing.T, name string) *MethodStats {
	t.Helper()
	i := slices.IndexFunc(s.Methods, func(m MethodStats) bool { return m.Method == name && m.Service == "work" })
	if i < 0 {
		t.Fatalf("no method %s in %+v", name, s.Methods)
	}
	return &s.Methods[i]
}

func TestStats(t *testing.T) {
	r, c := newLab(t).work("")
	before := r.stats(1)
	for range 50 {
		if _, err := c.Add(t.Context(), 1); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := c.Fail(t.Context(), true); err == nil {
		t.Error("Fail: got no error")
	}
	if _, err := c.Burn(t.Context(), 20*time.Millisecond); err != nil {
		t.Error(err)
	}
	wait.Until(t, "the end of the calls", func() bool { return r.stats(1).method(t, "Burn").Time.Count() == 1 })
	s := r.stats(1)
	if m := s.method(t, "Add"); m.Calls != 50 || m.Errors != 0 || m.Running != 0 || m.Time.Count() != 50 {
		t.Errorf("Add: got %+v", m)
	}
	if m := s.method(t, "Fail"); m.Calls != 1 || m.Errors != 1 {
		t.Errorf("Fail: got %+v", m)
	}
	took := s.method(t, "Burn").Time.Sub(before.method(t, "Burn").Time)
	if median := took.Quantile(0.5); median < 18*time.Millisecond || took.Sum < 20*time.Millisecond || took.Sum < median/5*4 {
		t.Errorf("Burn for 20 ms: got a median of %v, %v in all", median, took.Sum)
	}
	if s.Busy < 20*time.Millisecond || s.CPU <= before.CPU || s.Memory < 1<<20 || s.Waiting != 0 || len(s.Running) != 0 {
		t.Errorf("got %+v", s)
	}
}

// Calls under way are seen while they are, with the stacks of what they do; also of a worker that is stopped by a signal,
// but for the stacks.
func TestStatsOfHangingWorker(t *testing.T) {
	r, c := newLab(t).work("stop_timeout = 100ms\n")
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	for range 4 {
		go c.Sleep(ctx, time.Hour)
	}
	wait.Until(t, "four calls under way", func() bool { return len(r.stats(1).Running) == 4 })
	text, err := r.Stacks(t.Context(), "one", 1)
	if err != nil || strings.Count(text, "manager.(*Work).Sleep") < 4 {
		t.Errorf("Stacks: got %v, %s", err, text)
	}
	pid := r.Status()[0].Workers[0].PID
	syscall.Kill(pid, syscall.SIGSTOP)
	defer syscall.Kill(pid, syscall.SIGCONT)
	wait.Until(t, "the worker to have stopped", func() bool { return procstat.Stopped(pid) })
	first := r.stats(1)
	wait.Until(t, "figures that go on", func() bool {
		s := r.stats(1)
		return s.Busy > first.Busy && s.Waited-first.Waited >= 2*(s.Busy-first.Busy) && s.Running[0].Age > first.Running[0].Age
	})
	s := r.stats(1)
	if s.Waiting != 3 || s.method(t, "Sleep").Running != 4 || s.Running[0].Method != "Sleep" || s.Running[0].Service != "work" {
		t.Errorf("got %+v", s)
	}
	late := errors.New("too late")
	short, giveUp := context.WithCancelCause(t.Context())
	giveUp(late)
	if _, err := r.Stacks(short, "one", 1); !errors.Is(err, late) {
		t.Errorf("Stacks of a stopped worker: got %v", err)
	}
}

func TestStatsErrors(t *testing.T) {
	l := newLab(t)
	r := l.run(l.config("[one]\nbinary = %s\n[two]\nbinary = %s\n", l.program("serve", "echo_serv", "a"), l.program("crash", "other", "b")),
		Options{RestartMin: time.Hour, RestartMax: time.Hour})
	wait.Until(t, "one ready, the other ended", func() bool {
		s := r.Status()
		return len(s) == 2 && s[0].Workers[0].State == Ready && s[1].Workers[0].State == Waiting
	})
	for _, test := range []struct {
		section string
		worker  int
		want    error
	}{{"three", 1, ErrNoSection}, {"one", 2, ErrNoWorker}, {"two", 1, errNoProcess}, {"one", 1, errNotCounted}} {
		if s, err := r.Stats(test.section, test.worker); !errors.Is(err, test.want) {
			t.Errorf("Stats(%s, %d): got %v, %v, want %v", test.section, test.worker, s, err, test.want)
		}
		if text, err := r.Stacks(t.Context(), test.section, test.worker); test.want != errNotCounted && !errors.Is(err, test.want) {
			t.Errorf("Stacks(%s, %d): got %.50q, %v, want %v", test.section, test.worker, text, err, test.want)
		}
	}
	m, err := New(l.config("[one]\nbinary = %s\n", l.program("serve", "echo_serv", "a")), nil)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := m.Stats("one", 1); !errors.Is(err, ErrNotRunning) {
		t.Errorf("Stats before Run: got %v", err)
	}
}

// A worker that has done max_proc_calls calls is replaced, without a failed call.
func TestReplacedByCalls(t *testing.T) {
	l := newLab(t)
	c := l.config("[one]\nbinary = %s\nmax_proc_calls = 10\n", l.program("work", "work", "word"))
	m, err := New(c, nil)
	if err != nil {
		t.Fatal(err)
	}
	m.checkEvery = time.Millisecond
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error)
	go func() { done <- m.Run(ctx) }()
	defer func() {
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	}()
	ready := func() bool {
		s := m.Status()
		return len(s) == 1 && len(s[0].Workers) == 1 && s[0].Workers[0].State == Ready
	}
	wait.Until(t, "a ready worker", ready)
	first := m.Status()[0].Workers[0].PID
	work := new(workClient)
	if err := hotline.Connect(t.Context(), work, "auto://"); err != nil {
		t.Fatal(err)
	}
	defer work.Close()
	wait.Until(t, "another worker", func() bool {
		if _, err := work.Add(t.Context(), 1); err != nil {
			t.Fatal(err)
		}
		return ready() && m.Status()[0].Workers[0].PID != first
	})
}

func TestCPUTime(t *testing.T) {
	pid := os.Getpid()
	before, err := cpuTime(pid)
	if err != nil {
		t.Fatal(err)
	}
	wait.Until(t, "more CPU time", func() bool {
		now, err := cpuTime(pid)
		if err != nil {
			t.Fatal(err)
		}
		return now >= before+time.Millisecond
	})
	if d, err := cpuTime(1<<22 + 1); err == nil { // beyond the largest pid
		t.Errorf("of no process: got %v", d)
	}
}

// BenchmarkStats is what the figures of a worker cost, and the parts of that.
func BenchmarkStats(b *testing.B) {
	self := &process{}
	if _, err := self.figures.open(make([]methodName, 20)); err != nil {
		b.Fatal(err)
	}
	defer self.figures.close(0)
	b.Run("board", func(b *testing.B) {
		for b.Loop() {
			self.figures.view.Read()
		}
	})
	b.Run("cpu", func(b *testing.B) {
		for b.Loop() {
			cpuTime(os.Getpid())
		}
	})
	b.Run("totals of 50", func(b *testing.B) {
		all := &tally{}
		for range 50 {
			p := &process{cmd: &exec.Cmd{Process: &os.Process{Pid: os.Getpid()}}}
			file, err := p.figures.open(make([]methodName, 20))
			if err != nil {
				b.Fatal(err)
			}
			defer p.figures.close(0)
			worker, err := board.Open(file[0])
			if err != nil {
				b.Fatal(err)
			}
			file[0].Close()
			for i := range 20 {
				p.figures.methods[i].method = strconv.Itoa(i)
				c := worker.Meter(0).Begin(i)
				c.End(false)
			}
			all.begin(p)
		}
		for b.Loop() {
			all.totals()
		}
	})
	b.Run("memory", func(b *testing.B) {
		for b.Loop() {
			privateMemory(os.Getpid())
		}
	})
}
