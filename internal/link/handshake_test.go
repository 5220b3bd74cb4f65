package link_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"hotline/internal/link"
	"hotline/internal/transporttest"
	"hotline/internal/wait"
	"hotline/internal/wire"
)

var hello = &wire.Hello{Oldest: wire.Version, Newest: wire.Version, MaxMessage: 1 << 20, Service: "echo", Port: "5555", ServiceVersion: "1.2.3"}

// methods returns a table of n methods, about 100 bytes each.
func methods(n int) []wire.Method {
	table := make([]wire.Method, n)
	for i := range table {
		table[i] = wire.Method{Name: "Method", Codec: "msgpack", Fingerprint: uint64(i), Arguments: "(int,string)",
			Results: "(int)", Signature: "func(ctx context.Context, a int, b string) (int, error)", Doc: "does things"}
	}
	return table
}

// ping writes a frame.
func ping(conn link.Conn) error {
	return conn.Write(link.Stop{}, &wire.Header{Kind: wire.KindPing, ID: 1}, nil, nil)
}

// closed fails the test if a connection is still open on this side.
func closed(t *testing.T, conn link.Conn) {
	t.Helper()
	if err := ping(conn); !errors.Is(err, link.ErrClosed) {
		t.Errorf("the connection was not closed: %v", err)
	}
}

func TestHandshake(t *testing.T) {
	for _, n := range []int{0, 1, 1000, 20_000} { // the last takes many frames
		near, far := transporttest.Pipe(&transporttest.PipeOptions{MaxFrame: 4 << 10, Untrusted: true})
		want := &wire.Welcome{Version: wire.Version, MaxMessage: 5, MaxInFlight: 7, Service: "echo", Port: "5555",
			ServiceVersion: "1.2.3", Instance: "i1", Methods: methods(n)}
		if n == 0 {
			want.Methods = nil
		}
		received := make(chan error, 1)
		go func() {
			received <- link.Receive(far, patience, func(h *wire.Hello) (*wire.Welcome, *wire.Error) {
				if d := cmp.Diff(hello, h); d != "" {
					return nil, wire.Errorf(wire.CodeRefused, "%s", d)
				}
				return want, nil
			})
		}()
		got, err := link.Greet(t.Context(), near, hello)
		if err != nil {
			t.Fatal(err)
		}
		if err := wait.Receive(t, "the server's half", received); err != nil {
			t.Fatal(err)
		}
		if d := cmp.Diff(want, got); d != "" {
			t.Errorf("%d methods: %s", n, d)
		}
		// The connection is as new.
		server, err := link.NewServer(far, handler(echo), nil, nil)
		if err != nil {
			t.Fatal(err)
		}
		client, err := link.NewClient(near, nil)
		if err != nil {
			t.Fatal(err)
		}
		if b, err := call(t.Context(), client, 0, []byte("after")); err != nil || string(b) != "after" {
			t.Errorf("%q, %v", b, err)
		}
		client.Close()
		server.Close()
		server.Wait()
	}
}

func TestRefusal(t *testing.T) {
	near, far := transporttest.Pipe(nil)
	defer near.Close()
	received := make(chan error, 1)
	go func() {
		received <- link.Receive(far, patience, func(*wire.Hello) (*wire.Welcome, *wire.Error) {
			return nil, wire.Errorf(wire.CodeRefused, "no echo here: %s", strings.Repeat("words ", 10_000))
		})
	}()
	_, err := link.Greet(t.Context(), near, hello)
	var refused *wire.Error
	if !errors.As(err, &refused) || refused.Code != wire.CodeRefused || !strings.HasPrefix(refused.Message, "no echo here: ") {
		t.Errorf("client: %v", err)
	}
	if err := wait.Receive(t, "the server's half", received); !errors.As(err, &refused) {
		t.Errorf("server: %v", err)
	}
	closed(t, near)
}

// A server that refuses whoever comes, and closes at once, is understood.
func TestRefusalBeforeHello(t *testing.T) {
	conn, raw := transporttest.RawPipe(nil)
	raw.Write(frame(wire.Header{Kind: wire.KindRefuse, Method: uint16(wire.CodeDraining)},
		wire.AppendError(nil, wire.Errorf(wire.CodeDraining, "full"))))
	raw.Close()
	if _, err := link.Greet(t.Context(), conn, hello); !isCode(err, wire.CodeDraining) {
		t.Errorf("got %v", err)
	}
}

// A server answers what is not a proper hello by a refusal or by nothing, and says what came.
func TestBadHello(t *testing.T) {
	proper := hello.Append(nil)
	older, newer := *hello, *hello
	older.Oldest, older.Newest = 0, 0
	newer.Oldest, newer.Newest = wire.Version+1, wire.Version+5
	tests := []struct {
		name    string
		send    []byte
		text    string
		refused bool // the peer is told
	}{
		{"nothing", nil, "closed the connection before", false},
		{"half a header", frame(wire.Header{Kind: wire.KindHello}, proper)[:10], "unexpected EOF", false},
		{"half a hello", frame(wire.Header{Kind: wire.KindHello}, proper)[:wire.HeaderSize+6], "unexpected EOF", false},
		{"http", []byte("GET / HTTP/1.1\r\nHost: localhost:5555\r\n\r\n"), "protocol error", false},
		{"zeros", make([]byte, 100), "unknown kind 0", false},
		{"a call", frame(wire.Header{Kind: wire.KindCall, ID: 1}, nil), "a call of 0 bytes in a handshake", false},
		{"a welcome", frame(wire.Header{Kind: wire.KindWelcome}, nil), "began with a welcome", false},
		{"a later piece", frame(wire.Header{Kind: wire.KindHello, Flags: wire.FlagPiece, Total: 500}, proper), "in a handshake", false},
		{"too long", frame(wire.Header{Kind: wire.KindHello, Flags: wire.FlagMore, Total: wire.MaxHandshake + 1}, proper), "in a handshake", false},
		{"two first pieces", append(frame(wire.Header{Kind: wire.KindHello, Flags: wire.FlagMore, Total: 500}, proper),
			frame(wire.Header{Kind: wire.KindHello, Flags: wire.FlagMore, Total: 500}, proper)...), "in a handshake", false},
		{"wrong magic", frame(wire.Header{Kind: wire.KindHello}, []byte("LTOH and more than a few bytes")), "does not speak hotline", true},
		{"no bytes", frame(wire.Header{Kind: wire.KindHello}, nil), "cut short", true},
		{"cut short", frame(wire.Header{Kind: wire.KindHello}, proper[:15]), "cut short", true},
		{"a string too long", frame(wire.Header{Kind: wire.KindHello}, append(proper[:12:12], 0xff, 0xff, 0xff, 0xff)), "a string of", true},
		{"an older protocol", frame(wire.Header{Kind: wire.KindHello}, older.Append(nil)), "versions 0 to 0", true},
		{"a newer protocol", frame(wire.Header{Kind: wire.KindHello}, newer.Append(nil)), "this server speaks 1", true},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			conn, raw := transporttest.RawPipe(nil)
			received := make(chan error, 1)
			go func() {
				received <- link.Receive(conn, patience, func(*wire.Hello) (*wire.Welcome, *wire.Error) {
					return nil, wire.Errorf(wire.CodeApplication, "decide was asked")
				})
			}()
			raw.Write(test.send)
			if test.refused {
				h, b := readFrame(t, raw)
				e, err := wire.ParseError(wire.Code(h.Method), b)
				if err != nil || h.Kind != wire.KindRefuse || e.Code != wire.CodeRefused || !strings.Contains(e.Message, test.text) {
					t.Errorf("%+v, %v, %v", h, e, err)
				}
			}
			raw.Close()
			if err := wait.Receive(t, "the server's half", received); err == nil || !strings.Contains(err.Error(), test.text) {
				t.Errorf("got %v", err)
			}
			closed(t, conn)
		})
	}
}

// A client takes nothing but a welcome or a refusal.
func TestBadWelcome(t *testing.T) {
	proper := (&wire.Welcome{Version: wire.Version, Methods: methods(3)}).Append(nil)
	tests := []struct {
		name string
		send []byte
		text string
	}{
		{"nothing", nil, "closed the connection before"},
		{"half", frame(wire.Header{Kind: wire.KindWelcome}, proper)[:50], "unexpected EOF"},
		{"http", []byte("HTTP/1.1 400 Bad Request\r\nContent-Type: text/plain\r\n\r\n"), "protocol error"},
		{"a hello", frame(wire.Header{Kind: wire.KindHello}, proper), "answered a hello by a hello"},
		{"a reply", frame(wire.Header{Kind: wire.KindReply, ID: 1}, proper), "a reply of"},
		{"wrong magic", frame(wire.Header{Kind: wire.KindWelcome}, append([]byte("hotl"), proper[4:]...)), "does not speak hotline"},
		{"another version", frame(wire.Header{Kind: wire.KindWelcome}, (&wire.Welcome{Version: 9}).Append(nil)), "version 9"},
		{"too many methods", frame(wire.Header{Kind: wire.KindWelcome}, append((&wire.Welcome{Version: wire.Version}).Append(nil)[:30:30], 0xff, 0xff, 0, 0)), "elements in"},
		{"cut short", frame(wire.Header{Kind: wire.KindWelcome}, proper[:len(proper)-1]), "welcome: "},
		{"a refusal that is none", frame(wire.Header{Kind: wire.KindRefuse}, []byte{1}), "error: cut short"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			conn, raw := transporttest.RawPipe(nil)
			raw.Write(test.send)
			raw.Close()
			w, err := link.Greet(t.Context(), conn, hello)
			if w != nil || err == nil || !strings.Contains(err.Error(), test.text) {
				t.Errorf("got %v, %v", w, err)
			}
			closed(t, conn)
		})
	}
}

// A peer that stalls in the middle of the handshake is dropped.
func TestStalledHandshake(t *testing.T) {
	for _, sent := range [][]byte{nil, frame(wire.Header{Kind: wire.KindHello}, hello.Append(nil))[:40]} {
		conn, raw := transporttest.RawPipe(nil)
		raw.Write(sent)
		err := link.Receive(conn, 10*time.Millisecond, nil)
		if err == nil || !strings.Contains(err.Error(), "no hello within 10ms") {
			t.Errorf("server: %v", err)
		}
		conn, raw = transporttest.RawPipe(nil)
		raw.Write(sent)
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Millisecond)
		defer cancel()
		if _, err := link.Greet(ctx, conn, hello); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("client: %v", err)
		}
		closed(t, conn)
	}
	// A client that takes no welcome stalls the server as well.
	conn, raw := transporttest.RawPipe(&transporttest.PipeOptions{MaxFrame: 4 << 10})
	raw.Write(frame(wire.Header{Kind: wire.KindHello}, hello.Append(nil)))
	if err := link.Receive(conn, 100*time.Millisecond, func(*wire.Hello) (*wire.Welcome, *wire.Error) {
		return &wire.Welcome{Methods: methods(10_000)}, nil
	}); err == nil {
		t.Error("a welcome of a megabyte went to nobody")
	}
}

// A context that ends while the handshake succeeds does not leave a connection that is about to be closed.
func TestGreetAndItsContext(t *testing.T) {
	welcome := frame(wire.Header{Kind: wire.KindWelcome}, (&wire.Welcome{Version: wire.Version}).Append(nil))
	for i := range 300 {
		conn, raw := transporttest.RawPipe(nil)
		raw.Write(welcome)
		ctx, cancel := context.WithCancel(t.Context())
		time.AfterFunc(time.Duration(i%30)*time.Microsecond, cancel)
		_, err := link.Greet(ctx, conn, hello)
		switch {
		case err == nil:
			wait.Receive(t, "cancel", ctx.Done())
			if err := ping(conn); err != nil {
				t.Fatalf("a connection was returned that is closed: %v", err)
			}
		case !errors.Is(err, context.Canceled):
			t.Fatal(err)
		}
		conn.Close()
		cancel()
	}
}

// A handshake that would be too long is not begun.
func TestHandshakeTooLarge(t *testing.T) {
	conn, _ := transporttest.RawPipe(nil)
	long := *hello
	long.Service = strings.Repeat("x", wire.MaxHandshake)
	if _, err := link.Greet(t.Context(), conn, &long); !errors.Is(err, link.ErrTooLarge) {
		t.Error(err)
	}
}
