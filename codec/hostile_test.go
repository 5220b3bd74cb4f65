package codec_test

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"math/big"
	"runtime"
	"strings"
	"testing"
	"time"

	"hotline/codec"
	"hotline/internal/race"
)

// allocated returns the bytes that f allocates.
func allocated(f func()) uint64 {
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	f()
	runtime.ReadMemStats(&after)
	return after.TotalAlloc - before.TotalAlloc
}

// refuses checks that src is refused into each of the values, by an error with the text want, for under 1 MiB.
func refuses(t *testing.T, name, src, want string, values ...any) {
	t.Helper()
	c, b := find(t, name), []byte(src)
	for _, v := range values {
		var err error
		used := allocated(func() { err = c.Decode(b, []any{v}) })
		switch {
		case err == nil:
			t.Errorf("%s: %.40q into %T: no error, want %q", name, src, v, want)
		case !strings.Contains(err.Error(), want):
			t.Errorf("%s: %.40q into %T: got error %q, want %q in it", name, src, v, err, want)
		case used > 1<<20:
			t.Errorf("%s: %.40q into %T: allocated %d bytes", name, src, v, used)
		}
	}
}

type wide struct {
	Words [512]int64
	List  []wide
}

// targets are pointers to zero values of the types that a hostile message is most likely to hurt.
func targets() []any {
	return []any{
		new(any), new([]any), new([]int), new([]string), new([]wide), new([][]byte), new(map[string]any), new(map[any]any),
		new(map[string]string), new(map[int]wide), new(wide), new(*wide), new([]byte), new(string), new(int), new(bool),
		new(float64), new(time.Time), new(big.Int), new([4]byte), new(record), new([]*wide), new(struct{ A, B any }),
	}
}

func TestClaimedCounts(t *testing.T) {
	for name, heads := range map[string][]string{
		"msgpack": {
			"\xdd\xff\xff\xff\xff", "\xdc\xff\xff", "\xdf\xff\xff\xff\xff", "\xde\xff\xff", "\x9f", "\x8f",
			"\xdb\xff\xff\xff\xff", "\xda\xff\xff", "\xd9\xff", "\xbf", "\xc6\xff\xff\xff\xff", "\xc5\xff\xff", "\xc4\xff",
			"\xc9\xff\xff\xff\xff\x05", "\xc9\x7f\xff\xff\xff\xff",
		},
		"cbor": {
			"\x9b\xff\xff\xff\xff\xff\xff\xff\xff", "\x9b\x7f\xff\xff\xff\xff\xff\xff\xff",
			"\x9a\xff\xff\xff\xff", "\x99\xff\xff", "\x97",
			"\xbb\xff\xff\xff\xff\xff\xff\xff\xff", "\xbb\x80\x00\x00\x00\x00\x00\x00\x00", "\xba\xff\xff\xff\xff", "\xb7",
			"\x5b\xff\xff\xff\xff\xff\xff\xff\xff", "\x5a\xff\xff\xff\xff",
			"\x7b\xff\xff\xff\xff\xff\xff\xff\xff", "\x7a\xff\xff\xff\xff",
		},
	} {
		one := map[string]string{"msgpack": "\x91", "cbor": "\x81"}[name]
		for _, head := range heads {
			refuses(t, name, one+head, " left", targets()...)
			refuses(t, name, one+one+head, " left", targets()[:6]...)
			if strings.Contains("\xdd\xdc\x9f\x9b\x9a\x99\x97", head[:1]) {
				refuses(t, name, head, " left", targets()...) // the list of values itself
			}
		}
	}
}

func TestDepth(t *testing.T) {
	type tree struct {
		Left, Right *tree
		Kids        []tree
	}
	nested := map[string]func(n int) string{
		"json":         func(n int) string { return strings.Repeat("[", n) + strings.Repeat("]", n) },
		"msgpack":      func(n int) string { return strings.Repeat("\x91", n-1) + "\x90" },
		"cbor":         func(n int) string { return strings.Repeat("\x81", n-1) + "\x80" },
		"json maps":    func(n int) string { return strings.Repeat(`{"a":`, n) + "1" + strings.Repeat("}", n) },
		"msgpack maps": func(n int) string { return strings.Repeat("\x81\xa1a", n) + "\x01" },
		"cbor maps":    func(n int) string { return strings.Repeat("\xa1\x61a", n) + "\x01" },
		"cbor tags":    func(n int) string { return strings.Repeat("\xd8\x64", n) + "\x01" },
	}
	for kind, nest := range nested {
		name, _, _ := strings.Cut(kind, " ")
		open, shut := map[string]string{"json": "[", "msgpack": "\x91", "cbor": "\x81"}[name], ""
		if name == "json" {
			shut = "]"
		}
		for _, n := range []int{codec.MaxDepth + 1, 10_000, 1_000_000} {
			refuses(t, name, open+nest(n)+shut, "nested more than 64 deep",
				new(any), new([]any), new(map[string]any), new(tree), new([]tree))
		}
		var v any
		if err := find(t, name).Decode([]byte(open+nest(codec.MaxDepth)+shut), []any{&v}); err != nil {
			t.Errorf("%s: %d deep: %v", kind, codec.MaxDepth, err)
		}
	}
}

func TestUnclosed(t *testing.T) {
	for _, src := range []string{
		strings.Repeat("[", 10_000), "[" + strings.Repeat("[", 10), "[1", "[", "[1,", `["a`, `["a\`, "[{", "[1}", "[[1}",
	} {
		refuses(t, "json", src, "json: decode", new(any), new([]any), new(int))
	}
}

// A nil element is one byte, and 4 KiB in a slice of wide structs.
func TestAmplification(t *testing.T) {
	const n = 20_000
	count := binary.BigEndian.AppendUint32(nil, n)
	msgpackNils := "\x91\xdd" + string(count) + strings.Repeat("\xc0", n)
	cborNils := "\x81\x9a" + string(count) + strings.Repeat("\xf6", n)
	msgpackMaps := "\x91\xdd" + string(count) + strings.Repeat("\x80", n)
	cborInts := "\x81\x9a" + string(count) + strings.Repeat("\x00", n)
	jsonNulls := "[[null" + strings.Repeat(",null", n) + "]]"
	jsonInts := "[[0" + strings.Repeat(",0", n) + "]]"
	pairs := func(head, pair string) string { return head + string(count) + strings.Repeat(pair, n) }
	const want = "would take more memory"
	refuses(t, "msgpack", msgpackNils, want, new([]wide), new(*[]wide), new([][4096]byte))
	refuses(t, "msgpack", msgpackMaps, want, new([]*wide))
	refuses(t, "cbor", cborNils, want, new([]wide))
	refuses(t, "cbor", cborInts, want, new([]*wide), new([]**wide))
	refuses(t, "json", jsonNulls, want, new([]wide))
	refuses(t, "json", jsonInts, want, new([]wide), new([]*wide))
	refuses(t, "msgpack", pairs("\x91\xdf", "\x01\xc0"), want, new(map[int]wide), new(map[[2048]int16]int))
	refuses(t, "msgpack", pairs("\x91\xdf", "\x01\x80"), want, new(map[int]*wide))
	refuses(t, "msgpack", "\x91\x81\xa4List"+msgpackNils[1:], want, new(wide), new(*wide), new(struct{ List []wide }))
	refuses(t, "msgpack", "\x91\x81\xa5Other"+msgpackNils[1:], want, new(wide)) // it may be known by another name
	refuses(t, "cbor", pairs("\x81\xba", "\x01\xf6"), want, new(map[int]wide))

	// the same bytes are fine where they become little
	for name, src := range map[string]string{"msgpack": msgpackNils, "cbor": cborNils, "json": jsonNulls} {
		for _, v := range []any{new([]any), new([]int), new(any), new([]*wide), new([]string)} {
			if err := find(t, name).Decode([]byte(src), []any{v}); err != nil {
				t.Errorf("%s: nils into %T: %v", name, v, err)
			}
		}
	}
}

// An honest value is not taken for a hostile one, though any of its arrays could hold its largest struct.
func TestHonestValues(t *testing.T) {
	type sample struct {
		Head   [64]int64
		Values []int8Like
		Next   *sample
		Any    map[string]any `json:"any" msgpack:"any"`
	}
	type embedded struct {
		sample
		*Extra
		Samples []sample
	}
	in := embedded{sample: sample{Values: make([]int8Like, 80_000)}, Extra: &Extra{"x"}, Samples: make([]sample, 200)}
	in.Next, in.Any = &sample{Values: make([]int8Like, 80_000)}, map[string]any{"list": make([]any, 1000)}
	for _, c := range []codec.Codec{codec.JSON(), codec.Msgpack(), codec.CBOR()} {
		src := encode(t, c, &in)
		var out embedded
		if err := c.Decode(src, []any{&out}); err != nil {
			t.Errorf("%s: %d bytes: %v", c.Name(), len(src), err)
		} else if len(out.Values) != 80_000 || len(out.Next.Values) != 80_000 || len(out.Samples) != 200 {
			t.Errorf("%s: got %d, %d and %d", c.Name(), len(out.Values), len(out.Next.Values), len(out.Samples))
		}
		many := make([]wide, 100)
		src = encode(t, c, &many)
		if err := c.Decode(src, []any{new([]wide)}); err != nil {
			t.Errorf("%s: %d bytes: %v", c.Name(), len(src), err)
		}
	}
}

type int8Like int8

// What is decoded stays within the budget that the package comment gives, be the message ever so dense.
func TestMemoryBound(t *testing.T) {
	n := 50_000
	if race.Enabled {
		n = 500 // it is slow
	}
	count := string(binary.BigEndian.AppendUint32(nil, uint32(n)))
	elements := map[string][]string{
		"msgpack": {"\xc0", "\x00", "\x80", "\x90", "\xa0", "\xc4\x00", "\x81\x01\x01", "\x81\xa1a\x01",
			"\x82\xa1a\x01\xa1b\x80", "\x91\x91\x80", "\xd6\xff\x00\x00\x00\x00"},
		"cbor": {"\xf6", "\x00", "\xa0", "\x80", "\x60", "\x40", "\xa1\x01\x01", "\xa1\x61a\x01", "\x81\x81\xa0", "\xc1\x01"},
		"json": {"null", "0", "{}", "[]", `""`, `{"a":1}`, `{"List":[{}]}`, `[[{}]]`},
	}
	for name, list := range elements {
		c := find(t, name)
		for _, e := range list {
			src := []byte("\x91\xdd" + count + strings.Repeat(e, n))
			switch name {
			case "cbor":
				src = []byte("\x81\x9a" + count + strings.Repeat(e, n))
			case "json":
				src = []byte("[[" + e + strings.Repeat(","+e, n-1) + "]]")
			}
			for _, v := range targets() {
				limit := 16<<20 + 64*uint64(len(src))
				used := allocated(func() { _ = c.Decode(src, []any{v}) })
				if used > 5*limit/2 { // the libraries hold a slice twice while it grows
					t.Errorf("%s: %d times %q into %T: allocated %d MiB, limit %d MiB", name, n, e, v, used>>20, limit>>20)
				}
			}
		}
	}
}

func TestTruncated(t *testing.T) {
	values := ptrs(300, "text", []byte("bytes"), 1.5, true, record{Name: "n", Scores: []float64{1}, Data: []byte("d"),
		Tags: map[string]string{"k": "v"}, Created: time.Unix(5, 6), Next: &record{}}, []string{"x"}, map[string]int{"a": 1})
	for _, c := range structured() {
		src := encode(t, c, values...)
		for n := range len(src) {
			if err := c.Decode(src[:n], zeros(values)); err == nil {
				t.Errorf("%s: %d of %d bytes: no error", c.Name(), n, len(src))
			}
		}
		err := c.Decode(append(bytes.Clone(src), '1'), zeros(values))
		if want := c.Name() + ": decode: 1 byte after the last value"; err == nil || err.Error() != want {
			t.Errorf("%s: a byte too many: got %v, want %s", c.Name(), err, want)
		}
	}
}

func TestWrongCount(t *testing.T) {
	for _, c := range structured() {
		for _, test := range []struct{ got, want int }{{3, 2}, {1, 2}, {0, 1}, {1, 0}, {2, 0}} {
			err := c.Decode(encode(t, c, ptrs(1, 2, 3)[:test.got]...), ptrs(0, 0, 0)[:test.want])
			noun := "values"
			if test.got == 1 {
				noun = "value"
			}
			want := fmt.Sprintf("%s: decode: got %d %s, want %d", c.Name(), test.got, noun, test.want)
			if err == nil || err.Error() != want {
				t.Errorf("%s: got %v, want %s", c.Name(), err, want)
			}
			var e *codec.Error
			if !errors.As(err, &e) || e.Codec != c.Name() || e.Position != 0 || e.Op != "decode" {
				t.Errorf("%s: got %#v", c.Name(), err)
			}
		}
	}
}

func TestWrongType(t *testing.T) {
	many, few := 300, -1
	cases := []struct {
		in any
		to any
	}{
		{"text", new(int)}, {1, new(string)}, {true, new(int)}, {"true", new(bool)}, {1, new(bool)},
		{1.5, new(int)}, {many, new(int8)},
		{many, new(uint8)}, {few, new(uint)}, {few, new(uint64)},
		{uint64(math.MaxUint64), new(int64)}, {int64(math.MaxInt64), new(int32)},
		{[]int{1}, new(int)}, {1, new([]int)}, {map[string]int{"a": 1}, new(string)}, {1, new(map[string]int)}, {1, new(record)},
		{"x", new(time.Time)}, {[]string{"x"}, new([]int)}, {"x", new(number)}, {1e300, new(float32)}, {1, new([]byte)},
	}
	for _, c := range structured() {
		for _, test := range cases {
			first := 1
			err := c.Decode(encode(t, c, ptr(test.in), &first), []any{test.to, &first})
			prefix := fmt.Sprintf("%s: decode value 1 of 2, %s: ", c.Name(), strings.TrimPrefix(fmt.Sprintf("%T", test.to), "*"))
			if err == nil || !strings.HasPrefix(err.Error(), prefix) || len(err.Error()) == len(prefix) {
				t.Errorf("%s: %T %v into %T: got %v, want %q", c.Name(), test.in, test.in, test.to, err, prefix)
			}
		}
	}
}

func TestNotAList(t *testing.T) {
	for name, list := range map[string][]string{
		"json": {"", "1", "{}", "null", "x", "[1 2]", "[,]", "[1,]", "[1,,2]", "[1}",
			"(1)", "\xff", "[nul]", "[01]", "[+1]", "[1e]", `["\x"]`},
		"msgpack": {"", "\x01", "\x80", "\xc0", "\xc1", "\x91\xc1", "\xa1x"},
		"cbor": {"", "\x01", "\xa0", "\xf6", "\x1c", "\x81\x1c",
			"\x9f\x01\xff", "\x81\x9f\xff", "\x81\x5f\x41a\xff", "\x81\xff", "\x81\xf8\x01"},
		"gob": {"", "\x01", "\x01\x02", "\x01\x01", "\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff"},
	} {
		for _, src := range list {
			for _, v := range []any{new(int), new(any), new([]int), new(string), new(float64)} {
				if err := find(t, name).Decode([]byte(src), []any{v}); err == nil || !strings.HasPrefix(err.Error(), name+": decode") {
					t.Errorf("%s: %q into %T: got %v", name, src, v, err)
				}
			}
		}
	}
}

// The library takes the body of an extension for a map where it expects one: bytes that no scan has seen as a map.
func TestMsgpackMapInExtension(t *testing.T) {
	maps := []any{
		new(map[string]any), new(map[string]string), new(map[string]int), new(map[int]wide),
		new(struct{ A map[string]any }),
	}
	for _, ext := range []string{
		"\xd6\xff\xdf\xff\xff\xff", "\xd7\xff\xdf\xff\xff\xff\xff\x00\x00\x00", "\xc7\x05\x07\xdf\x0f\xff\xff\xff",
		"\xc7\x01\x07\x8f", "\xd4\x07\x80", "\xc8\x00\x01\x07\x80", "\xc9\x00\x00\x00\x01\x07\x80",
	} {
		refuses(t, "msgpack", "\x91"+ext, "msgpack: decode value 1 of 1", maps...)
		refuses(t, "msgpack", "\x91\x81\xa1A"+ext, "msgpack: decode value 1 of 1", maps[len(maps)-1])
	}
	// times in a map and maps behind times are still fine
	type both struct {
		T time.Time
		M map[string]time.Time
		N map[string]int
	}
	now := time.Unix(0xdf000000, 0)
	in, out := both{now, map[string]time.Time{"a": now, "b": now}, map[string]int{"x": 1}}, both{}
	c := codec.Msgpack()
	err := c.Decode(encode(t, c, &in), []any{&out})
	if err != nil || !out.T.Equal(now) || !out.M["b"].Equal(now) || out.N["x"] != 1 {
		t.Errorf("got %v, %v", out, err)
	}
}

func TestMsgpackInterned(t *testing.T) {
	refuses(t, "msgpack", "\x91\xd4\x80\x00", "interned strings are not supported",
		new(any), new(string), new(map[string]string))
	type interned struct {
		A string `msgpack:",intern"`
		B string `msgpack:",intern"`
	}
	in := interned{"a long string", "a long string"}
	c := codec.Msgpack()
	if err := c.Decode(encode(t, c, &in), []any{new(interned)}); err == nil || !strings.Contains(err.Error(), `drop "intern"`) {
		t.Errorf("got %v", err)
	}
}

// A decoder that has failed in the middle of a value must not spoil the next.
func TestDecodeAfterError(t *testing.T) {
	type custom struct{ V failing }
	in := custom{failing{"ok"}}
	for _, c := range structured() {
		good := encode(t, c, &in)
		for range 100 {
			_ = c.Decode(encode(t, c, ptr(custom{failing{"fail"}})), []any{new(custom)})
			_ = c.Decode(encode(t, c, ptr(custom{failing{"panic"}})), []any{new(custom)})
			var out custom
			if err := c.Decode(good, []any{&out}); err != nil || out != in {
				t.Fatalf("%s: got %v, %v", c.Name(), out, err)
			}
		}
		err := c.Decode(encode(t, c, ptr(custom{failing{"panic"}})), []any{new(custom)})
		if !strings.Contains(errText(err), "panic: on purpose") {
			t.Errorf("%s: got %v", c.Name(), err)
		}
		_, err = c.Append(nil, ptrs(custom{failing{"encode panic"}}))
		if !strings.Contains(errText(err), "panic: on purpose") {
			t.Errorf("%s: got %v", c.Name(), err)
		}
	}
}

// failing encodes itself as its text, and fails or panics where that says so.
type failing struct{ s string }

func (f failing) MarshalText() ([]byte, error) {
	if f.s == "encode panic" {
		panic("on purpose")
	}
	return []byte(f.s), nil
}

func (f *failing) UnmarshalText(b []byte) error {
	switch string(b) {
	case "fail":
		return errors.New("on purpose")
	case "panic":
		panic("on purpose")
	}
	f.s = string(b)
	return nil
}

func (f failing) MarshalBinary() ([]byte, error)  { return f.MarshalText() }
func (f *failing) UnmarshalBinary(b []byte) error { return f.UnmarshalText(b) }

func TestLongCauseIsCut(t *testing.T) {
	long := strings.Repeat("x", 1<<20)
	for _, c := range []codec.Codec{codec.JSON(), codec.Msgpack(), codec.CBOR()} {
		var when time.Time
		src := encode(t, c, &long)
		if c.Name() == "cbor" {
			src = []byte("\x81\xc0" + string(src[1:]))
		}
		if err := c.Decode(src, []any{&when}); err == nil || len(err.Error()) > 700 {
			t.Errorf("%s: got an error of %d bytes", c.Name(), len(err.Error()))
		}
	}
}

func TestCBORBignum(t *testing.T) {
	number := func(n int) string {
		return "\x81\xc2\x5a" + string(binary.BigEndian.AppendUint32(nil, uint32(n))) + strings.Repeat("\xff", n)
	}
	refuses(t, "cbor", number(1<<20), "big integer", new(int), new(any), new(big.Int), new(float64))
	var n big.Int
	if err := codec.CBOR().Decode([]byte(number(4096)), []any{&n}); err != nil || n.BitLen() != 8*4096 {
		t.Errorf("got %d bits, %v", n.BitLen(), err)
	}
}

// family is a loop only by a field that no codec but gob sends.
type family struct {
	Name   string
	Kids   []*family
	Parent *family `json:"-" msgpack:"-" cbor:"-"`
}

// A value that contains itself is an error of the call, not the end of the process.
func TestEndless(t *testing.T) {
	type node struct {
		Next *node
		Kids []*node
		More map[string]*node
		Any  any
	}
	loop := node{}
	loop.Next = &loop
	kids := node{}
	kids.Kids = []*node{&kids}
	more := node{}
	more.More = map[string]*node{"self": &more}
	anyLoop := map[string]any{}
	anyLoop["self"] = []any{anyLoop}
	var itself any
	itself = &itself
	for _, c := range structured() {
		for _, v := range []any{&loop, &kids, &more, &anyLoop, &itself, ptr([]node{loop}), ptr(node{Any: &loop})} {
			if c.Name() == "gob" && (v == any(&anyLoop) || v == any(&itself)) {
				continue // gob can't send these types at all
			}
			if _, err := c.Append(nil, []any{v}); err == nil || !strings.HasPrefix(err.Error(), c.Name()+": encode value 1 of 1") {
				t.Errorf("%s: %T: got %v", c.Name(), v, err)
			}
		}
		child := family{Name: "child"}
		child.Parent = &family{Name: "parent", Kids: []*family{&child}}
		if c.Name() != "gob" {
			if err := c.Decode(encode(t, c, child.Parent), []any{new(family)}); err != nil {
				t.Errorf("%s: a loop through a field that is not sent: %v", c.Name(), err)
			}
		}
		deep := &node{}
		for range codec.MaxDepth - 1 {
			deep = &node{Next: deep}
		}
		if err := c.Decode(encode(t, c, deep), []any{new(node)}); err != nil {
			t.Errorf("%s: %d deep: %v", c.Name(), codec.MaxDepth, err)
		}
	}
}
