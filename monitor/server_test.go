package monitor

import (
	"context"
	"errors"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"hotline/internal/managertest"
	"hotline/internal/wait"
	"hotline/manager"
)

func TestStatus(t *testing.T) {
	f := managertest.New(2)
	f.Sections[0].Workers[1] = manager.WorkerStatus{Number: 2, State: manager.Waiting, Failed: true, Restarts: 4, LastEnd: "exit status 3"}
	f.Sections[0].LogLost, f.Sections[0].State, f.Sections[0].Restarts, f.Sections[0].LastEnd = 7, manager.Failed, 5, "exit status 3"
	f.Sections[0].Build, f.Sections[0].Rolling, f.Sections[0].Workers[0].Due, f.Sections[0].Workers[1].Failed = "abc", true, "its age", true
	a := serve(t, f, nil)
	want := Section{
		Name: "Lab", State: manager.Failed, Wanted: 2, Ready: 1, Restarts: 5, LastEnd: "exit status 3", Build: "abc", Rolling: true,
		Services: []Service{{"lab", "7411", "1.2.0", 2}},
		Workers: []Worker{
			{Number: 1, State: manager.Ready, PID: 1001, Due: "its age", Started: &managertest.Begun, Addresses: []string{"unix:///run/lab-1.unix"}},
			{Number: 2, State: manager.Waiting, Failed: true, Restarts: 4, LastEnd: "exit status 3", Addresses: []string{}},
		},
		LogFile: "/var/log/lab.log", LogLost: 7,
	}
	for _, name := range []string{"", "Lab", "lab", "7411", "lab@1"} {
		got, err := a.client(t).Status(t.Context(), name)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff([]Section{want}, got.Sections); diff != "" {
			t.Errorf("Status(%q): %s", name, diff)
		}
		if m := got.Manager; m.PID != os.Getpid() || m.File != "/etc/service.ini" || m.Version != "1.2.3" || !m.Started.Equal(a.about.Started) {
			t.Errorf("Status(%q): the manager is %+v", name, m)
		}
	}
}

// TestErrors asks for what there is not, in every way.
func TestErrors(t *testing.T) {
	f := managertest.New(2)
	f.Sections[0].Workers[1].PID, f.Sections[0].Workers[1].State = 0, manager.Waiting
	twin := f.Sections[0]
	twin.Section, twin.Workers = "Twin", nil
	twin.Services = []manager.ServiceStatus{{Name: "both", Port: "1"}, {Name: "twin", Port: "2"}}
	f.Sections = append(f.Sections, twin, manager.SectionStatus{Section: "a/b ?", Services: twin.Services[:1]})
	f.Dumps["Lab"] = nil
	a := serve(t, f, nil)
	for _, c := range []struct {
		method, path, body string
		status             int
		want               string
	}{
		{"GET", "/v1/status?name=lap", "", 404, `{"error":{"code":"not_found","message":"there is no section or service \"lap\": ` +
			`did you mean Lab?\nThere are: Lab (lab on port 7411), Twin (both on port 1, twin on port 2), a/b ? (both on port 1)"}}`},
		{"GET", "/v1/figures?name=both", "", 400, `both is served by the sections Twin, a/b ?: name one of them`},
		{"GET", "/v1/sections/a%2Fb%20%3F/workers/1/stacks", "", 404, `a/b ? has no worker 1, nor any other`},
		{"GET", "/v1/sections/Lab/workers/3/stacks", "", 404, `Lab has no worker 3: its workers are 1, 2`},
		{"GET", "/v1/sections/Lab/workers/2/stacks", "", 404, `worker 2 of Lab has no process now: it is waiting`},
		{"GET", "/v1/sections/Lab/workers/1/stacks", "", 500, `"failed","message":"manager: worker 1 of Lab does not answer"`},
		{"GET", "/v1/sections/Lab/workers/one/stacks", "", 400, `worker \"one\" is no number`},
		{"GET", "/v2/status", "", 404, `there is no GET \"/v2/status\" here`},
		{"POST", "/v1/status", "{}", 404, `there is no POST \"/v1/status\" here`},
		{"POST", "/v1/commands", "", 400, `the body is no command: it is empty`},
		{"POST", "/v1/commands", "[]", 400, `the body is no command: json: cannot unmarshal array`},
		{"POST", "/v1/commands", `{"verb":"stop","name":"Lab","force":true}`, 400, `unknown field \"force\"`},
		{"POST", "/v1/commands", `{"verb":"stop","name":"Lab"} {}`, 400, `there is more than one value`},
		{"POST", "/v1/commands", `{"verb":"explode","name":"Lab"}`, 400, `there is no command \"explode\": use start, stop`},
		{"POST", "/v1/commands", `{"verb":"stop"}`, 400, `stop what? Give the name of a section`},
		{"POST", "/v1/commands", `{"verb":"stop","name":"Lob"}`, 404, `did you mean Lab?`},
		{"POST", "/v1/commands", `{"verb":"scale","name":"Lab"}`, 400, `scale to 0 workers: use 1 or more, or stop the section`},
		{"POST", "/v1/commands", `{"verb":"reload","name":"Lab"}`, 400, `reload is for all sections, not for \"Lab\" alone`},
		{"POST", "/v1/commands", `{"verb":"` + strings.Repeat("x", maxBody) + `"}`, 413, `the body is longer than 4096 bytes`},
	} {
		status, body := a.ask(t, c.method, c.path, c.body)
		if status != c.status || !strings.Contains(body, c.want) {
			t.Errorf("%s %s %.60s: got %d, %s, want %d, %s", c.method, c.path, c.body, status, body, c.status, c.want)
		}
	}
	if got := f.Commands(); len(got) > 0 {
		t.Errorf("the manager was told to %q", got)
	}
	f.Change(func() { f.Sections = nil })
	if _, body := a.ask(t, "GET", "/v1/status?name=Lab", ""); !strings.Contains(body, "the manager still builds its programs") {
		t.Errorf("before there are sections: %s", body)
	}
}

func TestCommands(t *testing.T) {
	f := managertest.New(1)
	f.Changes = []manager.Change{{Section: "Lab", Action: "scale", Why: "min_proc_num was 1, is 2"}}
	f.Act = func(_ context.Context, command string, say manager.Progress) error {
		say("one of " + command)
		say("two")
		if command == "drain Lab" {
			return errors.New("manager: a call does not end")
		}
		return nil
	}
	a := serve(t, f, nil)
	c := a.client(t)
	for _, command := range []Command{
		{Verb: Start, Name: "Lab"}, {Verb: Stop, Name: "lab"}, {Verb: Restart, Name: "7411"}, {Verb: Scale, Name: "Lab", Workers: 3},
		{Verb: Reload, DryRun: true}, {Verb: Reload}, {Verb: Drain, Name: "Lab"},
	} {
		var steps []string
		out, err := c.Do(t.Context(), command, func(line string) { steps = append(steps, line) })
		did := f.Commands()
		if last := did[len(did)-1]; !reflect.DeepEqual(steps, []string{"one of " + last, "two"}) {
			t.Errorf("%+v: got the steps %q of %q", command, steps, last)
		}
		var failed *Error
		switch {
		case command.Verb == Drain:
			if !errors.As(err, &failed) || *failed != (Error{Failed, "manager: a call does not end"}) {
				t.Errorf("%+v: got %+v, %v", command, out, err)
			}
		case err != nil:
			t.Errorf("%+v: %v", command, err)
		case command.Verb == Reload && !reflect.DeepEqual(out, &Outcome{Changes: []Change{{"Lab", "scale", "min_proc_num was 1, is 2"}}}),
			command.Verb != Reload && !reflect.DeepEqual(out, &Outcome{Section: "Lab"}):
			t.Errorf("%+v: got %+v", command, out)
		}
	}
	want := []string{"start Lab", "stop Lab", "restart Lab", "scale Lab 3", "reload dry", "reload", "drain Lab"}
	if got := f.Commands(); !slices.Equal(got, want) {
		t.Errorf("the manager was told to %q, want %q", got, want)
	}
	if log := a.log.String(); strings.Count(log, `"message":"control: command begun"`) != len(want) ||
		!strings.Contains(log, `"command":"drain","section":"Lab"`) || !strings.Contains(log, "a call does not end") {
		t.Errorf("the log is %s", log)
	}
}

// TestCommandGoesOn leaves a command, and asks for one without waiting for it: both go on, until the server stops.
func TestCommandGoesOn(t *testing.T) {
	f := managertest.New(1)
	begun, ended := make(chan string, 3), make(chan error, 3)
	f.Act = func(ctx context.Context, command string, say manager.Progress) error {
		say("begun")
		begun <- command
		<-ctx.Done()
		ended <- ctx.Err()
		return ctx.Err()
	}
	a := serve(t, f, func(s *Server) { s.http.ReadTimeout = 50 * time.Millisecond }) // it is for the request alone
	c := a.client(t)
	ctx, leave := context.WithCancelCause(t.Context())
	left := make(chan error, 1)
	go func() {
		_, err := c.Do(ctx, Command{Verb: Restart, Name: "Lab"}, func(string) { leave(errors.New("the user left")) })
		left <- err
	}()
	if err := wait.Receive(t, "Do to return", left); err == nil || !strings.Contains(err.Error(), "the user left: the manager goes on with it") {
		t.Errorf("a command that was left: got %v", err)
	}
	wait.Receive(t, "the command", begun)
	out, err := c.Do(t.Context(), Command{Verb: Drain, Name: "Lab", NoWait: true}, nil)
	if err != nil || !out.Begun {
		t.Errorf("no_wait: got %+v, %v", out, err)
	}
	wait.Receive(t, "the second command", begun)
	if len(ended) > 0 {
		t.Errorf("a command ended with its client")
	}
	waiting := make(chan error, 1)
	go func() {
		_, err := c.Do(t.Context(), Command{Verb: Stop, Name: "Lab"}, nil)
		waiting <- err
	}()
	wait.Receive(t, "the third command", begun)
	a.stop()
	if err := wait.Receive(t, "the client to hear of the end", waiting); err == nil || !strings.Contains(err.Error(), "canceled") {
		t.Errorf("a command that the end of the manager ended: got %v", err)
	}
	if _, err := os.Stat(filepath.Join(a.dir, Socket)); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("after Serve the socket is there: %v", err)
	}
}

func TestTooManyCommands(t *testing.T) {
	f := managertest.New(1)
	f.Act = func(ctx context.Context, _ string, _ manager.Progress) error {
		<-ctx.Done()
		return nil
	}
	a := serve(t, f, nil)
	c := a.client(t)
	for range maxJobs {
		if _, err := c.Do(t.Context(), Command{Verb: Stop, Name: "Lab", NoWait: true}, nil); err != nil {
			t.Fatal(err)
		}
	}
	_, err := c.Do(t.Context(), Command{Verb: Stop, Name: "Lab"}, nil)
	if e := (*Error)(nil); !errors.As(err, &e) || e.Code != Busy {
		t.Errorf("one more: got %v", err)
	}
	a.answers(t)
}

// TestTwoClients has two clients whose commands wait for each other's progress.
func TestTwoClients(t *testing.T) {
	f := managertest.New(1)
	var met sync.WaitGroup
	met.Add(2)
	f.Act = func(_ context.Context, _ string, say manager.Progress) error {
		say("here")
		met.Done()
		met.Wait()
		return nil
	}
	a := serve(t, f, nil)
	ended := make(chan error, 2)
	for range 2 {
		c := a.client(t)
		go func() {
			_, err := c.Do(t.Context(), Command{Verb: Restart, Name: "Lab"}, nil)
			ended <- err
		}()
	}
	for range 2 {
		if err := wait.Receive(t, "both commands", ended); err != nil {
			t.Error(err)
		}
	}
}

func TestListen(t *testing.T) {
	a := serve(t, managertest.New(1), nil)
	info, err := os.Stat(filepath.Join(a.dir, Socket))
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("the socket is %v, %v", info, err)
	}
	_, err = Listen(a.dir, managertest.New(1), nil)
	var running *manager.RunningError
	if !errors.As(err, &running) || running.PID != os.Getpid() || running.File != "/etc/service.ini" || !running.Started.Equal(a.about.Started) {
		t.Errorf("a second one: got %v", err)
	}
	a.answers(t)
	a.stop()
	_, err = Dial(a.dir)
	var none *NoManagerError
	if want := "no manager runs in " + a.dir + ": start one with hotline serve FILE.ini"; !errors.As(err, &none) || err.Error() != want {
		t.Errorf("Dial without a manager: got %v, want %s", err, want)
	}
}

// TestStaleSocket leaves a socket, as a manager does that is killed.
func TestStaleSocket(t *testing.T) {
	dir := shortDir(t)
	ln, err := net.ListenUnix("unix", &net.UnixAddr{Name: filepath.Join(dir, Socket)})
	if err != nil {
		t.Fatal(err)
	}
	ln.SetUnlinkOnClose(false)
	ln.Close()
	var none *NoManagerError
	if _, err := Dial(dir); !errors.As(err, &none) || !errors.Is(err, syscall.ECONNREFUSED) {
		t.Errorf("Dial of a stale socket: got %v", err)
	}
	s, err := Listen(dir, managertest.New(1), nil)
	if err != nil {
		t.Fatal(err)
	}
	a := &api{Server: s, dir: dir}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- s.Serve(ctx) }()
	a.answers(t)
	cancel()
	if err := wait.Receive(t, "Serve", done); err != nil {
		t.Error(err)
	}
}

// TestListenRefuses has something else at the socket's place, and places where no socket can be.
func TestListenRefuses(t *testing.T) {
	dir := shortDir(t)
	if err := os.WriteFile(filepath.Join(dir, Socket), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	long := filepath.Join(dir, strings.Repeat("d", 100))
	for _, c := range []struct{ dir, want string }{
		{dir, "is no socket: remove it"}, {long, "use a shorter directory"}, {filepath.Join(dir, Socket), "no directory"},
	} {
		if _, err := Listen(c.dir, managertest.New(1), nil); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("Listen(%s): got %v, want %s", c.dir, err, c.want)
		}
	}
	if _, err := Dial(long); err == nil || !strings.Contains(err.Error(), "use a shorter directory") {
		t.Errorf("Dial(%s): got %v", long, err)
	}
}
