package link_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/rs/zerolog"

	"hotline/internal/link"
	"hotline/internal/transporttest"
	"hotline/internal/wait"
	"hotline/internal/wire"
)

func TestCallOfEverySize(t *testing.T) {
	const maxFrame = 4 << 10
	for _, trusted := range []bool{true, false} {
		p := newPair(t, echo, func(c *config) { c.pipe.MaxFrame, c.pipe.Untrusted = maxFrame, !trusted })
		for _, n := range []int{0, 1, 31, 511, 512, 513, maxFrame - 1, maxFrame, maxFrame + 1, 2 * maxFrame, 2*maxFrame + 1,
			64 << 10, 64<<10 + 1, 256 << 10, 1 << 20, 1<<20 + 1, 3<<20 + 7, 17 << 20} {
			for _, fresh := range []bool{false, true} {
				want := pattern(n, uint64(n))
				reply, err := p.client.Call(t.Context(), &link.Request{Payload: want, Fresh: fresh})
				if err != nil {
					t.Fatalf("trusted %v, %d bytes: %v", trusted, n, err)
				}
				if !bytes.Equal(reply.Body, want) {
					t.Fatalf("trusted %v, %d bytes: another reply came", trusted, n)
				}
				reply.Release()
				reply.Release() // once more does nothing
				if fresh && !bytes.Equal(want, pattern(n, uint64(n))) {
					t.Fatalf("%d bytes: the request was changed", n)
				}
			}
		}
	}
}

func TestFreshReplyIsKept(t *testing.T) {
	p := newPair(t, echo)
	want := []byte("sixteen bytes do")
	kept, err := p.client.Call(t.Context(), &link.Request{Payload: want, Fresh: true})
	if err != nil {
		t.Fatal(err)
	}
	kept.Release()
	body := kept.Body
	_ = body
	reply, err := p.client.Call(t.Context(), &link.Request{Payload: want, Fresh: true})
	if err != nil {
		t.Fatal(err)
	}
	body = reply.Body
	reply.Release()
	for range 100 {
		if _, err := call(t.Context(), p.client, 0, []byte("something else.......")); err != nil {
			t.Fatal(err)
		}
	}
	if !bytes.Equal(body, want) {
		t.Fatalf("a fresh reply became %q", body)
	}
}

// Metadata goes both ways, beside requests, replies and errors of any length.
func TestMetadata(t *testing.T) {
	p := newPair(t, func(_ context.Context, c *link.Incoming) error {
		c.ReplyMetadata = bytes.Clone(c.Metadata)
		slices.Reverse(c.ReplyMetadata)
		if c.Method == 1 {
			return fmt.Errorf("%x", c.Payload)
		}
		c.Reply = append(bytes.Clone(c.Metadata), c.Payload...)
		return nil
	}, func(c *config) { c.pipe.MaxFrame = 64 << 10 })
	for _, n := range []int{0, 1, 100, wire.MaxMetadata} {
		for _, m := range []int{0, 1, 63 << 10, 64 << 10, 300 << 10} {
			meta, payload := pattern(n, 1), pattern(m, 2)
			reply, err := p.client.Call(t.Context(), &link.Request{Metadata: meta, Payload: payload})
			if err != nil {
				t.Fatalf("%d bytes of metadata, %d of payload: %v", n, m, err)
			}
			back := bytes.Clone(meta)
			slices.Reverse(back)
			if !bytes.Equal(reply.Body, append(meta, payload...)) || !bytes.Equal(reply.Metadata, back) {
				t.Fatalf("%d bytes of metadata, %d of payload: came otherwise", n, m)
			}
			keep := reply.Metadata
			reply.Release()
			payload = payload[:min(m, 20<<10)]
			reply, err = p.client.Call(t.Context(), &link.Request{Method: 1, Metadata: meta, Payload: payload})
			if !isCode(err, wire.CodeApplication) || err.Error() != fmt.Sprintf("%x", payload) || !bytes.Equal(reply.Metadata, back) {
				t.Fatalf("an error with %d bytes of metadata: got %d, %v", n, len(reply.Metadata), err)
			}
			if !bytes.Equal(keep, back) {
				t.Fatalf("%d bytes of metadata were changed after the caller had them", n)
			}
		}
	}
}

// Metadata of an answer that is over a limit is the error of that call alone.
func TestTooMuchReplyMetadata(t *testing.T) {
	for _, frame := range []int{4 << 10, 64 << 10} {
		most := min(frame/2, wire.MaxMetadata)
		p := newPair(t, func(_ context.Context, c *link.Incoming) error {
			c.ReplyMetadata = make([]byte, most+int(c.Payload[0]))
			if c.Method == 1 {
				return errors.New("words")
			}
			return nil
		}, func(c *config) { c.pipe.MaxFrame = frame })
		for _, over := range []byte{1, 0} {
			reply, err := p.client.Call(t.Context(), &link.Request{Payload: []byte{over}})
			if over == 0 && (err != nil || len(reply.Metadata) != most) {
				t.Errorf("frames of %d: the most: got %d bytes, %v", frame, len(reply.Metadata), err)
			}
			if over == 1 && (!isCode(err, wire.CodeResultTooLarge) || !strings.Contains(err.Error(), "of metadata, the limit is "+fmt.Sprint(most))) {
				t.Errorf("frames of %d: a byte more: got %v", frame, err)
			}
			reply, err = p.client.Call(t.Context(), &link.Request{Method: 1, Payload: []byte{over}})
			if !isCode(err, wire.CodeApplication) || len(reply.Metadata) != most*(1-int(over)) {
				t.Errorf("frames of %d: an error: got %d bytes, %v", frame, len(reply.Metadata), err)
			}
		}
	}
}

// textless is an error whose methods panic.
type textless struct{}

func (*textless) Error() string { panic("no text on purpose") }

// What an error is goes beside its text, and whatever is done with an error is done as the handler: its panic is not the
// server's.
func TestIdentify(t *testing.T) {
	p := newPair(t, func(_ context.Context, c *link.Incoming) error {
		switch c.Method {
		case 0:
			return errors.New(string(c.Payload))
		case 1:
			return new(textless)
		}
		return wire.Errorf(wire.CodeNoMethod, "as it is")
	}, func(c *config) {
		c.server.Identify = func(err error) []wire.Identity {
			if err.Error() == "panic" {
				panic("on purpose")
			}
			return []wire.Identity{{Name: "its text", Value: []byte(err.Error())}}
		}
	})
	for _, test := range []struct {
		method uint16
		text   string
		code   wire.Code
		value  string
	}{
		{0, "words", wire.CodeApplication, "words"},
		{0, "panic", wire.CodePanic, ""},
		{1, "", wire.CodePanic, ""},
		{2, "", wire.CodeNoMethod, ""},
	} {
		_, err := call(t.Context(), p.client, test.method, []byte(test.text))
		var e *wire.Error
		if !errors.As(err, &e) || e.Code != test.code || len(e.Identities) != min(1, len(test.value)) {
			t.Fatalf("method %d, %q: got %#v", test.method, test.text, err)
		}
		if test.value != "" && string(e.Identities[0].Value) != test.value {
			t.Errorf("method %d, %q: got %+v", test.method, test.text, e.Identities)
		}
	}
}

// Replies come in another order than the calls were made, and everyone gets their own.
func TestRepliesInAnyOrder(t *testing.T) {
	const n = 100
	var gates [n]*gate
	for i := range gates {
		gates[i] = newGate()
	}
	var entered atomic.Int32
	p := newPair(t, func(_ context.Context, c *link.Incoming) error {
		entered.Add(1)
		gates[c.Payload[0]].pass()
		c.Reply = c.Payload
		return nil
	})
	var calls [n]<-chan outcome
	for i := range calls {
		calls[i] = start(t.Context(), p.client, 0, []byte{byte(i)})
	}
	wait.Until(t, "every call in its handler", func() bool { return entered.Load() == n })
	for _, i := range rand.Perm(n) {
		gates[i].open()
		if o := wait.Receive(t, "a reply", calls[i]); o.err != nil || len(o.body) != 1 || o.body[0] != byte(i) {
			t.Fatalf("call %d: %v, %v", i, o.body, o.err)
		}
	}
}

func TestManyCallers(t *testing.T) {
	for _, limit := range []int{1, 2, 7, 1024} {
		t.Run(fmt.Sprint(limit), func(t *testing.T) {
			p := newPair(t, func(ctx context.Context, c *link.Incoming) error {
				if c.Method == 1 {
					time.Sleep(time.Duration(len(c.Payload)%7) * 100 * time.Microsecond) // some handlers are slow
				}
				c.Reply = c.Payload
				return nil
			}, inFlight(limit), func(c *config) { c.pipe.MaxFrame = 4 << 10 })
			var group sync.WaitGroup
			for i := range 32 {
				group.Go(func() {
					random := rand.New(rand.NewPCG(uint64(i), 1))
					for j := range 100 {
						size := random.IntN(200)
						if random.IntN(20) == 0 {
							size = random.IntN(40 << 10)
						}
						ctx, cancel := t.Context(), func() {}
						if random.IntN(2) == 0 {
							ctx, cancel = context.WithTimeout(ctx, patience)
						}
						want := pattern(size, uint64(i*1000+j))
						got, err := call(ctx, p.client, uint16(random.IntN(2)), want)
						cancel()
						if err != nil || !bytes.Equal(got, want) {
							t.Errorf("%d bytes sent, %d came, %v", len(want), len(got), err)
							return
						}
					}
				})
			}
			group.Wait()
			if slots, free := p.client.Free(); slots != free || slots > limit {
				t.Errorf("%d slots, %d of them free, the limit is %d", slots, free, limit)
			}
			wait.Until(t, "nothing running", func() bool { return p.server.Running() == 0 })
			if running, zombies, unsent, active := p.server.Counts(); running|zombies|unsent|int64(active) != 0 {
				t.Errorf("the server still counts %d, %d, %d, %d", running, zombies, unsent, active)
			}
		})
	}
}

// Small calls are answered while a large message is under way, in either direction.
func TestSmallCallsBetweenPieces(t *testing.T) {
	const large = 100 << 20
	huge := pattern(large, 3)
	p := newPair(t, func(_ context.Context, c *link.Incoming) error {
		switch c.Method {
		case 1:
			c.Reply = c.Payload[:1]
		case 2:
			c.Reply = huge
		default:
			c.Reply = c.Payload
		}
		return nil
	})
	for method := uint16(1); method <= 2; method++ {
		var payload []byte
		if method == 1 {
			payload = huge
		}
		big := start(t.Context(), p.client, method, payload)
		during := 0
		for done := false; !done; {
			select {
			case o := <-big:
				if o.err != nil || method == 2 && !bytes.Equal(o.body, huge) {
					t.Fatalf("method %d: %d bytes, %v", method, len(o.body), o.err)
				}
				done = true
			default:
				if b, err := call(t.Context(), p.client, 0, []byte("small")); err != nil || string(b) != "small" {
					t.Fatalf("method %d: %q, %v", method, b, err)
				}
				during++
			}
		}
		if during < 10 {
			t.Errorf("method %d: %d small calls while 100 MiB travelled", method, during)
		}
	}
}

// A handler that waits for another call on its link gets it.
func TestHandlerWaitsForAnotherCall(t *testing.T) {
	for range 20 {
		g := newGate()
		p := newPair(t, func(_ context.Context, c *link.Incoming) error {
			if c.Method == 0 {
				g.pass()
			} else {
				g.open()
			}
			return nil
		})
		first := start(t.Context(), p.client, 0, nil)
		if o := wait.Receive(t, "the second call", start(t.Context(), p.client, 1, nil)); o.err != nil {
			t.Fatal(o.err)
		}
		if o := wait.Receive(t, "the first call", first); o.err != nil {
			t.Fatal(o.err)
		}
	}
}

// Quick calls are answered while slow handlers run, however many.
func TestSlowHandlersDoNotBlockQuickOnes(t *testing.T) {
	g := newGate()
	defer g.open()
	p := newPair(t, func(_ context.Context, c *link.Incoming) error {
		if c.Method == 1 {
			g.pass()
		}
		c.Reply = c.Payload
		return nil
	})
	var slow []<-chan outcome
	for i := range 50 {
		slow = append(slow, start(t.Context(), p.client, 1, []byte{byte(i)}))
		if _, err := call(t.Context(), p.client, 0, nil); err != nil {
			t.Fatal(err)
		}
	}
	g.open()
	for i, c := range slow {
		if o := wait.Receive(t, "a slow call", c); o.err != nil || o.body[0] != byte(i) {
			t.Fatal(o)
		}
	}
	wait.Until(t, "one worker", func() bool { return p.server.Workers() == 1 })
}

func TestErrorsOfHandlers(t *testing.T) {
	tests := []struct {
		err  error
		code wire.Code
		text string
	}{
		{errors.New("no such thing"), wire.CodeApplication, "no such thing"},
		{fmt.Errorf("deep: %w", context.Canceled), wire.CodeCanceled, "deep: context canceled"},
		{context.DeadlineExceeded, wire.CodeDeadline, "context deadline exceeded"},
		{wire.Errorf(wire.CodeBadArguments, "argument 2 is no number"), wire.CodeBadArguments, "argument 2 is no number"},
		{errors.New(""), wire.CodeApplication, ""},
		// What another link answered to the handler is not what happened to this call: that one was executed.
		{fmt.Errorf("asking behind: %w", wire.Errorf(wire.CodeDraining, "gone")), wire.CodeApplication, "asking behind: gone"},
	}
	p := newPair(t, func(_ context.Context, c *link.Incoming) error {
		c.Reply = []byte("is not sent with an error")
		return tests[c.Method].err
	})
	for i, test := range tests {
		_, err := call(t.Context(), p.client, uint16(i), nil)
		var e *wire.Error
		if !errors.As(err, &e) || e.Code != test.code || e.Message != test.text {
			t.Errorf("%v: got %#v", test.err, err)
		}
	}
	long := strings.Repeat("x", 1<<20)
	q := newPair(t, func(context.Context, *link.Incoming) error { return errors.New(long) })
	_, err := call(t.Context(), q.client, 0, nil)
	var e *wire.Error
	if !errors.As(err, &e) || len(e.Message) > 65<<10 || !strings.HasPrefix(e.Message, "xxx") {
		t.Errorf("a long error came as %T of %d bytes", err, len(fmt.Sprint(err)))
	}
}

// The words of an error reach a client that takes only small messages.
func TestErrorIsNoResult(t *testing.T) {
	p := newPair(t, func(context.Context, *link.Incoming) error { return errors.New("more than ten bytes of words") },
		func(c *config) { c.client.MaxMessage, c.server.PeerMaxMessage = 10, 10 })
	_, err := call(t.Context(), p.client, 0, nil)
	var e *wire.Error
	if !errors.As(err, &e) || e.Code != wire.CodeApplication {
		t.Fatalf("got %v", err)
	}
}

func TestPanicOfHandler(t *testing.T) {
	var log bytes.Buffer
	logger := zerolog.New(zerolog.SyncWriter(&log))
	p := newPair(t, func(_ context.Context, c *link.Incoming) error {
		if c.Method == 1 {
			panicHere()
		}
		c.Reply = c.Payload
		return nil
	}, func(c *config) { c.server.Logger = &logger })
	for range 3 {
		_, err := call(t.Context(), p.client, 1, nil)
		var e *wire.Error
		if !errors.As(err, &e) || e.Code != wire.CodePanic || !strings.Contains(e.Message, "on purpose") {
			t.Fatalf("got %v", err)
		}
		if strings.Contains(e.Message, "panicHere") || strings.Contains(e.Message, ".go:") {
			t.Errorf("the stack went to the caller: %s", e.Message)
		}
		if b, err := call(t.Context(), p.client, 0, []byte("alive")); err != nil || string(b) != "alive" {
			t.Fatalf("after a panic: %q, %v", b, err)
		}
	}
	if !strings.Contains(log.String(), "panicHere") {
		t.Errorf("no stack in the log: %s", log.String())
	}
}

func panicHere() { panic("on purpose") }

// A handler that ends its goroutine takes neither its call nor the link with it.
func TestGoexitOfHandler(t *testing.T) {
	p := newPair(t, func(_ context.Context, c *link.Incoming) error {
		if c.Method == 1 {
			exitHere()
		}
		c.Reply = c.Payload
		return nil
	})
	for i := range 3 {
		o := wait.Receive(t, "the call whose handler left", start(t.Context(), p.client, 1, nil))
		var e *wire.Error
		if !errors.As(o.err, &e) || e.Code != wire.CodePanic {
			t.Fatalf("round %d: got %v", i, o.err)
		}
		if o := wait.Receive(t, "a call afterwards", start(t.Context(), p.client, 0, []byte("alive"))); o.err != nil {
			t.Fatal(o.err)
		}
	}
	wait.Until(t, "nothing running", func() bool { return p.server.Running() == 0 })
}

func TestPing(t *testing.T) {
	p := newPair(t, func(context.Context, *link.Incoming) error { return errors.New("no ping gets here") })
	for range 3 {
		if err := p.client.Ping(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	p.server.Close()
	if err := p.client.Ping(t.Context()); !errors.Is(err, link.ErrNotExecuted) && !errors.Is(err, link.ErrMaybeExecuted) {
		t.Fatalf("ping to a link that ended: %v", err)
	}
}

// Buffer and Keep lend memory that grows with what is appended.
func TestKeep(t *testing.T) {
	p := newPair(t, func(_ context.Context, c *link.Incoming) error {
		b := c.Buffer()
		for range int(c.Payload[0]) {
			b = append(b, pattern(1000, 9)...)
		}
		c.Keep(b)
		return nil
	})
	for _, n := range []int{0, 1, 100, 3, 255, 1} {
		got, err := call(t.Context(), p.client, 0, []byte{byte(n)})
		if err != nil || !bytes.Equal(got, bytes.Repeat(pattern(1000, 9), n)) {
			t.Fatalf("%d thousand: %d bytes, %v", n, len(got), err)
		}
	}
}

// Time stands still where nothing happens: the whole engine within a bubble of synctest, where a call that hangs is a
// deadlock that the runtime sees, and every goroutine must have ended.
func TestInBubble(t *testing.T) {
	wait.Bubble(t, func(t *testing.T) {
		near, far := transporttest.Pipe(nil)
		server, err := link.NewServer(far, handler(func(ctx context.Context, c *link.Incoming) error {
			if c.Method == 1 {
				<-ctx.Done()
				return ctx.Err()
			}
			c.Reply = c.Payload
			return nil
		}), nil, nil)
		if err != nil {
			t.Fatal(err)
		}
		client, err := link.NewClient(near, nil)
		if err != nil {
			t.Fatal(err)
		}
		began := time.Now()
		_, err = client.Call(t.Context(), &link.Request{Method: 1, Timeout: time.Hour})
		if took := time.Since(began); !isDeadline(err) || took != time.Hour {
			t.Errorf("ended after %v with %v", took, err)
		}
		time.Sleep(24 * time.Hour)
		if b, err := call(t.Context(), client, 0, []byte("tomorrow")); err != nil || string(b) != "tomorrow" {
			t.Errorf("%q, %v", b, err)
		}
		client.Close()
		<-server.Ended()
		server.Close()
		server.Wait()
		time.Sleep(time.Minute) // the sentry goes when it has seen nothing for a while
	})
}

func exitHere() { runtime.Goexit() }
