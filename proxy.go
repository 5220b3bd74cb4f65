package hotline

import (
	"context"
	"fmt"
	"reflect"
	"sync"

	"hotline/internal/link"
)

// proxy makes the function.
func (b *binding) proxy(c *Client) reflect.Value {
	if b.codec.Name() == "raw" {
		return b.rawProxy(c)
	}
	return b.typedProxy(c)
}

// call sends a request and waits for the reply, on a new link where the old one was lost.
func (b *binding) call(ctx context.Context, c *Client, payload []byte, fresh bool) (link.Reply, error) {
	r := link.Request{Timeout: b.tags.timeout, Payload: payload, Fresh: fresh}
	s := c.session.Load()
	r.Method = s.numbers[b.index]
	reply, err := s.link.Call(ctx, &r)
	if err != nil && again(err, b.tags.idempotent) {
		reply, err = b.callAgain(ctx, c, r, s, err)
	}
	if err != nil {
		return reply, callError(b.name, err)
	}
	return reply, nil
}

func (b *binding) callAgain(ctx context.Context, c *Client, r link.Request, s *session, cause error) (reply link.Reply, err error) {
	err = c.retry(ctx, b.name, b.tags.idempotent, s, cause, func(s *session) (err error) {
		r.Method = s.numbers[b.index]
		reply, err = s.link.Call(ctx, &r)
		return err
	})
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

// outgoing is memory for the arguments of a call and their encoding, used again and again.
type outgoing struct {
	*values
	buf []byte
}

// maxKeptBuffer bounds the encoding buffers that are kept for later calls, in bytes.
const maxKeptBuffer = 1 << 20

// typedProxy makes a function whose arguments and results go through a codec.
func (b *binding) typedProxy(c *Client) reflect.Value {
	pool := sync.Pool{New: func() any { return &outgoing{values: newValues(b.sig.args)} }}
	return reflect.MakeFunc(b.field.Type(), func(in []reflect.Value) []reflect.Value {
		ctx := context.Background()
		if b.sig.context {
			ctx = in[0].Interface().(context.Context)
			in = in[1:]
		}
		out := pool.Get().(*outgoing)
		for i := range in {
			out.elems[i].Set(in[i])
		}
		results, err := b.callTyped(ctx, c, out)
		out.clear()
		if cap(out.buf) <= maxKeptBuffer {
			pool.Put(out)
		}
		return results.with(err)
	})
}

// callTyped encodes the arguments, calls and decodes the results.
func (b *binding) callTyped(ctx context.Context, c *Client, out *outgoing) (*values, error) {
	results := newValues(b.sig.results)
	payload, err := b.codec.Append(out.buf[:0], out.ptrs)
	if err != nil {
		return results, fmt.Errorf("hotline: %s: %w: arguments: %w", b.name, ErrNotExecuted, err)
	}
	out.buf = payload
	reply, err := b.call(ctx, c, payload, false)
	if err != nil {
		return results, err
	}
	defer reply.Release()
	if err := b.codec.Decode(reply.Body, results.ptrs); err != nil {
		results.clear()
		return results, fmt.Errorf("hotline: %s: results: %w", b.name, err)
	}
	return results, nil
}

// with returns the values and the error as a function's results.
func (v *values) with(err error) []reflect.Value {
	return append(v.elems, reflect.ValueOf(&err).Elem())
}
