//go:build unix

package logs

import (
	"bytes"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
)

// What a worker wrote before it crashed is there, the last line without an end, too, and the stacks in their order.
func TestCrashLosesNothing(t *testing.T) {
	l := open(t, nil)
	worker(t, l, 1, "crash")
	closeLog(t, l)
	var stdout, stderr []string
	for _, r := range records(t, l.Path()) {
		if r.Stream == "stdout" {
			stdout = append(stdout, r.Message)
		} else {
			stderr = append(stderr, r.Level.String()+" "+r.Message)
		}
	}
	if want := []string{"first", "and the last"}; !slices.Equal(stdout, want) {
		t.Errorf("stdout: got %q, want %q", stdout, want)
	}
	all := strings.Join(stderr, "\n")
	for _, want := range []string{"info going downpanic: out of fuel", "goroutine 1 [running", "logs.play({"} {
		_, rest, ok := strings.Cut(all, want)
		if !ok {
			t.Errorf("stderr has no %q at its place:\n%s", want, strings.Join(stderr, "\n"))
		}
		all = rest
	}
}

func TestLongLine(t *testing.T) {
	l := open(t, nil)
	worker(t, l, 1, "long")
	closeLog(t, l)
	if all := records(t, l.Path()); len(all) != 1 || all[0].Message != strings.Repeat("l", MaxLine) || all[0].Part != 0 {
		t.Errorf("got %d lines of the one with %d bytes", len(all), MaxLine)
	}
}

// Binary output comes back byte by byte.
func TestGarbage(t *testing.T) {
	l := open(t, nil)
	worker(t, l, 1, "garbage")
	closeLog(t, l)
	var got [][]byte
	for _, r := range records(t, l.Path()) {
		var line struct {
			Message string
			Bytes   []byte
		}
		if err := json.Unmarshal(r.Line, &line); err != nil {
			t.Fatal(err)
		}
		if line.Bytes == nil {
			line.Bytes = []byte(line.Message)
		}
		got = append(got, line.Bytes)
	}
	want := bytes.Split(garbage(), lineEnd)
	if last := len(want) - 1; len(want[last]) == 0 {
		want = want[:last]
	}
	if len(got) != len(want) {
		t.Fatalf("got %d lines, want %d", len(got), len(want))
	}
	for i := range got {
		// The \r before a line end is part of the end.
		if !bytes.Equal(got[i], bytes.TrimSuffix(want[i], []byte("\r"))) {
			t.Errorf("line %d: got %.80q, want %.80q", i, got[i], want[i])
		}
	}
}

// Two workers that write at once, over rotations: every line once, none within another.
func TestTwoWorkers(t *testing.T) {
	const lines = 20000
	l := open(t, &Options{MaxBytes: 100 << 10, TotalBytes: 1 << 30, QueueBytes: 1 << 30})
	var both sync.WaitGroup
	for n := 1; n <= 2; n++ {
		both.Go(func() { worker(t, l, n, fmt.Sprintf("count %d worker%d", lines, n)) })
	}
	both.Wait()
	closeLog(t, l)
	next := map[int]int{}
	for _, r := range records(t, l.Path()) {
		if want := fmt.Sprintf("worker%d %d", r.Worker, next[r.Worker]); r.Message != want {
			t.Fatalf("got %q, want %q", r.Message, want)
		}
		next[r.Worker]++
	}
	if next[1] != lines || next[2] != lines || l.Lost() != 0 {
		t.Errorf("got %v lines, want %d of each; %d are lost", next, lines, l.Lost())
	}
}

// BenchmarkWorker is a worker's pipe, to the disk.
func BenchmarkWorker(b *testing.B) {
	l := open(b, &Options{QueueBytes: 256 << 20})
	b.ReportAllocs()
	b.ResetTimer()
	worker(b, l, 1, fmt.Sprintf("count %d a-line-of-a-worker-that-has-a-usual-length-such-as-this", b.N))
	closeLog(b, l)
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "lines/s")
	if l.Lost() > 0 {
		b.Errorf("%d lines are lost", l.Lost())
	}
}
