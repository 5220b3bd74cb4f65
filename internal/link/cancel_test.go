package link_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"testing"
	"time"

	"hotline/internal/link"
	"hotline/internal/transporttest"
	"hotline/internal/wait"
	"hotline/internal/wire"
)

// rawServer is a client whose server is the test itself, in plain bytes.
func rawServer(t *testing.T, o *link.Options, pipe *transporttest.PipeOptions) (*link.Client, *transporttest.Raw) {
	t.Helper()
	conn, raw := transporttest.RawPipe(pipe)
	if o == nil {
		o = &link.Options{Buffers: &link.Buffers{Poison: true}}
	}
	client, err := link.NewClient(conn, o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { client.Close() })
	return client, raw
}

// rawClient is a server whose client is the test itself.
func rawClient(t *testing.T, h handler, o *link.Options, pipe *transporttest.PipeOptions) (*link.Server, *transporttest.Raw) {
	t.Helper()
	conn, raw := transporttest.RawPipe(pipe)
	if o == nil {
		o = &link.Options{Buffers: &link.Buffers{Poison: true}}
	}
	server, err := link.NewServer(conn, h, o, nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		server.Close()
		wait.Return(t, "the server's handlers", server.Wait)
	})
	return server, raw
}

// ending is a way for a call's context to end: it returns the context, what makes it end, and the error of the call.
type ending struct {
	name  string
	begin func(parent context.Context) (ctx context.Context, timeout time.Duration, end func(), want error)
}

var endings = []ending{
	{"cancel", func(parent context.Context) (context.Context, time.Duration, func(), error) {
		ctx, cancel := context.WithCancel(parent)
		return ctx, 0, cancel, context.Canceled
	}},
	{"deadline", func(parent context.Context) (context.Context, time.Duration, func(), error) {
		ctx, cancel := context.WithTimeout(parent, 50*time.Millisecond)
		context.AfterFunc(ctx, cancel)
		return ctx, 0, func() {}, context.DeadlineExceeded
	}},
	{"timeout", func(parent context.Context) (context.Context, time.Duration, func(), error) {
		return parent, 50 * time.Millisecond, func() {}, context.DeadlineExceeded
	}},
	{"timeout without a context", func(context.Context) (context.Context, time.Duration, func(), error) {
		return context.Background(), 50 * time.Millisecond, func() {}, context.DeadlineExceeded
	}},
}

// A call ends with its context in whatever phase it is, at once, and leaves nothing behind.
func TestEndInEveryPhase(t *testing.T) {
	small := &transporttest.PipeOptions{MaxFrame: 4 << 10, Capacity: 4<<10 + wire.HeaderSize}
	// Each phase brings the link to where the call will hang, says when it does, and lets the peer go on in the end.
	phases := []struct {
		name     string
		limit    int
		payload  int
		executed bool // the error must say that the call may have been
		prepare  func(t *testing.T, l *link.Client, raw *transporttest.Raw)
		hangs    func(l *link.Client) bool
		sends    func(t *testing.T, raw *transporttest.Raw) // what the peer says to the call in question
	}{
		{name: "before", executed: false, hangs: func(*link.Client) bool { return true }},
		{name: "waiting for a slot", limit: 1,
			prepare: func(t *testing.T, l *link.Client, _ *transporttest.Raw) { occupy(t, l) },
			hangs:   func(l *link.Client) bool { return l.Waiting() == 1 }},
		{name: "writing into a full transport", payload: 16 << 10,
			prepare: func(t *testing.T, l *link.Client, raw *transporttest.Raw) {},
			hangs:   func(l *link.Client) bool { return l.InFlight() == 1 }},
		{name: "waiting as leader", executed: true,
			hangs: func(l *link.Client) bool { _, reading := l.Parked(); return l.InFlight() == 1 && reading }},
		{name: "waiting parked", executed: true,
			prepare: func(t *testing.T, l *link.Client, _ *transporttest.Raw) { occupy(t, l) },
			hangs:   func(l *link.Client) bool { n, reading := l.Parked(); return n >= 1 && reading && l.InFlight() == 2 }},
		{name: "in the middle of a stalled frame", executed: true,
			hangs: func(l *link.Client) bool { return l.InFlight() == 1 },
			sends: func(t *testing.T, raw *transporttest.Raw) {
				h, _ := readFrame(t, raw)
				half := frame(wire.Header{Kind: wire.KindReply, ID: h.ID}, make([]byte, 1000))
				raw.Write(half[:500])
			}},
		{name: "in the middle of a stalled header", executed: true,
			hangs: func(l *link.Client) bool { return l.InFlight() == 1 },
			sends: func(t *testing.T, raw *transporttest.Raw) {
				h, _ := readFrame(t, raw)
				raw.Write(frame(wire.Header{Kind: wire.KindReply, ID: h.ID}, nil)[:7])
			}},
		{name: "between two pieces", executed: true,
			hangs: func(l *link.Client) bool { return l.InFlight() == 1 },
			sends: func(t *testing.T, raw *transporttest.Raw) {
				h, _ := readFrame(t, raw)
				raw.Write(frame(wire.Header{Kind: wire.KindReply, ID: h.ID, Flags: wire.FlagMore, Total: 2000}, make([]byte, 1000)))
			}},
	}
	for _, phase := range phases {
		for _, end := range endings {
			t.Run(phase.name+"/"+end.name, func(t *testing.T) {
				l, raw := rawServer(t, &link.Options{MaxInFlight: max(phase.limit, 2), Buffers: &link.Buffers{Poison: true}}, small)
				if phase.limit > 0 {
					l, raw = rawServer(t, &link.Options{MaxInFlight: phase.limit}, small)
				}
				if phase.prepare != nil {
					phase.prepare(t, l, raw)
				}
				ctx, timeout, stop, want := end.begin(t.Context())
				if phase.name == "before" {
					stop()
					if timeout != 0 {
						timeout = 1
					} else {
						<-ctx.Done()
					}
				}
				before := l.InFlight()
				done := make(chan error, 1)
				go func() {
					_, err := l.Call(ctx, &link.Request{Timeout: timeout, Payload: make([]byte, phase.payload)})
					done <- err
				}()
				if phase.sends != nil {
					phase.sends(t, raw)
				}
				if end.name == "cancel" && phase.name != "before" {
					wait.Until(t, "the call under way", func() bool { return phase.hangs(l) })
				}
				stop()
				err := wait.Receive(t, "the end of the call", done)
				if !errors.Is(err, want) {
					t.Fatalf("got %v", err)
				}
				if phase.name != "before" && errors.Is(err, link.ErrMaybeExecuted) != phase.executed {
					t.Errorf("wrong about what happened: %v", err)
				}
				if errors.Is(err, link.ErrMaybeExecuted) == errors.Is(err, link.ErrNotExecuted) {
					t.Errorf("it says neither or both: %v", err)
				}
				go func() { // the peer takes what there is, so that the cancel can leave
					for {
						if _, _, err := tryFrame(raw); err != nil {
							return
						}
					}
				}()
				wait.Until(t, "nothing kept", func() bool { return l.InFlight() == before && l.Waiting() == 0 })
				if err := l.Err(); err != nil {
					t.Errorf("the link ended: %v", err)
				}
			})
		}
	}
}

// A caller whose context ends returns although a frame that has begun to come, before it made its call, never ends.
func TestEndBehindHalfAFrame(t *testing.T) {
	for _, half := range []int{1, wire.HeaderSize, wire.HeaderSize + 10} {
		for range 30 {
			l, raw := rawServer(t, nil, nil)
			first := start(t.Context(), l, 0, nil)
			h, _ := readFrame(t, raw)
			reply := frame(wire.Header{Kind: wire.KindReply, ID: h.ID}, make([]byte, 20))
			raw.Write(append(reply, reply[:half]...)) // the second is too late, and not whole
			if o := wait.Receive(t, "the first call", first); o.err != nil {
				t.Fatal(o.err)
			}
			ctx, cancel := context.WithCancel(t.Context())
			second := start(ctx, l, 0, nil)
			readFrame(t, raw)
			cancel()
			if o := wait.Receive(t, "the cancelled call", second); !errors.Is(o.err, context.Canceled) {
				t.Fatal(o.err)
			}
			l.Close()
		}
	}
}

// occupy makes a call that nobody answers before the test ends.
func occupy(t *testing.T, l *link.Client) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	c := start(ctx, l, 0, nil)
	t.Cleanup(func() {
		cancel()
		wait.Receive(t, "the end of the call that holds a slot", c)
	})
	wait.Until(t, "a call in flight", func() bool { _, reading := l.Parked(); return l.InFlight() == 1 && reading })
}

// After a call was cancelled in the middle of its reply, the rest is dropped and later calls in its slot get their own.
func TestLateRepliesAreDropped(t *testing.T) {
	l, raw := rawServer(t, nil, nil)
	ctx, cancel := context.WithCancel(t.Context())
	first := start(ctx, l, 0, []byte("first"))
	h, _ := readFrame(t, raw)
	reply := frame(wire.Header{Kind: wire.KindReply, ID: h.ID, Flags: wire.FlagMore, Total: 2000}, bytes.Repeat([]byte{1}, 1000))
	raw.Write(reply[:700])
	wait.Until(t, "a reader", func() bool { _, reading := l.Parked(); return reading })
	cancel()
	if o := wait.Receive(t, "the first call", first); !errors.Is(o.err, context.Canceled) {
		t.Fatal(o.err)
	}
	if c, _ := readFrame(t, raw); c.Kind != wire.KindCancel || c.ID != h.ID || wire.Code(c.Method) != wire.CodeCanceled {
		t.Fatalf("instead of a cancel came %+v", c)
	}
	second := start(t.Context(), l, 0, []byte("second"))
	k, _ := readFrame(t, raw)
	if k.ID == h.ID || k.ID&(1<<link.SlotBits-1) != h.ID&(1<<link.SlotBits-1) {
		t.Fatalf("call %#x after %#x: another id of the same slot was expected", k.ID, h.ID)
	}
	raw.Write(reply[700:])
	raw.Write(frame(wire.Header{Kind: wire.KindReply, ID: h.ID, Flags: wire.FlagPiece, Total: 2000}, bytes.Repeat([]byte{2}, 1000)))
	raw.Write(frame(wire.Header{Kind: wire.KindReply, ID: h.ID}, []byte("late")))
	raw.Write(frame(wire.Header{Kind: wire.KindError, ID: h.ID, Method: 16}, wire.AppendError(nil, &wire.Error{Message: "late"})))
	raw.Write(frame(wire.Header{Kind: wire.KindReply, ID: k.ID}, []byte("yours")))
	raw.Write(frame(wire.Header{Kind: wire.KindReply, ID: k.ID}, []byte("once more")))
	if o := wait.Receive(t, "the second call", second); o.err != nil || string(o.body) != "yours" {
		t.Fatalf("%q, %v", o.body, o.err)
	}
	third := start(t.Context(), l, 0, nil)
	k, _ = readFrame(t, raw)
	raw.Write(frame(wire.Header{Kind: wire.KindReply, ID: k.ID}, []byte("third")))
	if o := wait.Receive(t, "the third call", third); o.err != nil || string(o.body) != "third" {
		t.Fatalf("%q, %v", o.body, o.err)
	}
}

// The handler's context ends when the caller cancels, also when its method is known to be slow and so runs on a goroutine
// of its own, and whenever the cancel comes.
func TestCancelReachesHandler(t *testing.T) {
	var entered, left atomic.Int64
	p := newPair(t, func(ctx context.Context, c *link.Incoming) error {
		entered.Add(1)
		defer left.Add(1)
		<-ctx.Done()
		if ctx.Err() != context.Canceled {
			return fmt.Errorf("ended with %w", ctx.Err())
		}
		return ctx.Err()
	})
	for i := range 1000 {
		ctx, cancel := context.WithCancel(t.Context())
		c := start(ctx, p.client, 1, nil)
		if i%2 == 0 {
			wait.Until(t, "the call under way", func() bool { return p.client.InFlight() > 0 })
		}
		cancel()
		if o := wait.Receive(t, "the call", c); !errors.Is(o.err, context.Canceled) {
			t.Fatal(o.err)
		}
	}
	wait.Until(t, "every handler back", func() bool { return p.server.Running() == 0 && entered.Load() == left.Load() })
}

// A cancel that comes right behind its call finds it, whoever has begun to read by then.
func TestCancelRightBehindItsCall(t *testing.T) {
	server, raw := rawClient(t, func(ctx context.Context, c *link.Incoming) error {
		<-ctx.Done()
		return ctx.Err()
	}, nil, nil)
	for id := uint64(1); id <= 3000; id++ {
		both := frame(wire.Header{Kind: wire.KindCall, ID: id, Flags: wire.FlagCancellable}, nil)
		raw.Write(append(both, frame(wire.Header{Kind: wire.KindCancel, ID: id}, nil)...))
		if id%100 == 0 {
			wait.Until(t, "every handler back", func() bool { return server.Running() == 0 })
		}
	}
}

// A deadline reaches the handler's context as a deadline, although the caller, whose clock is ahead, cancels first.
func TestDeadlineReachesHandler(t *testing.T) {
	var wrong atomic.Value
	p := newPair(t, func(ctx context.Context, c *link.Incoming) error {
		at, ok := ctx.Deadline()
		if left := time.Until(at); !ok || left > time.Hour {
			wrong.Store(fmt.Errorf("deadline in %v, %v", left, ok))
		}
		if c.Method == 1 {
			<-ctx.Done()
			if ctx.Err() != context.DeadlineExceeded {
				wrong.Store(fmt.Errorf("ended with %w", ctx.Err()))
			}
		}
		return ctx.Err()
	})
	ctx, cancel := context.WithTimeout(t.Context(), time.Hour)
	defer cancel()
	if _, err := call(ctx, p.client, 0, nil); err != nil {
		t.Fatal(err)
	}
	for i := range 100 {
		ctx, cancel := context.WithTimeout(t.Context(), time.Duration(i)*100*time.Microsecond)
		_, err := call(ctx, p.client, 1, nil)
		cancel()
		if !isDeadline(err) {
			t.Fatal(err)
		}
		if _, err = p.client.Call(t.Context(), &link.Request{Method: 1, Timeout: time.Millisecond}); !isDeadline(err) {
			t.Fatal(err)
		}
	}
	wait.Until(t, "every handler back", func() bool { return p.server.Running() == 0 })
	if err := wrong.Load(); err != nil {
		t.Error(err)
	}
}

// The deadline that is left travels, the earlier of context and timeout, and counts from the first piece of a request.
func TestDeadlineTravels(t *testing.T) {
	l, raw := rawServer(t, nil, &transporttest.PipeOptions{MaxFrame: 4 << 10})
	left := func(ctx context.Context, timeout time.Duration) time.Duration {
		t.Helper()
		done := make(chan error, 1)
		go func() {
			_, err := l.Call(ctx, &link.Request{Timeout: timeout})
			done <- err
		}()
		h, _ := readFrame(t, raw)
		raw.Write(frame(wire.Header{Kind: wire.KindReply, ID: h.ID}, nil))
		if err := wait.Receive(t, "a reply", done); err != nil {
			t.Fatal(err)
		}
		return time.Duration(h.Timeout)
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Hour)
	defer cancel()
	for _, test := range []struct {
		ctx      context.Context
		timeout  time.Duration
		from, to time.Duration
	}{
		{context.Background(), 0, 0, 0},
		{t.Context(), 0, 0, 0},
		{t.Context(), time.Minute, time.Second, time.Minute},
		{ctx, 0, 2 * time.Minute, time.Hour},
		{ctx, time.Minute, time.Second, time.Minute},
		{ctx, 2 * time.Hour, 2 * time.Minute, time.Hour},
	} {
		if d := left(test.ctx, test.timeout); d < test.from || d > test.to {
			t.Errorf("%v: %v travelled", test, d)
		}
	}
	deadline := make(chan time.Time, 1)
	began := time.Now()
	_, far := rawClient(t, func(ctx context.Context, c *link.Incoming) error {
		at, _ := ctx.Deadline()
		deadline <- at
		return nil
	}, nil, nil)
	far.Write(frame(wire.Header{Kind: wire.KindCall, ID: 7, Flags: wire.FlagMore, Total: 2, Timeout: uint64(time.Hour)}, []byte{1}))
	time.Sleep(50 * time.Millisecond)
	second := time.Now()
	far.Write(frame(wire.Header{Kind: wire.KindCall, ID: 7, Flags: wire.FlagPiece, Total: 2, Timeout: uint64(time.Hour)}, []byte{1}))
	if at := wait.Receive(t, "the call", deadline); at.Before(began.Add(time.Hour)) || at.After(second.Add(time.Hour)) {
		t.Errorf("the deadline is %v after the first piece", at.Sub(began))
	}
}

// What derives from a handler's context ends with it, by any of the ways there are.
func TestDerivedContexts(t *testing.T) {
	type key struct{}
	for _, how := range []string{"cancel", "deadline", "link", "return"} {
		t.Run(how, func(t *testing.T) {
			entered := make(chan context.Context, 1)
			ended := make(chan string, 10)
			base := context.WithValue(context.Background(), key{}, "base")
			p := newPair(t, func(ctx context.Context, c *link.Incoming) error {
				watch := func(name string, ctx context.Context) {
					go func() {
						<-ctx.Done()
						ended <- fmt.Sprint(name, " ", ctx.Err() != nil, " ", context.Cause(ctx) != nil)
					}()
				}
				child, cancel := context.WithCancel(ctx)
				t.Cleanup(cancel) // not before: it is the parent that is to end it
				grandchild, cancel := context.WithTimeout(context.WithValue(child, key{}, "x"), time.Hour)
				t.Cleanup(cancel)
				watch("own", ctx)
				watch("child", child)
				watch("grandchild", grandchild)
				context.AfterFunc(ctx, func() { ended <- "after true true" })
				never := context.AfterFunc(ctx, func() { ended <- "stopped" })
				if !never() || never() {
					ended <- "stop says otherwise"
				}
				if ctx.Value(key{}) != "base" {
					ended <- "no values"
				}
				entered <- ctx
				if how != "return" {
					<-ctx.Done()
				}
				return ctx.Err()
			}, func(c *config) { c.server.Context = base })
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			timeout := time.Duration(0)
			if how == "deadline" {
				timeout = 50 * time.Millisecond
			}
			done := make(chan error, 1)
			go func() {
				_, err := p.client.Call(ctx, &link.Request{Timeout: timeout})
				done <- err
			}()
			own := wait.Receive(t, "the handler", entered)
			switch how {
			case "cancel":
				cancel()
			case "link":
				p.client.Close()
			}
			got := map[string]bool{}
			for range 4 {
				got[wait.Receive(t, "a context's end", ended)] = true
			}
			for _, want := range []string{"own true true", "child true true", "grandchild true true", "after true true"} {
				if !got[want] {
					t.Errorf("%q is missing in %v", want, got)
				}
			}
			wait.Receive(t, "the call", done)
			late := make(chan struct{})
			context.AfterFunc(own, func() { close(late) })
			wait.Receive(t, "AfterFunc of a context that has ended", late)
			want := context.Canceled
			if how == "deadline" {
				want = context.DeadlineExceeded
			}
			if own.Err() != want || context.Cause(own) != want {
				t.Errorf("ended with %v, cause %v", own.Err(), context.Cause(own))
			}
		})
	}
}

// A context that can't be cancelled still ends with the link, and is the same for all such calls.
func TestPlainContextEndsWithLink(t *testing.T) {
	entered, left := make(chan struct{}, 1), make(chan error, 1)
	p := newPair(t, func(ctx context.Context, c *link.Incoming) error {
		entered <- struct{}{}
		<-ctx.Done()
		left <- ctx.Err()
		return nil
	})
	done := start(context.Background(), p.client, 0, nil)
	wait.Receive(t, "the handler", entered)
	p.client.Close()
	if err := wait.Receive(t, "the context's end", left); err != context.Canceled {
		t.Error(err)
	}
	if o := wait.Receive(t, "the call", done); !errors.Is(o.err, link.ErrMaybeExecuted) || !errors.Is(o.err, link.ErrClosed) {
		t.Error(o.err)
	}
}

// A caller that gives up and calls again at once is not refused, though the limit leaves room for one call: the server
// hears of the cancel first.
func TestCancelComesBeforeTheNextCall(t *testing.T) {
	p := newPair(t, func(ctx context.Context, c *link.Incoming) error {
		if c.Method == 1 {
			<-ctx.Done()
		}
		return nil
	}, inFlight(1))
	for i := range 1000 {
		ctx, cancel := context.WithCancel(t.Context())
		c := start(ctx, p.client, 1, nil)
		if i%3 != 0 {
			wait.Until(t, "the call under way", func() bool { return p.client.InFlight() > 0 })
		}
		cancel()
		if o := wait.Receive(t, "the call", c); !errors.Is(o.err, context.Canceled) {
			t.Fatal(o.err)
		}
		if _, err := call(t.Context(), p.client, 0, nil); err != nil {
			t.Fatalf("round %d: %v", i, err)
		}
	}
}

// A long reply is sent whole to a caller that could cancel and does not, however slowly it goes.
func TestLongReplyToCancellableCall(t *testing.T) {
	want := pattern(3<<20, 5)
	p := newPair(t, func(_ context.Context, c *link.Incoming) error {
		c.Reply = want
		return nil
	}, func(c *config) { c.pipe.MaxFrame, c.pipe.Capacity = 4<<10, 4<<10+wire.HeaderSize })
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	for range 3 {
		got, err := call(ctx, p.client, 0, nil)
		if err != nil || !bytes.Equal(got, want) {
			t.Fatalf("%d bytes, %v", len(got), err)
		}
	}
}

// A server stops sending a long reply when its caller gives up, and goes on with others.
func TestCancelEndsALongReply(t *testing.T) {
	huge := make([]byte, 512<<20) // it takes a while, also for a server that reads the cancel only when it finds that it should
	server, raw := rawClient(t, func(_ context.Context, c *link.Incoming) error {
		if c.Method == 1 {
			c.Reply = huge
		}
		return nil
	}, &link.Options{PeerMaxMessage: len(huge)}, &transporttest.PipeOptions{MaxFrame: 4 << 10})
	raw.Write(frame(wire.Header{Kind: wire.KindCall, ID: 1, Method: 1, Flags: wire.FlagCancellable}, nil))
	if h, _ := readFrame(t, raw); h.ID != 1 || h.Flags != wire.FlagMore {
		t.Fatalf("%+v", h)
	}
	raw.Write(frame(wire.Header{Kind: wire.KindCancel, ID: 1}, nil))
	raw.Write(frame(wire.Header{Kind: wire.KindCall, ID: 2}, nil))
	for {
		h, _ := readFrame(t, raw)
		if h.ID == 2 {
			break
		}
		if h.Flags&wire.FlagMore == 0 {
			t.Fatal("the reply to a cancelled call went on to its end")
		}
	}
	raw.Write(frame(wire.Header{Kind: wire.KindCall, ID: 3}, nil))
	for {
		if h, _ := readFrame(t, raw); h.ID == 3 {
			break
		} else if h.Flags&wire.FlagMore == 0 {
			t.Fatal("the reply to a cancelled call went on to its end")
		}
	}
	wait.Until(t, "nothing running", func() bool { return server.Running() == 0 })
	if running, zombies, unsent, active := server.Counts(); running|zombies|unsent|int64(active) != 0 {
		t.Errorf("the server still counts %d, %d, %d, %d", running, zombies, unsent, active)
	}
}

// hooked calls a function before every frame that is written.
type hooked struct {
	link.Conn
	before func(h *wire.Header)
}

func (c *hooked) Write(stop link.Stop, h *wire.Header, metadata, payload []byte) error {
	c.before(h)
	return c.Conn.Write(stop, h, metadata, payload)
}

// A request that is given up while it is being sent is forgotten by the server, and was not executed.
func TestCancelEndsALongRequest(t *testing.T) {
	for _, roomy := range []bool{false, true} { // in a large pipe there is always room: no write has to wait
		executed := make(chan struct{}, 100)
		ctx, cancel := context.WithCancel(t.Context())
		pieces := 0
		p := newPair(t, func(_ context.Context, c *link.Incoming) error {
			if c.Method == 1 {
				executed <- struct{}{}
			}
			return nil
		}, func(c *config) {
			if c.pipe.MaxFrame = 4 << 10; roomy {
				c.pipe.Capacity = 32 << 20
			}
			c.wrap = func(c link.Conn) link.Conn {
				return &hooked{c, func(h *wire.Header) {
					if h.Kind != wire.KindCall || h.Method != 1 {
						return
					}
					if pieces++; pieces == 10 {
						cancel()
					}
				}}
			}
		})
		c := start(ctx, p.client, 1, make([]byte, 16<<20))
		if o := wait.Receive(t, "the call", c); !errors.Is(o.err, context.Canceled) || !errors.Is(o.err, link.ErrNotExecuted) {
			t.Fatalf("roomy %v: %v", roomy, o.err)
		}
		if pieces > 20 {
			t.Errorf("%d pieces were sent of a request that was given up at the tenth", pieces)
		}
		if _, err := call(t.Context(), p.client, 0, nil); err != nil {
			t.Fatal(err)
		}
		wait.Until(t, "nothing running", func() bool { return p.server.Running() == 0 })
		if running, zombies, unsent, active := p.server.Counts(); running|zombies|unsent|int64(active) != 0 {
			t.Errorf("the server still counts %d, %d, %d, %d", running, zombies, unsent, active)
		}
		if len(executed) > 0 {
			t.Error("a call was executed of which only a part was sent")
		}
	}
}
