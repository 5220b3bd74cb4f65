package main

import (
	"bufio"
	"os"
	"os/exec"
	"strings"
	"sync"
	"syscall"
	"testing"

	"github.com/creack/pty"
	"golang.org/x/term"

	"hotline/internal/managertest"
	"hotline/internal/wait"
	"hotline/manager"
)

// console is a terminal with a program on it.
type console struct {
	t   *testing.T
	cmd *exec.Cmd
	tty *os.File // the program's side, which stays open so that its settings can be looked at
	pty *os.File

	mu  sync.Mutex
	all strings.Builder // that the program has written; under mu
}

// newConsole starts hotline on a terminal.
func newConsole(t *testing.T, dir string, size pty.Winsize, args ...string) *console {
	t.Helper()
	ours, theirs, err := pty.Open()
	if err != nil {
		t.Skipf("there are no terminals here: %v", err)
	}
	c := &console{t: t, tty: theirs, pty: ours, cmd: exec.Command(binary, args...)}
	c.cmd.Env = append(os.Environ(), "HOTLINE_DIR="+dir, "NO_COLOR=", "TERM=xterm")
	c.cmd.Stdin, c.cmd.Stdout, c.cmd.Stderr = theirs, theirs, theirs
	c.cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true, Setctty: true}
	if err := pty.Setsize(ours, &size); err != nil {
		t.Fatal(err)
	}
	if err := c.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		b := make([]byte, 4096)
		for {
			n, err := ours.Read(b)
			if err != nil {
				return
			}
			c.mu.Lock()
			c.all.Write(b[:n])
			c.mu.Unlock()
		}
	}()
	t.Cleanup(func() {
		c.cmd.Process.Kill()
		theirs.Close()
		ours.Close()
		<-done
	})
	return c
}

// shows waits until the program has written something since the last n bytes, and returns how much it has written.
func (c *console) shows(what string, since int) int {
	c.t.Helper()
	length := 0
	wait.Until(c.t, "the screen to show "+what, func() bool {
		c.mu.Lock()
		defer c.mu.Unlock()
		length = c.all.Len()
		return strings.Contains(c.all.String()[since:], what)
	})
	return length
}

// TestTopOnATerminal watches, resizes, scrolls, and leaves in each way: the terminal is as it was.
func TestTopOnATerminal(t *testing.T) {
	f := managertest.New(30)
	dir := serveFake(t, f)
	for _, how := range []string{"q", "\x03", "SIGTERM"} {
		c := newConsole(t, dir, pty.Winsize{Rows: 24, Cols: 80}, "top", "-i", "100ms")
		before, err := term.GetState(int(c.tty.Fd()))
		if err != nil {
			t.Fatal(err)
		}
		cooked := *before // as no program has touched it, or is about to: the size of the picture says that it has
		at := c.shows("\x1b[?1049h\x1b[?25l", 0)
		at = c.shows("0 lines above, 11 below", at)
		if err := pty.Setsize(c.pty, &pty.Winsize{Rows: 40, Cols: 120}); err != nil {
			t.Fatal(err)
		}
		at = c.shows("#30", at)
		if err := pty.Setsize(c.pty, &pty.Winsize{Rows: 10, Cols: 40}); err != nil {
			t.Fatal(err)
		}
		at = c.shows("0 lines above, 25 below", at)
		c.pty.WriteString("jj\x1b[B")
		at = c.shows("3 lines above, 22 below", at)
		f.Change(func() { f.Sections[0].Workers[3].State = manager.Waiting })
		at = c.shows(red+"  #4         waiting", at)
		f.Change(func() { f.Sections[0].Workers[3].State = manager.Ready })
		if how == "SIGTERM" {
			err = c.cmd.Process.Signal(syscall.SIGTERM)
		} else {
			_, err = c.pty.WriteString(how)
		}
		if err != nil {
			t.Fatal(err)
		}
		c.shows("\x1b[?25h\x1b[?1049l", at)
		wait.Return(t, "top to end after "+how, func() { err = c.cmd.Wait() })
		if err != nil {
			t.Errorf("top after %q: %v", how, err)
		}
		if after, err := term.GetState(int(c.tty.Fd())); err != nil || *after != cooked {
			t.Errorf("after %q the terminal is not as it was: %v", how, err)
		}
	}
}

// TestTopWithoutItsManager takes the manager away from a live screen, which says so.
func TestTopWithoutItsManager(t *testing.T) {
	dir := runtimeDir(t)
	stop := serveFakeIn(t, dir, managertest.New(1))
	c := newConsole(t, dir, pty.Winsize{Rows: 24, Cols: 100}, "top", "-i", "100ms")
	at := c.shows("#1", 0)
	stop()
	at = c.shows("no manager runs in "+dir, at)
	defer serveFakeIn(t, dir, managertest.New(2))()
	c.shows("#2", at)
}

// TestServeHangsUp takes away the terminal that a manager was started in, as the end of a session does.
func TestServeHangsUp(t *testing.T) {
	ours, theirs, err := pty.Open()
	if err != nil {
		t.Skipf("there are no terminals here: %v", err)
	}
	defer ours.Close()
	dir, scratch := runtimeDir(t), runtimeDir(t)
	cmd := exec.Command(binary, "serve", labINI(t, runtimeDir(t), ""))
	cmd.Env = append(os.Environ(), "HOTLINE_DIR="+dir, "TMPDIR="+scratch)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = theirs, theirs, theirs
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true, Setctty: true}
	err = cmd.Start()
	theirs.Close()
	if err != nil {
		t.Fatal(err)
	}
	defer cmd.Process.Kill()
	readUntil(t, bufio.NewScanner(ours), "ready: ")
	ours.Close()
	wait.Return(t, "the manager to end", func() {
		if err := cmd.Wait(); err != nil {
			t.Errorf("serve: %v", err)
		}
	})
	nothingLeft(t, dir, scratch)
}

// TestServeUnread has nobody read any more what a manager says, as when a pager is left. It runs on, and is told to stop.
func TestServeUnread(t *testing.T) {
	dir, scratch := runtimeDir(t), runtimeDir(t)
	cmd := exec.Command(binary, "serve", labINI(t, runtimeDir(t), ""))
	out := startPiped(t, cmd, dir, "TMPDIR="+scratch)
	readUntil(t, bufio.NewScanner(out), "ready: ")
	out.Close()
	for _, command := range []string{"stop", "start"} { // each has the manager say something
		if got := hotlineIn(t, dir, "", command, "Lab"); got.code != exitOK {
			t.Errorf("%s: got %+v", command, got)
		}
	}
	if err := cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	wait.Return(t, "the manager to end", func() {
		if err := cmd.Wait(); err != nil {
			t.Errorf("serve: %v", err)
		}
	})
	nothingLeft(t, dir, scratch)
}
