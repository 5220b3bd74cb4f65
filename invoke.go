package hotline

import (
	"context"
	"reflect"
	"sync"

	"hotline/codec"
	"hotline/internal/link"
	"hotline/internal/wire"
)

// values is memory for the arguments or the results of one call, used again and again: a pointer to each value.
type values struct {
	elems []reflect.Value // what the pointers point to
	ptrs  []any           // the pointers, as codecs take them
}

func newValues(types []reflect.Type) *values {
	v := &values{elems: make([]reflect.Value, len(types)), ptrs: make([]any, len(types))}
	for i, t := range types {
		p := reflect.New(t)
		v.elems[i], v.ptrs[i] = p.Elem(), p.Interface()
	}
	return v
}

// clear forgets the values, so that nothing of one call is kept for, or seen by, another.
func (v *values) clear() {
	for _, e := range v.elems {
		e.SetZero()
	}
}

// typedInvoker calls a method whose arguments and results go through a codec.
func typedInvoker(recv reflect.Value, m reflect.Method, sig *signature, c codec.Codec) func(context.Context, *link.Incoming) error {
	args := sync.Pool{New: func() any { return newValues(sig.args) }}
	results := sync.Pool{New: func() any { return newValues(sig.results) }}
	return func(ctx context.Context, call *link.Incoming) error {
		in := args.Get().(*values)
		defer func() {
			in.clear()
			args.Put(in)
		}()
		if err := c.Decode(call.Payload, in.ptrs); err != nil {
			return wire.Errorf(wire.CodeBadArguments, "arguments of %s: %v", sig.text(m.Name), err)
		}
		out, err := callMethod(ctx, recv, m, sig, in)
		if err != nil {
			return err
		}
		res := results.Get().(*values)
		defer func() {
			res.clear()
			results.Put(res)
		}()
		for i := range res.elems {
			res.elems[i].Set(out[i])
		}
		b, err := c.Append(call.Buffer(), res.ptrs)
		if err != nil {
			return wire.Errorf(wire.CodeBadResult, "results of %s: %v", sig.text(m.Name), err)
		}
		call.Keep(b)
		return nil
	}
}

// callMethod enters the method, and takes its error off the results.
func callMethod(ctx context.Context, recv reflect.Value, m reflect.Method, sig *signature, args *values) ([]reflect.Value, error) {
	in := make([]reflect.Value, 0, 2+len(args.elems))
	in = append(in, recv)
	if sig.context {
		in = append(in, reflect.ValueOf(&ctx).Elem())
	}
	out := m.Func.Call(append(in, args.elems...))
	if !sig.err {
		return out, nil
	}
	last := len(out) - 1
	if err, ok := out[last].Interface().(error); ok {
		return nil, err
	}
	return out[:last], nil
}

// rawInvoker calls a method that takes and returns bytes as they are: without reflection, and without a copy.
func rawInvoker(recv reflect.Value, m reflect.Method, sig *signature) func(context.Context, *link.Incoming) error {
	f := rawFunc(recv, m, sig)
	takes := len(sig.args) == 1
	return func(ctx context.Context, call *link.Incoming) (err error) {
		if !takes && len(call.Payload) > 0 {
			return wire.Errorf(wire.CodeBadArguments, "%s takes no argument, %d bytes came", sig.text(m.Name), len(call.Payload))
		}
		call.Reply, err = f(ctx, call.Payload)
		return err
	}
}
