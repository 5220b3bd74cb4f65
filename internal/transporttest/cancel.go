package transporttest

import (
	"context"
	"errors"
	"testing"
	"time"

	"hotline/internal/link"
	"hotline/internal/wire"
)

// testCancel ends a call whose method runs, and wants the method to know.
func testCancel(t *testing.T, p *pairing) {
	ctx, cancel := context.WithCancel(t.Context())
	ended := p.start(ctx, methodWait)
	p.waitFor(t, "the handler to begin", func(c counts) bool { return c.begun == 1 })
	cancel()
	if err := <-ended; !errors.Is(err, context.Canceled) || !errors.Is(err, link.ErrMaybeExecuted) {
		t.Errorf("got %v, want context.Canceled and ErrMaybeExecuted", err)
	}
	p.waitFor(t, "the handler's context to end", func(c counts) bool { return c.cancelled == 1 })
}

// testCancelBefore makes calls whose contexts have ended, and wants none to be sent; then some whose contexts end as they
// are sent, and wants every method that was entered to know.
func testCancelBefore(t *testing.T, p *pairing) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	past, stop := context.WithDeadline(t.Context(), time.Unix(0, 0))
	defer stop()
	for _, ctx := range []context.Context{ctx, past} {
		if _, err := p.call(ctx, methodWait, nil); !errors.Is(err, ctx.Err()) || !errors.Is(err, link.ErrNotExecuted) {
			t.Errorf("got %v, want %v and ErrNotExecuted", err, ctx.Err())
		}
	}
	p.waitFor(t, "an answer", func(c counts) bool {
		if c.begun != 0 {
			t.Errorf("%d methods were entered for callers that had given up", c.begun)
		}
		return true
	})
	for i := range 50 {
		ctx, cancel := context.WithCancel(t.Context())
		ended := p.start(ctx, methodWait)
		time.Sleep(time.Duration(i) * 5 * time.Microsecond) // whenever it comes: all must do
		cancel()
		if err := <-ended; !errors.Is(err, context.Canceled) || errors.Is(err, link.ErrMaybeExecuted) == errors.Is(err, link.ErrNotExecuted) {
			t.Errorf("cancelled as it was sent: got %v", err)
		}
	}
	p.waitFor(t, "every handler's context to end", func(c counts) bool { return c.begun == c.cancelled })
}

// testCancelQueued ends a call that waits for others to end, because of the limit of calls in flight.
func testCancelQueued(t *testing.T, transport Transport) {
	near, far := connect(t, transport)
	handler := newService()
	server, err := link.NewServer(far, handler, &link.Options{MaxInFlight: 1}, nil)
	if err != nil {
		t.Fatal(err)
	}
	client, err := link.NewClient(near, &link.Options{MaxInFlight: 1})
	if err != nil {
		t.Fatal(err)
	}
	defer server.Wait()
	defer client.Close()
	p := &pairing{client: client, server: server, handler: handler}
	first, cancelFirst := context.WithCancel(t.Context())
	held := p.start(first, methodWait)
	waitUntil(t, "the first method to begin", func() bool { return handler.begun.Load() == 1 })
	second, cancelSecond := context.WithTimeout(t.Context(), 10*time.Millisecond)
	defer cancelSecond()
	if _, err := p.call(second, methodCount, nil); !errors.Is(err, context.DeadlineExceeded) || !errors.Is(err, link.ErrNotExecuted) {
		t.Errorf("a call that waited: got %v, want context.DeadlineExceeded and ErrNotExecuted", err)
	}
	cancelFirst()
	if err := within(t, "the first call", held); !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
	if _, err := p.call(t.Context(), methodEcho, nil); err != nil || handler.counted.Load() != 0 {
		t.Errorf("afterwards: %d methods were entered for a call that was given up, %v", handler.counted.Load(), err)
	}
}

// testCancelRequest ends a call of which one part is sent, and the other can't be, as the server does not read; when it
// does, it learns that the rest will not come.
func testCancelRequest(t *testing.T, transport Transport) {
	near, far := connect(t, transport)
	client, err := link.NewClient(near, options(t))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { client.Close() })
	p := &pairing{client: client}
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() {
		_, err := p.call(ctx, methodCount, make([]byte, longReply))
		ended <- err
	}()
	h, err := next(far)
	if err != nil || h.Kind != wire.KindCall || h.Flags&wire.FlagMore == 0 {
		t.Fatalf("the first piece: %+v, %v", h, err)
	}
	cancel()
	if err := within(t, "a call that could not be sent whole", ended); !errors.Is(err, context.Canceled) || !errors.Is(err, link.ErrNotExecuted) {
		t.Errorf("got %v, want context.Canceled and ErrNotExecuted", err)
	}
	drop(t, far, h)
	for h.Kind == wire.KindCall {
		if h, err = next(far); err != nil {
			t.Fatal(err)
		}
		if drop(t, far, h); h.Kind == wire.KindCall && h.Flags&wire.FlagMore == 0 {
			t.Fatal("the request came whole")
		}
	}
	if h.Kind != wire.KindCancel || wire.Code(h.Method) != wire.CodeCanceled {
		t.Errorf("instead of a cancel came %+v", h)
	}
	server, handler := serve(t, far)
	if _, err := p.call(t.Context(), methodEcho, nil); err != nil || handler.counted.Load() != 0 || server.Running() > 1 {
		t.Errorf("afterwards: %v", err)
	}
}

// testCancelReply cancels a call when a part of its reply is sent, and the other can't be, as the client does not read,
// and wants the server to give it up.
func testCancelReply(t *testing.T, transport Transport) {
	near, far := connect(t, transport)
	server, _ := serve(t, far)
	if err := near.Write(link.Stop{}, &wire.Header{Kind: wire.KindCall, Method: methodLong, ID: 1, Flags: wire.FlagCancellable}, nil, nil); err != nil {
		t.Fatal(err)
	}
	h, err := next(near)
	if err != nil || h.Kind != wire.KindReply || h.Flags&wire.FlagMore == 0 {
		t.Fatalf("the first piece: %+v, %v", h, err)
	}
	if err := near.Write(link.Stop{}, &wire.Header{Kind: wire.KindCancel, Method: uint16(wire.CodeCanceled), ID: 1}, nil, nil); err != nil {
		t.Fatal(err)
	}
	waitUntil(t, "the server to give the reply up", func() bool { return server.Running() == 0 })
	if err := near.Write(link.Stop{}, &wire.Header{Kind: wire.KindPing, ID: 2}, nil, nil); err != nil {
		t.Fatal(err)
	}
	for drop(t, near, h); h.Kind != wire.KindPong; drop(t, near, h) {
		if h.Flags&wire.FlagMore == 0 {
			t.Fatalf("the reply came whole: %+v", h)
		}
		if h, err = next(near); err != nil {
			t.Fatal(err)
		}
	}
}

// longReply is more than any transport holds, in bytes.
const longReply = 32 << 20

// drop reads what a frame carries.
func drop(t *testing.T, c link.Conn, h wire.Header) {
	t.Helper()
	p := make([]byte, 64<<10)
	for left := int(h.Length); left > 0; {
		n, err := c.Read(p[:min(left, len(p))])
		if left -= n; err != nil && !errors.Is(err, link.ErrInterrupted) {
			t.Fatal(err)
		}
	}
}

// waitUntil waits for a condition.
func waitUntil(t *testing.T, what string, reached func() bool) {
	t.Helper()
	for end := time.Now().Add(Patience); !reached(); time.Sleep(100 * time.Microsecond) {
		if time.Now().After(end) {
			t.Fatalf("waited in vain for %s", what)
		}
	}
}
