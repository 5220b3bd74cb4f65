package hotline

import (
	"context"
	"reflect"
	"sync"

	"hotline/internal/link"
	"hotline/internal/wire"
)

// placedMethod calls a raw method that takes or returns a *Buffer. There is a form for each of them.
type placedMethod struct {
	name   string
	sig    *signature
	form   *form
	entry  *entry
	frames sync.Pool // *frame
}

func newPlacedMethod(recv reflect.Value, m reflect.Method, sig *signature) *placedMethod {
	p := &placedMethod{name: m.Name, sig: sig, form: formOf(layouts(sig.args), layouts(sig.results)), entry: newEntry(recv, m, sig)}
	p.frames.New = func() any { return newFrame(sig) }
	return p
}

// invoke answers a call.
func (p *placedMethod) invoke(ctx context.Context, call *link.Incoming) error {
	if len(p.sig.args) == 0 && len(call.Payload) > 0 {
		return wire.Errorf(wire.CodeBadArguments, "%s takes no argument, %d bytes came", p.sig.text(p.name), len(call.Payload))
	}
	v := p.frames.Get().(*frame)
	if p.sig.takesBuffer() {
		arg := &Buffer{loan: call.Loan()}
		defer arg.Release() // the method has given it away, or it is not to have it any more
		*v.args.ptrs[0].(**Buffer) = arg
	} else if len(p.sig.args) == 1 {
		*v.args.ptrs[0].(*[]byte) = call.Payload
	}
	err := p.form.call(p.entry, ctx, &v.args.at, &v.results.at)
	if e := p.finish(v, call, err); err == nil {
		err = e
	}
	v.args.clear()
	v.results.clear()
	p.frames.Put(v)
	return err
}

// finish makes the result the reply, unless the method has failed.
func (p *placedMethod) finish(v *frame, call *link.Incoming, failed error) error {
	if !p.sig.returnsBuffer() {
		if len(p.sig.results) == 1 {
			call.Reply = *v.results.ptrs[0].(*[]byte)
		}
		return nil
	}
	result := *v.results.ptrs[0].(**Buffer)
	if failed != nil {
		result.Release()
		return nil
	}
	loan, err := result.give()
	if err != nil {
		return wire.Errorf(wire.CodeBadResult, "result of %s: %v", p.sig.text(p.name), err)
	}
	call.Give(loan)
	return nil
}

// placedProxy makes the function of a raw method that takes or returns a *Buffer.
func (b *binding) placedProxy(c *Client) reflect.Value {
	p := &proxy{name: b.name, sig: &b.sig}
	p.carry = func(ctx context.Context, v *frame) error { return b.callPlaced(ctx, c, v) }
	p.frames.New = func() any { return newFrame(p.sig) }
	return p.function(b.field.Type())
}

// callPlaced makes the call whose argument is in v, and leaves its result there.
func (b *binding) callPlaced(ctx context.Context, c *Client, v *frame) error {
	r := request{Request: link.Request{InPlace: b.sig.returnsBuffer()}}
	r.Fresh = !r.InPlace && len(b.sig.results) == 1
	if b.sig.takesBuffer() {
		loan, err := (*v.args.ptrs[0].(**Buffer)).give()
		if err != nil {
			return notBegun(ctx, b.name, err)
		}
		defer loan.Release()
		r.Loan, r.Payload = loan, loan.Bytes()
	} else if len(b.sig.args) == 1 {
		r.Payload = *v.args.ptrs[0].(*[]byte)
	}
	reply, err := b.request(ctx, c, &r)
	switch {
	case err != nil:
		return err
	case r.InPlace:
		*v.results.ptrs[0].(**Buffer) = &Buffer{loan: reply.Loan()}
	case r.Fresh:
		*v.results.ptrs[0].(*[]byte) = reply.Body
	default:
		reply.Release()
	}
	return nil
}
