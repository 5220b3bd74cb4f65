package link_test

import (
	"context"
	"errors"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"hotline/internal/link"
	"hotline/internal/transporttest"
	"hotline/internal/wait"
	"hotline/internal/wire"
)

// No more calls are in flight than the limit says: further callers wait in order, and none of the calls is refused.
func TestInFlightLimitOfClient(t *testing.T) {
	const limit = 3
	g := newGate()
	var most, now atomic.Int64
	p := newPair(t, func(context.Context, *link.Incoming) error {
		most.Store(max(most.Load(), now.Add(1)))
		g.pass()
		now.Add(-1)
		return nil
	}, inFlight(limit))
	var calls []<-chan outcome
	for range 4 * limit {
		calls = append(calls, start(t.Context(), p.client, 0, nil))
	}
	wait.Until(t, "callers that wait", func() bool { return p.client.Waiting() == 3*limit && now.Load() == limit })
	if n := p.client.InFlight(); n != limit {
		t.Errorf("%d calls in flight", n)
	}
	g.open()
	for _, c := range calls {
		if o := wait.Receive(t, "a call", c); o.err != nil {
			t.Fatal(o.err)
		}
	}
	if most.Load() > limit {
		t.Errorf("%d handlers at once", most.Load())
	}
}

// A slot that is handed to a caller at the moment that it gives up goes to the next.
func TestSlotsUnderFire(t *testing.T) {
	p := newPair(t, echo, inFlight(2))
	const callers = 8
	done := make(chan error, callers)
	for i := range callers {
		go func() {
			for j := range 500 {
				ctx, cancel := context.WithCancel(t.Context())
				timer := time.AfterFunc(time.Duration((i*j)%200)*time.Microsecond, cancel)
				_, err := call(ctx, p.client, 0, nil)
				timer.Stop()
				cancel()
				if err != nil && !errors.Is(err, context.Canceled) {
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
	wait.Until(t, "every slot free", func() bool {
		slots, free := p.client.Free()
		return slots == free && slots <= 2 && p.client.Waiting() == 0
	})
}

// A client that does not keep to the limit is answered so, and its link lives on.
func TestInFlightLimitOfServer(t *testing.T) {
	g := newGate()
	server, raw := rawClient(t, func(ctx context.Context, c *link.Incoming) error {
		if c.Method == 1 {
			g.pass()
		}
		c.Reply = c.Payload
		return nil
	}, &link.Options{MaxInFlight: 2}, nil)
	for id := uint64(1); id <= 2; id++ {
		raw.Write(frame(wire.Header{Kind: wire.KindCall, ID: id, Method: 1}, nil))
	}
	raw.Write(frame(wire.Header{Kind: wire.KindCall, ID: 3, Method: 0}, []byte("one too many")))
	if h, b := readFrame(t, raw); h.Kind != wire.KindError || h.ID != 3 || wire.Code(h.Method) != wire.CodeExhausted {
		t.Fatalf("%+v %q", h, b)
	}
	raw.Write(frame(wire.Header{Kind: wire.KindCall, ID: 4, Flags: wire.FlagMore, Total: 8}, []byte("more")))
	if h, b := readFrame(t, raw); h.ID != 4 || wire.Code(h.Method) != wire.CodeExhausted {
		t.Fatalf("%+v %q", h, b)
	}
	raw.Write(frame(wire.Header{Kind: wire.KindCall, ID: 4, Flags: wire.FlagPiece, Total: 8}, []byte("more"))) // dropped
	g.open()
	for range 2 {
		if h, _ := readFrame(t, raw); h.Kind != wire.KindReply || h.ID > 2 {
			t.Fatalf("%+v", h)
		}
	}
	raw.Write(frame(wire.Header{Kind: wire.KindCall, ID: 5}, []byte("fits")))
	if h, b := readFrame(t, raw); h.ID != 5 || string(b) != "fits" {
		t.Fatalf("%+v %q", h, b)
	}
	wait.Until(t, "nothing running", func() bool { return server.Running() == 0 })
}

// A client that cancels without end keeps the server from running ever more handlers that do not look at their context.
func TestCancelledHandlersAreLimited(t *testing.T) {
	const limit = 4
	g := newGate()
	var now atomic.Int64
	server, raw := rawClient(t, func(context.Context, *link.Incoming) error {
		now.Add(1)
		g.pass()
		return nil
	}, &link.Options{MaxInFlight: limit}, nil)
	refused := make(chan int, 1)
	go func() {
		n := 0
		for n < 1000 {
			h, _, err := tryFrame(raw)
			if err != nil {
				break
			}
			if h.Kind == wire.KindError && wire.Code(h.Method) == wire.CodeExhausted {
				n++
			}
		}
		refused <- n
	}()
	for id := uint64(1); id <= 1000+4*limit; id++ {
		raw.Write(frame(wire.Header{Kind: wire.KindCall, ID: id, Flags: wire.FlagCancellable}, nil))
		raw.Write(frame(wire.Header{Kind: wire.KindCancel, ID: id}, nil))
	}
	if n := wait.Receive(t, "refusals", refused); n != 1000 {
		t.Errorf("%d calls were refused", n)
	}
	if n := now.Load(); n > 4*limit {
		t.Errorf("%d handlers run", n)
	}
	g.open()
	wait.Until(t, "nothing running", func() bool { return server.Running() == 0 })
}

// A client that takes no replies is not read from without end.
func TestClientThatTakesNoReplies(t *testing.T) {
	const limit = 4
	server, raw := rawClient(t, func(_ context.Context, c *link.Incoming) error {
		c.Reply = make([]byte, 1000)
		return nil
	}, &link.Options{MaxInFlight: limit}, &transporttest.PipeOptions{MaxFrame: 4 << 10, Capacity: 8 << 10})
	const calls = 2000
	go func() {
		for id := uint64(1); id <= calls; id++ {
			raw.Write(frame(wire.Header{Kind: wire.KindCall, ID: id}, nil))
		}
	}()
	wait.Until(t, "a server that has enough", func() bool { return server.Running() > 8*limit })
	for range 100 {
		if n := server.Running(); n > 8*limit+2 {
			t.Fatalf("%d calls are held", n)
		}
		time.Sleep(100 * time.Microsecond) // whatever comes in, comes in meanwhile
	}
	seen := make(map[uint64]bool)
	for len(seen) < calls {
		h, _ := readFrame(t, raw)
		if seen[h.ID] || h.ID == 0 || h.ID > calls {
			t.Fatalf("%+v", h)
		}
		seen[h.ID] = true
	}
	wait.Until(t, "one worker", func() bool { return server.Workers() == 1 && server.Running() == 0 })
}

func TestTooLarge(t *testing.T) {
	const limit = 100 << 10
	var written atomic.Int64
	var entered atomic.Int64
	p := newPair(t, func(_ context.Context, c *link.Incoming) error {
		entered.Add(1)
		c.Reply = c.Payload
		if c.Method == 1 {
			c.Reply = make([]byte, limit+1)
		}
		return nil
	}, func(c *config) {
		c.client.MaxMessage, c.client.PeerMaxMessage, c.pipe.MaxFrame = limit, limit, 8<<10
		c.server.MaxMessage, c.server.PeerMaxMessage = limit, 2*limit
		c.wrap = func(c link.Conn) link.Conn {
			return &hooked{c, func(*wire.Header) { written.Add(1) }}
		}
	})
	if _, err := call(t.Context(), p.client, 0, make([]byte, limit)); err != nil {
		t.Fatal(err)
	}
	check := func(what string, err error, kind string) {
		t.Helper()
		var large *link.TooLargeError
		if !errors.As(err, &large) || !errors.Is(err, link.ErrTooLarge) || large.What != kind ||
			large.Limit != limit && kind != "metadata" || large.Size != limit+1 && kind != "metadata" {
			t.Errorf("%s: %#v", what, err)
		}
		if !strings.Contains(err.Error(), kind) || p.client.Err() != nil {
			t.Errorf("%s: %v; the link: %v", what, err, p.client.Err())
		}
	}
	before := written.Load()
	_, err := call(t.Context(), p.client, 0, make([]byte, limit+1))
	check("arguments", err, "arguments")
	if !errors.Is(err, link.ErrNotExecuted) || written.Load() != before {
		t.Errorf("%v; %d frames were written", err, written.Load()-before)
	}
	for _, payload := range []int{0, 1000, 90 << 10} {
		_, err := p.client.Call(t.Context(), &link.Request{Metadata: make([]byte, wire.MaxMetadata+1), Payload: make([]byte, payload)})
		check("metadata", err, "metadata")
	}
	before = entered.Load()
	for range 20 { // as leader, and in pieces: the link must outlive both
		_, err = call(t.Context(), p.client, 1, nil)
		check("results over the client's limit", err, "results")
	}
	if entered.Load() != before+20 || errors.Is(err, link.ErrNotExecuted) {
		t.Errorf("the call was executed, yet %v", err)
	}
	if b, err := call(t.Context(), p.client, 0, []byte("alive")); err != nil || string(b) != "alive" {
		t.Fatalf("%q, %v", b, err)
	}
}

// A server refuses what is over its limit, and says so, whatever the client thinks the limit is.
func TestTooLargeForServer(t *testing.T) {
	p := newPair(t, func(_ context.Context, c *link.Incoming) error {
		c.Reply = make([]byte, 2000)
		return nil
	}, func(c *config) {
		c.server.MaxMessage, c.client.PeerMaxMessage = 1000, 1<<20
		c.server.PeerMaxMessage, c.pipe.MaxFrame = 1999, 4<<10
	})
	for _, n := range []int{1001, 100 << 10} {
		if _, err := call(t.Context(), p.client, 0, make([]byte, n)); !isCode(err, wire.CodeTooLarge) {
			t.Errorf("%d bytes: %v", n, err)
		}
	}
	if _, err := call(t.Context(), p.client, 0, make([]byte, 1000)); !isCode(err, wire.CodeResultTooLarge) {
		t.Errorf("results: %v", err)
	}
	if err := p.client.Ping(t.Context()); err != nil {
		t.Error(err)
	}
}

func TestOptions(t *testing.T) {
	near, far := transporttest.Pipe(nil)
	defer near.Close()
	for _, o := range []link.Options{{MaxMessage: -1}, {PeerMaxMessage: -1}, {MaxInFlight: -1}, {MaxInFlight: link.MaxMaxInFlight + 1}} {
		if _, err := link.NewClient(near, &o); err == nil {
			t.Errorf("a client with %+v", o)
		}
		if _, err := link.NewServer(far, handler(echo), &o, nil); err == nil {
			t.Errorf("a server with %+v", o)
		}
	}
}
