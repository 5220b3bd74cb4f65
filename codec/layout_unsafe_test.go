package codec

import (
	"reflect"
	"testing"
	"unsafe"
)

// Plans look into interfaces: the first word says the type, and the second is the pointer.
func TestInterfaceLayout(t *testing.T) {
	if unsafe.Sizeof(iface{}) != unsafe.Sizeof(any(nil)) {
		t.Fatal("an interface has another size")
	}
	type named int
	n, m, x := 1, 2, named(3)
	var a, b, c any = &n, &m, &x
	if words(&a).data != unsafe.Pointer(&n) || words(&c).data != unsafe.Pointer(&x) {
		t.Error("the second word is not the pointer")
	}
	if words(&a).typ != words(&b).typ || words(&a).typ == words(&c).typ {
		t.Error("the first word does not say the type")
	}
	// The types that plans find by reflection are those that the compiler makes.
	for i, s := range steps([]reflect.Type{reflect.TypeFor[int](), reflect.TypeFor[named]()}, msgpackShared.types) {
		if at, ok := s.place([]any{a, c}[i]); !ok || s.kind != reflect.Int || at.int(s.kind) != []int64{1, 3}[i] {
			t.Errorf("step %d does not take its own type", i)
		}
		if _, ok := s.place([]any{c, a}[i]); ok {
			t.Errorf("step %d takes another type", i)
		}
	}
}
