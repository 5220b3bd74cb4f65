package nettcp_test

import (
	"context"
	"crypto/tls"
	"errors"
	"io"
	"math/rand/v2"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	"hotline/internal/link"
	"hotline/internal/wire"
	"hotline/nettcp"
)

// raw connects bytes to a server's Conn: what no proper peer would send.
func (cr carrier) raw(t testing.TB, o nettcp.Options) (net.Conn, *nettcp.Conn) {
	t.Helper()
	l, network, address, co := cr.open(t, o)
	defer l.Close()
	sock, err := net.Dial(network, address)
	check(t, err)
	t.Cleanup(func() { sock.Close() })
	c, err := l.Accept()
	check(t, err)
	t.Cleanup(func() { c.Close() })
	if co.TLS != nil {
		settings := co.TLS.Clone()
		settings.ServerName = "127.0.0.1"
		sock = tls.Client(sock, settings)
	}
	return sock, c
}

// eachRaw runs f over every carrier with a peer that writes bytes.
func eachRaw(t *testing.T, o nettcp.Options, f func(t *testing.T, sock net.Conn, c *nettcp.Conn)) {
	for _, cr := range carriers {
		t.Run(cr.name, func(t *testing.T) {
			sock, c := cr.raw(t, o)
			f(t, sock, c)
		})
	}
}

// bytesOf is a frame as it is on the wire.
func bytesOf(id uint64, payload []byte) []byte {
	b := make([]byte, wire.HeaderSize, wire.HeaderSize+len(payload))
	frame(id, nil, payload).Put(b)
	return append(b, payload...)
}

func TestPeerStalls(t *testing.T) {
	t.Parallel()
	whole := bytesOf(1, pattern(1, 20_000))
	for _, cut := range []int{1, 31, 32, 33, 5000, 20_031} {
		eachRaw(t, nettcp.Options{FrameTimeout: 50 * time.Millisecond}, func(t *testing.T, sock net.Conn, c *nettcp.Conn) {
			_, err := sock.Write(whole[:cut])
			check(t, err)
			_, _, err = receive(c)
			if err == nil || !strings.Contains(err.Error(), "peer stalled in the middle of a frame") {
				t.Fatalf("after %d bytes: %v, want that the peer stalled", cut, err)
			}
			if again := send(c, 1, nil); again == nil || again.Error() != err.Error() {
				t.Errorf("Write afterwards: %v, want the first cause", again)
			}
		})
	}
}

func TestPeerTrickles(t *testing.T) {
	t.Parallel()
	whole := bytesOf(1, pattern(1, 20_000))
	eachRaw(t, nettcp.Options{FrameTimeout: 100 * time.Millisecond}, func(t *testing.T, sock net.Conn, c *nettcp.Conn) {
		ended := make(chan error, 1)
		go func() {
			_, _, err := receive(c)
			ended <- err
		}()
		for _, b := range whole {
			select {
			case err := <-ended:
				if err == nil || !strings.Contains(err.Error(), "peer stalled") {
					t.Fatalf("got %v, want that the peer stalled", err)
				}
				return
			case <-time.After(10 * time.Millisecond):
			}
			if _, err := sock.Write([]byte{b}); err != nil {
				break
			}
		}
		t.Fatal("a peer that sends a byte at a time was not dropped")
	})
}

func TestNoFirstFrame(t *testing.T) {
	t.Parallel()
	eachRaw(t, nettcp.Options{HandshakeTimeout: 50 * time.Millisecond}, func(t *testing.T, sock net.Conn, c *nettcp.Conn) {
		if _, err := c.Next(); err == nil || !strings.Contains(err.Error(), "no whole frame within 50ms") &&
			!strings.Contains(err.Error(), "tls handshake") {
			t.Errorf("Next: %v", err)
		}
	})
	for _, cr := range carriers {
		t.Run(cr.name+"-half", func(t *testing.T) {
			t.Parallel()
			sock, c := cr.raw(t, nettcp.Options{HandshakeTimeout: 2 * time.Second})
			_, err := sock.Write(bytesOf(1, pattern(1, 100))[:50])
			check(t, err)
			if _, _, err := receive(c); err == nil || !strings.Contains(err.Error(), "no whole frame within 2s") {
				t.Errorf("half a first frame: %v", err)
			}
		})
	}
}

// TestQuietPeer is left alone once its first frame has come: it outlives a peer that says nothing at all.
func TestQuietPeer(t *testing.T) {
	t.Parallel()
	for _, cr := range carriers {
		t.Run(cr.name, func(t *testing.T) {
			t.Parallel()
			o := nettcp.Options{HandshakeTimeout: 2 * time.Second, FrameTimeout: 50 * time.Millisecond}
			client, server := cr.pair(t, o)
			check(t, send(client, 1, pattern(1, 10)))
			expect(t, server, 1, pattern(1, 10))
			frames := make(chan error, 1)
			go func() {
				h, _, err := receive(server)
				if err == nil && h.ID != 2 {
					err = errors.New("wrong frame")
				}
				frames <- err
			}()
			_, mute := cr.raw(t, nettcp.Options{HandshakeTimeout: 2 * time.Second})
			if _, err := mute.Next(); err == nil {
				t.Error("a frame came from a mute peer")
			}
			check(t, send(client, 2, nil))
			check(t, <-frames)
		})
	}
}

func TestInterrupt(t *testing.T) {
	whole := bytesOf(7, pattern(7, 9000))
	for _, cut := range []int{0, 10, 32, 40, 6000} {
		eachRaw(t, nettcp.Options{}, func(t *testing.T, sock net.Conn, c *nettcp.Conn) {
			if cut > 0 {
				_, err := sock.Write(whole[:cut])
				check(t, err)
			}
			c.Interrupt() // before the wait
			r := &resumable{c: c}
			if err := r.run(); !errors.Is(err, link.ErrInterrupted) {
				t.Fatalf("interrupted before: %v", err)
			}
			ended := make(chan error)
			for range 3 { // during the wait, or just before it
				go func() { ended <- r.run() }()
				c.Interrupt()
				if err := <-ended; !errors.Is(err, link.ErrInterrupted) {
					t.Fatalf("interrupted: %v", err)
				}
			}
			go func() { ended <- r.run() }()
			_, err := sock.Write(whole[cut:])
			check(t, err)
			check(t, <-ended)
			if r.h.ID != 7 || string(r.p) != string(pattern(7, 9000)) {
				t.Error("the frame is not what was sent")
			}
		})
	}
}

// resumable receives a frame, and goes on where an interrupt has left it.
type resumable struct {
	c     *nettcp.Conn
	h     wire.Header
	begun bool
	p     []byte
}

func (r *resumable) run() (err error) {
	if !r.begun {
		if r.h, err = r.c.Next(); err != nil {
			return err
		}
		r.begun = true
		r.p = r.p[:0]
	}
	for len(r.p) < int(r.h.Length) {
		p := make([]byte, int(r.h.Length)-len(r.p))
		n, err := r.c.Read(p)
		r.p = append(r.p, p[:n]...)
		if err != nil {
			return err
		}
	}
	r.begun = false
	return nil
}

// TestInterruptHandshake ends the wait for a TLS handshake, and not the handshake.
func TestInterruptHandshake(t *testing.T) {
	sock, c := carriers[3].raw(t, nettcp.Options{})
	ended := make(chan error)
	for range 3 {
		go func() {
			_, err := c.Next()
			ended <- err
		}()
		c.Interrupt()
		if err := <-ended; !errors.Is(err, link.ErrInterrupted) {
			t.Fatal(err)
		}
	}
	go func() {
		h, err := c.Next()
		if err == nil && h.ID != 3 {
			err = errors.New("wrong frame")
		}
		ended <- err
	}()
	_, err := sock.Write(bytesOf(3, nil))
	check(t, err)
	check(t, <-ended)
}

// TestInterruptStorm loses no byte, with frame deadlines that fire in between.
func TestInterruptStorm(t *testing.T) {
	eachRaw(t, nettcp.Options{}, func(t *testing.T, sock net.Conn, c *nettcp.Conn) {
		const frames = 200
		random := rand.New(rand.NewPCG(1, 2))
		var stream []byte
		for i := range uint64(frames) {
			stream = append(stream, bytesOf(i, pattern(i, random.IntN(12_000)))...)
		}
		go func() {
			for len(stream) > 0 {
				n := min(len(stream), 1+random.IntN(9000))
				if _, err := sock.Write(stream[:n]); err != nil {
					t.Error(err)
				}
				stream = stream[n:]
			}
		}()
		stop, stopped := make(chan struct{}), make(chan struct{})
		go func() {
			defer close(stopped)
			for {
				select {
				case <-stop:
					return
				default:
					c.Interrupt()
					time.Sleep(10 * time.Microsecond)
				}
			}
		}()
		defer func() {
			close(stop)
			<-stopped
		}()
		r := &resumable{c: c}
		for i := range uint64(frames) {
			err := r.run()
			for errors.Is(err, link.ErrInterrupted) {
				err = r.run()
			}
			check(t, err)
			if r.h.ID != i || string(r.p) != string(pattern(i, len(r.p))) {
				t.Fatalf("frame %d came, want %d, or its payload is another", r.h.ID, i)
			}
		}
	})
}

// TestInterruptedPeerStalls finds out that a peer stalls, though no wait for it is ever long.
func TestInterruptedPeerStalls(t *testing.T) {
	eachRaw(t, nettcp.Options{FrameTimeout: 50 * time.Millisecond}, func(t *testing.T, sock net.Conn, c *nettcp.Conn) {
		_, err := sock.Write(bytesOf(1, pattern(1, 100))[:50])
		check(t, err)
		r := &resumable{c: c}
		for err = r.run(); errors.Is(err, link.ErrInterrupted) || err == nil; err = r.run() {
			time.AfterFunc(time.Millisecond, c.Interrupt)
		}
		if !strings.Contains(err.Error(), "peer stalled") {
			t.Errorf("got %v, want that the peer stalled", err)
		}
	})
}

// TestInterruptWithinRecords interrupts the wait for TLS records that come in pieces.
func TestInterruptWithinRecords(t *testing.T) {
	l, _, address, o := carriers[3].open(t, nettcp.Options{})
	defer l.Close()
	relay, err := net.Listen("tcp", "127.0.0.1:0")
	check(t, err)
	defer relay.Close()
	var wg sync.WaitGroup
	defer wg.Wait()
	wg.Go(func() {
		near, err := relay.Accept()
		if err != nil {
			return
		}
		far, err := net.Dial("tcp", address)
		if err != nil {
			t.Error(err)
			return
		}
		wg.Go(func() { chop(near, far) })
		chop(far, near)
	})
	const frames = 100
	wg.Go(func() {
		client, err := nettcp.Dial(context.Background(), "tcp", relay.Addr().String(), &o)
		if err != nil {
			t.Error(err)
			return
		}
		for i := range uint64(frames) {
			if err := send(client, i, pattern(i, int(i*i))); err != nil {
				t.Error(err)
			}
		}
		client.Close()
	})
	server, err := l.Accept()
	check(t, err)
	defer server.Close()
	r := &resumable{c: server}
	for i := range uint64(frames) {
		server.Interrupt()
		err := r.run()
		for errors.Is(err, link.ErrInterrupted) {
			time.AfterFunc(50*time.Microsecond, server.Interrupt)
			err = r.run()
		}
		check(t, err)
		if r.h.ID != i || string(r.p) != string(pattern(i, int(i*i))) {
			t.Fatalf("frame %d came, want %d, or its payload is another", r.h.ID, i)
		}
	}
}

// chop copies from one connection to the other in pieces that fit nothing.
func chop(to, from net.Conn) {
	defer to.Close()
	buf := make([]byte, 777)
	for {
		n, err := from.Read(buf)
		if err != nil {
			return
		}
		if _, err := to.Write(buf[:n]); err != nil {
			return
		}
	}
}

func TestPeerEnds(t *testing.T) {
	whole := bytesOf(1, pattern(1, 20_000))
	for _, cut := range []int{0, 1, 31, 32, 6000, 20_031, 20_032} {
		eachRaw(t, nettcp.Options{}, func(t *testing.T, sock net.Conn, c *nettcp.Conn) {
			_, err := sock.Write(whole[:cut])
			check(t, err)
			check(t, sock.Close())
			_, _, err = receive(c)
			if cut == len(whole) {
				check(t, err)
				_, err = c.Next()
			}
			between := cut == 0 || cut == len(whole)
			switch {
			case cut == 0 && strings.Contains(err.Error(), "tls handshake"): // it ended before
			case between && err != io.EOF:
				t.Errorf("closed between two frames: %v, want EOF", err)
			case !between && (!errors.Is(err, io.ErrUnexpectedEOF) || !strings.Contains(err.Error(), "in the middle of a frame")):
				t.Errorf("closed after %d bytes: %v", cut, err)
			}
			if _, again := c.Next(); again != err {
				t.Errorf("Next again: %v, want %v", again, err)
			}
		})
	}
}

func TestReady(t *testing.T) {
	sock, c := carriers[2].raw(t, nettcp.Options{})
	if c.Ready() {
		t.Error("ready before anything came")
	}
	two := append(bytesOf(1, nil), bytesOf(2, nil)...)
	_, err := sock.Write(two)
	check(t, err)
	expect(t, c, 1, nil)
	if !c.Ready() {
		t.Error("not ready with a frame in the buffer")
	}
	expect(t, c, 2, nil)
	if c.Ready() {
		t.Error("ready with an empty buffer")
	}
}

func TestGarbage(t *testing.T) {
	valid := bytesOf(1, make([]byte, 10))
	change := func(at int, b ...byte) []byte {
		v := append([]byte(nil), valid...)
		copy(v[at:], b)
		return v
	}
	cases := map[string][]byte{
		"http":       []byte("GET / HTTP/1.1\r\nHost: localhost\r\n\r\n"),
		"kind 0":     change(4, 0),
		"kind 99":    change(4, 99),
		"flags":      change(5, 0x80),
		"too long":   change(0, 0xff, 0xff, 0xff, 0xff),
		"total":      change(24, 9),
		"metadata":   change(28, 11),
		"all ones":   []byte(strings.Repeat("\xff", 100)),
		"all zeroes": make([]byte, 100),
	}
	for name, b := range cases {
		eachRaw(t, nettcp.Options{}, func(t *testing.T, sock net.Conn, c *nettcp.Conn) {
			_, err := sock.Write(b)
			check(t, err)
			var bad *wire.ProtocolError
			if _, err := c.Next(); !errors.As(err, &bad) {
				t.Errorf("%s: Next: %v, want a ProtocolError", name, err)
			}
			if err := send(c, 1, nil); !errors.As(err, &bad) {
				t.Errorf("%s: Write: %v, want the ProtocolError", name, err)
			}
		})
	}
}

func TestMisuse(t *testing.T) {
	a, b := carriers[0].pair(t, nettcp.Options{})
	check(t, send(a, 1, pattern(1, 10)))
	check(t, send(a, 2, pattern(2, 10)))
	if n, err := b.Read(nil); n != 0 || err != nil {
		t.Errorf("Read to nothing: %d, %v", n, err)
	}
	_, err := b.Next()
	check(t, err)
	if _, err := b.Next(); err == nil || !strings.Contains(err.Error(), "10 bytes of the present one unread") {
		t.Errorf("Next before the payload was read: %v", err)
	}
	if _, err := a.Read(make([]byte, 1)); err == nil {
		t.Error("Read without a frame succeeded")
	}
}
