package hotline

import (
	"context"
	"errors"
	"fmt"
	"reflect"
)

// ClientMethodsBase makes the struct that embeds it a client. The tag of the embedded field says which service it is
// for, as that of [ServerMethodsBase] does; of port and name at least one is needed, and a version asks for the same
// first number. The fields of function type, its own and those of structs that it embeds, become the methods:
//
//	type Client struct {
//		hotline.ClientMethodsBase `port:"5555" name:"echo_serv"`
//		EchoRaw func(ctx context.Context, data []byte) ([]byte, error) `codec:"raw"`
//	}
//
// Such a function has the form func([ctx context.Context,] args...) ([results...,] error): a call can always fail. Its
// tag may have codec (raw, json, msgpack, cbor, gob or one of the Dialer's own; by default the server's choice, the
// same at all instances of the service), name (of the method on the wire, where it differs from the field), timeout (a
// duration such as "2s", for all attempts at the call together, beside the context's own deadline), idempotent ("true"
// where a call may be made twice, so that it is made again when the link was lost in the middle) and oneway.
//
// A function with oneway:"true" has no result but error, and returns when its arguments are on their way. nil means
// that the method is executed once unless the link is lost, or the server refuses the call, meanwhile; nobody is told
// that, nor what the method returned, but for a debug line in the Dialer's log. A server that begins to drain refuses the
// calls that are on their way to it, and they are not made again at another instance. Such calls may overtake each other.
// They count as in flight until the method has ended, and where there are MaxInFlight of them the next one waits.
//
// A function whose method streams has the method's form, with error as its last result unless that is an iter.Seq2:
//
//	Count   func(ctx context.Context, to int) iter.Seq2[int, error]
//	Upload  func(ctx context.Context, name string, parts iter.Seq2[Part, error]) (int, error)
//	Chat    func(ctx context.Context, lines iter.Seq[string]) iter.Seq2[string, error]
//	Put     func(ctx context.Context, name []byte, r io.Reader) error
//	Get     func(ctx context.Context, name []byte) (io.ReadCloser, error)
//
// The call behind a result iter.Seq2 is made when it is ranged over, and again each time that it is; the arguments
// are taken when the function is called. Whatever goes wrong, in the method or on the way, is the error of the last
// pair, behind all items that came before it. Leaving the loop ends the method's context and frees everything on both
// sides. ctx, like the timeout, is for the stream as a whole. What a client streams is iterated by the calling
// goroutine; where both sides stream, by a goroutine of its own that ends with the next item after the call has:
// items that wait for something should give up when ctx ends. A function that returns an io.ReadCloser waits for the
// first bytes, so that a method that fails at once fails the call; Close frees the call and must be called, by any
// goroutine: one that reads meanwhile gets [ErrClosed].
//
// A stream's consumer is at most 1 MiB behind its producer, who waits then, and by less where many streams share a link. Nobody
// else waits.
//
// After [Connect] the functions may be called by many goroutines at once. They keep nothing of their arguments once
// they have returned, and their results belong to the caller. A [Buffer] has rules of its own. The errors are those
// of the package; see [Error], [ErrNotExecuted] and [ErrMaybeExecuted].
type ClientMethodsBase struct{ client *Client }

var clientBaseType = reflect.TypeFor[ClientMethodsBase]()

// Call is [Client.Call].
func (b *ClientMethodsBase) Call(ctx context.Context, method string, out any, args ...any) error {
	if b.client == nil {
		return fmt.Errorf("hotline: %s: %w: %w", method, ErrNotExecuted, ErrNotConnected)
	}
	return b.client.Call(ctx, method, out, args...)
}

// Go is [Client.Go].
func (b *ClientMethodsBase) Go(ctx context.Context, method string, out any, args ...any) *Future {
	if b.client == nil {
		f := &Future{done: make(chan struct{}), err: fmt.Errorf("hotline: %s: %w: %w", method, ErrNotExecuted, ErrNotConnected)}
		close(f.done)
		return f
	}
	return b.client.Go(ctx, method, out, args...)
}

// Client returns the client that the functions use, or nil before Connect.
func (b *ClientMethodsBase) Client() *Client { return b.client }

// Close is [Client.Close]. The functions stay, and fail with ErrClosed; Connect may be called again.
func (b *ClientMethodsBase) Close() error {
	if b.client == nil {
		return nil
	}
	return b.client.Close()
}

// Connect links a client to its service: it looks for the service at the addresses, in order, checks that every method
// of the client is there with the same codec and compatible types, and fills the client's functions in. A place that does not
// answer at once is given a moment, and then the next one is tried beside it. client is a pointer to a struct that embeds
// [ClientMethodsBase]. Addresses are
//
//	auto://                the fastest way to an instance on this machine; also what no address means
//	shm://, unix://        shared memory, a unix socket: looked up in the runtime directory, or with a path
//	tcp://host[:port]      TCP, by default to the service's port
//	tls://host[:port]      TLS over TCP
//	inproc://              the server in this process that Dialer.Server names; directly where Dialer.Direct says so
//
// ctx bounds the connecting only. When the link is lost later, the next call makes a new one in the same way. Of several
// addresses all are used: see [Client].
func Connect(ctx context.Context, client any, addresses ...string) error {
	return new(Dialer).Connect(ctx, client, addresses...)
}

// Connect is [Connect] with this dialer's options.
func (d *Dialer) Connect(ctx context.Context, client any, addresses ...string) error {
	v := reflect.ValueOf(client)
	if v.Kind() != reflect.Pointer || v.IsNil() || v.Elem().Kind() != reflect.Struct {
		return fmt.Errorf("hotline: connect %T: a client is a non-nil pointer to a struct: pass &client", client)
	}
	name := typeName(v.Type())
	t, base, err := clientTarget(v.Elem())
	if err != nil {
		return fmt.Errorf("hotline: connect %s: %w", name, err)
	}
	c, err := d.newClient(t, addresses)
	if err == nil {
		c.methods, err = bindings(v.Elem(), base, c.dialer.Codecs)
	}
	if err == nil {
		err = c.link(ctx)
	}
	if err != nil {
		return fmt.Errorf("hotline: connect %s: %w", name, err)
	}
	s := c.pool.hot.Load()
	for i, m := range c.methods {
		m.field.Set(m.with(s.encodings[i]).proxy(c))
	}
	v.Elem().FieldByName(clientBaseType.Name()).Addr().Interface().(*ClientMethodsBase).client = c
	return nil
}

// clientTarget finds the base that a client embeds and reads its tag.
func clientTarget(v reflect.Value) (*target, baseTags, error) {
	f, ok := v.Type().FieldByName(clientBaseType.Name())
	if !ok || f.Type != clientBaseType || !f.Anonymous {
		return nil, baseTags{}, errors.New("it does not embed hotline.ClientMethodsBase: add the field hotline.ClientMethodsBase `port:\"5555\" name:\"a_name\"`")
	}
	base, err := parseBase(f.Tag, clientKeys)
	if err != nil {
		return nil, base, err
	}
	if base.port == "" && base.name == "" {
		return nil, base, fmt.Errorf("the tag of hotline.ClientMethodsBase needs a name or a port: `port:\"5555\" name:\"a_name\"`, it is %q", f.Tag)
	}
	field, err := fieldOf(v, f)
	if err != nil {
		return nil, base, err
	}
	if old := field.Addr().Interface().(*ClientMethodsBase).client; old != nil && !old.pool.isClosed() {
		return nil, base, errors.New("it is connected already: Close it first, or connect another one")
	}
	return &target{name: base.name, port: base.port, version: base.version}, base, nil
}
