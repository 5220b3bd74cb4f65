package wire_test

import (
	"errors"
	"reflect"
	"slices"
	"strings"
	"testing"

	"hotline/internal/wire"
)

func sampleError() *wire.Error {
	return &wire.Error{Code: wire.CodeApplication, Message: "no such file", Identities: []wire.Identity{
		{Depth: 0, Name: "fs.PathError", Value: []byte{0x93, 0xff}}, {Depth: 1, Name: "fs.ErrNotExist", Value: []byte{}},
		{Depth: 0, Name: "io.EOF", Value: []byte{}},
	}}
}

// An error comes with its identities, or is refused: cut off anywhere but where those of an error without any begin.
func TestErrorIdentities(t *testing.T) {
	want := sampleError()
	b := wire.AppendError(nil, want)
	if e, err := wire.ParseError(want.Code, b); err != nil || !reflect.DeepEqual(e, want) {
		t.Errorf("got %+v, %v", e, err)
	}
	if e, err := wire.ParseError(want.Code, slices.Concat(b, []byte("of a later version"))); err != nil || !reflect.DeepEqual(e, want) {
		t.Errorf("with more behind it: got %+v, %v", e, err)
	}
	plain := 4 + len(want.Message)
	for n := range len(b) {
		e, err := wire.ParseError(want.Code, b[:n])
		if n == plain {
			if err != nil || e.Message != want.Message || len(e.Identities) != 0 {
				t.Errorf("without identities: got %+v, %v", e, err)
			}
			continue
		}
		if e != nil || !isProtocol(err) {
			t.Errorf("%d bytes of %d: got %+v, %v", n, len(b), e, err)
		}
	}
}

func isProtocol(err error) bool {
	var wrong *wire.ProtocolError
	return errors.As(err, &wrong)
}

func TestErrorIdentitiesLie(t *testing.T) {
	one := func(depth uint32, name string, value int) wire.Identity {
		return wire.Identity{Depth: depth, Name: name, Value: make([]byte, value)}
	}
	const head = 12 // of an identity
	long := strings.Repeat("n", wire.MaxIdentityName)
	for _, test := range []struct {
		name string
		list []wire.Identity
		text string // of the error; empty for none
	}{
		{"the most", slices.Repeat([]wire.Identity{one(0, "a", 0)}, wire.MaxIdentities), ""},
		{"one more", slices.Repeat([]wire.Identity{one(0, "a", 0)}, wire.MaxIdentities+1), "17 identities, at most 16"},
		{"the longest name", []wire.Identity{one(0, long, 0)}, ""},
		{"a longer name", []wire.Identity{one(0, long+"n", 0)}, "over the limits"},
		{"no name", []wire.Identity{one(0, "a", 0), one(0, "", 9)}, "identity 2 has no name"},
		{"the most bytes", []wire.Identity{one(0, "a", 1000), one(1, "b", wire.MaxIdentityBytes-1000-2*head-2)}, ""},
		{"a byte more", []wire.Identity{one(0, "a", 1000), one(1, "b", wire.MaxIdentityBytes-1000-2*head-1)}, "identity 2 is over the limits"},
		{"as deep as can be", []wire.Identity{one(0, "a", 0), one(1, "b", 0), one(2, "c", 0), one(0, "d", 0), one(1, "e", 0)}, ""},
		{"too deep at first", []wire.Identity{one(1, "a", 0)}, "identity 1 is at depth 1, at most 0"},
		{"two deeper", []wire.Identity{one(0, "a", 0), one(2, "b", 0)}, "identity 2 is at depth 2, at most 1"},
		{"much deeper", []wire.Identity{one(0, "a", 0), one(1<<32-1, "b", 0)}, "at depth 4294967295"},
	} {
		e, err := wire.ParseError(16, wire.AppendError(nil, &wire.Error{Identities: test.list}))
		switch {
		case test.text == "" && (err != nil || len(e.Identities) != len(test.list)):
			t.Errorf("%s: got %+v, %v", test.name, e, err)
		case test.text != "" && (e != nil || !isProtocol(err) || !strings.Contains(err.Error(), test.text)):
			t.Errorf("%s: got %v, want %q", test.name, err, test.text)
		}
	}
}
