//go:build unix

package nettcp_test

import (
	"errors"
	"io"
	"net"
	"syscall"
	"testing"
	"time"

	"hotline/internal/link"
	"hotline/internal/spin"
	"hotline/nettcp"
)

// polling makes Ready poll for as long as a test may take, whatever the machine has.
func polling() nettcp.Options {
	return nettcp.Options{MaxSpin: patience, Spin: spin.NewGroup(2)}
}

// awaitReady polls until a whole frame is there. Ready may give up early, since a pause of the scheduler counts as a wait.
func awaitReady(t *testing.T, c *nettcp.Conn) {
	t.Helper()
	for end := time.Now().Add(patience); !c.Ready(); {
		if time.Now().After(end) {
			t.Fatal("Ready never saw the frame")
		}
	}
}

var unencrypted = []carrier{carriers[0], carriers[2]}

// TestReadyPolls: frames that come one by one are found without a sleep.
func TestReadyPolls(t *testing.T) {
	for _, cr := range unencrypted {
		t.Run(cr.name, func(t *testing.T) {
			a, b := cr.pair(t, polling())
			for id := range uint64(100) {
				go func() { _ = send(b, id, pattern(id, int(id)*40)) }()
				awaitReady(t, a)
				expect(t, a, id, pattern(id, int(id)*40))
			}
		})
	}
}

// TestReadyAfterBatch: a reader that has found several frames at once does not poll for the next.
func TestReadyAfterBatch(t *testing.T) {
	a, b := carriers[2].pair(t, polling()) // a unix socket's bytes are with the peer when they are sent
	for id := range uint64(3) {
		check(t, send(b, id, []byte("x")))
	}
	for id := range uint64(3) {
		expect(t, a, id, []byte("x"))
	}
	id := uint64(3)
	for ; ; id++ {
		check(t, send(b, id, []byte("x")))
		polled := a.Ready()
		expect(t, a, id, []byte("x"))
		if polled {
			break
		}
		if id == 100 {
			t.Fatal("Ready never looked into the socket again")
		}
	}
	if id == 3 {
		t.Error("Ready has looked into the socket at once")
	}
}

// TestReadyLongFrame: a frame longer than the buffer is never ready, and is not lost.
func TestReadyLongFrame(t *testing.T) {
	for _, cr := range unencrypted {
		t.Run(cr.name, func(t *testing.T) {
			a, b := cr.pair(t, polling())
			for id := range uint64(3) {
				go func() { _ = send(b, id, pattern(id, 100_000)) }()
				if a.Ready() {
					t.Fatal("a frame of 100,000 bytes is said to be in a buffer of 8 KiB")
				}
				expect(t, a, id, pattern(id, 100_000))
			}
		})
	}
}

// TestReadyMeetsTheEnd: what came before the peer's end is returned first, and then the end, however often it is asked for.
func TestReadyMeetsTheEnd(t *testing.T) {
	for _, cr := range unencrypted {
		t.Run(cr.name, func(t *testing.T) {
			a, b := cr.pair(t, polling())
			check(t, send(b, 7, []byte("last words")))
			check(t, b.Close())
			awaitReady(t, a)
			expect(t, a, 7, []byte("last words"))
			for range 3 {
				if a.Ready() {
					t.Fatal("a frame is ready behind the peer's end")
				}
				if _, err := a.Next(); err != io.EOF {
					t.Fatalf("Next: got %v, want io.EOF", err)
				}
			}
		})
	}
}

// TestReadyMeetsReset: the kernel tells of a reset once. It must not get lost in Ready.
func TestReadyMeetsReset(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	check(t, err)
	defer l.Close()
	o := polling()
	c, err := nettcp.Dial(t.Context(), "tcp", l.Addr().String(), &o)
	check(t, err)
	defer c.Close()
	sock, err := l.Accept()
	check(t, err)
	check(t, sock.(*net.TCPConn).SetLinger(0))
	check(t, sock.Close())
	if c.Ready() {
		t.Fatal("a frame is ready")
	}
	for range 2 {
		if _, err := c.Next(); !errors.Is(err, syscall.ECONNRESET) {
			t.Fatalf("Next: got %v, want ECONNRESET", err)
		}
	}
}

// TestReadyInterrupted: an interrupt ends polling too, and is not used up by it.
func TestReadyInterrupted(t *testing.T) {
	for _, cr := range unencrypted {
		t.Run(cr.name, func(t *testing.T) {
			a, b := cr.pair(t, polling())
			go a.Interrupt()
			if a.Ready() {
				t.Fatal("a frame is ready")
			}
			if _, err := a.Next(); !errors.Is(err, link.ErrInterrupted) {
				t.Fatalf("Next: got %v, want ErrInterrupted", err)
			}
			check(t, send(b, 1, []byte("x")))
			awaitReady(t, a)
			expect(t, a, 1, []byte("x"))
		})
	}
}

// TestNoPolling: less than zero turns it off.
func TestNoPolling(t *testing.T) {
	for _, cr := range unencrypted {
		t.Run(cr.name, func(t *testing.T) {
			a, b := cr.pair(t, nettcp.Options{MaxSpin: -1, Spin: spin.NewGroup(2)})
			check(t, send(b, 1, []byte("x")))
			if a.Ready() {
				t.Fatal("Ready has looked into the socket")
			}
			expect(t, a, 1, []byte("x"))
		})
	}
}
