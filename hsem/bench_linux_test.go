package hsem_test

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"
)

// BenchmarkUncontended is Lock and Unlock of a semaphore that nobody else wants.
func BenchmarkUncontended(b *testing.B) {
	for _, kind := range kinds {
		b.Run(kind, func(b *testing.B) {
			sem, _ := create(b, kind, 1)
			ctx := context.Background()
			b.ReportAllocs()
			for b.Loop() {
				if err := sem.Lock(ctx); err != nil {
					b.Fatal(err)
				}
				if err := sem.Unlock(); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// BenchmarkContended has two processes that do nothing but lock, add one to a number, and unlock. A turn of each
// of the two kinds and of a pthread mutex that two processes in C share follow each other; the medians are reported, in
// nanoseconds for a lock with its unlock, and how many times the mutex that is.
func BenchmarkContended(b *testing.B) {
	const rounds = 500_000
	mutex := compile(b, "mutex.c")
	took := make(map[string][]float64)
	for b.Loop() {
		out, err := exec.Command(mutex, strconv.Itoa(rounds)).Output()
		if err != nil {
			b.Fatal(err)
		}
		ns, err := strconv.ParseFloat(strings.TrimSpace(string(out)), 64)
		if err != nil {
			b.Fatal(err)
		}
		took["pthread"] = append(took["pthread"], ns)
		for _, kind := range kinds {
			took[kind] = append(took[kind], float64(hammer(b, kind, 2, rounds).Nanoseconds())/(2*rounds))
		}
	}
	b.ReportMetric(0, "ns/op") // the time of three turns says nothing
	for _, kind := range kinds {
		b.ReportMetric(median(took[kind]), kind+"-ns")
		b.ReportMetric(median(took[kind])/median(took["pthread"]), kind+"/pthread")
	}
	b.ReportMetric(median(took["pthread"]), "pthread-ns")
}

// hammer lets n processes take the lock so often each, checks that it excluded them, and returns how long that took.
func hammer(t testing.TB, kind string, n, rounds int) time.Duration {
	t.Helper()
	_, name := create(t, kind, 1)
	path, mem := newFile(t)
	var all []*child
	for range n {
		all = append(all, start(t, "hammer", kind, name, strconv.Itoa(rounds), path))
	}
	for _, c := range all {
		c.expect(t, "ready")
	}
	began := time.Now()
	for _, c := range all {
		c.tell(t)
	}
	for _, c := range all {
		c.end(t)
	}
	took := time.Since(began)
	if got := counted(mem); got != uint64(n*rounds) {
		t.Fatalf("%d processes counted to %d, want %d", n, got, n*rounds)
	}
	return took
}

func median(of []float64) float64 {
	slices.Sort(of)
	return of[len(of)/2]
}

// BenchmarkIdle is what a second of waiting costs, in microseconds of CPU time of the whole process.
func BenchmarkIdle(b *testing.B) {
	for _, kind := range kinds {
		b.Run(kind, func(b *testing.B) {
			holder, name := create(b, kind, 0)
			c := start(b, "wait", kind, name)
			c.expect(b, "waiting")
			time.Sleep(100 * time.Millisecond) // its runtime has begun
			began, before := time.Now(), cpuTime(b, c)
			for b.Loop() {
				time.Sleep(500 * time.Millisecond)
			}
			used := cpuTime(b, c) - before
			b.ReportMetric(0, "ns/op")
			b.ReportMetric(float64(used.Microseconds())/time.Since(began).Seconds(), "µs-CPU/s")
			unlock(b, holder)
			c.end(b)
		})
	}
}

// cpuTime returns the CPU time that a second process has used, as the kernel's scheduler counts it.
func cpuTime(b *testing.B, c *child) time.Duration {
	b.Helper()
	all, err := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/schedstat", c.cmd.Process.Pid))
	if err != nil || len(all) == 0 {
		b.Skip("no schedstat here:", err)
	}
	var sum time.Duration
	for _, path := range all {
		text, err := os.ReadFile(path)
		if err != nil {
			continue // the thread has ended
		}
		var ns int64
		if _, err := fmt.Sscan(string(text), &ns); err != nil {
			b.Fatal(err)
		}
		sum += time.Duration(ns)
	}
	return sum
}

// compile compiles a program in C, or skips the test where there is no compiler.
func compile(t testing.TB, source string) string {
	t.Helper()
	cc, err := exec.LookPath("cc")
	if err != nil {
		t.Skip("no C compiler here:", err)
	}
	program := filepath.Join(t.TempDir(), strings.TrimSuffix(source, ".c"))
	out, err := exec.Command(cc, "-O2", "-pthread", "-o", program, filepath.Join("testdata", source)).CombinedOutput()
	if err != nil {
		t.Fatalf("compile %s: %v\n%s", source, err, out)
	}
	return program
}
