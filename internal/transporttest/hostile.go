package transporttest

import (
	"context"
	"errors"
	"math/rand/v2"
	"net"
	"net/url"
	"strings"
	"testing"
	"time"

	"hotline/internal/link"
	"hotline/internal/wire"
)

// testStrangers lets anybody connect who does not know the protocol, or stalls in the middle of it, and wants clients to be
// served meanwhile.
func testStrangers(t *testing.T, transport Transport) {
	ln := listen(t, transport)
	accepting := make(chan struct{})
	stop := make(chan struct{})
	go func() { // as a service does
		defer close(accepting)
		for {
			conn, err := ln.Accept()
			if err != nil {
				select {
				case <-stop:
					return
				default:
					t.Errorf("Accept: %v", err)
					return
				}
			}
			go func() {
				if err := receiveWithin(conn, time.Second); err != nil {
					return
				}
				server, err := link.NewServer(conn, newService(), nil, nil)
				if err != nil {
					t.Error(err)
					return
				}
				<-stop
				server.Close()
				server.Wait()
			}()
		}
	}()
	t.Cleanup(func() {
		close(stop)
		ln.Close()
		<-accepting
	})
	proper := hello().Append(make([]byte, wire.HeaderSize))
	(&wire.Header{Kind: wire.KindHello, Length: uint32(len(proper) - wire.HeaderSize),
		Total: uint32(len(proper) - wire.HeaderSize)}).Put(proper)
	noise := make([]byte, 10_000)
	rand.NewChaCha8([32]byte{1}).Read(noise)
	for _, text := range [][]byte{nil, []byte("x"), []byte("GET / HTTP/1.1\r\nHost: localhost\r\n\r\n"), make([]byte, 1000), noise,
		proper[:10], proper[:wire.HeaderSize+3]} {
		for _, stays := range []bool{false, true} {
			stranger, err := dialRaw(ln.Addr())
			if err != nil {
				t.Fatal(err)
			}
			stranger.SetDeadline(time.Now().Add(Patience))
			if _, err := stranger.Write(text); err != nil {
				t.Logf("a stranger with %d bytes was dropped while it wrote: %v", len(text), err)
			}
			if stays {
				defer stranger.Close()
			} else {
				stranger.Close()
			}
			ctx, cancel := context.WithTimeout(t.Context(), Patience)
			conn, err := transport.Dial(ctx, ln.Addr())
			cancel()
			if err != nil {
				t.Fatalf("a client behind a stranger with %d bytes: %v", len(text), err)
			}
			p := new(pairing)
			p.begin(t, conn)
			if _, err := p.call(t.Context(), methodEcho, []byte("behind a stranger")); err != nil {
				t.Fatalf("a client behind a stranger with %d bytes: %v", len(text), err)
			}
			p.client.Close()
		}
	}
}

// dialRaw connects to an address as whoever does not know what is spoken there.
func dialRaw(address string) (net.Conn, error) {
	u, err := url.Parse(address)
	if err != nil {
		return nil, err
	}
	if u.Host != "" {
		return net.Dial("tcp", u.Host)
	}
	return net.Dial("unix", u.Path)
}

// testStalled gives up a handshake that stalls, on either side, when it is told to.
func testStalled(t *testing.T, transport Transport) {
	near, far := connect(t, transport)
	if err := receiveWithin(far, 50*time.Millisecond); err == nil || !strings.Contains(err.Error(), "no hello within") {
		t.Errorf("Receive from a client that says nothing: %v", err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), Patience)
	defer cancel()
	if _, err := link.Greet(ctx, near, hello()); err == nil || ctx.Err() != nil {
		t.Errorf("Greet to a server that has given up: %v", err)
	}
	near, far = connect(t, transport)
	ctx, cancel = context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if _, err := link.Greet(ctx, near, hello()); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("Greet to a server that says nothing: %v", err)
	}
	if err := receiveWithin(far, Patience); err == nil {
		// The hello had come whole; the welcome then goes to nobody, and the next read says so.
		if _, err := nextWithin(t, far); err == nil {
			t.Error("a link with a client that has given up")
		}
	}
}

// testFirstWait closes a connection while the other side waits for its half of the handshake.
func testFirstWait(t *testing.T, transport Transport) {
	near, far := connect(t, transport)
	waiting := make(chan error, 1)
	go func() {
		_, err := link.Greet(t.Context(), near, hello())
		waiting <- err
	}()
	if _, err := next(far); err != nil { // the hello is there: the client waits, or is about to
		t.Fatal(err)
	}
	far.Close()
	if err := within(t, "Greet", waiting); err == nil {
		t.Error("Greet to a server that closed has succeeded")
	}
	near, far = connect(t, transport)
	go func() { waiting <- receive(far) }()
	time.Sleep(5 * time.Millisecond) // it may wait or not: both must do
	near.Close()
	if err := within(t, "Receive", waiting); err == nil {
		t.Error("Receive from a client that closed has succeeded")
	}
}

// testRefused brings a refusal to the client although the server closes behind it.
func testRefused(t *testing.T, transport Transport) {
	for _, early := range []bool{true, false} {
		near, far := connect(t, transport)
		received := make(chan error, 1)
		go func() {
			if early { // full: whoever comes is sent away
				why := wire.AppendError(nil, wire.Errorf(0, "no"))
				err := far.Write(link.Stop{}, &wire.Header{Kind: wire.KindRefuse, Method: uint16(wire.CodeRefused),
					Length: uint32(len(why)), Total: uint32(len(why))}, nil, why)
				far.Close()
				received <- err
				return
			}
			err := link.Receive(far, Patience, func(*wire.Hello) (*wire.Welcome, *wire.Error) {
				return nil, wire.Errorf(wire.CodeRefused, "no")
			})
			if isCode(err, wire.CodeRefused) {
				err = nil
			}
			received <- err
		}()
		ctx, cancel := context.WithTimeout(t.Context(), Patience)
		_, err := link.Greet(ctx, near, hello())
		cancel()
		if !isCode(err, wire.CodeRefused) {
			t.Errorf("early %v: Greet to a server that refuses: %v", early, err)
		}
		if err := within(t, "the server", received); err != nil {
			t.Errorf("early %v: %v", early, err)
		}
	}
}

// testGarbage sends frames that are none of the protocol's, and wants this link to end, with its calls, and no other.
func testGarbage(t *testing.T, transport Transport) {
	good := meet(t, transport)
	bad := []wire.Header{
		{Kind: wire.KindHello}, {Kind: wire.KindReply, ID: 1}, {Kind: wire.KindCall},
		{Kind: wire.KindGoaway}, {Kind: wire.KindPong, ID: 3},
	}
	for _, h := range bad {
		near, far := connect(t, transport)
		server, _ := serve(t, far)
		if err := near.Write(link.Stop{}, &h, nil, nil); err != nil {
			t.Fatal(err)
		}
		within(t, "a server that got a "+h.Kind.String(), server.Ended())
		var wrong *wire.ProtocolError
		if !errors.As(server.Err(), &wrong) {
			t.Errorf("a %s: the link ended by %v", h.Kind, server.Err())
		}
		if _, err := nextWithin(t, near); err == nil {
			t.Errorf("a %s: the connection is open", h.Kind)
		}
	}
	for _, h := range []wire.Header{{Kind: wire.KindCall, ID: 1}, {Kind: wire.KindWelcome}, {Kind: wire.KindCancel, ID: 1}} {
		near, far := connect(t, transport)
		client, err := link.NewClient(near, nil)
		if err != nil {
			t.Fatal(err)
		}
		p := &pairing{client: client}
		ended := p.start(context.Background(), methodWait)
		if _, err := next(far); err != nil {
			t.Fatal(err)
		}
		if err := far.Write(link.Stop{}, &h, nil, nil); err != nil {
			t.Fatal(err)
		}
		var wrong *wire.ProtocolError
		if err := within(t, "the call", ended); !errors.As(err, &wrong) || !errors.Is(err, link.ErrMaybeExecuted) {
			t.Errorf("a %s: the call ended by %v", h.Kind, err)
		}
		client.Close()
	}
	if _, err := good.call(t.Context(), methodEcho, nil); err != nil {
		t.Errorf("a link beside those: %v", err)
	}
}

// meet links a client that has dialled to a server in this process.
func meet(t *testing.T, transport Transport) *pairing {
	t.Helper()
	near, far := connect(t, transport)
	return meetHere(t, near, far)
}

// testShutdown lets callers call while the server shuts down: each learns for each call that it was executed, or that it
// was not, though the server closes with their last requests unread.
func testShutdown(t *testing.T, transport Transport) {
	for range 10 {
		p := meet(t, transport)
		const callers = 8
		done := make(chan error, callers)
		var answered [callers]uint64
		for i := range callers {
			go func() {
				for {
					_, err := p.call(context.Background(), methodCount, make([]byte, i*500))
					switch {
					case err == nil:
						answered[i]++
						continue
					case errors.Is(err, link.ErrNotExecuted), isCode(err, wire.CodeDraining):
						err = nil
					}
					done <- err
					return
				}
			}()
		}
		for p.handler.counted.Load() < 200 {
			time.Sleep(100 * time.Microsecond)
		}
		ctx, cancel := context.WithTimeout(t.Context(), Patience)
		if err := p.server.Shutdown(ctx); err != nil {
			t.Error(err)
		}
		cancel()
		total := uint64(0)
		for range callers {
			if err := within(t, "a caller", done); err != nil {
				t.Errorf("an outcome that is not known: %v; the server's link ended by %v", err, p.server.Err())
			}
		}
		for _, n := range answered {
			total += n
		}
		if n := p.handler.counted.Load(); n != total {
			t.Errorf("%d calls were executed, %d were answered", n, total)
		}
		p.client.Close()
	}
}

// testKilledUnderFire kills the server's process while many callers are at it. Every call ends, and says what is known.
func testKilledUnderFire(t *testing.T, transport Transport) {
	p, address := startPeer(t, transport, roleListenServe, "")
	ctx, cancel := context.WithTimeout(t.Context(), Patience)
	defer cancel()
	conn, err := transport.Dial(ctx, address)
	if err != nil {
		t.Fatal(err)
	}
	p.begin(t, conn)
	const callers = 64
	done := make(chan error, callers)
	for i := range callers {
		go func() {
			var err error
			for method := uint16(methodEcho); err == nil; {
				if i%8 == 0 {
					method = methodWait
				}
				_, err = p.call(context.Background(), method, make([]byte, i*i*100))
			}
			done <- err
		}()
	}
	p.waitFor(t, "the handlers to begin", func(c counts) bool { return c.begun == callers/8 })
	if err := p.peer.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	for range callers {
		if err := within(t, "a call to a process that was killed", done); errors.Is(err, link.ErrMaybeExecuted) == errors.Is(err, link.ErrNotExecuted) {
			t.Errorf("a call to a process that was killed: %v", err)
		}
	}
	within(t, "the link's end", p.client.Ended())
}

// testTruncated kills a client's process in the middle of its long messages, again and again.
func testTruncated(t *testing.T, transport Transport) {
	for range 5 {
		ln := listen(t, transport)
		p, _ := startPeer(t, transport, roleDialFlood, ln.Addr())
		server, handler := acceptServer(t, ln)
		for end := time.Now().Add(Patience); handler.counted.Load() < 3; time.Sleep(100 * time.Microsecond) {
			if time.Now().After(end) {
				t.Fatal("no call has come")
			}
		}
		if err := p.peer.Process.Kill(); err != nil {
			t.Fatal(err)
		}
		within(t, "a server whose client was killed", server.Ended())
		server.Wait()
	}
}

// receiveWithin does the server's half of the handshake within a time.
func receiveWithin(conn link.Conn, timeout time.Duration) error {
	return link.Receive(conn, timeout, func(*wire.Hello) (*wire.Welcome, *wire.Error) {
		return &wire.Welcome{MaxMessage: link.DefaultMaxMessage, MaxInFlight: link.DefaultMaxInFlight}, nil
	})
}
