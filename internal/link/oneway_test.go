package link_test

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/rs/zerolog"

	"hotline/internal/link"
	"hotline/internal/wait"
)

// TestSend: each is executed once, though nobody but the link itself reads the answers, many more than may be in flight.
func TestSend(t *testing.T) {
	for _, size := range []int{0, 16, 5000} {
		var executed atomic.Int64
		p := newPair(t, func(_ context.Context, c *link.Incoming) error {
			executed.Add(1)
			c.Reply = c.Payload
			return nil
		}, inFlight(16), func(c *config) { c.pipe.MaxFrame = 4 << 10 })
		const callers, each = 4, 500
		var group sync.WaitGroup
		for range callers {
			group.Go(func() {
				for range each {
					if err := p.client.Send(t.Context(), &link.Request{Payload: make([]byte, size)}); err != nil {
						t.Errorf("Send: %v", err)
					}
				}
			})
		}
		group.Wait()
		wait.Until(t, "the end of all calls", func() bool { return p.client.InFlight() == 0 })
		if got := executed.Load(); got != callers*each {
			t.Errorf("%d bytes: %d calls were executed, want %d", size, got, callers*each)
		}
	}
}

// TestSendAmongCalls: callers that wait for their replies read the answers too.
func TestSendAmongCalls(t *testing.T) {
	var executed atomic.Int64
	p := newPair(t, func(_ context.Context, c *link.Incoming) error {
		executed.Add(1)
		c.Reply = c.Payload
		return nil
	}, inFlight(4))
	var group sync.WaitGroup
	const callers, each = 8, 200
	for i := range callers {
		group.Go(func() {
			for range each {
				err := error(nil)
				if i%2 == 0 {
					err = p.client.Send(t.Context(), &link.Request{Payload: []byte("one-way")})
				} else {
					_, err = call(t.Context(), p.client, 0, []byte("both ways"))
				}
				if err != nil {
					t.Error(err)
				}
			}
		})
	}
	group.Wait()
	wait.Until(t, "the end of all calls", func() bool { return p.client.InFlight() == 0 })
	if got := executed.Load(); got != callers*each {
		t.Errorf("%d calls were executed, want %d", got, callers*each)
	}
}

// TestSendWaitsForASlot: with as many in flight as may be the next one waits, until its context ends.
func TestSendWaitsForASlot(t *testing.T) {
	g := newGate()
	defer g.open()
	p := newPair(t, func(context.Context, *link.Incoming) error { g.pass(); return nil }, inFlight(2))
	for range 2 {
		if err := p.client.Send(t.Context(), new(link.Request)); err != nil {
			t.Fatal(err)
		}
	}
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Millisecond)
	defer cancel()
	err := p.client.Send(ctx, new(link.Request))
	if !errors.Is(err, context.DeadlineExceeded) || !errors.Is(err, link.ErrNotExecuted) {
		t.Errorf("Send over the limit: got %v, want DeadlineExceeded and ErrNotExecuted", err)
	}
	g.open()
	if err := p.client.Send(t.Context(), new(link.Request)); err != nil {
		t.Errorf("Send with a slot: %v", err)
	}
	wait.Until(t, "the end of all calls", func() bool { return p.client.InFlight() == 0 })
}

// TestSendFails: what the handler returned is in the log, and harms nobody.
func TestSendFails(t *testing.T) {
	log := new(wait.Output)
	logger := zerolog.New(log)
	p := newPair(t, func(_ context.Context, c *link.Incoming) error {
		if c.Method == 7 {
			return errors.New("as asked")
		}
		return echo(context.Background(), c)
	}, func(c *config) { c.client.Logger = &logger })
	if err := p.client.Send(t.Context(), &link.Request{Method: 7}); err != nil {
		t.Fatal(err)
	}
	log.Has(t, "as asked")
	if got, err := call(t.Context(), p.client, 0, []byte("after it")); err != nil || string(got) != "after it" {
		t.Errorf("a call after it: got %q, %v", got, err)
	}
}

// TestSendAndClose: calls that nobody waits for end with the link, and later ones are not executed.
func TestSendAndClose(t *testing.T) {
	for _, byClient := range []bool{true, false} {
		g := newGate()
		p := newPair(t, func(context.Context, *link.Incoming) error { g.pass(); return nil })
		for range 3 {
			if err := p.client.Send(t.Context(), new(link.Request)); err != nil {
				t.Fatal(err)
			}
		}
		if byClient {
			p.client.Close()
		} else {
			p.server.Close()
			wait.Receive(t, "the end of the link", p.client.Ended())
		}
		if n := p.client.InFlight(); n != 0 {
			t.Errorf("%d calls in flight on a link that has ended", n)
		}
		if err := p.client.Send(t.Context(), new(link.Request)); !errors.Is(err, link.ErrNotExecuted) || !errors.Is(err, link.ErrLost) {
			t.Errorf("Send on a link that has ended: got %v, want ErrNotExecuted and ErrLost", err)
		}
		g.open()
	}
}
