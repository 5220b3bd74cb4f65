package launch_test

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"go.uber.org/goleak"
	"golang.org/x/sys/unix"

	"hotline/manager/internal/launch"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// begin runs a program with settings, and returns what it wrote, or what Prepare or Await said.
func begin(t *testing.T, s *launch.Settings, cmd *exec.Cmd) (string, error) {
	t.Helper()
	var out bytes.Buffer
	cmd.Stdout, cmd.Env = &out, os.Environ()
	l, err := launch.Prepare(cmd, s)
	if err != nil {
		return "", err
	}
	defer l.Close()
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	began := l.Await()
	ended := cmd.Wait()
	if began == nil && ended != nil {
		t.Errorf("%v: %v", cmd, ended)
	}
	return strings.TrimSpace(out.String()), began
}

func shell(script string) *exec.Cmd { return exec.Command("/bin/sh", "-c", script) }

// niceness returns one that anybody may take on: above this process's, where there is one.
func niceness(t *testing.T) int {
	t.Helper()
	raw, err := unix.Getpriority(unix.PRIO_PROCESS, 0) // 20 less the niceness
	if err != nil {
		t.Fatal(err)
	}
	if nice := min(19, 20-raw+1); nice != 0 {
		return nice
	}
	return 1 // 0 would leave it as it is
}

// A process has what its settings say, and of the launcher nothing but that.
func TestProcessHasItsSettings(t *testing.T) {
	nice := niceness(t)
	limits := &launch.Settings{Nice: nice, Rlimits: map[string]uint64{"nofile": 100, "core": 0}}
	cmd := shell(`ulimit -n; ulimit -c; cut -d" " -f19 /proc/self/stat; echo "[$HOTLINE_LAUNCH]"; pwd; [ -e /proc/$$/fd/3 ] || echo none`)
	cmd.Dir = "/usr"
	want := fmt.Sprintf("100\n0\n%d\n[]\n/usr\nnone", nice)
	if got, err := begin(t, limits, cmd); got != want || err != nil {
		t.Errorf("got %q, %v, want %q", got, err, want)
	}
}

// What can't be taken on is said with the key that asked for it, and the program does not begin.
func TestLaunchFails(t *testing.T) {
	at := func(dir string) *exec.Cmd {
		cmd := shell("echo it began")
		cmd.Dir = dir
		return cmd
	}
	nicer := launch.Settings{Nice: niceness(t)}
	for _, c := range []struct {
		settings  *launch.Settings
		cmd       *exec.Cmd
		key, text string
	}{
		{&launch.Settings{Rlimits: map[string]uint64{"nofile": 1 << 40}}, at("/"), "rlimit_nofile", "1099511627776"},
		{&nicer, at(filepath.Join(t.TempDir(), "none")), "work_dir", "no such file"},
		{&nicer, exec.Command(filepath.Join(t.TempDir(), "none")), "", "no such file"},
		{&nicer, exec.Command(os.DevNull), "", "permission denied: if " + os.DevNull},
		{&launch.Settings{Identity: &launch.Identity{UID: -1, GID: 1 << 20}}, at("/"), "user", ""},
	} {
		got, err := begin(t, c.settings, c.cmd)
		var failed *launch.Error
		if !errors.As(err, &failed) || failed.Key != c.key || !strings.Contains(err.Error(), c.text) || got != "" {
			t.Errorf("%+v, %v: got %q, %v, want an error of %q that says %q", c.settings, c.cmd, got, err, c.key, c.text)
		}
	}
}

// A variable that no manager has set ends the program with a word.
func TestStrayVariable(t *testing.T) {
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	for _, text := range []string{"", "{}", "x", `{"StatusFD":2}`} {
		cmd := exec.Command(self, "-test.run=NONE")
		cmd.Env = append(os.Environ(), launch.Env+"="+text)
		out, err := cmd.CombinedOutput()
		if err == nil || !strings.Contains(string(out), "unset it") {
			t.Errorf("%s=%s: got %q, %v", launch.Env, text, out, err)
		}
	}
}
