package hotline

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strings"

	"hotline/codec"
	"hotline/internal/link"
	"hotline/internal/shape"
	"hotline/internal/wire"
)

// method is a method of a service, ready to be called.
type method struct {
	name        string // in Go
	wire        wire.Method
	trustedOnly bool // its codec is for trusted peers
	inPlace     bool // it takes a *Buffer
	kind        CallKind
	stream      *streamMethod // nil for a method without streams
	direct      passing       // how a call in this process is passed to it
	sig         *signature
	invoke      func(ctx context.Context, c *link.Incoming) error
}

// reserved are the methods of a service that are not served: its life cycle.
var reserved = []string{"Start", "Stop"}

// discover finds the methods of a service by reflection and compiles them. Every exported method is served, except
// those of the base, Start and Stop, and those that the base's tag leaves out.
func discover(v reflect.Value, base baseTags, codecs []codec.Codec, docs map[string]string) ([]*method, error) {
	shared, err := sharedTags(v.Type().Elem())
	if err != nil {
		return nil, err
	}
	var methods []*method
	var failures []error
	for i := range v.NumMethod() {
		m := v.Type().Method(i)
		if slices.Contains(reserved, m.Name) || slices.Contains(base.except, m.Name) {
			continue
		}
		tags := shared[m.Name]
		delete(shared, m.Name)
		compiled, err := compile(v, m, tags, base.codec, codecs)
		if err != nil {
			failures = append(failures, fmt.Errorf("%s.%s: %w", typeName(v.Type()), m.Name, err))
			continue
		}
		compiled.wire.Doc = docs[v.Type().Elem().Name()+"."+m.Name]
		methods = append(methods, compiled)
	}
	for name := range shared {
		failures = append(failures, fmt.Errorf("%s: the shared struct has a field %s, and there is no method of that name: add it",
			typeName(v.Type()), name))
	}
	for _, name := range base.except {
		if _, ok := v.Type().MethodByName(name); !ok {
			failures = append(failures, fmt.Errorf("%s: except names %s, which is no method: take it out", typeName(v.Type()), name))
		}
	}
	failures = append(failures, sameNames(methods)...)
	if len(failures) == 0 && len(methods) == 0 {
		failures = append(failures, fmt.Errorf("%s has no exported method to serve: add one (with a pointer receiver or a value receiver)",
			typeName(v.Type())))
	}
	if len(methods) > wire.MaxMethods {
		failures = append(failures, fmt.Errorf("%s has %d methods, at most %d can be served", typeName(v.Type()), len(methods), wire.MaxMethods))
	}
	return methods, errors.Join(failures...)
}

func sameNames(methods []*method) (failures []error) {
	byName := make(map[string]*method)
	for _, m := range methods {
		if other := byName[m.wire.Name]; other != nil {
			failures = append(failures, fmt.Errorf("methods %s and %s are both called %q on the wire: change a name tag",
				other.name, m.name, m.wire.Name))
		}
		byName[m.wire.Name] = m
	}
	return failures
}

// compile checks one method and makes what calls it.
func compile(v reflect.Value, m reflect.Method, tags methodTags, base string, codecs []codec.Codec) (*method, error) {
	sig, err := parseSignature(m.Type, 1)
	if err != nil {
		return nil, err
	}
	c, err := codecFor(&sig, tags.codec, base, codecs)
	if err != nil {
		return nil, err
	}
	args, results, err := sig.shapes(c)
	if err != nil {
		return nil, fmt.Errorf("%w (or leave the method out: `except:%q` on the base)", err, m.Name)
	}
	out := &method{name: m.Name, trustedOnly: codec.TrustedOnly(c), kind: sig.kind(), sig: &sig}
	out.wire = wire.Method{
		Name: wireName(m.Name, tags), Codec: c.Name(), Arguments: args, Results: results, Signature: sig.text(m.Name),
		Fingerprint: shape.Fingerprint(args + results),
	}
	switch {
	case sig.streams():
		out.stream = newStreamMethod(v, m, &sig, c)
		out.invoke = out.stream.invoke
	case sig.placed():
		out.inPlace = sig.takesBuffer()
		out.invoke = newPlacedMethod(v, m, &sig).invoke
	case c.Name() == "raw":
		out.invoke, out.direct = rawInvoker(v, m, &sig), asBytes
	default:
		out.direct = asValues
		out.invoke = newTypedMethod(v, m, &sig, c).invoke
	}
	return out, nil
}

// codecFor chooses a method's codec: the one its tag names, raw for []byte to []byte and where an io.Reader or a *Buffer
// is, else that of the base, else msgpack.
func codecFor(sig *signature, tag, base string, codecs []codec.Codec) (codec.Codec, error) {
	switch {
	case tag != "":
		return codec.Find(tag, codecs)
	case sig.isEcho():
		return codec.Find("raw", nil)
	case base != "":
		return codec.Find(base, codecs)
	}
	return codec.Find("msgpack", nil)
}

func wireName(name string, tags methodTags) string {
	if tags.wireName != "" {
		return tags.wireName
	}
	return name
}

// sharedTags collects the tags of the function fields of the structs that t embeds: the struct that a service shares
// with its clients.
func sharedTags(t reflect.Type) (map[string]methodTags, error) {
	all := make(map[string]methodTags)
	for i := range t.NumField() {
		f := t.Field(i)
		if !f.Anonymous || f.Type.Kind() != reflect.Struct || f.Type == serverBaseType {
			continue
		}
		for _, field := range reflect.VisibleFields(f.Type) {
			if field.Type.Kind() != reflect.Func || !field.IsExported() {
				continue
			}
			tags, err := parseMethodTags(field.Tag)
			if err != nil {
				return nil, fmt.Errorf("%s.%s: %w", f.Type, field.Name, err)
			}
			all[field.Name] = tags
		}
	}
	return all, nil
}

// typeName is a type as a person writes it, without the pointer.
func typeName(t reflect.Type) string { return strings.TrimPrefix(t.String(), "*") }
