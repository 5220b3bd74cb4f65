//go:build unix

package main

import (
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"strings"
	"sync"
	"syscall"
	"testing"

	"hotline/internal/procstat"
	"hotline/internal/wait"
	"hotline/manager"
	"hotline/monitor"
)

// managedLab is a manager that runs the lab: the real command, the real workers.
type managedLab struct {
	t              *testing.T
	dir, place     string
	scratch        string // for the manager's temporary files
	program        string // of the workers: built once, and not again for every restart and reload
	manager        *os.Process
	ended          <-chan error // takes how it ended
	stdout, stderr *wait.Output // of it
}

// TestManageLab does everything to a real manager that changes what its workers do, and looks at what comes of it. The parts build
// on each other.
func TestManageLab(t *testing.T) {
	l := newManagedLab(t)
	l.serve("min_proc_num = 2\nmax_proc_num = 3")
	for _, part := range []struct {
		name string
		test func()
	}{
		{"stop and start", l.stopAndStart}, {"scale", l.scale}, {"restart", l.restart}, {"drain", l.drain}, {"reload", l.reload},
		{"another user", l.anotherUser}, {"bad clients", l.badClients},
	} {
		t.Run(part.name, func(t *testing.T) {
			l.t = t
			part.test()
		})
	}
	l.t = t
	l.stop()
}

// newManagedLab builds the lab, and runs nothing.
func newManagedLab(t *testing.T) *managedLab {
	t.Helper()
	l := &managedLab{t: t, dir: runtimeDir(t), place: runtimeDir(t), scratch: runtimeDir(t)}
	t.Setenv("CGO_ENABLED", "") // which a developer may have set
	l.program = filepath.Join(l.place, "dist", "hotline-services")
	if got := hotlineIn(t, l.dir, "", "build", labINI(t, l.place, ""), "-o", filepath.Dir(l.program)); got.code != exitOK {
		t.Fatalf("build: got %+v", got)
	}
	return l
}

// serve starts the manager, with these keys, and returns when its services are ready.
func (l *managedLab) serve(keys string) {
	l.t.Helper()
	l.stdout, l.stderr = new(wait.Output), new(wait.Output)
	cmd := exec.Command(binary, "serve", l.write(keys))
	cmd.Env = append(os.Environ(), "HOTLINE_DIR="+l.dir, "TMPDIR="+l.scratch)
	cmd.Stdout, cmd.Stderr = l.stdout, l.stderr
	if err := cmd.Start(); err != nil {
		l.t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }()
	l.manager, l.ended = cmd.Process, ended
	l.t.Cleanup(func() { cmd.Process.Kill() })
	wait.Until(l.t, "the manager to be ready", func() bool {
		if len(ended) > 0 {
			l.t.Fatalf("serve ended: %s", l.stderr.String())
		}
		return strings.Contains(l.stdout.String(), "\nready: ")
	})
}

// stop stops the manager, which leaves nothing.
func (l *managedLab) stop() {
	l.t.Helper()
	if err := l.manager.Signal(os.Interrupt); err != nil {
		l.t.Fatal(err)
	}
	if err := wait.Receive(l.t, "the end of the manager", l.ended); err != nil {
		l.t.Errorf("serve: %v, %s", err, l.stderr.String())
	}
	nothingLeft(l.t, l.dir, l.scratch)
}

// TestServeAfterKill kills a real manager, with a call under way that would never end, and starts the next one at once.
func TestServeAfterKill(t *testing.T) {
	l := newManagedLab(t)
	keys := "min_proc_num = 2\nstop_timeout = 600ms"
	if runtime.GOOS == "linux" { // where such an address is there, whose ports nobody else has
		keys += fmt.Sprintf("\ntcp_bind = 127.%d.%d.%d", 1+rand.IntN(250), rand.IntN(250), 1+rand.IntN(250))
	}
	l.serve(keys)
	call, output := startIn(t, l.dir, "call", "lab", "Wait")
	defer call.Process.Kill()
	wait.Until(t, "the call", func() bool {
		return strings.Contains(hotlineIn(t, l.dir, "", "calls", "lab").stdout, "Wait    lab      Lab/")
	})
	first := l.pids()
	if err := l.manager.Kill(); err != nil {
		t.Fatal(err)
	}
	wait.Receive(t, "the end of the manager", l.ended)
	l.serve(keys)
	wait.Return(t, "the end of the call", func() { call.Wait() })
	if code := call.ProcessState.ExitCode(); code != exitFail {
		t.Errorf("the call that was under way: got %d, %s", code, output)
	}
	wait.Until(t, "the end of the first manager's workers", func() bool {
		for pid := range first {
			if syscall.Kill(pid, 0) == nil && !isZombie(pid) {
				return false
			}
		}
		return true
	})
	l.is(manager.Ready, 2)
	l.does("call lab Sum 1 2", exitOK, "3\n")
	l.stop()
}

// isZombie reports whether a process has ended, and nobody has waited for it.
func isZombie(pid int) bool {
	p, err := procstat.Read(pid)
	return err == nil && p.Ended()
}

// write writes the file, with these keys, and returns its name.
func (l *managedLab) write(keys string) string {
	l.t.Helper()
	file := filepath.Join(l.place, "service.ini")
	text := fmt.Sprintf("[defaults]\nlog_dir = logs\n\n[Lab]\nbinary = %s\n%s\n", l.program, keys)
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		l.t.Fatal(err)
	}
	return file
}

// logged waits until manager.log has a line that matches.
func (l *managedLab) logged(pattern string) {
	l.t.Helper()
	wait.Until(l.t, "a line in manager.log: "+pattern, func() bool {
		text, err := os.ReadFile(filepath.Join(l.place, "logs", "manager.log"))
		return err == nil && regexp.MustCompile(pattern).Match(text)
	})
}

// does runs a command of which want is all that it prints.
func (l *managedLab) does(line string, code int, want string) {
	l.t.Helper()
	check(l.t, hotlineIn(l.t, l.dir, "", words(line)...), words(line), code, "^"+want+"$")
}

// reports runs a command with the output json, and compares that; steps is what it prints meanwhile.
func (l *managedLab) reports(line string, want managed, steps string) {
	l.t.Helper()
	got := hotlineIn(l.t, l.dir, "", words(line+" -o json")...)
	var m managed
	d := json.NewDecoder(strings.NewReader(got.stdout))
	d.DisallowUnknownFields()
	if err := d.Decode(&m); err != nil || m.Seconds <= 0 {
		l.t.Errorf("hotline %s -o json: got %+v, %v", line, got, err)
	}
	m.Seconds = 0
	if g, w := fmt.Sprintf("%+v", m), fmt.Sprintf("%+v", want); g != w || got.code != exitOK || !regexp.MustCompile("^"+steps+"$").MatchString(got.stderr) {
		l.t.Errorf("hotline %s -o json:\n got %d, %s, %q\nwant 0, %s, %s", line, got.code, g, got.stderr, w, steps)
	}
}

// section returns what status says of the lab.
func (l *managedLab) section() monitor.Section {
	l.t.Helper()
	got := hotlineIn(l.t, l.dir, "", words("status lab -o json")...)
	var s monitor.Status
	if err := json.Unmarshal([]byte(got.stdout), &s); err != nil || got.code != exitOK || len(s.Sections) != 1 {
		l.t.Fatalf("status: got %+v, %v", got, err)
	}
	return s.Sections[0]
}

// is makes sure that the lab has a state and so many workers, all of which are ready.
func (l *managedLab) is(state manager.State, workers int) {
	l.t.Helper()
	if s := l.section(); s.State != state || s.Ready != workers || len(s.Workers) != workers {
		l.t.Errorf("the lab is %+v, want it %s with %d workers", s, state, workers)
	}
}

// becomes waits for the lab to have a state.
func (l *managedLab) becomes(state manager.State) {
	l.t.Helper()
	wait.Until(l.t, "the lab to be "+string(state), func() bool { return l.section().State == state })
}

// pids returns those of the workers.
func (l *managedLab) pids() map[int]bool {
	l.t.Helper()
	all := map[int]bool{}
	for _, w := range l.section().Workers {
		all[w.PID] = true
	}
	return all
}

// What the manager says when a worker is ready, and before that where the machine is slow.
const (
	notYet  = `(Lab: worker \d not ready after .*\n)*`
	isReady = notYet + `Lab: worker \d is ready, pid \d+\n`
	tooMany = `Lab: worker \d is one too many: it ends when its calls have\n`
)

func (l *managedLab) stopAndStart() {
	l.is(manager.Ready, 2)
	l.does("stop lab", exitOK, "Lab: stopping 2 workers\nLab: stopped\n")
	l.is(manager.Stopped, 0)
	l.does("stop lab", exitOK, "Lab: stopping 0 workers\nLab: stopped\n")
	l.does("call lab Sum 1 2", exitFail, "(?s)hotline: no service \"lab\" is running.*")
	for _, line := range []string{"restart lab", "scale lab 2"} {
		l.does(line, exitFail, `hotline: section \[Lab\]: it is stopped: start it first\n`)
	}
	l.reports("start 7411", managed{Command: monitor.Start, Name: "7411", Section: "Lab", Done: true}, "Lab: starting 2 workers\n("+isReady+"){2}")
	l.is(manager.Ready, 2)
	l.does("start Lab", exitOK, "Lab: ready\n")
	l.does("call lab Sum 1 2", exitOK, "3\n")
}

func (l *managedLab) scale() {
	l.does("scale lab 3", exitOK, isReady+"Lab: 3 workers\n")
	l.is(manager.Ready, 3)
	l.does("scale lab 4", exitFail, `hotline: section \[Lab\] has from 2 to 3 workers, not 4: change min_proc_num or max_proc_num, and reload\n`)
	l.reports("scale lab@1 2", managed{Command: monitor.Scale, Name: "lab@1", Section: "Lab", Workers: 2, Done: true}, tooMany)
	l.is(manager.Ready, 2)
	l.reports("scale lab 3 --no-wait", managed{Command: monitor.Scale, Name: "lab", Section: "Lab", Workers: 3}, "")
	wait.Until(l.t, "the third worker", func() bool { return l.section().Ready == 3 })
	l.logged(`"level":"info","message":"control: command begun","command":"scale","section":"Lab","workers":3,"uid":\d+,"pid":\d+}`)
	l.logged(`"level":"info","message":"control: command ended","command":"scale","section":"Lab","workers":3,"uid":\d+,"pid":\d+,"took":`)
	l.logged(`"level":"warn","message":"control: command ended","error":"section \[Lab\] has from 2 to 3 workers, not 4: .*"command":"scale"`)
	l.does("scale lab 2", exitOK, tooMany+"Lab: 2 workers\n")
}

func (l *managedLab) restart() {
	const steps = "Lab: looking for changes of the program\nLab: the program has not changed\n(Lab: worker \\d is replaced by worker \\d\n" + isReady + "){2}"
	before := l.pids()
	l.does("restart lab", exitOK, steps+"Lab: restarted\n")
	l.is(manager.Ready, 2)
	between := l.pids()
	l.reports("restart Lab", managed{Command: monitor.Restart, Name: "Lab", Section: "Lab", Done: true}, steps)
	for pid := range l.pids() {
		if before[pid] || between[pid] {
			l.t.Errorf("process %d was there before", pid)
		}
	}
	before = l.pids()
	l.does("restart lab --no-wait", exitOK, "restart has begun: .*hotline status shows how it goes\n")
	wait.Until(l.t, "new workers", func() bool {
		for pid := range l.pids() {
			if before[pid] {
				return false
			}
		}
		return true
	})
	wait.Until(l.t, "the old workers to be gone", func() bool { return len(l.section().Workers) == 2 })
}

// drain has the lab drained under a call, which goes on for as long as it likes.
func (l *managedLab) drain() {
	call, output := startIn(l.t, l.dir, "call", "lab", "Wait")
	defer call.Process.Kill()
	wait.Until(l.t, "the call", func() bool {
		return strings.Contains(hotlineIn(l.t, l.dir, "", "calls", "lab").stdout, "Wait    lab      Lab/")
	})
	l.reports("drain lab --no-wait", managed{Command: monitor.Drain, Name: "lab", Section: "Lab"}, "")
	l.becomes(manager.Draining)
	wait.Until(l.t, "the idle worker to end", func() bool { return len(l.section().Workers) == 1 })
	waiting, said := startIn(l.t, l.dir, "drain", "7411")
	if err := call.Process.Signal(os.Interrupt); err != nil {
		l.t.Fatal(err)
	}
	wait.Return(l.t, "the end of the call", func() { call.Wait() })
	if code := call.ProcessState.ExitCode(); code != exitFail {
		l.t.Errorf("the call that was left: got %d, %s", code, output)
	}
	wait.Return(l.t, "the end of the drain", func() { waiting.Wait() })
	if code := waiting.ProcessState.ExitCode(); code != exitOK || !strings.HasSuffix(said.String(), "Lab: stopped\n") {
		l.t.Errorf("the drain that was waited for: got %d, %s", code, said)
	}
	l.is(manager.Stopped, 0)
	l.does("start lab --no-wait", exitOK, "start has begun: .*\n")
	l.becomes(manager.Ready)
}

func (l *managedLab) reload() {
	before := l.pids()
	l.write("min_proc_num = 3\nmax_proc_num = 3\nrestart_min = 1s")
	const scale, settings = `min_proc_num from "2" to "3"`, `restart_min from its default to "1s"`
	l.does("reload --dry-run", exitOK, "WOULD +SECTION +WHY\nscale +Lab +"+scale+"\nsettings +Lab +"+settings+"\n")
	l.is(manager.Ready, 2)
	changes := []monitor.Change{{Section: "Lab", Action: manager.Rescale, Why: scale}, {Section: "Lab", Action: manager.Settings, Why: settings}}
	l.reports("reload --dry-run", managed{Command: monitor.Reload, DryRun: true, Done: true, Changes: changes}, "")
	l.reports("reload", managed{Command: monitor.Reload, Done: true, Changes: changes}, "Lab: scale: "+scale+"\nLab: settings: "+settings+"\n"+isReady)
	l.is(manager.Ready, 3)
	now := l.pids()
	for pid := range before {
		if !now[pid] {
			l.t.Errorf("process %d was touched by a reload that only adds a worker", pid)
		}
	}
	l.does("reload", exitOK, "Nothing has changed\\.\n")
	l.write("min_proc_num = 3\nmax_proc_num = 2")
	l.does("reload", exitFail, `hotline: .*service\.ini:\d: \[Lab\] .*\n`)
	l.does("reload --no-wait", exitOK, "reload has begun: .*\n")
	failed := regexp.MustCompile(`\nWRN control: command ended error=.* command=reload `)
	wait.Until(l.t, "the manager to say how it ended", func() bool { return len(failed.FindAllString(l.stdout.String(), -1)) == 2 })
	l.is(manager.Ready, 3)
	l.write("min_proc_num = 3\nmax_proc_num = 3\nrestart_min = 1s")
	l.reports("reload --no-wait", managed{Command: monitor.Reload}, "")
}

// anotherUser asks as one: past the modes of directory and socket, and then with these opened.
func (l *managedLab) anotherUser() {
	if os.Geteuid() != 0 {
		l.t.Skip("only root can run a process as another user")
	}
	const nobody = 65534
	program := filepath.Join(runtimeDir(l.t), "hotline") // where that user can run it
	data, err := os.ReadFile(binary)
	if err == nil {
		err = os.WriteFile(program, data, 0o700)
	}
	for path, mode := range map[string]os.FileMode{program: 0o755, filepath.Dir(program): 0o755} {
		if err == nil {
			err = os.Chmod(path, mode)
		}
	}
	if err != nil {
		l.t.Fatal(err)
	}
	ask := func(line, want string) {
		l.t.Helper()
		cmd := exec.Command(program, words(line)...)
		cmd.Env = append(os.Environ(), "HOTLINE_DIR="+l.dir)
		cmd.Dir = "/"
		cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: nobody, Gid: nobody}}
		out, _ := cmd.CombinedOutput() // the exit code says it
		if got := string(out); cmd.ProcessState.ExitCode() != exitFail || !strings.Contains(got, want) {
			l.t.Errorf("hotline %s as another user: got %d, %s, want %s", line, cmd.ProcessState.ExitCode(), got, want)
		}
	}
	ask("stop lab", "the manager in "+l.dir+" is another user's: run the command as that user, or as root")
	for path, mode := range map[string]os.FileMode{l.dir: 0o755, filepath.Join(l.dir, monitor.Socket): 0o666} {
		if err := os.Chmod(path, mode); err != nil {
			l.t.Fatal(err)
		}
	}
	for _, line := range []string{"stop lab", "status", "reload"} {
		ask(line, "this manager is user 0's, and you are user 65534: run the command as that user, or as root")
	}
	if out := l.stdout.String(); !regexp.MustCompile(`WRN control: connection refused code=refused pid=\d+ uid=65534\n`).MatchString(out) {
		l.t.Errorf("the manager said %s", out)
	}
	l.logged(`"level":"warn","message":"control: connection refused","uid":65534,"pid":\d+,"code":"refused"`)
	if err := os.Chmod(l.dir, 0o700); err != nil {
		l.t.Fatal(err)
	}
	l.is(manager.Ready, 3)
}

// badClients has some that don't behave, and others that are served meanwhile.
func (l *managedLab) badClients() {
	const post = "POST /v1/commands HTTP/1.1\r\nHost: x\r\n"
	var writing sync.WaitGroup
	var bad []net.Conn
	for _, sent := range []string{
		"", "GET /v1/sta", post + "Content-Length: 100\r\n\r\n{\"verb\":\"stop\",",
		post + "Content-Length: 1000000000\r\n\r\n" + strings.Repeat(" ", 1<<20),
		post + "Transfer-Encoding: chunked\r\n\r\n40000000\r\n" + strings.Repeat(" ", 1<<20),
		strings.Repeat("GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n", 1000), // whose answers nobody takes
	} {
		for range 4 {
			c, err := net.Dial("unix", filepath.Join(l.dir, monitor.Socket))
			if err != nil {
				l.t.Fatal(err)
			}
			bad = append(bad, c)
			writing.Go(func() { io.WriteString(c, sent) }) // the manager need not take it all
		}
	}
	for range 3 {
		l.is(manager.Ready, 3)
		l.does("call lab Sum 1 2", exitOK, "3\n")
	}
	l.does("restart lab", exitOK, "(?s).*Lab: restarted\n")
	for _, c := range bad {
		c.Close()
	}
	writing.Wait()
	l.is(manager.Ready, 3)
}
