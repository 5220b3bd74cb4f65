package link_test

import (
	"bytes"
	"context"
	"errors"
	"testing"
	"time"

	"hotline/internal/link"
	"hotline/internal/wait"
	"hotline/internal/wire"
)

// number is link.Values.
type number struct{ n int }

func (v *number) Encode() ([]byte, error) { return []byte{byte(v.n)}, nil }

// An entered call has the caller's goroutine, its values and its metadata, and goes nowhere.
func TestEnter(t *testing.T) {
	caller := goid()
	p := newPair(t, func(_ context.Context, c *link.Incoming) error {
		v := c.Values.(*number)
		if v.n++; goid() != caller || c.Payload != nil || c.Method != 7 || string(c.Metadata) != "there" {
			t.Errorf("method %d, metadata %q, payload %q, goroutine %d, want %d", c.Method, c.Metadata, c.Payload, goid(), caller)
		}
		c.ReplyMetadata = []byte("back")
		if v.n > 2 {
			return &wire.Error{Code: wire.CodeApplication, Message: "over"}
		}
		return nil
	})
	v := &number{1}
	r := link.Request{Method: 7, Values: v, Metadata: []byte("there")}
	reply, err := p.client.Enter(t.Context(), p.server, &r)
	if err != nil || v.n != 2 || !reply.Entered || string(reply.Metadata) != "back" {
		t.Errorf("got %+v, %v and %d", reply, err, v.n)
	}
	reply, err = p.client.Enter(t.Context(), p.server, &r)
	if !isCode(err, wire.CodeApplication) || reply.Entered || string(reply.Metadata) != "back" {
		t.Errorf("a handler's error: got %+v, %v", reply, err)
	}
	settled(t, p)
}

// settled checks that neither side believes in a call that has ended.
func settled(t *testing.T, p *pair) {
	t.Helper()
	if n := p.client.InFlight(); n != 0 {
		t.Errorf("the client has %d calls in flight", n)
	}
	if running, zombies, unsent, active := p.server.Counts(); running != 0 || zombies != 0 || unsent != 0 || active != 0 {
		t.Errorf("the server has %d calls running, %d given up, %d unsent, %d active", running, zombies, unsent, active)
	}
}

// Limits hold for bytes, in both directions.
func TestEnterLimits(t *testing.T) {
	p := newPair(t, func(_ context.Context, c *link.Incoming) error {
		c.Reply = bytes.Repeat(c.Payload, 2)
		return nil
	}, func(c *config) {
		c.client.PeerMaxMessage, c.server.MaxMessage = 100, 100
		c.client.MaxMessage, c.server.PeerMaxMessage = 150, 150
	})
	for _, c := range []struct {
		size int
		err  error
	}{{75, nil}, {76, &wire.Error{Code: wire.CodeResultTooLarge}}, {101, link.ErrNotExecuted}} {
		reply, err := p.client.Enter(t.Context(), p.server, &link.Request{Payload: make([]byte, c.size), Fresh: true})
		var want *wire.Error
		switch {
		case c.err == nil && (err != nil || len(reply.Body) != 2*c.size), c.err != nil && err == nil:
			t.Errorf("%d bytes: got %d, %v", c.size, len(reply.Body), err)
		case errors.As(c.err, &want) && !isCode(err, want.Code):
			t.Errorf("%d bytes: got %v, want code %d", c.size, err, want.Code)
		case want == nil && c.err != nil && (!errors.Is(err, c.err) || !errors.Is(err, link.ErrTooLarge)):
			t.Errorf("%d bytes: got %v", c.size, err)
		}
	}
	settled(t, p)
}

// A panic is an error of its call alone.
func TestEnterPanic(t *testing.T) {
	p := newPair(t, func(context.Context, *link.Incoming) error { panic("as asked") })
	for range 3 {
		if _, err := p.client.Enter(t.Context(), p.server, &link.Request{Values: new(number)}); !isCode(err, wire.CodePanic) {
			t.Errorf("got %v", err)
		}
	}
	settled(t, p)
}

// The deadline of an entered call that the client's alarm sees first, because it was set for another one.
func TestEnterAndTheAlarm(t *testing.T) {
	begun, rung, over := newGate(), newGate(), newGate()
	p := newPair(t, func(ctx context.Context, c *link.Incoming) error {
		if c.Values == nil {
			begun.open()
			over.pass()
			return nil
		}
		<-ctx.Done()
		rung.pass()
		return nil
	})
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	other := start(ctx, p.client, 1, nil)
	begun.pass()
	go func() {
		if o := <-other; !errors.Is(o.err, context.DeadlineExceeded) {
			t.Errorf("the other call: got %v", o.err)
		}
		rung.open()
	}()
	_, err := p.client.Enter(ctx, p.server, &link.Request{Values: new(number)})
	if !errors.Is(err, context.DeadlineExceeded) || !errors.Is(err, link.ErrMaybeExecuted) {
		t.Errorf("got %v", err)
	}
	over.open()
	if _, err := p.client.Enter(t.Context(), p.server, &link.Request{Values: new(number), Timeout: time.Millisecond}); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("a call in the slot after it: got %v", err)
	}
}

// enterHeld enters a call that ends when out is opened.
func enterHeld(t *testing.T) (p *pair, out *gate, ended <-chan error) {
	t.Helper()
	in, out := newGate(), newGate()
	p = newPair(t, func(context.Context, *link.Incoming) error {
		in.open()
		out.pass()
		return nil
	})
	end := make(chan error)
	go func() {
		_, err := p.client.Enter(context.Background(), p.server, &link.Request{Values: new(number)})
		end <- err
	}()
	in.pass()
	return p, out, end
}

// Shutdown waits for entered calls, refuses others, and does not say of one that has ended that it was not executed.
func TestEnterAndShutdown(t *testing.T) {
	p, out, ended := enterHeld(t)
	down := make(chan error)
	go func() { down <- p.server.Shutdown(context.Background()) }()
	wait.Until(t, "calls to be refused", func() bool { return p.client.Draining() })
	if _, err := p.client.Enter(t.Context(), p.server, &link.Request{Values: new(number)}); !errors.Is(err, link.ErrNotExecuted) {
		t.Errorf("a call to a server that drains: got %v", err)
	}
	select {
	case err := <-down:
		t.Errorf("Shutdown returned under a call: %v", err)
	default:
	}
	out.open()
	if err := wait.Receive(t, "the call", ended); err != nil {
		t.Errorf("the call under way: %v", err)
	}
	if err := wait.Receive(t, "Shutdown", down); err != nil {
		t.Errorf("Shutdown: %v", err)
	}
	if _, err := p.client.Enter(t.Context(), p.server, &link.Request{Values: new(number)}); !errors.Is(err, link.ErrNotExecuted) {
		t.Errorf("a call after it: got %v", err)
	}
}

// Wait waits for a handler that does not heed the link's end, and its caller is told that it may have been executed.
func TestEnterAndClose(t *testing.T) {
	p, out, ended := enterHeld(t)
	p.server.Close()
	waited := make(chan struct{})
	go func() { defer close(waited); p.server.Wait() }()
	wait.Until(t, "the reader to have ended", func() bool { return p.server.Workers() == 1 })
	select {
	case <-waited:
		t.Error("Wait returned under a handler")
	default:
	}
	out.open()
	if err := wait.Receive(t, "the call", ended); !errors.Is(err, link.ErrMaybeExecuted) || !errors.Is(err, link.ErrLost) {
		t.Errorf("got %v", err)
	}
	wait.Receive(t, "Wait", waited)
}

// A handler's context tells of its end however it is asked, in every order.
func TestEnteredContext(t *testing.T) {
	type ask = func(ctx context.Context)
	asks := map[string]ask{
		"Done": func(ctx context.Context) { <-ctx.Done() },
		"Err": func(ctx context.Context) {
			for ctx.Err() == nil {
				time.Sleep(time.Millisecond)
			}
		},
		"AfterFunc": func(ctx context.Context) {
			ended := make(chan struct{})
			context.AfterFunc(ctx, func() { close(ended) })
			<-ended
		},
		"a child": func(ctx context.Context) {
			child, cancel := context.WithCancel(ctx)
			defer cancel()
			<-child.Done()
		},
	}
	for name, how := range asks {
		var seen error
		var kept context.Context
		began := make(chan struct{}, 1)
		p := newPair(t, func(ctx context.Context, c *link.Incoming) error {
			if kept = ctx; c.Method == 1 {
				return nil
			}
			began <- struct{}{}
			how(ctx)
			seen = ctx.Err()
			return nil
		})
		enter := func(ctx context.Context, timeout time.Duration) error {
			_, err := p.client.Enter(ctx, p.server, &link.Request{Values: new(number), Timeout: timeout})
			return err
		}
		ctx, cancel := context.WithCancel(t.Context())
		go func() { <-began; cancel() }()
		if err := enter(ctx, 0); !errors.Is(err, context.Canceled) || seen != context.Canceled {
			t.Errorf("%s, cancelled: the handler got %v, the caller %v", name, seen, err)
		}
		if err := enter(t.Context(), 5*time.Millisecond); !errors.Is(err, context.DeadlineExceeded) || seen != context.DeadlineExceeded {
			t.Errorf("%s, a timeout: the handler got %v, the caller %v", name, seen, err)
		}
		<-began
		ctx, cancel = context.WithTimeout(t.Context(), 5*time.Millisecond)
		if err := enter(ctx, time.Hour); !errors.Is(err, context.DeadlineExceeded) || seen != context.DeadlineExceeded {
			t.Errorf("%s, a deadline: the handler got %v, the caller %v", name, seen, err)
		}
		cancel()
		<-began
		ctx, cancel = context.WithCancel(t.Context())
		if _, err := p.client.Enter(ctx, p.server, &link.Request{Method: 1, Values: new(number)}); err != nil || kept.Err() != context.Canceled {
			t.Errorf("%s: the call: %v; afterwards its context says %v", name, err, kept.Err())
		}
		<-kept.Done()
		cancel()
		go func() { <-began; p.server.Close() }()
		if err := enter(t.Context(), time.Hour); !errors.Is(err, link.ErrLost) || seen != context.Canceled {
			t.Errorf("%s, the link's end: the handler got %v, the caller %v", name, seen, err)
		}
	}
}
