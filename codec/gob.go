package codec

import (
	"bytes"
	"encoding"
	"encoding/binary"
	"encoding/gob"
	"errors"
	"fmt"
	"reflect"
	"sync"

	"hotline/internal/plural"
)

// Gob returns the codec "gob" (encoding/gob): the number of values, a byte for each that is 0 where it is nil, and one
// gob stream of those that are not. The stream describes its types, in every message anew, which makes gob the slowest
// of the codecs and its messages the longest.
//
// It is for trusted peers only, and [TrustedOnly] reports so: nothing bounds the nesting of a stream, nor the size
// that it may claim for a map, and a hostile one can end the process. A value of type any must be of a type that both
// sides gave to [gob.Register]. As in encoding/gob, what is empty below the top of a value may arrive as nil.
func Gob() Codec { return gobShared }

type gobCodec struct {
	outputs sync.Pool // *output
	types   *weigher
}

var (
	_ FieldNamer = (*gobCodec)(nil)
	_ Truster    = (*gobCodec)(nil)
)

var gobShared = newGob()

func newGob() *gobCodec {
	c := &gobCodec{outputs: sync.Pool{New: func() any { return new(output) }}}
	c.types = &weigher{name: c.FieldName, encoders: []reflect.Type{
		reflect.TypeFor[gob.GobEncoder](),
		reflect.TypeFor[encoding.BinaryMarshaler](), reflect.TypeFor[encoding.TextMarshaler](),
	}}
	return c
}

func (c *gobCodec) Name() string { return "gob" }

// TrustedOnly reports true.
func (c *gobCodec) TrustedOnly() bool { return true }

// The byte for each value.
const (
	gobNil   = 0
	gobValue = 1
)

func (c *gobCodec) Append(dst []byte, values []any) ([]byte, error) {
	out := c.outputs.Get().(*output)
	out.b = binary.AppendUvarint(dst, uint64(len(values)))
	for _, v := range values {
		out.b = append(out.b, gobMark(v))
	}
	enc := gob.NewEncoder(out)
	for i, v := range values {
		if gobMark(v) == gobNil {
			continue
		}
		if err := c.encode(enc, v); err != nil {
			return dst, encodeError("gob", i, values, err)
		}
	}
	b := out.b
	out.b = nil
	c.outputs.Put(out)
	return b, nil
}

// gobMark returns the byte for the value that v points to. Gob itself can't send a nil at the top.
func gobMark(v any) byte {
	switch e := gobPointer(v).Elem(); e.Kind() {
	case reflect.Pointer, reflect.Interface, reflect.Map, reflect.Slice:
		if e.IsNil() {
			return gobNil
		}
	}
	return gobValue
}

// gobPointer returns the last of the pointers that v begins with, or the first that points to a nil pointer.
// Gob follows pointers too, but panics on a pointer to a pointer to a type that encodes itself.
func gobPointer(v any) reflect.Value {
	p := reflect.ValueOf(v)
	for p.Elem().Kind() == reflect.Pointer && !p.Elem().IsNil() {
		p = p.Elem()
	}
	return p
}

func (c *gobCodec) encode(enc *gob.Encoder, v any) (err error) {
	defer catch(&err)
	if err := c.types.checkDepth(v); err != nil {
		return err
	}
	return enc.EncodeValue(gobPointer(v))
}

func (c *gobCodec) Decode(src []byte, values []any) error {
	n, size := binary.Uvarint(src)
	switch {
	case size <= 0:
		return listError("gob", values, errTruncated)
	case n > uint64(len(src)-size):
		return listError("gob", values, fmt.Errorf("%s with %s left", plural.Of(n, "value"), plural.Of(len(src)-size, "byte")))
	case n != uint64(len(values)):
		return countError("gob", n, values)
	}
	marks, stream := src[size:size+len(values)], bytes.NewReader(src[size+len(values):])
	dec := gob.NewDecoder(stream)
	for i, v := range values {
		if err := gobDecode(dec, marks[i], v); err != nil {
			return decodeError("gob", i, values, err)
		}
	}
	if stream.Len() > 0 {
		return trailingError("gob", stream.Len(), values)
	}
	return nil
}

func gobDecode(dec *gob.Decoder, mark byte, v any) (err error) {
	defer catch(&err)
	switch mark {
	case gobNil:
		reflect.ValueOf(v).Elem().SetZero()
		return nil
	case gobValue:
		p := reflect.ValueOf(v)
		for p.Elem().Kind() == reflect.Pointer {
			p.Elem().Set(reflect.New(p.Type().Elem().Elem()))
			p = p.Elem()
		}
		if err := dec.DecodeValue(p); err != nil {
			return err
		}
		gobEmpty(p.Elem())
		return nil
	}
	return errors.New("the value is marked neither as nil nor as sent")
}

// gobEmpty makes a value that gob left nil empty: it was sent, so it was not nil.
func gobEmpty(e reflect.Value) {
	switch {
	case e.Kind() == reflect.Slice && e.IsNil():
		e.Set(reflect.MakeSlice(e.Type(), 0, 0))
	case e.Kind() == reflect.Map && e.IsNil():
		e.Set(reflect.MakeMap(e.Type()))
	}
}

// FieldName follows encoding/gob: exported fields by their Go names, embedded structs as fields of their own.
func (c *gobCodec) FieldName(f reflect.StructField) (string, bool) {
	return f.Name, f.IsExported()
}
