package main

import (
	"encoding/json"
	"fmt"
	"math/big"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"
)

type person struct {
	Name  string `json:"name"`
	Age   int64
	Boss  *person `json:"boss"`
	Notes any
}

func TestArgumentValue(t *testing.T) {
	ten := int64(10)
	for _, c := range []struct {
		text string
		file bool
		want any
	}{
		{"5", false, int64(5)}, {"-5", false, int64(-5)}, {"9223372036854775807", false, int64(1<<63 - 1)},
		{"18446744073709551615", false, uint64(1<<64 - 1)}, {" 7\n", true, int8(7)},
		{"1.5", false, 1.5}, {"1e3", false, float32(1000)}, {"true", false, true},
		{"(1+2i)", false, 1 + 2i}, {`"1"`, false, complex64(1)}, {"3", false, 3 + 0i},

		{"hello", false, "hello"}, {`"hello"`, false, "hello"}, {`"a\nb"`, false, "a\nb"}, {"5", false, "5"},
		{"null", false, "null"}, {"true", false, "true"}, {"", false, ""}, {`"half`, false, `"half`}, {"[1]", false, "[1]"},
		{`"as it is"` + "\n", true, `"as it is"` + "\n"}, {"\xff\x00", true, "\xff\x00"},

		{`"aGVsbG8="`, false, []byte("hello")}, {"hello", false, []byte("hello")}, {`"aGVsbG8="`, true, []byte(`"aGVsbG8="`)},
		{"[1,2,255]", false, []byte{1, 2, 255}}, {"null", false, []byte(nil)}, {"", true, []byte("")},

		{"[1,2]", false, []int64{1, 2}}, {"[]", false, []int64{}}, {"[1,2]", true, [2]int64{1, 2}}, {`["a",null]`, false, []any{"a", nil}},
		{`{"a":1}`, false, map[string]int64{"a": 1}}, {`{"1":"x","2":"y"}`, false, map[int64]string{1: "x", 2: "y"}},
		{`{"true":1}`, false, map[bool]int64{true: 1}}, {`{"5":1}`, false, map[any]int64{"5": 1}}, {`{"5":1}`, false, map[string]int64{"5": 1}},
		{`{"name":"Ada","Age":36,"boss":{"name":"B"}}`, false, person{Name: "Ada", Age: 36, Boss: &person{Name: "B"}}},
		{`{"NAME":"Ada","age":36,"boss":null}`, false, person{Name: "Ada", Age: 36}},
		{"10", false, &ten}, {"null", false, (*int64)(nil)},
		{`{"Notes":[9007199254740993,1.5,18446744073709551615,{"a":-1}]}`, false,
			person{Notes: []any{int64(9007199254740993), 1.5, uint64(18446744073709551615), map[string]any{"a": int64(-1)}}}},

		{"2026-01-02T03:04:05Z", false, time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)},
		{`"2026-01-02T03:04:05Z"`, true, time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)},
		{"123456789012345678901234567890", false, bigInt("123456789012345678901234567890")},
		{`{"a": 1}`, false, json.RawMessage(`{"a":1}`)}, {`"a"`, true, json.RawMessage(`"a"`)}, {"a", false, json.RawMessage(`"a"`)},
		{"9007199254740993", false, json.RawMessage("9007199254740993")},
	} {
		got, err := argument{[]byte(c.text), c.file}.value(reflect.TypeOf(c.want))
		if err != nil {
			t.Errorf("value(%q) of %T: %v", c.text, c.want, err)
		} else if !reflect.DeepEqual(got.Interface(), c.want) {
			t.Errorf("value(%q): got %#v, want %#v", c.text, got, c.want)
		}
	}
}

func bigInt(s string) *big.Int {
	n, _ := new(big.Int).SetString(s, 10)
	return n
}

func TestArgumentAny(t *testing.T) {
	for _, c := range []struct {
		text string
		want any
	}{
		{"5", int64(5)}, {"9007199254740993", int64(9007199254740993)}, {"1.0", 1.0}, {"hello", "hello"}, {"null", nil},
		{`{"a":[true]}`, map[string]any{"a": []any{true}}},
	} {
		got, err := argument{text: []byte(c.text)}.value(reflect.TypeFor[any]())
		if err != nil || !reflect.DeepEqual(got.Interface(), c.want) {
			t.Errorf("value(%q) of any: got %#v, %v, want %#v", c.text, got, err, c.want)
		}
	}
}

func TestArgumentMisfit(t *testing.T) {
	for _, c := range []struct {
		text string
		file bool
		typ  any
		want string
	}{
		{"abc", false, int64(0), `int wanted, not the string "abc"`},
		{`"abc"`, false, int64(0), `int wanted, not the string "abc"`},
		{"1.5", false, int64(0), "int wanted, which 1.5 is not: invalid syntax"},
		{"300", false, int8(0), "int8 wanted, which 300 is not: value out of range"},
		{"-1", false, uint64(0), "uint wanted, which -1 is not: invalid syntax"},
		{"1e400", false, 0.5, "float64 wanted, which 1e400 is not: value out of range"},
		{"null", false, int64(0), "int wanted, not null"},
		{"[1]", false, true, "bool wanted, not a list"},
		{"{}", false, []int64{}, "[]int64 wanted, not an object"},
		{"[1,2,3]", false, [2]int64{}, "2 elements wanted, not 3"},
		{`[1,"x"]`, false, []int64{}, `[1]: int wanted, not the string "x"`},
		{"hello world", false, person{}, `an object {name, Age, boss, Notes} wanted, not the string "hello world"`},
		{`{"name":"x","boss":{"Age":true}}`, false, person{}, "boss.Age: int wanted, not true"},
		{`{"nme":"x"}`, false, person{}, `there is no field "nme": the fields are name, Age, boss, Notes`},
		{`{"a":true}`, false, map[string]int64{}, `["a"]: int wanted, not true`},
		{`{"a":1}`, false, map[int64]int64{}, `["a"]: the key: int wanted, not the string "a"`},
		{`"%%"`, false, []byte{}, "a JSON string of bytes is base64: illegal base64 data at input byte 0 " +
			"(a word without quotes, @file and - are taken as they are)"},
		{"1 2", false, int64(0), `int wanted, not the string "1 2"`},
		{"1 2", true, int64(0), `not JSON: text after the end of the value: "2"`},
		{"{", true, person{}, "not JSON: unexpected EOF"},
		{"today", false, time.Time{}, `a time like "2006-01-02T15:04:05Z" wanted: parsing time "today"`},
		{strings.Repeat("[", 20000), true, []any{}, "not JSON: invalid character '[' exceeded max depth"},
	} {
		_, err := argument{[]byte(c.text), c.file}.value(reflect.TypeOf(c.typ))
		if err == nil || !strings.HasPrefix(err.Error(), c.want) {
			t.Errorf("value(%.40q) of %T:\n got %v\nwant %s", c.text, c.typ, err, c.want)
		}
	}
	_, err := argument{text: []byte("123456789012345678901234567890")}.value(reflect.TypeFor[any]())
	if want := "the number 123456789012345678901234567890 has no exact form here: pass it as a string"; fmt.Sprint(err) != want {
		t.Errorf("value of any: got %v, want %s", err, want)
	}
}

func TestReadArguments(t *testing.T) {
	file := filepath.Join(t.TempDir(), "a file")
	if err := os.WriteFile(file, []byte("from a file\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	args, err := readArguments(t.Context(), []string{"word", "@" + file, "-", shield + "-5"}, strings.NewReader("from stdin"), 12)
	want := []argument{{[]byte("word"), false}, {[]byte("from a file\n"), true}, {[]byte("from stdin"), true}, {[]byte("-5"), false}}
	if err != nil || !reflect.DeepEqual(args, want) {
		t.Errorf("readArguments: got %v, %v, want %v", args, err, want)
	}
	for _, words := range [][]string{{"-"}, {"-", "-"}, {"@"}, {"@/no/such/file"}, {"@" + t.TempDir()}} {
		if _, err := readArguments(t.Context(), words, strings.NewReader("four"), 3); err == nil {
			t.Errorf("readArguments(%q): no error", words)
		}
	}
}
