package link

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"hotline/internal/wire"
)

// Greet does the client's half of the handshake on a new connection, until ctx ends. A refusal is a *wire.Error. After
// an error the connection is closed.
func Greet(ctx context.Context, conn Conn, hello *wire.Hello) (*wire.Welcome, error) {
	unwatch := context.AfterFunc(ctx, func() { conn.Close() })
	w, err := greet(conn, hello)
	intact := unwatch()
	if err == nil && intact {
		return w, nil
	}
	conn.Close()
	var refused *wire.Error
	switch {
	case errors.As(err, &refused):
		return nil, err
	case !intact:
		err = ctx.Err()
	}
	return nil, fmt.Errorf("handshake with %s: %w", conn, err)
}

func greet(conn Conn, hello *wire.Hello) (*wire.Welcome, error) {
	unsent := sendHandshake(conn, wire.KindHello, 0, hello.Append(nil))
	if errors.Is(unsent, ErrTooLarge) {
		return nil, unsent
	}
	// A server that has gone before it took the hello may have said why.
	head, body, err := readHandshake(conn)
	if err != nil {
		return nil, err
	}
	switch head.Kind {
	case wire.KindWelcome:
		w, err := wire.ParseWelcome(body)
		if err == nil {
			err = unsent
		}
		return w, err
	case wire.KindRefuse:
		e, err := wire.ParseError(wire.Code(head.Method), body)
		if err != nil {
			return nil, err
		}
		return nil, e
	}
	return nil, wire.ProtocolErrorf("the server answered a hello by a %s", head.Kind)
}

// Receive does the server's half of the handshake on a new connection, within timeout. decide says what to answer: a
// welcome, or why not. After an error, a refusal included, the connection is closed.
func Receive(conn Conn, timeout time.Duration, decide func(*wire.Hello) (*wire.Welcome, *wire.Error)) error {
	late := time.AfterFunc(timeout, func() { conn.Close() })
	err := receive(conn, decide)
	if err == nil && late.Stop() {
		return nil
	}
	if err == nil || !late.Stop() {
		err = fmt.Errorf("no hello within %v", timeout)
	}
	conn.Close()
	return fmt.Errorf("handshake with %s: %w", conn, err)
}

func receive(conn Conn, decide func(*wire.Hello) (*wire.Welcome, *wire.Error)) error {
	head, body, err := readHandshake(conn)
	if err != nil {
		return err
	}
	if head.Kind != wire.KindHello {
		return wire.ProtocolErrorf("the client began with a %s", head.Kind)
	}
	var welcome *wire.Welcome
	var refusal *wire.Error
	hello, err := wire.ParseHello(body)
	switch {
	case err != nil:
		refusal = wire.Errorf(wire.CodeRefused, "%v", err)
	case hello.Oldest > wire.Version || hello.Newest < wire.Version:
		refusal = wire.Errorf(wire.CodeRefused, "the client speaks protocol versions %d to %d, this server speaks %d",
			hello.Oldest, hello.Newest, wire.Version)
	default:
		welcome, refusal = decide(hello)
	}
	if refusal != nil {
		// Best effort: the refusal is the error that counts here.
		_ = sendHandshake(conn, wire.KindRefuse, uint16(refusal.Code), wire.AppendError(nil, refusal))
		return refusal
	}
	welcome.Version = wire.Version
	return sendHandshake(conn, wire.KindWelcome, 0, welcome.Append(nil))
}

func sendHandshake(conn Conn, kind wire.Kind, method uint16, payload []byte) error {
	if len(payload) > wire.MaxHandshake {
		return &TooLargeError{What: "handshake", Size: len(payload), Limit: wire.MaxHandshake}
	}
	_, err := send(conn, Stop{}, &wire.Header{Kind: kind, Method: method}, nil, payload)
	return err
}

// readHandshake reads one message of a handshake, in as many pieces as it takes.
func readHandshake(conn Conn) (wire.Header, []byte, error) {
	in := newInbound(conn, new(Buffers))
	m := new(message)
	for first := true; ; first = false {
		if err := in.next(); errors.Is(err, io.EOF) {
			return wire.Header{}, nil, errors.New("the peer closed the connection before it had said anything")
		} else if err != nil {
			return wire.Header{}, nil, err
		}
		if h := &in.head; first == (h.Flags&wire.FlagPiece != 0) || h.Total > wire.MaxHandshake || h.Kind > wire.KindRefuse {
			return wire.Header{}, nil, wire.ProtocolErrorf("a %s of %d bytes in a handshake", h.Kind, h.Total)
		}
		if first {
			in.begin(m, true)
		} else if err := in.proceed(m); err != nil {
			return wire.Header{}, nil, err
		}
		if err := in.fill(); err != nil {
			return wire.Header{}, nil, err
		}
		if in.complete() {
			return m.head, m.body, nil
		}
	}
}
