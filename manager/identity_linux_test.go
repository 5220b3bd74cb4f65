package manager

import (
	"context"
	"fmt"
	"os"
	"os/user"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"hotline"
	"hotline/internal/wait"
	"hotline/manager/internal/launch"
	"hotline/registry"
)

const probeSource = `package probe

import (
	"context"
	"fmt"
	"os"
	"strings"
	"syscall"

	"hotline"
	"golang.org/x/sys/unix"
)

type Probe struct {
	hotline.ServerMethodsBase ` + "`port:\"probe\" name:\"%s\" codec:\"json\"`" + `
}

type Report struct {
	UID, GID, Nice int
	Groups []int
	Dir string
	Limits map[string][2]uint64
}

func (*Probe) Report() (*Report, error) {
	groups, err := os.Getgroups()
	if err != nil {
		return nil, err
	}
	dir, err := os.Getwd()
	if err != nil {
		return nil, err
	}
	nice, err := unix.Getpriority(unix.PRIO_PROCESS, 0)
	if err != nil {
		return nil, err
	}
	r := &Report{UID: os.Getuid(), GID: os.Getegid(), Nice: 20 - nice, Groups: groups, Dir: dir, Limits: map[string][2]uint64{}}
	for name, resource := range map[string]int{"nofile": unix.RLIMIT_NOFILE, "core": unix.RLIMIT_CORE,
		"memlock": unix.RLIMIT_MEMLOCK, "as": unix.RLIMIT_AS} {
		var l unix.Rlimit
		if err := unix.Getrlimit(resource, &l); err != nil {
			return nil, err
		}
		r.Limits[name] = [2]uint64{l.Cur, l.Max}
	}
	return r, nil
}

func (*Probe) Env(names []string) string {
	var all []string
	for _, n := range names {
		v, ok := os.LookupEnv(n)
		all = append(all, fmt.Sprintf("%%s=%%q,%%v", n, v, ok))
	}
	return strings.Join(all, " ")
}

// Reach says whether this process can call another service.
func (*Probe) Reach(ctx context.Context, name, address string) string {
	c, err := hotline.Dial(ctx, name, address)
	if err != nil {
		return err.Error()
	}
	c.Close()
	return "reached"
}

// Pose registers a service that this user was not granted.
func (*Probe) Pose() error { return pose() }

// Dumpable reports whether the process may look into itself, as its memory statistics need.
func (*Probe) Dumpable() error { return syscall.Access("/proc/self/mem", 4) }
`

const poseSource = `package probe

import "hotline/registry"

var held []*registry.Entry

func pose() error {
	d, err := registry.Open("")
	if err != nil {
		return err
	}
	for _, i := range []registry.Instance{{Name: "payments", Port: "payments"}, {Name: "plain", Port: "plain"}} {
		e, err := d.Register(i)
		if err != nil {
			return err
		}
		if err := e.Update(registry.Ready, []string{"unix:///tmp/elsewhere.sock"}); err != nil {
			return err
		}
		held = append(held, e)
	}
	return nil
}
`

// report is what the service of probeSource says of its process.
type report struct {
	UID, GID, Nice int
	Groups         []int
	Dir            string
	Limits         map[string][2]uint64
}

// openLab is a lab that other users can enter.
func openLab(t *testing.T) *lab {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("only root can start workers as another user")
	}
	l := newLab(t)
	for _, dir := range []string{"", "tmp", "run"} {
		if err := os.Chmod(filepath.Join(l.path, dir), 0o711); err != nil {
			t.Fatal(err)
		}
	}
	return l
}

func nobody(t *testing.T) (uid, gid int) {
	t.Helper()
	u, err := user.Lookup("nobody")
	if err != nil {
		t.Skip("there is no user nobody here:", err)
	}
	uid, _ = strconv.Atoi(u.Uid)
	gid, _ = strconv.Atoi(u.Gid)
	return uid, gid
}

// A worker of another user is what its section says in every respect, is called by root's processes where they find all
// others, can't be another's service, and gets its file of variables anew at every start.
func TestWorkerOfAnotherUser(t *testing.T) {
	l := openLab(t)
	uid, gid := nobody(t)
	l.module(map[string]string{
		"probe/probe.go": fmt.Sprintf(probeSource, "probe"), "probe/pose.go": poseSource,
		"plain/plain.go": "package plain\nimport \"hotline\"\ntype Plain struct { hotline.ServerMethodsBase `port:\"plain\" name:\"plain\"` }\nfunc (*Plain) Ping() {}\n",
		"work/x.txt":     "", "secret.env": "WORD=first\nBOTH=file\n",
	})
	work := filepath.Join(l.path, "work")
	if err := os.Chmod(work, 0o755); err != nil {
		t.Fatal(err)
	}
	t.Setenv("NOTIFY_SOCKET", "/none")
	t.Setenv("XDG_RUNTIME_DIR", "/none")
	r := l.run(l.config(`[defaults]
import_from = ./probe
[Probe]
user = nobody
env_file = secret.env
env.BOTH = key
work_dir = work
nice = 7
rlimit_nofile = 777
rlimit_core = 0
rlimit_memlock = 1M
rlimit_as = 64G
[Plain]
import_from = ./plain
`), Options{})
	r.until("all ready", isReady)
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	call := func(method string, out any, args ...any) {
		t.Helper()
		c, err := hotline.Dial(ctx, "probe", "auto://")
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		if err := c.Call(ctx, method, out, args...); err != nil {
			t.Fatal(err)
		}
	}
	var got report
	call("Report", &got)
	want := report{UID: uid, GID: gid, Nice: 7, Groups: []int{gid}, Dir: work,
		Limits: map[string][2]uint64{"nofile": {777, 777}, "core": {0, 0}, "memlock": {1 << 20, 1 << 20}, "as": {64 << 30, 64 << 30}}}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
	var text string
	run := filepath.Join(l.path, "run")
	names := []string{"WORD", "BOTH", "USER", "HOTLINE_DIR", "NOTIFY_SOCKET", "XDG_RUNTIME_DIR", "HOTLINE_LAUNCH"}
	environment := func(word string) string {
		return fmt.Sprintf(`WORD=%q,true BOTH="key",true USER="nobody",true HOTLINE_DIR=%q,true NOTIFY_SOCKET="",false `+
			`XDG_RUNTIME_DIR="",false HOTLINE_LAUNCH="",false`, word, filepath.Join(run, fmt.Sprint("u", uid)))
	}
	if call("Env", &text, names); text != environment("first") {
		t.Errorf("environment:\ngot  %s\nwant %s", text, environment("first"))
	}
	if call("Reach", &text, "probe", "auto://"); text != "reached" {
		t.Errorf("the worker reaches its own service: %s", text)
	}
	if call("Reach", &text, "plain", "auto://"); text == "reached" {
		t.Error("the worker reaches a service of root")
	}
	call("Dumpable", nil)
	posers(t, run, call)

	if err := os.WriteFile(filepath.Join(l.path, "secret.env"), []byte("WORD=second\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	kill(t, r.Status()[0].Workers[0].PID)
	wait.Until(t, "the next process", func() bool {
		w := r.Status()[0].Workers[0]
		return isReady(&w) && w.Restarts == 1
	})
	if call("Env", &text, names); text != environment("second") {
		t.Errorf("environment of the next process:\ngot  %s\nwant %s", text, environment("second"))
	}
	if err := r.stop(); err != nil {
		t.Error(err)
	}
	os.RemoveAll(filepath.Join(l.path, "tmp", "hotline-"+strconv.Itoa(uid)))
	l.isClean()
}

// posers has the worker register what it was not granted, and looks whether anybody sees it.
func posers(t *testing.T, run string, call func(method string, out any, args ...any)) {
	t.Helper()
	call("Pose", nil)
	d, err := registry.Open(run)
	if err != nil {
		t.Fatal(err)
	}
	all, err := d.List()
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, i := range all {
		names = append(names, i.Name)
		for _, a := range i.Addresses {
			if i.Name == "plain" && strings.Contains(a, "elsewhere") {
				t.Errorf("an instance that root sees as plain is at %s", a)
			}
		}
	}
	if diff := cmp.Diff([]string{"plain", "probe"}, names); diff != "" {
		t.Errorf("what root sees, -want +got:\n%s", diff)
	}
}

// What can't be done is found before any worker is started, and told with the line of its key.
func TestLimitsThatCanNotBeHad(t *testing.T) {
	l := openLab(t)
	nobody(t)
	closed := filepath.Join(l.path, "closed")
	if err := os.Mkdir(closed, 0o700); err != nil {
		t.Fatal(err)
	}
	program := l.program("serve", "one", "5601")
	for _, c := range []struct{ line, want string }{
		{"user = no-such-user", "[one] user: there is no user no-such-user on this machine"},
		{"user = 4242424", "[one] user: there is no user 4242424 on this machine"},
		{"group = no-such-group", "[one] group: there is no group no-such-group on this machine"},
		{"env_file = absent.env", "[one] env_file: there is no file " + filepath.Join(l.path, "absent.env")},
		{"env_file = closed", "[one] env_file: " + closed + " is no regular file"},
		{"work_dir = absent", "[one] work_dir: there is no directory " + filepath.Join(l.path, "absent")},
		{"work_dir = closed\nuser = nobody", "[one] work_dir: the service is to begin in " + closed + ": user nobody can't enter " + closed + " (mode 0700)"},
		{"rlimit_nofile = 1073741823", "[one] rlimit_nofile: set the limit to 1073741823: operation not permitted"},
	} {
		got := l.fails(l.config("[one]\nbinary = %s\n%s\n", program, c.line))
		if !strings.Contains(got, "service.ini:3: ") || !strings.Contains(got, c.want) {
			t.Errorf("%s: got %s\nwant %s", c.line, got, c.want)
		}
	}
}

// Where the manager has no cgroup to share out, that is said with the mend. Where it has one, the worker is in it.
func TestCgroup(t *testing.T) {
	l := newLab(t)
	program := l.program("serve", "one", "5602")
	base, err := launch.Delegated([]string{"cpu", "memory"})
	c := l.config("[one]\nbinary = %s\ncpu_max = 50%%\nmemory_max = 256M\n", program)
	if err != nil {
		t.Log("no cgroup is delegated to this test:", err)
		got := l.fails(c)
		for _, want := range []string{"service.ini:4: [one] memory_max: ", "Delegate=cpu memory"} {
			if !strings.Contains(got, want) {
				t.Errorf("got %s, want %s", got, want)
			}
		}
		return
	}
	r := l.run(c, Options{})
	r.until("ready", isReady)
	own, err := os.ReadFile(fmt.Sprintf("/proc/%d/cgroup", r.Status()[0].Workers[0].PID))
	if err != nil {
		t.Fatal(err)
	}
	at := strings.TrimSpace(string(own[strings.LastIndexByte(string(own), '/')+1:]))
	for file, want := range map[string]string{"cpu.max": "50000 100000", "memory.max": strconv.Itoa(256 << 20)} {
		got, err := os.ReadFile(filepath.Join(base, at, file))
		if err != nil || strings.TrimSpace(string(got)) != want {
			t.Errorf("%s of %s: got %q, %v, want %s", file, at, got, err, want)
		}
	}
	if err := r.stop(); err != nil {
		t.Error(err)
	}
	if _, err := os.Stat(filepath.Join(base, at)); err == nil {
		t.Errorf("the cgroup %s was left", at)
	}
}
