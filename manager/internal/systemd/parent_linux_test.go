package systemd

import (
	"context"
	"net"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync/atomic"
	"testing"

	"hotline/internal/wait"
)

// hear makes the test what systemd is to this process, and returns what it hears next.
func hear(t *testing.T) func() string {
	t.Helper()
	dir, err := os.MkdirTemp("", "hl")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	sock, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: filepath.Join(dir, "notify"), Net: "unixgram"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { sock.Close() })
	t.Setenv("NOTIFY_SOCKET", sock.LocalAddr().String())
	return func() string {
		t.Helper()
		b := make([]byte, 4096)
		n := 0
		wait.Return(t, "a word to systemd", func() { n, _ = sock.Read(b) })
		return string(b[:n])
	}
}

// The watchdog never hears more than there were looks that returned: a manager in which a look hangs is silent.
func TestWatchdogHearsOnlyOfLooksThatReturned(t *testing.T) {
	next := hear(t)
	t.Setenv("WATCHDOG_USEC", "2000")
	s, err := New(func(err error) { t.Error(err) })
	if err != nil {
		t.Fatal(err)
	}
	var begun, returned atomic.Int64
	proceed := make(chan struct{})
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		s.Watch(ctx, func(context.Context) (string, error) {
			begun.Add(1)
			<-proceed
			returned.Add(1)
			return "well", nil
		})
	}()
	for i := range int64(20) {
		wait.Until(t, "a look", func() bool { return begun.Load() == i+1 })
		proceed <- struct{}{}
		want := "WATCHDOG=1"
		if i == 0 {
			want = "STATUS=well\nWATCHDOG=1"
		}
		if got := next(); got != want || returned.Load() != i+1 {
			t.Fatalf("got %q after %d looks, want %q after %d", got, returned.Load(), want, i+1)
		}
	}
	cancel()
	close(proceed)
	wait.Receive(t, "the end of watch", ended)
}

func TestWordsToSystemd(t *testing.T) {
	next := hear(t)
	s, err := New(func(err error) { t.Error(err) })
	if err != nil {
		t.Fatal(err)
	}
	s.Reloading(func() string { return "too early" })()
	var reloaded func()
	for _, c := range []struct {
		say  func()
		want string
	}{
		{func() { s.Ready("%d workers", 2) }, "READY=1\nSTATUS=2 workers"},
		{func() { s.Status("failed: %v", "a\nREADY=1") }, "STATUS=failed: a READY=1"},
		{func() { reloaded = s.Reloading(func() string { return "2 workers" }) }, `RELOADING=1\nMONOTONIC_USEC=[0-9]+\nSTATUS=reloading`},
		{func() { reloaded() }, "READY=1\nSTATUS=2 workers"},
		{s.Stopping, "STOPPING=1\nSTATUS=stopping"},
	} {
		c.say()
		if got := next(); !regexp.MustCompile("^" + c.want + "$").MatchString(got) {
			t.Errorf("got %q, want %q", got, c.want)
		}
	}
	t.Setenv("NOTIFY_SOCKET", filepath.Join(t.TempDir(), "none"))
	var failed error
	s.failed = func(err error) { failed = err }
	if s.Stopping(); failed == nil || !strings.Contains(failed.Error(), "tell systemd STOPPING=1: ") {
		t.Errorf("nobody listens: got %v", failed)
	}
	var none *Parent
	none.Ready("nobody is told")
	none.Close()
}

func TestSocketMatches(t *testing.T) {
	address := func(text string) *net.TCPAddr {
		a, err := net.ResolveTCPAddr("tcp", text)
		if err != nil {
			t.Fatal(err)
		}
		return a
	}
	for _, c := range []struct {
		socket, want string
		matches      bool
	}{
		{"127.0.0.1:5555", "127.0.0.1:5555", true},
		{"[::ffff:127.0.0.1]:5555", "127.0.0.1:5555", true},
		{"[::]:5555", "0.0.0.0:5555", true},
		{"[::]:5555", "127.0.0.1:5555", false},
		{"127.0.0.1:5555", "0.0.0.0:5555", false},
		{"127.0.0.1:5556", "127.0.0.1:5555", false},
		{"[::1]:5555", "127.0.0.1:5555", false},
	} {
		if got := SameAddress(address(c.socket), address(c.want)); got != c.matches {
			t.Errorf("%s for %s: got %v", c.socket, c.want, got)
		}
	}
}
