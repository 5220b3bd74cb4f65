package codec

import (
	"bytes"
	"encoding"
	"encoding/binary"
	"math"
	"reflect"
	"strings"
	"sync"
	"time"

	"github.com/fxamacker/cbor/v2"
)

// CBOR returns the codec "cbor" (RFC 8949, github.com/fxamacker/cbor): one array that holds the values.
//
// A time is a tagged text that keeps its nanoseconds and its offset from UTC. In a value of type any, a whole number
// arrives as int64 (uint64 from 1<<63, big.Int where neither holds it), a float as float64, an array as []any and a
// map as map[string]any, or as map[any]any where a key is no string; tags that the library does not know are left
// out. Of keys that a map holds twice, one counts. Items of indefinite length and big integers of more than 4 KiB are
// not accepted.
func CBOR() Codec { return cborShared }

type cborCodec struct {
	encode  cbor.UserBufferEncMode
	decode  cbor.DecMode
	buffers sync.Pool // *bytes.Buffer
	types   *weigher
}

var _ FieldNamer = (*cborCodec)(nil)

var cborShared = newCBOR()

func newCBOR() *cborCodec {
	encode, err := cbor.EncOptions{
		Time:          cbor.TimeRFC3339Nano,
		TimeTag:       cbor.EncTagRequired,
		TextMarshaler: cbor.TextMarshalerTextString,
	}.UserBufferEncMode()
	if err != nil {
		panic(err)
	}
	decode, err := cbor.DecOptions{
		MaxNestedLevels:      MaxDepth,
		MaxArrayElements:     math.MaxInt32, // cborScan bounds both by the bytes that are left
		MaxMapPairs:          math.MaxInt32,
		IndefLength:          cbor.IndefLengthForbidden,
		TagsMd:               cbor.TagsAllowed,       // times and big integers have tags
		DupMapKey:            cbor.DupMapKeyQuiet,    // as in json and msgpack; to find them takes time and memory
		UTF8:                 cbor.UTF8DecodeInvalid, // a Go string may hold any bytes
		UnrecognizedTagToAny: cbor.UnrecognizedTagContentToAny,
		TextUnmarshaler:      cbor.TextUnmarshalerTextString,
	}.DecMode()
	if err != nil {
		panic(err)
	}
	c := &cborCodec{encode: encode, decode: decode, buffers: sync.Pool{New: func() any { return new(bytes.Buffer) }}}
	c.types = &weigher{
		name: c.FieldName,
		opaque: []reflect.Type{
			reflect.TypeFor[cbor.Unmarshaler](),
			reflect.TypeFor[encoding.BinaryUnmarshaler](), reflect.TypeFor[encoding.TextUnmarshaler](),
		},
		encoders: []reflect.Type{
			reflect.TypeFor[cbor.Marshaler](),
			reflect.TypeFor[encoding.BinaryMarshaler](), reflect.TypeFor[encoding.TextMarshaler](),
		},
	}
	c.types.foreign = foreign(c.appendSlow, appendCBOR)
	return c
}

func (c *cborCodec) Name() string { return "cbor" }

func (c *cborCodec) Append(dst []byte, values []any) ([]byte, error) {
	return appendValues(c, dst, appendCBORHead(dst, cborArray, uint64(len(values))), values)
}

func (c *cborCodec) Decode(src []byte, values []any) error {
	return decodeList(c, cborItem, src, values)
}

// Plan implements [Planner].
func (c *cborCodec) Plan(types []reflect.Type) Plan {
	return newItemPlan(c, cborArray<<5, types, c.types)
}

func (c *cborCodec) appendValue(dst []byte, v any) ([]byte, error) {
	if out, done := appendCBOR(dst, v); done {
		return out, nil
	}
	if p := c.types.plain(v); p != nil {
		return c.appendValue(dst, p)
	}
	return c.appendSlow(dst, v)
}

// appendSlow appends a value by the library.
func (c *cborCodec) appendSlow(dst []byte, v any) (_ []byte, err error) {
	defer catch(&err)
	if err := c.types.checkDepth(v); err != nil {
		return dst, err
	}
	buf := c.buffers.Get().(*bytes.Buffer)
	*buf = *bytes.NewBuffer(dst)
	if err := c.encode.MarshalToBuffer(v, buf); err != nil {
		return dst, err
	}
	out := buf.Bytes()
	*buf = bytes.Buffer{}
	c.buffers.Put(buf)
	return out, nil
}

// appendCBOR appends the value that v points to where it is of a plain kind, and reports whether it was.
func appendCBOR(dst []byte, v any) ([]byte, bool) {
	switch p := v.(type) {
	case *int:
		return appendCBORInt(dst, int64(*p)), true
	case *int8:
		return appendCBORInt(dst, int64(*p)), true
	case *int16:
		return appendCBORInt(dst, int64(*p)), true
	case *int32:
		return appendCBORInt(dst, int64(*p)), true
	case *int64:
		return appendCBORInt(dst, *p), true
	case *time.Duration:
		return appendCBORInt(dst, int64(*p)), true
	case *uint:
		return appendCBORHead(dst, cborUint, uint64(*p)), true
	case *uint8:
		return appendCBORHead(dst, cborUint, uint64(*p)), true
	case *uint16:
		return appendCBORHead(dst, cborUint, uint64(*p)), true
	case *uint32:
		return appendCBORHead(dst, cborUint, uint64(*p)), true
	case *uint64:
		return appendCBORHead(dst, cborUint, *p), true
	case *float32:
		return appendCBORFloat32(dst, *p), true
	case *float64:
		return appendCBORFloat64(dst, *p), true
	case *bool:
		return appendCBORBool(dst, *p), true
	case *string:
		return appendCBORString(dst, *p), true
	case *[]byte:
		return appendCBORBytes(dst, *p), true
	case *time.Time:
		return appendCBORTime(dst, *p)
	}
	return dst, false
}

func appendCBORInt(dst []byte, n int64) []byte {
	if n < 0 {
		return appendCBORHead(dst, cborInt, ^uint64(n))
	}
	return appendCBORHead(dst, cborUint, uint64(n))
}

func appendCBORHead(dst []byte, major byte, n uint64) []byte {
	major <<= 5
	switch {
	case n < cborOneByte:
		return append(dst, major|byte(n))
	case n <= math.MaxUint8:
		return append(dst, major|cborOneByte, byte(n))
	case n <= math.MaxUint16:
		return binary.BigEndian.AppendUint16(append(dst, major|cborTwoBytes), uint16(n))
	case n <= math.MaxUint32:
		return binary.BigEndian.AppendUint32(append(dst, major|cborFourBytes), uint32(n))
	}
	return binary.BigEndian.AppendUint64(append(dst, major|cborEightBytes), n)
}

func appendCBORFloat32(dst []byte, f float32) []byte {
	dst = append(dst, cborSimple<<5|cborFourBytes)
	return binary.BigEndian.AppendUint32(dst, math.Float32bits(f))
}

func appendCBORFloat64(dst []byte, f float64) []byte {
	dst = append(dst, cborSimple<<5|cborEightBytes)
	return binary.BigEndian.AppendUint64(dst, math.Float64bits(f))
}

func appendCBORBool(dst []byte, yes bool) []byte {
	if yes {
		return append(dst, cborSimple<<5|cborTrue)
	}
	return append(dst, cborSimple<<5|cborFalse)
}

func appendCBORString(dst []byte, s string) []byte {
	return append(appendCBORHead(dst, cborText, uint64(len(s))), s...)
}

func appendCBORBytes(dst, b []byte) []byte {
	if b == nil {
		return append(dst, cborSimple<<5|cborNull)
	}
	return append(appendCBORHead(dst, cborBytes, uint64(len(b))), b...)
}

// appendCBORTime appends a time as a tagged text. One that has no such text is left to the library's error.
func appendCBORTime(dst []byte, t time.Time) ([]byte, bool) {
	if t.IsZero() {
		return append(dst, cborSimple<<5|cborNull), true // as the library does
	}
	var buf [len(time.RFC3339Nano)]byte
	text, err := t.AppendText(buf[:0])
	if err != nil {
		return dst, false
	}
	dst = append(dst, cborTag<<5|cborTagTime)
	return append(appendCBORHead(dst, cborText, uint64(len(text))), text...), true
}

func (c *cborCodec) decodeValue(src []byte, v any, b budget) (int, budget, error) {
	it, err := cborItem(src)
	if err != nil {
		return 0, b, err
	}
	n := it.size
	if it.kind == kindString || it.kind == kindBytes {
		n += int(it.n)
	}
	if done, err := it.assign(v, src[it.size:n], false); done {
		return n, b, err
	}
	if p := c.types.plain(v); p != nil {
		return c.decodeValue(src, p, b)
	}
	n, err = c.valueSlow(src, v, &b)
	return n, b, err
}

// valueSlow decodes a value that is not of a plain kind with the library.
func (c *cborCodec) valueSlow(src []byte, v any, b *budget) (n int, err error) {
	w := c.types.of(v)
	n, most, err := cborScan(src, w)
	if err != nil {
		return 0, err
	}
	if !b.pay(most) && !b.pay(measureValue(&itemCursor{src: src, read: cborItem}, c.types, v)) {
		return 0, errBudget
	}
	defer catch(&err)
	if err = c.decode.Unmarshal(src[:n], v); err != nil {
		return 0, err
	}
	if w.hasAny {
		c.types.settle(reflect.ValueOf(v).Elem())
	}
	return n, nil
}

// FieldName follows the library: the cbor tag or else the json tag, and embedded structs without a name of their own.
func (c *cborCodec) FieldName(f reflect.StructField) (string, bool) {
	tag := f.Tag.Get("cbor")
	if tag == "" {
		tag = f.Tag.Get("json")
	}
	name, _, _ := strings.Cut(tag, ",")
	return fieldName(f, tag, name)
}
