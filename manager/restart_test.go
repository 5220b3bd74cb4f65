//go:build unix

package manager

import (
	"context"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"hotline"
	"hotline/internal/wait"
)

var restarts = flag.Int("restarts", 3, "how many rolling restarts TestRollingRestart does under load")

// lines collects what a command says.
type lines struct {
	mu  sync.Mutex
	all []string
}

func (l *lines) say(line string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.all = append(l.all, line)
}

func (l *lines) has(t *testing.T, part string) {
	t.Helper()
	l.mu.Lock()
	defer l.mu.Unlock()
	if text := strings.Join(l.all, "\n"); !strings.Contains(text, part) {
		t.Errorf("the command said\n%s\nand not %q", text, part)
	}
}

// No call and no stream fails when workers are replaced under load.
func TestRollingRestart(t *testing.T) {
	l := newLab(t)
	r := l.run(l.config("[lab]\nbinary = %s\nmin_proc_num = 2\n", l.program("lab", "lab", "lab")), Options{})
	r.until("ready", isReady)
	ctx, cancel := context.WithTimeout(t.Context(), 20*patience)
	defer cancel()
	work := &load{t: t, stop: make(chan struct{})}
	for _, address := range []string{"auto://", "unix://", "shm://"} {
		c := new(labClient)
		if err := hotline.Connect(ctx, c, address); err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		work.mixed(ctx, c)
	}
	said := new(lines)
	for i := range *restarts {
		before := r.Status()[0].Workers
		if err := r.Restart(ctx, "lab", said.say); err != nil {
			t.Fatalf("restart %d: %v", i+1, err)
		}
		s := r.Status()[0]
		if s.State != Ready || s.Generation != i+2 || s.Restarts != 0 || s.Rolling || len(s.Workers) != 2 {
			t.Fatalf("after restart %d: got %+v", i+1, s)
		}
		for _, w := range s.Workers {
			if w.State != Ready || w.Generation != i+2 || w.PID == before[0].PID || w.PID == before[1].PID {
				t.Fatalf("after restart %d: got %+v, before %+v", i+1, s.Workers, before)
			}
		}
	}
	calls := work.end()
	if n := work.failed.Load(); n != 0 {
		log, _ := os.ReadFile(filepath.Join(l.path, "run", "logs", "lab.log"))
		t.Errorf("%d of %d calls failed in %d rolling restarts; the log:\n%s", n, calls, *restarts, log)
	}
	t.Logf("%d calls in %d rolling restarts", calls, *restarts)
	said.has(t, "lab: the program has not changed")
	said.has(t, "lab: worker 1 is replaced by worker 3")
	said.has(t, "lab: worker 3 is ready, pid ")
	if err := r.stop(); err != nil {
		t.Error(err)
	}
	l.isClean()
}

// A port of TCP is the manager's: callers by TCP do not notice a restart either.
func TestRollingRestartByTCP(t *testing.T) {
	l := newLab(t)
	port := freePort(t)
	r := l.run(l.config("[tcp]\nbinary = %s\ntcp_bind = 127.0.0.1\n", l.program("real", "by_tcp", port)), Options{})
	r.until("ready", isReady)
	ctx, cancel := context.WithTimeout(t.Context(), 20*patience)
	defer cancel()
	work := &load{t: t, stop: make(chan struct{})}
	for range 3 {
		c, err := hotline.Dial(ctx, port, "tcp://127.0.0.1")
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		for range 2 {
			work.run("PID", func(int) error {
				var pid int
				return c.Call(ctx, "PID", &pid, true)
			})
		}
	}
	for i := range *restarts {
		if err := r.Restart(ctx, "tcp", nil); err != nil {
			t.Fatalf("restart %d: %v", i+1, err)
		}
	}
	calls := work.end()
	if n := work.failed.Load(); n != 0 {
		t.Errorf("%d of %d calls failed in %d rolling restarts", n, calls, *restarts)
	}
	t.Logf("%d calls in %d rolling restarts", calls, *restarts)
}

// What can't be made ready takes nobody's place.
func TestRestartThatFails(t *testing.T) {
	for _, bad := range []struct{ what, want string }{
		{"crash", "section [one]: the new worker ended before it was ready (exit status 3):\n    first word"},
		{"slow", "section [one]: the new worker was killed: it was not ready within 400ms"},
		{"unreachable", "section [one]: the new worker was killed: it said that it is ready, but does not answer: it told of 0 unix sockets for 1 service"},
		{"broken", "service.ini:2: [one] binary: the program can't serve"},
	} {
		t.Run(bad.what, func(t *testing.T) {
			l := newLab(t)
			l.program("serve", "a", "1")
			l.link("one", "serve", "a", "1")
			const text = "[one]\nbinary = one\nmin_proc_num = 2\n"
			r := l.run(l.config(text), Options{})
			r.until("ready", isReady)
			heed := func(keys string) { // by the workers to come
				t.Helper()
				l.write("%s%s", text, keys)
				if _, err := r.Reload(t.Context(), false, nil); err != nil {
					t.Fatal(err)
				}
			}
			if bad.what == "slow" { // no other worker need be ready so soon
				heed("start_timeout = 400ms\n")
			}
			before := r.Status()[0]
			l.link("one", bad.what, "a", "1")
			err := r.Restart(t.Context(), "one", nil)
			if err == nil || !strings.Contains(err.Error(), bad.want) {
				t.Errorf("Restart: got %v, want %s", err, bad.want)
			}
			after := r.Status()[0]
			if len(after.Workers) != 2 || after.Workers[0].PID != before.Workers[0].PID || after.Workers[1].PID != before.Workers[1].PID {
				t.Errorf("the workers were %+v, are %+v", before.Workers, after.Workers)
			}
			if after.State != Ready || after.Generation != 1 || after.Rolling {
				t.Errorf("got %+v", after)
			}
			l.link("one", "serve", "a", "1")
			if bad.what == "slow" {
				heed("")
			}
			if err := r.Restart(t.Context(), "one", nil); err != nil {
				t.Errorf("the next one: %v", err)
			}
		})
	}
}

// A restart that nobody waits for any more is undone.
func TestRestartGivenUp(t *testing.T) {
	l := newLab(t)
	l.link("one", "serve", "a", "1")
	r := l.run(l.config("[one]\nbinary = one\n"), Options{})
	r.until("ready", isReady)
	pid := r.Status()[0].Workers[0].PID
	l.link("one", "slow", "a", "1")
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- r.Restart(ctx, "one", nil) }()
	wait.Until(t, "the new worker", func() bool { return len(r.Status()[0].Workers) == 2 })
	cancel()
	if err := wait.Receive(t, "the end of Restart", done); err == nil || !strings.Contains(err.Error(), "given up: context canceled") {
		t.Errorf("Restart: got %v", err)
	}
	wait.Until(t, "one worker", func() bool {
		s := r.Status()[0]
		return len(s.Workers) == 1 && s.Workers[0].PID == pid && s.Workers[0].State == Ready && s.Generation == 1
	})
}

// Where the second of two new workers fails, the first is replaced back by one of what ran before.
func TestRestartThatFailsLater(t *testing.T) {
	l := newLab(t)
	r := l.run(l.config("[one]\nbinary = %s\nmin_proc_num = 2\n", l.program("fourth", "a", "1")), Options{})
	r.until("ready", isReady)
	before := r.Status()[0]
	said := new(lines)
	err := r.Restart(t.Context(), "one", said.say)
	if err == nil || !strings.Contains(err.Error(), "section [one]: the new worker ended before it was ready (exit status ") {
		t.Errorf("Restart: got %v", err)
	}
	said.has(t, "one: worker 1 is replaced by worker 3\n")
	said.has(t, "one: worker 2 is replaced by worker 1\n")
	said.has(t, "; worker 2 is kept")
	wait.Until(t, "two workers of what ran before", func() bool {
		s := r.Status()[0]
		return len(s.Workers) == 2 && !slices.ContainsFunc(s.Workers, func(w WorkerStatus) bool { return w.State != Ready || w.Generation != 1 })
	})
	after := r.Status()[0]
	if after.State != Ready || after.Generation != 1 || after.Rolling || after.Restarts != 0 || after.Workers[1].PID != before.Workers[1].PID {
		t.Errorf("before %+v, after %+v", before, after)
	}
	r.out.Has(t, "one: worker 3 is replaced by worker 1")
	if err := r.Restart(t.Context(), "one", nil); err != nil {
		t.Errorf("the next one: %v", err)
	}
}

const wordSource = `package word

import "hotline"

type Word struct {
	hotline.ServerMethodsBase ` + "`port:\"word\" name:\"word\"`" + `
}

func (*Word) Say() (string, error) { return "%s", nil }
`

// A source that has changed is built again by a restart, and by a reload. One that can't be built changes nothing.
func TestChangedSource(t *testing.T) {
	l := newLab(t)
	source := func(format string, args ...any) {
		t.Helper()
		if err := os.WriteFile(filepath.Join(l.path, "word", "word.go"), fmt.Appendf(nil, format, args...), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	l.module(map[string]string{"word/word.go": fmt.Sprintf(wordSource, "first")})
	r := l.run(l.config("[Word]\nimport_from = ./word\n"), Options{})
	r.until("ready", isReady)
	c, err := hotline.Dial(t.Context(), "word", "auto://")
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	says := func(want string) {
		t.Helper()
		var got string
		if err := c.Call(t.Context(), "Say", &got); err != nil || got != want {
			t.Errorf("Say: got %q, %v, want %s", got, err, want)
		}
	}
	says("first")
	source("package word\n\nfunc broken {\n")
	if err := r.Restart(t.Context(), "Word", nil); err == nil || !strings.Contains(err.Error(), "word.go:3:13: ") {
		t.Errorf("Restart with a broken source: got %v", err)
	}
	says("first")
	source(wordSource, "second")
	said := new(lines)
	if err := r.Restart(t.Context(), "Word", said.say); err != nil {
		t.Errorf("Restart: %v", err)
	}
	if said.says("the program has not changed") {
		t.Error("Restart did not notice the change")
	}
	says("second")
	source(wordSource, "third")
	changes, err := r.Reload(t.Context(), false, nil)
	if err != nil || len(changes) != 1 || changes[0] != (Change{"Word", Replace, "the program has changed"}) {
		t.Errorf("Reload: got %v, %v", changes, err)
	}
	says("third")
}
