package hotline

import "reflect"

// layout is how a parameter or a result is passed. Types of one layout have one size and alignment and are made of the
// same machine words, so a function that takes an ID is called in the same way as one that takes a uint, where ID is
// an int.
type layout uint8

const (
	layoutOther layout = iota // structs, arrays, interfaces, float32, and integers of other sizes than these
	layoutNone                // of results: there is none
	layoutByte                // bool, int8, uint8
	layoutWord                // integers of the size of a uint: on 64-bit machines int, int64, uint and uint64
	layoutFloat               // float64
	layoutString
	layoutSlice   // of anything
	layoutPointer // pointers and maps
)

func layoutOf(t reflect.Type) layout {
	switch t.Kind() {
	case reflect.Bool, reflect.Int8, reflect.Uint8:
		return layoutByte
	case reflect.Int, reflect.Uint, reflect.Int32, reflect.Uint32, reflect.Int64, reflect.Uint64:
		if t.Size() == reflect.TypeFor[uint]().Size() {
			return layoutWord
		}
	case reflect.Float64:
		return layoutFloat
	case reflect.String:
		return layoutString
	case reflect.Slice:
		return layoutSlice
	case reflect.Pointer, reflect.Map:
		return layoutPointer
	}
	return layoutOther
}

// layouts returns the layout of each type.
func layouts(types []reflect.Type) []layout {
	all := make([]layout, len(types))
	for i, t := range types {
		all[i] = layoutOf(t)
	}
	return all
}
