package main

import (
	"bufio"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"strings"
	"syscall"
	"testing"

	"hotline/registry"
)

// labINI writes a service.ini for the lab into dir, with the keys added to its section.
func labINI(t *testing.T, dir, keys string) string {
	t.Helper()
	source, err := filepath.Abs(filepath.Join("testdata", "lab"))
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(dir, "service.ini")
	text := fmt.Sprintf("[defaults]\nlog_dir = %s\n\n[Lab]\nimport_from = %s\n%s\n", filepath.Join(dir, "logs"), source, keys)
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return file
}

// TestServe runs a service as a newcomer does: serve, paste what it prints, Ctrl-C; and looks at what is left.
func TestServe(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("workers are not supported on windows")
	}
	for _, stop := range []os.Signal{os.Interrupt, syscall.SIGTERM} {
		t.Run(stop.String(), func(t *testing.T) {
			dir, place, scratch := runtimeDir(t), runtimeDir(t), runtimeDir(t)
			file := labINI(t, place, "min_proc_num = 2")
			cmd := exec.Command(binary, "serve", file)
			stdout := startPiped(t, cmd, dir, "TMPDIR="+scratch)
			lines := bufio.NewScanner(stdout)
			printed := readUntil(t, lines, "ready: ")
			pasteCommands(t, dir, printed)
			if stop == os.Interrupt {
				labINI(t, place, "min_proc_num = 2\nmax_proc_num = 3")
				for _, want := range []string{"Lab: scale: max_proc_num from its default to \"3\"", filepath.Join(place, "service.ini") + " says"} {
					if err := cmd.Process.Signal(syscall.SIGHUP); err != nil {
						t.Fatal(err)
					}
					readUntil(t, lines, want)
				}
				askManager(t, dir, file, cmd.Process.Pid)
			}

			if err := cmd.Process.Signal(stop); err != nil {
				t.Fatal(err)
			}
			rest, _ := io.ReadAll(stdout)
			if err := cmd.Wait(); err != nil {
				t.Errorf("serve after %v: %v, %s", stop, err, rest)
			}
			nothingLeft(t, dir, scratch)
		})
	}
}

// startPiped starts a command in a runtime directory, and returns what it prints. It is killed where the test leaves it.
func startPiped(t *testing.T, cmd *exec.Cmd, dir string, env ...string) io.ReadCloser {
	t.Helper()
	cmd.Env = append(append(os.Environ(), "HOTLINE_DIR="+dir), env...)
	cmd.Stderr = os.Stderr
	stdout, err := cmd.StdoutPipe()
	if err == nil {
		err = cmd.Start()
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { cmd.Process.Kill() })
	return stdout
}

// readUntil returns the lines of a program until one that begins with want.
func readUntil(t *testing.T, lines *bufio.Scanner, want string) []string {
	t.Helper()
	var all []string
	for lines.Scan() {
		all = append(all, lines.Text())
		if strings.HasPrefix(lines.Text(), want) {
			return all
		}
	}
	t.Fatalf("serve ended before it said %q, after\n%s", want, strings.Join(all, "\n"))
	return nil
}

// pasteCommands runs the commands that serve printed in a shell.
func pasteCommands(t *testing.T, dir string, printed []string) {
	t.Helper()
	ends := map[string]bool{"Fail": true, "Panic": true, "Wait": true} // methods that fail or don't return by themselves
	called := map[string]bool{}
	command := regexp.MustCompile(`^ +(` + regexp.QuoteMeta(binary) + ` (call|describe) lab ?(\w*).*)$`)
	for _, line := range printed {
		m := command.FindStringSubmatch(line)
		if m == nil || ends[m[3]] {
			continue
		}
		cmd := exec.Command("sh", "-c", m[1])
		cmd.Env = append(os.Environ(), "HOTLINE_DIR="+dir)
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Errorf("pasted %s: %v\n%s", m[1], err, out)
		}
		called[m[2]+" "+m[3]] = true
	}
	for _, want := range []string{"describe ", "call Sum", "call Echo", "call Greet"} {
		if !called[want] {
			t.Errorf("serve printed no command %q, but\n%s", want, strings.Join(printed, "\n"))
		}
	}
}

// nothingLeft looks for instances, sockets and scratch files.
func nothingLeft(t *testing.T, dir, scratch string) {
	t.Helper()
	d, err := registry.Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	if all, err := d.List(); len(all) > 0 || err != nil {
		t.Errorf("after the end there are %v, %v", all, err)
	}
	for _, pattern := range []string{filepath.Join(dir, "[^.]*"), filepath.Join(scratch, "*")} {
		if left, _ := filepath.Glob(pattern); len(left) > 0 {
			t.Errorf("after the end there are the files %q", left)
		}
	}
}

func TestServeFails(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("workers are not supported on windows")
	}
	dir, place := runtimeDir(t), runtimeDir(t)
	for _, c := range []struct {
		args []string
		code int
		want string
	}{
		{words("serve"), exitUsage, "serve needs more words: write hotline serve FILE.ini"},
		{words("serve /no/such/service.ini"), exitFail, "/no/such/service.ini"},
		{[]string{"serve", labINI(t, place, "min_proc_nun = 1")}, exitFail, "service.ini:6: [Lab] min_proc_nun"},
	} {
		got := hotlineIn(t, dir, "", c.args...)
		if got.code != c.code || !strings.Contains(got.stderr, c.want) || got.stdout != "" {
			t.Errorf("hotline %q: got %+v, want %d, %q", c.args, got, c.code, c.want)
		}
	}
}
