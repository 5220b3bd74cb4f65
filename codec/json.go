package codec

import (
	"encoding"
	"encoding/json"
	"reflect"
	"strings"
	"sync"
	"unicode"
)

// JSON returns the codec "json" (encoding/json): one array that holds the values.
//
// Bytes that are not UTF-8 in a string are replaced, as encoding/json does. In a value of type any a number arrives as
// float64. A null makes a zero value; inside of a value it does what encoding/json says.
func JSON() Codec { return jsonShared }

type jsonCodec struct {
	encoders sync.Pool // *jsonEncoder
	types    *weigher
}

var _ FieldNamer = (*jsonCodec)(nil)

var jsonShared = newJSON()

func newJSON() *jsonCodec {
	c := &jsonCodec{encoders: sync.Pool{New: func() any { return newJSONEncoder() }}}
	c.types = &weigher{name: c.FieldName, opaque: []reflect.Type{
		reflect.TypeFor[json.Unmarshaler](), reflect.TypeFor[encoding.TextUnmarshaler](),
	}, encoders: []reflect.Type{
		reflect.TypeFor[json.Marshaler](), reflect.TypeFor[encoding.TextMarshaler](),
	}}
	c.types.foreign = foreign(c.appendSlow, appendJSON)
	return c
}

func (c *jsonCodec) Name() string { return "json" }

func (c *jsonCodec) Append(dst []byte, values []any) ([]byte, error) {
	out := append(dst, '[')
	for i, v := range values {
		if i > 0 {
			out = append(out, ',')
		}
		var err error
		if out, err = c.appendValue(out, v); err != nil {
			return dst, encodeError("json", i, values, err)
		}
	}
	return append(out, ']'), nil
}

// appendValue appends what v points to.
func (c *jsonCodec) appendValue(dst []byte, v any) ([]byte, error) {
	if out, done := appendJSON(dst, v); done {
		return out, nil
	}
	if p := c.types.plain(v); p != nil {
		return c.appendValue(dst, p)
	}
	return c.appendSlow(dst, v)
}

// appendSlow appends a value by the library.
func (c *jsonCodec) appendSlow(dst []byte, v any) ([]byte, error) {
	e := c.encoders.Get().(*jsonEncoder)
	e.out.b = dst
	if err := e.value(v); err != nil {
		return dst, err
	}
	out := e.out.b
	e.out.b = nil
	c.encoders.Put(e)
	return out[:len(out)-1], nil // without the library's newline
}

func (c *jsonCodec) Decode(src []byte, values []any) error {
	b := newBudget(len(src))
	list := jsonList{rest: src}
	if err := list.open(); err != nil {
		return listError("json", values, err)
	}
	for i, v := range values {
		span, most, err := list.next(c.types, v)
		if err == nil && span == nil {
			return countError("json", uint64(i), values)
		}
		if err == nil {
			err = c.value(span, v, most, &b)
		}
		if err != nil {
			return decodeError("json", i, values, err)
		}
	}
	more, err := list.drain()
	switch {
	case err != nil:
		return listError("json", values, err)
	case more > 0:
		return countError("json", uint64(len(values)+more), values)
	case len(list.rest) > 0:
		return trailingError("json", len(list.rest), values)
	}
	return nil
}

// value decodes one value, which can become so much.
func (c *jsonCodec) value(span []byte, v any, most tally, b *budget) (err error) {
	if parseJSON(span, v) {
		return nil
	}
	if p := c.types.plain(v); p != nil {
		return c.value(span, p, most, b)
	}
	if !b.pay(most) && json.Valid(span) && !b.pay(measureValue(&jsonCursor{span}, c.types, v)) {
		return errBudget
	}
	defer catch(&err)
	if string(span) == "null" {
		reflect.ValueOf(v).Elem().SetZero() // the library would leave what is there
	}
	return json.Unmarshal(span, v)
}

// FieldName follows encoding/json: the json tag, and embedded structs without a name of their own.
func (c *jsonCodec) FieldName(f reflect.StructField) (string, bool) {
	tag := f.Tag.Get("json")
	name, _, _ := strings.Cut(tag, ",")
	if strings.ContainsFunc(name, func(r rune) bool { return !jsonNameRune(r) }) {
		name = ""
	}
	return fieldName(f, tag, name)
}

// jsonNameRune reports whether encoding/json takes r in a name; a name with another character is ignored.
func jsonNameRune(r rune) bool {
	return strings.ContainsRune("!#$%&()*+-./:;<=>?@[]^_{|}~ ", r) || unicode.IsLetter(r) || unicode.IsDigit(r)
}

// fieldName names a field by the rules that json and cbor share.
func fieldName(f reflect.StructField, tag, name string) (string, bool) {
	switch {
	case tag == "-", !f.IsExported() && !(f.Anonymous && isStruct(f.Type)):
		return "", false
	case f.Anonymous && name == "" && isStruct(f.Type):
		return "", true
	case name == "":
		return f.Name, true
	}
	return name, true
}

// jsonEncoder is a library encoder that writes to a slice.
type jsonEncoder struct {
	*json.Encoder
	out output
}

func newJSONEncoder() *jsonEncoder {
	e := new(jsonEncoder)
	e.Encoder = json.NewEncoder(&e.out)
	e.SetEscapeHTML(false)
	return e
}

func (e *jsonEncoder) value(v any) (err error) {
	defer catch(&err)
	return e.Encode(v)
}
