package main

import (
	"encoding/json"
	"math"
	"reflect"
	"testing"
	"time"
)

func TestAppendJSON(t *testing.T) {
	age := 36
	for _, c := range []struct {
		value any
		want  string
	}{
		{nil, "null"}, {true, "true"}, {-5, "-5"}, {int64(math.MaxInt64), "9223372036854775807"},
		{uint64(math.MaxUint64), "18446744073709551615"}, {uint8(7), "7"}, {1.5, "1.5"}, {float32(0.1), "0.1"}, {1e21, "1e+21"},
		{math.NaN(), `"NaN"`}, {math.Inf(-1), `"-Inf"`}, {1 + 2i, `"(1+2i)"`},
		{"a <b> & \"c\"\n", `"a <b> & \"c\"\n"`}, {"\xff", `"\ufffd"`},
		{[]byte("hello"), `"aGVsbG8="`}, {[]byte(nil), "null"}, {[2]uint8{1, 2}, "[1,2]"}, {[]int(nil), "null"}, {[]any{1, nil, "x"}, `[1,null,"x"]`},
		{map[string]any{"b": 1, "a": []int{}}, `{"a":[],"b":1}`}, {map[int]bool{2: true, 1: false}, `{"1":false,"2":true}`},
		{map[any]any{"s": 1, 5: 2, true: 3, [1]int{4}: 5}, `{"5":2,"[4]":5,"s":1,"true":3}`}, {map[string]int(nil), "null"},
		{struct {
			Name string `json:"name" cbor:"name"`
			Age  *int
			None *int
			Last struct{}
		}{"Ada", &age, nil, struct{}{}}, `{"name":"Ada","Age":36,"None":null,"Last":{}}`},
		{time.Date(2026, 1, 2, 3, 4, 5, 6, time.UTC), `"2026-01-02T03:04:05.000000006Z"`},
		{[]any{bigInt("123456789012345678901234567890")}, "[123456789012345678901234567890]"},
		{json.RawMessage(`{"a" : 9007199254740993}`), `{"a":9007199254740993}`}, {json.Number("1e400"), "1e400"},
	} {
		got, err := appendJSON([]byte("x"), reflect.ValueOf(c.value))
		if string(got) != "x"+c.want || err != nil {
			t.Errorf("appendJSON(%#v): got %s, %v, want x%s", c.value, got, err, c.want)
		}
	}
}

func TestResultText(t *testing.T) {
	values := func(v ...any) (list []reflect.Value) {
		for _, x := range v {
			list = append(list, reflect.ValueOf(x))
		}
		return list
	}
	for _, c := range []struct {
		results []reflect.Value
		list    bool
		want    string
	}{
		{nil, false, ""}, {nil, true, "[]"}, {values(1), false, "1"}, {values(1), true, "[1]"},
		{values(1, "a"), false, `[1,"a"]`}, {values([]int{1}), false, "[1]"}, {values([]int{1}), true, "[[1]]"},
	} {
		if got, err := resultText(c.results, c.list); string(got) != c.want || err != nil {
			t.Errorf("resultText(%v, %v): got %s, %v, want %s", c.results, c.list, got, err, c.want)
		}
	}
}
