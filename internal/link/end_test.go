package link_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"sync/atomic"
	"testing"
	"time"

	"github.com/rs/zerolog"

	"hotline/internal/link"
	"hotline/internal/transporttest"
	"hotline/internal/wait"
	"hotline/internal/wire"
)

// When the link ends every call ends, and says rightly whether it can have been executed.
func TestEndOfLink(t *testing.T) {
	ends := map[string]func(l *link.Client, raw *transporttest.Raw){
		"by this side": func(l *link.Client, _ *transporttest.Raw) { l.Close() },
		"by the peer":  func(_ *link.Client, raw *transporttest.Raw) { raw.Close() },
		"by the peer in the middle of a frame": func(_ *link.Client, raw *transporttest.Raw) {
			raw.Write([]byte{1, 2, 3})
			raw.Close()
		},
		"by garbage": func(_ *link.Client, raw *transporttest.Raw) { raw.Write(bytes.Repeat([]byte{0xff}, 64)) },
	}
	small := &transporttest.PipeOptions{MaxFrame: 4 << 10, Capacity: 4<<10 + wire.HeaderSize}
	for name, end := range ends {
		t.Run(name, func(t *testing.T) {
			l, raw := rawServer(t, &link.Options{MaxInFlight: 4}, small)
			var sent, unsent []<-chan outcome
			for range 3 {
				sent = append(sent, start(context.Background(), l, 0, nil))
			}
			for range 3 {
				readFrame(t, raw)
			}
			unsent = append(unsent, start(context.Background(), l, 0, make([]byte, 64<<10))) // can't be sent whole
			wait.Until(t, "four calls in flight", func() bool { return l.InFlight() == 4 })
			for range 3 {
				unsent = append(unsent, start(context.Background(), l, 0, nil)) // wait for a slot
			}
			wait.Until(t, "three callers that wait", func() bool { return l.Waiting() == 3 })
			if h, _ := readFrame(t, raw); h.Flags != wire.FlagMore {
				t.Fatalf("%+v", h)
			}
			end(l, raw)
			for _, c := range sent {
				if o := wait.Receive(t, "a call that was sent", c); !errors.Is(o.err, link.ErrMaybeExecuted) || errors.Is(o.err, link.ErrNotExecuted) {
					t.Errorf("sent: %v", o.err)
				} else if errors.Is(o.err, link.ErrClosed) != (name == "by this side") {
					t.Errorf("sent: wrong cause: %v", o.err)
				}
			}
			for _, c := range unsent {
				if o := wait.Receive(t, "a call that was not sent", c); !errors.Is(o.err, link.ErrNotExecuted) || errors.Is(o.err, link.ErrMaybeExecuted) {
					t.Errorf("not sent: %v", o.err)
				} else if errors.Is(o.err, link.ErrClosed) != (name == "by this side") {
					t.Errorf("not sent: wrong cause: %v", o.err)
				}
			}
			wait.Receive(t, "the link's end", l.Ended())
			if o := wait.Receive(t, "a call afterwards", start(t.Context(), l, 0, nil)); !errors.Is(o.err, link.ErrNotExecuted) {
				t.Errorf("afterwards: %v", o.err)
			}
			var wrong *wire.ProtocolError
			if errors.As(l.Err(), &wrong) != (name == "by garbage") {
				t.Errorf("cause: %v", l.Err())
			}
			wait.Return(t, "Close", func() { l.Close(); l.Close() })
			if slots, free := l.Free(); slots != free {
				t.Errorf("%d slots, %d of them free", slots, free)
			}
		})
	}
}

// Close from many sides at once, with calls in every phase, ends all of them and returns.
func TestCloseUnderFire(t *testing.T) {
	for range 200 {
		p := newPair(t, func(ctx context.Context, c *link.Incoming) error {
			if c.Method == 1 {
				<-ctx.Done()
			}
			c.Reply = c.Payload
			return nil
		}, inFlight(3), func(c *config) { c.pipe.MaxFrame = 4 << 10 })
		var calls []<-chan outcome
		for i := range 6 {
			calls = append(calls, start(t.Context(), p.client, uint16(i%2), make([]byte, i*2000)))
		}
		done := make(chan struct{}, 4)
		for i := range 4 {
			go func() {
				if i%2 == 0 {
					p.client.Close()
				} else {
					p.server.Close()
				}
				done <- struct{}{}
			}()
		}
		for range 4 {
			wait.Receive(t, "Close", done)
		}
		for _, c := range calls {
			if o := wait.Receive(t, "a call", c); o.err != nil && errors.Is(o.err, link.ErrMaybeExecuted) == errors.Is(o.err, link.ErrNotExecuted) {
				t.Errorf("an outcome that says neither or both: %v", o.err)
			}
		}
	}
}

// The end of a link is told once, its cause is kept, and a handler may itself bring it about.
func TestEndOfServer(t *testing.T) {
	var log bytes.Buffer
	logger := zerolog.New(zerolog.SyncWriter(&log))
	for _, how := range []string{"by the client", "by the handler", "by garbage", "by half a frame"} {
		log.Reset()
		var told atomic.Int32
		near, raw := transporttest.RawPipe(nil)
		var server *link.Server
		ready := make(chan struct{})
		server, err := link.NewServer(near, handler(func(context.Context, *link.Incoming) error {
			<-ready
			server.Close()
			server.Close()
			return nil
		}), &link.Options{Logger: &logger}, func() { told.Add(1) })
		if err != nil {
			t.Fatal(err)
		}
		close(ready)
		switch how {
		case "by the client":
			raw.Close()
		case "by the handler":
			raw.Write(frame(wire.Header{Kind: wire.KindCall, ID: 1}, nil))
		case "by garbage":
			raw.Write(make([]byte, wire.HeaderSize))
		case "by half a frame":
			raw.Write(frame(wire.Header{Kind: wire.KindCall, ID: 1}, []byte("half"))[:wire.HeaderSize+2])
			raw.Close()
		}
		wait.Receive(t, how, server.Ended())
		wait.Return(t, "Wait", server.Wait)
		server.Close()
		if told.Load() != 1 {
			t.Errorf("%s: told %d times", how, told.Load())
		}
		cause := server.Err()
		quiet := how == "by the client" || how == "by the handler"
		if (log.Len() == 0) != quiet {
			t.Errorf("%s: logged %q", how, log.String())
		}
		if want := map[string]error{"by the client": io.EOF, "by the handler": link.ErrClosed,
			"by half a frame": io.ErrUnexpectedEOF}[how]; want != nil && !errors.Is(cause, want) {
			t.Errorf("%s: %v", how, cause)
		}
		if err := server.Shutdown(t.Context()); err != nil {
			t.Errorf("%s: Shutdown afterwards: %v", how, err)
		}
	}
}

// A link that was retired lets no new calls begin, and those under way end well.
func TestRetire(t *testing.T) {
	g := newGate()
	p := newPair(t, func(_ context.Context, c *link.Incoming) error {
		g.pass()
		c.Reply = []byte("done")
		return nil
	}, inFlight(1))
	under := start(t.Context(), p.client, 0, nil)
	wait.Until(t, "the call", func() bool { return p.client.InFlight() == 1 })
	queued := start(t.Context(), p.client, 0, nil)
	wait.Until(t, "a caller that waits", func() bool { return p.client.Waiting() == 1 })
	p.client.Retire()
	if o := wait.Receive(t, "a caller without a slot", queued); !errors.Is(o.err, link.ErrDraining) || !errors.Is(o.err, link.ErrNotExecuted) {
		t.Errorf("queued: %v", o.err)
	}
	if _, err := call(t.Context(), p.client, 0, nil); !errors.Is(err, link.ErrDraining) || !errors.Is(err, link.ErrNotExecuted) {
		t.Errorf("a new call: %v", err)
	}
	if load, open := p.client.Load(); load != 1 || open {
		t.Errorf("Load: got %d, %t, want 1 and that the link takes no calls", load, open)
	}
	g.open()
	if o := wait.Receive(t, "the call under way", under); o.err != nil || string(o.body) != "done" {
		t.Errorf("the call under way: got %q, %v", o.body, o.err)
	}
	if n := p.client.InFlight(); n != 0 {
		t.Errorf("%d calls are in flight", n)
	}
}

// A server that shuts down lets the calls in flight end, answers no new ones, and in the end every call has a known
// outcome: executed and answered, or not executed.
func TestShutdown(t *testing.T) {
	g := newGate()
	var entered atomic.Int32
	p := newPair(t, func(context.Context, *link.Incoming) error {
		entered.Add(1)
		g.pass()
		return nil
	}, inFlight(4))
	var calls, queued []<-chan outcome
	for range 4 {
		calls = append(calls, start(t.Context(), p.client, 0, nil))
	}
	wait.Until(t, "handlers", func() bool { return entered.Load() == 4 })
	for range 3 {
		queued = append(queued, start(t.Context(), p.client, 0, nil))
	}
	wait.Until(t, "callers that wait", func() bool { return p.client.Waiting() == 3 })
	down := make(chan error, 1)
	go func() { down <- p.server.Shutdown(t.Context()) }()
	wait.Until(t, "a goaway", p.client.Draining)
	for _, c := range queued {
		if o := wait.Receive(t, "a caller without a slot", c); !errors.Is(o.err, link.ErrDraining) || !errors.Is(o.err, link.ErrNotExecuted) {
			t.Errorf("queued: %v", o.err)
		}
	}
	if _, err := call(t.Context(), p.client, 0, nil); !errors.Is(err, link.ErrDraining) || !errors.Is(err, link.ErrNotExecuted) {
		t.Errorf("a new call: %v", err)
	}
	select {
	case err := <-down:
		t.Fatalf("Shutdown returned with calls in flight: %v", err)
	default:
	}
	g.open()
	for _, c := range calls {
		if o := wait.Receive(t, "a call in flight", c); o.err != nil {
			t.Errorf("in flight: %v", o.err)
		}
	}
	if err := wait.Receive(t, "Shutdown", down); err != nil {
		t.Error(err)
	}
	wait.Receive(t, "the link's end", p.client.Ended())
	if entered.Load() != 4 {
		t.Errorf("%d calls were executed", entered.Load())
	}
}

// Callers that keep calling while the server shuts down learn for each call that it was executed or that it was not.
func TestShutdownUnderFire(t *testing.T) {
	for range 50 {
		var entered atomic.Int64
		p := newPair(t, func(context.Context, *link.Incoming) error {
			entered.Add(1)
			return nil
		})
		const callers = 4
		var answered atomic.Int64
		done := make(chan error, callers)
		for range callers {
			go func() {
				for {
					_, err := call(context.Background(), p.client, 0, nil)
					switch {
					case err == nil:
						answered.Add(1)
						continue
					case errors.Is(err, link.ErrNotExecuted), isCode(err, wire.CodeDraining):
						err = nil
					}
					done <- err
					return
				}
			}()
		}
		wait.Until(t, "calls", func() bool { return entered.Load() > 100 })
		if err := p.server.Shutdown(t.Context()); err != nil {
			t.Fatal(err)
		}
		for range callers {
			if err := wait.Receive(t, "a caller", done); err != nil {
				t.Errorf("the outcome is not known: %v", err)
			}
		}
		if entered.Load() != answered.Load() {
			t.Errorf("%d calls were executed, %d were answered", entered.Load(), answered.Load())
		}
	}
}

// Shutdown gives up with its context, also where the goaway can't be written.
func TestShutdownGivesUp(t *testing.T) {
	for _, full := range []bool{false, true} {
		g, entered := newGate(), make(chan struct{}, 1)
		server, raw := rawClient(t, func(_ context.Context, c *link.Incoming) error {
			c.Reply = make([]byte, 4<<10)
			if c.Method == 1 {
				entered <- struct{}{}
				g.pass()
			}
			return nil
		}, nil, &transporttest.PipeOptions{MaxFrame: 4 << 10, Capacity: 4<<10 + wire.HeaderSize})
		if full {
			raw.Write(frame(wire.Header{Kind: wire.KindCall, ID: 2}, nil)) // its reply fills the pipe
			wait.Until(t, "a reply", func() bool { return server.Running() == 0 })
		}
		raw.Write(frame(wire.Header{Kind: wire.KindCall, ID: 1, Method: 1}, nil))
		wait.Receive(t, "the handler", entered)
		ctx, cancel := context.WithCancel(t.Context())
		down := make(chan error, 1)
		go func() { down <- server.Shutdown(ctx) }()
		cancel()
		if err := wait.Receive(t, "Shutdown", down); !errors.Is(err, context.Canceled) {
			t.Errorf("full %v: %v", full, err)
		}
		wait.Receive(t, "the link's end", server.Ended())
		g.open()
	}
}

// A request of which pieces have come when the server begins to drain is still executed.
func TestShutdownWaitsForPieces(t *testing.T) {
	server, raw := rawClient(t, echo, nil, nil)
	raw.Write(frame(wire.Header{Kind: wire.KindCall, ID: 1, Flags: wire.FlagMore, Total: 4}, []byte("ab")))
	wait.Until(t, "half a call", func() bool { return server.Running() == 1 })
	down := make(chan error, 1)
	go func() { down <- server.Shutdown(t.Context()) }()
	if h, _ := readFrame(t, raw); h.Kind != wire.KindGoaway {
		t.Fatalf("%+v", h)
	}
	raw.Write(frame(wire.Header{Kind: wire.KindCall, ID: 2}, nil))
	if h, _ := readFrame(t, raw); h.ID != 2 || wire.Code(h.Method) != wire.CodeDraining {
		t.Fatalf("%+v", h)
	}
	raw.Write(frame(wire.Header{Kind: wire.KindCall, ID: 1, Flags: wire.FlagPiece, Total: 4}, []byte("cd")))
	if h, b := readFrame(t, raw); h.ID != 1 || string(b) != "abcd" {
		t.Fatalf("%+v %q", h, b)
	}
	if h, _ := readFrame(t, raw); h.Kind != wire.KindBye {
		t.Fatalf("%+v", h)
	}
	if err := wait.Receive(t, "Shutdown", down); err != nil {
		t.Error(err)
	}
	if _, _, err := tryFrame(raw); !errors.Is(err, io.EOF) {
		t.Errorf("after the bye: %v", err)
	}
}

// lingering is a connection that takes its time to close.
type lingering struct {
	link.Conn
	until chan struct{}
}

func (c *lingering) Close() error {
	<-c.until
	return c.Conn.Close()
}

// Handlers learn of the link's end at once, and not when the connection has taken leave of its peer.
func TestHandlersEndBeforeTheConnection(t *testing.T) {
	near, raw := transporttest.RawPipe(nil)
	until, entered := make(chan struct{}), make(chan struct{})
	server, err := link.NewServer(&lingering{near, until}, handler(func(ctx context.Context, c *link.Incoming) error {
		close(entered)
		<-ctx.Done()
		close(until)
		return nil
	}), nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	raw.Write(frame(wire.Header{Kind: wire.KindCall, ID: 1}, nil))
	wait.Receive(t, "the handler", entered)
	wait.Return(t, "Close", func() { server.Close() })
	wait.Return(t, "Wait", server.Wait)
}

// Where a client closes its link, a stream that it had not sent whole is cut off: it is not ended well, even though the
// connection still takes frames when the producer learns of it.
func TestClosedClientEndsNoStream(t *testing.T) {
	until := make(chan struct{})
	p, _ := streamPair(t, func(c *config) {
		c.wrap = func(c link.Conn) link.Conn {
			return &hooked{&lingering{c, until}, func(h *wire.Header) {
				if h.Kind == wire.KindEnd {
					t.Errorf("the stream was ended, with code %d", h.Method)
				}
			}}
		}
	})
	s := open(t, t.Context(), p.client, methodGather, nil, true, false)
	if err := s.Send(pattern(10, 0)); err != nil {
		t.Fatal(err)
	}
	go p.client.Close()
	wait.Receive(t, "the link's end", p.client.Ended())
	if err := s.Send(pattern(10, 1)); err == nil {
		t.Error("an item was taken on a link that has ended")
	}
	if _, err := finish(s); !errors.Is(err, link.ErrMaybeExecuted) {
		t.Errorf("the call ended with %v", err)
	}
	close(until)
}

// Where a server closes a link it answers nothing more, even though the connection still takes frames when its handlers return: what
// they make of the end of their contexts is not what became of the calls.
func TestClosedServerAnswersNothing(t *testing.T) {
	near, raw := transporttest.RawPipe(nil)
	until, entered := make(chan struct{}), make(chan struct{}, 2)
	server, err := link.NewServer(&lingering{near, until}, handler(func(ctx context.Context, c *link.Incoming) error {
		entered <- struct{}{}
		<-ctx.Done()
		return nil
	}), nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	raw.Write(frame(wire.Header{Kind: wire.KindCall, ID: 1, Flags: wire.FlagCancellable | wire.FlagTakes}, nil))
	wait.Receive(t, "the handler of a stream", entered)
	raw.Write(frame(wire.Header{Kind: wire.KindCall, ID: 2}, nil))
	wait.Receive(t, "the handler of a call", entered)
	closed := make(chan struct{})
	go func() {
		defer close(closed)
		server.Close()
	}()
	wait.Until(t, "both handlers' end", func() bool { return server.Running() == 0 })
	close(until)
	if h, _, err := tryFrame(raw); !errors.Is(err, io.EOF) {
		t.Errorf("after the link's end came %+v, %v", h, err)
	}
	wait.Receive(t, "Close", closed)
	wait.Return(t, "Wait", server.Wait)
}

// A stream that is cut off by its call's deadline does not end well, though its handler returns no error.
func TestDeadlineEndsNoStreamWell(t *testing.T) {
	near, raw := transporttest.RawPipe(nil)
	server, err := link.NewServer(near, handler(func(ctx context.Context, c *link.Incoming) error {
		<-ctx.Done()
		return nil
	}), nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	for id, streams := range []wire.Flags{wire.FlagTakes, wire.FlagSends} {
		raw.Write(frame(wire.Header{Kind: wire.KindCall, ID: uint64(id + 1), Flags: wire.FlagCancellable | streams, Timeout: uint64(time.Millisecond)}, nil))
		if h, _ := readFrame(t, raw); h.Kind != wire.KindError || wire.Code(h.Method) != wire.CodeDeadline {
			t.Errorf("the answer is %+v", h)
		}
	}
	server.Close()
	wait.Return(t, "Wait", server.Wait)
}
