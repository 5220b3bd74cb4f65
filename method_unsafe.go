package hotline

import (
	"context"
	"reflect"
	"unsafe"
)

// rawFunc returns a method of one of the sixteen raw shapes as a function of one shape, bound to its receiver.
//
// reflect's way to call a method costs some hundreds of nanoseconds, even for a function type that is known. So the
// method is taken as the function that it is, with the receiver as its first parameter: the receiver is a pointer, and
// a *T is passed as an unsafe.Pointer is.
func rawFunc(recv reflect.Value, m reflect.Method, sig *signature) func(context.Context, []byte) ([]byte, error) {
	p := recv.UnsafePointer()
	switch (rawShape{sig.context, len(sig.args) == 1, len(sig.results) == 1, sig.err}) {
	case rawShape{true, true, true, true}:
		f := direct[func(unsafe.Pointer, context.Context, []byte) ([]byte, error)](m)
		return func(ctx context.Context, b []byte) ([]byte, error) { return f(p, ctx, b) }
	case rawShape{true, true, true, false}:
		f := direct[func(unsafe.Pointer, context.Context, []byte) []byte](m)
		return func(ctx context.Context, b []byte) ([]byte, error) { return f(p, ctx, b), nil }
	case rawShape{true, true, false, true}:
		f := direct[func(unsafe.Pointer, context.Context, []byte) error](m)
		return func(ctx context.Context, b []byte) ([]byte, error) { return nil, f(p, ctx, b) }
	case rawShape{true, true, false, false}:
		f := direct[func(unsafe.Pointer, context.Context, []byte)](m)
		return func(ctx context.Context, b []byte) ([]byte, error) { f(p, ctx, b); return nil, nil }
	case rawShape{true, false, true, true}:
		f := direct[func(unsafe.Pointer, context.Context) ([]byte, error)](m)
		return func(ctx context.Context, _ []byte) ([]byte, error) { return f(p, ctx) }
	case rawShape{true, false, true, false}:
		f := direct[func(unsafe.Pointer, context.Context) []byte](m)
		return func(ctx context.Context, _ []byte) ([]byte, error) { return f(p, ctx), nil }
	case rawShape{true, false, false, true}:
		f := direct[func(unsafe.Pointer, context.Context) error](m)
		return func(ctx context.Context, _ []byte) ([]byte, error) { return nil, f(p, ctx) }
	case rawShape{true, false, false, false}:
		f := direct[func(unsafe.Pointer, context.Context)](m)
		return func(ctx context.Context, _ []byte) ([]byte, error) { f(p, ctx); return nil, nil }
	case rawShape{false, true, true, true}:
		f := direct[func(unsafe.Pointer, []byte) ([]byte, error)](m)
		return func(_ context.Context, b []byte) ([]byte, error) { return f(p, b) }
	case rawShape{false, true, true, false}:
		f := direct[func(unsafe.Pointer, []byte) []byte](m)
		return func(_ context.Context, b []byte) ([]byte, error) { return f(p, b), nil }
	case rawShape{false, true, false, true}:
		f := direct[func(unsafe.Pointer, []byte) error](m)
		return func(_ context.Context, b []byte) ([]byte, error) { return nil, f(p, b) }
	case rawShape{false, true, false, false}:
		f := direct[func(unsafe.Pointer, []byte)](m)
		return func(_ context.Context, b []byte) ([]byte, error) { f(p, b); return nil, nil }
	case rawShape{false, false, true, true}:
		f := direct[func(unsafe.Pointer) ([]byte, error)](m)
		return func(context.Context, []byte) ([]byte, error) { return f(p) }
	case rawShape{false, false, true, false}:
		f := direct[func(unsafe.Pointer) []byte](m)
		return func(context.Context, []byte) ([]byte, error) { return f(p), nil }
	case rawShape{false, false, false, true}:
		f := direct[func(unsafe.Pointer) error](m)
		return func(context.Context, []byte) ([]byte, error) { return nil, f(p) }
	default:
		f := direct[func(unsafe.Pointer)](m)
		return func(context.Context, []byte) ([]byte, error) { f(p); return nil, nil }
	}
}

// rawShape says which of a raw method's parts are there.
type rawShape struct{ context, arg, result, err bool }

// direct turns a method to a function of type F, which has the method's type with an unsafe.Pointer in place of the
// pointer receiver. A function value is a pointer to a word that holds the address of the code; that word is made here.
func direct[F any](m reflect.Method) F {
	code := m.Func.UnsafePointer()
	word := &code
	return *(*F)(unsafe.Pointer(&word))
}
