package hotline

import (
	"context"
	"errors"
	"io"
	"reflect"

	"hotline/codec"
	"hotline/internal/link"
	"hotline/internal/wire"
)

// streamMethod calls a method that streams.
type streamMethod struct {
	name  string
	sig   *signature
	in    codec.Plan // for the arguments
	out   codec.Plan // for the results
	sends *items     // from the client
	takes *items     // from the method
	fn    reflect.Value
	recv  reflect.Value
	known *knownErrors // set before the first call: of the server
}

func newStreamMethod(recv reflect.Value, m reflect.Method, sig *signature, c codec.Codec) *streamMethod {
	return &streamMethod{
		name: m.Name, sig: sig, in: codec.PlanFor(c, sig.args), out: codec.PlanFor(c, sig.results),
		sends: newItems(sig.sends, c), takes: newItems(sig.takes, c), fn: m.Func, recv: recv,
	}
}

// invoke answers a call.
func (m *streamMethod) invoke(ctx context.Context, call *link.Incoming) error {
	if v := call.Stream; v.Receives() != (m.sig.sends != nil) || v.Sends() != (m.sig.takes != nil) {
		return wire.Errorf(wire.CodeBadArguments, "%s was called with other streams", m.sig.text(m.name))
	}
	args := newValues(m.sig.args)
	if err := m.in.Decode(call.Payload, args.ptrs); err != nil {
		return wire.Errorf(wire.CodeBadArguments, "arguments of %s: %v", m.sig.text(m.name), err)
	}
	in := []reflect.Value{m.recv}
	if m.sig.context {
		in = append(in, reflect.ValueOf(&ctx).Elem())
	}
	in = append(in, args.elems...)
	var incoming *incomingStream
	if m.sig.sends != nil {
		incoming = &incomingStream{method: m, s: call.Stream}
		in = append(in, incoming.value())
	}
	err := m.finish(call, m.fn.Call(in))
	if incoming != nil && incoming.hidden != nil {
		return incoming.hidden
	}
	return err
}

// finish sends what the method returned.
func (m *streamMethod) finish(call *link.Incoming, out []reflect.Value) error {
	if m.sig.err {
		last := len(out) - 1
		if !out[last].IsNil() {
			return out[last].Interface().(error)
		}
		out = out[:last]
	}
	if m.sig.takes != nil {
		return m.stream(call.Stream, out[0])
	}
	results := newValues(m.sig.results)
	for i := range out {
		results.elems[i].Set(out[i])
	}
	b, err := m.out.Append(call.Buffer(), results.ptrs)
	if err != nil {
		return wire.Errorf(wire.CodeBadResult, "results of %s: %v", m.sig.text(m.name), err)
	}
	call.Keep(b)
	return nil
}

// stream sends what a method's stream has.
func (m *streamMethod) stream(s *link.Stream, src reflect.Value) error {
	if src.IsNil() {
		return wire.Errorf(wire.CodeBadResult, "%s returned nil", m.sig.text(m.name))
	}
	if c, ok := src.Interface().(io.Closer); ok {
		defer c.Close()
	}
	failed, unsent := m.takes.send(s, src)
	var bad *codec.Error
	if errors.As(unsent, &bad) {
		return wire.Errorf(wire.CodeBadResult, "an item of %s: %v", m.sig.text(m.name), unsent)
	}
	if failed != nil {
		return failed
	}
	return unsent
}

// incomingStream is what a method gets of the client's stream.
type incomingStream struct {
	method *streamMethod
	s      *link.Stream
	hidden error // why the stream failed, where the method can't see it
}

// value returns the method's last argument.
func (v *incomingStream) value() reflect.Value {
	t := v.method.sends
	if t.elem == nil {
		var r io.Reader = v
		return reflect.ValueOf(&r).Elem()
	}
	return t.iterator(v.run)
}

// run is the body of the iterator.
func (v *incomingStream) run(c *cell, yield func(error) bool) {
	t := v.method.sends
	for {
		err := t.receive(v.s, c)
		if err == io.EOF {
			return
		}
		if err != nil {
			v.failed(c, v.method.known.streamError(v.method.name, err), yield)
			return
		}
		if !yield(nil) {
			v.s.StopReceiving()
			return
		}
		c.clear()
	}
}

func (v *incomingStream) failed(c *cell, err error, yield func(error) bool) {
	v.s.StopReceiving()
	if !v.method.sends.failing {
		v.hidden = err
		return
	}
	c.clear()
	yield(err)
}

// WriteTo implements io.WriterTo, for io.Copy: it saves a copy.
func (v *incomingStream) WriteTo(w io.Writer) (int64, error) {
	n, err := writeTo(w, v.s.Next)
	return n, v.method.known.streamError(v.method.name, err)
}

// Read implements io.Reader.
func (v *incomingStream) Read(p []byte) (int, error) {
	n, err := v.s.Read(p)
	return n, v.method.known.streamError(v.method.name, err)
}
