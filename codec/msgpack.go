package codec

import (
	"encoding"
	"fmt"
	"math"
	"reflect"
	"strings"
	"sync"
	"time"

	"github.com/vmihailenco/msgpack/v5"
)

// Msgpack returns the codec "msgpack" (github.com/vmihailenco/msgpack): one array that holds the values.
//
// Numbers take the fewest bytes that hold them, a time keeps its nanoseconds and loses its zone. In a value of type
// any, a whole number arrives as int64 (uint64 from 1<<63), a float as float64, an array as []any and a map as
// map[string]any, or as map[any]any where a key is no string. A number that does not fit a value is an error;
// one that does not fit the field of a struct wraps, because the library does so.
// A nil pointer to an embedded struct arrives as one to an empty struct. Interned strings are not supported.
func Msgpack() Codec { return msgpackShared }

type msgpackCodec struct {
	encoders sync.Pool // *msgpackEncoder
	decoders sync.Pool // *msgpackDecoder
	types    *weigher
}

var _ FieldNamer = (*msgpackCodec)(nil)

var msgpackShared = newMsgpack()

func newMsgpack() *msgpackCodec {
	c := &msgpackCodec{
		encoders: sync.Pool{New: func() any { return newMsgpackEncoder() }},
		decoders: sync.Pool{New: func() any { return new(msgpackDecoder) }},
	}
	c.types = &weigher{
		name: c.FieldName,
		opaque: []reflect.Type{
			reflect.TypeFor[msgpack.CustomDecoder](), reflect.TypeFor[msgpack.Unmarshaler](),
			reflect.TypeFor[encoding.BinaryUnmarshaler](), reflect.TypeFor[encoding.TextUnmarshaler](),
		},
		encoders: []reflect.Type{
			reflect.TypeFor[msgpack.CustomEncoder](), reflect.TypeFor[msgpack.Marshaler](),
			reflect.TypeFor[encoding.BinaryMarshaler](), reflect.TypeFor[encoding.TextMarshaler](),
		},
	}
	return c
}

func (c *msgpackCodec) Name() string { return "msgpack" }

func (c *msgpackCodec) Append(dst []byte, values []any) ([]byte, error) {
	e := c.encoders.Get().(*msgpackEncoder)
	e.begin(dst)
	if err := e.EncodeArrayLen(len(values)); err != nil {
		return dst, listError("msgpack", values, err)
	}
	for i, v := range values {
		if err := e.value(v, c.types); err != nil {
			return dst, encodeError("msgpack", i, values, err) // the encoder's state is unknown: it is not used again
		}
	}
	out := e.end()
	c.encoders.Put(e)
	return out, nil
}

func (c *msgpackCodec) Decode(src []byte, values []any) error {
	list, err := msgpackItem(src)
	switch {
	case err != nil:
		return listError("msgpack", values, err)
	case list.kind != kindArray:
		return listError("msgpack", values, fmt.Errorf("the message is %v, not an array of values", list.kind))
	case list.n > uint64(len(src)-list.size):
		return listError("msgpack", values, lengthError(list, len(src)-list.size))
	case list.n != uint64(len(values)):
		return countError("msgpack", list.n, values)
	}
	b := newBudget(len(src))
	rest := src[list.size:]
	for i, v := range values {
		n, err := c.decode(rest, v, &b)
		if err != nil {
			return decodeError("msgpack", i, values, err)
		}
		rest = rest[n:]
	}
	if len(rest) > 0 {
		return trailingError("msgpack", len(rest), values)
	}
	return nil
}

// decode decodes the value at the beginning of src and returns its length.
func (c *msgpackCodec) decode(src []byte, v any, b *budget) (int, error) {
	it, err := msgpackItem(src)
	if err != nil {
		return 0, err
	}
	n := it.size
	if it.kind == kindString || it.kind == kindBytes {
		n += int(it.n)
	}
	if done, err := it.assign(v, src[it.size:n], true); done {
		return n, err
	}
	return c.decodeSlow(src, v, b)
}

// decodeSlow decodes a value that is not of a plain kind with the library.
func (c *msgpackCodec) decodeSlow(src []byte, v any, b *budget) (int, error) {
	w := c.types.of(v)
	d := c.decoders.Get().(*msgpackDecoder)
	d.in.exts = d.in.exts[:0]
	n, most, err := msgpackScan(src, w, &d.in.exts)
	if err == nil && !b.pay(most) {
		if !b.pay(measureValue(&itemCursor{src: src, read: msgpackItem}, c.types, v)) {
			err = errBudget
		}
	}
	if err != nil {
		c.decoders.Put(d)
		return 0, err
	}
	if err = d.value(src[:n], v); err != nil {
		return 0, err // the decoder's state is unknown: it is not used again
	}
	if n <= maxPooled {
		c.decoders.Put(d)
	}
	if w.hasAny {
		c.types.settle(reflect.ValueOf(v).Elem())
	}
	return n, nil
}

// FieldName follows the library: the msgpack tag, and embedded structs whose fields are merged into the outer one's.
func (c *msgpackCodec) FieldName(f reflect.StructField) (string, bool) {
	name, options, _ := strings.Cut(f.Tag.Get("msgpack"), ",")
	if strings.Contains(name, ":") { // an option alone
		name, options = "", f.Tag.Get("msgpack")
	}
	switch {
	case name == "-", !f.IsExported() && !f.Anonymous:
		return "", false
	case f.Anonymous && hasOption(options, "inline"),
		f.Anonymous && !hasOption(options, "noinline") && isStruct(f.Type) && !c.types.isOpaque(f.Type):
		return "", true
	case !f.IsExported():
		return "", false
	case name == "":
		return f.Name, true
	}
	return name, true
}

// hasOption reports whether a tag's options, separated by commas, include option.
func hasOption(options, option string) bool {
	for o := range strings.SplitSeq(options, ",") {
		if strings.TrimSpace(o) == option {
			return true
		}
	}
	return false
}

// isStruct reports whether t is a struct or a pointer to one.
func isStruct(t reflect.Type) bool {
	if t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	return t.Kind() == reflect.Struct
}

// maxPooled is the longest message whose buffers are kept for the next one, in bytes.
const maxPooled = 64 << 10

// msgpackEncoder is a library encoder that writes to the slice out.
type msgpackEncoder struct {
	*msgpack.Encoder
	out output
}

func newMsgpackEncoder() *msgpackEncoder {
	e := new(msgpackEncoder)
	e.Encoder = msgpack.NewEncoder(&e.out)
	e.UseCompactInts(true)
	return e
}

func (e *msgpackEncoder) begin(dst []byte) {
	e.out.b = dst
	e.ResetWriter(&e.out) // the dictionary of interned strings
}

func (e *msgpackEncoder) end() []byte {
	out := e.out.b
	e.out.b = nil
	return out
}

// value encodes what the pointer v points to.
func (e *msgpackEncoder) value(v any, types *weigher) error {
	switch p := v.(type) {
	case *int:
		return e.EncodeInt(int64(*p))
	case *int8:
		return e.EncodeInt(int64(*p))
	case *int16:
		return e.EncodeInt(int64(*p))
	case *int32:
		return e.EncodeInt(int64(*p))
	case *int64:
		return e.EncodeInt(*p)
	case *time.Duration:
		return e.EncodeInt(int64(*p))
	case *uint:
		return e.EncodeUint(uint64(*p))
	case *uint8:
		return e.EncodeUint(uint64(*p))
	case *uint16:
		return e.EncodeUint(uint64(*p))
	case *uint32:
		return e.EncodeUint(uint64(*p))
	case *uint64:
		return e.EncodeUint(*p)
	case *float32:
		return e.EncodeFloat32(*p)
	case *float64:
		return e.EncodeFloat64(*p)
	case *bool:
		return e.EncodeBool(*p)
	case *string:
		if err := checkLength(len(*p)); err != nil {
			return err
		}
		return e.EncodeString(*p)
	case *[]byte:
		if err := checkLength(len(*p)); err != nil {
			return err
		}
		return e.EncodeBytes(*p)
	case *time.Time:
		return e.EncodeTime(*p)
	}
	return e.valueSlow(v, types)
}

func (e *msgpackEncoder) valueSlow(v any, types *weigher) (err error) {
	defer catch(&err)
	if err := types.checkDepth(v); err != nil {
		return err
	}
	return e.Encode(v)
}

// checkLength refuses what msgpack has no length for; the library would cut the length off.
func checkLength(n int) error {
	if uint64(n) > math.MaxUint32 {
		return fmt.Errorf("%d bytes: msgpack holds at most %d", n, uint32(math.MaxUint32))
	}
	return nil
}
