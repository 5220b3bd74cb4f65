package link_test

import (
	"sync/atomic"
	"testing"

	"hotline/internal/link"
	"hotline/internal/wait"
	"hotline/internal/wire"
)

// Items that are sent while a frame of their stream is being written leave together.
func TestItemsShareFrames(t *testing.T) {
	const items, size = 900, 16
	held, frames := newGate(), new(atomic.Int64)
	p, _ := streamPair(t, func(c *config) {
		c.wrap = func(c link.Conn) link.Conn {
			return &hooked{c, func(h *wire.Header) {
				if h.Kind == wire.KindItem && frames.Add(1) == 1 {
					held.pass()
				}
			}}
		}
	})
	defer held.open()
	s := open(t, t.Context(), p.client, methodGather, nil, true, false)
	send := func(from, to int) <-chan error {
		sent := make(chan error, 1)
		go func() {
			for i := from; i < to; i++ {
				if err := s.Send(pattern(size, uint64(i))); err != nil {
					sent <- err
					return
				}
			}
			sent <- nil
		}()
		return sent
	}
	first := send(0, 1) // which writes it itself
	wait.Until(t, "the first item being written", func() bool { return frames.Load() == 1 })
	if err := wait.Receive(t, "the others", send(1, items)); err != nil { // nobody waits for the one that is being written
		t.Fatal(err)
	}
	held.open()
	if err := wait.Receive(t, "the first item", first); err != nil {
		t.Fatal(err)
	}
	if got, err := finish(s); err != nil || got != "900 items, 14400 bytes" {
		t.Fatalf("got %q, %v", got, err)
	}
	if n := frames.Load(); n > 3 {
		t.Errorf("%d items took %d frames", items, n)
	}
}
