package manager

import (
	"os"
	"strings"
	"syscall"
	"testing"

	"github.com/creack/pty"
	"github.com/rs/zerolog"

	"hotline/internal/wait"
)

// terminal returns the ends of a terminal, which are closed when the test ends.
func terminal(t *testing.T) (ours, theirs *os.File) {
	t.Helper()
	ours, theirs, err := pty.Open()
	if err != nil {
		t.Skipf("there are no terminals here: %v", err)
	}
	t.Cleanup(func() { theirs.Close() })
	t.Cleanup(func() { ours.Close() })
	return ours, theirs
}

// TestHangup sends this process SIGHUPs: for a manager on a terminal, before and after that has hung up.
func TestHangup(t *testing.T) {
	ours, theirs := terminal(t)
	l := newLab(t)
	var said wait.Output
	logger := zerolog.New(&said)
	m, err := New(l.config("[One]\nbinary = %s\n", l.program("plain", "one", "7001")), &Options{Stdout: theirs, Logger: &logger})
	if err != nil {
		t.Fatal(err)
	}
	ended := make(chan struct{}, 1)
	stop := m.ReloadOnHangup(func() { ended <- struct{}{} })
	defer stop()
	hangup := func() {
		t.Helper()
		if err := syscall.Kill(os.Getpid(), syscall.SIGHUP); err != nil {
			t.Fatal(err)
		}
	}
	for n := range 2 {
		hangup()
		wait.Until(t, "a reload before there is a manager that runs", func() bool {
			return strings.Count(said.String(), `"level":"error","message":"reload: `+ErrNotRunning.Error()) == n+1
		})
	}
	ours.Close()
	hangup()
	wait.Receive(t, "the end of a manager whose terminal is gone", ended)
	if text := said.String(); strings.Count(text, `"message":"reload: asked for by SIGHUP"`) != 2 {
		t.Errorf("the log says %s", text)
	}
}

// A terminal that hangs up during a reload ends that, and the manager.
func TestHangupDuringReload(t *testing.T) {
	ours, theirs := terminal(t)
	l := newLab(t)
	r := l.run(l.config("[one]\nbinary = %s\n", l.program("plain", "one", "7001")), Options{})
	r.until("ready", isReady)
	r.options.Stdout = theirs // which only a hangup looks at from now on
	l.write("[one]\nbinary = %s\n", l.program("slow", "one", "7001"))
	ended := make(chan struct{}, 1)
	stop := r.ReloadOnHangup(func() { ended <- struct{}{} })
	syscall.Kill(os.Getpid(), syscall.SIGHUP)
	wait.Until(t, "a reload that waits for its worker", func() bool { return len(r.Status()[0].Workers) == 2 })
	ours.Close()
	wait.Until(t, "the terminal to be gone, which a worker that begins may have open", func() bool { return terminalGone(theirs) })
	syscall.Kill(os.Getpid(), syscall.SIGHUP)
	wait.Receive(t, "the end of a manager whose terminal is gone", ended)
	stop()
	if text := r.out.String(); strings.Contains(text, "reload: ") {
		t.Errorf("it was said of a reload that the terminal's end has ended: %s", text)
	}
}

func TestTerminalGone(t *testing.T) {
	ours, theirs := terminal(t)
	if terminalGone(theirs) {
		t.Error("a terminal is gone that is there")
	}
	ours.Close()
	if !terminalGone(theirs) {
		t.Error("a terminal is there that hung up")
	}
	pipe, other, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer pipe.Close()
	defer other.Close()
	if terminalGone(other) {
		t.Error("a pipe was a terminal")
	}
}
