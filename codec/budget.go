package codec

import (
	"fmt"
	"math"
	"reflect"
	"sync"
)

// A few bytes on the wire can ask for a lot of memory: a nil element is one byte, and kilobytes in a slice of large
// structs. So before a value is decoded its bytes are scanned, and what the arrays and maps in them become is charged
// to the message's budget.
//
// The scan takes the arrays and maps for the worst that can come of any array or map in a value of the type (weights).
// That is quick, and nearly always within the budget. Where it is not, the value is measured: walked together with its
// type, field by field (measure). Both count too much rather than too little.

// The budget of a message: budgetBase plus budgetFactor times its length. Maps of one or two entries in a value of
// type any take about fifty times their length on the wire, the most that honest data were seen to take.
const (
	budgetBase   = 16 << 20
	budgetFactor = 64
)

// budget is the memory in bytes that is left to the values of one message.
type budget struct{ left int64 }

func newBudget(messageLen int) budget {
	return budget{budgetBase + budgetFactor*int64(messageLen)}
}

// pay takes what t has counted from the budget, and reports whether it was there.
func (b *budget) pay(t tally) bool {
	if t.bytes > b.left {
		return false
	}
	b.left -= t.bytes
	return true
}

var errBudget = fmt.Errorf("the values would take more memory than 16 MiB and %d times the message", budgetFactor)

// tally counts memory in bytes, and stops counting at a number that is over every budget.
type tally struct{ bytes int64 }

func (t *tally) add(n, each int64) {
	const limit = math.MaxInt64 / 2
	if each > 0 && n > (limit-t.bytes)/each {
		t.bytes = limit
		return
	}
	t.bytes += n * each
}

// Sizes of what the runtime allocates beside the values themselves.
const (
	ifaceSize    = 16  // an interface
	boxSize      = 24  // what a slice takes when it is put into an interface; other values take less
	mapSize      = 48  // an empty map
	mapGroup     = 8   // slots in a map's smallest table
	mapInline    = 128 // larger keys and elements are allocated one by one
	pointerSize  = 8
	pointerDepth = 4 // pointers to pointers that are followed
)

// addMap counts a map of n pairs with keys and elements of these types, without what these point to.
func (t *tally) addMap(n int, slot, extra int64) {
	slots := int64(0)
	switch {
	case n > mapGroup:
		slots = int64(n)*16/7 + 1 // at most 7/8 full before it has doubled
	case n > 0:
		slots = mapGroup
	}
	t.add(1, mapSize)
	t.add(slots, slot+1)
	t.add(int64(n), extra)
}

// slotSize returns what a slot of a map takes, and what is allocated beside it.
func slotSize(key, elem reflect.Type) (slot, extra int64) {
	for _, t := range []reflect.Type{key, elem} {
		if size := int64(t.Size()); size > mapInline {
			slot, extra = slot+pointerSize, extra+size
		} else {
			slot += size
		}
	}
	return slot, extra
}

// weights says what an array or a map on the wire can at most become in a value of a type, in bytes.
// All of them are zero for a type without slices, maps, pointers and interfaces.
type weights struct {
	elem   int64 // for each element of an array: the largest element of a slice
	slot   int64 // for each slot of a map: the largest key and element
	extra  int64 // for each pair of a map: what is allocated beside its slot
	object int64 // for each map that is not empty: what the pointers in a struct point to
	hasMap bool  // a Go map can come of a map
	hasAny bool  // the type has an interface in it
	deep   bool  // the type can nest without end
}

// array counts an array of n elements on the wire. In msgpack and cbor it may fill a struct.
func (w *weights) array(t *tally, n int, fillsStructs bool) {
	t.add(int64(n), w.elem)
	if fillsStructs && n > 0 {
		t.add(1, w.object)
	}
}

// mapping counts a map of n pairs on the wire.
func (w *weights) mapping(t *tally, n int) {
	if n > 0 {
		t.add(1, w.object)
	}
	if w.hasMap {
		t.addMap(n, w.slot, w.extra)
	}
}

// weigher works out the weights and the fields of types, and remembers them.
type weigher struct {
	// name is the codec's FieldName.
	name func(reflect.StructField) (string, bool)

	// opaque are the interfaces whose implementations decode themselves, and so bound themselves.
	opaque []reflect.Type

	// encoders are the interfaces whose implementations encode themselves.
	encoders []reflect.Type

	// foreign reports whether the library has an encoding of its own for a named type of a plain kind.
	foreign func(named, kind reflect.Type) bool

	known  sync.Map // reflect.Type to *weights
	plains sync.Map // reflect.Type to *plainType
	tables sync.Map // reflect.Type to fieldTable
	walks  sync.Map // reflect.Type to *walk
}

// of returns the weights of the type that the pointer v points to.
func (g *weigher) of(v any) *weights { return g.ofType(reflect.TypeOf(v).Elem()) }

func (g *weigher) ofType(t reflect.Type) *weights {
	if w, ok := g.known.Load(t); ok {
		return w.(*weights)
	}
	w := new(weights)
	(&weighing{weigher: g, weights: w, seen: map[reflect.Type]bool{}, around: map[reflect.Type]bool{}}).visit(t)
	g.known.Store(t, w)
	return w
}

// isOpaque reports whether values of type t decode themselves.
func (g *weigher) isOpaque(t reflect.Type) bool { return implements(t, g.opaque) }

// implements reports whether t, or a pointer to it, implements one of the interfaces.
func implements(t reflect.Type, interfaces []reflect.Type) bool {
	for _, o := range interfaces {
		if t.Implements(o) || t.Kind() != reflect.Pointer && reflect.PointerTo(t).Implements(o) {
			return true
		}
	}
	return false
}

// weighing is one walk over the types that a type is made of.
type weighing struct {
	*weigher
	*weights
	seen   map[reflect.Type]bool
	around map[reflect.Type]bool // what the visited type is a part of
}

func (g *weighing) visit(t reflect.Type) {
	for range pointerDepth {
		if t.Kind() == reflect.Pointer { // what it points to was charged where the pointer is
			t = t.Elem()
		}
	}
	g.deep = g.deep || g.around[t]
	if g.seen[t] || g.isOpaque(t) {
		return
	}
	g.seen[t], g.around[t] = true, true
	defer delete(g.around, t)
	switch t.Kind() {
	case reflect.Slice:
		g.elem = max(g.elem, int64(t.Elem().Size())+pointee(t.Elem()))
		g.visit(t.Elem())
	case reflect.Array:
		g.elem = max(g.elem, pointee(t.Elem()))
		g.visit(t.Elem())
	case reflect.Map:
		slot, extra := slotSize(t.Key(), t.Elem())
		extra += pointee(t.Key()) + pointee(t.Elem())
		g.hasMap, g.slot, g.extra = true, max(g.slot, slot), max(g.extra, extra)
		g.visit(t.Key())
		g.visit(t.Elem())
	case reflect.Interface: // it may come to hold scalars, []any and maps with any in them
		g.hasAny, g.hasMap, g.deep = true, true, true
		g.elem = max(g.elem, ifaceSize+boxSize)
		g.slot, g.extra = max(g.slot, 2*ifaceSize), max(g.extra, 2*boxSize)
	case reflect.Struct:
		g.visitStruct(t)
	}
}

func (g *weighing) visitStruct(t reflect.Type) {
	var object int64
	for i := range t.NumField() {
		if f := t.Field(i); f.IsExported() || f.Anonymous {
			object += pointee(f.Type)
			g.visit(f.Type)
		}
	}
	g.object = max(g.object, object)
}

// pointee returns what is allocated for a value of type t beside the value itself, before anything of it is known.
func pointee(t reflect.Type) (size int64) {
	for range pointerDepth {
		if t.Kind() == reflect.Pointer {
			t = t.Elem()
			size += int64(t.Size())
		}
	}
	if t.Kind() == reflect.Interface {
		size += boxSize
	}
	return size
}
