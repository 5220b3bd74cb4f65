package transporttest

import (
	"bytes"
	"context"
	"encoding/binary"
	"os"
	"os/exec"
	"sync/atomic"
	"testing"
	"time"

	"hotline/internal/link"
	"hotline/internal/wire"
)

// The methods of the suite's service.
const (
	methodEcho   = 0 // returns its argument
	methodWait   = 1 // returns when its context ends, with its error
	methodCount  = 3 // counts itself, and returns its argument
	methodLong   = 4 // returns longReply bytes
	methodFail   = 5 // returns an error whose identity is its argument
	methodCounts = 2 // returns how many calls of methodWait have begun, how many have ended, and in how many the argument had changed
	methodFlip   = 6 // inverts the ends of its argument, and returns it
	methodCopy   = 7 // returns a copy of its argument
	methodHold   = 8 // is methodWait, and goes on until methodLetGo is called
	methodLetGo  = 9

	methodEchoes = 10 // sends the items that it receives
	methodGather = 11 // receives items and returns their number
	methodFlood  = 12 // sends items as long as it can, and counts like methodWait
)

// service answers the suite's calls.
type service struct {
	begun, cancelled, counted, broken atomic.Uint64
	holding
}

func newService() *service {
	s := new(service)
	s.letGo = make(chan struct{})
	return s
}

// counts is what methodCounts returns.
type counts struct{ begun, cancelled, broken uint64 }

// Handle implements link.Handler.
func (s *service) Handle(ctx context.Context, c *link.Incoming) error {
	switch c.Method {
	case methodEcho:
		c.Reply, c.ReplyMetadata = c.Payload, bytes.Clone(c.Metadata)
		return nil
	case methodLong:
		c.Reply = make([]byte, longReply)
		return nil
	case methodFail:
		c.ReplyMetadata = bytes.Clone(c.Metadata)
		return &wire.Error{Code: wire.CodeApplication, Message: "as asked",
			Identities: []wire.Identity{{Name: "argument", Value: bytes.Clone(c.Payload)}, {Depth: 1, Name: "within", Value: []byte{}}}}
	case methodCount:
		s.counted.Add(1)
		c.Reply = c.Payload
		return nil
	case methodWait, methodHold:
		return s.wait(ctx, c, c.Method == methodHold)
	case methodLetGo:
		s.once.Do(func() { close(s.letGo) })
		return nil
	case methodFlip:
		s.flip(c)
		return nil
	case methodCopy:
		s.copyOut(ctx, c)
		return nil
	case methodCounts:
		b := binary.LittleEndian.AppendUint64(c.Buffer(), s.begun.Load())
		b = binary.LittleEndian.AppendUint64(b, s.cancelled.Load())
		c.Keep(binary.LittleEndian.AppendUint64(b, s.broken.Load()))
		return nil
	}
	if c.Stream == nil {
		return wire.Errorf(wire.CodeNoMethod, "no method %d", c.Method)
	}
	return s.stream(c)
}

// pairing is a client here, and the server that it is linked to, here or in another process.
type pairing struct {
	client   *link.Client
	maxFrame int
	server   *link.Server // nil where it is in another process
	handler  *service     // likewise
	peer     *exec.Cmd    // nil where it is in this one
	gone     chan error   // with peer: gets what Wait returned
}

// meetings are the ways in which a client here meets a server.
var meetings = []struct {
	name   string
	remote bool // the server is in another process
	large  int  // how long its large message is, in bytes
	meet   func(*testing.T, Transport) *pairing
}{
	{"dialer calls", false, largeSize, func(t *testing.T, transport Transport) *pairing {
		near, far := connect(t, transport)
		return meetHere(t, near, far)
	}},
	{"acceptor calls", false, longSize, func(t *testing.T, transport Transport) *pairing {
		near, far := connect(t, transport)
		return meetHere(t, far, near)
	}},
	{"dialer calls another process", true, longSize, func(t *testing.T, transport Transport) *pairing {
		p, address := startPeer(t, transport, roleListenServe, "")
		ctx, cancel := context.WithTimeout(t.Context(), Patience)
		defer cancel()
		conn, err := transport.Dial(ctx, address)
		if err != nil {
			t.Fatal(err)
		}
		p.begin(t, conn)
		return p
	}},
	{"acceptor calls another process", true, longSize, func(t *testing.T, transport Transport) *pairing {
		ln := listen(t, transport)
		p, _ := startPeer(t, transport, roleDialServe, ln.Addr())
		conn, err := ln.Accept()
		if err != nil {
			t.Fatal(err)
		}
		p.begin(t, conn)
		return p
	}},
}

// meetHere makes a client and a server in this process of the two ends of a connection.
func meetHere(t *testing.T, client, server link.Conn) *pairing {
	t.Helper()
	p := new(pairing)
	received := make(chan error, 1)
	go func() { received <- receive(server) }()
	p.begin(t, client)
	if err := <-received; err != nil {
		t.Fatal(err)
	}
	p.server, p.handler = serve(t, server)
	return p
}

// begin does the client's half of the handshake.
func (p *pairing) begin(t testing.TB, conn link.Conn) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), Patience)
	defer cancel()
	if _, err := link.Greet(ctx, conn, hello()); err != nil {
		t.Fatal(err)
	}
	client, err := link.NewClient(conn, options(t))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { client.Close() })
	p.client, p.maxFrame = client, conn.MaxFrame()
}

// options are those of a link: in a test its buffers are overwritten when they are given back, so that whoever still uses
// one is found out.
func options(t testing.TB) *link.Options {
	_, bench := t.(*testing.B)
	return &link.Options{Buffers: &link.Buffers{Poison: !bench}}
}

// serve answers calls over a connection until the test ends.
func serve(t *testing.T, conn link.Conn) (*link.Server, *service) {
	t.Helper()
	handler := newService()
	server, err := link.NewServer(conn, handler, options(t), nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		server.Close()
		server.Wait()
	})
	return server, handler
}

// call makes one call and returns its result, which is the caller's.
func (p *pairing) call(ctx context.Context, method uint16, data []byte) ([]byte, error) {
	reply, err := p.client.Call(ctx, &link.Request{Method: method, Payload: data, Fresh: true})
	return reply.Body, err
}

// start begins a call; the channel gets its error.
func (p *pairing) start(ctx context.Context, method uint16) <-chan error {
	ended := make(chan error, 1)
	go func() {
		_, err := p.callOnLoan(ctx, method, p.lend(make([]byte, 64<<10)))
		ended <- err
	}()
	return ended
}

// waitFor asks the server until its counts are as wanted.
func (p *pairing) waitFor(t *testing.T, what string, reached func(counts) bool) {
	t.Helper()
	for end := time.Now().Add(Patience); ; time.Sleep(time.Millisecond) {
		b, err := p.call(t.Context(), methodCounts, nil)
		if err != nil {
			t.Fatalf("waiting for %s: %v", what, err)
		}
		if reached(counts{binary.LittleEndian.Uint64(b), binary.LittleEndian.Uint64(b[8:]), binary.LittleEndian.Uint64(b[16:])}) {
			return
		}
		if time.Now().After(end) {
			t.Fatalf("waited in vain for %s", what)
		}
	}
}

// closeServer ends the server's side: in order here, by SIGKILL in another process.
func (p *pairing) closeServer(t *testing.T) {
	t.Helper()
	if p.server != nil {
		p.server.Close()
		return
	}
	if err := p.peer.Process.Signal(os.Kill); err != nil {
		t.Fatal(err)
	}
}

// wantServerEnded waits until the server has noticed the link's end, or its process has ended.
func (p *pairing) wantServerEnded(t *testing.T) {
	t.Helper()
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		if p.server != nil {
			p.server.Wait()
		} else {
			p.gone <- <-p.gone
		}
	}()
	select {
	case <-ended:
	case <-time.After(Patience):
		t.Fatal("the server has not noticed")
	}
}

// connect makes a connection within this process: the dialer's end and the acceptor's.
func connect(t *testing.T, transport Transport) (near, far link.Conn) {
	t.Helper()
	ln := listen(t, transport)
	ctx, cancel := context.WithTimeout(t.Context(), Patience)
	defer cancel()
	type accepted struct {
		conn link.Conn
		err  error
	}
	came := make(chan accepted, 1)
	go func() { // beside Dial, which may wait for the other end's part in a handshake of the transport's own
		conn, err := ln.Accept()
		came <- accepted{conn, err}
	}()
	near, err := transport.Dial(ctx, ln.Addr())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { near.Close() })
	other := <-came
	if other.err != nil {
		t.Fatal(other.err)
	}
	t.Cleanup(func() { other.conn.Close() })
	return near, other.conn
}

func listen(t *testing.T, transport Transport) Listener {
	t.Helper()
	dir, err := os.MkdirTemp("", "hl")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	ln, err := transport.Listen(dir)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { ln.Close() })
	return ln
}

func hello() *wire.Hello {
	return &wire.Hello{Oldest: wire.Version, Newest: wire.Version, MaxMessage: link.DefaultMaxMessage}
}

// receive does the server's half of the handshake.
func receive(conn link.Conn) error {
	return link.Receive(conn, Patience, func(*wire.Hello) (*wire.Welcome, *wire.Error) {
		return &wire.Welcome{MaxMessage: link.DefaultMaxMessage, MaxInFlight: link.DefaultMaxInFlight}, nil
	})
}
