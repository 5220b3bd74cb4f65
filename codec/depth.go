package codec

import (
	"fmt"
	"reflect"
)

// maxSteps is how many pointers, interfaces, structs and containers may be inside each other in a value that is
// encoded. Nothing that nests MaxDepth deep on the wire comes near it.
const maxSteps = 8 * MaxDepth

var errEndless = fmt.Errorf("nested more than %d deep: does the value contain itself?", maxSteps)

// checkDepth returns an error if what the pointer v points to contains itself, or nests as deep as if it did. The
// libraries of msgpack, cbor and gob would follow it until the stack ends, and with it the process. Only types
// that can nest without end are walked.
func (g *weigher) checkDepth(v any) error {
	if g.endless(reflect.ValueOf(v), 0) {
		return errEndless
	}
	return nil
}

// endless reports whether v, which is inside steps others, goes deeper than maxSteps.
func (g *weigher) endless(v reflect.Value, steps int) bool {
	switch v.Kind() {
	case reflect.Pointer, reflect.Interface:
		if v.IsNil() {
			return false
		}
	case reflect.Struct, reflect.Slice, reflect.Array, reflect.Map:
	default:
		return false
	}
	w := g.walkOf(v.Type())
	if !w.deep {
		return false
	}
	return steps > maxSteps || g.endlessPart(v, w, steps+1)
}

func (g *weigher) endlessPart(v reflect.Value, w *walk, steps int) bool {
	switch v.Kind() {
	case reflect.Pointer, reflect.Interface:
		return g.endless(v.Elem(), steps)
	case reflect.Struct:
		for _, i := range w.fields {
			if g.endless(v.Field(i), steps) {
				return true
			}
		}
	case reflect.Slice, reflect.Array:
		for i := range v.Len() {
			if g.endless(v.Index(i), steps) {
				return true
			}
		}
	case reflect.Map:
		for iter := v.MapRange(); iter.Next(); {
			if g.endless(iter.Value(), steps) {
				return true
			}
		}
	}
	return false
}

// walk says how values of a type are walked.
type walk struct {
	deep   bool  // they can nest without end, and do not encode themselves
	fields []int // of a struct: the fields that are sent
}

func (g *weigher) walkOf(t reflect.Type) *walk {
	if w, ok := g.walks.Load(t); ok {
		return w.(*walk)
	}
	w := &walk{deep: g.ofType(t).deep && !implements(t, g.encoders)}
	if w.deep && t.Kind() == reflect.Struct {
		for i := range t.NumField() {
			if _, sent := g.name(t.Field(i)); sent {
				w.fields = append(w.fields, i)
			}
		}
	}
	g.walks.Store(t, w)
	return w
}
