package codec_test

import (
	"bytes"
	"encoding/json"
	"math"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/fxamacker/cbor/v2"
	"github.com/google/go-cmp/cmp"
	"github.com/vmihailenco/msgpack/v5"

	"hotline/codec"
	"hotline/internal/race"
)

// Named types of the plain kinds.
type (
	yes    bool
	id     int
	tiny   int8
	short  int16
	long   int64
	size   uint
	octet  uint8
	port   uint16
	crc    uint32
	mask   uint64
	ratio  float32
	weight float64
	title  string
	blob   []byte
	letter byte
)

// status is a name with a method that has nothing to do with encoding.
type status int

func (status) String() string { return "status" }

// shouting encodes itself, by the interface that all codecs but gob share.
type shouting string

func (s shouting) MarshalText() ([]byte, error) {
	return []byte(strings.ToUpper(string(s)) + "!"), nil
}
func (s *shouting) UnmarshalText(b []byte) error {
	*s = shouting(strings.ToLower(strings.TrimSuffix(string(b), "!")))
	return nil
}

// plainValues are values of each plain kind: the extremes, what is around the bounds of the forms on the wire, and the
// named types.
func plainValues() []any {
	var values []any
	for _, n := range []int64{
		0, 1, 23, 24, 127, 128, 255, 256, 32767, 32768, 65535, 65536, math.MaxInt32, math.MaxInt32 + 1, math.MaxUint32,
		math.MaxUint32 + 1, 1<<53 + 1, 999_999_999_999_999_999, 1_000_000_000_000_000_000, math.MaxInt64,
		-1, -24, -25, -32, -33, -128, -129, -256, -257, -32768, -32769, math.MinInt32, math.MinInt32 - 1, math.MinInt64,
	} {
		values = append(values, ptrs(int(n), int8(n), int16(n), int32(n), n, uint(n), uint8(n), uint16(n), uint32(n), uint64(n),
			time.Duration(n), id(n), tiny(n), short(n), number(n), long(n), size(n), octet(n), port(n), crc(n), mask(n), status(n))...)
	}
	for _, f := range []float64{
		0, math.Copysign(0, -1), 1, -1.5, 0.1, 1e-6, 9.9e-7, 1e-9, 1e20, 1e21, 1e22, 1e100, math.MaxFloat64, math.SmallestNonzeroFloat64,
		math.MaxFloat32, math.SmallestNonzeroFloat32, 123456789,
	} {
		values = append(values, ptrs(f, weight(f))...)
		if f32 := float32(f); !math.IsInf(float64(f32), 0) {
			values = append(values, ptrs(f32, ratio(f32))...)
		}
	}
	for _, n := range []int{0, 1, 23, 24, 31, 32, 255, 256, 65535, 65536} {
		text := strings.Repeat("x", n)
		values = append(values, ptrs(text, title(text), []byte(text), blob(text))...)
	}
	return append(values, ptrs(true, false, yes(true), yes(false), "äöü \U0001f600", "\"\\\n\x00<&>\u2028", "\xff not UTF-8", []byte(nil), blob(nil),
		time.Unix(0, 0), time.Unix(1, 0), time.Unix(1<<32-1, 0), time.Unix(1<<32, 0), time.Unix(1<<32-1, 1), time.Unix(1<<34-1, 999_999_999),
		time.Unix(1<<34, 0), time.Unix(-1, 5), time.Time{}, time.Date(2024, 2, 29, 12, 30, 15, 123456789, time.FixedZone("", -3*3600)),
		time.Date(9999, 12, 31, 23, 59, 59, 999_999_999, time.UTC),
		shouting("text"), json.Number("12"), letter('x'), []letter("letters"))...)
}

// libraryEncodings are the libraries' own encodings of one value, with what the package asks them for.
func libraryEncodings(t testing.TB) map[string]func(v any) ([]byte, error) {
	mode, err := cbor.EncOptions{
		Time: cbor.TimeRFC3339Nano, TimeTag: cbor.EncTagRequired, TextMarshaler: cbor.TextMarshalerTextString,
	}.EncMode()
	if err != nil {
		t.Fatal(err)
	}
	return map[string]func(v any) ([]byte, error){
		"json": func(v any) ([]byte, error) {
			var b bytes.Buffer
			e := json.NewEncoder(&b)
			e.SetEscapeHTML(false)
			err := e.Encode(v)
			return bytes.TrimSuffix(b.Bytes(), []byte("\n")), err
		},
		"msgpack": func(v any) ([]byte, error) {
			var b bytes.Buffer
			e := msgpack.NewEncoder(&b)
			e.UseCompactInts(true)
			err := e.Encode(v)
			return b.Bytes(), err
		},
		"cbor": mode.Marshal,
	}
}

func typesOf(values []any) []reflect.Type {
	types := make([]reflect.Type, len(values))
	for i, v := range values {
		types[i] = reflect.TypeOf(v).Elem()
	}
	return types
}

// A plan writes what the codec writes, and what the library does.
func TestPlanEncodesAlike(t *testing.T) {
	libraries := libraryEncodings(t)
	for _, c := range structured() {
		for _, v := range plainValues() {
			one := []any{v}
			want, wantErr := c.Append([]byte("before"), one)
			got, err := codec.PlanFor(c, typesOf(one)).Append([]byte("before"), one)
			if !bytes.Equal(got, want) || errText(err) != errText(wantErr) {
				t.Errorf("%s: %T %v: got %q, %v, without a plan %q, %v", c.Name(), v, reflect.ValueOf(v).Elem(), got, err, want, wantErr)
			}
			library, known := libraries[c.Name()]
			if !known || wantErr != nil {
				continue
			}
			value, err := library(v)
			if err != nil {
				t.Fatal(err)
			}
			if !bytes.Contains(got, value) || len(got) > len("before[]")+len(value) {
				t.Errorf("%s: %T %v: got %q, the library writes %q", c.Name(), v, reflect.ValueOf(v).Elem(), got, value)
			}
		}
	}
}

// A plan reads what it wrote, and so does the codec, beside values of other kinds too.
func TestPlanDecodesAlike(t *testing.T) {
	for _, c := range structured() {
		for _, v := range plainValues() {
			for _, list := range [][]any{{v}, {v, v, v}, {ptr(point3{1, 2, 3}), v, ptr(map[string]int{"a": 1}), v}} {
				src, err := c.Append(nil, list)
				if err != nil || len(src) > 4096 {
					continue // such as a time in the year 10000; and what is long takes long to compare
				}
				comparePlan(t, c, src, list)
			}
		}
	}
}

type point3 struct{ X, Y, Z int }

// comparePlan decodes src by the codec and by its plan for values like these.
func comparePlan(t *testing.T, c codec.Codec, src []byte, like []any) {
	t.Helper()
	want, got := zeros(like), zeros(like)
	wantErr := c.Decode(src, want)
	err := codec.PlanFor(c, typesOf(like)).Decode(src, got)
	if errText(err) != errText(wantErr) {
		t.Errorf("%s: %.60q: got error %v, without a plan %v", c.Name(), src, err, wantErr)
	}
	if err == nil && !alike(reflect.ValueOf(got), reflect.ValueOf(want)) {
		t.Errorf("%s: %.60q: got %+v, without a plan %+v", c.Name(), src, got, want)
	}
}

// A number too large for its type is an error, whatever the type's name, as are cut and trailing bytes.
func TestPlanRefuses(t *testing.T) {
	all := ptrs(false, 0, int8(0), int16(0), int32(0), int64(0), uint(0), uint8(0), uint16(0), uint32(0), uint64(0), float32(0), 0.0, "",
		[]byte{}, time.Time{}, time.Duration(0), yes(false), id(0), tiny(0), short(0), number(0), long(0), size(0), octet(0), port(0), crc(0),
		mask(0), ratio(0), weight(0), title(""), blob{}, status(0), shouting(""))
	for _, c := range structured() {
		if c.Name() == "gob" {
			continue
		}
		for _, from := range plainValues() {
			switch from.(type) {
			case *int64, *uint64, *float32, *float64, *bool, *string, *[]byte, *time.Time:
			default:
				continue // the others look the same on the wire
			}
			src, err := c.Append(nil, []any{from})
			if err != nil || len(src) > 100 {
				continue // the short ones say it all
			}
			for _, into := range all {
				comparePlan(t, c, src, []any{into})
			}
			for n := range len(src) {
				comparePlan(t, c, src[:n], []any{from})
			}
			comparePlan(t, c, append(src, src...), []any{from})
			comparePlan(t, c, src, nil)
			comparePlan(t, c, src, []any{from, from})
		}
		for _, v := range ptrs(tiny(0), octet(0), port(0), number(0), uint32(0)) {
			plan := codec.PlanFor(c, typesOf([]any{v}))
			for _, n := range ptrs(uint64(math.MaxUint64), int64(math.MinInt64)) {
				if err := plan.Decode(encode(t, c, n), []any{v}); err == nil {
					t.Errorf("%s: %v into %T: no error", c.Name(), reflect.ValueOf(n).Elem(), v)
				}
			}
		}
	}
}

// A plan takes values of other types than its own, and other numbers of them, as the codec does.
func TestPlanTakesOtherValues(t *testing.T) {
	for _, c := range structured() {
		plan := codec.PlanFor(c, typesOf(ptrs(1, "text")))
		for _, values := range [][]any{ptrs("text", 1), ptrs(id(1), title("x")), ptrs(1), ptrs(1, "a", 2.5), {}} {
			got, err := plan.Append(nil, values)
			if want := encode(t, c, values...); err != nil || !bytes.Equal(got, want) {
				t.Errorf("%s: %v: got %q, %v, want %q", c.Name(), values, got, err, want)
			}
			out := zeros(values)
			if err := plan.Decode(got, out); err != nil || !cmp.Equal(out, values) {
				t.Errorf("%s: got %v, %v", c.Name(), out, err)
			}
		}
	}
}

// What a plan has decoded shares no memory with the message, nor with what the value held before.
func TestPlanKeepsNothing(t *testing.T) {
	for _, c := range structured() {
		old := []byte("old memory")
		b, s := old, ""
		values := []any{&b, &s}
		src := encode(t, c, ptr([]byte("bytes")), ptr("text"))
		if err := codec.PlanFor(c, typesOf(values)).Decode(src, values); err != nil {
			t.Fatal(err)
		}
		clear(src)
		if string(b) != "bytes" || s != "text" || c.Name() != "gob" && string(old) != "old memory" {
			t.Errorf("%s: got %q, %q, what was there before is %q", c.Name(), b, s, old)
		}
	}
}

// A plan costs no memory but what the decoded strings and bytes need.
func TestPlansDoNotAllocate(t *testing.T) {
	if race.Enabled {
		t.Skip("the race detector makes sync.Pool drop items")
	}
	values := ptrs(300_000, int8(-8), uint64(1)<<63, float32(1.5), 2.25, true, id(7), time.Unix(1e9, 5))
	for _, c := range structured()[:3] {
		if c.Name() != "msgpack" {
			values = values[:7] // the libraries parse a time
		}
		plan := codec.PlanFor(c, typesOf(values))
		dst, src, out := make([]byte, 0, 1024), encode(t, c, values...), zeros(values)
		if got := testing.AllocsPerRun(100, func() { _, _ = plan.Append(dst, values) }); got != 0 {
			t.Errorf("%s: Append allocates %v times", c.Name(), got)
		}
		if got := testing.AllocsPerRun(100, func() { _ = plan.Decode(src, out) }); got != 0 {
			t.Errorf("%s: Decode allocates %v times", c.Name(), got)
		}
	}
}

// FuzzPlan compares plans with their codecs on any bytes.
func FuzzPlan(f *testing.F) {
	for _, c := range structured()[:3] {
		for i, v := range plainValues() {
			if b, err := c.Append(nil, []any{v}); err == nil && len(b) < 100 && i%7 == 0 {
				f.Add(b)
			}
		}
	}
	for _, s := range []string{
		"[1,2]", "[-0]", "[00]", "[1e3]", "[1.0]", "[ 1]", "[1 ]", "[null]", `["\u0041"]`, `["AQI="]`, "[1,", "[-]", "[true,false]", "[]", "[,]",
		"[12345678901234567890]", "[1,\"a\",[]]", "\x91\xd3\xff\xff\xff\xff\xff\xff\xff\xff", "\x91\xd0\x05", "\x92\xc0\xc0", "\x91\xc4\x01",
		"\x81\x1b\xff\xff\xff\xff\xff\xff\xff\xff", "\x81\x18\x05", "\x82\xf6\xf7", "\x81\xc0\x60", "\xdc\x00\x01\x05", "\x98\x01\x05",
	} {
		f.Add([]byte(s))
	}
	lists := [][]any{}
	for _, v := range ptrs(false, 0, int8(0), int16(0), int32(0), int64(0), uint(0), uint8(0), uint16(0), uint32(0), uint64(0), float32(0),
		0.0, "", []byte{}, time.Time{}, time.Duration(0), id(0), octet(0), title(""), blob{}) {
		lists = append(lists, []any{v}, []any{v, new(int)}, []any{v, new(any), v})
	}
	f.Fuzz(func(t *testing.T, src []byte) {
		for _, c := range structured()[:3] {
			for _, like := range lists {
				comparePlan(t, c, src, like)
			}
		}
	})
}
