package nettcp_test

import (
	"bytes"
	"errors"
	"io"
	"math/rand/v2"
	"net"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"hotline/internal/link"
	"hotline/nettcp"
)

func TestManyWriters(t *testing.T) {
	const writers, frames = 16, 150
	each(t, nettcp.Options{}, func(t *testing.T, a, b *nettcp.Conn) {
		var wg sync.WaitGroup
		for w := range uint64(writers) {
			wg.Go(func() {
				random := rand.New(rand.NewPCG(w, 7))
				for i := range uint64(frames) {
					n := random.IntN(600)
					if random.IntN(10) == 0 {
						n = random.IntN(70_000)
					}
					if err := send(a, w<<32|i, pattern(w<<32|i, n)); err != nil {
						t.Errorf("frame %d of writer %d: %v", i, w, err)
						return
					}
				}
			})
		}
		defer wg.Wait()
		var next [writers]uint64
		for range writers * frames {
			h, p, err := receive(b)
			check(t, err)
			w, i := h.ID>>32, h.ID&0xffffffff
			if i != next[w] {
				t.Fatalf("writer %d: frame %d came, want %d", w, i, next[w])
			}
			next[w]++
			if !bytes.Equal(p, pattern(h.ID, len(p))) {
				t.Fatalf("writer %d: frame %d of %d bytes was mixed with others", w, i, len(p))
			}
		}
	})
}

// gate is a connection whose writes wait until it is opened, and are counted.
type gate struct {
	net.Conn
	open   chan struct{}
	writes atomic.Int64
}

func (g *gate) Write(p []byte) (int, error) {
	g.writes.Add(1)
	<-g.open
	return g.Conn.Write(p)
}

// oneConn is a listener that accepts what it is given.
type oneConn struct {
	addr  net.Addr
	conns chan net.Conn
}

func (l *oneConn) Accept() (net.Conn, error) {
	if c, ok := <-l.conns; ok {
		return c, nil
	}
	return nil, net.ErrClosed
}

func (l *oneConn) Close() error   { return nil }
func (l *oneConn) Addr() net.Addr { return l.addr }

// over makes a Conn of one end of a net.Conn.
func over(t testing.TB, sock net.Conn, o *nettcp.Options) *nettcp.Conn {
	t.Helper()
	l, err := nettcp.NewListener(&oneConn{sock.LocalAddr(), chanOf(sock)}, o)
	check(t, err)
	c, err := l.Accept()
	check(t, err)
	t.Cleanup(func() { c.Close() })
	return c
}

func chanOf(sock net.Conn) chan net.Conn {
	c := make(chan net.Conn, 1)
	c <- sock
	return c
}

func TestWritesAreJoined(t *testing.T) {
	const frames = 500
	near, far := net.Pipe()
	g := &gate{Conn: near, open: make(chan struct{})}
	a, b := over(t, g, nil), over(t, far, nil)
	for i := range uint64(frames) {
		check(t, send(a, i, pattern(i, 16)))
	}
	close(g.open)
	for i := range uint64(frames) {
		expect(t, b, i, pattern(i, 16))
	}
	if n := g.writes.Load(); n > 5 {
		t.Errorf("%d frames took %d writes, want them joined", frames, n)
	}
}

// fill writes until the peer has to read before there is room again, and returns how many frames were taken. A
// write that finds no room is given up in both ways; one that finds some after a while shows that the kernel was still
// moving bytes.
func fill(t testing.TB, c *nettcp.Conn, payload int) (frames uint64) {
	t.Helper()
	now := make(chan struct{})
	close(now)
	write := func(stop link.Stop) error {
		err := c.Write(stop, frame(frames, nil, make([]byte, payload)), nil, pattern(frames, payload))
		if err == nil {
			frames++
		}
		return err
	}
	for {
		err := write(link.Stop{Done: now})
		if errors.Is(err, link.ErrInterrupted) {
			err = write(link.Stop{Deadline: time.Now().Add(20 * time.Millisecond)})
		}
		if errors.Is(err, link.ErrInterrupted) {
			return frames
		}
		check(t, err)
	}
}

// TestSlowPeer fills a connection, and finds all that was taken, whole and in order.
func TestSlowPeer(t *testing.T) {
	t.Parallel()
	for _, size := range []int{16, 3000, 100_000} {
		each(t, nettcp.Options{}, func(t *testing.T, a, b *nettcp.Conn) {
			n := fill(t, a, size)
			written := make(chan error, 1)
			go func() { written <- send(a, n, pattern(n, size)) }()
			for i := range n + 1 {
				expect(t, b, i, pattern(i, size))
			}
			check(t, <-written)
			check(t, send(a, 99, nil))
			expect(t, b, 99, nil)
		})
	}
}

// TestLongFramesLeaveRoom fills a connection with long frames. A short one is still taken at once.
func TestLongFramesLeaveRoom(t *testing.T) {
	each(t, nettcp.Options{}, func(t *testing.T, a, b *nettcp.Conn) {
		n := fill(t, a, 100_000)
		written := make(chan error, 1)
		go func() { written <- send(a, n+1, pattern(n+1, 100_000)) }()
		now := make(chan struct{})
		close(now)
		check(t, a.Write(link.Stop{Done: now}, frame(n, nil, make([]byte, 16)), nil, pattern(n, 16)))
		short := uint64(0)
		for i := range n + 2 {
			h, _, err := receive(b)
			check(t, err)
			if h.ID == n {
				short = i
			}
		}
		if short < n {
			t.Errorf("the short frame came as number %d, before %d that were taken earlier", short, n)
		}
		check(t, <-written)
	})
}

// TestPeerThatTakesNothing is dropped after the frame timeout, whoever waits.
func TestPeerThatTakesNothing(t *testing.T) {
	t.Parallel()
	each(t, nettcp.Options{FrameTimeout: 100 * time.Millisecond}, func(t *testing.T, a, b *nettcp.Conn) {
		var err error
		for err == nil {
			err = send(a, 1, make([]byte, 50_000))
		}
		if !strings.Contains(err.Error(), "took nothing for 100ms") && !strings.Contains(err.Error(), "does not answer") {
			t.Errorf("Write to a peer that takes nothing: %v", err)
		}
		if again := send(a, 1, nil); again == nil || again.Error() != err.Error() {
			t.Errorf("second Write: %v, want the first cause", again)
		}
		if _, again := a.Next(); again == nil || again.Error() != err.Error() {
			t.Errorf("Next: %v, want the first cause", again)
		}
	})
}

// TestFailureAfterWrite is seen by a Next that sleeps, though every Write was taken.
func TestFailureAfterWrite(t *testing.T) {
	t.Parallel()
	each(t, nettcp.Options{FrameTimeout: 100 * time.Millisecond}, func(t *testing.T, a, b *nettcp.Conn) {
		ended := make(chan error, 1)
		go func() {
			_, err := a.Next()
			ended <- err
		}()
		now := make(chan struct{})
		close(now)
		for {
			select {
			case err := <-ended:
				// Where the kernel finds out first, it says that the peer does not answer, to one of us. The other
				// meets the end of the stream.
				tcp := !strings.HasPrefix(a.String(), "unix")
				byKernel := tcp && (strings.Contains(err.Error(), "does not answer") || peerEnded(err))
				if !strings.Contains(err.Error(), "took nothing") && !byKernel {
					t.Errorf("Next: %v, want that the peer took nothing", err)
				}
				return
			default:
				a.Write(link.Stop{Done: now}, frame(1, nil, make([]byte, 3000)), nil, make([]byte, 3000))
			}
		}
	})
}

// peerEnded reports whether err says that the peer closed the connection or vanished.
func peerEnded(err error) bool {
	return errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, syscall.ECONNRESET) ||
		errors.Is(err, syscall.EPIPE)
}

// TestLastWords are read though a write has found out that the peer is gone.
func TestLastWords(t *testing.T) {
	for _, cr := range carriers[:3] {
		t.Run(cr.name, func(t *testing.T) {
			a, b := cr.pair(t, nettcp.Options{})
			for i := range uint64(3) {
				check(t, send(b, i, pattern(i, 5000)))
			}
			check(t, b.Close())
			var err error
			for err == nil {
				err = send(a, 9, make([]byte, 100))
			}
			if !strings.Contains(err.Error(), "the peer has gone") {
				t.Errorf("Write after the peer's Close: %v", err)
			}
			for i := range uint64(3) {
				expect(t, a, i, pattern(i, 5000))
			}
			if _, end := a.Next(); end == nil || end.Error() != err.Error() {
				t.Errorf("Next after the last frame: %v, want %v", end, err)
			}
		})
	}
}

func TestWrongFrame(t *testing.T) {
	a, _ := carriers[0].pair(t, nettcp.Options{MaxFrame: 4 << 10})
	h := frame(1, nil, make([]byte, 5<<10))
	if err := a.Write(link.Stop{}, h, nil, make([]byte, 5<<10)); err == nil || !strings.Contains(err.Error(), "4096") {
		t.Errorf("Write of more than MaxFrame: %v", err)
	}
	a, _ = carriers[0].pair(t, nettcp.Options{})
	if err := a.Write(link.Stop{}, frame(1, nil, make([]byte, 5)), nil, make([]byte, 4)); err == nil {
		t.Error("Write of a frame whose header does not fit succeeded")
	}
}
