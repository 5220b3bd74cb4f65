package hotline

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"reflect"
	"strings"
	"syscall"

	"hotline/codec"
	"hotline/internal/link"
	"hotline/internal/wire"
	"hotline/registry"
)

// ServerMethodsBase makes the struct that embeds it a service. The tag of the embedded field says how it is reached:
//
//	hotline.ServerMethodsBase `port:"5555" name:"echo_serv" version:"1.0.0"`
//
// port is a number from 1 to 65535, or a word for a service that never leaves its machine; name is what it is called.
// Both are needed. version is one to three numbers; services of one name and different first numbers live side by
// side. codec is for methods that have no codec of their own (msgpack). except lists exported methods, by commas,
// that are not served.
//
// Every other exported method is served, but for Start(ctx) error and Stop(ctx) error, which the server calls before
// the first and after the last call. Methods have the form
//
//	func([ctx context.Context,] args...) ([results...] [, error])
//
// with any number of arguments and results, sent by position. Methods that stream have one of the forms
//
//	func([ctx,] args...) iter.Seq2[T, error]                          the server streams
//	func([ctx,] args..., items iter.Seq[T]) ([results...] [, error])  the client streams; or iter.Seq2[T, error]
//	func([ctx,] args..., items iter.Seq[T]) iter.Seq2[T, error]       both, at the same time
//	func([ctx,] args..., r io.Reader) ([results...] [, error])        the client streams bytes, codec raw
//	func([ctx,] args...) (io.ReadCloser [, error])                    the server streams bytes, codec raw
//
// and [ClientMethodsBase] says how. A method's items may be iterated once, and until it returns, or until the iterator
// that it returned does. A method that takes an iter.Seq can't see that the client's stream has failed, so its call fails
// whatever it returns; with iter.Seq2 the error is the last pair. A ReadCloser is closed by the server. A method that can't be served is an error when the
// service is registered. Methods are called by many goroutines at once. A []byte argument of a raw method is valid
// until the method returns; what a raw method returns must not change afterwards. For large messages a raw method may have a
// *Buffer in the place of a []byte; see [Buffer] for who owns it.
//
// A struct of function fields that is embedded beside the base, and that clients embed too, gives the methods of the
// same names its tags; see [ClientMethodsBase].
type ServerMethodsBase struct{}

var serverBaseType = reflect.TypeFor[ServerMethodsBase]()

// baseTags is what the tag of a base says.
type baseTags struct {
	port, name, version, codec string
	except                     []string
}

// service is a registered service: its methods, compiled.
type service struct {
	value   any
	typ     string // "echo.Server", for people
	base    baseTags
	methods []*method
	table   []wire.Method
	slow    *link.Methods
}

// starter and stopper are the life cycle that a service may have.
type (
	starter interface {
		Start(ctx context.Context) error
	}
	stopper interface {
		Stop(ctx context.Context) error
	}
)

// checkLifeCycle finds a Start or Stop that would never be called.
func checkLifeCycle(t reflect.Type) error {
	if _, has := t.MethodByName("Start"); has && !t.Implements(reflect.TypeFor[starter]()) {
		return errors.New("method Start must be func(context.Context) error: it starts the service and is not served, so rename it if it is a call")
	}
	if _, has := t.MethodByName("Stop"); has && !t.Implements(reflect.TypeFor[stopper]()) {
		return errors.New("method Stop must be func(context.Context) error: it stops the service and is not served, so rename it if it is a call")
	}
	return nil
}

// newService checks and compiles a service.
func newService(value any, codecs []codec.Codec, docs map[string]string) (*service, error) {
	if n, ok := value.(*NetRPC); ok && n != nil {
		return n.service(codecs)
	}
	v := reflect.ValueOf(value)
	if v.Kind() != reflect.Pointer || v.IsNil() || v.Elem().Kind() != reflect.Struct {
		return nil, fmt.Errorf("hotline: register %T: a service is a non-nil pointer to a struct: pass &T{} or new(T)", value)
	}
	base, err := serverBase(v.Type().Elem())
	if err == nil {
		err = checkLifeCycle(v.Type())
	}
	if err != nil {
		return nil, fmt.Errorf("hotline: register %s: %w", typeName(v.Type()), err)
	}
	methods, err := discover(v, base, codecs, docs)
	if err != nil {
		return nil, fmt.Errorf("hotline: register: %w", err)
	}
	return assemble(value, typeName(v.Type()), base, methods), nil
}

// assemble makes a service of its parts.
func assemble(value any, typ string, base baseTags, methods []*method) *service {
	s := &service{value: value, typ: typ, base: base, methods: methods, slow: link.NewMethods(len(methods))}
	for _, m := range methods {
		s.table = append(s.table, m.wire)
	}
	return s
}

// serverBase finds the base that t embeds and reads its tag.
func serverBase(t reflect.Type) (baseTags, error) {
	f, ok := t.FieldByName(serverBaseType.Name())
	if !ok || f.Type != serverBaseType || !f.Anonymous {
		return baseTags{}, errors.New("it does not embed hotline.ServerMethodsBase: add the field hotline.ServerMethodsBase `port:\"5555\" name:\"a_name\"`")
	}
	base, err := parseBase(f.Tag, baseKeys)
	if err != nil {
		return base, err
	}
	if base.port == "" || base.name == "" {
		return base, fmt.Errorf("the tag of hotline.ServerMethodsBase needs port and name: `port:\"5555\" name:\"a_name\"`, it is %q", f.Tag)
	}
	return base, nil
}

// parseBase reads the tag of either base.
func parseBase(tag reflect.StructTag, known []string) (baseTags, error) {
	values, err := parseTag(tag, known)
	if err != nil {
		return baseTags{}, err
	}
	b := baseTags{port: values["port"], name: values["name"], version: values["version"], codec: values["codec"]}
	for name := range strings.SplitSeq(values["except"], ",") {
		if name = strings.TrimSpace(name); name != "" {
			b.except = append(b.except, name)
		}
	}
	return b, b.check()
}

// check reports what is wrong with the values that are there.
func (b *baseTags) check() (err error) {
	if b.port != "" {
		err = registry.CheckPort(b.port)
	}
	if b.name != "" && err == nil {
		err = registry.CheckName(b.name)
	}
	if err == nil {
		_, err = registry.Major(b.version)
	}
	return err
}

// learn tells the methods that need it which errors the server knows, before the first call.
func (s *service) learn(known *knownErrors) {
	for _, m := range s.methods {
		if m.stream != nil {
			m.stream.known = known
		}
	}
}

// answer decides whether a client that said hello is welcome.
func (s *service) answer(hello *wire.Hello, o *Server, instance string) (*wire.Welcome, *wire.Error) {
	switch {
	case hello.Service != "" && hello.Service != s.base.name:
		return nil, wire.Errorf(wire.CodeRefused, "this is service %s, not %s", s.base.name, hello.Service)
	case hello.Port != "" && hello.Port != s.base.port:
		return nil, wire.Errorf(wire.CodeRefused, "service %s has port %s, not %s", s.base.name, s.base.port, hello.Port)
	case hello.ServiceVersion != "" && !s.isOf(hello.ServiceVersion):
		return nil, wire.Errorf(wire.CodeRefused, "service %s has version %s, the client wants %s: the first number must be the same",
			s.base.name, s.base.version, hello.ServiceVersion)
	}
	return &wire.Welcome{
		MaxMessage: uint32(o.MaxMessage), MaxInFlight: uint32(o.MaxInFlight), Service: s.base.name, Port: s.base.port,
		ServiceVersion: s.base.version, Instance: instance, Methods: s.table,
	}, nil
}

// isFor reports whether s is what a client looks for: of services of one name the one of the version that it wants.
func (s *service) isFor(t *target) bool {
	if t.word != "" {
		return t.word == s.base.name || t.word == s.base.port
	}
	return (t.name == "" || t.name == s.base.name) && (t.port == "" || t.port == s.base.port) && (t.version == "" || s.isOf(t.version))
}

// isOf reports whether a version has the first number of that of s.
func (s *service) isOf(version string) bool {
	mine, _ := registry.Major(s.base.version) // checked at registration
	wanted, err := registry.Major(version)
	return err == nil && mine == wanted
}

// Serve serves services of this process until ctx ends or SIGINT or SIGTERM comes, lets the calls in flight end, and
// returns nil. It is the short form of a [Server] with its defaults.
func Serve(ctx context.Context, services ...any) error {
	ctx, stop := signal.NotifyContext(ctx, os.Interrupt, syscall.SIGTERM)
	defer stop()
	var s Server
	for _, v := range services {
		if err := s.Register(v); err != nil {
			return err
		}
	}
	return s.Serve(ctx)
}
