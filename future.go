package hotline

import (
	"context"
	"fmt"
)

// Future is a call that was started by [Client.Go].
type Future struct {
	done chan struct{}
	err  error
}

// errExited is the end of a call that ended its goroutine: by an interceptor, say, or a method that was called directly.
var errExited = fmt.Errorf("hotline: %w: its goroutine was ended by runtime.Goexit", ErrMaybeExecuted)

// Done is closed when the call has ended.
func (f *Future) Done() <-chan struct{} { return f.done }

// Wait waits for the call's end and returns its error. The results are in what Go was given as out.
func (f *Future) Wait() error {
	<-f.done
	return f.err
}

// Go starts a call as [Client.Call] makes it, and returns at once. out and args must be left alone until it has ended.
func (c *Client) Go(ctx context.Context, method string, out any, args ...any) *Future {
	f := &Future{done: make(chan struct{}), err: errExited}
	go func() {
		defer close(f.done)
		f.err = c.Call(ctx, method, out, args...)
	}()
	return f
}

// Promise is a call that was started by [Start], and its result.
type Promise[T any] struct {
	future Future
	value  T
}

// Start makes a call on a goroutine of its own, and returns at once:
//
//	sum := hotline.Start(func() (int, error) { return echo.Sum(ctx, 2, 3) })
//	...
//	n, err := sum.Wait()
//
// Requests of calls that are started together leave together where the link is a socket: those that find another being
// written go out with the next write. A method with several results is called in a function that puts them in a struct.
func Start[T any](call func() (T, error)) *Promise[T] {
	p := &Promise[T]{future: Future{done: make(chan struct{}), err: errExited}}
	go func() {
		defer close(p.future.done)
		p.value, p.future.err = call()
	}()
	return p
}

// Done is closed when the call has ended.
func (p *Promise[T]) Done() <-chan struct{} { return p.future.Done() }

// Wait waits for the call's end and returns what it returned. It may be called many times, by many goroutines.
func (p *Promise[T]) Wait() (T, error) {
	err := p.future.Wait()
	return p.value, err
}
