package hotline

import (
	"context"
	"errors"
	"fmt"
	"go/token"
	"reflect"

	"hotline/codec"
	"hotline/internal/shape"
	"hotline/internal/wire"
)

// NetRPC makes a service of a receiver that was written for package net/rpc, as it is. A pointer to it is registered in
// place of a service:
//
//	server.Register(&hotline.NetRPC{Receiver: new(Arith), Port: "5555"})
//
// Served are the methods that net/rpc serves, func(args A, reply *R) error with exported or built-in types A and R; others
// are left out, as they are there. To a client they are methods func(A) (R, error):
//
//	Multiply func(ctx context.Context, args Args) (int, error)
//
// A method gets memory of its own for args and reply with each call, and may keep it. When it returns an error, reply
// is not sent.
type NetRPC struct {
	Receiver any    // its exported methods are called by many goroutines at once
	Port     string // as the tag of [ServerMethodsBase] has it: a number or a word
	Name     string // of the service; by default the receiver's type has the name
	Version  string // one to three numbers, or empty
	Codec    string // for all methods; msgpack by default. gob takes what net/rpc took, from trusted peers
}

// service checks and compiles n.
func (n *NetRPC) service(codecs []codec.Codec) (*service, error) {
	v := reflect.ValueOf(n.Receiver)
	if !v.IsValid() || v.Kind() == reflect.Pointer && v.IsNil() {
		return nil, errors.New("hotline: register NetRPC: Receiver is nil: set it to what rpc.Register was given")
	}
	typ := typeName(v.Type())
	base, err := n.base(v)
	if err != nil {
		return nil, fmt.Errorf("hotline: register NetRPC of %s: %w", typ, err)
	}
	methods, err := n.discover(v, codecs)
	if err != nil {
		return nil, fmt.Errorf("hotline: register NetRPC: %w", err)
	}
	return assemble(n, typ, base, methods), nil
}

// base is what a tag would say.
func (n *NetRPC) base(v reflect.Value) (baseTags, error) {
	b := baseTags{port: n.Port, name: n.Name, version: n.Version, codec: n.Codec}
	if b.name == "" {
		b.name = reflect.Indirect(v).Type().Name()
	}
	if b.port == "" || b.name == "" {
		return b, errors.New("it needs a Port, and a Name where the receiver's type has none")
	}
	return b, b.check()
}

// discover finds the methods that net/rpc would serve, and compiles them.
func (n *NetRPC) discover(v reflect.Value, codecs []codec.Codec) ([]*method, error) {
	name := n.Codec
	if name == "" {
		name = "msgpack"
	}
	c, err := codec.Find(name, codecs)
	if err != nil {
		return nil, err
	}
	var methods []*method
	var failures []error
	for i := range v.NumMethod() {
		m := v.Type().Method(i)
		if !isNetRPC(m.Type) {
			continue
		}
		compiled, err := compileNetRPC(v, m, c)
		if err != nil {
			failures = append(failures, fmt.Errorf("%s.%s: %w", typeName(v.Type()), m.Name, err))
			continue
		}
		methods = append(methods, compiled)
	}
	if len(methods) == 0 && len(failures) == 0 {
		failures = append(failures, fmt.Errorf("%s has no method func(args A, reply *R) error with exported types%s", v.Type(), passPointer(v)))
	}
	return methods, errors.Join(failures...)
}

// passPointer is the mend where a pointer has the methods.
func passPointer(v reflect.Value) string {
	if v.Kind() != reflect.Pointer && reflect.PointerTo(v.Type()).NumMethod() > v.NumMethod() {
		return ": pass a pointer to it"
	}
	return ""
}

// isNetRPC reports whether net/rpc serves a method of this type, whose first parameter is the receiver.
func isNetRPC(t reflect.Type) bool {
	return t.NumIn() == 3 && t.NumOut() == 1 && t.Out(0) == errorType && !t.IsVariadic() &&
		isPublic(t.In(1)) && t.In(2).Kind() == reflect.Pointer && isPublic(t.In(2))
}

// isPublic reports whether a client in another package can have t.
func isPublic(t reflect.Type) bool {
	for t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	return t.PkgPath() == "" || token.IsExported(t.Name())
}

// compileNetRPC makes what calls one method.
func compileNetRPC(v reflect.Value, m reflect.Method, c codec.Codec) (*method, error) {
	sig := signature{args: []reflect.Type{m.Type.In(1)}, results: []reflect.Type{m.Type.In(2).Elem()}, err: true}
	args, results, err := sig.shapes(c)
	if err == nil && sig.placed() {
		err = errors.New("a *hotline.Buffer is for methods of hotline's own form: take []byte")
	}
	if err != nil {
		return nil, err
	}
	t := newTypedMethod(v, m, &sig, c)
	t.form, t.slow = nil, t.callNetRPC
	return &method{
		name: m.Name, trustedOnly: codec.TrustedOnly(c), invoke: t.invoke, direct: asValues, sig: &sig,
		wire: wire.Method{
			Name: m.Name, Codec: c.Name(), Arguments: args, Results: results, Signature: sig.text(m.Name),
			Fingerprint: shape.Fingerprint(args + results),
		},
	}, nil
}

// callNetRPC enters a method that writes its result to what its last parameter points to. That is new memory, because the
// method may keep it.
func (t *typedMethod) callNetRPC(_ context.Context, v *frame) error {
	reply := newReply(t.sig.results[0])
	out := t.fn.Call([]reflect.Value{t.recv, v.args.elems[0], reply})
	if err, _ := out[0].Interface().(error); err != nil {
		return err
	}
	v.results.elems[0].Set(reply.Elem())
	return nil
}

// newReply returns a pointer to a new t. Maps and slices are there, as net/rpc has them.
func newReply(t reflect.Type) reflect.Value {
	p := reflect.New(t)
	switch t.Kind() {
	case reflect.Map:
		p.Elem().Set(reflect.MakeMap(t))
	case reflect.Slice:
		p.Elem().Set(reflect.MakeSlice(t, 0, 0))
	}
	return p
}
