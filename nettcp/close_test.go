package nettcp_test

import (
	"errors"
	"io"
	"net"
	"os"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"hotline/internal/link"
	"hotline/nettcp"
)

// TestCloseSendsWhatWasTaken closes a connection that has much to send. The peer reads all of it, and then the end.
func TestCloseSendsWhatWasTaken(t *testing.T) {
	each(t, nettcp.Options{Linger: patience}, func(t *testing.T, a, b *nettcp.Conn) {
		n := fill(t, a, 3000)
		if !strings.HasSuffix(t.Name(), "/wrapped-reverse") {
			check(t, send(b, 1, make([]byte, 100))) // unread by a: no reason to lose anything
		}
		closed := make(chan error, 1)
		go func() { closed <- a.Close() }()
		for i := range n {
			expect(t, b, i, pattern(i, 3000))
		}
		if _, err := b.Next(); err != io.EOF {
			t.Errorf("Next after the last frame: %v, want EOF", err)
		}
		b.Close()
		check(t, <-closed)
	})
}

// TestCloseUnderReader closes a connection that has much to send while it is being read. The reader ends at once, and what
// was written still goes.
func TestCloseUnderReader(t *testing.T) {
	each(t, nettcp.Options{Linger: patience}, func(t *testing.T, a, b *nettcp.Conn) {
		n := fill(t, a, 3000)
		reader, closed := make(chan error, 1), make(chan error, 1)
		go func() {
			_, err := a.Next()
			reader <- err
		}()
		go func() { closed <- a.Close() }()
		if err := <-reader; !errors.Is(err, net.ErrClosed) {
			t.Errorf("Next: %v, want ErrClosed", err)
		}
		for i := range n {
			expect(t, b, i, pattern(i, 3000))
		}
		if _, err := b.Next(); err != io.EOF {
			t.Errorf("Next after the last frame: %v, want EOF", err)
		}
		b.Close()
		check(t, <-closed)
	})
}

// TestCloseGivesUp on a peer that takes nothing.
func TestCloseGivesUp(t *testing.T) {
	t.Parallel()
	each(t, nettcp.Options{Linger: 20 * time.Millisecond}, func(t *testing.T, a, b *nettcp.Conn) {
		fill(t, a, 3000)
		check(t, a.Close())
	})
}

// TestCloseWhileReading ends a Next or Read that sleeps, in every phase, on both sides.
func TestCloseWhileReading(t *testing.T) {
	whole := bytesOf(1, pattern(1, 9000))
	for _, cut := range []int{0, 10, 32, 6000} {
		eachRaw(t, nettcp.Options{}, func(t *testing.T, sock net.Conn, c *nettcp.Conn) {
			if cut > 0 {
				_, err := sock.Write(whole[:cut])
				check(t, err)
			}
			ended := make(chan error, 1)
			go func() {
				_, _, err := receive(c)
				ended <- err
			}()
			check(t, c.Close())
			if err := <-ended; !errors.Is(err, net.ErrClosed) {
				t.Errorf("closed here after %d bytes: %v, want ErrClosed", cut, err)
			}
			if _, err := c.Next(); !errors.Is(err, net.ErrClosed) {
				t.Errorf("Next afterwards: %v, want ErrClosed", err)
			}
			if _, err := c.Read(make([]byte, 1)); !errors.Is(err, net.ErrClosed) {
				t.Errorf("Read afterwards: %v, want ErrClosed", err)
			}
			if err := send(c, 1, nil); !errors.Is(err, net.ErrClosed) {
				t.Errorf("Write afterwards: %v, want ErrClosed", err)
			}
			c.Interrupt()
			if c.Ready() {
				t.Error("ready after Close")
			}
		})
	}
}

// TestCloseWhileWriting ends a Write that waits for room, from either side.
func TestCloseWhileWriting(t *testing.T) {
	t.Parallel()
	for _, remote := range []bool{false, true} {
		each(t, nettcp.Options{Linger: 20 * time.Millisecond}, func(t *testing.T, a, b *nettcp.Conn) {
			fill(t, a, 3000)
			ended := make(chan error, 3)
			for range 3 {
				go func() {
					var err error
					for err == nil { // the peer makes some room while it closes
						err = send(a, 1, make([]byte, 50_000))
					}
					ended <- err
				}()
			}
			if remote {
				b.Close()
			} else {
				a.Close()
			}
			for range 3 {
				if err := <-ended; !remote && !errors.Is(err, net.ErrClosed) {
					t.Errorf("Write that waited, closed by the peer: %v: %v", remote, err)
				}
			}
		})
	}
}

// TestCloseInHandshake ends it, from either side.
func TestCloseInHandshake(t *testing.T) {
	for _, remote := range []bool{false, true} {
		o := nettcp.Options{}
		l, _, address, _ := carriers[3].open(t, o)
		sock, err := net.Dial("tcp", address)
		check(t, err)
		c, err := l.Accept()
		check(t, err)
		check(t, l.Close())
		ended := make(chan error, 2)
		go func() {
			_, err := c.Next()
			ended <- err
		}()
		go func() { ended <- send(c, 1, nil) }()
		if remote {
			sock.Close()
		} else {
			c.Close()
		}
		for range 2 {
			if err := <-ended; err == nil || !remote && !errors.Is(err, net.ErrClosed) {
				t.Errorf("closed by the peer: %v: %v", remote, err)
			}
		}
		c.Close()
		sock.Close()
	}
}

func TestCloseIsIdempotent(t *testing.T) {
	each(t, nettcp.Options{}, func(t *testing.T, a, b *nettcp.Conn) {
		check(t, send(a, 1, pattern(1, 100)))
		var wg sync.WaitGroup
		for range 8 {
			wg.Go(func() {
				if err := a.Close(); err != nil {
					t.Error(err)
				}
			})
		}
		wg.Wait()
		check(t, a.Close())
		expect(t, b, 1, pattern(1, 100))
	})
}

// TestCloseAtAnyMoment closes one side while both send and receive as fast as they can.
func TestCloseAtAnyMoment(t *testing.T) {
	each(t, nettcp.Options{Linger: 10 * time.Millisecond}, func(t *testing.T, a, b *nettcp.Conn) {
		var wg sync.WaitGroup
		begun := make(chan struct{}, 4)
		for _, c := range []*nettcp.Conn{a, b} {
			for _, size := range []int{16, 20_000} {
				wg.Go(func() {
					for i := 0; send(c, 1, make([]byte, size)) == nil; i++ {
						if i == 10 {
							begun <- struct{}{}
						}
					}
				})
			}
			wg.Go(func() {
				for {
					if _, _, err := receive(c); err != nil && !errors.Is(err, link.ErrInterrupted) {
						c.Close()
						return
					}
				}
			})
		}
		<-begun
		a.Close()
		wg.Wait()
	})
}

// TestNoDescriptorIsLeft opens and ends connections in all ways, and counts what is left open.
func TestNoDescriptorIsLeft(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("descriptors are counted in /proc, which is Linux's")
	}
	count := func() int {
		entries, err := os.ReadDir("/proc/self/fd")
		check(t, err)
		return len(entries)
	}
	before := count()
	for range 5 {
		for _, cr := range carriers[2:] {
			t.Run(cr.name, func(t *testing.T) {
				a, b := cr.pair(t, nettcp.Options{Linger: 10 * time.Millisecond})
				check(t, send(a, 1, make([]byte, 100)))
				b.Close()
				a.Close()
				sock, c := cr.raw(t, nettcp.Options{HandshakeTimeout: 10 * time.Millisecond})
				c.Next()
				c.Close()
				sock.Close()
			})
		}
	}
	if after := count(); after > before {
		t.Errorf("%d descriptors are open, %d before", after, before)
	}
}
