package wire_test

import (
	"maps"
	"slices"
	"strings"
	"testing"

	"hotline/internal/wire"
)

func sampleMetadata() map[string]string {
	return map[string]string{"tenant": "acme", "empty": "", "Größe": "\x00\xff", "Tenant": "another key"}
}

func TestMetadata(t *testing.T) {
	want := sampleMetadata()
	b := wire.AppendMetadata(nil, want)
	if len(b) != wire.MetadataSize(want) {
		t.Errorf("MetadataSize: got %d of %d", wire.MetadataSize(want), len(b))
	}
	for range 20 { // whatever the order of the map
		if again := wire.AppendMetadata(nil, maps.Clone(want)); string(again) != string(b) {
			t.Fatalf("% x and % x for the same pairs", b, again)
		}
	}
	own := slices.Clone(b)
	got, err := wire.ParseMetadata(own)
	clear(own)
	if err != nil || !maps.Equal(got, want) {
		t.Errorf("got %q, %v", got, err)
	}
	if got, err := wire.ParseMetadata(wire.AppendMetadata(nil, nil)); err != nil || len(got) != 0 {
		t.Errorf("no pairs: got %q, %v", got, err)
	}
	for n := range len(b) {
		if got, err := wire.ParseMetadata(b[:n]); got != nil || !isProtocol(err) {
			t.Errorf("%d bytes of %d: got %q, %v", n, len(b), got, err)
		}
	}
}

func TestMetadataLies(t *testing.T) {
	pairs := func(n byte, words ...string) []byte {
		b := []byte{n, 0, 0, 0}
		for _, w := range words {
			b = append(append(b, byte(len(w)), 0, 0, 0), w...)
		}
		return b
	}
	for _, test := range []struct {
		name string
		b    []byte
		text string
	}{
		{"a key without a value", pairs(1, "a"), "1 elements in 5 bytes"},
		{"a pair that is not there", pairs(2, "a", "b"), "2 elements in 10 bytes"},
		{"a second key without a value", pairs(2, "a", "some value", "key"), "cut short"},
		{"billions", []byte{0xff, 0xff, 0xff, 0xff, 0, 0, 0, 0, 0, 0, 0, 0}, "4294967295 elements"},
		{"a long key", []byte{1, 0, 0, 0, 0xff, 0xff, 0xff, 0xff, 0, 0, 0, 0}, "a string of 4294967295 bytes"},
		{"a long value", []byte{1, 0, 0, 0, 1, 0, 0, 0, 'a', 0xff, 0, 0, 0}, "a string of 255 bytes"},
		{"a pair too many", pairs(1, "a", "b", "c", "d"), "10 bytes follow the last pair"},
		{"an empty key", pairs(1, "", "b"), "keys are not empty"},
		{"a key twice", pairs(2, "a", "b", "a", "c"), `key "a" comes after "a"`},
		{"another order", pairs(2, "b", "b", "a", "c"), `key "a" comes after "b"`},
	} {
		if m, err := wire.ParseMetadata(test.b); m != nil || !isProtocol(err) || !strings.Contains(err.Error(), test.text) {
			t.Errorf("%s: got %q, %v, want %q", test.name, m, err, test.text)
		}
	}
}
