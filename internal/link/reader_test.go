package link_test

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"testing"
	"time"

	"hotline/internal/link"
	"hotline/internal/wait"
	"hotline/internal/wire"
)

// observed says which goroutine read the last frame.
type observed struct {
	link.Conn
	reader atomic.Uint64
}

func (c *observed) Next() (wire.Header, error) {
	h, err := c.Conn.Next()
	c.reader.Store(goid())
	return h, err
}

// A caller that is alone reads its own reply: nothing is handed from one goroutine to another. The watcher answers for
// the first call after a silence, so what is asked for here is a row of calls that it did not touch.
func TestLoneCallerReadsItsOwnReply(t *testing.T) {
	var conn *observed
	p := newPair(t, echo, func(c *config) {
		c.wrap = func(c link.Conn) link.Conn {
			conn = &observed{Conn: c}
			return conn
		}
	})
	self, row := goid(), 0
	wait.Until(t, "fifty calls in a row whose replies their caller read", func() bool {
		if _, err := call(t.Context(), p.client, 0, nil); err != nil {
			t.Fatal(err)
		}
		if row++; conn.reader.Load() != self {
			row = 0
		}
		return row == 50
	})
}

// leader starts a call whose caller then has the reading role.
func leader(ctx context.Context, t *testing.T, p *pair, method uint16) <-chan outcome {
	t.Helper()
	c := start(ctx, p.client, method, nil)
	wait.Until(t, "a caller that reads", func() bool {
		if _, err := call(t.Context(), p.client, 0, nil); err != nil { // the watcher steps down for it
			t.Fatal(err)
		}
		parked, reading := p.client.Parked()
		return parked == 0 && reading && p.client.InFlight() == 1
	})
	return c
}

// However the leader's call ends, another caller reads on.
func TestRolePassedOn(t *testing.T) {
	const waiting = 5
	for _, how := range []string{"reply", "error", "cancel", "timeout", "too large", "panic"} {
		t.Run(how, func(t *testing.T) {
			first, rest := newGate(), newGate()
			defer rest.open()
			p := newPair(t, func(ctx context.Context, c *link.Incoming) error {
				switch c.Method {
				case 1:
					select {
					case <-first.c:
					case <-ctx.Done():
						return ctx.Err()
					}
					switch how {
					case "error":
						return errors.New("refused")
					case "panic":
						panic("on purpose")
					case "too large":
						c.Reply = make([]byte, 2<<20)
					}
				case 2:
					rest.pass()
				}
				return nil
			}, func(c *config) { c.client.MaxMessage, c.server.PeerMaxMessage = 1<<20, 4<<20 })
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			if how == "timeout" {
				ctx, cancel = context.WithTimeout(ctx, 100*time.Millisecond)
				defer cancel()
			}
			lead := leader(ctx, t, p, 1)
			var others []<-chan outcome
			for range waiting {
				others = append(others, start(t.Context(), p.client, 2, nil))
			}
			if how != "timeout" {
				wait.Until(t, "the others asleep", func() bool { n, _ := p.client.Parked(); return n == waiting })
			}
			switch how {
			case "cancel":
				cancel()
			case "timeout":
			default:
				first.open()
			}
			o := wait.Receive(t, "the leader's call", lead)
			ok := map[string]bool{"reply": o.err == nil, "error": isCode(o.err, wire.CodeApplication),
				"cancel": errors.Is(o.err, context.Canceled), "timeout": isDeadline(o.err),
				"too large": errors.Is(o.err, link.ErrTooLarge), "panic": isCode(o.err, wire.CodePanic)}
			if !ok[how] {
				t.Errorf("the leader's call ended with %v", o.err)
			}
			if _, err := call(t.Context(), p.client, 0, nil); err != nil {
				t.Fatal(err)
			}
			rest.open()
			for _, c := range others {
				if o := wait.Receive(t, "another call", c); o.err != nil {
					t.Fatal(o.err)
				}
			}
		})
	}
}

// The role changes hands at random, and no caller is left asleep.
func TestRoleUnderFire(t *testing.T) {
	p := newPair(t, func(ctx context.Context, c *link.Incoming) error {
		if c.Method == 1 {
			<-ctx.Done()
			return ctx.Err()
		}
		return nil
	})
	one := func(i, j int) error {
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		switch (i + j) % 3 {
		case 0:
			time.AfterFunc(time.Duration(j)*time.Microsecond, cancel)
			if _, err := call(ctx, p.client, 1, nil); !errors.Is(err, context.Canceled) {
				return fmt.Errorf("cancelled: %w", err)
			}
		case 1:
			_, err := p.client.Call(ctx, &link.Request{Method: 1, Timeout: time.Duration(1+j) * time.Microsecond})
			if !isDeadline(err) {
				return fmt.Errorf("timed out: %w", err)
			}
		default:
			_, err := call(ctx, p.client, 0, nil)
			return err
		}
		return nil
	}
	const callers = 8
	done := make(chan error, callers)
	for i := range callers {
		go func() {
			for j := range 300 {
				if err := one(i, j); err != nil {
					done <- err
					return
				}
			}
			done <- nil
		}()
	}
	for range callers {
		if err := wait.Receive(t, "a caller", done); err != nil {
			t.Error(err)
		}
	}
	wait.Until(t, "nothing running", func() bool { return p.server.Running() == 0 && p.client.InFlight() == 0 })
}

// endless has a frame for others ready at any time.
type endless struct {
	link.Conn
	closed atomic.Bool
}

func (c *endless) Ready() bool { return true }

func (c *endless) Next() (wire.Header, error) {
	if c.closed.Load() {
		return wire.Header{}, link.ErrClosed
	}
	return wire.Header{Kind: wire.KindReply, ID: 1<<64 - 1}, nil
}

func (c *endless) Close() error {
	c.closed.Store(true)
	return c.Conn.Close()
}

// A leader for whom nothing comes ends with its context also when frames for others never stop to come.
func TestLeaderEndsAmongFramesOfOthers(t *testing.T) {
	p := newPair(t, echo, func(c *config) {
		c.wrap = func(c link.Conn) link.Conn { return &endless{Conn: c} }
	})
	for i := range 20 {
		ctx, cancel := context.WithCancel(t.Context())
		c := start(ctx, p.client, 0, nil)
		if i%2 == 0 {
			wait.Until(t, "a reader", func() bool { _, reading := p.client.Parked(); return reading })
		}
		cancel()
		if o := wait.Receive(t, "a cancelled call", c); !errors.Is(o.err, context.Canceled) {
			t.Fatal(o.err)
		}
		o := wait.Receive(t, "a late call", func() <-chan outcome {
			c := make(chan outcome, 1)
			go func() {
				_, err := p.client.Call(t.Context(), &link.Request{Timeout: time.Millisecond})
				c <- outcome{nil, err}
			}()
			return c
		}())
		if !errors.Is(o.err, context.DeadlineExceeded) {
			t.Fatal(o.err)
		}
	}
}

// A link without calls sees its end by itself, also after a long call.
func TestIdleLinkSeesItsEnd(t *testing.T) {
	for _, before := range []string{"nothing", "a call", "a long call", "a cancelled call"} {
		p := newPair(t, func(ctx context.Context, c *link.Incoming) error {
			switch c.Method {
			case 1:
				time.Sleep(100 * time.Millisecond) // longer than the watcher takes to go to sleep
			case 2:
				<-ctx.Done()
			}
			return nil
		})
		ctx, cancel := context.WithCancel(t.Context())
		switch before {
		case "a call":
			call(ctx, p.client, 0, nil)
		case "a long call":
			call(ctx, p.client, 1, nil)
		case "a cancelled call":
			time.AfterFunc(100*time.Millisecond, cancel)
			call(ctx, p.client, 2, nil)
		}
		cancel()
		p.server.Close()
		wait.Receive(t, "the end of the link after "+before, p.client.Ended())
		if p.client.Err() == nil {
			t.Errorf("after %s: no cause", before)
		}
	}
}

// The ids of a slot do not run out, and 0 is none of them.
func TestGenerationsOfASlot(t *testing.T) {
	p := newPair(t, echo, inFlight(1))
	if _, err := call(t.Context(), p.client, 0, nil); err != nil {
		t.Fatal(err)
	}
	for _, last := range []uint64{1<<32 - 2, 1<<(64-link.SlotBits) - 2} {
		p.client.SetGeneration(last)
		for i := range 5 {
			if _, err := call(t.Context(), p.client, 0, nil); err != nil {
				t.Fatalf("%d calls after generation %d: %v", i, last, err)
			}
		}
	}
}
