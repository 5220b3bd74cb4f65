package hotline

import (
	"errors"
	"fmt"
	"reflect"
	"slices"

	"hotline/codec"
	"hotline/internal/shape"
	"hotline/internal/wire"
)

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
		b, err := newBinding(v, f, base, codecs)
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

// fieldOf returns a field of a client, its own or one of a struct that it embeds.
func fieldOf(v reflect.Value, f reflect.StructField) (reflect.Value, error) {
	field, err := v.FieldByIndexErr(f.Index)
	if err != nil {
		return field, fmt.Errorf("%w: embed the struct itself, or set the pointer first", err)
	}
	return field, nil
}

func newBinding(v reflect.Value, f reflect.StructField, base baseTags, codecs []codec.Codec) (*binding, error) {
	field, err := fieldOf(v, f)
	if err != nil {
		return nil, err
	}
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
	if !sig.canFail() {
		return nil, fmt.Errorf("%s must have error as its last result: a call can always fail", f.Type)
	}
	if tags.oneway && len(sig.results) > 0 {
		return nil, fmt.Errorf("%s has results, and oneway does not wait for them: return error alone, or take the oneway tag away", f.Type)
	}
	if tags.oneway && sig.streams() {
		return nil, fmt.Errorf("%s streams, and oneway waits for nothing: take the oneway tag away", f.Type)
	}
	b := &binding{name: f.Name, wire: wireName(f.Name, tags), field: field, sig: sig, tags: tags, codecs: codecs}
	name := tags.codec
	if name == "" && !sig.isEcho() {
		name = base.codec
	}
	if name == "" && sig.mustBeRaw() {
		name = "raw"
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
