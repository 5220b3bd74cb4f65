package link_test

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"runtime"
	"strconv"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"hotline/internal/link"
	"hotline/internal/transporttest"
	"hotline/internal/wait"
	"hotline/internal/wire"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// patience is how long a test waits for what must happen. It is no measure of anything: a test that passes never
// waits as long.
const patience = 120 * time.Second

// goid returns the number of the goroutine that runs, to see who does what.
func goid() uint64 {
	b := make([]byte, 64)
	b = bytes.TrimPrefix(b[:runtime.Stack(b, false)], []byte("goroutine "))
	n, _ := strconv.ParseUint(string(b[:bytes.IndexByte(b, ' ')]), 10, 64)
	return n
}

type handler func(ctx context.Context, c *link.Incoming) error

func (h handler) Handle(ctx context.Context, c *link.Incoming) error { return h(ctx, c) }

func echo(_ context.Context, c *link.Incoming) error {
	c.Reply = c.Payload
	return nil
}

// pair is a client and a server on one pipe.
type pair struct {
	client *link.Client
	server *link.Server
}

// config is what a test may change of a pair before it is made.
type config struct {
	pipe           transporttest.PipeOptions
	client, server link.Options
	wrap, wrapFar  func(link.Conn) link.Conn // the client's connection, and the server's
}

// newPair connects a client to a server whose handler is h. Both end with the test, and nothing of them is left.
func newPair(t testing.TB, h handler, change ...func(*config)) *pair {
	t.Helper()
	as := func(c link.Conn) link.Conn { return c }
	c := config{wrap: as, wrapFar: as}
	c.client.Buffers, c.server.Buffers = &link.Buffers{Poison: true}, &link.Buffers{Poison: true}
	for _, f := range change {
		f(&c)
	}
	near, far := transporttest.Pipe(&c.pipe)
	server, err := link.NewServer(c.wrapFar(far), h, &c.server, nil)
	if err != nil {
		t.Fatal(err)
	}
	client, err := link.NewClient(c.wrap(near), &c.client)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		client.Close()
		server.Close()
		wait.Return(t, "the server's handlers", server.Wait)
	})
	return &pair{client, server}
}

// inFlight sets the limit of both sides.
func inFlight(n int) func(*config) {
	return func(c *config) { c.client.MaxInFlight, c.server.MaxInFlight = n, n }
}

// call makes a call and returns what came of it, in memory that nobody else uses.
func call(ctx context.Context, l *link.Client, method uint16, payload []byte) ([]byte, error) {
	reply, err := l.Call(ctx, &link.Request{Method: method, Payload: payload})
	body := bytes.Clone(reply.Body)
	reply.Release()
	return body, err
}

// outcome is how a call ended.
type outcome struct {
	body []byte
	err  error
}

// start makes a call on a goroutine of its own.
func start(ctx context.Context, l *link.Client, method uint16, payload []byte) <-chan outcome {
	c := make(chan outcome, 1)
	go func() {
		body, err := call(ctx, l, method, payload)
		c <- outcome{body, err}
	}()
	return c
}

// isCode reports whether err is what a server answered with this code.
func isCode(err error, code wire.Code) bool {
	var e *wire.Error
	return errors.As(err, &e) && e.Code == code
}

// isDeadline reports whether a call ended by its deadline, whichever side saw it first.
func isDeadline(err error) bool {
	return errors.Is(err, context.DeadlineExceeded) || isCode(err, wire.CodeDeadline)
}

// pattern returns n bytes that differ from place to place and from seed to seed.
func pattern(n int, seed uint64) []byte {
	b, x := make([]byte, n+8), seed*0x9e3779b97f4a7c15+1
	const block = 1<<16 + 1
	for i := 0; i < min(n, block); i += 8 {
		x ^= x << 13
		x ^= x >> 7
		x ^= x << 17
		binary.LittleEndian.PutUint64(b[i:], x)
	}
	for i := block; i < n; i += block { // copying is quick, also for the race detector
		copy(b[i:], b[:block])
		binary.LittleEndian.PutUint64(b[i:], uint64(i)^x)
	}
	return b[:n:n]
}

// gate lets callers of pass through once it is open.
type gate struct {
	once sync.Once
	c    chan struct{}
}

func newGate() *gate { return &gate{c: make(chan struct{})} }

func (g *gate) open() { g.once.Do(func() { close(g.c) }) }

func (g *gate) pass() { <-g.c }

// frame encodes a frame whose lengths are right unless h has them.
func frame(h wire.Header, payload []byte) []byte {
	if h.Length == 0 {
		h.Length = uint32(len(payload))
	}
	if h.Total == 0 {
		h.Total = h.Length - h.Metadata
	}
	b := make([]byte, wire.HeaderSize, wire.HeaderSize+len(payload))
	h.Put(b)
	return append(b, payload...)
}

// readFrame reads what the other side of a raw pipe sent.
func readFrame(t testing.TB, r io.Reader) (wire.Header, []byte) {
	t.Helper()
	h, b, err := tryFrame(r)
	if err != nil {
		t.Fatal(err)
	}
	return h, b
}

func tryFrame(r io.Reader) (wire.Header, []byte, error) {
	var head [wire.HeaderSize]byte
	if _, err := io.ReadFull(r, head[:]); err != nil {
		return wire.Header{}, nil, fmt.Errorf("reading a header: %w", err)
	}
	h, err := wire.ParseHeader(head[:])
	if err != nil {
		return h, nil, err
	}
	b := make([]byte, h.Length)
	_, err = io.ReadFull(r, b)
	return h, b, err
}

// heap returns the bytes in use after a collection.
func heap() int64 {
	for range 2 { // what pools hold goes with the second
		runtime.GC()
	}
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}
