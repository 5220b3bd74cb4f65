package manager

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"hotline/internal/procstat"
	"hotline/internal/wait"
	"hotline/registry"
)

// killedManager is a manager in a process of its own.
type killedManager struct {
	cmd    *exec.Cmd
	groups []int // of its workers
}

// startManager starts a manager for the lab's file, and returns what it prints.
func (l *lab) startManager() (*killedManager, io.Reader) {
	l.t.Helper()
	k := &killedManager{cmd: exec.Command(filepath.Join(l.path, l.program("manager", "service", "0")))}
	k.cmd.Dir, k.cmd.Stderr = l.path, os.Stderr
	out, err := k.cmd.StdoutPipe()
	if err == nil {
		err = k.cmd.Start()
	}
	if err != nil {
		l.t.Fatal(err)
	}
	l.t.Cleanup(k.kill)
	return k, out
}

// runManager starts a manager for the lab's file, and returns when its workers are ready.
func (l *lab) runManager() *killedManager {
	l.t.Helper()
	k, out := l.startManager()
	for in := bufio.NewScanner(out); in.Scan() && !strings.HasPrefix(in.Text(), "ready:"); {
		var number, pid int
		if n, _ := fmt.Sscanf(in.Text(), "  worker %d, pid %d:", &number, &pid); n == 2 {
			k.groups = append(k.groups, pid)
		}
	}
	return k
}

// kill kills the manager, and nobody else.
func (k *killedManager) kill() {
	k.cmd.Process.Kill()
	k.cmd.Wait()
}

// left returns the processes of its workers' groups that run.
func (k *killedManager) left() []procstat.Process {
	return slices.DeleteFunc(procstat.All(), func(p procstat.Process) bool {
		return p.Ended() || !slices.Contains(k.groups, p.Group)
	})
}

// serves reports whether its workers hold their places in a directory: a process whose first thread has ended may for a moment.
func (k *killedManager) serves(t *testing.T, dir *registry.Dir) bool {
	t.Helper()
	all, err := dir.List()
	if err != nil {
		t.Fatal(err)
	}
	return slices.ContainsFunc(all, func(i registry.Instance) bool { return slices.Contains(k.groups, i.PID) })
}

// The workers of a manager that is killed end with their children, however much these dislike that, and the next manager, which
// is started at once, waits for their ports.
func TestKilledManagerLeavesNobody(t *testing.T) {
	for _, test := range []struct {
		name, keys string
		programs   []string
		processes  int
	}{
		{"nobody minds", "tcp_bind = 127.0.0.1\nmin_proc_num = 2\nstop_timeout = 1h\n", []string{"serve", "family"}, 6},
		{"a child minds", "tcp_bind = 127.0.0.1\nstop_timeout = 200ms\n", []string{"serve", "defiant"}, 4},
		{"a worker minds", "stop_timeout = 200ms\n", []string{"serve", "stuck"}, 3},
	} {
		t.Run(test.name, func(t *testing.T) {
			l := newLab(t)
			ports := []string{freePort(t), freePort(t)}
			write := func(programs ...string) *Config {
				text := "[defaults]\n" + test.keys
				for i, what := range programs {
					name := fmt.Sprint("s", i)
					text += fmt.Sprintf("[%s]\nbinary = %s\n", name, l.program(what, name, ports[i]))
				}
				return l.config("%s", text)
			}
			write(test.programs...)
			k := l.runManager()
			wait.Until(t, fmt.Sprintf("%d processes, the workers with their children", test.processes), func() bool {
				return len(k.left()) == test.processes
			})
			k.kill()
			r := l.run(write("serve", "serve"), Options{})
			r.until("ready", isReady)
			wait.Until(t, "the end of all that the first manager had", func() bool { return len(k.left()) == 0 && !k.serves(t, r.dir) })
			if err := r.stop(); err != nil {
				t.Error(err)
			}
			l.isClean()
		})
	}
}

// A go command that is under way when the manager is killed ends.
func TestKilledManagerLeavesNoBuild(t *testing.T) {
	l := newLab(t)
	bin, pidFile := filepath.Join(l.path, "bin"), filepath.Join(l.path, "pid")
	script := fmt.Sprintf("#!/bin/sh\necho $$ > %s.next\nmv %s.next %s\nexec sleep 1000\n", pidFile, pidFile, pidFile)
	err := errors.Join(os.Mkdir(bin, 0o700), os.Mkdir(filepath.Join(l.path, "echo"), 0o700),
		os.WriteFile(filepath.Join(bin, "go"), []byte(script), 0o700))
	if err != nil {
		t.Fatal(err)
	}
	t.Setenv("PATH", bin+":"+os.Getenv("PATH"))
	l.config("[Server]\nimport_from = ./echo\n")
	k, _ := l.startManager()
	var pid int
	wait.Until(t, "the go command", func() bool {
		text, _ := os.ReadFile(pidFile)
		pid, _ = strconv.Atoi(strings.TrimSpace(string(text)))
		return pid != 0
	})
	k.kill()
	wait.Until(t, "its end", func() bool { return gone(pid) })
}
