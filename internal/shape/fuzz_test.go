package shape

import (
	"reflect"
	"strings"
	"testing"
)

func tagFields(f reflect.StructField) (string, bool) {
	if name := f.Tag.Get("cbor"); name != "" {
		return name, true
	}
	return f.Name, true
}

// FuzzShape takes texts of peers: whatever parses is like itself, and the types that are built for it are described
// by a text that is like it, and that stays as it is when it is built again.
func FuzzShape(f *testing.F) {
	for _, s := range []string{
		"()", "(int,string,{Name string;Age int})", "(*[]byte,map[string]#0)", `({"a b" @time.Time;c [3]uint8})`,
		"({Value int;Next *#0;Kids []#0})", `(@"x.y[int]",any,complex128)`, "([1099511627776]int)", "(map[[]int]int)",
		"({a int;A int;_ int;9 bool})", "(**int)", "({A int;A int})", "([0][0]{})", "(map[any]map[[1]any]{})",
		"(" + strings.Repeat("[]", 63) + "#0)", "(" + strings.Repeat("{A ", 40) + "#0" + strings.Repeat(";B #1}", 40) + ")",
	} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		nodes, err := parse(s)
		if err != nil {
			if _, _, err := Types(s); err == nil {
				t.Fatal("Types accepts what parse refuses")
			}
			return
		}
		if err := compatible(nodes, nodes); err != nil && !strings.Contains(err.Error(), "too large") {
			t.Fatalf("not like itself: %v", err)
		}
		types, exact, err := Types(s)
		if err != nil {
			return
		}
		first, err := Of(types, tagFields)
		if err != nil {
			t.Fatalf("the types built can't be described: %v", err)
		}
		if err := Compatible(s, first); err != nil && !strings.Contains(err.Error(), "too large") {
			t.Fatalf("described as %s: %v", first, err)
		}
		again, exactAgain, err := Types(first)
		if err != nil || exact && !exactAgain {
			t.Fatalf("built again from %s: %v, %v", first, exactAgain, err)
		}
		if second, err := Of(again, tagFields); err != nil || second != first {
			t.Fatalf("described as %s, then as %s, %v", first, second, err)
		}
	})
}
