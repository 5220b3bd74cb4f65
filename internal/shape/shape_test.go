package shape_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"math/big"
	"net"
	"reflect"
	"strings"
	"testing"
	"time"
	"unsafe"

	"go.uber.org/goleak"

	"hotline/internal/shape"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// jsonFields names fields as encoding/json does.
func jsonFields(f reflect.StructField) (string, bool) {
	tag := f.Tag.Get("json")
	name, _, _ := strings.Cut(tag, ",")
	if tag == "-" {
		return "", false
	}
	if name == "" && !f.Anonymous {
		name = f.Name
	}
	return name, true
}

type (
	person struct {
		Name string
		Age  int
		_    chan int
	}
	tagged struct {
		ID      int64    `json:"id"`
		Label   string   `json:"the label,omitempty"`
		Skipped chan int `json:"-"`
	}
	base struct {
		ID   int
		Kind string
	}
	Extended struct {
		base
		Kind  int
		Owner *person
	}
	node struct {
		Value int
		Next  *node
		Kids  []node
	}
	list     []list
	table    map[string]table
	twoNames struct {
		A, B person
		C    []base
		D    []base
	}
	celsius        float64
	stamp          struct{}
	loop           *loop
	generic[T any] struct{ V T }
	packed         struct{}
	Deepest        struct {
		*Deepest
		X int
	}
	left struct {
		Same int
		Left int
	}
	right struct {
		Same  string
		Right int
	}
	both struct {
		left
		right
	}
)

func (stamp) MarshalText() ([]byte, error)      { return nil, nil }
func (*packed) DecodeMsgpack(int) error         { return nil }
func (generic[T]) MarshalJSON() ([]byte, error) { return nil, nil }

func types(values ...any) []reflect.Type {
	var list []reflect.Type
	for _, v := range values {
		if t, ok := v.(reflect.Type); ok {
			list = append(list, t)
			continue
		}
		list = append(list, reflect.TypeOf(v))
	}
	return list
}

func mustOf(t *testing.T, fields shape.Fields, values ...any) string {
	t.Helper()
	s, err := shape.Of(types(values...), fields)
	if err != nil {
		t.Fatalf("Of(%v): %v", types(values...), err)
	}
	return s
}

func TestOf(t *testing.T) {
	const here = "@hotline/internal/shape_test."
	for _, c := range []struct {
		types  []reflect.Type
		fields shape.Fields
		want   string
	}{
		{nil, nil, "()"},
		{types(0, int64(0), uint(0), uint64(0)), nil, "(int,int,uint,uint)"},
		{types(int8(0), int16(0), int32(0), uint8(0), uint16(0), uint32(0)), nil, "(int8,int16,int32,uint8,uint16,uint32)"},
		{types(true, "", float32(0), 0.0, complex64(0), 0i), nil, "(bool,string,float32,float64,complex64,complex128)"},
		{types(0, "", person{}), nil, "(int,string,{Name string;Age int})"},
		{types(new(int), new(*int), &person{}), nil, "(*int,*int,*{Name string;Age int})"},
		{types(reflect.TypeFor[any](), []any{}, new(any)), nil, "(any,[]any,any)"},
		{types([]byte{}, []int8{}, [3]byte{}, [0]string{}, json.RawMessage{}), nil,
			"([]byte,[]int8,[3]uint8,[0]string,@encoding/json.RawMessage)"},
		{types(map[string]int{}, map[int32][]*string{}), nil, "(map[string]int,map[int32][]*string)"},
		{types(time.Second, time.Time{}, &big.Int{}, net.IP{}), nil, "(int,@time.Time,*@math/big.Int,@net.IP)"},
		{types(celsius(0), struct{}{}), nil, "(float64,{})"},
		{types(tagged{}), jsonFields, `({id int;"the label" string})`},
		{types(Extended{}), jsonFields, "({ID int;Kind int;Owner *{Name string;Age int}})"},
		{types(Extended{}), nil, "({Kind int;Owner *{Name string;Age int}})"},
		{types(struct{ Extended }{}), nil, "({Extended {Kind int;Owner *{Name string;Age int}}})"},
		{types(both{}), jsonFields, "({Left int;Right int})"},
		{types(Deepest{}), jsonFields, "({X int})"},
		{types(node{}), nil, "({Value int;Next *#0;Kids []#0})"},
		{types(list{}, table{}), nil, "([]#0,map[string]#1)"},
		{types(twoNames{}), nil, "({A {Name string;Age int};B #1;C []{ID int;Kind string};D []#3})"},
		{types(stamp{}, packed{}), nil, "(" + here + "stamp," + here + "packed)"},
		{types(generic[int]{}), nil, `(@"hotline/internal/shape_test.generic[int]")`},
		{types(map[stamp]int{}), nil, "(map[" + here + "stamp]int)"},
	} {
		if got, err := shape.Of(c.types, c.fields); got != c.want || err != nil {
			t.Errorf("Of(%v):\n got %s, %v\nwant %s", c.types, got, err, c.want)
		}
	}
}

func TestOfRefuses(t *testing.T) {
	for _, c := range []struct {
		typ  any
		want string
	}{
		{make(chan int), "value 2: type chan int can't travel"},
		{func() {}, "value 2: type func() can't travel"},
		{uintptr(0), "type uintptr can't travel"},
		{unsafe.Pointer(nil), "type unsafe.Pointer can't travel"},
		{reflect.TypeFor[error](), "type error can't travel: use a concrete type, or any"},
		{struct{ C chan int }{}, "value 2: field C of struct { C chan int }: type chan int can't travel"},
		{map[string][]func(){}, "value of map[string][]func(): element of []func(): type func() can't travel"},
		{map[chan int]int{}, "key of map[chan int]int: type chan int can't travel"},
		{reflect.TypeFor[loop](), "pointer to itself"},
	} {
		_, err := shape.Of(types(0, c.typ), nil)
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("Of(int, %T): got error %v, want %q", c.typ, err, c.want)
		}
	}
}

// TestOfLarge describes types that are too deep and too many: the text stays in its limits and can be parsed.
func TestOfLarge(t *testing.T) {
	deep := reflect.TypeFor[int]()
	for range 200 {
		deep = reflect.SliceOf(deep)
	}
	s := mustOf(t, nil, deep)
	if want := "(" + strings.Repeat("[]", shape.MaxDepth-1) + "any)"; s != want {
		t.Errorf("Of(200 nested slices): got %s, want %s", s, want)
	}
	var fields []reflect.StructField
	for i := range 1000 {
		inner := reflect.StructOf([]reflect.StructField{
			{Name: fmt.Sprintf("A%d%s", i, strings.Repeat("x", 200)), Type: reflect.TypeFor[int]()}})
		fields = append(fields, reflect.StructField{Name: fmt.Sprintf("F%d", i), Type: inner})
	}
	s = mustOf(t, nil, reflect.StructOf(fields))
	if len(s) > shape.MaxText || !strings.HasSuffix(s, ";F999 any})") {
		t.Errorf("Of(1000 structs): %d bytes, ending in %q", len(s), s[len(s)-20:])
	}
	if err := shape.Compatible(s, "({F0 {A0 int}})"); err != nil {
		t.Errorf("Compatible: %v", err)
	}
	fields[0].Name = "F" + strings.Repeat("x", shape.MaxText)
	if s, err := shape.Of(types(reflect.StructOf(fields)), nil); err == nil {
		t.Errorf("Of(a field name of 256 KiB): got %d bytes, want an error", len(s))
	}
}

func TestCompatible(t *testing.T) {
	for _, c := range []struct{ ours, theirs, want string }{
		{"()", "()", ""},
		{"(*int)", "(int)", ""},
		{"(any,int,any)", "(int,any,any)", ""},
		{"({A any})", "({A {B int}})", ""},
		{"({Name string;Age int})", "({Age int;Mail string})", ""},
		{"({})", "({A int})", ""},
		{"([]uint8,{A #0;B []*uint8})", "([]byte,{A []byte;B []uint8;C int})", "argument 2: field B: []*uint8 here, []byte there"},
		{"([]uint8,{A #0})", "([]byte,{A []byte})", ""},
		{"([]*{A int})", "([]{A int;B #1})", ""},
		{"({Value int;Next *#0})", "({Value int;Next *{Value int;Next #1}})", ""},
		{"({Value int;Next *#0})", "({Value int;Next *{Value int;Next *{Value string}}})",
			"argument 1: field Next.Next.Value: int here, string there"},
		{"(@time.Time)", "(*@time.Time)", ""},
		{"(map[string][4]int8)", "(map[string][4]int8)", ""},

		{"()", "(int)", "0 arguments here: (), 1 argument there: (int)"},
		{"(int,string)", "(int)", "2 arguments here: (int, string), 1 argument there: (int)"},
		{"(int)", "(int32)", "argument 1: int here, int32 there"},
		{"(int)", "(uint)", "argument 1: int here, uint there"},
		{"(int,{Name string;Age int})", "(int,{Name string;Age string})", "argument 2: field Age: int here, string there"},
		{"({A {B []{C int}}})", "({A {B []{C bool}}})", "argument 1: field A.B[].C: int here, bool there"},
		{"([]int)", "([]byte)", "argument 1: []int here, []byte there"},
		{"([][]int)", "([][2]int)", "argument 1: element []: []int here, [2]int there"},
		{"([3]int)", "([4]int)", "argument 1: [3]int here, [4]int there"},
		{"(map[string]int)", "(map[int]int)", "argument 1: element [key]: string here, int there"},
		{"(map[string]int)", "(map[string]bool)", "argument 1: element [value]: int here, bool there"},
		{"({A map[string]{B int}})", "({A map[string]{B bool}})", "argument 1: field A[value].B: int here, bool there"},
		{"(@time.Time)", "(string)", "argument 1: time.Time here, string there"},
		{"(@time.Time)", "(@math/big.Int)", "argument 1: time.Time here, math/big.Int there"},
		{"({A {B {C {D int}}}})", "(string)", "argument 1: struct{A struct{B struct{…}}} here, string there"},
		{"({A int;B int;C int;D int;E int;F int;G int})", "(int)",
			"argument 1: struct{A int; B int; C int; D int; E int; F int; …} here, int there"},
		{`({"a b" int})`, `({"a b" bool})`, `argument 1: field "a b": int here, bool there`},
		{`(*[]int)`, `(*map[string]*int)`, "argument 1: []int here, map[string]*int there"},
	} {
		err := shape.Compatible(c.ours, c.theirs)
		if got := text(err); got != c.want {
			t.Errorf("Compatible(%s, %s):\n got %q\nwant %q", c.ours, c.theirs, got, c.want)
		}
		if back := shape.Compatible(c.theirs, c.ours); (back == nil) != (err == nil) {
			t.Errorf("Compatible(%s, %s): got %v, but %v the other way round", c.ours, c.theirs, err, back)
		}
		if mismatch := new(shape.MismatchError); err != nil && !errors.As(err, &mismatch) {
			t.Errorf("Compatible(%s, %s): a %T, want a *MismatchError", c.ours, c.theirs, err)
		}
	}
}

func text(err error) string {
	if err == nil {
		return ""
	}
	return err.Error()
}

func TestMismatchNoun(t *testing.T) {
	var mismatch *shape.MismatchError
	if !errors.As(shape.Compatible("(int,bool)", "(int,int)"), &mismatch) {
		t.Fatal("no mismatch")
	}
	mismatch.Noun = "result"
	if got, want := mismatch.Error(), "result 2: bool here, int there"; got != want {
		t.Errorf("Error(): got %q, want %q", got, want)
	}
}

// TestCompatibleWork compares cycles of structs: two of lengths without a common divisor have as many pairs as their
// product.
func TestCompatibleWork(t *testing.T) {
	cycle := func(n int) string {
		var b strings.Builder
		b.WriteString("({")
		for i := range n {
			fmt.Fprintf(&b, "F%d {N #%d};", i, i)
		}
		return b.String() + fmt.Sprintf("N #%d})", n)
	}
	if err := shape.Compatible(cycle(100), cycle(101)); err != nil {
		t.Errorf("cycles of 100 and 101 structs: %v", err)
	}
	if got := text(shape.Compatible(cycle(1000), cycle(1001))); got != "the types are too large to be compared" {
		t.Errorf("cycles of 1000 and 1001 structs: got %q", got)
	}
}

func TestSyntax(t *testing.T) {
	for _, s := range []string{
		"", "(", ")", "int", "(int", "(int,)", "(,)", "(int)x", "(int string)", "( int)", "(uintptr)", "(foo)",
		"(**int)", "(*any)", "(#0)", "([]#1)", "(#-1)", "([]#00)", "([)", "([]", "([-1]int)", "([01]int)",
		"([99999999999999999999]int)", "(map)", "(map[string])", "(map[string)", "({A})", "({A int)", "({A int;})",
		"({A int;A int})", "({ int})", `({"" int})`, `({"a int})`, "({`a` int})", "({'a' int})", `({"\xff" int})`,
		"(@)", "(@ )", "({A  int})", "(byte)", "(int,,int)", "({A\tint})", "\x00", "(\xff)", "({\xff int})",
		"(@" + strings.Repeat("x", 2000) + ")",
		"(" + strings.Repeat("[]", 64) + "int)",
		"(" + strings.Repeat("*", 100000) + "int)",
		"(" + strings.Repeat("int,", 100000) + "int)",
	} {
		_, _, err := shape.Types(s)
		if syntax := new(shape.SyntaxError); !errors.As(err, &syntax) {
			t.Errorf("Types(%.60q): got error %v, want a *SyntaxError", s, err)
		}
		if err := shape.Compatible("(string)", s); err == nil {
			t.Errorf("Compatible with %.60q: no error", s)
		}
	}
}

func TestTypes(t *testing.T) {
	for _, c := range []struct {
		shape string
		exact bool
		want  string
	}{
		{"()", true, "[]"},
		{"(int,uint,int8,bool)", true, "[int64 uint64 int8 bool]"},
		{"(any,[]any)", true, "[interface {} []interface {}]"},
		{"([]byte,[3]uint8,*int)", true, "[[]uint8 [3]uint8 *int64]"},
		{"(map[string][]float64)", true, "[map[string][]float64]"},
		{"({Name string;Age int})", true, "[struct { Name string; Age int64 }]"},
		{"({name string})", true, `[struct { Name string "json:\"name\" msgpack:\"name\" cbor:\"name\"" }]`},
		{"({name int;Name int;Name_ int})", true,
			`[struct { Name__ int64 "json:\"name\" msgpack:\"name\" cbor:\"name\""; Name int64; Name_ int64 }]`},
		{"({_x int;9 int})", true, `[struct { F0 int64 "json:\"_x\" msgpack:\"_x\" cbor:\"_x\""; ` +
			`F1 int64 "json:\"9\" msgpack:\"9\" cbor:\"9\"" }]`},
		{`({"a,b" int})`, false, "[interface {}]"},
		{`({"-" int})`, false, "[interface {}]"},
		{"(@time.Time,*@time.Time)", true, "[time.Time *time.Time]"},
		{"(@math/big.Int,*@math/big.Int)", true, "[*big.Int *big.Int]"},
		{"(@encoding/json.RawMessage)", true, "[json.RawMessage]"},
		{"(@net.IP,int)", false, "[interface {} int64]"},
		{"({Value int;Next *#0;Kids []#0})", false, "[struct { Value int64; Next interface {}; Kids []interface {} }]"},
		{"([]#0)", false, "[[]interface {}]"},
		{"({A {X int};B #1})", true, "[struct { A struct { X int64 }; B struct { X int64 } }]"},
		{"(map[any]int)", true, "[map[interface {}]int64]"},
	} {
		types, exact, err := shape.Types(c.shape)
		if got := fmt.Sprint(types); got != c.want || exact != c.exact || err != nil {
			t.Errorf("Types(%s):\n got %s, %v, %v\nwant %s, %v", c.shape, got, exact, err, c.want, c.exact)
		}
	}
}

func TestTypesWith(t *testing.T) {
	types, exact, err := shape.TypesWith("(any,*{A any;Next #0},map[any]any,@net.IP)", reflect.TypeFor[json.RawMessage]())
	const want = "[json.RawMessage *struct { A json.RawMessage; Next json.RawMessage } " +
		"map[interface {}]json.RawMessage json.RawMessage]"
	if fmt.Sprint(types) != want || exact || err != nil {
		t.Errorf("TypesWith:\n got %s, %v, %v\nwant %s, false", types, exact, err, want)
	}
}

// TestTypesRefuses builds what a hostile peer might send: each is an error or becomes any, in little time.
func TestTypesRefuses(t *testing.T) {
	doubling := "(" + strings.Repeat("{A ", 60) + "int"
	for i := 59; i >= 0; i-- {
		doubling += fmt.Sprintf(";B #%d}", min(i+1, 59))
	}
	doubling += ")"
	var many strings.Builder
	for i := range 10_000 {
		fmt.Fprintf(&many, "F%d int;", i)
	}
	for _, c := range []struct {
		shape string
		want  string
		exact bool
	}{
		{"([1099511627776]int)", "value 1: an array of 1099511627776 elements of int is too large to be built here", false},
		{"([1000000][1000000]int8)", "too large", false},
		{"([1000000][1000000]{})", "too large", false},
		{"([1000000]{A [1000000]{};B int})", "too large", false},
		{"({A [4000000]int})", "too large", false},
		{"({A [2000000]int;B #1;C #1})", "too large", false},
		{"(map[[]int]int)", "a map can't have keys of type []int", false},
		{"(map[{A []byte}]int)", "a map can't have keys", false},
		{"(map[map[string]int]int)", "a map can't have keys", false},
		{"({" + many.String() + "X int})", "a struct of 10001 fields is too large", false},
		{doubling, "", false},
	} {
		_, exact, err := shape.Types(c.shape)
		if got := text(err); (c.want == "") != (err == nil) || !strings.Contains(got, c.want) || exact != c.exact {
			t.Errorf("Types(%.60s…): got %q, %v, want %q, %v", c.shape, got, exact, c.want, c.exact)
		}
	}
}

// TestTypesOf describes the types that were built for a description: it is the same description.
func TestTypesOf(t *testing.T) {
	for _, s := range []string{
		"(int,string,{Name string;Age int})", `({id int;"a-b" {x *float32};List [][3]bool})`,
		"(map[string]{A int},[]byte,any,@time.Time,*@math/big.Int)", "({A {X int};B #1},#0)",
	} {
		types, exact, err := shape.Types(s)
		if err != nil || !exact {
			t.Fatalf("Types(%s): %v, %v", s, exact, err)
		}
		if got := mustOf(t, jsonFields, toAny(types)...); got != s {
			t.Errorf("Of(Types(%s)): got %s", s, got)
		}
	}
}

func toAny(types []reflect.Type) []any {
	var list []any
	for _, t := range types {
		list = append(list, t)
	}
	return list
}

func TestFingerprint(t *testing.T) {
	for s, want := range map[string]uint64{"": 0xcbf29ce484222325, "a": 0xaf63dc4c8601ec8c, "foobar": 0x85944171f73967e8} {
		if got := shape.Fingerprint(s); got != want {
			t.Errorf("Fingerprint(%q): got %#x, want %#x", s, got, want)
		}
	}
}
