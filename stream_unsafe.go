package hotline

import (
	"iter"
	"reflect"
	"unsafe"
)

// streamForm iterates over streams whose items have one layout, without package reflect. An iterator of items of a
// type is taken as one of items of another type of the same layout, and so is the function that it yields to; why that
// is sound is said at call.
type streamForm struct {
	each     func(src reflect.Value, c *cell, failing bool, yield func(error) bool)
	iterator func(t *items, run func(*cell, func(error) bool)) reflect.Value
}

// streamFormOf returns the form for items of a layout, or nil where there is none.
func streamFormOf(l layout) *streamForm {
	switch l {
	case layoutByte:
		return newStreamForm[uint8]()
	case layoutWord:
		return newStreamForm[uint]()
	case layoutFloat:
		return newStreamForm[float64]()
	case layoutString:
		return newStreamForm[string]()
	case layoutSlice:
		return newStreamForm[[]byte]()
	case layoutPointer:
		return newStreamForm[pointer]()
	}
	return nil
}

func newStreamForm[T any]() *streamForm { return &streamForm{eachItem[T], makeIterator[T]} }

func eachItem[T any](src reflect.Value, c *cell, failing bool, yield func(error) bool) {
	at, word := (*T)(c.at[0]), functionValue(src)
	if failing {
		for v, err := range *(*iter.Seq2[T, error])(word) {
			if *at = v; !yield(err) {
				return
			}
		}
		return
	}
	for v := range *(*iter.Seq[T])(word) {
		if *at = v; !yield(nil) {
			return
		}
	}
}

// functionValue returns a pointer to the function value that src holds.
func functionValue(src reflect.Value) unsafe.Pointer {
	p := reflect.New(src.Type())
	p.Elem().Set(src)
	return p.UnsafePointer()
}

func makeIterator[T any](t *items, run func(*cell, func(error) bool)) reflect.Value {
	if t.failing {
		return funcOf(t.typ, closure(func(yield func(T, error) bool) {
			c := t.newCell()
			run(c, func(err error) bool { return yield(*(*T)(c.at[0]), err) })
		}))
	}
	return funcOf(t.typ, closure(func(yield func(T) bool) {
		c := t.newCell()
		run(c, func(error) bool { return yield(*(*T)(c.at[0])) })
	}))
}
