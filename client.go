package hotline

import (
	"context"
	"fmt"
	"reflect"

	"hotline/codec"
	"hotline/internal/link"
	"hotline/internal/shape"
	"hotline/internal/wire"
)

// Client is a connection to a service. It makes untyped calls, for tools; programs use a struct of typed functions, see
// [ClientMethodsBase]. Many goroutines may use it at once.
//
// A client has one link until its calls overlap: then it makes one to every instance of the service that is ready in
// the runtime directory, and to new ones within 100 ms while calls go on overlapping. A call goes over the link that
// was used last while no other call is on it, and else over the one of two, chosen at random, that has fewer calls in
// flight. A call that was not executed, because an instance went away or drains, goes to another one by itself. Where
// there is none it waits for one, until its context ends, or for Dialer.Timeout when that has no end.
type Client struct {
	dialer    *Dialer
	target    *target
	addresses []address
	methods   []*binding
	buffers   *link.Buffers

	pool    pool
	dialing chan struct{} // holds a token while a goroutine makes a link because there is none
	scout   scout
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
		err = c.link(ctx)
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
	c := &Client{dialer: dialer, target: t, addresses: parsed, buffers: new(link.Buffers), dialing: make(chan struct{}, 1)}
	c.scout.init(c)
	return c, nil
}

// Service returns what the instance that was linked last said of itself.
func (c *Client) Service() ServiceInfo {
	s := c.pool.hot.Load()
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
// for any number, nil to drop them. Methods that stream can't be called so.
func (c *Client) Call(ctx context.Context, method string, out any, args ...any) error {
	results, ok := out.([]any)
	if !ok && out != nil {
		results = []any{out}
	}
	return c.do(ctx, method, false, func(s *session, first bool) error {
		return c.callUntyped(ctx, s, first, method, out != nil, results, args)
	})
}

// Ping waits until the service has answered through the path that calls take.
func (c *Client) Ping(ctx context.Context) error {
	return c.do(ctx, "ping", true, func(s *session, _ bool) error { return s.link.Ping(ctx) })
}

// Close ends the client: calls in flight fail with ErrClosed, and so do later ones. It is idempotent.
func (c *Client) Close() error {
	c.scout.stop() // first: it makes links
	c.pool.close()
	return nil
}

// callUntyped makes one attempt at a call whose types are known at run time only.
func (c *Client) callUntyped(ctx context.Context, s *session, first bool, method string, wanted bool, results, args []any) error {
	number, m, err := s.find(method)
	if err != nil {
		return err
	}
	if shape.HasStream(m.Arguments) || shape.HasStream(m.Results) {
		return fmt.Errorf("%w: %s streams: call it by a typed function", ErrNotExecuted, m.Signature)
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
	r := link.Request{Method: number, Payload: payload}
	about := scopeOf(ctx)
	if err := about.attach(&r); err != nil {
		return err
	}
	reply, err := c.send(ctx, s, first, false, &r)
	if err = about.collect(&reply, err); err != nil {
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
