package wire_test

import (
	"bytes"
	"errors"
	"reflect"
	"testing"

	"hotline/internal/wire"
)

// FuzzHeader: a header that is taken says the same when it is written again, and its lengths can be trusted.
func FuzzHeader(f *testing.F) {
	for _, h := range []wire.Header{
		{Kind: wire.KindCall, ID: 1, Length: 5, Total: 5},
		{Kind: wire.KindReply, ID: 1<<20 | 3, Length: 100, Total: 1 << 30, Flags: wire.FlagMore, Metadata: 7},
		{Kind: wire.KindCall, ID: 9, Length: 10, Total: 20, Flags: wire.FlagPiece, Timeout: 1e9},
		{Kind: wire.KindCall, ID: 9, Length: 16, Total: 1 << 20, Flags: wire.FlagBlock},
		{Kind: wire.KindCancel, ID: 9, Method: 18},
		{Kind: 99, Length: 1<<32 - 1, Metadata: 1<<32 - 1, Total: 1<<32 - 1, Flags: 255},
	} {
		b := make([]byte, wire.HeaderSize)
		h.Put(b)
		f.Add(b)
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		if len(b) < wire.HeaderSize {
			return
		}
		h, err := wire.ParseHeader(b)
		if err != nil {
			var wrong *wire.ProtocolError
			if !errors.As(err, &wrong) || wrong.Reason == "" {
				t.Fatalf("%T: %v", err, err)
			}
			return
		}
		again := make([]byte, wire.HeaderSize)
		if h.Put(again); !bytes.Equal(again, b[:wire.HeaderSize]) {
			t.Fatalf("%x became %x", b, again)
		}
		body := h.Length - h.Metadata
		whole := h.Flags&(wire.FlagMore|wire.FlagPiece) == 0
		if h.Flags&wire.FlagBlock != 0 {
			if !whole || body != wire.BlockRefSize || h.Total == 0 {
				t.Fatalf("%+v was taken", h)
			}
			return
		}
		if h.Length > wire.MaxFramePayload || h.Metadata > h.Length || h.Metadata > wire.MaxMetadata || body > h.Total || whole && body != h.Total {
			t.Fatalf("%+v was taken", h)
		}
	})
}

// roundTrip checks a parser on bytes of a peer: what it takes is the same after it was written and parsed again.
func roundTrip[T any](t *testing.T, b []byte, parse func([]byte) (*T, error), write func(*T) []byte) *T {
	t.Helper()
	before := bytes.Clone(b)
	v, err := parse(b)
	if !bytes.Equal(before, b) {
		t.Fatal("the bytes were changed")
	}
	if err != nil {
		var wrong *wire.ProtocolError
		if v != nil || !errors.As(err, &wrong) {
			t.Fatalf("got %v and %T: %v", v, err, err)
		}
		return nil
	}
	c := write(v)
	if len(c) > len(b) || !bytes.Equal(c, b[:len(c)]) {
		t.Fatalf("%q became %q", b, c)
	}
	if again, err := parse(c); err != nil || !reflect.DeepEqual(v, again) {
		t.Fatalf("%+v became %+v, %v", v, again, err)
	}
	return v
}

func FuzzHello(f *testing.F) {
	f.Add(sampleHello().Append(nil))
	f.Add((&wire.Hello{}).Append(nil))
	f.Add([]byte("HOTL\x01\x00\x01\x00\x00\x00\x00\x00\xff\xff\xff\xff"))
	f.Add([]byte("GET / HTTP/1.1\r\n\r\n"))
	f.Fuzz(func(t *testing.T, b []byte) {
		roundTrip(t, b, wire.ParseHello, func(h *wire.Hello) []byte { return h.Append(nil) })
	})
}

func FuzzWelcome(f *testing.F) {
	f.Add(sampleWelcome().Append(nil))
	f.Add((&wire.Welcome{Version: wire.Version}).Append(nil))
	f.Add(append((&wire.Welcome{Version: wire.Version}).Append(nil)[:30], 0xff, 0xff, 0, 0))
	f.Fuzz(func(t *testing.T, b []byte) {
		w := roundTrip(t, b, wire.ParseWelcome, func(w *wire.Welcome) []byte { return w.Append(nil) })
		if w != nil && (len(w.Methods) > len(b)/32 || w.Version != wire.Version) {
			t.Fatalf("%d methods of version %d in %d bytes", len(w.Methods), w.Version, len(b))
		}
	})
}

func FuzzError(f *testing.F) {
	f.Add(uint16(wire.CodePanic), wire.AppendError(nil, wire.Errorf(0, "words")))
	f.Add(uint16(wire.CodeApplication), wire.AppendError(nil, sampleError()))
	f.Add(uint16(0), []byte{})
	f.Add(uint16(1), []byte{0xff, 0xff, 0xff, 0x7f, 'x'})
	f.Add(uint16(1), []byte{0, 0, 0, 0, 0xff, 0xff, 0xff, 0xff})
	f.Fuzz(func(t *testing.T, code uint16, b []byte) {
		parse := func(b []byte) (*wire.Error, error) { return wire.ParseError(wire.Code(code), b) }
		e := roundTrip(t, b, parse, func(e *wire.Error) []byte { return wire.AppendError(nil, e) })
		if e == nil {
			return
		}
		if e.Code != wire.Code(code) || len(e.Message) > len(b) || len(e.Identities) > wire.MaxIdentities {
			t.Fatalf("%+v", e)
		}
		size, deepest := 0, uint32(0)
		for _, one := range e.Identities {
			size += 12 + len(one.Name) + len(one.Value)
			if one.Name == "" || len(one.Name) > wire.MaxIdentityName || one.Depth > deepest {
				t.Fatalf("%+v", e)
			}
			deepest = one.Depth + 1
		}
		if size > wire.MaxIdentityBytes {
			t.Fatalf("%d bytes of identities", size)
		}
	})
}

// FuzzMetadata: what is taken is the one encoding of its pairs.
func FuzzMetadata(f *testing.F) {
	f.Add(wire.AppendMetadata(nil, sampleMetadata()))
	f.Add(wire.AppendMetadata(nil, nil))
	f.Add([]byte{})
	f.Add([]byte{0xff, 0xff, 0xff, 0xff, 1})
	f.Fuzz(func(t *testing.T, b []byte) {
		m := roundTrip(t, b, func(b []byte) (*map[string]string, error) {
			m, err := wire.ParseMetadata(b)
			if err != nil {
				return nil, err
			}
			return &m, nil
		}, func(m *map[string]string) []byte { return wire.AppendMetadata(nil, *m) })
		if m != nil && (!bytes.Equal(wire.AppendMetadata(nil, *m), b) || wire.MetadataSize(*m) != len(b)) {
			t.Fatalf("%x became %q", b, *m)
		}
	})
}
