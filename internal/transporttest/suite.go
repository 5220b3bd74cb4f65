package transporttest

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"
	"time"

	"hotline/internal/link"
	"hotline/internal/wire"
)

// Patience is how long the suite waits for what must come.
const Patience = 120 * time.Second

// Transport is what the suite tests.
type Transport struct {
	Name string

	// Listen listens at an address of its own choice: in dir, which is short enough for sockets, or on loopback.
	Listen func(dir string) (Listener, error)

	// Dial connects to what Listener.Addr said, in this process or another one.
	Dial func(ctx context.Context, address string) (link.Conn, error)

	// OneProcess says that both ends must be in this process.
	OneProcess bool

	// Sizes are message sizes that are special for this transport, such as those of its ring, in bytes.
	Sizes []int
}

// Listener is what the transports' listeners have in common.
type Listener interface {
	Accept() (link.Conn, error)
	Close() error
	Addr() string
}

// Run runs the suite for one transport: the call engine over it, in both directions, within one process and between
// two. The test binary's TestMain must call [Main].
func Run(t *testing.T, transport Transport) {
	t.Run("contract", func(t *testing.T) { testContract(t, transport) })
	wantNothingHeld(t) // from here on: what a process opens once, and keeps, it has opened now
	t.Run("frames", func(t *testing.T) { testFrames(t, transport) })
	for _, m := range meetings {
		if m.remote && transport.OneProcess {
			continue
		}
		t.Run(m.name, func(t *testing.T) {
			t.Run("sizes", func(t *testing.T) { testSizes(t, m.meet(t, transport), transport.Sizes) })
			t.Run("large", func(t *testing.T) { testLarge(t, m.meet(t, transport), m.large) })
			t.Run("callers", func(t *testing.T) { testCallers(t, m.meet(t, transport)) })
			t.Run("metadata", func(t *testing.T) { testMetadata(t, m.meet(t, transport)) })
			t.Run("errors", func(t *testing.T) { testErrors(t, m.meet(t, transport)) })
			t.Run("loans", func(t *testing.T) { testLoans(t, m.meet(t, transport)) })
			t.Run("loans of many callers", func(t *testing.T) { testLoanCallers(t, m.meet(t, transport)) })
			t.Run("loans that are held", func(t *testing.T) { testLoanHeld(t, m.meet(t, transport)) })
			t.Run("loans and the link's end", func(t *testing.T) { testLoanOutlives(t, m.meet(t, transport)) })
			t.Run("cancel", func(t *testing.T) { testCancel(t, m.meet(t, transport)) })
			t.Run("cancel before it is sent", func(t *testing.T) { testCancelBefore(t, m.meet(t, transport)) })
			t.Run("deadline", func(t *testing.T) { testDeadline(t, m.meet(t, transport)) })
			t.Run("streams", func(t *testing.T) { testStreams(t, m.meet(t, transport)) })
			t.Run("streams left", func(t *testing.T) { testStreamsLeft(t, m.meet(t, transport)) })
			t.Run("stopped consumer", func(t *testing.T) { testStoppedConsumer(t, m.meet(t, transport)) })
			for _, phase := range phases {
				t.Run("client closes "+phase.name, func(t *testing.T) { testClose(t, m.meet(t, transport), phase, true) })
				t.Run("server closes "+phase.name, func(t *testing.T) { testClose(t, m.meet(t, transport), phase, false) })
			}
		})
	}
	t.Run("cancel in the queue", func(t *testing.T) { testCancelQueued(t, transport) })
	t.Run("cancel within a request", func(t *testing.T) { testCancelRequest(t, transport) })
	t.Run("cancel within a reply", func(t *testing.T) { testCancelReply(t, transport) })
	t.Run("closed before the handshake", func(t *testing.T) { testBeforeHandshake(t, transport) })
	t.Run("closed in the handshake", func(t *testing.T) { testFirstWait(t, transport) })
	t.Run("stalled handshake", func(t *testing.T) { testStalled(t, transport) })
	t.Run("refused", func(t *testing.T) { testRefused(t, transport) })
	t.Run("garbage", func(t *testing.T) { testGarbage(t, transport) })
	t.Run("shutdown", func(t *testing.T) { testShutdown(t, transport) })
	if transport.OneProcess {
		return
	}
	t.Run("client in another process", func(t *testing.T) { testRemoteClient(t, transport) })
	t.Run("strangers", func(t *testing.T) { testStrangers(t, transport) })
	t.Run("client killed", func(t *testing.T) { testClientKilled(t, transport) })
	t.Run("client killed in a message", func(t *testing.T) { testTruncated(t, transport) })
	t.Run("server killed under fire", func(t *testing.T) { testKilledUnderFire(t, transport) })
}

// wantNothingHeld makes a test fail that ends with more descriptors or mappings than there are now.
func wantNothingHeld(t *testing.T) {
	fds, maps := held()
	t.Cleanup(func() {
		var f, m int
		for end := time.Now().Add(Patience); time.Now().Before(end); time.Sleep(time.Millisecond) {
			if f, m = held(); f <= fds && m <= maps {
				return
			}
		}
		t.Errorf("%d descriptors and %d shared mappings are left, there were %d and %d", f, m, fds, maps)
	})
}

// testFrames sends frames of many sizes both ways at once, and wants them whole and in order.
func testFrames(t *testing.T, transport Transport) {
	near, far := connect(t, transport)
	const frames = 500
	var wg sync.WaitGroup
	for _, conn := range []link.Conn{near, far} {
		wg.Go(func() {
			payload := pattern(conn.MaxFrame(), 1)
			for i := range uint64(frames) {
				n := frameLength(i, conn.MaxFrame())
				h := &wire.Header{Kind: wire.KindCall, ID: i + 1, Length: uint32(n), Total: uint32(n)}
				if err := conn.Write(link.Stop{}, h, nil, payload[:n]); err != nil {
					t.Errorf("write frame %d: %v", i, err)
					return
				}
			}
		})
		wg.Go(func() {
			want, got := pattern(wire.MaxFramePayload, 1), make([]byte, wire.MaxFramePayload)
			for i := range uint64(frames) {
				h, err := conn.Next()
				if err != nil || h.ID != i+1 {
					t.Errorf("frame %d: got id %d, %v", i, h.ID, err)
					return
				}
				for left := got[:h.Length]; len(left) > 0; {
					n, err := conn.Read(left)
					if err != nil {
						t.Errorf("read frame %d: %v", i, err)
						return
					}
					left = left[n:]
				}
				if !bytes.Equal(got[:h.Length], want[:h.Length]) {
					t.Errorf("frame %d of %d bytes came changed", i, h.Length)
				}
			}
		})
	}
	wg.Wait()
}

// frameLength goes through all the small lengths, and now and then the largest.
func frameLength(i uint64, longest int) int {
	if i%50 == 49 {
		return longest - int(i)%3
	}
	return int(i)
}

func testSizes(t *testing.T, p *pairing, special []int) {
	longest := p.maxFrame
	sizes := []int{0, 1, 16, 63, 64, 65, longest - 1, longest, longest + 1, 64 << 10, 1 << 20}
	for _, n := range append(sizes, special...) {
		data := pattern(n, uint64(n))
		if got, err := p.call(t.Context(), methodEcho, data); err != nil || !bytes.Equal(got, data) {
			t.Fatalf("echo of %d bytes: got %d, %v", n, len(got), err)
		}
	}
}

// testLarge sends n bytes there and back, and wants small calls to be answered meanwhile.
func testLarge(t *testing.T, p *pairing, n int) {
	data := pattern(n, 7)
	done := make(chan error, 1)
	go func() {
		got, err := p.call(t.Context(), methodEcho, data)
		if err == nil && !bytes.Equal(got, data) {
			err = fmt.Errorf("%d bytes came changed", len(got))
		}
		done <- err
	}()
	for small := 0; ; small++ {
		select {
		case err := <-done:
			if err != nil {
				t.Fatal(err)
			}
			if small == 0 {
				t.Error("no small call was answered while the large one was under way")
			}
			return
		default:
		}
		if _, err := p.call(t.Context(), methodEcho, data[:16]); err != nil {
			t.Fatalf("small call: %v", err)
		}
	}
}

func testCallers(t *testing.T, p *pairing) {
	var wg sync.WaitGroup
	for i := range uint64(64) {
		wg.Go(func() {
			r := rand.New(rand.NewPCG(i, 0))
			for range 20 {
				data := pattern(1<<r.IntN(17)+r.IntN(3), r.Uint64())
				if got, err := p.call(t.Context(), methodEcho, data); err != nil || !bytes.Equal(got, data) {
					t.Errorf("caller %d: echo of %d bytes: got %d, %v", i, len(data), len(got), err)
					return
				}
			}
		})
	}
	wg.Wait()
}

func testDeadline(t *testing.T, p *pairing) {
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer cancel()
	if _, err := p.call(ctx, methodWait, nil); !errors.Is(err, context.DeadlineExceeded) && !isCode(err, wire.CodeDeadline) {
		t.Errorf("got %v, want context.DeadlineExceeded", err)
	}
	p.waitFor(t, "no handler to be left", func(c counts) bool { return c.begun == c.cancelled })
}

// phase is where in a link's life it is closed.
type phase struct {
	name string
	// enter brings the link there; what it returns gets the error of a call under way.
	enter func(*testing.T, *pairing) <-chan error
}

var phases = []phase{
	{"between calls", func(t *testing.T, p *pairing) <-chan error {
		if _, err := p.call(t.Context(), methodEcho, []byte("x")); err != nil {
			t.Fatal(err)
		}
		return nil
	}},
	{"at once", func(*testing.T, *pairing) <-chan error { return nil }},
	{"in a call", func(t *testing.T, p *pairing) <-chan error {
		ended := p.start(context.Background(), methodWait)
		p.waitFor(t, "the handler to begin", func(c counts) bool { return c.begun == 1 })
		return ended
	}},
	{"in a stream", func(t *testing.T, p *pairing) <-chan error {
		ended := make(chan error, 1)
		s := p.open(t, context.Background(), methodEchoes, true, true)
		go func() {
			sent := make(chan error, 1)
			go func() { sent <- flood(s) }()
			for n := 0; ; n++ {
				if _, err := s.Recv(); err != nil {
					break
				}
			}
			_, err := s.Finish()
			<-sent
			ended <- err
		}()
		return ended
	}},
	{"in a message", func(t *testing.T, p *pairing) <-chan error {
		ended := make(chan error, 1)
		go func() {
			var err error
			for data := pattern(8<<20, 1); err == nil; { // until one is cut off
				_, err = p.call(context.Background(), methodEcho, data)
			}
			ended <- err
		}()
		return ended
	}},
}

// testClose closes a link from one side, and wants every call to end with a known outcome and both sides to notice.
func testClose(t *testing.T, p *pairing, ph phase, byClient bool) {
	underWay := ph.enter(t, p)
	if byClient {
		p.client.Close()
	} else {
		p.closeServer(t)
	}
	if underWay != nil {
		select {
		case err := <-underWay:
			wantOutcome(t, err)
		case <-time.After(Patience):
			t.Fatal("the call under way has not ended")
		}
	}
	select { // without a call that would look
	case <-p.client.Ended():
	case <-time.After(Patience):
		t.Fatal("the client has not noticed")
	}
	p.wantServerEnded(t)
	_, err := p.call(t.Context(), methodEcho, nil)
	if !errors.Is(err, link.ErrNotExecuted) {
		t.Errorf("a call afterwards: got %v, want ErrNotExecuted", err)
	}
}

// wantOutcome checks that an error says what became of a call whose link was cut.
func wantOutcome(t *testing.T, err error) {
	t.Helper()
	if !errors.Is(err, link.ErrMaybeExecuted) && !errors.Is(err, link.ErrNotExecuted) && !isCode(err, wire.CodeCanceled) {
		t.Errorf("the call under way: got %v, want ErrMaybeExecuted, ErrNotExecuted or the code canceled", err)
	}
}

func testBeforeHandshake(t *testing.T, transport Transport) {
	for _, dialer := range []bool{true, false} {
		near, far := connect(t, transport)
		if dialer {
			near.Close()
			if err := receive(far); err == nil {
				t.Error("Receive from a client that is gone: got no error")
			}
			continue
		}
		far.Close()
		ctx, cancel := context.WithTimeout(t.Context(), Patience)
		defer cancel()
		if _, err := link.Greet(ctx, near, hello()); err == nil || errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("Greet to a server that is gone: got %v", err)
		}
	}
}

func isCode(err error, code wire.Code) bool {
	var e *wire.Error
	return errors.As(err, &e) && e.Code == code
}

// pattern returns n bytes that depend on seed and differ from place to place.
func pattern(n int, seed uint64) []byte {
	b := make([]byte, n, n+8)
	for i := 0; i < n; i += 8 {
		seed = seed*6364136223846793005 + 1442695040888963407
		binary.LittleEndian.PutUint64(b[i:i+8:n+8], seed)
	}
	return b
}
