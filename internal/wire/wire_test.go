package wire_test

import (
	"bytes"
	"errors"
	"reflect"
	"strings"
	"testing"

	"go.uber.org/goleak"

	"hotline/internal/wire"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// parse encodes a header and parses it.
func parse(h wire.Header) (wire.Header, error) {
	var b [wire.HeaderSize]byte
	h.Put(b[:])
	return wire.ParseHeader(b[:])
}

func TestParseHeader(t *testing.T) {
	const call = wire.KindCall
	tests := []struct {
		name string
		h    wire.Header
		text string // of the error; empty for none
	}{
		{"empty", wire.Header{Kind: call}, ""},
		{"everything", wire.Header{Kind: wire.KindBye, Flags: wire.FlagMore | wire.FlagCancellable, Length: 100, Method: 65535, ID: 1<<64 - 1,
			Timeout: 1<<64 - 1, Total: 1<<32 - 1, Metadata: 99}, ""},
		{"the longest frame", wire.Header{Kind: call, Length: wire.MaxFramePayload, Total: wire.MaxFramePayload}, ""},
		{"the most metadata", wire.Header{Kind: call, Length: wire.MaxMetadata, Metadata: wire.MaxMetadata}, ""},
		{"a first piece", wire.Header{Kind: call, Flags: wire.FlagMore, Length: 1, Total: 1<<32 - 1}, ""},
		{"a middle piece", wire.Header{Kind: call, Flags: wire.FlagMore | wire.FlagPiece, Length: 1, Total: 3}, ""},
		{"a last piece", wire.Header{Kind: call, Flags: wire.FlagPiece, Length: 1, Total: 3}, ""},
		{"a block", wire.Header{Kind: wire.KindReply, Flags: wire.FlagBlock, Length: 16 + 3, Metadata: 3, Total: 1<<32 - 1}, ""},
		{"an empty last piece", wire.Header{Kind: call, Flags: wire.FlagPiece, Total: 3}, ""},

		{"too long", wire.Header{Kind: call, Length: wire.MaxFramePayload + 1, Total: wire.MaxFramePayload + 1}, "at most 262144 are allowed"},
		{"much too long", wire.Header{Kind: call, Length: 1<<32 - 1, Total: 1<<32 - 1}, "at most 262144 are allowed"},
		{"too much metadata", wire.Header{Kind: call, Length: wire.MaxMetadata + 1, Metadata: wire.MaxMetadata + 1}, "bytes of metadata"},
		{"metadata that is not there", wire.Header{Kind: call, Length: 1, Metadata: 2}, "2 bytes of metadata in 1"},
		{"metadata that underflows", wire.Header{Kind: call, Metadata: 1<<32 - 1, Total: 1}, "bytes of metadata"},
		{"metadata in a later piece", wire.Header{Kind: call, Flags: wire.FlagPiece, Length: 2, Metadata: 1, Total: 5}, "later piece"},
		{"less than it says", wire.Header{Kind: call, Length: 1, Total: 2}, "1 bytes of a message of 2"},
		{"more than it says", wire.Header{Kind: call, Length: 2, Total: 1}, "2 bytes of a message of 1"},
		{"a piece of more than it says", wire.Header{Kind: call, Flags: wire.FlagPiece, Length: 2, Total: 1}, "more than its message of 1"},
		{"an empty first piece", wire.Header{Kind: call, Flags: wire.FlagMore, Total: 1}, "empty piece"},
		{"an empty first piece with metadata", wire.Header{Kind: call, Flags: wire.FlagMore, Total: 1, Length: 3, Metadata: 3}, "empty piece"},
		{"unknown flags", wire.Header{Kind: call, Flags: 0xc0}, "unknown flags 0xc0"},
		{"a block in pieces", wire.Header{Kind: call, Flags: wire.FlagBlock | wire.FlagMore, Length: 16, Total: 99}, "with a block and flags 0x9"},
		{"a block in a later piece", wire.Header{Kind: call, Flags: wire.FlagBlock | wire.FlagPiece, Length: 16, Total: 99}, "with a block and flags 0xa"},
		{"a block in an error", wire.Header{Kind: wire.KindError, Flags: wire.FlagBlock, Length: 16, Total: 99}, "error frame with a block"},
		{"a short reference", wire.Header{Kind: call, Flags: wire.FlagBlock, Length: 15, Total: 99}, "refers to a block of 99 bytes in 15"},
		{"a block of nothing", wire.Header{Kind: call, Flags: wire.FlagBlock, Length: 16}, "refers to a block of 0 bytes"},
		{"metadata in place of the reference", wire.Header{Kind: call, Flags: wire.FlagBlock, Length: 20, Metadata: 5, Total: 99}, "in 15"},
		{"unknown kind", wire.Header{Kind: 200}, "unknown kind 200"},
	}
	for _, test := range tests {
		got, err := parse(test.h)
		var wrong *wire.ProtocolError
		switch {
		case test.text == "" && (err != nil || got != test.h):
			t.Errorf("%s: got %+v, %v", test.name, got, err)
		case test.text != "" && (!errors.As(err, &wrong) || !strings.Contains(err.Error(), test.text)):
			t.Errorf("%s: got error %v, want %q", test.name, err, test.text)
		}
	}
}

func TestParseBlockRef(t *testing.T) {
	var b [wire.BlockRefSize]byte
	want := wire.BlockRef{Offset: 1<<64 - 1, Arena: wire.ArenaSender}
	want.Put(b[:])
	if got, err := wire.ParseBlockRef(b[:]); err != nil || got != want {
		t.Errorf("got %+v, %v, want %+v", got, err, want)
	}
	for at, v := range map[int]byte{8: 0, 9: 1, 11: 0x80, 12: 1, 15: 1} {
		bad := b
		bad[at] = v
		var wrong *wire.ProtocolError
		if got, err := wire.ParseBlockRef(bad[:]); !errors.As(err, &wrong) {
			t.Errorf("with %d at %d: got %+v, %v, want a protocol error", v, at, got, err)
		}
	}
}

func sampleWelcome() *wire.Welcome {
	return &wire.Welcome{Version: wire.Version, MaxMessage: 1 << 20, MaxInFlight: 7, Service: "echo", Port: "5555", ServiceVersion: "1.0.0",
		Instance: "a1", Methods: []wire.Method{{Name: "Sum", Codec: "msgpack", Fingerprint: 1<<64 - 1, Arguments: "(int,int)",
			Results: "(int)", Signature: "func(a, b int) int", Doc: "Sum adds."}, {}, {Name: "Größe"}}}
}

func sampleHello() *wire.Hello {
	return &wire.Hello{Oldest: 1, Newest: 3, MaxMessage: 1<<32 - 1, Service: "echo", Port: "5555", ServiceVersion: "1.2.3"}
}

// Whatever is cut off, a message is refused by an error that says so, and nothing that was parsed refers to the bytes.
func TestHandshakeCutShort(t *testing.T) {
	messages := map[string]struct {
		bytes []byte
		want  any
		parse func([]byte) (any, error)
	}{
		"hello": {sampleHello().Append(nil), sampleHello(),
			func(b []byte) (any, error) { return wire.ParseHello(b) }},
		"welcome": {sampleWelcome().Append(nil), sampleWelcome(),
			func(b []byte) (any, error) { return wire.ParseWelcome(b) }},
		"error": {wire.AppendError(nil, wire.Errorf(3, "some %s", "words")), &wire.Error{Code: 3, Message: "some words"},
			func(b []byte) (any, error) { return wire.ParseError(3, b) }},
	}
	for name, m := range messages {
		for n := range len(m.bytes) {
			v, err := m.parse(m.bytes[:n])
			var wrong *wire.ProtocolError
			if !errors.As(err, &wrong) || !strings.HasPrefix(wrong.Reason, name+": ") || !reflect.ValueOf(v).IsNil() {
				t.Errorf("%s of %d bytes of %d: got %v, %v", name, n, len(m.bytes), v, err)
			}
		}
		own := bytes.Clone(m.bytes)
		v, err := m.parse(own)
		clear(own)
		if err != nil || !reflect.DeepEqual(v, m.want) {
			t.Errorf("%s: got %+v, %v", name, v, err)
		}
	}
}

func TestHandshakeLies(t *testing.T) {
	hello, welcome := sampleHello().Append(nil), sampleWelcome().Append(nil)
	put := func(b []byte, at int, v ...byte) []byte { b = bytes.Clone(b); copy(b[at:], v); return b }
	const services = 12 // offset of the first string of a hello
	count := bytes.Index(welcome, []byte("a1")) + 2
	tests := []struct {
		name  string
		parse func() (any, error)
		text  string
	}{
		{"magic", func() (any, error) { return wire.ParseHello(put(hello, 0, 'h')) }, "0x4c544f68"},
		{"magic of a welcome", func() (any, error) { return wire.ParseWelcome(put(welcome, 3, 'l')) }, "does not speak hotline"},
		{"text", func() (any, error) { return wire.ParseHello([]byte("GET / HTTP/1.1\r\n\r\n")) }, "does not speak hotline"},
		{"long string", func() (any, error) { return wire.ParseHello(put(hello, services, 0xff, 0xff, 0xff, 0xff)) }, "a string of 4294967295 bytes"},
		{"string a byte too long", func() (any, error) { return wire.ParseHello(put(hello, services, byte(len(hello)-services-4+1))) }, "a string of"},
		{"many methods", func() (any, error) { return wire.ParseWelcome(put(welcome, count, 0xff, 0xff, 0xff, 0xff)) }, "4294967295 elements"},
		{"a few methods more", func() (any, error) { return wire.ParseWelcome(put(welcome, count, 4)) }, "welcome: "},
		{"another version", func() (any, error) { return wire.ParseWelcome(put(welcome, 4, 2)) }, "version 2 was chosen, this side speaks 1"},
		{"more methods than numbers", func() (any, error) {
			return wire.ParseWelcome((&wire.Welcome{Version: 1, Methods: make([]wire.Method, wire.MaxMethods+1)}).Append(nil))
		}, "at most 65536"},
	}
	for _, test := range tests {
		v, err := test.parse()
		var wrong *wire.ProtocolError
		if !errors.As(err, &wrong) || !strings.Contains(err.Error(), test.text) || !reflect.ValueOf(v).IsNil() {
			t.Errorf("%s: got %v, %v", test.name, v, err)
		}
	}
	if w, err := wire.ParseWelcome((&wire.Welcome{Version: 1, Methods: make([]wire.Method, wire.MaxMethods)}).Append(nil)); err != nil || len(w.Methods) != wire.MaxMethods {
		t.Errorf("the most methods: %v", err)
	}
}

func TestNames(t *testing.T) {
	for v, want := range map[any]string{wire.KindHello: "hello", wire.KindBye: "bye", wire.Kind(0): "kind 0", wire.Kind(99): "kind 99",
		wire.CodePanic: "panic", wire.Code(0): "code 0", wire.Code(999): "code 999"} {
		if got := v.(interface{ String() string }).String(); got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
	if err := wire.ProtocolErrorf("%d things", 3); err.Error() != "protocol error: 3 things" {
		t.Error(err)
	}
	if err := wire.Errorf(wire.CodePanic, "%d things", 3); err.Error() != "3 things" || err.Code != wire.CodePanic {
		t.Error(err)
	}
}
