package hotline

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"sync"
	"sync/atomic"

	"hotline/codec"
	"hotline/internal/link"
	"hotline/internal/shape"
	"hotline/internal/wire"
)

// Client is a connection to a service. It makes untyped calls, for tools; programs use a struct of typed functions, see
// [ClientMethodsBase]. Many goroutines may use it at once. When its link is lost, the next call makes a new one.
type Client struct {
	dialer    *Dialer
	target    *target
	addresses []address
	methods   []*binding
	buffers   *link.Buffers

	session atomic.Pointer[session]
	dialing chan struct{} // holds a token while a goroutine makes a new session

	mu     sync.Mutex
	links  []*link.Client // guarded by mu: those that may still have calls in flight
	closed bool           // guarded by mu
}

// ServiceInfo is what a service says of itself.
type ServiceInfo struct {
	Name     string
	Port     string
	Version  string
	Instance string // which instance of the service this client is linked to
	Address  string // by which it is linked
	Methods  []MethodInfo
}

// MethodInfo describes a method of a service.
type MethodInfo struct {
	Name      string // on the wire
	Codec     string
	Signature string // in Go, without names of parameters
	Doc       string // doc comment, where the server knows it
	Arguments string // shape of the arguments; the grammar is in spec.md
	Results   string // shape of the results
}

// Dial connects to a service by "name", "name@major" or port, for untyped calls. Addresses are as in [Connect].
func Dial(ctx context.Context, service string, addresses ...string) (*Client, error) {
	return new(Dialer).Dial(ctx, service, addresses...)
}

// Dial is [Dial] with this dialer's options.
func (d *Dialer) Dial(ctx context.Context, service string, addresses ...string) (*Client, error) {
	t, err := parseTarget(service)
	if err != nil {
		return nil, fmt.Errorf("hotline: service %q: %w", service, err)
	}
	c, err := d.newClient(t, addresses)
	if err == nil {
		err = c.refresh(ctx, nil)
	}
	if err != nil {
		return nil, fmt.Errorf("hotline: connect to %s: %w", service, err)
	}
	return c, nil
}

func (d *Dialer) newClient(t *target, addresses []string) (*Client, error) {
	dialer, err := d.withDefaults()
	if err != nil {
		return nil, err
	}
	parsed, err := parseAddresses(addresses)
	if err != nil {
		return nil, err
	}
	return &Client{dialer: dialer, target: t, addresses: parsed, buffers: new(link.Buffers), dialing: make(chan struct{}, 1)}, nil
}

// Service returns what the service said of itself when the present link was made.
func (c *Client) Service() ServiceInfo {
	s := c.session.Load()
	w := s.welcome
	info := ServiceInfo{Name: w.Service, Port: w.Port, Version: w.ServiceVersion, Instance: w.Instance, Address: s.address}
	for _, m := range w.Methods {
		info.Methods = append(info.Methods, MethodInfo{Name: m.Name, Codec: m.Codec, Signature: m.Signature, Doc: m.Doc,
			Arguments: m.Arguments, Results: m.Results})
	}
	return info
}

// Call calls a method by its name on the wire, with the method's own codec. Arguments are checked against what the
// method takes before anything is sent. out is where the result goes: a pointer for one result, a []any of pointers
// for any number, nil to drop them.
func (c *Client) Call(ctx context.Context, method string, out any, args ...any) error {
	results, ok := out.([]any)
	if !ok && out != nil {
		results = []any{out}
	}
	return c.do(ctx, method, false, func(s *session) error {
		return c.callUntyped(ctx, s, method, out != nil, results, args)
	})
}

// Future is a call that was started by Go.
type Future struct {
	done chan struct{}
	err  error
}

// Done is closed when the call has ended.
func (f *Future) Done() <-chan struct{} { return f.done }

// Wait waits for the call's end and returns its error. The results are in what Go was given as out.
func (f *Future) Wait() error {
	<-f.done
	return f.err
}

// Go starts a call as [Client.Call] makes it, and returns at once. out and args must be left alone until it has ended.
func (c *Client) Go(ctx context.Context, method string, out any, args ...any) *Future {
	f := &Future{done: make(chan struct{})}
	go func() {
		defer close(f.done)
		f.err = c.Call(ctx, method, out, args...)
	}()
	return f
}

// Ping waits until the service has answered through the path that calls take.
func (c *Client) Ping(ctx context.Context) error {
	return c.do(ctx, "ping", true, func(s *session) error { return s.link.Ping(ctx) })
}

// Close ends the client: calls in flight fail with ErrClosed, and so do later ones. It is idempotent.
func (c *Client) Close() error {
	c.mu.Lock()
	c.closed = true
	links := c.links
	c.links = nil
	c.mu.Unlock()
	for _, l := range links {
		l.Close()
	}
	return nil
}

func (c *Client) isClosed() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.closed
}

// callUntyped makes one attempt at a call whose types are known at run time only.
func (c *Client) callUntyped(ctx context.Context, s *session, method string, wanted bool, results, args []any) error {
	number, m, err := s.find(method)
	if err != nil {
		return err
	}
	by, err := codec.Find(m.Codec, c.dialer.Codecs)
	if err != nil {
		return fmt.Errorf("%w: %w", ErrNotExecuted, err)
	}
	sent := pointers(args)
	if err := checkUntyped(m, by, "arguments", m.Arguments, sent); err != nil {
		return err
	}
	if wanted {
		if err := checkUntyped(m, by, "results", m.Results, results); err != nil {
			return err
		}
	}
	payload, err := by.Append(nil, sent)
	if err != nil {
		return fmt.Errorf("%w: %w", ErrNotExecuted, err)
	}
	reply, err := s.link.Call(ctx, &link.Request{Method: number, Payload: payload})
	if err != nil {
		return err
	}
	defer reply.Release()
	if !wanted {
		return nil
	}
	if err := by.Decode(reply.Body, results); err != nil {
		return fmt.Errorf("results of %s: %w", m.Signature, err)
	}
	return nil
}

// do makes a call on the present session, and again on a new one where again says so.
func (c *Client) do(ctx context.Context, method string, idempotent bool, call func(*session) error) error {
	s := c.session.Load()
	err := call(s)
	if err != nil && again(err, idempotent) {
		err = c.retry(ctx, method, idempotent, s, err, call)
	}
	if err != nil {
		return callError(method, err)
	}
	return nil
}

// attempts is how often a call is made at most, its first time included.
const attempts = 3

// retry makes a call again that was lost with the session s, on a new one.
func (c *Client) retry(ctx context.Context, method string, idempotent bool, s *session, cause error, call func(*session) error) error {
	for n := 1; n < attempts && again(cause, idempotent); n++ {
		c.dialer.Logger.Debug().Err(cause).Str("method", method).Msg("calling again on a new link")
		if err := c.refresh(ctx, s); errors.Is(err, ErrClosed) {
			return cause
		} else if err != nil {
			return fmt.Errorf("%w, and no new link could be made: %w", cause, err)
		}
		s = c.session.Load()
		cause = call(s)
	}
	return cause
}

// again reports whether a call that ended with err should be made again on a new link.
func again(err error, idempotent bool) bool {
	var remote *wire.Error
	var large *link.TooLargeError
	switch {
	case errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) || errors.As(err, &large):
		return false
	case errors.As(err, &remote):
		return remote.Code == wire.CodeDraining
	case errors.Is(err, link.ErrMaybeExecuted):
		return idempotent
	}
	return errors.Is(err, link.ErrLost) || errors.Is(err, link.ErrDraining)
}

// refresh replaces the session old, unless another goroutine has done so already.
func (c *Client) refresh(ctx context.Context, old *session) error {
	select {
	case c.dialing <- struct{}{}:
		defer func() { <-c.dialing }()
	case <-ctx.Done():
		return ctx.Err()
	}
	if c.session.Load() != old {
		return nil
	}
	if c.isClosed() {
		return ErrClosed
	}
	s, err := c.connect(ctx)
	if err != nil {
		return err
	}
	return c.adopt(s)
}

// adopt makes s the session of the calls to come, and forgets links that have ended.
func (c *Client) adopt(s *session) error {
	c.mu.Lock()
	if c.closed {
		c.mu.Unlock()
		s.link.Close()
		return ErrClosed
	}
	var live, ended []*link.Client
	for _, l := range c.links {
		if l.Err() != nil {
			ended = append(ended, l)
		} else {
			live = append(live, l)
		}
	}
	c.links = append(live, s.link)
	c.session.Store(s)
	c.mu.Unlock()
	for _, l := range ended {
		l.Close()
	}
	return nil
}

// find returns the number and the row of a method.
func (s *session) find(method string) (uint16, *wire.Method, error) {
	for i := range s.welcome.Methods {
		if m := &s.welcome.Methods[i]; m.Name == method {
			return uint16(i), m, nil
		}
	}
	return 0, nil, wire.Errorf(wire.CodeNoMethod, "service %s has no method %s", s.welcome.Service, method)
}

// pointers returns a pointer to a copy of each value, as codecs take them.
func pointers(args []any) []any {
	all := make([]any, len(args))
	for i, a := range args {
		if a == nil {
			all[i] = new(any)
			continue
		}
		p := reflect.New(reflect.TypeOf(a))
		p.Elem().Set(reflect.ValueOf(a))
		all[i] = p.Interface()
	}
	return all
}

// checkUntyped compares the types that pointers point to with what a method has.
func checkUntyped(m *wire.Method, c codec.Codec, what, theirs string, ptrs []any) error {
	types := make([]reflect.Type, len(ptrs))
	for i, p := range ptrs {
		v := reflect.ValueOf(p)
		if v.Kind() != reflect.Pointer || v.IsNil() {
			return fmt.Errorf("%w: result %d is %T: pass a non-nil pointer", ErrNotExecuted, i+1, p)
		}
		types[i] = v.Type().Elem()
	}
	ours, err := shape.Of(types, fieldsOf(c))
	if err == nil && ours != theirs {
		err = shape.Compatible(ours, theirs)
	}
	if err != nil {
		return fmt.Errorf("%w: %s do not fit %s: %w", ErrNotExecuted, what, m.Signature, err)
	}
	return nil
}
