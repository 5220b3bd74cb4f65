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

// binding is one function of a client, and the method that it calls. It is immutable: attempts to connect that go on beside each
// other compare it with what their servers have.
type binding struct {
	index    int
	name     string // of the field
	wire     string
	field    reflect.Value
	sig      signature
	tags     methodTags
	codecs   []codec.Codec
	encoding // by the tags; without a codec where that is the server's choice
}

// encoding is how the arguments and results of a function travel.
type encoding struct {
	codec   codec.Codec // nil where it is not known yet
	args    string      // shapes, known with the codec
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
	b.encoding, err = b.encodingBy(name)
	return b, err
}

// encodingBy returns the encoding by the codec of that name.
func (b *binding) encodingBy(name string) (e encoding, err error) {
	c, err := codec.Find(name, b.codecs)
	if err != nil {
		return e, err
	}
	args, results, err := b.sig.shapes(c)
	return encoding{c, args, results}, err
}

// with returns a copy of b whose encoding is known.
func (b *binding) with(e encoding) *binding {
	v := *b
	v.encoding = e
	return &v
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

// bind checks that every method of the client is in the service's table, and returns their numbers, and how they travel. A codec
// that the tags leave open is the server's choice on the first link, which the functions are made for, and the same on later ones.
func (c *Client) bind(w *wire.Welcome, address string) ([]uint16, []encoding, error) {
	numbers, encodings := make([]uint16, len(c.methods)), make([]encoding, len(c.methods))
	for i, b := range c.methods {
		encodings[i] = b.encoding
	}
	if first := c.pool.hot.Load(); first != nil {
		copy(encodings, first.encodings)
	}
	var failures []error
	for i, b := range c.methods {
		n := slices.IndexFunc(w.Methods, func(m wire.Method) bool { return m.Name == b.wire })
		if n < 0 {
			failures = append(failures, fmt.Errorf("method %s: the service has none of that name", b.wire))
			continue
		}
		var err error
		if encodings[i], err = b.fits(&w.Methods[n], encodings[i]); err != nil {
			failures = append(failures, fmt.Errorf("method %s: %w (here %s, there %s)", b.wire, err, b.sig.text(b.name), w.Methods[n].Signature))
			continue
		}
		numbers[i] = uint16(n)
	}
	if len(failures) > 0 {
		return nil, nil, &MismatchError{Service: w.Service + " " + w.ServiceVersion, Address: address, Err: errors.Join(failures...)}
	}
	return numbers, encodings, nil
}

// fits compares a function, which travels as e, with the service's method. It returns e, by the method's codec where it had none.
func (b *binding) fits(m *wire.Method, e encoding) (_ encoding, err error) {
	if e.codec == nil {
		if e, err = b.encodingBy(m.Codec); err != nil {
			return e, err
		}
	}
	switch mine := e.codec.Name(); {
	case mine == m.Codec:
	case b.codec == nil:
		return e, fmt.Errorf("codec %s here, as the instance chose that the client was linked to first, %s there: give the method one codec at all instances",
			mine, m.Codec)
	default:
		return e, fmt.Errorf("codec %s here, %s there: change the tag to `codec:%q`", mine, m.Codec, m.Codec)
	}
	if shape.Fingerprint(e.args+e.results) == m.Fingerprint {
		return e, nil
	}
	if err := shape.Compatible(e.args, m.Arguments); err != nil {
		return e, fmt.Errorf("arguments differ: %w", err)
	}
	if err := shape.Compatible(e.results, m.Results); err != nil {
		return e, fmt.Errorf("results differ: %w", err)
	}
	return e, nil
}
