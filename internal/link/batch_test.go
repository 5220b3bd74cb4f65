package link_test

import (
	"context"
	"sync"
	"sync/atomic"
	"testing"

	"hotline/internal/link"
	"hotline/internal/wait"
	"hotline/internal/wire"
)

// hoard is a connection whose reader, once it is armed, keeps its first frame until release is opened. It notes who
// reads frames from then on.
type hoard struct {
	link.Conn
	armed   atomic.Bool
	release *gate

	mu      sync.Mutex
	readers map[uint64]int // frames by goroutine
}

func (c *hoard) Next() (wire.Header, error) {
	h, err := c.Conn.Next()
	if c.armed.Load() && err == nil {
		c.release.pass()
		c.mu.Lock()
		c.readers[goid()]++
		c.mu.Unlock()
	}
	return h, err
}

// One caller reads all replies that are there, its own among them, and every owner is woken.
func TestOneReaderForABatch(t *testing.T) {
	for _, c := range []struct {
		name    string
		waiting int
		own     bool // the reader's reply is the first one, else the last
	}{{"own first", 20, true}, {"own last", 100, false}} {
		t.Run(c.name, func(t *testing.T) {
			own, rest := newGate(), newGate()
			defer rest.open()
			defer own.open()
			var conn *hoard
			p := newPair(t, func(_ context.Context, c *link.Incoming) error {
				switch c.Method {
				case 1:
					own.pass()
				case 2:
					rest.pass()
				}
				return nil
			}, func(o *config) {
				o.wrap = func(c link.Conn) link.Conn {
					conn = &hoard{Conn: c, release: newGate(), readers: make(map[uint64]int)}
					return conn
				}
			})
			defer conn.release.open()
			lead := leader(t.Context(), t, p, 1)
			conn.armed.Store(true)
			var others []<-chan outcome
			for range c.waiting {
				others = append(others, start(t.Context(), p.client, 2, nil))
			}
			wait.Until(t, "the others asleep", func() bool { n, _ := p.client.Parked(); return n == c.waiting })
			wait.Until(t, "all handlers entered", func() bool { return p.server.Running() == c.waiting+1 })
			left, first, last := c.waiting, own, rest
			if !c.own {
				left, first, last = 1, rest, own
			}
			first.open()
			wait.Until(t, "the first replies sent", func() bool { return p.server.Running() == left })
			last.open()
			wait.Until(t, "all replies sent", func() bool { return p.server.Running() == 0 })
			conn.release.open()
			for _, o := range append(others, lead) {
				if o := wait.Receive(t, "a call", o); o.err != nil {
					t.Error(o.err)
				}
			}
			conn.mu.Lock()
			defer conn.mu.Unlock()
			if len(conn.readers) != 1 {
				t.Errorf("%d goroutines have read the replies: %v", len(conn.readers), conn.readers)
			}
		})
	}
}

// Callers that make their next call as soon as they can never lose a wake-up, and the reading role never gets lost, whether
// few or more than a batch call at once.
func TestBatchesUnderFire(t *testing.T) {
	p := newPair(t, echo)
	for _, callers := range []int{2, 8, 100} {
		done := make(chan error, callers)
		for i := range callers {
			go func() {
				ctx, cancel := context.WithCancel(t.Context())
				defer cancel()
				if i%2 == 0 {
					ctx = t.Context()
				}
				var err error
				for range 200 {
					if _, err = call(ctx, p.client, 0, []byte("again")); err != nil {
						break
					}
				}
				done <- err
			}()
		}
		for range callers {
			if err := wait.Receive(t, "a caller", done); err != nil {
				t.Error(err)
			}
		}
		if slots, free := p.client.Free(); slots != free {
			t.Errorf("%d of %d slots are free", free, slots)
		}
	}
}
