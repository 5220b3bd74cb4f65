package hotline

import (
	"context"
	"errors"
	"fmt"
	"io"
	"reflect"
	"sync/atomic"

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
	client  *Client
}

// streamProxy makes the function.
func (b *binding) streamProxy(c *Client) reflect.Value {
	p := &streamProxy{
		binding: b, args: codec.PlanFor(b.codec, b.sig.args), results: codec.PlanFor(b.codec, b.sig.results),
		sends: newItems(b.sig.sends, b.codec), takes: newItems(b.sig.takes, b.codec), client: c,
	}
	return reflect.MakeFunc(b.field.Type(), p.call)
}

// streamCall is one call of the function: what it was given.
type streamCall struct {
	*streamProxy
	ctx     context.Context
	payload []byte                // the arguments, encoded
	err     error                 // why they could not be
	src     reflect.Value         // what is to be sent; invalid for nothing
	attempt                       // at the call
	fault   atomic.Pointer[error] // why something could not be sent, which the server has learnt

	came, given int64 // bytes of the streams and results, once the call has ended
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
		c.err = fmt.Errorf("arguments: %w", c.err)
	} else if c.src.IsValid() && c.src.IsNil() {
		c.err = errors.New("arguments: the stream is nil")
	}
	switch {
	case p.sig.takes == nil:
		return c.upload()
	case p.sig.takes.elem == nil:
		return c.download()
	}
	return []reflect.Value{p.takes.iterator(c.run)}
}

// run is the body of the iterator that the function returns: it makes the call, anew each time.
func (c *streamCall) run(item *cell, yield func(error) bool) {
	c = &streamCall{streamProxy: c.streamProxy, ctx: c.ctx, payload: c.payload, err: c.err, src: c.src}
	left := false
	err := c.intercepted(func() (err error) {
		left, err = c.iterate(item, yield)
		return err
	})
	if err != nil && !left {
		item.clear()
		yield(err)
	}
}

// iterate makes the call and yields the items that come. It returns why the call failed, and whether the loop was left,
// which is its failure then.
func (c *streamCall) iterate(item *cell, yield func(error) bool) (left bool, err error) {
	if err := c.begin(); err != nil {
		return false, err
	}
	over := false
	defer func() {
		if !over { // the loop was left, by a panic perhaps
			c.cancel()
		}
		c.measure()
	}()
	c.startSending()
	for {
		if err := c.takes.receive(&c.v.Stream, item); err != nil {
			if c.repeat(err) {
				continue
			}
			over = true
			return false, c.end(err)
		}
		c.accept()
		if !yield(nil) {
			return true, c.callError(errLeft)
		}
		item.clear()
	}
}

// begin makes the call.
func (c *streamCall) begin() (err error) {
	if c.err != nil {
		return notBegun(c.ctx, c.name, c.err)
	}
	c.request = request{Request: link.Request{Payload: c.payload}}
	c.v, err = c.openStream(c.ctx, c.client, &c.request, nil)
	return err
}

// measure notes what the streams of the last attempt took.
func (c *streamCall) measure() {
	came, given := c.v.Size()
	c.came, c.given = c.came+came, given
}

// errLeft is the end of a call whose stream its consumer has left.
var errLeft = fmt.Errorf("the stream was left: %w", context.Canceled)

func (c *streamCall) callError(err error) error { return c.client.dialer.known.callError(c.name, err) }

// startSending sends what the call is to send, if anything, on a goroutine of its own.
func (c *streamCall) startSending() {
	if !c.src.IsValid() {
		return
	}
	go func() {
		sent := false
		defer func() {
			if sent {
				return
			}
			if v := recover(); v != nil {
				panic(v) // at once: the end may have to wait
			}
			c.closeSend(errProducerExited)
		}()
		c.send()
		sent = true
	}()
}

// errProducerExited is the end of a stream whose producer called runtime.Goexit.
var errProducerExited = errors.New("the producer of the stream ended its goroutine (runtime.Goexit)")

// send sends what the call is to send, and its end. It returns why it could not, which the server has learnt then; what
// else may go wrong the call tells in the end.
func (c *streamCall) send() error {
	failed, unsent := c.sends.send(c, c.src)
	if unsent != nil {
		failed = unsent
	}
	if ownFault(unsent) {
		c.fault.Store(&unsent)
	}
	c.closeSend(failed)
	return unsent
}

// end ends a call whose stream has ended by err, and returns why it failed.
func (c *streamCall) end(err error) error {
	if ownFault(err) {
		return c.giveUp(err)
	}
	reply, failed := c.finish()
	failed = scopeOf(c.ctx).collect(&reply, failed)
	reply.Release()
	if failed == nil && err != io.EOF {
		failed = err
	}
	if fault := c.fault.Load(); fault != nil && !unexecuted(failed) {
		answered := failed != nil && !errors.Is(failed, ErrMaybeExecuted)
		if failed = *fault; !answered { // or well, by a method that went on
			failed = fmt.Errorf("%w: %w", ErrMaybeExecuted, failed)
		}
	}
	if failed == nil {
		return nil
	}
	return c.callError(failed)
}

// ownFault reports whether a stream ended by what this side can't send or take, and not by the call's end.
func ownFault(err error) bool {
	var large *link.TooLargeError
	var bad *itemError
	var unencoded *codec.Error
	return errors.As(err, &large) || errors.As(err, &bad) || errors.As(err, &unencoded)
}

// giveUp ends a call that can't go on by a fault of this side. The server may have begun it.
func (c *streamCall) giveUp(fault error) error {
	c.cancel()
	return c.callError(fmt.Errorf("%w: %w", ErrMaybeExecuted, fault))
}

// upload is the function where only the client streams.
func (c *streamCall) upload() []reflect.Value {
	out := make([]reflect.Value, 0, len(c.sig.results)+1)
	results := newValues(c.sig.results)
	err := c.intercepted(func() error { return c.uploadTo(&results) })
	if err != nil {
		results = newValues(c.sig.results)
	}
	out = append(out, results.elems...)
	return append(out, reflect.ValueOf(&err).Elem())
}

func (c *streamCall) uploadTo(results *values) error {
	if err := c.begin(); err != nil {
		return err
	}
	over := false
	defer func() {
		if !over { // the items panicked
			c.cancel()
		}
		c.measure()
	}()
	unsent := c.send()
	over = true
	if ownFault(unsent) {
		return c.giveUp(unsent)
	}
	for c.repeat(io.EOF) { // which sends it all again
	}
	reply, err := c.finish()
	if err = scopeOf(c.ctx).collect(&reply, err); err != nil {
		return c.callError(err)
	}
	c.came = int64(len(reply.Body))
	if c.codec.Name() == "raw" {
		if len(results.ptrs) > 0 {
			*results.ptrs[0].(*[]byte) = reply.Body // memory of its own
		}
		return nil
	}
	defer reply.Release()
	if err := c.results.Decode(reply.Body, results.ptrs); err != nil {
		return c.callError(err)
	}
	return nil
}
