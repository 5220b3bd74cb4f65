package codec

import (
	"encoding"
	"encoding/base64"
	"encoding/json"
	"math"
	"reflect"
	"strconv"
	"strings"
	"sync"
	"time"
	"unicode"
	"unicode/utf8"
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
	}}
	return c
}

func (c *jsonCodec) Name() string { return "json" }

func (c *jsonCodec) Append(dst []byte, values []any) ([]byte, error) {
	out := append(dst, '[')
	for i, v := range values {
		if i > 0 {
			out = append(out, ',')
		}
		var (
			done bool
			err  error
		)
		if out, done = appendJSON(out, v); done {
			continue
		}
		if out, err = c.appendSlow(out, v); err != nil {
			return dst, encodeError("json", i, values, err)
		}
	}
	return append(out, ']'), nil
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

// appendJSON appends the value that v points to where it is of a plain kind and its encoding is straightforward,
// and reports whether it was. The library does the rest, and gives the errors.
func appendJSON(dst []byte, v any) ([]byte, bool) {
	switch p := v.(type) {
	case *int:
		return strconv.AppendInt(dst, int64(*p), 10), true
	case *int8:
		return strconv.AppendInt(dst, int64(*p), 10), true
	case *int16:
		return strconv.AppendInt(dst, int64(*p), 10), true
	case *int32:
		return strconv.AppendInt(dst, int64(*p), 10), true
	case *int64:
		return strconv.AppendInt(dst, *p, 10), true
	case *time.Duration:
		return strconv.AppendInt(dst, int64(*p), 10), true
	case *uint:
		return strconv.AppendUint(dst, uint64(*p), 10), true
	case *uint8:
		return strconv.AppendUint(dst, uint64(*p), 10), true
	case *uint16:
		return strconv.AppendUint(dst, uint64(*p), 10), true
	case *uint32:
		return strconv.AppendUint(dst, uint64(*p), 10), true
	case *uint64:
		return strconv.AppendUint(dst, *p, 10), true
	case *float32:
		return appendJSONFloat(dst, float64(*p), 32)
	case *float64:
		return appendJSONFloat(dst, *p, 64)
	case *bool:
		return strconv.AppendBool(dst, *p), true
	case *string:
		return appendJSONString(dst, *p)
	case *[]byte:
		return appendJSONBytes(dst, *p), true
	case *time.Time:
		out, err := p.AppendText(append(dst, '"'))
		if err != nil {
			return dst, false
		}
		return append(out, '"'), true
	}
	return dst, false
}

func appendJSONFloat(dst []byte, f float64, bits int) ([]byte, bool) {
	if math.IsNaN(f) || math.IsInf(f, 0) {
		return dst, false
	}
	format := byte('f')
	if abs := math.Abs(f); abs != 0 && (abs < 1e-6 || abs >= 1e21) {
		format = 'e'
	}
	return strconv.AppendFloat(dst, f, format, -1, bits), true
}

// appendJSONString appends a string of printable ASCII, and leaves the others to the library.
func appendJSONString(dst []byte, s string) ([]byte, bool) {
	for i := range len(s) {
		if c := s[i]; c < ' ' || c == '"' || c == '\\' || c > '~' {
			return dst, false
		}
	}
	dst = append(dst, '"')
	dst = append(dst, s...)
	return append(dst, '"'), true
}

func appendJSONBytes(dst, b []byte) []byte {
	if b == nil {
		return append(dst, "null"...)
	}
	dst = append(dst, '"')
	dst = base64.StdEncoding.AppendEncode(dst, b)
	return append(dst, '"')
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
	if !b.pay(most) && json.Valid(span) && !b.pay(measureValue(&jsonCursor{span}, c.types, v)) {
		return errBudget
	}
	defer catch(&err)
	if string(span) == "null" {
		reflect.ValueOf(v).Elem().SetZero() // the library would leave what is there
	}
	return json.Unmarshal(span, v)
}

// parseJSON decodes a value of a plain kind whose form is straightforward, and reports whether it was.
// The library does the rest, and gives the errors.
func parseJSON(span []byte, v any) bool {
	switch p := v.(type) {
	case *int:
		return parseJSONInt(span, p)
	case *int8:
		return parseJSONInt(span, p)
	case *int16:
		return parseJSONInt(span, p)
	case *int32:
		return parseJSONInt(span, p)
	case *int64:
		return parseJSONInt(span, p)
	case *time.Duration:
		return parseJSONInt(span, p)
	case *uint:
		return parseJSONUint(span, p)
	case *uint8:
		return parseJSONUint(span, p)
	case *uint16:
		return parseJSONUint(span, p)
	case *uint32:
		return parseJSONUint(span, p)
	case *uint64:
		return parseJSONUint(span, p)
	case *float32:
		f, ok := parseJSONFloat(span, 32)
		if ok {
			*p = float32(f)
		}
		return ok
	case *float64:
		f, ok := parseJSONFloat(span, 64)
		if ok {
			*p = f
		}
		return ok
	case *bool:
		return parseJSONBool(span, p)
	case *string:
		text, ok := jsonText(span)
		if ok {
			*p = string(text)
		}
		return ok
	case *[]byte:
		return parseJSONBytes(span, p)
	}
	return false
}

func parseJSONInt[T ~int | ~int8 | ~int16 | ~int32 | ~int64](span []byte, p *T) bool {
	if !jsonInteger(span) {
		return false
	}
	n, err := strconv.ParseInt(string(span), 10, 64)
	if err != nil || int64(T(n)) != n {
		return false
	}
	*p = T(n)
	return true
}

func parseJSONUint[T uint | uint8 | uint16 | uint32 | uint64](span []byte, p *T) bool {
	if !jsonInteger(span) {
		return false
	}
	n, err := strconv.ParseUint(string(span), 10, 64)
	if err != nil || uint64(T(n)) != n {
		return false
	}
	*p = T(n)
	return true
}

func parseJSONFloat(span []byte, bits int) (float64, bool) {
	if span[0] != '-' && (span[0] < '0' || span[0] > '9') || !json.Valid(span) {
		return 0, false
	}
	f, err := strconv.ParseFloat(string(span), bits)
	return f, err == nil
}

func parseJSONBool(span []byte, p *bool) bool {
	switch string(span) {
	case "true":
		*p = true
	case "false":
		*p = false
	default:
		return false
	}
	return true
}

// parseJSONBytes never writes into the memory that *p refers to: someone may have kept it.
func parseJSONBytes(span []byte, p *[]byte) bool {
	text, ok := jsonText(span)
	if !ok {
		return false
	}
	b, err := base64.StdEncoding.AppendDecode(make([]byte, 0, base64.StdEncoding.DecodedLen(len(text))), text)
	if err == nil {
		*p = b
	}
	return err == nil
}

// jsonInteger reports whether span is a whole number in JSON's grammar.
func jsonInteger(span []byte) bool {
	if len(span) > 1 && span[0] == '-' {
		span = span[1:]
	}
	if len(span) > 1 && span[0] == '0' {
		return false
	}
	for _, c := range span {
		if c < '0' || c > '9' {
			return false
		}
	}
	return len(span) > 0
}

// jsonText returns what is between the quotes of a string that has no escapes in it.
func jsonText(span []byte) ([]byte, bool) {
	if len(span) < 2 || span[0] != '"' || jsonString(span) != len(span) {
		return nil, false
	}
	text := span[1 : len(span)-1]
	for _, c := range text {
		if c < ' ' || c == '\\' {
			return nil, false
		}
	}
	return text, utf8.Valid(text)
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
