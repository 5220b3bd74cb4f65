package nettcp_test

import (
	"context"
	"runtime"
	"testing"

	"hotline/internal/link"
	"hotline/internal/race"
	"hotline/nettcp"
)

// TestNoAllocations counts both sides of a ping-pong: all of it happens in this process.
func TestNoAllocations(t *testing.T) {
	if race.Enabled {
		t.Skip("the race detector allocates")
	}
	for _, size := range []int{16, 1000, 20_000} {
		each(t, nettcp.Options{}, func(t *testing.T, a, b *nettcp.Conn) {
			done := make(chan error, 1)
			go func() { done <- pong(b, size) }()
			h, p := frame(1, nil, make([]byte, size)), make([]byte, size)
			ping := func() {
				if err := a.Write(link.Stop{}, h, nil, p); err != nil {
					t.Error(err)
				}
				if _, err := a.Next(); err != nil {
					t.Error(err)
				}
				if err := readFull(a, p); err != nil {
					t.Error(err)
				}
			}
			for range 100 {
				ping()
			}
			limit := 0.0
			if a.String()[:3] == "tls" {
				limit = 4 // package tls allocates for its nonces
			}
			if n := testing.AllocsPerRun(500, ping); n > limit {
				t.Errorf("%v allocations an echo of %d bytes", n, size)
			}
			a.Close()
			<-done
		})
	}
}

// pong answers each frame with itself.
func pong(c *nettcp.Conn, size int) error {
	buf := make([]byte, size)
	for {
		h, err := c.Next()
		if err != nil {
			return err
		}
		if err := readFull(c, buf[:h.Length]); err != nil {
			return err
		}
		if err := c.Write(link.Stop{}, &h, nil, buf[:h.Length]); err != nil {
			return err
		}
	}
}

// TestIdleLinks measures what a connection that has carried a call costs in heap, at one end.
func TestIdleLinks(t *testing.T) {
	const links, limit = 400, 12 << 10
	for _, cr := range carriers[:3] {
		t.Run(cr.name, func(t *testing.T) {
			l, network, address, o := cr.open(t, nettcp.Options{})
			defer l.Close()
			ends := make([]*nettcp.Conn, 0, 2*links)
			before := heap()
			for range links {
				a, err := nettcp.Dial(context.Background(), network, address, &o)
				check(t, err)
				b, err := l.Accept()
				check(t, err)
				ends = append(ends, a, b)
				check(t, send(a, 1, nil))
				expect(t, b, 1, nil)
				check(t, send(b, 1, nil))
				expect(t, a, 1, nil)
			}
			each := int(heap()-before) / len(ends)
			t.Logf("%d bytes of heap an end", each)
			if each > limit {
				t.Errorf("%d bytes of heap an end, want at most %d", each, limit)
			}
			for _, c := range ends {
				c.Close()
			}
		})
	}
}

func heap() uint64 {
	runtime.GC()
	runtime.GC() // the first empties the pools only half
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}
