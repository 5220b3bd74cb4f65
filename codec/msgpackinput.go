package codec

import (
	"bytes"
	"fmt"
	"reflect"

	"github.com/vmihailenco/msgpack/v5"
)

// msgpackDecoder is a library decoder that reads from a slice.
type msgpackDecoder struct {
	lib *msgpack.Decoder
	in  msgpackInput
}

func (d *msgpackDecoder) value(src []byte, v any) (err error) {
	defer catch(&err)
	d.in.reset(src)
	if d.lib == nil {
		d.lib = msgpack.NewDecoder(&d.in)
	}
	d.lib.Reset(&d.in)
	d.lib.SetMapDecoder(decodeMap)
	err = d.lib.Decode(v)
	if left := d.in.Len(); err == nil && left > 0 {
		err = fmt.Errorf("%d bytes of the value were not used", left)
	}
	d.in.reset(nil)
	return err
}

// msgpackInput is what the library reads a value from.
//
// Where the library expects a map it skips the head of an extension that it finds instead and takes the first
// byte of the extension's body for the map's head, which no scan has checked. It reads a head by ReadByte and the
// body of an extension by Read, so ReadByte refuses to read where a body begins.
type msgpackInput struct {
	bytes.Reader
	size int64
	exts []int // where the bodies of extensions begin, ascending
	next int   // the first of exts that has not been passed
}

func (in *msgpackInput) reset(src []byte) {
	in.Reset(src)
	in.size, in.next = int64(len(src)), 0
}

func (in *msgpackInput) ReadByte() (byte, error) {
	if len(in.exts) > 0 && in.atExtension() {
		return 0, fmt.Errorf("the message has %v here", kindExt)
	}
	return in.Reader.ReadByte()
}

func (in *msgpackInput) atExtension() bool {
	off := int(in.size) - in.Len()
	for in.next < len(in.exts) && in.exts[in.next] < off {
		in.next++
	}
	return in.next < len(in.exts) && in.exts[in.next] == off
}

// decodeMap decodes a map into a value of type any.
func decodeMap(d *msgpack.Decoder) (any, error) {
	n, err := d.DecodeMapLen()
	if err != nil || n < 0 {
		return nil, err
	}
	named := make(map[string]any, n)
	for i := range n {
		k, err := d.DecodeInterface()
		if err != nil {
			return nil, err
		}
		name, ok := k.(string)
		if !ok {
			return decodeAnyMap(d, named, k, n-i)
		}
		if named[name], err = d.DecodeInterface(); err != nil {
			return nil, err
		}
	}
	return named, nil
}

// decodeAnyMap goes on with a map at the first key k that is no string, with n pairs left.
func decodeAnyMap(d *msgpack.Decoder, named map[string]any, k any, n int) (any, error) {
	m := make(map[any]any, len(named)+n)
	for name, v := range named {
		m[name] = v
	}
	for i := range n {
		if i > 0 {
			var err error
			if k, err = d.DecodeInterface(); err != nil {
				return nil, err
			}
		}
		if k != nil && !reflect.TypeOf(k).Comparable() {
			return nil, fmt.Errorf("%T can't be the key of a map", k)
		}
		v, err := d.DecodeInterface()
		if err != nil {
			return nil, err
		}
		m[settled(k)] = v
	}
	return m, nil
}
