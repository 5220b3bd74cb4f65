package codec_test

import (
	"bytes"
	"math"
	"math/big"
	"net/netip"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"hotline/codec"
)

type Base struct {
	ID    int64
	Label string
}

type Extra struct{ Note string }

type record struct {
	Base
	*Extra
	Name    string            `json:"name" msgpack:"name" cbor:"name"`
	Scores  []float64         `json:"scores,omitempty" msgpack:"scores,omitempty"`
	Data    []byte            `json:"data"`
	Tags    map[string]string `json:"tags"`
	Counts  map[string]int
	Created time.Time
	Next    *record
	Grid    [2][3]int16
	Took    time.Duration
	Hidden  string `json:"-" msgpack:"-" cbor:"-"`
}

type number int32

// structured are the codecs that know types.
func structured() []codec.Codec {
	return []codec.Codec{codec.JSON(), codec.Msgpack(), codec.CBOR(), codec.Gob()}
}

func find(t testing.TB, name string) codec.Codec {
	t.Helper()
	c, err := codec.Find(name, nil)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// ptr returns a pointer to a copy of v, of v's type.
func ptr(v any) any {
	p := reflect.New(reflect.TypeOf(v))
	p.Elem().Set(reflect.ValueOf(v))
	return p.Interface()
}

func ptrs(values ...any) []any {
	out := make([]any, len(values))
	for i, v := range values {
		out[i] = ptr(v)
	}
	return out
}

// zeros returns pointers to zero values of the same types.
func zeros(values []any) []any {
	out := make([]any, len(values))
	for i, v := range values {
		out[i] = reflect.New(reflect.TypeOf(v).Elem()).Interface()
	}
	return out
}

func encode(t testing.TB, c codec.Codec, values ...any) []byte {
	t.Helper()
	b, err := c.Append(nil, values)
	if err != nil {
		t.Fatalf("%s: Append: %v", c.Name(), err)
	}
	return b
}

var exported = cmp.AllowUnexported(record{})

func TestRoundTrip(t *testing.T) {
	utc := time.Date(2024, 2, 29, 12, 30, 15, 123456789, time.UTC)
	zoned := time.Date(1969, 12, 31, 23, 59, 59, 1, time.FixedZone("", -3*3600))
	four := 4
	deep := &four
	full := record{
		Base: Base{7, "seven"}, Extra: &Extra{"embedded"}, Name: "full", Scores: []float64{1, -0.5, math.MaxFloat64},
		Data: []byte{0, 1, 255}, Tags: map[string]string{"a": "b", "": "empty"}, Counts: map[string]int{"x": -1},
		Created: utc, Next: &record{Name: "inner", Extra: new(Extra)}, Grid: [2][3]int16{{1, 2, 3}, {-4, 5, 6}},
		Took: 3 * time.Second,
	}
	cases := map[string][]any{
		"no values":   {},
		"bools":       ptrs(true, false),
		"ints":        ptrs(0, 1, -1, 23, 24, -24, -25, 127, 128, -128, -129, math.MaxInt, math.MinInt),
		"int8":        ptrs(int8(math.MinInt8), int8(math.MaxInt8)),
		"int16":       ptrs(int16(math.MinInt16), int16(math.MaxInt16)),
		"int32":       ptrs(int32(math.MinInt32), int32(math.MaxInt32)),
		"int64":       ptrs(int64(math.MinInt64), int64(math.MaxInt64), int64(1)<<53+1),
		"uints":       ptrs(uint(0), uint(math.MaxUint), uint8(255), uint16(65535), uint32(1<<32-1), uint64(math.MaxUint64)),
		"floats":      ptrs(0.0, 1.5, -math.MaxFloat64, math.SmallestNonzeroFloat64, 1e21, 1e-7, 123456789.0),
		"float32":     ptrs(float32(0.1), float32(math.MaxFloat32), float32(math.SmallestNonzeroFloat32)),
		"strings":     ptrs("", "a", strings.Repeat("x", 31), strings.Repeat("y", 300)),
		"odd strings": ptrs("äöü 世界 \U0001f600", "\"quoted\\ \n\x00\u2028", "<&>"),
		"bytes":       ptrs([]byte("x"), bytes.Repeat([]byte{0xff}, 300)),
		"times":       ptrs(utc, zoned, time.Unix(1<<33, 0), time.Unix(0, 0), time.Time{}),
		"duration":    ptrs(-time.Hour),
		"named":       ptrs(number(-5)),
		"slices":      ptrs([]int{1, 2, 3}, []string{"a", ""}, [][]int{{1}, {2, 3}}, [3]string{"x", "y", "z"}),
		"nil":         ptrs([]int(nil), []byte(nil), map[string]int(nil), (*int)(nil), (*record)(nil)),
		"maps": ptrs(map[string]int{"a": 1}, map[int]string{-1: "x"},
			map[string][]byte{"b": {1}}, map[number]bool{5: true, -1: false}),
		"many keys":    ptrs(manyKeys(100)),
		"pointers":     ptrs(&four, &deep),
		"struct":       ptrs(full),
		"structs":      ptrs([]Base{{1, "a"}, {2, "b"}}, map[string]Base{"k": {3, "c"}}, &Base{4, "d"}),
		"text marshal": ptrs(netip.MustParseAddr("127.0.0.1"), big.NewInt(12345)),
		"mixed":        ptrs(1, "two", 3.0, []byte("four"), full, []int{6}, true),
	}
	equalBig := cmp.Comparer(func(a, b *big.Int) bool { return a == b || a != nil && b != nil && a.Cmp(b) == 0 })
	for _, c := range structured() {
		for name, values := range cases {
			b := encode(t, c, values...)
			got := zeros(values)
			if err := c.Decode(b, got); err != nil {
				t.Errorf("%s: %s: Decode(%.60q): %v", c.Name(), name, b, err)
				continue
			}
			if diff := cmp.Diff(values, got, exported, equalBig, cmpopts.EquateComparable(netip.Addr{})); diff != "" {
				t.Errorf("%s: %s: (-want +got)\n%s", c.Name(), name, diff)
			}
		}
	}
}

// Each size has a head of its own on the wire. (They are not in the table because go-cmp is slow with them.)
func TestSizes(t *testing.T) {
	for _, c := range append(structured(), codec.Raw()) {
		for _, size := range []int{0, 1, 15, 16, 23, 24, 31, 32, 255, 256, 65_535, 65_536} {
			b := bytes.Repeat([]byte{'x'}, size)
			s, list := string(b), make([]bool, size)
			var gotBytes []byte
			if err := c.Decode(encode(t, c, &b), []any{&gotBytes}); err != nil || !bytes.Equal(gotBytes, b) {
				t.Errorf("%s: %d bytes: got %d, %v", c.Name(), size, len(gotBytes), err)
			}
			if c.Name() == "raw" {
				continue
			}
			var gotString string
			var gotList []bool
			err := c.Decode(encode(t, c, &s, &list), []any{&gotString, &gotList})
			if err != nil || gotString != s || len(gotList) != size {
				t.Errorf("%s: %d: got %d and %d, %v", c.Name(), size, len(gotString), len(gotList), err)
			}
		}
	}
}

func manyKeys(n int) map[int]string {
	m := map[int]string{}
	for i := range n {
		m[i] = strings.Repeat("k", i)
	}
	return m
}

func TestFloatsWithoutNumber(t *testing.T) {
	values := ptrs(math.Inf(1), math.Inf(-1), float32(math.Inf(1)), math.NaN())
	for _, c := range []codec.Codec{codec.Msgpack(), codec.CBOR(), codec.Gob()} {
		got := zeros(values)
		if err := c.Decode(encode(t, c, values...), got); err != nil {
			t.Errorf("%s: %v", c.Name(), err)
		} else if !cmp.Equal(values, got, cmpopts.EquateNaNs()) {
			t.Errorf("%s: got %v", c.Name(), got)
		}
	}
	_, err := codec.JSON().Append(nil, values)
	if !strings.HasPrefix(errText(err), "json: encode value 1 of 4, float64: ") {
		t.Errorf("json: +Inf: got %v", err)
	}
}

func TestBytesThatAreNoText(t *testing.T) {
	s := "\xff\xfe text"
	for _, c := range []codec.Codec{codec.Msgpack(), codec.CBOR(), codec.Gob()} {
		var got string
		if err := c.Decode(encode(t, c, &s), []any{&got}); err != nil || got != s {
			t.Errorf("%s: got %q, %v", c.Name(), got, err)
		}
	}
}

func TestAppendKeepsPrefix(t *testing.T) {
	for _, c := range structured() {
		a, m := 5, map[string]int{"x": 1}
		prefix := append(make([]byte, 0, 3), "abc"...)
		b, err := c.Append(prefix, []any{&a, &m})
		if err != nil || !bytes.HasPrefix(b, []byte("abc")) {
			t.Fatalf("%s: got %q, %v", c.Name(), b, err)
		}
		if whole := encode(t, c, &a, &m); !bytes.Equal(b[3:], whole) {
			t.Errorf("%s: got %q behind a prefix, %q without", c.Name(), b[3:], whole)
		}
	}
}

func TestAppendErrorReturnsDst(t *testing.T) {
	dst := []byte("abc")
	for _, c := range structured() {
		a, bad := 5, func() {}
		b, err := c.Append(dst, []any{&a, &bad})
		if err == nil || string(b) != "abc" {
			t.Errorf("%s: got %q, %v", c.Name(), b, err)
			continue
		}
		if want := c.Name() + ": encode value 2 of 2, func(): "; !strings.HasPrefix(err.Error(), want) {
			t.Errorf("%s: got %q, want it to begin %q", c.Name(), err, want)
		}
	}
}

// What Decode has set must not change with the bytes that it read.
func TestDecodeDoesNotAlias(t *testing.T) {
	type all struct {
		S string
		B []byte
		A any
		M map[string]any
	}
	for _, c := range append(structured(), codec.Raw()) {
		values := ptrs([]byte("some bytes"))
		if c.Name() != "raw" {
			values = append(values, ptrs("a string", map[string]string{"key": "value"}, all{S: "s", B: []byte("b")})...)
		}
		if c.Name() != "raw" && c.Name() != "gob" {
			values = append(values, ptrs(all{A: "any", M: map[string]any{"k": "v"}}, []any{"x", map[string]any{"y": "z"}})...)
		}
		src := encode(t, c, values...)
		got := zeros(values)
		if err := c.Decode(src, got); err != nil {
			t.Fatalf("%s: %v", c.Name(), err)
		}
		clear(src)
		if diff := cmp.Diff(values, got); diff != "" {
			t.Errorf("%s: changed with the bytes (-want +got)\n%s", c.Name(), diff)
		}
	}
}

// A []byte that a value had before may have been kept by someone, and is not written over.
func TestDecodeLeavesOldBytes(t *testing.T) {
	for _, c := range append(structured(), codec.Raw()) {
		b := []byte("new")
		src := encode(t, c, &b)
		old := []byte("kept by a handler")
		got := old
		if err := c.Decode(src, []any{&got}); err != nil || string(got) != "new" {
			t.Errorf("%s: got %q, %v", c.Name(), got, err)
		}
		if string(old) != "kept by a handler" && c.Name() != "gob" {
			t.Errorf("%s: wrote into old bytes: %q", c.Name(), old)
		}
	}
}

func TestNilMakesZero(t *testing.T) {
	now := time.Now()
	for name, src := range map[string]string{
		"json": "[null,null,null,null,null,null,null]", "msgpack": "\x97\xc0\xc0\xc0\xc0\xc0\xc0\xc0",
		"cbor": "\x87\xf6\xf6\xf6\xf6\xf6\xf7\xf6",
	} {
		got := ptrs(1, uint8(2), 3.5, true, "x", []byte("y"), now)
		if err := find(t, name).Decode([]byte(src), got); err != nil {
			t.Errorf("%s: %v", name, err)
		} else if want := ptrs(0, uint8(0), 0.0, false, "", []byte(nil), time.Time{}); !cmp.Equal(got, want) {
			t.Errorf("%s: (-want +got)\n%s", name, cmp.Diff(want, got))
		}
	}
}

func TestAny(t *testing.T) {
	type holder struct {
		A any
		L []any
		M map[string]any
		K map[any]string
		P *any
	}
	when := time.Date(2024, 1, 2, 3, 4, 5, 0, time.UTC)
	inner := any(uint16(9))
	in := ptrs(
		any([]any{1, int8(-2), uint64(300), uint64(math.MaxUint64), float32(1.5), "s", true, nil, []byte("b"), when}),
		any(map[string]any{"a": 1, "b": map[string]any{"c": []any{2}}}),
		any(map[int]string{1: "one", 300: "many"}),
		holder{A: int32(5), L: []any{6}, M: map[string]any{"x": uint8(7)}, K: map[any]string{8: "eight"}, P: &inner},
		map[string][]any{"list": {uint(1)}},
	)
	// reflect.TypeOf sees through an interface, so the first three are pointers to what is in it
	want := []any{
		any([]any{int64(1), int64(-2), int64(300), uint64(math.MaxUint64), 1.5, "s", true, nil, []byte("b"), when}),
		any(map[string]any{"a": int64(1), "b": map[string]any{"c": []any{int64(2)}}}),
		any(map[any]any{int64(1): "one", int64(300): "many"}),
	}
	settledInner := any(int64(9))
	wantHolder := holder{A: int64(5), L: []any{int64(6)}, M: map[string]any{"x": int64(7)},
		K: map[any]string{int64(8): "eight"}, P: &settledInner}
	for _, c := range []codec.Codec{codec.Msgpack(), codec.CBOR()} {
		var a [3]any
		var h holder
		var m map[string][]any
		if err := c.Decode(encode(t, c, in...), []any{&a[0], &a[1], &a[2], &h, &m}); err != nil {
			t.Errorf("%s: %v", c.Name(), err)
			continue
		}
		if diff := cmp.Diff(want, a[:]); diff != "" {
			t.Errorf("%s: (-want +got)\n%s", c.Name(), diff)
		}
		if diff := cmp.Diff(wantHolder, h); diff != "" {
			t.Errorf("%s: (-want +got)\n%s", c.Name(), diff)
		}
		if diff := cmp.Diff(map[string][]any{"list": {int64(1)}}, m); diff != "" {
			t.Errorf("%s: (-want +got)\n%s", c.Name(), diff)
		}
	}
	var a any
	if err := codec.JSON().Decode([]byte(`[{"a":[1,"x",null]}]`), []any{&a}); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(any(map[string]any{"a": []any{1.0, "x", nil}}), a); diff != "" {
		t.Errorf("json: (-want +got)\n%s", diff)
	}
}

// A key that is not equal to itself is never found again: to settle a map must still end.
func TestAnyWithKeyNaN(t *testing.T) {
	in := map[float64]any{math.NaN(): 1, 2: 3}
	for _, c := range []codec.Codec{codec.Msgpack(), codec.CBOR()} {
		var out map[float64]any
		if err := c.Decode(encode(t, c, &in), []any{&out}); err != nil || len(out) != 2 || out[2] != int64(3) {
			t.Errorf("%s: got %v, %v", c.Name(), out, err)
		}
	}
}

func TestRaw(t *testing.T) {
	c := codec.Raw()
	in := []byte("bytes")
	b := encode(t, c, &in)
	if string(b) != "bytes" || &b[0] == &in[0] {
		t.Errorf("Append: got %q, sharing memory: %v", b, &b[0] == &in[0])
	}
	var out []byte
	if err := c.Decode(nil, []any{&out}); err != nil || out == nil || len(out) != 0 {
		t.Errorf("Decode of nothing: got %#v, %v", out, err)
	}
	if b := encode(t, c); len(b) != 0 {
		t.Errorf("Append of no values: got %q", b)
	}
	if err := c.Decode(nil, nil); err != nil {
		t.Errorf("Decode of no values: %v", err)
	}
	for want, err := range map[string]error{
		"raw: decode: got 1 byte, want no value":                                     c.Decode([]byte("x"), nil),
		"raw: decode value 1 of 1, string: raw takes a []byte; choose another codec": c.Decode(nil, ptrs("")),
		"raw: decode: 2 values: raw takes one []byte or none; choose another codec":  c.Decode(nil, ptrs(in, in)),
	} {
		if err == nil || err.Error() != want {
			t.Errorf("got %v, want %s", err, want)
		}
	}
	if dst, err := c.Append([]byte("a"), ptrs(1)); err == nil || string(dst) != "a" {
		t.Errorf("Append of an int: got %q, %v", dst, err)
	}
}
