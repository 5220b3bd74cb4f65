package hotline

import (
	"context"
	"reflect"
	"unsafe"

	"hotline/codec"
)

// frame is memory for the arguments and the results of one call, used again and again. One call has it at a time.
type frame struct {
	args, results values
	buf           []byte     // the arguments, encoded; of the client
	plan          codec.Plan // that encodes them; of a client whose calls may be direct

	// What package reflect calls a method with, where there is no form for it; of the server.
	in  []reflect.Value
	ctx *context.Context
}

// values is memory for a list of values.
type values struct {
	ptrs    []any           // pointers to the values, as codecs take them
	elems   []reflect.Value // the values
	layouts []layout        // of the values
	at      places          // the first pointers, as forms take them
}

func newFrame(sig *signature) *frame {
	return &frame{args: newValues(sig.args), results: newValues(sig.results)}
}

func newValues(types []reflect.Type) values {
	v := values{ptrs: make([]any, len(types)), elems: make([]reflect.Value, len(types)), layouts: layouts(types)}
	for i, t := range types {
		p := reflect.New(t)
		v.ptrs[i], v.elems[i] = p.Interface(), p.Elem()
		if i < len(v.at) {
			v.at[i] = p.UnsafePointer()
		}
	}
	return v
}

// set takes the values of another list of the same types.
func (v *values) set(from *values) {
	for i := range v.elems {
		v.elems[i].Set(from.elems[i])
	}
}

// clear forgets the values, so that nothing of one call is kept for, or seen by, another.
func (v *values) clear() {
	for i, l := range v.layouts {
		if i >= len(v.at) {
			l = layoutOther
		}
		switch l {
		case layoutByte:
			*(*uint8)(v.at[i]) = 0
		case layoutWord:
			*(*uint)(v.at[i]) = 0
		case layoutFloat:
			*(*float64)(v.at[i]) = 0
		case layoutString:
			*(*string)(v.at[i]) = ""
		case layoutSlice:
			*(*[]byte)(v.at[i]) = nil
		case layoutPointer:
			*(*unsafe.Pointer)(v.at[i]) = nil
		default:
			v.elems[i].SetZero()
		}
	}
}
