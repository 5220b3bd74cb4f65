package codec_test

import (
	"math"
	"math/big"
	"reflect"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/fxamacker/cbor/v2"
	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"github.com/vmihailenco/msgpack/v5"

	"hotline/codec"
)

// fuzzed are the types that the fuzz targets decode into.
type fuzzed struct {
	A any `json:"a" msgpack:"a"`
	B []byte
	C map[string]int16
	D []fuzzed
	E *fuzzed
	F [3]float32
	G time.Time
	H map[any]any `json:"-"`
	I []*wide
	J big.Int `msgpack:"-"`
	K int8
	Extra
}

func fuzzTargets() []any {
	return []any{
		new(any), new([]any), new(map[string]any), new(fuzzed), new([]fuzzed), new(int), new(int8), new(uint64), new(float32),
		new(float64), new(string), new([]byte), new(bool), new(time.Time), new([]string), new(map[string]string),
		new(map[int]wide), new([]*wide), new(*int), new([4]byte), new([][]int), new(number),
	}
}

// fuzzDecode decodes src as one value into each target: it must not panic, and must not allocate much more than
// the budget for a message as short as a fuzzer makes them. What was decoded must survive another trip.
func fuzzDecode(t *testing.T, c codec.Codec, src []byte, targets []any) {
	errs := make([]error, len(targets))
	if used := allocated(func() {
		for i, v := range targets {
			errs[i] = c.Decode(src, []any{v})
		}
	}); used > 256<<20 {
		t.Errorf("allocated %d MiB", used>>20)
	}
	for i, v := range targets {
		if err := errs[i]; err != nil {
			if !strings.HasPrefix(err.Error(), c.Name()+": decode") || crash.MatchString(err.Error()) {
				t.Errorf("into %T: error %q", v, err)
			}
			continue
		}
		again, err := c.Append(nil, []any{v})
		if err != nil {
			continue // such as a time in the year 10000
		}
		out := zeros([]any{v})
		if err := c.Decode(again, out); err != nil {
			t.Errorf("%T %+v: decoded from %q, but not again: %v", v, v, again, err)
		} else if !alike(reflect.ValueOf(v), reflect.ValueOf(out[0])) {
			t.Errorf("%T: the second trip changed %+v to %+v", v, v, out[0])
		}
	}
	_ = c.Decode(src, []any{new(int), new(string), new(any)})
	_ = c.Decode(src, nil)
}

// crash are panics of the libraries that no message should get them to. (Two panics of the msgpack library are known
// and become errors: a key that can't be one in a map[any]any, and a field of type any that comes twice.)
var crash = regexp.MustCompile("panic: runtime error: [^h]|panic: reflect: [^r]|panic: reflect.Value.[^S]")

// alike reports whether two decoded values are the same, NaN included. (go-cmp takes time exponential in the depth.)
func alike(a, b reflect.Value) bool {
	if !a.IsValid() || !b.IsValid() || a.Type() != b.Type() {
		return a.IsValid() == b.IsValid()
	}
	if a.Kind() != reflect.Interface && a.CanInterface() {
		switch x := a.Interface().(type) {
		case time.Time:
			return x.Equal(b.Interface().(time.Time))
		case big.Int:
			y := b.Interface().(big.Int)
			return x.Cmp(&y) == 0
		}
	}
	switch a.Kind() {
	case reflect.Float32, reflect.Float64:
		return a.Float() == b.Float() || math.IsNaN(a.Float()) && math.IsNaN(b.Float())
	case reflect.Interface:
		if when, ok := a.Interface().(time.Time); ok && when.IsZero() && b.IsNil() {
			return true // cbor has no zero time
		}
		return a.IsNil() == b.IsNil() && (a.IsNil() || alike(a.Elem(), b.Elem()))
	case reflect.Pointer:
		return a.IsNil() == b.IsNil() && (a.IsNil() || alike(a.Elem(), b.Elem()))
	case reflect.Slice, reflect.Array:
		same := a.Len() == b.Len()
		for i := 0; same && i < a.Len(); i++ {
			same = alike(a.Index(i), b.Index(i))
		}
		return same
	case reflect.Struct:
		same := true
		for i := 0; same && i < a.NumField(); i++ {
			same = alike(a.Field(i), b.Field(i))
		}
		return same
	case reflect.Map:
		same := a.Len() == b.Len()
		for _, k := range a.MapKeys() {
			x, y := a.MapIndex(k), b.MapIndex(k)
			if k.Kind() == reflect.Interface && x.IsValid() && !y.IsValid() {
				continue // a time as a key is not found by its like
			}
			same = same && (!x.IsValid() || alike(x, y)) // a key with NaN is not found at all
		}
		return same
	}
	return a.Equal(b)
}

func FuzzDecodeJSON(f *testing.F) {
	for _, s := range []string{
		`[]`, `[1]`, `[1,"a",null]`, `[{"a":[1,{"b":2.5e3}],"B":"AQI=","C":{"x":-1},"E":{"K":5}}]`, `["\u00e9\n"]`, `[[[[]]]]`,
		` [ 1 , { } ] `, `[1e400]`, `["2024-01-02T03:04:05.6Z"]`, `[`, `[1}`, `[{"D":[{},{}]}]`,
		`["` + strings.Repeat("a", 100) + `"]`, "[" + strings.Repeat("[", 65) + strings.Repeat("]", 65) + "]",
		`[[0,0,0],[null]]`, `[-0]`, `[01]`,
	} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, src []byte) { fuzzDecode(t, codec.JSON(), src, fuzzTargets()) })
}

func FuzzDecodeMsgpack(f *testing.F) {
	for _, s := range []string{
		"\x90", "\x91\x01", "\x93\x01\xa1a\xc0", "\xdd\xff\xff\xff\xff", "\x91\xdf\xff\xff\xff\xff",
		"\x91\x83\xa1a\x92\x01\xcb?\xf0\x00\x00\x00\x00\x00\x00\xa1B\xc4\x01x\xa1C\x81\xa1k\xd1\xff\x00",
		"\x91\xc7\x0c\xff\x00\x00\x00\x01\x00\x00\x00\x01\x00\x00\x00\x00", "\x91\x81\x91\x01\x02",
		"\x91\xd6\x05\xdf\xff\xff\xff", "\x91\xd6\xff\x65\x00\x00\x00", "\x91\xd4\x80\x00", "\x91\x81\x01\xc0",
		"\x91" + strings.Repeat("\x91", 64) + "\x90", "\x91\xca\x7f\xc0\x00\x00", "\x91\x81\xa1I\x92\xc0\x80",
		"\x91\xcf\xff\xff\xff\xff\xff\xff\xff\xff", "\x91\x81\xa1H\x81\x90\x01", "\x91\x82\xa1a\x91\x01\xa1a\x91\x01",
	} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, src []byte) {
		fuzzDecode(t, codec.Msgpack(), src, fuzzTargets())
		compare(t, codec.Msgpack(), src, msgpack.Unmarshal)
	})
}

func FuzzDecodeCBOR(f *testing.F) {
	for _, s := range []string{
		"\x80", "\x81\x01", "\x83\x01\x61a\xf6", "\x9b\xff\xff\xff\xff\xff\xff\xff\xff", "\x81\xc1\x1a\x65\x00\x00\x00",
		"\x81\xbb\xff\xff\xff\xff\xff\xff\xff\xff", "\x81\xc2\x49\x01\x00\x00\x00\x00\x00\x00\x00\x00",
		"\x81\xa3\x61a\x82\x01\xfb?\xf0\x00\x00\x00\x00\x00\x00\x61B\x41x\x61C\xa1\x61k\x38\xff", "\x81\xa1\x01\xf6",
		"\x81\xc0\x742024-01-02T03:04:05Z", "\x81\xa1\x81\x01\x02", "\x81\xf9\x7e\x00", "\x81\x9f\xff", "\x81\xd9\xd9\xf7\x01",
		"\x81" + strings.Repeat("\x81", 64) + "\x80", "\x81\x3b\xff\xff\xff\xff\xff\xff\xff\xff", "\x81\xf8\xff",
		"\x81\xa1\x61I\x82\xf6\xa0", "\x81\xd5\x41a", "\x81\xa1\x61H\xa1\x80\x01", "\x81\xc1\xf9\xff0",
	} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, src []byte) {
		fuzzDecode(t, codec.CBOR(), src, fuzzTargets())
		compare(t, codec.CBOR(), src, cbor.Unmarshal)
	})
}

// Gob is for trusted peers: it must not panic, but a stream may claim any size for a map or an interface.
func FuzzDecodeGob(f *testing.F) {
	targets := func() []any {
		return []any{
			new(int), new(string), new([]int), new([]byte), new(struct{ A, B int }), new(*Base), new([]Base), new(time.Time),
		}
	}
	for _, v := range []any{1, "text", []int{1, 2}, []byte("b"), Base{1, "x"}, []Base{{2, "y"}}, time.Unix(1, 2)} {
		f.Add(encode(f, codec.Gob(), ptr(v)))
	}
	f.Add([]byte("\x01\x00"))
	f.Fuzz(func(t *testing.T, src []byte) {
		for _, v := range targets() {
			if err := codec.Gob().Decode(src, []any{v}); err != nil && !strings.HasPrefix(err.Error(), "gob: decode") {
				t.Errorf("into %T: error %q", v, err)
			}
		}
	})
}

// laxer are the library's errors where the package takes more: a string that is not UTF-8 and 64 levels in cbor (see
// newCBOR), and a float64 that a float32 holds.
var laxer = regexp.MustCompile("UTF-8|nested level 32|decoding float32")

// compare checks that what the package reads by itself is what the library reads, where it reads it.
func compare(t *testing.T, c codec.Codec, src []byte, unmarshal func([]byte, any) error) {
	for _, v := range []any{
		new(int64), new(uint32), new(int8), new(float32), new(float64), new(string), new([]byte), new(bool),
	} {
		if c.Decode(src, []any{v}) != nil {
			continue
		}
		list := reflect.New(reflect.SliceOf(reflect.TypeOf(v).Elem()))
		if err := unmarshal(src, list.Interface()); err != nil {
			if !laxer.MatchString(err.Error()) {
				t.Errorf("%s: %T: got %v, the library %v", c.Name(), v, reflect.ValueOf(v).Elem(), err)
			}
			continue
		}
		got, want := reflect.ValueOf(v).Elem().Interface(), list.Elem().Index(0).Interface()
		if f, ok := got.(float64); ok && f >= 1<<63 {
			continue // the msgpack library takes the number for a negative one
		}
		if f, ok := got.(float32); ok && f >= 1<<63 {
			continue
		}
		if diff := cmp.Diff(want, got, cmpopts.EquateNaNs()); diff != "" {
			t.Errorf("%s: %T: (-library +got)\n%s", c.Name(), v, diff)
		}
	}
}

// FuzzRoundTrip sends plain values through every codec.
func FuzzRoundTrip(f *testing.F) {
	f.Add(int64(-1), uint64(math.MaxUint64), 1.5, "text", []byte("bytes"), true, int64(1e9), int32(5))
	f.Add(int64(math.MinInt64), uint64(0), 1e300, "\"\\\u2028\x00<", []byte{}, false, int64(-62135596801), int32(999999999))
	f.Fuzz(func(t *testing.T, i int64, u uint64, fl float64, s string, b []byte, yes bool, sec int64, nsec int32) {
		text := strings.ToValidUTF8(s, "?") // what json makes of the rest is its own affair
		if math.IsNaN(fl) || math.IsInf(fl, 0) {
			fl = 0
		}
		if b == nil {
			b = []byte{}
		}
		i8, f32, small := int8(i), float32(fl), uint16(u)
		if math.IsInf(float64(f32), 0) {
			f32 = 0
		}
		when := time.Unix(sec%200_000_000_000, int64(nsec)).UTC()
		if when.Year() < 0 || when.Year() > 9999 {
			when = time.Time{}
		}
		values := ptrs(i, u, fl, text, b, yes, when, i8, f32, small)
		for _, c := range structured() {
			out := zeros(values)
			if err := c.Decode(encode(t, c, values...), out); err != nil {
				t.Errorf("%s: %v", c.Name(), err)
			} else if diff := cmp.Diff(values, out); diff != "" {
				t.Errorf("%s: (-want +got)\n%s", c.Name(), diff)
			}
		}
	})
}
