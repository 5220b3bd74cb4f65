package shm_test

import (
	"context"
	"encoding/binary"
	"errors"
	"io"
	"net"
	"os"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"hotline/internal/wait"
	"hotline/internal/wire"
	"hotline/shm"
)

// fakeListener answers every client with what answer does.
func fakeListener(t *testing.T, answer func(sock *net.UnixConn)) string {
	t.Helper()
	path := socketPath(t)
	ln, err := net.ListenUnix("unix", &net.UnixAddr{Name: path, Net: "unix"})
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		for {
			sock, err := ln.AcceptUnix()
			if err != nil {
				return
			}
			if _, err := io.ReadFull(sock, make([]byte, 32)); err == nil {
				answer(sock)
			}
			_ = sock.Close()
		}
	}()
	t.Cleanup(func() {
		_ = ln.Close()
		<-done
	})
	return path
}

// TestDialStalled: a listener that says nothing holds Dial no longer than its context or its timeout.
func TestDialStalled(t *testing.T) {
	stop := make(chan struct{})
	path := fakeListener(t, func(*net.UnixConn) { <-stop })
	defer close(stop)
	ctx, cancel := context.WithCancel(t.Context())
	time.AfterFunc(time.Millisecond, cancel)
	if _, err := shm.Dial(ctx, path, nil); !errors.Is(err, context.Canceled) {
		t.Errorf("Dial with a context that is cancelled: %v", err)
	}
	if _, err := shm.Dial(ctx, path, nil); !errors.Is(err, context.Canceled) {
		t.Errorf("Dial with a context that was cancelled: %v", err)
	}
	ctx, cancel = context.WithTimeout(t.Context(), time.Millisecond)
	defer cancel()
	if _, err := shm.Dial(ctx, path, nil); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("Dial with a context that ends: %v", err)
	}
	o := &shm.Options{HandshakeTimeout: time.Millisecond}
	if _, err := shm.Dial(t.Context(), path, o); !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("Dial with a timeout: %v", err)
	}
}

// offer is what a listener sends to a client, good or bad. The descriptors are closed once they are sent.
type offer struct {
	reply []byte
	fds   []int
}

// goodOffer is what a real listener would send.
func goodOffer(t *testing.T) *offer {
	t.Helper()
	return &offer{
		reply: shm.AcceptingReply(shm.MinRingSize, shm.MinRingSize),
		fds:   []int{ring(t, shm.MinRingSize), ring(t, shm.MinRingSize), must(shm.CreateBell())(t), must(shm.CreateBell())(t)},
	}
}

// replace puts another descriptor in place of one.
func (o *offer) replace(i, fd int) {
	_ = unix.Close(o.fds[i])
	o.fds[i] = fd
}

// ring makes a window's file, complete.
func ring(t *testing.T, size uint64) int {
	t.Helper()
	fd := must(shm.CreateRing(size))(t)
	if err := shm.InitialiseRing(fd, size); err != nil {
		t.Fatal(err)
	}
	return fd
}

// must returns the first of two results, and fails the test for the second.
func must(fd int, err error) func(t *testing.T) int {
	return func(t *testing.T) int {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return fd
	}
}

// memfd makes a memory file of any size with any seals.
func memfd(t *testing.T, size int64, seals int) int {
	t.Helper()
	fd := must(unix.MemfdCreate("test", unix.MFD_CLOEXEC|unix.MFD_ALLOW_SEALING))(t)
	if err := unix.Ftruncate(fd, size); err != nil {
		t.Fatal(err)
	}
	if size == 4096+shm.MinRingSize { // good but for its seals
		if err := shm.InitialiseRing(fd, shm.MinRingSize); err != nil {
			t.Fatal(err)
		}
	}
	if seals != 0 {
		if _, err := unix.FcntlInt(uintptr(fd), unix.F_ADD_SEALS, seals); err != nil {
			t.Fatal(err)
		}
	}
	return fd
}

// TestBadOffer: whatever a listener sends, Dial takes it or says what is wrong with it, and no descriptor is left.
func TestBadOffer(t *testing.T) {
	const allSeals = unix.F_SEAL_SHRINK | unix.F_SEAL_GROW | unix.F_SEAL_SEAL
	const fileSize = 4096 + shm.MinRingSize
	null := func(t *testing.T) int { return must(unix.Open("/dev/null", unix.O_RDWR|unix.O_CLOEXEC, 0))(t) }
	file := func(t *testing.T) int {
		fd := must(unix.Open(t.TempDir(), unix.O_TMPFILE|unix.O_RDWR|unix.O_CLOEXEC, 0o600))(t)
		if err := unix.Ftruncate(fd, fileSize); err != nil {
			t.Fatal(err)
		}
		return fd
	}
	for _, c := range []struct {
		name  string
		spoil func(t *testing.T, o *offer)
		ok    bool
	}{
		{"good", func(*testing.T, *offer) {}, true},
		{"no descriptors", func(t *testing.T, o *offer) {
			for i := range o.fds {
				_ = unix.Close(o.fds[i])
			}
			o.fds = nil
		}, false},
		{"three descriptors", func(t *testing.T, o *offer) {
			_ = unix.Close(o.fds[3])
			o.fds = o.fds[:3]
		}, false},
		{"five descriptors", func(t *testing.T, o *offer) { o.fds = append(o.fds, null(t)) }, false},
		{"very many descriptors", func(t *testing.T, o *offer) {
			for range 200 {
				o.fds = append(o.fds, null(t))
			}
		}, false},
		{"another order", func(t *testing.T, o *offer) { o.fds[0], o.fds[2] = o.fds[2], o.fds[0] }, false},
		{"a device for memory", func(t *testing.T, o *offer) { o.replace(0, null(t)) }, false},
		{"a file for memory", func(t *testing.T, o *offer) { o.replace(1, file(t)) }, false},
		{"a device for a doorbell", func(t *testing.T, o *offer) { o.replace(2, null(t)) }, false},
		{"a pipe for a doorbell", func(t *testing.T, o *offer) {
			var p [2]int
			if err := unix.Pipe2(p[:], unix.O_CLOEXEC); err != nil {
				t.Fatal(err)
			}
			_ = unix.Close(p[1])
			o.replace(3, p[0])
		}, false},
		{"no seals", func(t *testing.T, o *offer) { o.replace(0, memfd(t, fileSize, 0)) }, false},
		{"a seal too few", func(t *testing.T, o *offer) {
			o.replace(1, memfd(t, fileSize, unix.F_SEAL_GROW|unix.F_SEAL_SEAL))
		}, false},
		{"seals that may be added to", func(t *testing.T, o *offer) {
			o.replace(1, memfd(t, fileSize, unix.F_SEAL_GROW|unix.F_SEAL_SHRINK))
		}, false},
		{"all seals and no more", func(t *testing.T, o *offer) { o.replace(1, memfd(t, fileSize, allSeals)) }, true},
		{"less memory", func(t *testing.T, o *offer) { o.replace(0, memfd(t, fileSize-1, allSeals)) }, false},
		{"more memory", func(t *testing.T, o *offer) { o.replace(1, memfd(t, fileSize+4096, allSeals)) }, false},
		{"no memory", func(t *testing.T, o *offer) { o.replace(1, memfd(t, 0, allSeals)) }, false},
		{"memory without a window", func(t *testing.T, o *offer) { o.replace(0, must(shm.CreateRing(shm.MinRingSize))(t)) }, false},
		{"memory that can't be written", func(t *testing.T, o *offer) {
			o.replace(0, memfd(t, fileSize, allSeals|unix.F_SEAL_WRITE))
		}, false},
		{"half a reply", func(t *testing.T, o *offer) { o.reply = o.reply[:50] }, false},
		{"another protocol", func(t *testing.T, o *offer) { copy(o.reply, "HTTP/1.1") }, false},
		{"rings of another size", func(t *testing.T, o *offer) {
			o.reply = shm.AcceptingReply(shm.MinRingSize, shm.DefaultRingSize)
		}, false},
		{"rings of no size", func(t *testing.T, o *offer) { o.reply = shm.AcceptingReply(0, 0) }, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			before := descriptors(t)
			o := goodOffer(t)
			c.spoil(t, o)
			sent := make(chan struct{})
			path := fakeListener(t, func(sock *net.UnixConn) {
				defer close(sent)
				_, _, _ = sock.WriteMsgUnix(o.reply, unix.UnixRights(o.fds...), nil)
				for _, fd := range o.fds {
					_ = unix.Close(fd)
				}
			})
			conn, err := shm.Dial(t.Context(), path, nil)
			<-sent
			if c.ok != (err == nil) {
				t.Errorf("Dial: %v", err)
			}
			var protocol *wire.ProtocolError
			var call *os.SyscallError
			if err != nil && !errors.As(err, &protocol) && !errors.As(err, &call) && !errors.Is(err, io.ErrUnexpectedEOF) {
				t.Errorf("Dial: %v, which doesn't say what is wrong", err)
			}
			if conn != nil {
				_ = conn.Close()
			}
			wait.Until(t, "descriptors are left", func() bool { return descriptors(t) <= before+1 }) // the listener's
		})
	}
}

// TestSemaphoreForDoorbell: an eventfd that a read does not empty ends the connection, and does not keep its reader busy.
func TestSemaphoreForDoorbell(t *testing.T) {
	o := goodOffer(t)
	bell := must(unix.Eventfd(0, unix.EFD_CLOEXEC|unix.EFD_NONBLOCK|unix.EFD_SEMAPHORE))(t)
	if _, err := unix.Write(bell, binary.NativeEndian.AppendUint64(nil, 1<<62)); err != nil {
		t.Fatal(err)
	}
	o.replace(3, bell)
	path := fakeListener(t, func(sock *net.UnixConn) {
		_, _, _ = sock.WriteMsgUnix(o.reply, unix.UnixRights(o.fds...), nil)
		for _, fd := range o.fds {
			_ = unix.Close(fd)
		}
		_, _ = sock.Read(make([]byte, 1)) // until the client has gone
	})
	conn, err := shm.Dial(t.Context(), path, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	wait.Return(t, "Next with a semaphore for a doorbell", func() {
		var protocol *wire.ProtocolError
		if _, err := conn.Next(); !errors.As(err, &protocol) {
			t.Errorf("Next: %v, want a protocol error", err)
		}
	})
}
