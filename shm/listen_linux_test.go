package shm_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"os"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"hotline/internal/wait"
	"hotline/internal/wire"
	"hotline/shm"
)

// dialOK connects, exchanges a frame and closes.
func dialOK(t *testing.T, ln *shm.Listener, path string) {
	t.Helper()
	client, err := shm.Dial(context.Background(), path, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	server := accept(t, ln)
	if err := write(client, 7, []byte("x")); err != nil {
		t.Fatal(err)
	}
	if h, p := next(t, server); h.ID != 7 || string(p) != "x" {
		t.Fatalf("frame 7 came as %d, %q", h.ID, p)
	}
}

// TestOptions: wrong options are refused by name, and the others come into force.
func TestOptions(t *testing.T) {
	for field, o := range map[string]shm.Options{
		"RingSize":         {RingSize: 100_000},
		"RingSize ":        {RingSize: shm.MinRingSize / 2},
		"RingSize  ":       {RingSize: 2 * shm.MaxRingSize},
		"RingSize   ":      {RingSize: -1},
		"Mode":             {Mode: fs.ModeDir | 0o600},
		"HandshakeTimeout": {HandshakeTimeout: -1},
	} {
		field = strings.TrimSpace(field)
		if _, err := shm.Listen("/nonexistent", &o); err == nil || !strings.Contains(err.Error(), "Options."+field) {
			t.Errorf("Listen with %+v: %v", o, err)
		}
		if _, err := shm.Dial(t.Context(), "/nonexistent", &o); err == nil || !strings.Contains(err.Error(), "Options."+field) {
			t.Errorf("Dial with %+v: %v", o, err)
		}
	}
	const own = 128 << 10
	for want, got := range map[int]int{0: own, shm.MinRingSize: shm.MinRingSize, shm.MaxRingSize: own} {
		ln, path := listen(t, &shm.Options{RingSize: own})
		client, err := shm.Dial(t.Context(), path, &shm.Options{RingSize: want})
		if err != nil {
			t.Fatal(err)
		}
		defer client.Close()
		server := accept(t, ln)
		if n := got/4 - wire.HeaderSize; client.MaxFrame() != n || server.MaxFrame() != n {
			t.Errorf("rings of %d bytes were asked for: MaxFrame is %d and %d, want %d", want, client.MaxFrame(), server.MaxFrame(), n)
		}
	}
}

// TestSocketFile: its permissions, and what is done with what is there already.
func TestSocketFile(t *testing.T) {
	t.Run("permissions", func(t *testing.T) {
		for _, mode := range []fs.FileMode{0, 0o600, 0o660, 0o666} {
			_, path := listen(t, &shm.Options{Mode: mode})
			info, err := os.Stat(path)
			if err != nil {
				t.Fatal(err)
			}
			if mode == 0 {
				mode = 0o600
			}
			if info.Mode().Perm() != mode {
				t.Errorf("the socket's permissions are %v, want %v", info.Mode().Perm(), mode)
			}
		}
	})
	t.Run("removed", func(t *testing.T) {
		ln, path := listen(t, nil)
		if ln.Addr() != "shm://"+path {
			t.Errorf("Addr: %q", ln.Addr())
		}
		_ = ln.Close()
		if _, err := os.Lstat(path); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("after Close: %v, want %v", err, fs.ErrNotExist)
		}
		if _, err := shm.Dial(t.Context(), path, nil); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("Dial after Close: %v, want %v", err, fs.ErrNotExist)
		}
	})
	t.Run("living", func(t *testing.T) {
		ln, path := listen(t, nil)
		if _, err := shm.Listen(path, nil); err == nil {
			t.Fatal("a living listener was replaced")
		}
		dialOK(t, ln, path)
	})
	t.Run("dead", func(t *testing.T) {
		path := socketPath(t)
		dead, err := net.ListenUnix("unix", &net.UnixAddr{Name: path, Net: "unix"})
		if err != nil {
			t.Fatal(err)
		}
		dead.SetUnlinkOnClose(false)
		_ = dead.Close()
		if _, err := shm.Dial(t.Context(), path, nil); !errors.Is(err, syscall.ECONNREFUSED) {
			t.Errorf("Dial to a dead listener: %v, want %v", err, syscall.ECONNREFUSED)
		}
		ln, err := shm.Listen(path, nil)
		if err != nil {
			t.Fatal(err)
		}
		defer ln.Close()
		dialOK(t, ln, path)
	})
	t.Run("not ours", func(t *testing.T) {
		ln, path := listen(t, nil)
		if err := os.Rename(path, path+".old"); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, nil, 0o600); err != nil {
			t.Fatal(err)
		}
		_ = ln.Close()
		if _, err := os.Lstat(path); err != nil {
			t.Errorf("Close removed a file that isn't its own: %v", err)
		}
	})
	t.Run("not a socket", func(t *testing.T) {
		path := socketPath(t)
		if err := os.WriteFile(path, []byte("precious"), 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := shm.Listen(path, nil); err == nil {
			t.Error("a file was replaced")
		}
		if b, err := os.ReadFile(path); string(b) != "precious" {
			t.Errorf("the file has changed: %q, %v", b, err)
		}
	})
	t.Run("bad path", func(t *testing.T) {
		for _, path := range []string{"", "@abstract", "/" + strings.Repeat("x", 200)} {
			if _, err := shm.Listen(path, nil); err == nil {
				t.Errorf("Listen(%q) works", path)
			}
			if _, err := shm.Dial(t.Context(), path, nil); err == nil {
				t.Errorf("Dial(%q) works", path)
			}
		}
	})
	t.Run("race", func(t *testing.T) {
		path := socketPath(t)
		var wg sync.WaitGroup
		listeners := make([]*shm.Listener, 8)
		for i := range listeners {
			wg.Go(func() { listeners[i], _ = shm.Listen(path, nil) })
		}
		wg.Wait()
		var living *shm.Listener
		for _, ln := range listeners {
			if ln == nil {
				continue
			}
			defer ln.Close()
			if living != nil {
				t.Fatal("two listeners at one path")
			}
			living = ln
		}
		if living == nil {
			t.Fatal("no listener at all")
		}
		dialOK(t, living, path)
	})
}

// TestRefused: a peer of a user that isn't allowed is told so.
func TestRefused(t *testing.T) {
	no := func(uid uint32) bool { return int(uid) != os.Getuid() }
	_, path := listen(t, &shm.Options{AllowUID: no})
	_, err := shm.Dial(t.Context(), path, nil)
	var refused *shm.RefusedError
	if !errors.As(err, &refused) || !strings.Contains(err.Error(), fmt.Sprint("user ", os.Getuid())) {
		t.Errorf("Dial: %v, want a refusal that names the user", err)
	}
	ln, path := listen(t, nil)
	if _, err := shm.Dial(t.Context(), path, &shm.Options{AllowUID: no}); err == nil {
		t.Error("Dial accepts a listener whose user isn't allowed")
	}
	dialOK(t, ln, path)
}

// TestVersion: a client of another version is told so.
func TestVersion(t *testing.T) {
	_, path := listen(t, nil)
	sock, err := net.Dial("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	defer sock.Close()
	request := make([]byte, 32)
	copy(request, "hotlnshm\x63")
	if _, err := sock.Write(request); err != nil {
		t.Fatal(err)
	}
	reply, err := io.ReadAll(sock)
	if err != nil || !strings.Contains(string(reply), "version 99") {
		t.Errorf("the reply to a client of version 99: %q, %v", reply, err)
	}
}

// TestGarbage: peers that send nonsense, or nothing, are dropped, and nobody else notices.
func TestGarbage(t *testing.T) {
	ln, path := listen(t, &shm.Options{HandshakeTimeout: 200 * time.Millisecond})
	for name, message := range map[string]string{
		"nothing": "", "half a request": "hotlnshm\x01", "another protocol": "GET / HTTP/1.1\r\nHost: localhost\r\n\r\n",
		"a wrong ring size": "hotlnshm\x01\x00\x00\x00\x00\x00\x00\x00" + strings.Repeat("\x07", 16),
	} {
		sock, err := net.Dial("unix", path)
		if err != nil {
			t.Fatal(err)
		}
		defer sock.Close()
		if _, err := sock.Write([]byte(message)); err != nil {
			t.Fatal(err)
		}
		dialOK(t, ln, path)
		wait.Return(t, "a peer that sends "+name, func() {
			if b, err := io.ReadAll(sock); err == nil && len(b) != 0 {
				t.Errorf("a peer that sends %s gets an answer: %q", name, b)
			}
		})
	}
}

// TestSilentCrowd: more silent peers than the listener has patience for can't keep others out.
func TestSilentCrowd(t *testing.T) {
	ln, path := listen(t, &shm.Options{HandshakeTimeout: patience})
	for range 2 * shm.MaxMeetings {
		sock, err := net.Dial("unix", path)
		if err != nil {
			t.Fatal(err)
		}
		defer sock.Close()
	}
	wait.Return(t, "a good client", func() { dialOK(t, ln, path) })
}

// TestListenerClose ends everything that has not been accepted, and Accept.
func TestListenerClose(t *testing.T) {
	ln, path := listen(t, nil)
	silent, err := net.Dial("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	defer silent.Close()
	client, err := shm.Dial(t.Context(), path, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	wait.Return(t, "closing", func() {
		var wg sync.WaitGroup
		for range 2 {
			wg.Go(func() { _ = ln.Close() })
		}
		wg.Wait()
		if _, err := client.Next(); err != io.EOF {
			t.Errorf("Next of a connection that nobody accepted: %v, want %v", err, io.EOF)
		}
		if _, err := silent.Read(make([]byte, 1)); err == nil {
			t.Error("a rendezvous goes on after Close")
		}
		if _, err := ln.Accept(); !errors.Is(err, net.ErrClosed) {
			t.Errorf("Accept after Close: %v, want %v", err, net.ErrClosed)
		}
	})
	ln, _ = listen(t, nil)
	result := make(chan error)
	go func() {
		_, err := ln.Accept()
		result <- err
	}()
	_ = ln.Close()
	if err := <-result; !errors.Is(err, net.ErrClosed) {
		t.Errorf("Accept when Close came: %v, want %v", err, net.ErrClosed)
	}
}

// TestAcceptedLivesOn: closing the listener doesn't end what it has given away.
func TestAcceptedLivesOn(t *testing.T) {
	ln, path := listen(t, nil)
	client, err := shm.Dial(t.Context(), path, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	server := accept(t, ln)
	_ = ln.Close()
	if err := write(client, 1, nil); err != nil {
		t.Fatal(err)
	}
	next(t, server)
}

// TestManyDials: a crowd that comes at once gets in.
func TestManyDials(t *testing.T) {
	ln, path := listen(t, nil)
	const clients = 200
	var wg sync.WaitGroup
	for range clients {
		wg.Go(func() {
			client, err := shm.Dial(t.Context(), path, nil)
			if err != nil {
				t.Error(err)
				return
			}
			defer client.Close()
			if err := write(client, 1, nil); err != nil {
				t.Error(err)
			}
			if _, err := client.Next(); err != nil {
				t.Error(err)
			}
		})
	}
	for range clients {
		server := accept(t, ln)
		wg.Go(func() {
			if err := echo(server); err != io.EOF {
				t.Error(err)
			}
		})
	}
	wait.Return(t, "the crowd", wg.Wait)
}
