package hotline

import (
	"context"
	"reflect"
	"unsafe"
)

// pointer is a pointer or a map, of whatever type.
type pointer = unsafe.Pointer

// places says where the arguments, or the result, of a call are.
type places [3]unsafe.Pointer

// entry is a method as a form calls it.
type entry struct {
	code *unsafe.Pointer // to a word that holds the address of the code: what a function value is
	recv unsafe.Pointer  // what the method's pointer receiver is
	has  uint8           // hasContext and hasError
}

const (
	hasContext = 1 << iota
	hasError
)

func newEntry(recv reflect.Value, m reflect.Method, sig *signature) *entry {
	code := m.Func.UnsafePointer()
	e := &entry{code: &code, recv: recv.UnsafePointer()}
	if sig.context {
		e.has |= hasContext
	}
	if sig.err {
		e.has |= hasError
	}
	return e
}

// call enters a method with the arguments at in, leaves its result at out and returns its error.
//
// The functions below call the method by a function type that is spelled out, with the receiver as the first parameter,
// as rawFunc does. It is not the method's own type, but has for each parameter and result a type of the same layout:
// a type that is called differently, an integer of the other sign, a pointer to something else. That is sound because
// how a value is passed depends on its size, its alignment and the machine words that it is made of alone, whether in
// registers or on the stack (cmd/compile/abi-internal.md in the Go tree), and because each word is a pointer in the one
// type exactly where it is in the other, so the garbage collector sees them alike. A bool is passed as a uint8 is: as
// an integer of one byte.
type call func(e *entry, ctx context.Context, in, out *places) error

func call0None(e *entry, ctx context.Context, _, _ *places) (err error) {
	switch f, recv := unsafe.Pointer(&e.code), e.recv; e.has {
	case hasContext | hasError:
		err = (*(*func(pointer, context.Context) error)(f))(recv, ctx)
	case hasContext:
		(*(*func(pointer, context.Context))(f))(recv, ctx)
	case hasError:
		err = (*(*func(pointer) error)(f))(recv)
	default:
		(*(*func(pointer))(f))(recv)
	}
	return err
}

func call0[R any](e *entry, ctx context.Context, _, out *places) (err error) {
	r := (*R)(out[0])
	switch f, recv := unsafe.Pointer(&e.code), e.recv; e.has {
	case hasContext | hasError:
		*r, err = (*(*func(pointer, context.Context) (R, error))(f))(recv, ctx)
	case hasContext:
		*r = (*(*func(pointer, context.Context) R)(f))(recv, ctx)
	case hasError:
		*r, err = (*(*func(pointer) (R, error))(f))(recv)
	default:
		*r = (*(*func(pointer) R)(f))(recv)
	}
	return err
}

func call1None[A any](e *entry, ctx context.Context, in, _ *places) (err error) {
	a := (*A)(in[0])
	switch f, recv := unsafe.Pointer(&e.code), e.recv; e.has {
	case hasContext | hasError:
		err = (*(*func(pointer, context.Context, A) error)(f))(recv, ctx, *a)
	case hasContext:
		(*(*func(pointer, context.Context, A))(f))(recv, ctx, *a)
	case hasError:
		err = (*(*func(pointer, A) error)(f))(recv, *a)
	default:
		(*(*func(pointer, A))(f))(recv, *a)
	}
	return err
}

func call1[A, R any](e *entry, ctx context.Context, in, out *places) (err error) {
	a, r := (*A)(in[0]), (*R)(out[0])
	switch f, recv := unsafe.Pointer(&e.code), e.recv; e.has {
	case hasContext | hasError:
		*r, err = (*(*func(pointer, context.Context, A) (R, error))(f))(recv, ctx, *a)
	case hasContext:
		*r = (*(*func(pointer, context.Context, A) R)(f))(recv, ctx, *a)
	case hasError:
		*r, err = (*(*func(pointer, A) (R, error))(f))(recv, *a)
	default:
		*r = (*(*func(pointer, A) R)(f))(recv, *a)
	}
	return err
}

func call2None[A, B any](e *entry, ctx context.Context, in, _ *places) (err error) {
	a, b := (*A)(in[0]), (*B)(in[1])
	switch f, recv := unsafe.Pointer(&e.code), e.recv; e.has {
	case hasContext | hasError:
		err = (*(*func(pointer, context.Context, A, B) error)(f))(recv, ctx, *a, *b)
	case hasContext:
		(*(*func(pointer, context.Context, A, B))(f))(recv, ctx, *a, *b)
	case hasError:
		err = (*(*func(pointer, A, B) error)(f))(recv, *a, *b)
	default:
		(*(*func(pointer, A, B))(f))(recv, *a, *b)
	}
	return err
}

func call2[A, B, R any](e *entry, ctx context.Context, in, out *places) (err error) {
	a, b, r := (*A)(in[0]), (*B)(in[1]), (*R)(out[0])
	switch f, recv := unsafe.Pointer(&e.code), e.recv; e.has {
	case hasContext | hasError:
		*r, err = (*(*func(pointer, context.Context, A, B) (R, error))(f))(recv, ctx, *a, *b)
	case hasContext:
		*r = (*(*func(pointer, context.Context, A, B) R)(f))(recv, ctx, *a, *b)
	case hasError:
		*r, err = (*(*func(pointer, A, B) (R, error))(f))(recv, *a, *b)
	default:
		*r = (*(*func(pointer, A, B) R)(f))(recv, *a, *b)
	}
	return err
}

func call3None[A, B, C any](e *entry, ctx context.Context, in, _ *places) (err error) {
	a, b, c := (*A)(in[0]), (*B)(in[1]), (*C)(in[2])
	switch f, recv := unsafe.Pointer(&e.code), e.recv; e.has {
	case hasContext | hasError:
		err = (*(*func(pointer, context.Context, A, B, C) error)(f))(recv, ctx, *a, *b, *c)
	case hasContext:
		(*(*func(pointer, context.Context, A, B, C))(f))(recv, ctx, *a, *b, *c)
	case hasError:
		err = (*(*func(pointer, A, B, C) error)(f))(recv, *a, *b, *c)
	default:
		(*(*func(pointer, A, B, C))(f))(recv, *a, *b, *c)
	}
	return err
}

func call3[A, B, C, R any](e *entry, ctx context.Context, in, out *places) (err error) {
	a, b, c, r := (*A)(in[0]), (*B)(in[1]), (*C)(in[2]), (*R)(out[0])
	switch f, recv := unsafe.Pointer(&e.code), e.recv; e.has {
	case hasContext | hasError:
		*r, err = (*(*func(pointer, context.Context, A, B, C) (R, error))(f))(recv, ctx, *a, *b, *c)
	case hasContext:
		*r = (*(*func(pointer, context.Context, A, B, C) R)(f))(recv, ctx, *a, *b, *c)
	case hasError:
		*r, err = (*(*func(pointer, A, B, C) (R, error))(f))(recv, *a, *b, *c)
	default:
		*r = (*(*func(pointer, A, B, C) R)(f))(recv, *a, *b, *c)
	}
	return err
}
