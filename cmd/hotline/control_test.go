package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"hotline/internal/doctor"
	"hotline/internal/managertest"
	"hotline/internal/wait"
	"hotline/manager"
	"hotline/monitor"
)

// serveFake offers a fake manager in a directory of its own until the test ends.
func serveFake(t *testing.T, f *managertest.Fake) (dir string) {
	t.Helper()
	if runtime.GOOS == "windows" {
		t.Skip("a manager can't tell who asks it on windows")
	}
	dir = runtimeDir(t)
	t.Cleanup(serveFakeIn(t, dir, f))
	return dir
}

// serveFakeIn offers a fake manager until stop is called.
func serveFakeIn(t *testing.T, dir string, f *managertest.Fake) (stop func()) {
	t.Helper()
	api, err := monitor.Listen(dir, f, &monitor.Options{File: "/etc/service.ini"})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	served := make(chan error, 1)
	go func() { served <- api.Serve(ctx) }()
	return func() {
		cancel()
		if err := wait.Receive(t, "Serve to return", served); err != nil {
			t.Error(err)
		}
	}
}

// check compares what a command printed and returned; want is a regular expression for both outputs together.
func check(t *testing.T, got outcome, args []string, code int, want string) {
	t.Helper()
	if all := got.stdout + got.stderr; got.code != code || !regexp.MustCompile(want).MatchString(all) {
		t.Errorf("hotline %q:\n got %d, %q, %q\nwant %d, %s", args, got.code, got.stdout, got.stderr, code, want)
	}
}

func TestStatusCommand(t *testing.T) {
	f := managertest.New(2)
	f.Sections[0].LogLost, f.Sections[0].State, f.Sections[0].Rolling, f.Sections[0].Workers[0].Due = 3, manager.Failed, true, "its age"
	f.Sections[0].Workers[1] = manager.WorkerStatus{Number: 2, State: manager.Waiting, Restarts: 4, LastEnd: "signal: \x1b[31mkilled", Failed: true}
	f.Sections = append(f.Sections, manager.SectionStatus{Section: "Empty", State: manager.Stopped})
	dir := serveFake(t, f)
	got := hotlineIn(t, dir, "", "status")
	want := fmt.Sprintf(`^manager of /etc/service\.ini, pid %d, up \S+

Lab: failed, 1 of 2 workers ready, being replaced; lab 1\.2\.0 on port 7411
  3 lines of output could not be written to /var/log/lab\.log
  WORKER  STATE            PID   UP      +RESTARTS  LAST END +DUE
  1       ready            1001  \d+d\d+h +0         - +its age
  2       waiting, failed  -     -       +4         signal: \x{fffd}\[31mkilled

Empty: stopped; no service
$`, os.Getpid())
	check(t, got, words("status"), exitOK, want)
	got = hotlineIn(t, dir, "", "status", "lab", "-o", "json")
	var s monitor.Status
	if err := json.Unmarshal([]byte(got.stdout), &s); err != nil || len(s.Sections) != 1 || s.Sections[0].Ready != 1 || s.Manager.PID != os.Getpid() {
		t.Errorf("status -o json: got %+v, %v", s, err)
	}
	f.Change(func() { f.Sections = nil })
	check(t, hotlineIn(t, dir, "", "status"), words("status"), exitOK, "\nIt builds its programs.\n$")
}

func TestManageCommands(t *testing.T) {
	f := managertest.New(1)
	f.Changes = []manager.Change{{Section: "Lab", Action: "scale", Why: "min_proc_num was 1, is 2"}}
	f.Act = func(_ context.Context, command string, say manager.Progress) error {
		say("doing " + command + "\x07")
		if command == "scale Lab 9" {
			return errors.New("manager: [Lab] takes at most 3 workers: raise max_proc_num")
		}
		return nil
	}
	dir := serveFake(t, f)
	for _, c := range []struct {
		args []string
		code int
		want string
	}{
		{words("start Lab"), exitOK, "^doing start Lab\ufffd\nLab: ready\n$"},
		{words("stop lab"), exitOK, "^doing stop Lab\ufffd\nLab: stopped\n$"},
		{words("restart 7411"), exitOK, "^doing restart Lab\ufffd\nLab: restarted\n$"},
		{words("drain Lab"), exitOK, "^doing drain Lab\ufffd\nLab: stopped\n$"},
		{words("scale Lab 3"), exitOK, "^doing scale Lab 3\ufffd\nLab: 3 workers\n$"},
		{words("scale Lab 9"), exitFail, "^doing scale Lab 9\ufffd\nhotline: manager: \\[Lab\\] takes at most 3 workers: raise max_proc_num\n$"},
		{words("reload"), exitOK, "^doing reload\ufffd\nDONE   SECTION  WHY\nscale  Lab      min_proc_num was 1, is 2\n$"},
		{words("reload --dry-run"), exitOK, "^doing reload dry\ufffd\nWOULD  SECTION  WHY\nscale  Lab "},
		{words("restart Lab --no-wait"), exitOK, "^restart has begun: .*hotline status shows how it goes\n$"},
		{words("restart"), exitUsage, `^hotline: restart needs more words: write hotline restart NAME \[flags\]\nRun .*hotline restart --help' for usage\.\n$`},
		{words("scale Lab"), exitUsage, "scale needs more words: write hotline scale NAME N"},
		{words("scale Lab -2"), exitUsage, `scale to ".*-2" workers: use a number from 1 on, or stop the section`},
		{words("scale Lab two"), exitUsage, `scale to "two" workers: use a number from 1 on`},
		{words("reload Lab"), exitUsage, `reload has no place for "Lab": write hotline reload`},
		{words("reload --dry-run --no-wait"), exitUsage, "use --dry-run or --no-wait, not both"},
		{words("stop Lob"), exitFail, "^hotline: there is no section or service \"Lob\": did you mean Lab\\?\nThere are: Lab \\(lab on port 7411\\)\n$"},
	} {
		check(t, hotlineIn(t, dir, "", c.args...), c.args, c.code, c.want)
	}
	want := []string{"start Lab", "stop Lab", "restart Lab", "drain Lab", "scale Lab 3", "scale Lab 9", "reload", "reload dry", "restart Lab"}
	wait.Until(t, "the command that was not waited for", func() bool { return len(f.Commands()) >= len(want) })
	if got := f.Commands(); !slices.Equal(got, want) {
		t.Errorf("the manager was told to %q, want %q", got, want)
	}
	got := hotlineIn(t, dir, "", "reload", "-o", "json")
	var m managed
	if err := json.Unmarshal([]byte(got.stdout), &m); err != nil || got.stderr != "doing reload\ufffd\n" || !m.Done ||
		m.Command != monitor.Reload || !reflect.DeepEqual(m.Changes, []monitor.Change{{Section: "Lab", Action: "scale", Why: "min_proc_num was 1, is 2"}}) {
		t.Errorf("reload -o json: got %+v, %+v, %v", got, m, err)
	}
	f.Change(func() { f.Changes = nil })
	check(t, hotlineIn(t, dir, "", "reload"), words("reload"), exitOK, "\nNothing has changed.\n$")
	check(t, hotlineIn(t, dir, "", "reload", "-o", "json"), words("reload -o json"), exitOK, `"changes": \[\],`)
}

// TestManageInterrupted leaves a command by Ctrl-C: it goes on.
func TestManageInterrupted(t *testing.T) {
	f := managertest.New(1)
	begun, free, ended := make(chan struct{}), make(chan struct{}), make(chan struct{})
	f.Act = func(ctx context.Context, _ string, say manager.Progress) error {
		say("begun")
		close(begun)
		select {
		case <-free:
		case <-ctx.Done():
			t.Error("the command was ended with its client")
		}
		close(ended)
		return nil
	}
	dir := serveFake(t, f)
	cmd, output := startIn(t, dir, "restart", "Lab")
	wait.Receive(t, "the command to begin", begun)
	if err := cmd.Process.Signal(os.Interrupt); err != nil {
		t.Fatal(err)
	}
	wait.Return(t, "the end of the client", func() { cmd.Wait() })
	if got := output.String(); cmd.ProcessState.ExitCode() != exitFail || !strings.Contains(got, "the manager goes on with it") {
		t.Errorf("after Ctrl-C: got %d, %q", cmd.ProcessState.ExitCode(), got)
	}
	close(free)
	wait.Receive(t, "the command to end", ended)
}

func TestCallsCommand(t *testing.T) {
	f := managertest.New(3)
	dir := serveFake(t, f)
	check(t, hotlineIn(t, dir, "", "calls"), words("calls"), exitOK, "^No call is under way.\n$")
	f.Change(func() {
		lab := f.Figures["Lab"]
		lab[1].Running = []manager.RunningCall{{Service: "lab", Method: "Sum", Age: 1500 * time.Microsecond}}
		lab[1].Methods[0].Running = 3
		lab[2].Running = []manager.RunningCall{{Service: "lab", Method: "Wait", Age: 62 * time.Minute}}
		delete(lab, 3)
	})
	got := hotlineIn(t, dir, "", "calls", "lab")
	want := "AGE    METHOD  SERVICE  WORKER  PID\n1h2m   Wait    lab      Lab/2   1002\n1.5ms  Sum     lab      Lab/1   1001\nand 2 more\n"
	if got != (outcome{want, "hotline: what Lab/3 does could not be read: manager: worker 3 of Lab has no board\n", exitOK}) {
		t.Errorf("calls: got\n%s%s%d, want\n%s", got.stdout, got.stderr, got.code, want)
	}
	got = hotlineIn(t, dir, "", "calls", "-o", "json")
	var calls []monitor.Call
	if err := json.Unmarshal([]byte(got.stdout), &calls); err != nil || len(calls) != 2 || calls[0].Method != "Wait" || calls[0].Age != 62*time.Minute {
		t.Errorf("calls -o json: got %+v, %v", calls, err)
	}
}

func TestStacksCommand(t *testing.T) {
	f := managertest.New(2)
	delete(f.Dumps["Lab"], 2)
	dir := serveFake(t, f)
	for _, c := range []struct {
		args []string
		code int
		want string
	}{
		{words("stacks lab/1"), exitOK, `^goroutine 1 \[running\]:\nmain\.main\(\)\n\tworker1\.go:1\n$`},
		{words("stacks Lab/1 -o json"), exitOK, `"stacks": "goroutine 1 \[running\]`},
		{words("stacks Lab/2"), exitFail, "^hotline: manager: worker 2 of Lab does not answer\n$"},
		{words("stacks Lab/3"), exitFail, "^hotline: Lab has no worker 3: its workers are 1, 2\n$"},
		{words("stacks Lab"), exitUsage, `^hotline: "Lab" is no worker: write NAME/WORKER, as in Server/1`},
		{words("stacks Lab/x"), exitUsage, `"Lab/x" is no worker`},
		{words("stacks /1"), exitUsage, `"/1" is no worker`},
	} {
		check(t, hotlineIn(t, dir, "", c.args...), c.args, c.code, c.want)
	}
}

func TestTopCommand(t *testing.T) {
	dir := serveFake(t, managertest.New(2))
	const table = `(?m)^hotline top \d\d:\d\d:\d\d  1 section, 2/2 workers ready  0 calls/s, 0 errors/s$

^NAME         STATE    CALLS/S   P50   P99 ERR/S OPEN CPU%   MEM OLDEST CALL$
^Lab          ready          0     -     -     0    0    0   20M$
^  #1         ready          0     -     -     0    0    0   10M$
`
	args := words("top --once -i 100ms")
	check(t, hotlineIn(t, dir, "", args...), args, exitOK, table)
	args = words("top lab -i 100ms -o json")
	got := hotlineIn(t, dir, "", args...)
	var v topView
	if err := json.Unmarshal([]byte(got.stdout), &v); err != nil || len(v.Sections) != 1 || len(v.Sections[0].Workers) != 2 || v.Seconds <= 0 {
		t.Errorf("hotline %q: got %+v, %v", args, v, err)
	}
	args = words("top -i 1ms")
	check(t, hotlineIn(t, dir, "", args...), args, exitUsage, "--interval 1ms: use 100ms or more")
}

// TestNoManager runs the commands where no manager runs.
func TestNoManager(t *testing.T) {
	dir := runtimeDir(t)
	for _, line := range []string{"status", "start x", "stop x", "restart x", "reload", "scale x 2", "drain x", "top", "calls", "stacks x/1"} {
		want := "^hotline: no manager runs in " + dir + `: start one with \S*hotline serve FILE.ini, or name another directory with --dir` + "\n$"
		if runtime.GOOS == "windows" {
			want = "^hotline: .*manager"
		}
		check(t, hotlineIn(t, dir, "", words(line)...), words(line), exitFail, want)
	}
	if left, _ := os.ReadDir(dir); len(left) > 0 {
		t.Errorf("asking made %v", left)
	}
}

func TestCompleteSections(t *testing.T) {
	dir := serveFake(t, managertest.New(2))
	for _, c := range []struct{ line, want string }{
		{"status", "Lab\tlab 1.2.0 on port 7411\n:4\n"}, {"restart", "Lab\tlab 1.2.0 on port 7411\n:4\n"},
		{"restart Lab", ":4\n"}, {"stacks", "Lab/1\tready, pid 1001\nLab/2\tready, pid 1002\n:4\n"},
	} {
		got := hotlineIn(t, dir, "", append(append([]string{"__complete"}, words(c.line)...), "")...)
		if got.stdout != c.want {
			t.Errorf("completion of %q: got %q, want %q", c.line, got.stdout, c.want)
		}
	}
	if got := hotlineIn(t, runtimeDir(t), "", "__complete", "status", ""); got.stdout != ":4\n" {
		t.Errorf("completion without a manager: got %q", got.stdout)
	}
}

func TestDoctorCommand(t *testing.T) {
	dir := serveFake(t, managertest.New(1))
	got := hotlineIn(t, dir, "", "doctor")
	check(t, got, words("doctor"), got.code, fmt.Sprintf(`(?m)^ok       manager: pid %d runs /etc/service\.ini$`, os.Getpid()))
	got = hotlineIn(t, dir, "", "doctor", "-o", "json")
	var findings []doctor.Finding
	if err := json.Unmarshal([]byte(got.stdout), &findings); err != nil || len(findings) < 5 {
		t.Errorf("doctor -o json: got %+v, %v", findings, err)
	}
	if (doctor.Worst(findings) == doctor.Error) != (got.code == exitFail) {
		t.Errorf("doctor: got %d with %+v", got.code, findings)
	}
	file := filepath.Join(dir, "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	check(t, hotlineIn(t, dir, "", "doctor", "--dir", file), words("doctor --dir file"), exitFail,
		`(?s)\nerror    runtime directory: registry: open .*: it is no directory.*\n           mend: .*hotline: 1 error: see above`)
}

// askManager asks the manager that runs the lab with two workers, in every way that changes nothing.
func askManager(t *testing.T, dir, file string, pid int) {
	t.Helper()
	for _, c := range []struct {
		args []string
		want string
	}{
		{words("status"), fmt.Sprintf(`^manager of %s, pid %d, up \S+\n\nLab: ready, 2 of 2 workers ready; lab 1\.2\.0 on port 7411\n`, file, pid)},
		{words("status lab -o json"), `"section": "Lab",\n\s*"state": "ready",\n\s*"wanted": 2,\n\s*"ready": 2`},
		{words("top --once -i 100ms"), `\nLab +ready .*\n  #1 +ready .*\n  #2 +ready `},
		{[]string{"__complete", "call", ""}, `^lab\tport 7411, version 1\.2\.0\n:4\n`}, // once, for both workers
		{words("doctor"), fmt.Sprintf(`\nok +manager: pid %d runs %s\n`, pid, file)},
	} {
		got := hotlineIn(t, dir, "", c.args...)
		check(t, outcome{got.stdout, "", got.code}, c.args, exitOK, c.want)
	}
	got := hotlineIn(t, dir, "", "serve", file)
	check(t, got, []string{"serve", file}, exitFail, fmt.Sprintf(`^hotline: manager: the runtime directory %s is that of the manager of %s \(pid %d, since `, dir, file, pid))
	if text := scrape(t, dir); !strings.Contains(text, `hotline_workers{section="Lab",state="ready"} 2`+"\n") {
		t.Errorf("/metrics: got %s", text)
	}
}

// scrape returns the metrics of a manager.
func scrape(t *testing.T, dir string) string {
	t.Helper()
	h := http.Client{Transport: &http.Transport{DisableKeepAlives: true, DialContext: func(context.Context, string, string) (net.Conn, error) {
		return net.Dial("unix", filepath.Join(dir, monitor.Socket))
	}}}
	r, err := h.Get("http://hotline/metrics")
	if err != nil {
		t.Fatal(err)
	}
	defer r.Body.Close()
	text, err := io.ReadAll(r.Body)
	if err != nil || r.StatusCode != http.StatusOK {
		t.Fatalf("/metrics: %s, %v", r.Status, err)
	}
	return string(text)
}
