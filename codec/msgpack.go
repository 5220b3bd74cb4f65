package codec

import (
	"encoding"
	"fmt"
	"math"
	"reflect"
	"strings"
	"sync"

	"github.com/vmihailenco/msgpack/v5"
)

// Msgpack returns the codec "msgpack" (github.com/vmihailenco/msgpack): one array that holds the values.
//
// Numbers take the fewest bytes that hold them, a time keeps its nanoseconds and loses its zone. In a value of type
// any, a whole number arrives as int64 (uint64 from 1<<63), a float as float64, an array as []any and a map as
// map[string]any, or as map[any]any where a key is no string. A number that does not fit a value is an error, be
// the value's type named or not; one that does not fit the field of a struct wraps, because the library does so.
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
	c.types.foreign = foreign(c.appendSlow, appendMsgpack)
	return c
}

func (c *msgpackCodec) Name() string { return "msgpack" }

func (c *msgpackCodec) Append(dst []byte, values []any) ([]byte, error) {
	return appendValues(c, dst, appendMsgpackArray(dst, len(values)), values)
}

func (c *msgpackCodec) Decode(src []byte, values []any) error {
	return decodeList(c, msgpackItem, src, values)
}

// Plan implements [Planner].
func (c *msgpackCodec) Plan(types []reflect.Type) Plan {
	return newItemPlan(c, mpFixArray, types, c.types)
}

func (c *msgpackCodec) appendValue(dst []byte, v any) ([]byte, error) {
	if out, done := appendMsgpack(dst, v); done {
		return out, nil
	}
	if p := c.types.plain(v); p != nil {
		return c.appendValue(dst, p)
	}
	return c.appendSlow(dst, v)
}

// appendSlow appends a value by the library.
func (c *msgpackCodec) appendSlow(dst []byte, v any) ([]byte, error) {
	e := c.encoders.Get().(*msgpackEncoder)
	e.begin(dst)
	if err := e.value(v, c.types); err != nil {
		return dst, err // the encoder's state is unknown: it is not used again
	}
	out := e.end()
	c.encoders.Put(e)
	return out, nil
}

func (c *msgpackCodec) decodeValue(src []byte, v any, b budget) (int, budget, error) {
	it, err := msgpackItem(src)
	if err != nil {
		return 0, b, err
	}
	n := it.size
	if it.kind == kindString || it.kind == kindBytes {
		n += int(it.n)
	}
	if done, err := it.assign(v, src[it.size:n], true); done {
		return n, b, err
	}
	if p := c.types.plain(v); p != nil {
		return c.decodeValue(src, p, b)
	}
	n, err = c.decodeSlow(src, v, &b)
	return n, b, err
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
func (e *msgpackEncoder) value(v any, types *weigher) (err error) {
	defer catch(&err)
	switch p := v.(type) {
	case *string:
		err = checkLength(len(*p))
	case *[]byte:
		err = checkLength(len(*p))
	default:
		err = types.checkDepth(v)
	}
	if err != nil {
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
