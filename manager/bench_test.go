//go:build unix

package manager

import (
	"context"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"
)

// BenchmarkReplace is from SIGKILL of a worker to a ready one in its place, the start of the test's service included, for a worker
// that was stable: restart_min, 100 ms less up to a fifth, is in it. By the defaults, one that is killed again within a minute
// waits twice as long each time.
func BenchmarkReplace(b *testing.B) {
	l := newLab(b)
	r := l.run(l.config("[lab]\nbinary = %s\nrestart_stable = 1ms\n", l.program("lab", "lab", "lab")), Options{})
	r.until("ready", isReady)
	for b.Loop() {
		pid := r.Status()[0].Workers[0].PID
		time.Sleep(5 * time.Millisecond) // it is stable
		kill(b, pid)
		r.until("the next", func(w *WorkerStatus) bool { return w.State == Ready && w.PID != pid })
	}
}

// BenchmarkStop is a stop of an idle section and its start.
func BenchmarkStop(b *testing.B) {
	l := newLab(b)
	r := l.run(l.config("[lab]\nbinary = %s\n", l.program("lab", "lab", "lab")), Options{})
	r.until("ready", isReady)
	var stops time.Duration
	for b.Loop() {
		begun := time.Now()
		if err := r.Stop(context.Background(), "lab", nil); err != nil {
			b.Fatal(err)
		}
		stops += time.Since(begun)
		if err := r.Start(context.Background(), "lab", nil); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(stops.Nanoseconds())/float64(b.N), "ns/stop")
}

// BenchmarkIdle is what a manager of 20 sections uses that nobody calls, with a worker each: the CPU time of the manager and of
// all workers as a share of one core, and the memory of the manager, which is this test program, and of a worker.
func BenchmarkIdle(b *testing.B) {
	sections, span := 20, 5*time.Second
	if testing.Short() {
		sections, span = 2, 10*time.Millisecond
	}
	l := newLab(b)
	var text strings.Builder
	for i := range sections {
		name := fmt.Sprint("s", i)
		fmt.Fprintf(&text, "[%s]\nbinary = %s\n", name, l.program("work", name, name))
	}
	r := l.run(l.config("%s", text.String()), Options{})
	r.until("ready", isReady)
	r.out.Has(b, "; stop with Ctrl-C")
	var workers []int
	for _, s := range r.Status() {
		workers = append(workers, s.Workers[0].PID)
	}
	used := func(pids ...int) (sum time.Duration) {
		for _, pid := range pids {
			t, err := cpuTime(pid)
			if err != nil {
				b.Skip(err)
			}
			sum += t
		}
		return sum
	}
	var manager, all, took time.Duration
	for b.Loop() {
		begun, m, w := time.Now(), used(os.Getpid()), used(workers...)
		time.Sleep(span)
		manager, all, took = manager+used(os.Getpid())-m, all+used(workers...)-w, took+time.Since(begun)
	}
	b.ReportMetric(100*manager.Seconds()/took.Seconds(), "%cpu/manager")
	b.ReportMetric(100*all.Seconds()/took.Seconds(), "%cpu/workers")
	own, err := privateMemory(os.Getpid())
	if err != nil {
		b.Skip(err)
	}
	var theirs int64
	for _, pid := range workers {
		n, err := privateMemory(pid)
		if err != nil {
			b.Fatal(err)
		}
		theirs += n
	}
	b.ReportMetric(float64(own)/(1<<20), "MiB/manager")
	b.ReportMetric(float64(theirs)/(1<<20)/float64(sections), "MiB/worker")
}
