package main

import (
	"bytes"
	"context"
	"encoding/json"
	"os"
	"os/exec"
	"regexp"
	"runtime"
	"sync/atomic"
	"testing"

	"github.com/rs/zerolog"

	"hotline"
	"hotline/internal/wait"
)

func TestBench(t *testing.T) {
	dir := runtimeDir(t)
	startLab(t, dir, "none")
	for _, c := range []struct {
		args  []string
		stdin string
		calls int64 // 0 means any number but none
	}{
		{words("lab Sum 2 3 -n 100 -c 8"), "", 100},
		{words("lab Sum 2 3 -n 500 -c 300"), "", 500},
		{words("lab Sum -2 3 -n 1 --address unix://"), "", 1},
		{words("7411 Echo - -n 20 -c 3 --timeout 1m"), "a\x00b", 20},
		{words("lab Motto -d 50ms -c 2"), "", 0},
	} {
		got := hotlineIn(t, dir, c.stdin, append([]string{"bench", "-o", "json"}, c.args...)...)
		var b measured
		if err := json.Unmarshal([]byte(got.stdout), &b); err != nil || got.code != exitOK || got.stderr != "" {
			t.Errorf("hotline bench %q: got %+v, %v", c.args, got, err)
			continue
		}
		if c.calls > 0 && b.Calls != c.calls || b.Calls == 0 || len(b.Errors) != 0 {
			t.Errorf("hotline bench %q: got %d calls, %v, want %d and no errors", c.args, b.Calls, b.Errors, c.calls)
		}
		if b.P50 <= 0 || b.P50 > b.P90 || b.P90 > b.P99 || b.P99 > b.P999 || b.P999 > b.Max || b.PerSec <= 0 || b.Service != "lab" {
			t.Errorf("hotline bench %q: got %+v", c.args, b)
		}
	}
	got := hotlineIn(t, dir, "", words("bench lab Sum 2 3 -n 10")...)
	want := regexp.MustCompile(`^Sum of lab at \w+://\S+, 1 caller\ncalls +10 in .* s, \d+ a second\np50 +\S+s\np90 .*\np99 .*\np99\.9 .*\nlongest .*\n`)
	if got.code != exitOK || !want.MatchString(got.stdout) {
		t.Errorf("hotline bench: got %+v, want %s", got, want)
	}
}

func TestBenchFails(t *testing.T) {
	dir := runtimeDir(t)
	startLab(t, dir, "none")
	for _, c := range []struct {
		args []string
		code int
		want string // a regular expression, in either output
	}{
		{[]string{"lab", "Fail", "no luck", "-n", "5"}, exitFail, `application error +5, such as: no luck\n[^$]*hotline: 5 of 5 calls failed\n$`},
		{words("lab Panic -n 2 -o json"), exitFail, `"panic": 2`},
		{words("lab Wait -n 2 -c 2 --timeout 2s"), exitFail, `deadline exceeded +2, such as: `},
		{words("lab Sum 1"), exitUsage, "Sum takes 2 arguments, not 1"},
		{words("lab Sum 1 2 -c 0"), exitUsage, "--callers 0: use 1 or more"},
		{words("lab Sum 1 2 -n -5"), exitUsage, "-5"},
		{words("lab Sum 1 2 -d -1s"), exitUsage, "-1s"},
		{words("lab Sum 1 2 -c many"), exitUsage, `^hotline: invalid argument "many" for "-c, --callers" flag: use a whole number\nRun `},
		{words("lab Sum 1 2 -c 99999999999999999999"), exitUsage, `"-c, --callers" flag: value out of range\n`},
		{words("lab Sum 1 2 -d soon"), exitUsage, `"-d, --duration" flag: time: invalid duration "soon"\n`},
		{words("lab Sum 1 2 -n 5 -d 1s"), exitUsage, "use --calls or --duration, not both"},
		{words("lap Sum 1 2"), exitFail, "did you mean lab"},
		{words("lab"), exitUsage, "bench needs more words: write hotline bench NAME|PORT METHOD"},
	} {
		got := hotlineIn(t, dir, "", append([]string{"bench"}, c.args...)...)
		if got.code != c.code || !regexp.MustCompile(c.want).MatchString(got.stdout+got.stderr) {
			t.Errorf("hotline bench %q:\n got %d, %q, %q\nwant %d, %q", c.args, got.code, got.stdout, got.stderr, c.code, c.want)
		}
	}
}

// hits counts the calls of its method.
type hits struct {
	hotline.ServerMethodsBase `port:"7412" name:"hits"`
	n                         atomic.Int64
}

func (h *hits) Hit() { h.n.Add(1) }

// serveHits serves h in this process until the test ends.
func serveHits(t *testing.T, dir string, h *hits) {
	t.Helper()
	quiet := zerolog.Nop()
	srv := &hotline.Server{Dir: dir, Logger: &quiet}
	if err := srv.Register(h); err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- srv.Serve(context.Background()) }()
	t.Cleanup(func() {
		srv.Close()
		<-ended // calls that were cut off are an error, and no matter here
	})
	waitReady(t, dir, "hits", ended)
}

// An interrupt ends the calls and prints what was measured. All calls that the service saw are in it, but the one that
// was cut off.
func TestBenchInterrupted(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("a process can't be sent an interrupt on windows")
	}
	dir, h := runtimeDir(t), new(hits)
	serveHits(t, dir, h)
	cmd := exec.Command(binary, words("bench hits Hit -d 1h -o json")...)
	cmd.Env = append(os.Environ(), "HOTLINE_DIR="+dir)
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	wait.Until(t, "calls", func() bool { return h.n.Load() > 20 })
	if err := cmd.Process.Signal(os.Interrupt); err != nil {
		t.Error(err)
	}
	if err := cmd.Wait(); err != nil || stderr.Len() > 0 {
		t.Errorf("hotline bench, interrupted: %v, %q", err, stderr.String())
	}
	var b measured
	if err := json.Unmarshal(stdout.Bytes(), &b); err != nil || len(b.Errors) != 0 || b.Calls != h.n.Load() && b.Calls != h.n.Load()-1 {
		t.Errorf("hotline bench, interrupted: got %+v, %v, want the %d calls that were made", b, err, h.n.Load())
	}
}

// No more calls are made than were asked for, by many callers too.
func TestBenchCounts(t *testing.T) {
	dir, h := runtimeDir(t), new(hits)
	serveHits(t, dir, h)
	got := hotlineIn(t, dir, "", words("bench hits Hit -n 1000 -c 7")...)
	if got.code != exitOK || h.n.Load() != 1000 {
		t.Errorf("hotline bench -n 1000 -c 7: got %+v and %d calls", got, h.n.Load())
	}
}
