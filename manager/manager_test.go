//go:build unix

package manager

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/rs/zerolog"

	"hotline"
	"hotline/internal/logs"
	"hotline/internal/procstat"
	"hotline/internal/wait"
	"hotline/registry"
)

// patience bounds every wait. It is only reached by a test that fails.
const patience = 120 * time.Second

// lab is a directory for a service.ini, its programs and everything that a manager makes.
type lab struct {
	t    testing.TB
	path string
}

func newLab(t testing.TB) *lab {
	t.Helper()
	path, err := os.MkdirTemp("", "hl")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(path) })
	l := &lab{t: t, path: path}
	for _, dir := range []string{"tmp", "run"} {
		if err := os.Mkdir(filepath.Join(path, dir), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	t.Setenv("TMPDIR", filepath.Join(path, "tmp"))
	t.Setenv("HOTLINE_DIR", filepath.Join(path, "run"))
	return l
}

// program makes a fake program and returns its name, for a binary key.
func (l *lab) program(what, name, port string) string {
	l.t.Helper()
	file := strings.Join([]string{"fake", what, name, port}, ".")
	self, err := os.Executable()
	if err == nil {
		err = os.Symlink(self, filepath.Join(l.path, file))
	}
	if err != nil && !errors.Is(err, os.ErrExist) {
		l.t.Fatal(err)
	}
	return file
}

// link makes name a fake program, in place of the one that it was before.
func (l *lab) link(name, what, service, port string) {
	l.t.Helper()
	next := filepath.Join(l.path, name+".next")
	script := "#!/bin/sh\nexec " + filepath.Join(l.path, l.program(what, service, port)) + " \"$@\"\n"
	err := os.WriteFile(next, []byte(script), 0o700)
	if err == nil {
		err = os.Rename(next, filepath.Join(l.path, name))
	}
	if err != nil {
		l.t.Fatal(err)
	}
}

// config writes and loads a service.ini.
func (l *lab) config(format string, args ...any) *Config {
	l.t.Helper()
	file := filepath.Join(l.path, "service.ini")
	if err := os.WriteFile(file, fmt.Appendf(nil, format, args...), 0o600); err != nil {
		l.t.Fatal(err)
	}
	c, err := Load(file)
	if err != nil {
		l.t.Fatal(err)
	}
	return c
}

// running is a manager that runs in this process.
type running struct {
	*Manager
	t    testing.TB
	out  *wait.Output
	stop func() error
}

// manager makes a manager whose output can be looked at.
func (l *lab) manager(c *Config, o Options) *Manager {
	l.t.Helper()
	o.Stdout = new(wait.Output)
	m, err := New(c, &o)
	if err != nil {
		l.t.Fatal(err)
	}
	return m
}

// run starts a manager. It is stopped with the test, if not before.
func (l *lab) run(c *Config, o Options) *running {
	l.t.Helper()
	return l.runs(l.manager(c, o))
}

// runs starts a manager that manager has made.
func (l *lab) runs(m *Manager) *running {
	l.t.Helper()
	r := &running{Manager: m, t: l.t, out: m.options.Stdout.(*wait.Output)}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() {
		err := m.Run(ctx)
		if ctx.Err() == nil {
			l.t.Errorf("Run returned before it was stopped: %v", err)
		}
		done <- err
	}()
	r.stop = sync.OnceValue(func() error {
		cancel()
		return <-done
	})
	l.t.Cleanup(func() { r.stop() })
	return r
}

// fails runs a manager that must not come to start anything, and returns its error.
func (l *lab) fails(c *Config) string {
	l.t.Helper()
	m, err := New(c, nil)
	if err != nil {
		l.t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	err = m.Run(ctx)
	if err == nil {
		l.t.Fatal("Run: got no error")
	}
	l.isClean()
	return err.Error()
}

// isClean reports what is left in the temporary and the runtime directory, but logs.
func (l *lab) isClean() {
	l.t.Helper()
	for _, dir := range []string{"tmp", "run"} {
		all, err := os.ReadDir(filepath.Join(l.path, dir))
		if err != nil {
			l.t.Error(err)
		}
		for _, f := range all {
			if f.Name() != "logs" && f.Name() != ".logs.json" && f.Name() != ".claims" && !strings.HasPrefix(f.Name(), "77-") { // held by a test
				l.t.Errorf("%s/%s was left", dir, f.Name())
			}
		}
	}
}

// records returns the lines of a file of a log, all of which must be readable, but for one that is being written.
func (l *lab) records(file string) []logs.Record {
	l.t.Helper()
	text, err := os.ReadFile(filepath.Join(l.path, file))
	if err != nil {
		l.t.Fatal(err)
	}
	var all []logs.Record
	for line := range strings.Lines(string(text)) {
		line, whole := strings.CutSuffix(line, "\n")
		if !whole {
			continue
		}
		r := logs.Parse([]byte(line))
		if !r.Readable {
			l.t.Errorf("%s has the line %.200q", file, line)
		}
		all = append(all, r)
	}
	return all
}

// find returns the line of a worker in a log, or of what the manager says of it, with that message.
func (l *lab) find(file string, worker int, message string) logs.Record {
	l.t.Helper()
	all := l.records(file)
	at := slices.IndexFunc(all, func(r logs.Record) bool { return r.Worker == worker && r.Message == message })
	if at < 0 {
		l.t.Fatalf("%s has no line %q of worker %d", file, message, worker)
	}
	return all[at]
}

// until waits until every worker of every section satisfies ok.
func (r *running) until(what string, ok func(*WorkerStatus) bool) {
	r.t.Helper()
	wait.Until(r.t, what, func() bool {
		sections := r.Status()
		for _, s := range sections {
			for i := range s.Workers {
				if !ok(&s.Workers[i]) {
					return false
				}
			}
		}
		return len(sections) > 0
	})
}

func isReady(w *WorkerStatus) bool { return w.State == Ready }

// gone reports whether a process has ended. Orphans are reaped by whoever adopts them, so a zombie has ended, too.
func gone(pid int) bool {
	if syscall.Kill(pid, 0) != nil {
		return true
	}
	p, err := procstat.Read(pid)
	return err == nil && p.Ended()
}

// freePort returns a TCP port that nobody has, below those that kernels give to whoever asks for any: nobody else takes it while a
// test has let go of it.
func freePort(t *testing.T) string {
	t.Helper()
	for range 100 {
		port := strconv.Itoa(10_000 + rand.IntN(20_000))
		if l, err := net.Listen("tcp", "127.0.0.1:"+port); err == nil {
			l.Close()
			return port
		}
	}
	t.Fatal("there is no free port")
	return ""
}

// ask connects to a fake worker and returns its pid.
func ask(t *testing.T, port string) int {
	t.Helper()
	c, err := net.DialTimeout("tcp", "127.0.0.1:"+port, patience)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	c.SetDeadline(time.Now().Add(patience))
	var pid int
	if _, err := fmt.Fscanln(c, &pid); err != nil {
		t.Fatal(err)
	}
	return pid
}

func TestWorkers(t *testing.T) {
	l := newLab(t)
	port := freePort(t)
	r := l.run(l.config("[defaults]\nlog_dir = logs\n[one]\nbinary = %s\nmin_proc_num = 3\ntcp_bind = 127.0.0.1\n[two]\nbinary = %s\n",
		l.program("serve", "echo_serv", port), l.program("serve", "other", "word")), Options{
		CommandName: "go run ./cmd/hotline",
		Example:     func(m *hotline.MethodInfo) (string, bool) { return " 1 '{}'", m.Name == "PID" },
	})
	r.until("all ready", isReady)
	r.out.Has(t, "one: echo_serv 1.2.3 is ready on port "+port+", 3 workers", "json  PID() (int, error)", "worker's pid.",
		"  go run ./cmd/hotline call echo_serv PID 1 '{}'\n", "  go run ./cmd/hotline describe echo_serv\n",
		"two: other 1.2.3 is ready on port word, 1 worker\n", "ready: 2 services; stop with Ctrl-C",
		"output: "+filepath.Join(l.path, "logs", "one.log"))
	pids := map[int]bool{}
	for _, s := range r.Status() {
		for _, w := range s.Workers {
			pids[w.PID] = true
			r.out.Has(t, fmt.Sprintf("worker %d, pid %d: fake://%d", w.Number, w.PID, w.PID))
			group, err := syscall.Getpgid(w.PID)
			if err != nil || group != w.PID {
				t.Errorf("worker %d of %s: got process group %d, %v, want its own", w.Number, s.Section, group, err)
			}
		}
	}
	if len(pids) != 4 {
		t.Errorf("got pids %v, want 4", pids)
	}
	first := ask(t, port)
	if !pids[first] {
		t.Errorf("the port answers as pid %d, want one of %v", first, pids)
	}
	if err := r.stop(); err != nil {
		t.Error(err)
	}
	for pid := range pids {
		if !gone(pid) {
			t.Errorf("worker %d has not ended", pid)
		}
	}
	if c, err := net.Dial("tcp", "127.0.0.1:"+port); err == nil {
		c.Close()
		t.Error("the port is still open")
	}
	for n := range 3 {
		for _, want := range []string{"serving as " + filepath.Join(l.path, "run"), "stopped"} {
			if l.find("logs/one.log", n+1, want).Stream != "stdout" {
				t.Errorf("%q of worker %d has not the stream stdout", want, n+1)
			}
		}
	}
	if err := r.Run(context.Background()); err == nil {
		t.Error("second Run: got no error")
	}
	l.isClean()
}

func TestKilledWorkerIsReplaced(t *testing.T) {
	l := newLab(t)
	port := freePort(t)
	r := l.run(l.config("[one]\nbinary = %s\ntcp_bind = 127.0.0.1\n", l.program("serve", "echo_serv", port)),
		Options{RestartMin: time.Millisecond})
	r.until("ready", isReady)
	pid := ask(t, port)
	syscall.Kill(pid, syscall.SIGKILL)
	// The port is the manager's: this connection waits for the next worker.
	if next := ask(t, port); next == pid {
		t.Errorf("the killed worker, %d, answers", pid)
	}
	r.until("ready again", isReady)
	w := r.Status()[0].Workers[0]
	if w.PID == pid || w.Restarts != 1 || w.LastEnd != "signal: killed" {
		t.Errorf("got %+v", w)
	}
	r.out.Has(t, "one: worker 1 ended (signal: killed) when it had been ready for", "one: worker 1 is ready again")
}

func TestWorkerThatIsNeverReady(t *testing.T) {
	l := newLab(t)
	r := l.run(l.config("[bad]\nbinary = %s\n[mad]\nbinary = %s\n[late]\nbinary = %s\nstart_timeout = 300ms\n", l.program("crash", "a", "1"),
		l.program("garbage", "b", "2"), l.program("slow", "c", "3")),
		Options{RestartMin: time.Millisecond, RestartMax: 5 * time.Millisecond})
	r.out.Has(t, "bad: worker 1 ended before it was ready (exit status 3):\n    first word\n    last\uFFFD[31m word; starting it again in",
		"mad: worker 1 was killed: control channel: the line \"hello\" is no message of a worker",
		"late: worker 1 was killed: it was not ready within 300ms")
	wait.Until(t, "several restarts", func() bool { return r.Status()[0].Workers[0].Restarts > 3 })
	if err := r.stop(); err != nil {
		t.Error(err)
	}
	l.isClean()
}

func TestOrderOfStartAndStop(t *testing.T) {
	l := newLab(t)
	config := l.config("[defaults]\nlog_dir = logs\n[first]\nbinary = %s\nwait_until_completed = true\n[second]\nbinary = %s\n",
		l.program("serve", "a", "1"), l.program("serve", "b", "2"))
	r := l.run(config, Options{})
	r.out.Has(t, "first: a 1.2.3 is ready", "second: b 1.2.3 is ready")
	if out := r.out.String(); strings.Index(out, "first: a 1.2.3 is ready") > strings.Index(out, "second: b 1.2.3 is ready") {
		t.Errorf("second was ready before first:\n%s", out)
	}
	s := r.Status()
	if s[0].Workers[0].Started.After(s[1].Workers[0].Started) {
		t.Errorf("first started after second: %+v", s)
	}
	r.stop()
	stopped := func(section string) time.Time { return l.find("logs/"+section+".log", 1, "stopped").Time }
	if first, second := stopped("first"), stopped("second"); first.Before(second) {
		t.Errorf("first stopped at %s, second at %s: want second first", first, second)
	}
}

func TestNextSectionWaits(t *testing.T) {
	l := newLab(t)
	r := l.run(l.config("[first]\nbinary = %s\nwait_until_completed = true\n[second]\nbinary = %s\n",
		l.program("slow", "a", "1"), l.program("serve", "b", "2")), Options{StartTimeout: 100 * time.Millisecond, RestartMin: time.Millisecond})
	wait.Until(t, "several starts of first", func() bool {
		s := r.Status()
		return len(s) > 0 && s[0].Workers[0].Restarts > 2
	})
	if second := r.Status()[1].Workers[0]; second.PID != 0 {
		t.Errorf("second was started: %+v", second)
	}
	if err := r.stop(); err != nil {
		t.Error(err)
	}
}

func TestStubbornWorkerIsKilled(t *testing.T) {
	l := newLab(t)
	r := l.run(l.config("[one]\nbinary = %s\n", l.program("stubborn", "a", "1")), Options{StopTimeout: 200 * time.Millisecond})
	r.until("ready", isReady)
	pid := r.Status()[0].Workers[0].PID
	r.stop()
	if !gone(pid) {
		t.Errorf("worker %d has not ended", pid)
	}
	r.out.Has(t, "one: worker 1 did not stop within 200ms and was killed")
	var said []string
	for _, line := range l.records("run/logs/manager.log") {
		if line.Section == "one" && line.Worker == 1 {
			said = append(said, fmt.Sprint(line.Level, ": ", line.Message))
		}
	}
	want := []string{fmt.Sprint("info: worker 1 is ready, pid ", pid), "info: worker 1 is asked to end, and has 200ms",
		"warn: worker 1 did not stop within 200ms and was killed", "info: worker 1 has ended (signal: killed)"}
	if !slices.Equal(said, want) {
		t.Errorf("manager.log says %q of the worker, want %q", said, want)
	}
	// A program that does not watch its control channel is asked by SIGTERM, too.
	r = l.run(l.config("[two]\nbinary = %s\n", l.program("deaf", "b", "2")), Options{StopTimeout: patience})
	r.until("ready", isReady)
	r.stop()
	if strings.Contains(r.out.String(), "was killed") {
		t.Error("the one that obeys SIGTERM was killed")
	}
}

func TestChildrenOfWorkersEnd(t *testing.T) {
	l := newLab(t)
	r := l.run(l.config("[one]\nbinary = %s\n", l.program("fork", "a", "1")), Options{RestartMin: time.Millisecond})
	r.until("ready", isReady)
	for range 2 { // once when the worker dies, once when it stops
		pid := r.Status()[0].Workers[0].PID
		if syscall.Kill(-pid, 0) != nil {
			t.Fatalf("there is no process group %d", pid)
		}
		if r.Status()[0].Workers[0].Restarts == 0 {
			syscall.Kill(pid, syscall.SIGKILL)
			r.until("ready again", func(w *WorkerStatus) bool { return w.State == Ready && w.PID != pid })
		} else {
			r.stop()
		}
		wait.Until(t, "end of the group", func() bool { return !groupLives(pid) })
	}
}

// groupLives reports whether a process group has a process that has not ended.
func groupLives(group int) bool {
	all := procstat.All()
	if len(all) == 0 {
		return syscall.Kill(-group, 0) == nil
	}
	return slices.ContainsFunc(all, func(p procstat.Process) bool { return p.Group == group && !p.Ended() })
}

func TestLogsAreWhole(t *testing.T) {
	l := newLab(t)
	r := l.run(l.config("[one]\nbinary = %s\nmin_proc_num = 2\n", l.program("chatty", "a", "1")), Options{})
	r.until("ready", isReady)
	r.stop()
	path := filepath.Join(l.path, "run", "logs", "one.log")
	r.out.Has(t, "output: "+path)
	next, long, ends := map[int]int{}, map[int]int{}, 0
	for _, line := range l.records("run/logs/one.log") {
		switch text := line.Message; {
		case strings.HasPrefix(text, "line "):
			if text != fmt.Sprint("line ", next[line.Worker]) || line.Stream != "stdout" || line.Level != zerolog.InfoLevel {
				t.Errorf("got %.120s, want line %d of worker %d", line.Line, next[line.Worker], line.Worker)
			}
			next[line.Worker]++
		case strings.Trim(text, "x") == "" && line.Stream == "stderr":
			long[line.Worker] += len(text)
		case text == "the end, without a line end":
			ends++
		}
	}
	for _, number := range []int{1, 2} {
		if next[number] != 500 || long[number] != 3*logs.MaxLine {
			t.Errorf("worker %d: got %d lines and %d bytes of the long one", number, next[number], long[number])
		}
	}
	if ends != 2 {
		t.Errorf("got %d last lines, want 2", ends)
	}
	if lost := r.Status()[0].LogLost; lost != 0 {
		t.Errorf("%d lines were lost", lost)
	}
}

// What the manager says of its workers is in manager.log, and goes to the logger that it was given, too.
func TestManagerLog(t *testing.T) {
	l := newLab(t)
	var also wait.Output
	logger := zerolog.New(&also)
	r := l.run(l.config("[defaults]\nlog_dir = logs\n[one]\nbinary = %s\n[two]\nbinary = %s\nlog_dir = two\n",
		l.program("crash", "a", "1"), l.program("serve", "b", "2")), Options{RestartMin: time.Millisecond, Logger: &logger})
	r.until("a restart", func(w *WorkerStatus) bool { return w.Restarts > 0 || w.State == Ready })
	r.stop()
	const ended = "worker 1 ended before it was ready (exit status 3):\n    first word\n    last\uFFFD[31m word; starting it again in "
	for _, want := range []struct {
		section, message string
		level            zerolog.Level
		worker           int
	}{
		{"one", ended, zerolog.WarnLevel, 1}, {"two", "ready: b 1.2.3 on port 2, 1 worker", zerolog.InfoLevel, 0},
		{"two", "worker 1 has ended (exit status 0)", zerolog.InfoLevel, 1}, {"", "stopping ...", zerolog.InfoLevel, 0},
	} {
		all := l.records("logs/manager.log")
		if !slices.ContainsFunc(all, func(r logs.Record) bool {
			return r.Section == want.section && r.Worker == want.worker && r.Level == want.level && r.Stream == logs.Manager &&
				strings.HasPrefix(r.Message, want.message)
		}) {
			t.Errorf("manager.log does not say %+v, but has\n%+v", want, all)
		}
	}
	also.Has(t, `{"level":"warn","again_in":"`, `"section":"two","worker":1,"message":"worker 1 has ended (exit status 0)"}`)
	if l.find("logs/one.log", 1, "first word").Stream != "stderr" {
		t.Error("the log of the first section has not what it wrote to stderr")
	}
	noted, err := logs.Places(filepath.Join(l.path, "run"))
	want := []logs.Place{{Section: logs.Manager, File: filepath.Join(l.path, "logs", "manager.log")},
		{Section: "one", File: filepath.Join(l.path, "logs", "one.log")}, {Section: "two", File: filepath.Join(l.path, "two", "two.log")}}
	if err != nil || !slices.Equal(noted, want) {
		t.Errorf("the note says %v, %v, want %v", noted, err, want)
	}
	l.isClean()
}

func TestFoundBeforeAnythingStarts(t *testing.T) {
	port := freePort(t)
	taken, err := net.Listen("tcp", "127.0.0.1:"+port)
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	tests := []struct {
		name string
		text func(*lab) string
		want []string
	}{
		{"says nothing", func(l *lab) string { return "[x]\nbinary = " + l.program("mute", "a", "1") },
			[]string{"service.ini:2: [x] binary: the program ended without saying what it serves", "I serve nothing"}},
		{"can't serve", func(l *lab) string { return "[x]\nbinary = " + l.program("broken", "a", "1") },
			[]string{":2: [x] binary: the program can't serve (exit status 1):\n    no model here\n    fake: can't serve"}},
		{"serves nothing", func(l *lab) string { return "[x]\nbinary = " + l.program("empty", "a", "1") },
			[]string{":2: [x] binary: the program serves nothing"}},
		{"bad name", func(l *lab) string { return "[x]\nbinary = " + l.program("serve", "a b", "01") },
			[]string{":2: [x] binary: type fake.Server: service name \"a b\"", "port \"01\""}},
		{"no program", func(l *lab) string {
			if err := os.WriteFile(filepath.Join(l.path, "text"), []byte("hello"), 0o700); err != nil {
				t.Fatal(err)
			}
			return "[x]\nbinary = text"
		}, []string{":2: [x] binary: start the program: ", "exec format error"}},
		{"word on TCP", func(l *lab) string { return "[x]\nbinary = " + l.program("serve", "a", "word") + "\ntcp_bind = ::1" },
			[]string{":2: [x] binary: type fake.Server has the word \"word\" for a port, and tcp_bind needs a number"}},
		{"same port", func(l *lab) string {
			return "[x]\nbinary = " + l.program("serve", "a", "1") + "\n[y]\nbinary = " + l.program("serve", "b", "1")
		}, []string{":3: [y]: port 1 of b@1 is that of a@1, which section [x] (line 1) serves"}},
		{"same name", func(l *lab) string {
			return "[x]\nbinary = " + l.program("serve", "a", "1") + "\n[y]\nbinary = " + l.program("serve", "a", "2")
		}, []string{":3: [y]: a@1 on port 2 is served on port 1 by section [x] (line 1)"}},
		{"twice", func(l *lab) string {
			return "[x]\nbinary = " + l.program("serve", "a", "1") + "\n[y]\nbinary = " + l.program("serve", "a", "1")
		}, []string{":3: [y]: a@1 is already served by section [x] (line 1)", "min_proc_num"}},
		{"running", func(l *lab) string {
			d, err := registry.Open("")
			if err != nil {
				t.Fatal(err)
			}
			e, err := d.Register(registry.Instance{Name: "held", Port: "77"})
			if err != nil {
				t.Fatal(err)
			}
			l.t.Cleanup(func() { e.Close() })
			return "[x]\nbinary = " + l.program("serve", "a", "77")
		}, []string{fmt.Sprintf(":1: [x]: port 77 of a@1 is that of held@0, which a running instance (pid %d) serves", os.Getpid())}},
		{"port taken", func(l *lab) string {
			return "[x]\nbinary = " + l.program("serve", "a", port) + "\ntcp_bind = 127.0.0.1"
		},
			[]string{":3: [x] tcp_bind: open the port of a: listen tcp 127.0.0.1:" + port}},
		{"log_dir is a file", func(l *lab) string {
			return "[x]\nbinary = " + l.program("serve", "a", "1") + "\nlog_dir = service.ini"
		},
			[]string{":3: [x] log_dir: make the directory for logs"}},
		{"log is a directory", func(l *lab) string {
			if err := os.Mkdir(filepath.Join(l.path, "x.log"), 0o700); err != nil {
				t.Fatal(err)
			}
			return "[x]\nbinary = " + l.program("serve", "a", "1") + "\nlog_dir = ."
		}, []string{":3: [x] log_dir: open the log"}},
		{"log is a symlink", func(l *lab) string {
			if err := os.Symlink("service.ini", filepath.Join(l.path, "x.log")); err != nil {
				t.Fatal(err)
			}
			return "[x]\nbinary = " + l.program("serve", "a", "1") + "\nlog_dir = ."
		}, []string{":3: [x] log_dir: open the log"}},
		{"all of it", func(l *lab) string {
			return "[x]\nbinary = " + l.program("mute", "a", "1") + "\n[y]\nbinary = " + l.program("broken", "b", "2")
		}, []string{":2: [x] binary", ":4: [y] binary"}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			l := newLab(t)
			got := l.fails(l.config("%s\n", test.text(l)))
			for _, want := range test.want {
				if !strings.Contains(got, want) {
					t.Errorf("got\n%s\nwant in it\n%s", got, want)
				}
			}
		})
	}
}

func TestStopWhileDescribing(t *testing.T) {
	l := newLab(t)
	r := l.run(l.config("[x]\nbinary = %s\n", l.program("hang", "a", "1")), Options{})
	if err := r.stop(); err != nil {
		t.Errorf("Run: got %v, want nil", err)
	}
	l.isClean()
}
