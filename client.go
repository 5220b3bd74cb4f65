package hotline

import (
	"context"
	"fmt"

	"hotline/internal/link"
)

// Client is a connection to a service. It makes untyped calls, for tools; programs use a struct of typed functions, see
// [ClientMethodsBase]. Many goroutines may use it at once.
//
// A client has one link until its calls overlap: then it makes one to every ready instance that its addresses lead to, all of
// one name and major version: to those in the runtime directory, to new ones within 100 ms while calls go on overlapping, and
// to the one behind each address of TCP, TLS or a socket. One that does not answer holds up no other, and is tried again
// later, after 5 s at the most. An instance that is reached in several ways has one link, the fastest.
//
// Calls go over the fastest transport that there is a link by: inproc, then shared memory, unix sockets, TCP or TLS; others are
// for when it ends. A client that had to fall back to a slower address looks for the faster ones every 5 s or more often,
// and comes back. Of links that are alike a call takes the one that was used last while no other call is on it, and else the
// one of two, chosen at random, that has fewer calls in flight. A call that was not executed, because an instance went away
// or drains, goes to another one by itself, unless it is a one-way call that was on its way. Where there is none it waits for
// one, until its context ends, or for Dialer.Timeout when that has no end; it fails at once with a [*MismatchError] where instances
// answer at all of the client's addresses and it fits none of them.
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
// for any number, nil to drop them. Methods that stream can't be called so. As no tag says that the method is idempotent, a call
// that may have been executed is not made again.
func (c *Client) Call(ctx context.Context, method string, out any, args ...any) error {
	results, ok := out.([]any)
	if !ok && out != nil {
		results = []any{out}
	}
	u := &untyped{method: method, wanted: out != nil, results: results, args: args}
	if c.dialer.Interceptors != nil {
		return c.intercepted(ctx, u)
	}
	return u.call(ctx, c)
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
