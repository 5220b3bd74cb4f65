package main

import (
	"testing"

	"hotline"
)

func TestExampleArguments(t *testing.T) {
	for _, c := range []struct {
		arguments string
		want      string
		ok        bool
	}{
		{"()", "", true},
		{"(int,int)", " 1 2", true},
		{"([]byte)", " hello", true},
		{"(string,bool,float64,uint8)", " hello true 1.5 2", true},
		{"({name string;age int})", ` '{"name":"hello","age":1}'`, true},
		{"(*{name string;boss *#0})", ` '{"name":"hello","boss":null}'`, true},
		{"([]string,[2]int,map[string]int,map[int]bool)", ` '["hello"]' '[1,2]' '{"hello":3}' '{"4":true}'`, true},
		{"([][]byte)", ` '["aGVsbG8="]'`, true},
		{"(@time.Time,*@math/big.Int,@encoding/json.RawMessage)", " 2006-01-02T15:04:05Z 1 1", true},
		{"(any,complex128)", " hello '(1+2i)'", true},
		{"([100000]int)", "", false},
		{"({a [100]int})", "", false},
		{"(", "", false},
	} {
		got, ok := exampleArguments(&hotline.MethodInfo{Arguments: c.arguments, Codec: "msgpack"})
		if got != c.want || ok != c.ok {
			t.Errorf("exampleArguments(%s): got %q, %v, want %q, %v", c.arguments, got, ok, c.want, c.ok)
		}
	}
}

func TestDocumentedExample(t *testing.T) {
	for _, c := range []struct{ doc, want string }{
		{"Sum adds.", " 1 2"},
		{"Sum adds.\n\n\thotline call adder Sum 20 3\n", " 20 3"},
		{"Sum adds.\n\n\thotline call adder Product 20 3\n", " 1 2"},
		{"hotline call adder Sum", ""},
	} {
		got, ok := exampleArguments(&hotline.MethodInfo{Name: "Sum", Arguments: "(int,int)", Codec: "msgpack", Doc: c.doc})
		if got != c.want || !ok {
			t.Errorf("with the comment %q: got %q, %v, want %q", c.doc, got, ok, c.want)
		}
	}
}
