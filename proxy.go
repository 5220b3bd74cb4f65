package hotline

import (
	"context"
	"fmt"
	"reflect"
	"sync"

	"hotline/codec"
	"hotline/internal/link"
)

// proxy makes the function.
func (b *binding) proxy(c *Client) reflect.Value {
	switch {
	case b.sig.streams():
		return b.streamProxy(c)
	case b.sig.placed():
		return b.placedProxy(c)
	case b.codec.Name() == "raw":
		return b.rawProxy(c)
	}
	return b.typedProxy(c)
}

// call sends a request and waits for the reply, on another link where the first one does not do.
func (b *binding) call(ctx context.Context, c *Client, payload []byte, fresh bool) (link.Reply, error) {
	return b.request(ctx, c, &request{Request: link.Request{Payload: payload, Fresh: fresh}})
}

// request is call for a request that is made up but for its method.
func (b *binding) request(ctx context.Context, c *Client, r *request) (link.Reply, error) {
	if c.dialer.Interceptors != nil {
		return b.intercepted(ctx, c, r)
	}
	return b.exchange(ctx, c, r)
}

// exchange sends a request, and again where that is safe. One in shared memory goes over the link that shares it, busy or not.
func (b *binding) exchange(ctx context.Context, c *Client, r *request) (link.Reply, error) {
	r.Timeout, r.oneway = b.tags.timeout, b.tags.oneway
	about := scopeOf(ctx)
	if err := about.attach(&r.Request); err != nil {
		return link.Reply{}, c.dialer.known.callError(b.name, err)
	}
	s := c.pool.hot.Load()
	r.Method = s.numbers[b.index]
	reply, err := c.send(ctx, s, !r.Loan.Shared(), r)
	if err != nil && again(err, b.mayRepeat(r)) {
		reply, err = b.callAgain(ctx, c, r, s, err)
	}
	if err = about.collect(&reply, err); err != nil {
		return reply, c.dialer.known.callError(b.name, err)
	}
	return reply, nil
}

// mayRepeat reports whether a request may be sent again that the server may have begun to execute. In a block of
// shared memory the method may have changed it.
func (b *binding) mayRepeat(r *request) bool { return b.tags.idempotent && !r.Loan.Shared() }

// bounded returns a context that ends with the request's timeout, where it has one: for what may wait for an instance.
func (r *request) bounded(ctx context.Context) (context.Context, context.CancelFunc) {
	switch {
	case r.Timeout == 0:
		return ctx, func() {}
	case r.Ends.IsZero():
		return context.WithTimeout(ctx, r.Timeout)
	}
	return context.WithDeadline(ctx, r.Ends)
}

// callAgain is what request does when its first attempt is to be repeated.
func (b *binding) callAgain(ctx context.Context, c *Client, first *request, s *session, cause error) (reply link.Reply, err error) {
	ctx, cancel := first.bounded(ctx)
	defer cancel()
	r := *first // a copy: what closures refer to is on the heap
	err = c.retry(ctx, b.name, b.mayRepeat(&r), s, cause, func(s *session, _ bool) (err error) {
		r.Method = s.numbers[b.index]
		reply, err = c.send(ctx, s, false, &r)
		return err
	})
	first.by = r.by
	return reply, err
}

// rawProxy makes one of the eight raw shapes a closure: no reflection when it is called.
func (b *binding) rawProxy(c *Client) reflect.Value {
	call := func(ctx context.Context, data []byte) ([]byte, error) {
		reply, err := b.call(ctx, c, data, true)
		return reply.Body, err
	}
	drop := func(ctx context.Context, data []byte) error {
		reply, err := b.call(ctx, c, data, false)
		reply.Release()
		return err
	}
	var f any
	switch (rawShape{b.sig.context, len(b.sig.args) == 1, len(b.sig.results) == 1, true}) {
	case rawShape{true, true, true, true}:
		f = call
	case rawShape{true, true, false, true}:
		f = drop
	case rawShape{true, false, true, true}:
		f = func(ctx context.Context) ([]byte, error) { return call(ctx, nil) }
	case rawShape{true, false, false, true}:
		f = func(ctx context.Context) error { return drop(ctx, nil) }
	case rawShape{false, true, true, true}:
		f = func(data []byte) ([]byte, error) { return call(context.Background(), data) }
	case rawShape{false, true, false, true}:
		f = func(data []byte) error { return drop(context.Background(), data) }
	case rawShape{false, false, true, true}:
		f = func() ([]byte, error) { return call(context.Background(), nil) }
	default:
		f = func() error { return drop(context.Background(), nil) }
	}
	return reflect.ValueOf(f).Convert(b.field.Type())
}

// maxKeptBuffer bounds the encoding buffers that are kept for later calls, in bytes.
const maxKeptBuffer = 1 << 20

// proxy is behind a client's function whose arguments and results go through a codec.
type proxy struct {
	name    string
	sig     *signature
	args    codec.Plan
	results codec.Plan
	oneway  bool // there is no reply
	send    func(ctx context.Context, payload []byte) (link.Reply, error)
	carry   func(ctx context.Context, v *frame) error // makes the call where a *Buffer is passed or returned, or where it may be direct; else nil
	frames  sync.Pool                                 // *frame
}

// typedProxy makes the function.
func (b *binding) typedProxy(c *Client) reflect.Value {
	p := b.newProxy(func(ctx context.Context, payload []byte) (link.Reply, error) {
		return b.call(ctx, c, payload, false)
	})
	if c.dialer.Direct && !b.tags.oneway {
		b.makeDirect(c, p)
	}
	return p.function(b.field.Type())
}

func (b *binding) newProxy(send func(context.Context, []byte) (link.Reply, error)) *proxy {
	p := &proxy{
		name: b.name, sig: &b.sig, oneway: b.tags.oneway, send: send,
		args: codec.PlanFor(b.codec, b.sig.args), results: codec.PlanFor(b.codec, b.sig.results),
	}
	p.frames.New = func() any { return newFrame(p.sig) }
	return p
}

// function returns a function of type t that makes the calls.
func (p *proxy) function(t reflect.Type) reflect.Value {
	if f := formOf(layouts(p.sig.args), layouts(p.sig.results)); f != nil {
		return funcOf(t, f.bind(p, p.sig.context))
	}
	return reflect.MakeFunc(t, p.callSlow)
}

// begin returns a frame for a call: the function sets the arguments, calls, takes the results, and ends.
func (p *proxy) begin() *frame { return p.frames.Get().(*frame) }

// end takes the frame back.
func (p *proxy) end(v *frame) {
	v.args.clear()
	v.results.clear()
	if cap(v.buf) <= maxKeptBuffer {
		p.frames.Put(v)
	}
}

// call encodes the arguments, calls and decodes the results.
func (p *proxy) call(ctx context.Context, v *frame) error {
	if p.carry != nil {
		return p.carry(ctx, v)
	}
	payload, err := p.args.Append(v.buf[:0], v.args.ptrs)
	if err != nil {
		return notBegun(ctx, p.name, fmt.Errorf("arguments: %w", err))
	}
	v.buf = payload
	reply, err := p.send(ctx, payload)
	if err != nil {
		return err
	}
	if p.oneway {
		return nil
	}
	return p.decode(&reply, v)
}

// notBegun is the end of a call that was not made, because of what it was given.
func notBegun(ctx context.Context, method string, err error) error {
	scopeOf(ctx).forget()
	return fmt.Errorf("hotline: %s: %w: %w", method, ErrNotExecuted, err)
}

// decode takes the results from a reply.
func (p *proxy) decode(reply *link.Reply, v *frame) error {
	err := p.results.Decode(reply.Body, v.results.ptrs)
	reply.Release()
	if err != nil {
		return fmt.Errorf("hotline: %s: results: %w", p.name, err)
	}
	return nil
}

// callSlow is the function where there is no form for it, as package reflect calls it.
func (p *proxy) callSlow(in []reflect.Value) []reflect.Value {
	ctx := context.Background()
	if p.sig.context {
		ctx = in[0].Interface().(context.Context)
		in = in[1:]
	}
	v := p.begin()
	for i := range in {
		v.args.elems[i].Set(in[i])
	}
	err := p.call(ctx, v)
	out := make([]reflect.Value, 0, len(p.sig.results)+1)
	for i, t := range p.sig.results {
		r := reflect.New(t).Elem() // read after callSlow has returned, when the frame may be another call's
		if err == nil {
			r.Set(v.results.elems[i])
		}
		out = append(out, r)
	}
	p.end(v)
	return append(out, reflect.ValueOf(&err).Elem())
}
