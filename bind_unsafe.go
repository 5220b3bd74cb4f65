package hotline

import (
	"context"
	"reflect"
	"unsafe"
)

// bind makes a client's function, with or without a context: a function value, which is a pointer to what the function
// closes over. It is for a field whose type has the same layouts; why a function may be called by such a type is said
// at call.
type bind func(p *proxy, withContext bool) unsafe.Pointer

// closure returns a function value as the pointer that it is.
func closure[F any](f F) unsafe.Pointer { return *(*unsafe.Pointer)(unsafe.Pointer(&f)) }

// funcOf returns a function value that bind made as one of the type t.
func funcOf(t reflect.Type, f unsafe.Pointer) reflect.Value {
	return reflect.NewAt(t, unsafe.Pointer(&f)).Elem()
}

func bind0None(p *proxy, withContext bool) unsafe.Pointer {
	f := func(ctx context.Context) error {
		v := p.begin()
		err := p.call(ctx, v)
		p.end(v)
		return err
	}
	if withContext {
		return closure(f)
	}
	return closure(func() error { return f(context.Background()) })
}

func bind0[R any](p *proxy, withContext bool) unsafe.Pointer {
	f := func(ctx context.Context) (r R, err error) {
		v := p.begin()
		if err = p.call(ctx, v); err == nil {
			r = *(*R)(v.results.at[0])
		}
		p.end(v)
		return r, err
	}
	if withContext {
		return closure(f)
	}
	return closure(func() (R, error) { return f(context.Background()) })
}

func bind1None[A any](p *proxy, withContext bool) unsafe.Pointer {
	f := func(ctx context.Context, a A) error {
		v := p.begin()
		*(*A)(v.args.at[0]) = a
		err := p.call(ctx, v)
		p.end(v)
		return err
	}
	if withContext {
		return closure(f)
	}
	return closure(func(a A) error { return f(context.Background(), a) })
}

func bind1[A, R any](p *proxy, withContext bool) unsafe.Pointer {
	f := func(ctx context.Context, a A) (r R, err error) {
		v := p.begin()
		*(*A)(v.args.at[0]) = a
		if err = p.call(ctx, v); err == nil {
			r = *(*R)(v.results.at[0])
		}
		p.end(v)
		return r, err
	}
	if withContext {
		return closure(f)
	}
	return closure(func(a A) (R, error) { return f(context.Background(), a) })
}

func bind2None[A, B any](p *proxy, withContext bool) unsafe.Pointer {
	f := func(ctx context.Context, a A, b B) error {
		v := p.begin()
		*(*A)(v.args.at[0]) = a
		*(*B)(v.args.at[1]) = b
		err := p.call(ctx, v)
		p.end(v)
		return err
	}
	if withContext {
		return closure(f)
	}
	return closure(func(a A, b B) error { return f(context.Background(), a, b) })
}

func bind2[A, B, R any](p *proxy, withContext bool) unsafe.Pointer {
	f := func(ctx context.Context, a A, b B) (r R, err error) {
		v := p.begin()
		*(*A)(v.args.at[0]) = a
		*(*B)(v.args.at[1]) = b
		if err = p.call(ctx, v); err == nil {
			r = *(*R)(v.results.at[0])
		}
		p.end(v)
		return r, err
	}
	if withContext {
		return closure(f)
	}
	return closure(func(a A, b B) (R, error) { return f(context.Background(), a, b) })
}

func bind3None[A, B, C any](p *proxy, withContext bool) unsafe.Pointer {
	f := func(ctx context.Context, a A, b B, c C) error {
		v := p.begin()
		*(*A)(v.args.at[0]) = a
		*(*B)(v.args.at[1]) = b
		*(*C)(v.args.at[2]) = c
		err := p.call(ctx, v)
		p.end(v)
		return err
	}
	if withContext {
		return closure(f)
	}
	return closure(func(a A, b B, c C) error { return f(context.Background(), a, b, c) })
}

func bind3[A, B, C, R any](p *proxy, withContext bool) unsafe.Pointer {
	f := func(ctx context.Context, a A, b B, c C) (r R, err error) {
		v := p.begin()
		*(*A)(v.args.at[0]) = a
		*(*B)(v.args.at[1]) = b
		*(*C)(v.args.at[2]) = c
		if err = p.call(ctx, v); err == nil {
			r = *(*R)(v.results.at[0])
		}
		p.end(v)
		return r, err
	}
	if withContext {
		return closure(f)
	}
	return closure(func(a A, b B, c C) (R, error) { return f(context.Background(), a, b, c) })
}
