package link_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"strings"
	"testing"

	"hotline/internal/link"
	"hotline/internal/transporttest"
	"hotline/internal/wait"
	"hotline/internal/wire"
)

// oneOf returns the bytes of a header as they are, whatever they say.
func oneOf(h wire.Header) []byte {
	b := make([]byte, wire.HeaderSize)
	h.Put(b)
	return b
}

// What a client must not send ends its link, with an error that says what it was, and no other.
func TestGarbageToServer(t *testing.T) {
	first := frame(wire.Header{Kind: wire.KindCall, ID: 1, Flags: wire.FlagMore, Total: 10}, []byte("abcd"))
	tests := []struct {
		name string
		send []byte
		text string // of the error; empty where the link lives on
	}{
		{"unknown kind", oneOf(wire.Header{Kind: 77}), "unknown kind 77"},
		{"kind 0", oneOf(wire.Header{}), "unknown kind 0"},
		{"unknown flags", oneOf(wire.Header{Kind: wire.KindCall, ID: 1, Flags: 0x80}), "unknown flags"},
		{"a frame too long", oneOf(wire.Header{Kind: wire.KindCall, ID: 1, Length: wire.MaxFramePayload + 1, Total: wire.MaxFramePayload + 1}), "at most"},
		{"too much metadata", oneOf(wire.Header{Kind: wire.KindCall, ID: 1, Length: wire.MaxMetadata + 1, Metadata: wire.MaxMetadata + 1}), "metadata"},
		{"more metadata than payload", oneOf(wire.Header{Kind: wire.KindCall, ID: 1, Length: 3, Metadata: 4}), "metadata"},
		{"a total that is not the length", oneOf(wire.Header{Kind: wire.KindCall, ID: 1, Length: 3, Total: 4}), "3 bytes of a message of 4"},
		{"more than the total", oneOf(wire.Header{Kind: wire.KindCall, ID: 1, Flags: wire.FlagMore, Length: 5, Total: 4}), "more than its message"},
		{"an empty piece", oneOf(wire.Header{Kind: wire.KindCall, ID: 1, Flags: wire.FlagMore, Total: 4}), "empty piece"},
		{"a hello within the link", frame(wire.Header{Kind: wire.KindHello}, (&wire.Hello{}).Append(nil)), "hello"},
		{"a welcome", frame(wire.Header{Kind: wire.KindWelcome}, nil), "welcome"},
		{"a reply", frame(wire.Header{Kind: wire.KindReply, ID: 1}, nil), "reply"},
		{"an error", frame(wire.Header{Kind: wire.KindError, ID: 1}, nil), "error"},
		{"a goaway", frame(wire.Header{Kind: wire.KindGoaway}, nil), "goaway"},
		{"a bye", frame(wire.Header{Kind: wire.KindBye}, nil), "bye"},
		{"a pong", frame(wire.Header{Kind: wire.KindPong, ID: 1}, nil), "pong"},
		{"a call without an id", frame(wire.Header{Kind: wire.KindCall}, nil), "without an id"},
		{"a ping without an id", frame(wire.Header{Kind: wire.KindPing}, nil), "without an id"},
		{"a second call with an id under way", append(first, first...), "second call"},
		{"a second call with the id of one that runs",
			bytes.Repeat(frame(wire.Header{Kind: wire.KindCall, ID: 1, Method: 1, Flags: wire.FlagCancellable}, nil), 2), "second call"},
		{"a piece of another kind", append(first, frame(wire.Header{Kind: wire.KindPing, ID: 1, Flags: wire.FlagPiece, Total: 10}, []byte("efghij"))...), "a piece of a ping"},
		{"a piece of another method", append(first, frame(wire.Header{Kind: wire.KindCall, Method: 9, ID: 1, Flags: wire.FlagPiece, Total: 10}, []byte("efghij"))...), "a piece of a call"},
		{"a piece of another total", append(first, frame(wire.Header{Kind: wire.KindCall, ID: 1, Flags: wire.FlagPiece, Total: 9}, []byte("efghi"))...), "a piece of a call"},
		{"an end too early", append(first, frame(wire.Header{Kind: wire.KindCall, ID: 1, Flags: wire.FlagPiece, Total: 10}, []byte("efghi"))...), "ends after 9"},
		{"an end too late", append(first, frame(wire.Header{Kind: wire.KindCall, ID: 1, Flags: wire.FlagPiece, Total: 10}, []byte("efghijk"))...), "11 bytes have come of a call of 10"},
		{"half a header", oneOf(wire.Header{Kind: wire.KindCall})[:9], io.ErrUnexpectedEOF.Error()},

		{"a later piece of nothing", frame(wire.Header{Kind: wire.KindCall, ID: 1, Flags: wire.FlagPiece, Total: 10}, []byte("ef")), ""},
		{"a cancel of nothing", frame(wire.Header{Kind: wire.KindCancel, ID: 1}, nil), ""},
		{"a cancel without an id", frame(wire.Header{Kind: wire.KindCancel}, nil), ""},
		{"a cancel with a payload", frame(wire.Header{Kind: wire.KindCancel, ID: 1}, make([]byte, 5000)), ""},
		{"two cancels of a half call", append(first, bytes.Repeat(frame(wire.Header{Kind: wire.KindCancel, ID: 1}, nil), 2)...), ""},
		{"a method that nobody has", frame(wire.Header{Kind: wire.KindCall, ID: 1, Method: 65535}, nil), ""},
		{"a deadline beyond all times", frame(wire.Header{Kind: wire.KindCall, ID: 1, Timeout: 1<<64 - 1}, nil), ""},
		{"a deadline that has passed", frame(wire.Header{Kind: wire.KindCall, ID: 1, Timeout: 1}, nil), ""},
		{"the largest id", frame(wire.Header{Kind: wire.KindCall, ID: 1<<64 - 1}, nil), ""},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			server, raw := rawClient(t, func(ctx context.Context, c *link.Incoming) error {
				if c.Method == 1 {
					<-ctx.Done()
				}
				return echo(ctx, c)
			}, nil, nil)
			raw.Write(test.send)
			if test.text == "" {
				raw.Write(frame(wire.Header{Kind: wire.KindCall, ID: 99}, []byte("alive")))
				for {
					h, b := readFrame(t, raw)
					if h.ID == 99 && string(b) == "alive" {
						break
					}
				}
				if err := server.Err(); err != nil {
					t.Errorf("the link ended: %v", err)
				}
				return
			}
			raw.Close()
			wait.Receive(t, "the end of the link", server.Ended())
			err := server.Err()
			var wrong *wire.ProtocolError
			if !strings.Contains(err.Error(), test.text) || !errors.As(err, &wrong) && !errors.Is(err, io.ErrUnexpectedEOF) {
				t.Errorf("got %v", err)
			}
		})
	}
}

// What a server must not send ends the link with one clear error, and the call with it; what only comes too late does not.
func TestGarbageToClient(t *testing.T) {
	const mine, none = 1<<64 - 1, 12345<<link.SlotBits | 77 // the id of the call; of no call
	type f = wire.Header
	tests := []struct {
		name   string
		frames []f
		bodies []string
		text   string // of the error; empty where the link lives on
	}{
		{"unknown kind", []f{{Kind: 77}}, nil, "unknown kind 77"},
		{"a hello", []f{{Kind: wire.KindHello}}, nil, "hello"},
		{"a welcome", []f{{Kind: wire.KindWelcome}}, nil, "welcome"},
		{"a call", []f{{Kind: wire.KindCall, ID: mine}}, nil, "call"},
		{"a cancel", []f{{Kind: wire.KindCancel, ID: mine}}, nil, "cancel"},
		{"a ping", []f{{Kind: wire.KindPing, ID: mine}}, nil, "ping"},
		{"a pong to a call", []f{{Kind: wire.KindPong, ID: mine}}, nil, "pong"},
		{"a later piece first", []f{{Kind: wire.KindReply, ID: mine, Flags: wire.FlagPiece, Total: 4}}, []string{"ab"}, "without the first"},
		{"a first piece twice", []f{{Kind: wire.KindReply, ID: mine, Flags: wire.FlagMore, Total: 4},
			{Kind: wire.KindReply, ID: mine, Flags: wire.FlagMore, Total: 4}}, []string{"ab", "ab"}, "two replies"},
		{"a reply in the middle of a reply", []f{{Kind: wire.KindReply, ID: mine, Flags: wire.FlagMore, Total: 4},
			{Kind: wire.KindReply, ID: mine}}, []string{"ab", "ab"}, "two replies"},
		{"an error that goes on as a reply", []f{{Kind: wire.KindError, ID: mine, Flags: wire.FlagMore, Total: 4},
			{Kind: wire.KindReply, ID: mine, Flags: wire.FlagPiece, Total: 4}}, []string{"ab", "ab"}, "a piece of a reply"},
		{"an end too early", []f{{Kind: wire.KindReply, ID: mine, Flags: wire.FlagMore, Total: 4},
			{Kind: wire.KindReply, ID: mine, Flags: wire.FlagPiece, Total: 4}}, []string{"ab", "c"}, "ends after 3"},
		{"an end too late", []f{{Kind: wire.KindReply, ID: mine, Flags: wire.FlagMore, Total: 4},
			{Kind: wire.KindReply, ID: mine, Flags: wire.FlagPiece, Total: 4}}, []string{"ab", "cde"}, "5 bytes have come"},
		{"an error that is none", []f{{Kind: wire.KindError, ID: mine, Method: 16}}, []string{"\xff\xff\xff\x7fno"}, "error: a string of"},

		{"a reply to no call", []f{{Kind: wire.KindReply, ID: none}}, []string{"late"}, ""},
		{"a reply to id 0", []f{{Kind: wire.KindReply}}, []string{"late"}, ""},
		{"a reply to a slot far away", []f{{Kind: wire.KindReply, ID: 1<<link.SlotBits - 1}}, nil, ""},
		{"pieces to no call", []f{{Kind: wire.KindReply, ID: none, Flags: wire.FlagMore, Total: 4},
			{Kind: wire.KindReply, ID: none, Flags: wire.FlagPiece, Total: 9}}, []string{"ab", "cd"}, ""},
		{"a goaway with a payload", []f{{Kind: wire.KindGoaway}}, []string{strings.Repeat("x", 5000)}, ""},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			l, raw := rawServer(t, nil, nil)
			c := start(t.Context(), l, 0, nil)
			own, _ := readFrame(t, raw)
			for i, h := range test.frames {
				if h.ID == mine {
					h.ID = own.ID
				}
				var body []byte
				if i < len(test.bodies) {
					body = []byte(test.bodies[i])
				}
				raw.Write(frame(h, body))
			}
			if test.text == "" {
				raw.Write(frame(wire.Header{Kind: wire.KindReply, ID: own.ID}, []byte("mine")))
				if o := wait.Receive(t, "the call", c); o.err != nil || string(o.body) != "mine" {
					t.Fatalf("%q, %v", o.body, o.err)
				}
				if err := l.Err(); err != nil {
					t.Errorf("the link ended: %v", err)
				}
				return
			}
			o := wait.Receive(t, "the call", c)
			var wrong *wire.ProtocolError
			if !errors.Is(o.err, link.ErrMaybeExecuted) || !errors.As(o.err, &wrong) || !strings.Contains(o.err.Error(), test.text) {
				t.Errorf("the call: %v", o.err)
			}
			wait.Receive(t, "the end of the link", l.Ended())
			if err := l.Err(); !strings.Contains(err.Error(), test.text) {
				t.Errorf("the link: %v", err)
			}
		})
	}
}

// A peer that is not trusted makes a server hold little by what it only announces.
func TestAnnouncedMemory(t *testing.T) {
	server, raw := rawClient(t, echo, nil, &transporttest.PipeOptions{Untrusted: true})
	const calls = 1000
	before := heap()
	for id := uint64(1); id <= calls; id++ {
		raw.Write(frame(wire.Header{Kind: wire.KindCall, ID: id, Flags: wire.FlagMore, Total: link.DefaultMaxMessage}, []byte{1}))
	}
	wait.Until(t, "the calls", func() bool { return server.Running() == calls })
	if held := heap() - before; held > calls*(70<<10) {
		t.Errorf("%d calls of one byte each hold %d bytes", calls, held)
	}
}
