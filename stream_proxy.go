package hotline

import (
	"context"
	"errors"
	"io"
	"reflect"

	"hotline/codec"
	"hotline/internal/link"
)

// streamProxy is behind a client's function whose method streams.
type streamProxy struct {
	*binding
	args    codec.Plan
	results codec.Plan
	sends   *items // to the server
	takes   *items // from it
	known   *knownErrors
	open    func(ctx context.Context, payload []byte) (*link.ClientStream, error)
}

// streamProxy makes the function.
func (b *binding) streamProxy(c *Client) reflect.Value {
	p := &streamProxy{
		binding: b, args: codec.PlanFor(b.codec, b.sig.args), results: codec.PlanFor(b.codec, b.sig.results),
		sends: newItems(b.sig.sends, b.codec), takes: newItems(b.sig.takes, b.codec), known: c.dialer.known,
	}
	p.open = func(ctx context.Context, payload []byte) (*link.ClientStream, error) { return b.open(ctx, c, payload) }
	return reflect.MakeFunc(b.field.Type(), p.call)
}

// streamCall is one call of the function: what it was given.
type streamCall struct {
	*streamProxy
	ctx     context.Context
	payload []byte        // the arguments, encoded
	err     error         // why they could not be
	src     reflect.Value // what is to be sent; invalid for nothing
}

// call is the function, as package reflect calls it.
func (p *streamProxy) call(in []reflect.Value) []reflect.Value {
	c := &streamCall{streamProxy: p, ctx: context.Background()}
	if p.sig.context {
		c.ctx = in[0].Interface().(context.Context)
		in = in[1:]
	}
	if p.sig.sends != nil {
		c.src = in[len(in)-1]
		in = in[:len(in)-1]
	}
	args := newValues(p.sig.args)
	for i := range in {
		args.elems[i].Set(in[i])
	}
	if c.payload, c.err = p.args.Append(nil, args.ptrs); c.err != nil {
		c.err = encodingError(p.name, c.err)
	} else if c.src.IsValid() && c.src.IsNil() {
		c.err = encodingError(p.name, errors.New("the stream is nil"))
	}
	switch {
	case p.sig.takes == nil:
		return c.upload()
	case p.sig.takes.elem == nil:
		return c.download()
	}
	return []reflect.Value{p.takes.iterator(c.run)}
}

// run is the body of the iterator that the function returns: it makes the call.
func (c *streamCall) run(item *cell, yield func(error) bool) {
	v, err := c.begin()
	if err != nil {
		yield(err)
		return
	}
	over := false
	defer func() {
		if !over { // the loop was left, by a panic perhaps
			v.Cancel()
		}
	}()
	if c.src.IsValid() {
		go c.send(v)
	}
	for {
		if err := c.takes.receive(&v.Stream, item); err != nil {
			over = true
			item.clear()
			if err := c.end(v, err); err != nil {
				yield(err)
			}
			return
		}
		if !yield(nil) {
			return
		}
		item.clear()
	}
}

// begin makes the call.
func (c *streamCall) begin() (*link.ClientStream, error) {
	if c.err != nil {
		return nil, c.err
	}
	return c.open(c.ctx, c.payload)
}

// send sends what the call is to send, and its end. It returns why it could not, which the server has learnt then; what
// else may go wrong the call tells in the end.
func (c *streamCall) send(v *link.ClientStream) error {
	failed, unsent := c.sends.send(&v.Stream, c.src)
	if unsent != nil {
		failed = unsent
	}
	v.CloseSend(failed)
	return unsent
}

// end ends a call whose stream has ended by err, and returns why it failed.
func (c *streamCall) end(v *link.ClientStream, err error) error {
	var large *link.TooLargeError
	var bad *itemError
	if errors.As(err, &large) || errors.As(err, &bad) {
		v.Cancel()
		return c.known.callError(c.name, err)
	}
	reply, failed := v.Finish()
	failed = scopeOf(c.ctx).collect(&reply, failed)
	reply.Release()
	if failed == nil && err != io.EOF {
		failed = err
	}
	if failed == nil {
		return nil
	}
	return c.known.callError(c.name, failed)
}

// upload is the function where only the client streams.
func (c *streamCall) upload() []reflect.Value {
	out := make([]reflect.Value, 0, len(c.sig.results)+1)
	results := newValues(c.sig.results)
	err := c.uploadTo(&results)
	if err != nil {
		results = newValues(c.sig.results)
	}
	out = append(out, results.elems...)
	return append(out, reflect.ValueOf(&err).Elem())
}

func (c *streamCall) uploadTo(results *values) error {
	v, err := c.begin()
	if err != nil {
		return err
	}
	over := false
	defer func() {
		if !over { // the items panicked
			v.Cancel()
		}
	}()
	unsent := c.send(v)
	over = true
	var large *link.TooLargeError
	var bad *codec.Error
	if errors.As(unsent, &large) || errors.As(unsent, &bad) {
		v.Cancel()
		return c.known.callError(c.name, unsent)
	}
	reply, err := v.Finish()
	if err = scopeOf(c.ctx).collect(&reply, err); err != nil {
		return c.known.callError(c.name, err)
	}
	if c.codec.Name() == "raw" {
		if len(results.ptrs) > 0 {
			*results.ptrs[0].(*[]byte) = reply.Body // memory of its own
		}
		return nil
	}
	defer reply.Release()
	if err := c.results.Decode(reply.Body, results.ptrs); err != nil {
		return c.known.callError(c.name, err)
	}
	return nil
}

// download is the function where the server streams bytes.
func (c *streamCall) download() []reflect.Value {
	r, err := c.reader()
	return []reflect.Value{reflect.ValueOf(&r).Elem(), reflect.ValueOf(&err).Elem()}
}

func (c *streamCall) reader() (io.ReadCloser, error) {
	v, err := c.begin()
	if err != nil {
		return nil, err
	}
	if c.src.IsValid() {
		go c.send(v)
	}
	r := &incomingReader{call: c, v: v}
	if err := v.Wait(); err != nil {
		if r.fail(err); r.err != io.EOF {
			return nil, r.err
		}
	}
	return r, nil
}

// incomingReader is the bytes that a server streams.
type incomingReader struct {
	call *streamCall
	v    *link.ClientStream
	err  error // why there is nothing more; the call has ended then
}

// Read implements io.Reader.
func (r *incomingReader) Read(p []byte) (int, error) {
	if r.err != nil {
		return 0, r.err
	}
	n, err := r.v.Read(p)
	if err != nil {
		r.fail(err)
	}
	return n, r.err
}

// fail ends the call.
func (r *incomingReader) fail(err error) {
	if r.err = r.call.end(r.v, err); r.err == nil {
		r.err = io.EOF
	}
}

// Close gives the call up unless it has ended. It is idempotent.
func (r *incomingReader) Close() error {
	if r.err == nil {
		r.v.Cancel()
		r.err = r.call.known.callError(r.call.name, ErrClosed)
	}
	return nil
}
