package nettcp_test

import (
	"context"
	"crypto/tls"
	"errors"
	"net"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"hotline/nettcp"
)

func TestOptions(t *testing.T) {
	cases := []struct {
		field string
		o     nettcp.Options
	}{
		{"HandshakeTimeout", nettcp.Options{HandshakeTimeout: -1}},
		{"FrameTimeout", nettcp.Options{FrameTimeout: -time.Second}},
		{"Linger", nettcp.Options{Linger: -1}},
		{"SocketMode", nettcp.Options{SocketMode: os.ModeDir | 0o600}},
		{"MaxFrame", nettcp.Options{MaxFrame: 4095}},
		{"MaxFrame", nettcp.Options{MaxFrame: 256<<10 + 1}},
	}
	for _, c := range cases {
		_, err := nettcp.Listen("tcp", "127.0.0.1:0", &c.o)
		if err == nil || !strings.Contains(err.Error(), "Options."+c.field) {
			t.Errorf("Listen with a bad %s: %v", c.field, err)
		}
		_, err = nettcp.Dial(context.Background(), "tcp", "127.0.0.1:1", &c.o)
		if err == nil || !strings.Contains(err.Error(), "Options."+c.field) {
			t.Errorf("Dial with a bad %s: %v", c.field, err)
		}
	}
	_, err := nettcp.Listen("tcp", "127.0.0.1:0", &nettcp.Options{TLS: new(tls.Config)})
	if err == nil || !strings.Contains(err.Error(), "Options.TLS has no certificate") {
		t.Errorf("Listen without a certificate: %v", err)
	}
}

func TestAddresses(t *testing.T) {
	server, _ := certificate(t)
	cases := []struct {
		network, address string
		o                *nettcp.Options
		prefix           string
	}{
		{"tcp", "127.0.0.1:0", nil, "tcp://127.0.0.1:"},
		{"tcp", "[::1]:0", nil, "tcp://[::1]:"},
		{"tcp", "127.0.0.1:0", &nettcp.Options{TLS: server}, "tls://127.0.0.1:"},
		{"unix", filepath.Join(shortDir(t), "s"), &nettcp.Options{TLS: server}, "unix:///"},
	}
	for _, c := range cases {
		l, err := nettcp.Listen(c.network, c.address, c.o)
		if err != nil && c.address[0] == '[' {
			t.Logf("no IPv6 on this machine: %v", err)
			continue
		}
		check(t, err)
		if !strings.HasPrefix(l.Addr(), c.prefix) {
			t.Errorf("Addr() of %s %s is %s, want %s…", c.network, c.address, l.Addr(), c.prefix)
		}
		check(t, l.Close())
		check(t, l.Close())
		if _, err := l.Accept(); !errors.Is(err, net.ErrClosed) {
			t.Errorf("Accept after Close: %v, want ErrClosed", err)
		}
	}
}

func TestString(t *testing.T) {
	want := map[string]string{"tcp4": "tcp://127.0.0.1:", "tcp6": "tcp://[::1]:", "unix": "unix:///", "tls": "tls://127.0.0.1:",
		"wrapped": "tcp://127.0.0.1:"}
	each(t, nettcp.Options{}, func(t *testing.T, a, b *nettcp.Conn) {
		name, _, _ := strings.Cut(t.Name()[len("TestString/"):], "-")
		if !strings.HasPrefix(a.String(), want[name]) {
			t.Errorf("String() is %s, want %s…", a, want[name])
		}
	})
}

func TestBadAddresses(t *testing.T) {
	dir := shortDir(t)
	file := filepath.Join(dir, "file")
	check(t, os.WriteFile(file, nil, 0o600))
	cases := []struct{ network, address, listen, dial string }{
		{"udp", "127.0.0.1:0", `use "tcp" or "unix"`, `use "tcp" or "unix"`},
		{"tcp", "::1:5555", "in brackets", "in brackets"},
		{"tcp", "127.0.0.1", "missing port", "missing port"},
		{"unix", "", "empty", "empty"},
		{"unix", "@name", "abstract", "abstract"},
		{"unix", dir + "/" + strings.Repeat("x", 200), "shorter directory", "shorter directory"},
		{"unix", file, "no socket", "refused"},
		{"unix", filepath.Join(dir, "no", "dir"), "no such file", "no such file"},
	}
	for _, c := range cases {
		if c.address == file && runtime.GOOS != "linux" {
			continue // connecting to a file that is no socket has other names elsewhere
		}
		if _, err := nettcp.Listen(c.network, c.address, nil); err == nil || !strings.Contains(err.Error(), c.listen) {
			t.Errorf("Listen(%q, %q): %v, want …%s…", c.network, c.address, err, c.listen)
		}
		_, err := nettcp.Dial(context.Background(), c.network, c.address, nil)
		if err == nil || !strings.Contains(err.Error(), c.dial) {
			t.Errorf("Dial(%q, %q): %v, want …%s…", c.network, c.address, err, c.dial)
		}
	}
	if _, err := os.Stat(file); err != nil {
		t.Errorf("a file that is no socket was taken away: %v", err)
	}
}

func TestSocketFile(t *testing.T) {
	path := filepath.Join(shortDir(t), "s")
	l, err := nettcp.Listen("unix", path, nil)
	check(t, err)
	info, err := os.Stat(path)
	check(t, err)
	if m := info.Mode().Perm(); m != 0o600 && runtime.GOOS != "windows" {
		t.Errorf("the socket's mode is %v, want 0600", m)
	}
	if _, err := nettcp.Listen("unix", path, nil); err == nil || !strings.Contains(err.Error(), "another listener answers") {
		t.Errorf("second Listen: %v", err)
	}
	check(t, os.Remove(path))
	other, err := nettcp.Listen("unix", path, &nettcp.Options{SocketMode: 0o660})
	check(t, err)
	check(t, l.Close())
	if _, err := os.Stat(path); err != nil {
		t.Errorf("Close took another listener's socket away: %v", err)
	}
	check(t, other.Close())
	if _, err := os.Stat(path); !os.IsNotExist(err) {
		t.Errorf("Close left the socket: %v", err)
	}
}

// TestStaleSocket is replaced, by one of many who try at once.
func TestStaleSocket(t *testing.T) {
	path := filepath.Join(shortDir(t), "s")
	dead, err := net.ListenUnix("unix", &net.UnixAddr{Name: path, Net: "unix"})
	check(t, err)
	dead.SetUnlinkOnClose(false)
	check(t, dead.Close())
	var wg sync.WaitGroup
	var won atomic.Int32
	for range 8 {
		wg.Go(func() {
			l, err := nettcp.Listen("unix", path, nil)
			if err != nil {
				return
			}
			won.Add(1)
			t.Cleanup(func() { l.Close() })
		})
	}
	wg.Wait()
	if n := won.Load(); n != 1 {
		t.Errorf("%d listeners on one socket", n)
	}
	c, err := nettcp.Dial(context.Background(), "unix", path, nil)
	check(t, err)
	check(t, c.Close())
}

// TestInheritedListener serves on a socket that another made, which keeps its file.
func TestInheritedListener(t *testing.T) {
	path := filepath.Join(shortDir(t), "s")
	made, err := net.Listen("unix", path)
	check(t, err)
	file, err := made.(*net.UnixListener).File()
	check(t, err)
	inner, err := net.FileListener(file)
	check(t, err)
	check(t, file.Close())
	l, err := nettcp.NewListener(inner, nil)
	check(t, err)
	c, err := nettcp.Dial(context.Background(), "unix", path, nil)
	check(t, err)
	s, err := l.Accept()
	check(t, err)
	check(t, send(c, 1, nil))
	expect(t, s, 1, nil)
	check(t, c.Close())
	check(t, s.Close())
	check(t, l.Close())
	if _, err := os.Stat(path); err != nil {
		t.Errorf("Close took the socket of another away: %v", err)
	}
	check(t, made.Close())
}

// TestListenerThatEncrypts is one of package tls: its connections do their handshake by themselves.
func TestListenerThatEncrypts(t *testing.T) {
	server, client := certificate(t)
	inner, err := tls.Listen("tcp", "127.0.0.1:0", server)
	check(t, err)
	l, err := nettcp.NewListener(inner, nil)
	check(t, err)
	defer l.Close()
	accepted := make(chan *nettcp.Conn, 1)
	go func() {
		c, err := l.Accept()
		if err != nil {
			t.Error(err)
		}
		accepted <- c
	}()
	c, err := nettcp.Dial(context.Background(), "tcp", inner.Addr().String(), &nettcp.Options{TLS: client})
	check(t, err)
	s := <-accepted
	check(t, send(c, 1, pattern(1, 50_000)))
	expect(t, s, 1, pattern(1, 50_000))
	check(t, send(s, 2, pattern(2, 50_000)))
	expect(t, c, 2, pattern(2, 50_000))
	check(t, c.Close())
	check(t, s.Close())
}

func TestDialFails(t *testing.T) {
	server, client := certificate(t)
	_, stranger := certificate(t)
	l, err := nettcp.Listen("tcp", "127.0.0.1:0", &nettcp.Options{TLS: server})
	check(t, err)
	defer l.Close()
	address := l.Addr()[len("tls://"):]
	var wg sync.WaitGroup
	defer wg.Wait()
	defer l.Close()
	wg.Go(func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			if _, err := c.Next(); err == nil || !strings.Contains(err.Error(), "tls handshake") {
				t.Errorf("server's Next: %v", err)
			}
			c.Close()
		}
	})
	if _, err := nettcp.Dial(context.Background(), "tcp", address, &nettcp.Options{TLS: stranger}); err == nil ||
		!strings.Contains(err.Error(), "certificate") {
		t.Errorf("Dial with another root: %v", err)
	}
	mute, err := net.Listen("tcp", "127.0.0.1:0")
	check(t, err)
	defer mute.Close()
	o := nettcp.Options{TLS: client, HandshakeTimeout: 20 * time.Millisecond}
	if _, err := nettcp.Dial(context.Background(), "tcp", mute.Addr().String(), &o); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("Dial to a mute server: %v", err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if _, err := nettcp.Dial(ctx, "tcp", mute.Addr().String(), nil); !errors.Is(err, context.Canceled) && err == nil {
		t.Errorf("Dial with an ended context: %v", err)
	}
	path := filepath.Join(shortDir(t), "none")
	if _, err := nettcp.Dial(context.Background(), "unix", path, nil); !errors.Is(err, syscall.ENOENT) {
		t.Errorf("Dial to nothing: %v", err)
	}
}

func TestTrusted(t *testing.T) {
	each(t, nettcp.Options{}, func(t *testing.T, a, b *nettcp.Conn) {
		_, network, _ := strings.Cut(t.Name(), "/")
		known := runtime.GOOS == "linux" || runtime.GOOS == "darwin" || runtime.GOOS == "freebsd"
		want := strings.HasPrefix(network, "unix") && known
		if a.Trusted() != want {
			t.Errorf("Trusted() is %v, want %v", a.Trusted(), want)
		}
	})
}
