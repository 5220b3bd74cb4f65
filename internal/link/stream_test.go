package link_test

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"slices"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"hotline/internal/link"
	"hotline/internal/transporttest"
	"hotline/internal/wait"
	"hotline/internal/wire"
)

// The methods of the handler that the tests of streams use.
const (
	methodCount   = iota // sends as many items as the arguments say, then fails if they say so
	methodGather         // receives items, and returns their number and total length
	methodEchoes         // sends the items that it receives
	methodEndless        // sends until it can't
	methodIgnore         // never receives, and returns when its context ends
	methodFirst          // receives one item, stops receiving, and returns when the gate opens
	methodAtOnce         // returns at once, whatever comes
	methodFail           // receives until the stream fails, and returns how
	methodPanic          // sends three items and panics
	methodBytes          // sends the bytes that it receives
)

// streamer is a handler for the methods above.
type streamer struct {
	gate      *gate
	entered   atomic.Int64
	left      atomic.Int64
	sent      atomic.Int64 // bytes of items that methodEndless has handed over
	cancelled atomic.Int64
}

func newStreamer() *streamer { return &streamer{gate: newGate()} }

func (s *streamer) handle(ctx context.Context, c *link.Incoming) error {
	s.entered.Add(1)
	defer s.left.Add(1)
	v := c.Stream
	switch c.Method {
	case methodCount:
		return count(v, c.Payload)
	case methodGather:
		n, total, err := gather(v)
		c.Reply = fmt.Appendf(nil, "%d items, %d bytes", n, total)
		return err
	case methodEchoes:
		for {
			item, err := v.Recv()
			if err == io.EOF {
				return nil
			}
			if err == nil {
				err = v.Send(item)
			}
			if err != nil {
				return err
			}
		}
	case methodEndless:
		for item := pattern(1000, 1); ; s.sent.Add(int64(len(item))) {
			if err := v.Send(item); err != nil {
				s.cancelled.Add(1)
				return err
			}
		}
	case methodIgnore:
		<-ctx.Done()
		s.cancelled.Add(1)
		return ctx.Err()
	case methodFirst:
		item, err := v.Recv()
		c.Reply = bytes.Clone(item)
		v.StopReceiving()
		s.gate.pass()
		return err
	case methodFail:
		_, _, err := gather(v)
		c.Reply = fmt.Append(nil, err)
		return nil
	case methodPanic:
		for range 3 {
			if err := v.Send([]byte("before")); err != nil {
				return err
			}
		}
		panic("as asked")
	case methodBytes:
		_, err := io.Copy(struct{ io.Writer }{v}, struct{ io.Reader }{v})
		return err
	}
	return nil
}

// counting is the arguments of methodCount: how many items of which size, and a text to fail with.
func counting(n, size int, failure string) []byte {
	b := binary.AppendUvarint(binary.AppendUvarint(nil, uint64(n)), uint64(size))
	return append(b, failure...)
}

func count(v *link.Stream, args []byte) error {
	n, k := binary.Uvarint(args)
	size, j := binary.Uvarint(args[k:])
	for i := range n {
		if err := v.Send(pattern(int(size), i)); err != nil {
			return err
		}
	}
	if failure := args[k+j:]; len(failure) > 0 {
		return errors.New(string(failure))
	}
	return nil
}

func gather(v *link.Stream) (n, total int, err error) {
	for {
		item, err := v.Recv()
		if err == io.EOF {
			return n, total, nil
		}
		if err != nil {
			return n, total, err
		}
		if !bytes.Equal(item, pattern(len(item), uint64(n))) {
			return n, total, fmt.Errorf("item %d of %d bytes came changed", n, len(item))
		}
		n++
		total += len(item)
	}
}

// streamPair is a pair whose handler is a streamer. In the end nothing is left of any stream.
func streamPair(t testing.TB, change ...func(*config)) (*pair, *streamer) {
	t.Helper()
	s := newStreamer()
	p := newPair(t, s.handle, change...)
	t.Cleanup(func() {
		s.gate.open()
		if p.client.Err() == nil && p.server.Err() == nil {
			wantNothingLeft(t, p)
		}
	})
	return p, s
}

// wantNothingLeft waits until both sides have forgotten all calls and streams.
func wantNothingLeft(t testing.TB, p *pair) {
	t.Helper()
	wait.Until(t, "nothing left", func() bool {
		running, zombies, unsent, active := p.server.Counts()
		slots, free := p.client.Free()
		return running|zombies|unsent|int64(active) == 0 && slots == free && p.server.Streams() == 0
	})
}

func open(t testing.TB, ctx context.Context, l *link.Client, method uint16, payload []byte, sends, takes bool) *link.ClientStream {
	t.Helper()
	s, err := l.Open(ctx, &link.Request{Method: method, Payload: payload}, sends, takes)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// finish ends a stream and returns its reply.
func finish(s *link.ClientStream) (string, error) {
	reply, err := s.Finish()
	text := string(reply.Body)
	reply.Release()
	return text, err
}

// sizes of items, and how many of each: none, empty ones, many that share a frame, and some that need many.
var streamSizes = []struct{ n, size int }{{0, 0}, {1, 0}, {5, 0}, {1, 16}, {20_000, 16}, {3000, 200}, {100, 16 << 10}, {100, 20_000}, {9, 1 << 20}}

func TestServerStream(t *testing.T) {
	for _, maxFrame := range []int{4 << 10, 64 << 10, 256 << 10} {
		p, _ := streamPair(t, func(c *config) { c.pipe.MaxFrame = maxFrame })
		for _, of := range streamSizes {
			for _, failure := range []string{"", "as asked"} {
				s := open(t, t.Context(), p.client, methodCount, counting(of.n, of.size, failure), false, true)
				n, total, err := gather(&s.Stream)
				if n != of.n || total != of.n*of.size || err != nil {
					t.Errorf("%+v: %d items, %d bytes, %v", of, n, total, err)
				}
				_, err = finish(s)
				if failure == "" && err != nil || failure != "" && (err == nil || err.Error() != failure) {
					t.Errorf("%+v: the call ended by %v", of, err)
				}
			}
		}
	}
}

func TestClientStream(t *testing.T) {
	for _, maxFrame := range []int{4 << 10, 64 << 10, 256 << 10} {
		p, _ := streamPair(t, func(c *config) { c.pipe.MaxFrame = maxFrame })
		for _, of := range streamSizes {
			s := open(t, t.Context(), p.client, methodGather, nil, true, false)
			for i := range of.n {
				if err := s.Send(pattern(of.size, uint64(i))); err != nil {
					t.Fatal(err)
				}
			}
			if err := s.CloseSend(nil); err != nil {
				t.Fatal(err)
			}
			want := fmt.Sprintf("%d items, %d bytes", of.n, of.n*of.size)
			if got, err := finish(s); got != want || err != nil {
				t.Errorf("got %q, %v, want %q", got, err, want)
			}
		}
	}
}

// A client's stream that fails takes its reason along.
func TestClientStreamFails(t *testing.T) {
	p, _ := streamPair(t)
	for _, why := range []error{errors.New("as asked"), context.Canceled, errors.New(string(make([]byte, 200_000)))} {
		s := open(t, t.Context(), p.client, methodFail, nil, true, false)
		if err := s.Send(pattern(10, 0)); err != nil {
			t.Fatal(err)
		}
		if err := s.CloseSend(why); err != nil {
			t.Fatal(err)
		}
		got, err := finish(s)
		if err != nil || len(got) > 64<<10 || got[:min(len(got), 8)] != why.Error()[:8] {
			t.Errorf("%d bytes of words, %v", len(got), err)
		}
	}
}

// echoAll sends n items and receives as many, at the same time.
func echoAll(s *link.ClientStream, n, size int) error {
	sent := make(chan error, 1)
	go func() {
		for i := range n {
			if err := s.Send(pattern(size, uint64(i))); err != nil {
				sent <- err
				return
			}
		}
		sent <- s.CloseSend(nil)
	}()
	got, _, err := gather(&s.Stream)
	if e := <-sent; err == nil {
		err = e
	}
	if _, e := finish(s); err == nil {
		err = e
	}
	if err == nil && got != n {
		err = fmt.Errorf("%d items of %d came back", got, n)
	}
	return err
}

func TestStreamBothWays(t *testing.T) {
	p, _ := streamPair(t)
	for _, of := range streamSizes {
		if err := echoAll(open(t, t.Context(), p.client, methodEchoes, nil, true, true), of.n, of.size); err != nil {
			t.Errorf("%+v: %v", of, err)
		}
	}
	done := make(chan error)
	for range 16 {
		go func() {
			s, err := p.client.Open(t.Context(), &link.Request{Method: methodEchoes}, true, true)
			if err == nil {
				err = echoAll(s, 300, 5000)
			}
			done <- err
		}()
	}
	for range 16 {
		if err := wait.Receive(t, "a stream", done); err != nil {
			t.Error(err)
		}
	}
}

// One item there, one back, again and again: none of them waits for another.
func TestStreamPingPong(t *testing.T) {
	p, _ := streamPair(t)
	s := open(t, t.Context(), p.client, methodEchoes, nil, true, true)
	for i := range 2000 {
		if err := s.Send(pattern(i, uint64(i))); err != nil {
			t.Fatal(err)
		}
		if item, err := s.Recv(); err != nil || !bytes.Equal(item, pattern(i, uint64(i))) {
			t.Fatalf("item %d: %d bytes, %v", i, len(item), err)
		}
	}
	if _, err := finish(s); err != nil {
		t.Fatal(err)
	}
}

func TestStreamOfBytes(t *testing.T) {
	p, _ := streamPair(t)
	s := open(t, t.Context(), p.client, methodBytes, nil, true, true)
	data := pattern(5_000_000, 3)
	sent := make(chan error, 1)
	go func() {
		_, err := io.Copy(struct{ io.Writer }{&s.Stream}, bytes.NewReader(data))
		if err == nil {
			err = s.CloseSend(nil)
		}
		sent <- err
	}()
	got, err := io.ReadAll(&s.Stream)
	if e := wait.Receive(t, "the sender", sent); e != nil || err != nil || !bytes.Equal(got, data) {
		t.Errorf("%d bytes came back, %v, %v", len(got), err, e)
	}
	if _, err := finish(s); err != nil {
		t.Error(err)
	}
}

// A consumer that stops holds up its own producer, at its credit, and nobody else.
func TestStoppedConsumer(t *testing.T) {
	p, h := streamPair(t)
	s := open(t, t.Context(), p.client, methodEndless, nil, false, true)
	for range 1000 {
		if _, err := s.Recv(); err != nil {
			t.Fatal(err)
		}
	}
	const consumed = 1000 * 1000
	for range 1000 {
		if _, err := call(t.Context(), p.client, methodAtOnce, nil); err != nil {
			t.Fatal(err)
		}
	}
	wait.Until(t, "a producer that is held up", func() bool {
		before := h.sent.Load()
		for range 100 {
			if _, err := call(t.Context(), p.client, methodAtOnce, nil); err != nil {
				t.Fatal(err)
			}
		}
		return h.sent.Load() == before
	})
	if ahead := h.sent.Load() - consumed; ahead > link.MostAhead {
		t.Errorf("the producer is %d bytes ahead, at most %d are allowed", ahead, link.MostAhead)
	}
	s.Cancel()
	wait.Until(t, "the producer's end", func() bool { return h.cancelled.Load() == 1 })
}

// The same from the client: a handler that does not receive.
func TestStoppedHandler(t *testing.T) {
	p, h := streamPair(t)
	ctx, cancel := context.WithCancel(t.Context())
	s := open(t, ctx, p.client, methodIgnore, nil, true, false)
	var sent atomic.Int64
	ended := make(chan error, 1)
	go func() {
		for {
			if err := s.Send(pattern(1000, 1)); err != nil {
				ended <- err
				return
			}
			sent.Add(1000)
		}
	}()
	wait.Until(t, "a producer that is held up", func() bool {
		before := sent.Load()
		for range 100 {
			if _, err := call(t.Context(), p.client, methodAtOnce, nil); err != nil {
				t.Fatal(err)
			}
		}
		return before > 0 && sent.Load() == before
	})
	if n := sent.Load(); n > link.MostAhead {
		t.Errorf("%d bytes were sent to a handler that receives none", n)
	}
	cancel()
	if err := wait.Receive(t, "the producer", ended); !errors.Is(err, context.Canceled) {
		t.Errorf("the producer got %v", err)
	}
	if _, err := finish(s); !errors.Is(err, context.Canceled) || !errors.Is(err, link.ErrMaybeExecuted) {
		t.Errorf("the call ended by %v", err)
	}
	wait.Until(t, "the handler's end", func() bool { return h.cancelled.Load() == 1 })
}

// A handler that stops receiving, or returns, ends the producer without an error of the call.
func TestProducerIsStopped(t *testing.T) {
	p, h := streamPair(t)
	for _, method := range []uint16{methodFirst, methodAtOnce} {
		s := open(t, t.Context(), p.client, method, nil, true, false)
		var err error
		for i := uint64(0); err == nil; i++ {
			err = s.Send(pattern(1000, i))
		}
		if !errors.Is(err, link.ErrStopped) {
			t.Errorf("method %d: the producer got %v", method, err)
		}
		h.gate.open()
		got, err := finish(s)
		if err != nil || method == methodFirst && got != string(pattern(1000, 0)) {
			t.Errorf("method %d: %d bytes, %v", method, len(got), err)
		}
	}
}

func TestHandlerPanicsInItsStream(t *testing.T) {
	p, _ := streamPair(t)
	s := open(t, t.Context(), p.client, methodPanic, nil, false, true)
	for range 3 {
		if item, err := s.Recv(); err != nil || string(item) != "before" {
			t.Fatalf("%q, %v", item, err)
		}
	}
	if _, err := s.Recv(); err != io.EOF {
		t.Errorf("got %v", err)
	}
	if _, err := finish(s); !isCode(err, wire.CodePanic) {
		t.Errorf("the call ended by %v", err)
	}
}

// A call with streams that is refused ends as any other, and what was sent for it meanwhile does no harm.
func TestRefusedStream(t *testing.T) {
	p, h := streamPair(t, func(c *config) {
		c.client.MaxInFlight, c.server.MaxInFlight = 3, 1
		c.server.MaxMessage, c.client.PeerMaxMessage = 1000, 1<<20
	})
	first := open(t, t.Context(), p.client, methodFirst, nil, true, true)
	wait.Until(t, "the first", func() bool { return h.entered.Load() == 1 })
	for _, of := range []struct {
		payload int
		code    wire.Code
	}{{0, wire.CodeExhausted}, {2000, wire.CodeExhausted}} {
		s := open(t, t.Context(), p.client, methodEchoes, make([]byte, of.payload), true, true)
		for s.Send(pattern(100, 1)) == nil {
		}
		if _, err := finish(s); !isCode(err, of.code) {
			t.Errorf("%+v: got %v", of, err)
		}
	}
	if err := first.Send(pattern(10, 0)); err != nil {
		t.Fatal(err)
	}
	h.gate.open()
	if _, err := finish(first); err != nil {
		t.Fatal(err)
	}
	s := open(t, t.Context(), p.client, methodEchoes, make([]byte, 2000), true, true)
	for s.Send(pattern(100, 1)) == nil {
	}
	if _, err := finish(s); !isCode(err, wire.CodeTooLarge) {
		t.Errorf("got %v", err)
	}
}

// An item over the limit of either side is that stream's error, and the link lives on.
func TestItemTooLarge(t *testing.T) {
	p, _ := streamPair(t, func(c *config) {
		c.client.MaxMessage, c.server.MaxMessage = 10_000, 10_000
		c.server.PeerMaxMessage = 1 << 20
	})
	s := open(t, t.Context(), p.client, methodEchoes, nil, true, true)
	if err := s.Send(make([]byte, 10_001)); !errors.Is(err, link.ErrTooLarge) {
		t.Errorf("sending: %v", err)
	}
	if err := s.Send(pattern(10_000, 0)); err != nil {
		t.Error(err)
	}
	if item, err := s.Recv(); err != nil || len(item) != 10_000 {
		t.Errorf("%d bytes, %v", len(item), err)
	}
	s.Cancel()
	for _, size := range []int{10_001, 500_000} {
		s := open(t, t.Context(), p.client, methodCount, counting(1, size, ""), false, true)
		if _, err := s.Recv(); !errors.Is(err, link.ErrTooLarge) {
			t.Errorf("receiving %d bytes: %v", size, err)
		}
		s.Cancel()
	}
}

// A stream ends with its context in whatever phase it is, and leaves nothing on either side.
func TestStreamEndsInEveryPhase(t *testing.T) {
	phases := []struct {
		name         string
		method       uint16
		sends, takes bool
		run          func(s *link.ClientStream) error // until it fails
	}{
		{"waiting for an item", methodEchoes, true, true, func(s *link.ClientStream) error { _, err := s.Recv(); return err }},
		{"receiving", methodEndless, false, true, func(s *link.ClientStream) error { return drain(s) }},
		{"waiting for credit", methodIgnore, true, false, func(s *link.ClientStream) error { return flood(s) }},
		{"waiting for credit while another waits for items", methodIgnore, true, true, func(s *link.ClientStream) error {
			other := make(chan error, 1)
			go func() { other <- flood(s) }()
			_, err := s.Recv()
			<-other
			return err
		}},
		{"sending and receiving", methodEchoes, true, true, func(s *link.ClientStream) error {
			other := make(chan error, 1)
			go func() { other <- flood(s) }()
			err := drain(s)
			<-other
			return err
		}},
		{"waiting for the reply", methodIgnore, true, false, func(s *link.ClientStream) error {
			if err := s.CloseSend(nil); err != nil {
				return err
			}
			_, err := finish(s)
			return err
		}},
	}
	for _, phase := range phases {
		for _, end := range endings {
			t.Run(phase.name+"/"+end.name, func(t *testing.T) {
				p, _ := streamPair(t)
				ctx, timeout, stop, want := end.begin(t.Context())
				s, err := p.client.Open(ctx, &link.Request{Method: phase.method, Timeout: timeout}, phase.sends, phase.takes)
				if err != nil {
					t.Fatal(err)
				}
				done := make(chan error, 1)
				go func() {
					err := phase.run(s)
					if phase.name != "waiting for the reply" {
						_, err = finish(s)
					}
					done <- err
				}()
				if end.name == "cancel" {
					time.Sleep(time.Millisecond) // whatever it has come to, it must end
				}
				stop()
				if err := wait.Receive(t, "the end", done); !errors.Is(err, want) && !(want == context.DeadlineExceeded && isDeadline(err)) {
					t.Errorf("got %v", err)
				}
				wantNothingLeft(t, p)
				if _, err := call(t.Context(), p.client, methodAtOnce, nil); err != nil {
					t.Errorf("a call afterwards: %v", err)
				}
			})
		}
		for _, cut := range []string{"client closes", "server closes"} {
			t.Run(phase.name+"/"+cut, func(t *testing.T) {
				p, h := streamPair(t)
				s := open(t, t.Context(), p.client, phase.method, nil, phase.sends, phase.takes)
				done := make(chan error, 1)
				go func() {
					err := phase.run(s)
					if phase.name != "waiting for the reply" {
						_, err = finish(s)
					}
					done <- err
				}()
				wait.Until(t, "a handler", func() bool { return h.entered.Load() == 1 })
				if cut == "client closes" {
					p.client.Close()
				} else {
					p.server.Close()
				}
				if err := wait.Receive(t, "the end", done); !errors.Is(err, link.ErrMaybeExecuted) && !isCode(err, wire.CodeCanceled) {
					t.Errorf("got %v", err)
				}
				wait.Until(t, "no handler left", func() bool { return h.left.Load() == 1 })
			})
		}
	}
}

// drain receives until an error.
func drain(s *link.ClientStream) error {
	for {
		if _, err := s.Recv(); err != nil {
			return err
		}
	}
}

// flood sends until an error.
func flood(s *link.ClientStream) error {
	for {
		if err := s.Send(make([]byte, 3000)); err != nil {
			return err
		}
	}
}

// Giving a stream up at any moment leaves nothing, whatever both sides are doing.
func TestStreamCancelledAnywhere(t *testing.T) {
	p, h := streamPair(t, func(c *config) { c.pipe = transporttest.PipeOptions{MaxFrame: 4 << 10} })
	for i := range 400 {
		s := open(t, t.Context(), p.client, methodEchoes, nil, true, true)
		other := make(chan error, 1)
		go func() {
			err := flood(s)
			s.CloseSend(err)
			other <- err
		}()
		for range i % 20 {
			if _, err := s.Recv(); err != nil {
				t.Fatal(err)
			}
		}
		s.Cancel()
		wait.Receive(t, "the producer", other)
	}
	wantNothingLeft(t, p)
	if err := p.client.Err(); err != nil {
		t.Errorf("the link ended: %v", err)
	}
	if h.entered.Load() != h.left.Load() {
		t.Errorf("%d handlers entered, %d left", h.entered.Load(), h.left.Load())
	}
}

// A producer may be the first to see that its call was given up. The consumer, who reads, is told then too.
func TestProducerSeesTheEndFirst(t *testing.T) {
	wait.Bubble(t, func(t *testing.T) {
		p, _ := streamPair(t)
		for range 50 { // in some of them the context's own watcher is quicker
			ctx, cancel := context.WithCancel(t.Context())
			s := open(t, ctx, p.client, methodGather, nil, true, true)
			received := make(chan error, 1)
			go func() {
				_, err := s.Recv()
				received <- err
			}()
			synctest.Wait() // it reads now, and nothing will come
			cancel()
			if err := s.Send(pattern(10, 0)); !errors.Is(err, context.Canceled) {
				t.Errorf("the producer got %v", err)
			}
			if err := <-received; !errors.Is(err, context.Canceled) {
				t.Errorf("the consumer got %v", err)
			}
			finish(s)
		}
		wantNothingLeft(t, p)
	})
}

// A server that shuts down lets its streams end.
func TestShutdownWithStreams(t *testing.T) {
	p, h := streamPair(t)
	s := open(t, t.Context(), p.client, methodEchoes, nil, true, true)
	wait.Until(t, "a handler", func() bool { return h.entered.Load() == 1 })
	down := make(chan error, 1)
	go func() { down <- p.server.Shutdown(t.Context()) }()
	wait.Until(t, "a goaway", func() bool {
		call(t.Context(), p.client, methodAtOnce, nil)
		return p.client.Draining()
	})
	if err := echoAll(s, 1000, 1000); err != nil {
		t.Error(err)
	}
	if err := wait.Receive(t, "the shutdown", down); err != nil {
		t.Error(err)
	}
}

// A stream of which a part could not be sent, because its caller gave up, does not look as if it had ended well.
func TestTruncatedStreamFails(t *testing.T) {
	const longest = 4 << 10
	l, raw := rawServer(t, nil, &transporttest.PipeOptions{MaxFrame: longest, Capacity: longest + wire.HeaderSize})
	ctx, cancel := context.WithCancel(t.Context())
	s := open(t, ctx, l, 0, nil, true, false)
	readFrame(t, raw)
	sent := make(chan error, 1)
	go func() { sent <- s.Send(make([]byte, wire.StreamWindow/2+1)) }()
	if h, _ := readFrame(t, raw); h.Kind != wire.KindItem { // the rest does not fit in the pipe
		t.Fatalf("instead of an item came %+v", h)
	}
	cancel()
	if err := wait.Receive(t, "the producer", sent); !errors.Is(err, context.Canceled) {
		t.Errorf("Send: %v", err)
	}
	ended := make(chan error, 1)
	go func() {
		s.CloseSend(nil)
		_, err := s.Finish()
		ended <- err
	}()
	for {
		h, _ := readFrame(t, raw)
		if h.Kind == wire.KindItem {
			continue
		}
		if h.Kind != wire.KindCancel && wire.Code(h.Method) != wire.CodeCanceled {
			t.Errorf("the stream ended by %+v", h)
		}
		break
	}
	go io.Copy(io.Discard, raw)
	if err := wait.Receive(t, "the call", ended); !errors.Is(err, context.Canceled) {
		t.Errorf("the call: %v", err)
	}
}

// A handler that receives no more goes on sending when the client's stream has ended, for longer than its first credit lasts.
func TestSendAfterTheEndOfWhatIsNotReceived(t *testing.T) {
	const items, size = 100, 4000
	ended := newGate()
	p := newPair(t, func(_ context.Context, c *link.Incoming) error {
		if c.Stream == nil {
			return nil
		}
		c.Stream.StopReceiving()
		ended.pass()
		return count(c.Stream, counting(items, size, ""))
	})
	s := open(t, t.Context(), p.client, 0, nil, true, true)
	s.CloseSend(nil)
	if _, err := call(t.Context(), p.client, 0, nil); err != nil { // behind the end, which has come then
		t.Fatal(err)
	}
	ended.open()
	wait.Return(t, "all items", func() {
		if n, _, err := gather(&s.Stream); n != items || err != nil {
			t.Errorf("%d items came: %v", n, err)
		}
	})
	if _, err := finish(s); err != nil {
		t.Error(err)
	}
	wait.Until(t, "no stream left", func() bool { return p.server.Streams() == 0 })
}

// A goroutine that still reads its stream when the handler has returned may be about to give credit. The reply waits for that: a
// client that has the reply takes a credit for a fault of the protocol, which ends the link.
func TestCreditComesBeforeTheReply(t *testing.T) {
	wait.Bubble(t, func(t *testing.T) {
		var sent []wire.Kind
		held := make(chan struct{})
		p := newPair(t, func(_ context.Context, c *link.Incoming) error {
			go func() {
				for {
					if _, err := c.Stream.Recv(); err != nil {
						return
					}
				}
			}()
			<-held
			return nil
		}, func(c *config) {
			c.wrapFar = func(far link.Conn) link.Conn {
				return &hooked{far, func(h *wire.Header) {
					if h.Kind == wire.KindCredit {
						close(held)
						time.Sleep(time.Second) // all that can happen does
					}
					sent = append(sent, h.Kind)
				}}
			}
		})
		s := open(t, t.Context(), p.client, 0, nil, true, false)
		for n := range 30 {
			if err := s.Send(pattern(1000, uint64(n))); err != nil {
				t.Fatal(err)
			}
		}
		synctest.Wait() // all was received, and the credit is held
		if _, err := finish(s); err != nil {
			t.Error(err)
		}
		p.client.Close()
		p.server.Close()
		p.server.Wait()
		if want := []wire.Kind{wire.KindCredit, wire.KindReply}; !slices.Equal(sent, want) {
			t.Errorf("the server sent %v, want %v", sent, want)
		}
	})
}
