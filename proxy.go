package hotline

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"sync"

	"hotline/codec"
	"hotline/internal/link"
	"hotline/internal/shape"
	"hotline/internal/wire"
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
// tag may have codec (raw, json, msgpack, cbor, gob or one of the Dialer's own; by default the server's choice), name
// (of the method on the wire, where it differs from the field), timeout (a duration such as "2s", beside the
// context's own deadline) and idempotent ("true" where a call may be made twice, so that it is made again when the
// link was lost in the middle).
//
// After [Connect] the functions may be called by many goroutines at once. They keep nothing of their arguments once
// they have returned, and their results belong to the caller. The errors are those of the package; see [Error],
// [ErrNotExecuted] and [ErrMaybeExecuted].
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
// of the client is there with the same codec and compatible types, and fills the client's functions in. client is a
// pointer to a struct that embeds [ClientMethodsBase]. Addresses are
//
//	auto://                the fastest way to an instance on this machine; also what no address means
//	shm://, unix://        shared memory, a unix socket: looked up in the runtime directory, or with a path
//	tcp://host[:port]      TCP, by default to the service's port
//	tls://host[:port]      TLS over TCP
//	inproc://              the server in this process that Dialer.Server names
//
// ctx bounds the connecting only. When the link is lost later, the next call makes a new one in the same way.
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
		err = c.refresh(ctx, nil)
	}
	if err != nil {
		return fmt.Errorf("hotline: connect %s: %w", name, err)
	}
	for _, m := range c.methods {
		m.field.Set(m.proxy(c))
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
	if old := v.FieldByIndex(f.Index).Addr().Interface().(*ClientMethodsBase).client; old != nil && !old.isClosed() {
		return nil, base, errors.New("it is connected already: Close it first, or connect another one")
	}
	return &target{name: base.name, port: base.port, version: base.version}, base, nil
}

// binding is one function of a client, and the method that it calls.
type binding struct {
	index   int
	name    string // of the field
	wire    string
	field   reflect.Value
	sig     signature
	tags    methodTags
	codec   codec.Codec // nil until the server's choice is known
	codecs  []codec.Codec
	args    string // shapes, known with the codec
	results string
}

// bindings finds and checks the functions of a client.
func bindings(v reflect.Value, base baseTags, codecs []codec.Codec) ([]*binding, error) {
	var all []*binding
	var failures []error
	for _, f := range reflect.VisibleFields(v.Type()) {
		if f.Type.Kind() != reflect.Func || !f.IsExported() {
			continue
		}
		b, err := newBinding(v.FieldByIndex(f.Index), f, base, codecs)
		if err != nil {
			failures = append(failures, fmt.Errorf("field %s: %w", f.Name, err))
			continue
		}
		b.index = len(all)
		all = append(all, b)
	}
	if len(all) == 0 && len(failures) == 0 {
		return nil, errors.New("it has no exported field of function type: add one for each method, or use Dial for untyped calls")
	}
	return all, errors.Join(failures...)
}

func newBinding(field reflect.Value, f reflect.StructField, base baseTags, codecs []codec.Codec) (*binding, error) {
	if _, taken := reflect.PointerTo(clientBaseType).MethodByName(f.Name); taken {
		return nil, fmt.Errorf("the name is that of a method of hotline.ClientMethodsBase: call the field otherwise and add the tag `name:%q`", f.Name)
	}
	tags, err := parseMethodTags(f.Tag)
	if err != nil {
		return nil, err
	}
	sig, err := parseSignature(f.Type, 0)
	if err != nil {
		return nil, err
	}
	if !sig.err {
		return nil, fmt.Errorf("%s must have error as its last result: a call can always fail", f.Type)
	}
	b := &binding{name: f.Name, wire: wireName(f.Name, tags), field: field, sig: sig, tags: tags, codecs: codecs}
	name := tags.codec
	if name == "" && !sig.isEcho() {
		name = base.codec
	}
	if name == "" {
		return b, nil
	}
	return b, b.choose(name)
}

// choose fixes the codec.
func (b *binding) choose(name string) (err error) {
	c, err := codec.Find(name, b.codecs)
	if err != nil {
		return err
	}
	b.args, b.results, err = b.sig.shapes(c)
	if err == nil {
		b.codec = c
	}
	return err
}

// MismatchError says that a client does not fit the service that answered: which methods, and how both sides see them.
type MismatchError struct {
	Service string // name and version
	Address string
	Err     error // one line for each method that does not fit
}

func (e *MismatchError) Error() string {
	return fmt.Sprintf("the client does not fit service %s at %s: %v", e.Service, e.Address, e.Err)
}

// Unwrap returns the differences.
func (e *MismatchError) Unwrap() error { return e.Err }

// bind checks that every method of the client is in the service's table, and returns their numbers.
func (c *Client) bind(w *wire.Welcome, address string) ([]uint16, error) {
	numbers := make([]uint16, len(c.methods))
	var failures []error
	for i, b := range c.methods {
		n := slices.IndexFunc(w.Methods, func(m wire.Method) bool { return m.Name == b.wire })
		if n < 0 {
			failures = append(failures, fmt.Errorf("method %s: the service has none of that name", b.wire))
			continue
		}
		if err := b.fits(&w.Methods[n]); err != nil {
			failures = append(failures, fmt.Errorf("method %s: %w (here %s, there %s)", b.wire, err, b.sig.text(b.name), w.Methods[n].Signature))
			continue
		}
		numbers[i] = uint16(n)
	}
	if len(failures) > 0 {
		return nil, &MismatchError{Service: w.Service + " " + w.ServiceVersion, Address: address, Err: errors.Join(failures...)}
	}
	return numbers, nil
}

// fits compares a function with the service's method.
func (b *binding) fits(m *wire.Method) error {
	if b.codec == nil {
		if err := b.choose(m.Codec); err != nil {
			return err
		}
	}
	if b.codec.Name() != m.Codec {
		return fmt.Errorf("codec %s here, %s there: change the tag to `codec:%q`", b.codec.Name(), m.Codec, m.Codec)
	}
	if shape.Fingerprint(b.args+b.results) == m.Fingerprint {
		return nil
	}
	if err := shape.Compatible(b.args, m.Arguments); err != nil {
		return fmt.Errorf("arguments differ: %w", err)
	}
	if err := shape.Compatible(b.results, m.Results); err != nil {
		return fmt.Errorf("results differ: %w", err)
	}
	return nil
}

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
