package hotline

import (
	"context"
	"reflect"
	"sync"

	"hotline/codec"
	"hotline/internal/link"
	"hotline/internal/wire"
)

// typedMethod calls a method whose arguments and results go through a codec.
type typedMethod struct {
	name   string
	sig    *signature
	in     codec.Plan                          // for the arguments
	out    codec.Plan                          // for the results
	form   *form                               // nil where package reflect calls the method
	slow   func(context.Context, *frame) error // enters the method where there is no form
	entry  *entry                              // for the form
	fn     reflect.Value
	recv   reflect.Value
	frames sync.Pool // *frame
}

func newTypedMethod(recv reflect.Value, m reflect.Method, sig *signature, c codec.Codec) *typedMethod {
	t := &typedMethod{
		name: m.Name, sig: sig, in: codec.PlanFor(c, sig.args), out: codec.PlanFor(c, sig.results), fn: m.Func, recv: recv,
	}
	if recv.Kind() == reflect.Pointer { // as forms have it; net/rpc's receivers may be values
		t.form, t.entry = formOf(layouts(sig.args), layouts(sig.results)), newEntry(recv, m, sig)
	}
	t.slow = t.callSlow
	t.frames.New = func() any { return t.newFrame() }
	return t
}

// newFrame makes a frame with what package reflect calls the method with: values that refer to the frame's memory.
func (t *typedMethod) newFrame() *frame {
	v := newFrame(t.sig)
	if t.form == nil {
		v.in = append(v.in, t.recv)
		if t.sig.context {
			v.ctx = new(context.Context)
			v.in = append(v.in, reflect.ValueOf(v.ctx).Elem())
		}
		v.in = append(v.in, v.args.elems...)
	}
	return v
}

// invoke answers a call.
func (t *typedMethod) invoke(ctx context.Context, call *link.Incoming) error {
	if call.Values != nil {
		return t.enter(ctx, call.Values.(*frame))
	}
	v, err := t.run(ctx, call.Payload)
	if err != nil {
		return err
	}
	b, err := t.finish(v, call.Buffer())
	if err == nil {
		call.Keep(b)
	}
	return err
}

// run decodes the arguments and enters the method. The frame with the results is for finish. A method that panics
// takes its frame with it.
func (t *typedMethod) run(ctx context.Context, payload []byte) (*frame, error) {
	v := t.frames.Get().(*frame)
	if err := t.in.Decode(payload, v.args.ptrs); err != nil {
		t.end(v)
		return nil, wire.Errorf(wire.CodeBadArguments, "arguments of %s: %v", t.sig.text(t.name), err)
	}
	var err error
	if t.form != nil {
		err = t.form.call(t.entry, ctx, &v.args.at, &v.results.at)
	} else {
		err = t.slow(ctx, v)
	}
	if err != nil {
		t.end(v)
		return nil, err
	}
	return v, nil
}

// enter enters the method with the arguments in a client's frame, of the same types, and leaves the results there.
func (t *typedMethod) enter(ctx context.Context, v *frame) error {
	if t.form != nil {
		return t.form.call(t.entry, ctx, &v.args.at, &v.results.at)
	}
	own := t.frames.Get().(*frame) // which package reflect can call the method with
	own.args.set(&v.args)
	err := t.slow(ctx, own)
	if err == nil {
		v.results.set(&own.results)
	}
	t.end(own)
	return err
}

// callSlow enters the method by package reflect.
func (t *typedMethod) callSlow(ctx context.Context, v *frame) error {
	if v.ctx != nil {
		*v.ctx = ctx
	}
	out := t.fn.Call(v.in)
	if v.ctx != nil {
		*v.ctx = nil
	}
	if t.sig.err {
		last := len(out) - 1
		if !out[last].IsNil() {
			return out[last].Interface().(error)
		}
		out = out[:last]
	}
	for i := range out {
		v.results.elems[i].Set(out[i])
	}
	return nil
}

// finish appends the results to dst.
func (t *typedMethod) finish(v *frame, dst []byte) ([]byte, error) {
	b, err := t.out.Append(dst, v.results.ptrs)
	t.end(v)
	if err != nil {
		return nil, wire.Errorf(wire.CodeBadResult, "results of %s: %v", t.sig.text(t.name), err)
	}
	return b, nil
}

func (t *typedMethod) end(v *frame) {
	v.args.clear()
	v.results.clear()
	t.frames.Put(v)
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
