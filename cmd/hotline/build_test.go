package main

import (
	"bufio"
	"io"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"testing"
)

// TestBuild builds a service as one does for a machine without Go, and runs and calls it on one.
func TestBuild(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("workers are not supported on windows")
	}
	t.Setenv("CGO_ENABLED", "") // which a developer may have set
	dir, place, scratch := runtimeDir(t), runtimeDir(t), runtimeDir(t)
	dist := filepath.Join(place, "dist")
	if got := hotlineIn(t, dir, "", "build", labINI(t, place, ""), "-o", dist); got.code != 0 || !strings.Contains(got.stdout, "made "+dist) {
		t.Fatalf("build: got %+v", got)
	}
	ini := filepath.Join(dist, "service.ini")
	serveBuilt(t, dir, scratch, binary, "serve", ini)
	serveBuilt(t, dir, scratch, filepath.Join(dist, "hotline-services"), "serve")

	for _, c := range []struct {
		args []string
		code int
		want string
	}{
		{words("build"), exitUsage, "build needs more words: write hotline build FILE.ini -o DIR"},
		{words("build service.ini"), exitUsage, "say which directory to make"},
		{words("build /no/such/service.ini -o x"), exitFail, "/no/such/service.ini"},
		{[]string{"build", filepath.Join(place, "service.ini"), "-o", place}, exitFail, "was not made by a build"},
	} {
		if got := hotlineIn(t, dir, "", c.args...); got.code != c.code || !strings.Contains(got.stderr, c.want) {
			t.Errorf("hotline %q: got %+v, want %d, %q", c.args, got, c.code, c.want)
		}
	}
}

// serveBuilt runs a command that serves what was built, where there is no Go: it is called and controlled as any.
func serveBuilt(t *testing.T, dir, scratch, name string, args ...string) {
	t.Helper()
	cmd := exec.Command(name, args...)
	stdout := startPiped(t, cmd, dir, "TMPDIR="+scratch, "PATH=/nonexistent")
	commands := readUntil(t, bufio.NewScanner(stdout), "ready: ")
	if name == binary { // the other does not know how the command is called, nor what to call with
		pasteCommands(t, dir, commands)
	}
	for _, c := range []struct{ command, want string }{
		{"ls", "lab"},
		{"call lab Sum 2 3", "5"},
		{"status", "Lab"},
		{"restart Lab", "Lab: restarted"},
		{"logs Lab", ""},
	} {
		if got := hotlineIn(t, dir, "", words(c.command)...); got.code != 0 || !strings.Contains(got.stdout+got.stderr, c.want) {
			t.Errorf("%s: %s: got %+v, want %q", name, c.command, got, c.want)
		}
	}
	if err := cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	rest, _ := io.ReadAll(stdout)
	if err := cmd.Wait(); err != nil {
		t.Errorf("%s: %v, %s", name, err, rest)
	}
	nothingLeft(t, dir, scratch)
}
