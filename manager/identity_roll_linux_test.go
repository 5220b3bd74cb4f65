package manager

import (
	"bufio"
	"context"
	"fmt"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"hotline"
	"hotline/internal/wait"
)

// userOf returns the user that a process runs as.
func userOf(t *testing.T, pid int) int {
	t.Helper()
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		t.Fatal(err)
	}
	_, rest, _ := strings.Cut(string(status), "\nUid:\t")
	uid, _, _ := strings.Cut(rest, "\t")
	n, err := strconv.Atoi(uid)
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// A section's workers are replaced by those of another user, and with other limits, as all others are: one after the other,
// while calls are made, each with the environment that its files and keys have at its start.
func TestReplacedByAnotherUser(t *testing.T) {
	l := openLab(t)
	uid, _ := nobody(t)
	daemon, err := user.Lookup("daemon")
	if err != nil {
		t.Skip("there is no user daemon here:", err)
	}
	second, _ := strconv.Atoi(daemon.Uid)
	l.module(map[string]string{"probe/probe.go": fmt.Sprintf(probeSource, "probe"), "probe/pose.go": poseSource, "secret.env": "WORD=first\n"})
	text := "[Probe]\nimport_from = ./probe\nmin_proc_num = 2\nenv_file = secret.env\nwork_dir = /\n"
	r := l.run(l.config("%s", text), Options{})
	r.until("all ready", isReady)
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	c, err := hotline.Dial(ctx, "probe", "auto://")
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	calls := &load{t: t, stop: make(chan struct{})}
	calls.run("Report", func(int) error { return c.Call(ctx, "Report", new(report)) })
	for i, test := range []struct {
		keys, want string // want: the change
		uid        int
	}{
		{"user = nobody\nnice = 3\nenv.TOKEN = hush\n", `Probe restart user from its default to "nobody", nice from its default to "3", env.TOKEN`, uid},
		{"user = daemon\nnice = 3\nenv.TOKEN = other\n", `Probe restart user from "nobody" to "daemon", env.TOKEN`, second},
	} {
		if err := os.WriteFile(filepath.Join(l.path, "secret.env"), fmt.Appendf(nil, "WORD=%d\n", i), 0o600); err != nil {
			t.Fatal(err)
		}
		l.write("%s%s", text, test.keys)
		changes, err := r.Reload(ctx, false, nil)
		if err != nil {
			t.Fatalf("%q: %v", test.keys, err)
		}
		var got []string
		for _, c := range changes {
			got = append(got, fmt.Sprint(c.Section, " ", c.Action, " ", c.Why))
		}
		if got := strings.Join(got, "; "); got != test.want {
			t.Errorf("%q: got the change %s, want %s", test.keys, got, test.want)
		}
		for _, w := range r.Status()[0].Workers {
			if got := userOf(t, w.PID); got != test.uid {
				t.Errorf("%q: worker %d is of user %d, want %d", test.keys, w.Number, got, test.uid)
			}
			env, err := os.ReadFile(fmt.Sprintf("/proc/%d/environ", w.PID))
			if err != nil || !strings.Contains(string(env), fmt.Sprintf("WORD=%d\x00", i)) {
				t.Errorf("%q: worker %d does not have the file of variables as it is now, %v", test.keys, w.Number, err)
			}
		}
		annexes, err := filepath.Glob(filepath.Join(l.path, "run", "u[0-9]*"))
		if want := filepath.Join(l.path, "run", fmt.Sprint("u", test.uid)); err != nil || fmt.Sprint(annexes) != "["+want+"]" {
			t.Errorf("%q: the directories of users are %v, %v", test.keys, annexes, err)
		}
	}
	if n := calls.end(); n == 0 {
		t.Error("no call was made")
	}
	if err := r.stop(); err != nil {
		t.Error(err)
	}
	for _, n := range []int{uid, second} {
		os.RemoveAll(filepath.Join(l.path, "tmp", "hotline-"+strconv.Itoa(n)))
	}
	l.isClean()
}

// A worker of another user hears of its manager's death even if it does not listen to its control channel, as all others do.
func TestWorkerOfAnotherUserEndsWithItsManager(t *testing.T) {
	l := openLab(t)
	nobody(t)
	program, err := os.ReadFile("/proc/self/exe") // the test's own program stands where that user may not go
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(l.path, "fake.deaf.a.1"), program, 0o755); err != nil {
		t.Fatal(err)
	}
	l.config("[one]\nbinary = fake.deaf.a.1\nuser = nobody\nwork_dir = /\n")
	cmd := exec.Command(filepath.Join(l.path, l.program("manager", "service", "0")))
	cmd.Dir, cmd.Stderr = l.path, os.Stderr
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	var number, pid int
	for in := bufio.NewScanner(out); in.Scan() && !strings.HasPrefix(in.Text(), "ready:"); {
		fmt.Sscanf(in.Text(), "  worker %d, pid %d:", &number, &pid)
	}
	cmd.Process.Kill()
	cmd.Wait()
	if pid == 0 {
		t.Fatal("the manager named no pid")
	}
	wait.Until(t, "the end of the worker", func() bool { return gone(pid) })
}
