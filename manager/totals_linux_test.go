package manager

import (
	"context"
	"fmt"
	"math"
	"slices"
	"sync"
	"testing"
	"time"

	"hotline"
	"hotline/internal/board"
	"hotline/internal/logs"
	"hotline/internal/wait"
)

// totalsOf returns the totals of a section, and of one of its methods.
func (r *running) totalsOf(section, method string) (t Totals, m MethodStats) {
	r.t.Helper()
	all := r.Totals()
	at := slices.IndexFunc(all, func(t Totals) bool { return t.Section == section })
	if at < 0 {
		r.t.Fatalf("Totals: there is no section %s in %+v", section, all)
	}
	t = all[at]
	if at = slices.IndexFunc(t.Methods, func(m MethodStats) bool { return m.Method == method }); at >= 0 {
		m = t.Methods[at]
	}
	return t, m
}

// watchTotals reads the totals all the time, and reports one that goes down, until stop is called.
func (r *running) watchTotals() (stop func()) {
	done := make(chan struct{})
	var watching sync.WaitGroup
	watching.Go(func() {
		var before []Totals
		for !closed(done) {
			now := r.Totals()
			if err := noneWentDown(before, now); err != nil {
				r.t.Error(err)
				return
			}
			before = now
			time.Sleep(100 * time.Microsecond) // leaves the others some of the CPU
		}
	})
	return func() {
		close(done)
		watching.Wait()
	}
}

// noneWentDown compares two readings.
func noneWentDown(before, now []Totals) error {
	if len(before) > len(now) {
		return fmt.Errorf("there are %d sections after %d", len(now), len(before))
	}
	for i := range before {
		b, n := &before[i], &now[i]
		if b.Section != n.Section || b.Busy > n.Busy || b.CPU > n.CPU || b.Restarts > n.Restarts || b.LinesLost > n.LinesLost {
			return fmt.Errorf("got %+v after %+v", n, b)
		}
		for _, m := range b.Methods {
			at := slices.IndexFunc(n.Methods, func(o MethodStats) bool { return o.Service == m.Service && o.Method == m.Method })
			if at < 0 {
				return fmt.Errorf("method %s is gone from %+v", m.Method, n)
			}
			o := &n.Methods[at]
			if m.Calls > o.Calls || m.Errors > o.Errors || m.Time.Sum > o.Time.Sum {
				return fmt.Errorf("got %+v after %+v", o, m)
			}
			for k, c := range m.Time.Counts {
				if c > o.Time.Counts[k] {
					return fmt.Errorf("bucket %d of %s: got %d after %d", k, m.Method, o.Time.Counts[k], c)
				}
			}
		}
	}
	return nil
}

// However workers end, every call that they answered is counted, once: the totals of a section are those of its clients. They
// are so whether somebody looks all the time or only at the end.
func TestTotals(t *testing.T) {
	t.Run("looked at", func(t *testing.T) { testTotals(t, true) })
	t.Run("not looked at", func(t *testing.T) { testTotals(t, false) })
}

func testTotals(t *testing.T, watched bool) {
	l := newLab(t)
	program := l.program("work", "work", "word")
	text := "[one]\nbinary = " + program + "\nmin_proc_num = %d\nmax_proc_num = 3\nrestart_min = 1ms\nrestart_stable = 1ms\n"
	r := l.run(l.config(text, 2), Options{})
	r.until("ready", isReady)
	if watched {
		defer r.watchTotals()()
	}
	made, restarts := uint64(0), 0
	call := func(n int) {
		t.Helper()
		c := new(workClient)
		if err := hotline.Connect(t.Context(), c, "auto://"); err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		for range n {
			made++
			if _, err := c.Add(t.Context(), 1); err != nil {
				t.Fatal(err)
			}
			if _, err := c.Fail(t.Context(), true); err == nil {
				t.Fatal("Fail: got no error")
			}
		}
	}
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	check := func(step string) {
		t.Helper()
		all, add := r.totalsOf("one", "Add")
		_, fail := r.totalsOf("one", "Fail")
		if add.Calls != made || add.Time.Count() != made || fail.Calls != made || fail.Errors != made || add.Running != 0 {
			t.Fatalf("after %s: got %d, %d, %d calls, %d errors, %d running, want %d", step, add.Calls, add.Time.Count(), fail.Calls,
				fail.Errors, add.Running, made)
		}
		if all.Restarts != restarts || all.CPU <= 0 || all.Busy <= 0 || all.Busy < add.Time.Sum {
			t.Fatalf("after %s: got %+v, want %d restarts", step, all, restarts)
		}
	}
	for _, step := range []struct {
		name string
		do   func()
	}{
		{"nothing", func() {}},
		{"SIGKILL", func() {
			before := r.pids()["one"]
			restarts += 2
			for _, w := range r.Status()[0].Workers {
				kill(t, w.PID)
			}
			wait.Until(t, "other workers", func() bool { return r.pids()["one"] != before && r.Status()[0].Restarts == restarts })
			r.until("ready again", isReady)
		}},
		{"restart", func() { must(r.Restart(t.Context(), "one", nil)) }},
		{"scale up", func() { must(r.Scale(t.Context(), "one", 3, nil)) }},
		{"scale down", func() { must(r.Scale(t.Context(), "one", 2, nil)) }},
		{"drain", func() { must(r.Drain(t.Context(), "one", nil)) }},
		{"start", func() { must(r.Start(t.Context(), "one", nil)) }},
		{"stop", func() { must(r.Stop(t.Context(), "one", nil)) }},
		{"start again", func() { must(r.Start(t.Context(), "one", nil)) }},
		{"reload, with another log", func() {
			l.write(text+"log_dir = others\n", 1)
			_, err := r.Reload(t.Context(), false, nil)
			must(err)
		}},
		{"removal", func() {
			l.write("[two]\nbinary = %s\n", l.program("serve", "other", "7"))
			_, err := r.Reload(t.Context(), false, nil)
			must(err)
		}},
		{"return", func() {
			l.write(text, 1)
			_, err := r.Reload(t.Context(), false, nil)
			must(err)
		}},
	} {
		step.do()
		if len(r.Status()) > 0 && r.Status()[0].Section == "one" && r.Status()[0].State == Ready {
			call(50)
		}
		if watched {
			check(step.name)
		}
	}
	check("all")
	if made != 9*50 {
		t.Errorf("%d calls were made", made)
	}
}

// Under load, too, what was answered is counted, and what was not is at most once.
func TestTotalsOfKilledWorkers(t *testing.T) {
	l := newLab(t)
	r := l.run(l.config("[one]\nbinary = %s\nmin_proc_num = 2\nrestart_min = 1ms\nrestart_stable = 1ms\n", l.program("work", "work", "word")), Options{})
	r.until("ready", isReady)
	defer r.watchTotals()()
	var callers sync.WaitGroup
	ctx, cancel := context.WithCancel(t.Context())
	answered, failed := make([]uint64, 4), make([]uint64, 4)
	for i := range answered {
		c := new(workClient)
		if err := hotline.Connect(ctx, c, "auto://"); err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		callers.Go(func() {
			for ctx.Err() == nil {
				if _, err := c.Add(context.WithoutCancel(ctx), 1); err == nil {
					answered[i]++
				} else {
					failed[i]++
				}
			}
		})
	}
	for round := range 5 {
		_, before := r.totalsOf("one", "Add")
		wait.Until(t, "calls", func() bool {
			_, now := r.totalsOf("one", "Add")
			return now.Calls > before.Calls+500
		})
		kill(t, r.Status()[0].Workers[round%2].PID)
		wait.Until(t, "another worker", func() bool { return r.Status()[0].Restarts == round+1 && r.Status()[0].State == Ready })
		r.until("ready", isReady)
	}
	cancel()
	callers.Wait()
	least, most := uint64(0), uint64(0)
	for i := range answered {
		least, most = least+answered[i], most+answered[i]+failed[i]
	}
	if _, m := r.totalsOf("one", "Add"); m.Calls < least || m.Calls > most || m.Time.Count() != m.Calls || m.Running != 0 {
		t.Errorf("%d calls were answered, of %d: got %d, %d in the histogram, %d running", least, most, m.Calls, m.Time.Count(), m.Running)
	}
}

// Workers whose max_proc_calls are over take their calls into the totals.
func TestTotalsOfRecycledWorkers(t *testing.T) {
	l := newLab(t)
	m := l.manager(l.config("[one]\nbinary = %s\nmax_proc_calls = 10\nrestart_min = 1ms\n", l.program("work", "work", "word")), Options{})
	m.checkEvery = time.Millisecond
	r := l.runs(m)
	r.until("ready", isReady)
	defer r.watchTotals()()
	c := new(workClient)
	if err := hotline.Connect(t.Context(), c, "auto://"); err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	made, pids := uint64(0), map[string]bool{}
	wait.Until(t, "the fourth worker", func() bool {
		if _, err := c.Add(t.Context(), 1); err != nil {
			t.Fatal(err)
		}
		made++
		pids[r.pids()["one"]] = true
		return len(pids) >= 7 // by one, with the next, alone, ...
	})
	if _, add := r.totalsOf("one", "Add"); add.Calls != made {
		t.Errorf("got %d calls of %d", add.Calls, made)
	}
}

// A program that counts nothing has no calls in the totals, but CPU time and memory.
func TestTotalsOfOneThatDoesNotCount(t *testing.T) {
	l := newLab(t)
	r := l.run(l.config("[one]\nbinary = %s\n", l.program("serve", "echo_serv", "a")), Options{})
	r.until("ready", isReady)
	all, _ := r.totalsOf("one", "PID")
	if len(all.Methods) != 0 || all.CPU <= 0 || all.Memory < 1<<20 || all.Unread != 1 {
		t.Errorf("got %+v", all)
	}
	if err := r.Stop(t.Context(), "one", nil); err != nil {
		t.Fatal(err)
	}
	if after, _ := r.totalsOf("one", "PID"); after.CPU < all.CPU || after.Memory != 0 || after.Unread != 0 {
		t.Errorf("after its end: got %+v", after)
	}
}

// Whatever a worker writes to its board, no total goes down or turns over.
func TestTotalsOfALiar(t *testing.T) {
	name := methodName{"s", "M"}
	liar := func(n uint64, d time.Duration) *board.Reading {
		r := &board.Reading{Load: board.Load{Busy: d}, Methods: []board.Method{{Calls: n, Errors: n, Spent: d}}}
		for i := range r.Methods[0].Buckets {
			r.Methods[0].Buckets[i] = n
		}
		return r
	}
	tally := &tally{section: "one"}
	var before []Totals
	for i, n := range []uint64{5, 3, math.MaxUint64, 0, math.MaxUint64, math.MaxUint64, 1} {
		p := &process{figures: figures{methods: []methodName{name}}}
		p.figures.end.Store(&lastFigures{reading: liar(n, time.Duration(n>>1)), cpu: time.Duration(n >> 1)})
		tally.begin(p)
		now := []Totals{tally.totals()}
		if err := noneWentDown(before, now); err != nil {
			t.Fatalf("step %d: %v", i, err)
		}
		tally.end(p)
		before = []Totals{tally.totals()}
		if err := noneWentDown(now, before); err != nil {
			t.Fatalf("step %d, at its end: %v", i, err)
		}
		if h := before[0].Methods[0].Time; h.Count() < h.Counts[0] || h.Sum < 0 {
			t.Fatalf("step %d: got %d calls in the histogram, %v", i, h.Count(), h.Sum)
		}
	}
	p := &process{figures: figures{methods: []methodName{name}}} // which says at the end that it has counted nothing
	tally.begin(p)
	busy := liar(1, 1)
	busy.Methods[0].Running = 3
	tally.present[p].raise(busy, []methodName{name})
	p.figures.end.Store(&lastFigures{reading: &board.Reading{}})
	tally.end(p)
	if m := tally.totals().Methods[0]; m.Running != 0 {
		t.Errorf("after its end: got %d running", m.Running)
	}
	seen := &sums{}
	seen.raise(liar(7, 7), []methodName{name})
	seen.raise(liar(4, 4), []methodName{name})
	if m := seen.methods[0]; m.Calls != 7 || m.Errors != 7 || m.Time.Sum != 7 || m.Time.Counts[3] != 7 || seen.busy != 7 {
		t.Errorf("got %+v, busy %v", m, seen.busy)
	}
}

// The lines that a log has lost are counted when it is closed, too, once.
func TestTotalsOfLostLines(t *testing.T) {
	log, err := logs.Open(t.TempDir(), "one", nil)
	if err != nil {
		t.Fatal(err)
	}
	if err := log.Close(); err != nil {
		t.Fatal(err)
	}
	log.Writer(1, "stdout")([]byte("too late"), false)
	l := &sectionLog{Log: log}
	l.close() // of an edition that came to nothing
	tally := &tally{section: "one"}
	for _, step := range []func(){func() { tally.open(l) }, func() { tally.open(l) }, l.close, l.close} {
		if step(); tally.totals().LinesLost != 1 {
			t.Errorf("got %d", tally.totals().LinesLost)
		}
	}
}
