package codec_test

import (
	"errors"
	"maps"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"hotline/codec"
)

func TestFind(t *testing.T) {
	for _, c := range codec.Builtin() {
		got, err := codec.Find(c.Name(), nil)
		if err != nil || got != c {
			t.Errorf("Find(%q): got %v, %v", c.Name(), got, err)
		}
	}
	mine := named("mine")
	if got, err := codec.Find("mine", []codec.Codec{named("other"), mine}); err != nil || got != mine {
		t.Errorf("Find(mine): got %v, %v", got, err)
	}
	want := `unknown codec "xml": known are raw, json, msgpack, cbor, gob, mine`
	if _, err := codec.Find("xml", []codec.Codec{mine}); err == nil || err.Error() != want {
		t.Errorf("Find(xml): got %v, want %s", err, want)
	}
}

func TestCheck(t *testing.T) {
	for want, extra := range map[string][]codec.Codec{
		"":                                   {named("mine"), named("my-own.v2_x")},
		"user-defined codec 2 of 2 is nil":   {named("mine"), nil},
		"codec codec_test.named has no name": {named("")},
		`codec codec_test.named takes the name of the built-in codec "json": rename it`: {named("json")},
		`codecs codec_test.named and codec_test.named are both called "a": rename one`:  {named("a"), named("b"), named("a")},
		`codec codec_test.named: name "a,b": use letters, digits, '-', '_' and '.'`:     {named("a,b")},
	} {
		err := codec.Check(extra)
		if got := errText(err); got != want {
			t.Errorf("Check: got %q, want %q", got, want)
		}
		if _, found := codec.Find("json", extra); errText(found) != want {
			t.Errorf("Find: got %v, want %q", found, want)
		}
	}
}

func errText(err error) string {
	if err == nil {
		return ""
	}
	return err.Error()
}

// named is a codec with a name and nothing else.
type named string

func (n named) Name() string                             { return string(n) }
func (named) Append(dst []byte, _ []any) ([]byte, error) { return dst, nil }
func (named) Decode([]byte, []any) error                 { return nil }

func TestTrustedOnly(t *testing.T) {
	for _, c := range append(codec.Builtin(), named("mine")) {
		if got, want := codec.TrustedOnly(c), c.Name() == "gob"; got != want {
			t.Errorf("TrustedOnly(%s): got %v, want %v", c.Name(), got, want)
		}
	}
}

func TestErrorUnwraps(t *testing.T) {
	cause := errors.New("cause")
	e := &codec.Error{Codec: "mine", Op: "decode", Position: 2, Count: 3, Type: "int", Err: cause}
	if want := "mine: decode value 2 of 3, int: cause"; e.Error() != want || !errors.Is(e, cause) {
		t.Errorf("got %q, want %q", e, want)
	}
}

type Inner struct {
	Deep    int
	Renamed int `json:"j" msgpack:"m" cbor:"c"`
}

type inner struct{ Low int }

type Named struct{ Own int }

type Pointed struct{ Far int }

type fieldsOf struct {
	Plain   int
	Both    int `json:"both_j" msgpack:"both_m" cbor:"both_c"`
	JSON    int `json:"only_json,omitzero"`
	Skipped int `json:"-" msgpack:"-" cbor:"-"`
	//lint:ignore SA5008 the names are what is tested
	Dash    int `json:"-," msgpack:"dash" cbor:"-,"`
	Options int `json:",omitzero" msgpack:",omitempty" cbor:",omitzero"`
	//lint:ignore SA5008 a name that encoding/json ignores
	Bad     int `json:"a'b"`
	private int
	Inner
	inner
	Named `json:"named" msgpack:"named,noinline" cbor:"named"`
	*Pointed
	time.Month
	Words []string
}

// The names that the codecs give must be the ones that the libraries write.
func TestFieldName(t *testing.T) {
	in := fieldsOf{private: 1, Options: 1, JSON: 1, Pointed: &Pointed{1}, Month: 2}
	for _, c := range []codec.Codec{codec.JSON(), codec.Msgpack(), codec.CBOR()} {
		var out map[string]any
		if err := c.Decode(encode(t, c, &in), []any{&out}); err != nil {
			t.Fatal(err)
		}
		want := slices.Sorted(maps.Keys(out))
		if got := slices.Sorted(slices.Values(wireNames(c, reflect.TypeOf(in)))); !slices.Equal(got, want) {
			t.Errorf("%s: got  %s\nwant %s", c.Name(), strings.Join(got, " "), strings.Join(want, " "))
		}
	}
}

func wireNames(c codec.Codec, t reflect.Type) (names []string) {
	if t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	for i := range t.NumField() {
		name, ok := codec.FieldName(c, t.Field(i))
		switch {
		case ok && name == "":
			names = append(names, wireNames(c, t.Field(i).Type)...)
		case ok:
			names = append(names, name)
		}
	}
	return names
}

func TestFieldNameOthers(t *testing.T) {
	typ := reflect.TypeFor[fieldsOf]()
	for _, test := range []struct {
		c           codec.Codec
		field, want string
		ok          bool
	}{
		{codec.Gob(), "Both", "Both", true}, {codec.Gob(), "private", "", false}, {codec.Gob(), "Inner", "Inner", true},
		{codec.Gob(), "inner", "", false}, {codec.Raw(), "Both", "", false}, {named("mine"), "Both", "Both", true},
		{named("mine"), "private", "", false}, {codec.Msgpack(), "Plain", "Plain", true},
	} {
		f, _ := typ.FieldByName(test.field)
		name, ok := codec.FieldName(test.c, f)
		if ok != test.ok || ok && name != test.want {
			t.Errorf("%s: FieldName(%s): got %q, %v, want %q, %v", test.c.Name(), test.field, name, ok, test.want, test.ok)
		}
	}
	embeddedTime, _ := reflect.TypeFor[struct{ time.Time }]().FieldByName("Time")
	if name, ok := codec.FieldName(codec.Msgpack(), embeddedTime); name != "Time" || !ok {
		t.Errorf("msgpack: an embedded time: got %q, %v", name, ok)
	}
}
