package codec_test

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"reflect"

	"hotline/codec"
)

// The arguments of a call, there and back.
func Example() {
	a, b := 2, "three"
	c := codec.JSON()
	wire, err := c.Append(nil, []any{&a, &b})
	if err != nil {
		fmt.Println(err)
	}
	fmt.Printf("%s\n", wire)

	var x int
	var y string
	if err := c.Decode(wire, []any{&x, &y}); err != nil {
		fmt.Println(err)
	}
	fmt.Println(x, y)
	// Output:
	// [2,"three"]
	// 2 three
}

// Every error names the codec, the value and the cause.
func ExampleError() {
	var n int8
	fmt.Println(codec.Msgpack().Decode([]byte{0x91, 0xcd, 0x01, 0x2c}, []any{&n}))
	fmt.Println(codec.Msgpack().Decode([]byte{0xdd, 0xff, 0xff, 0xff, 0xff}, []any{&n}))
	fmt.Println(codec.CBOR().Decode([]byte{0x82, 0x01, 0x02}, []any{&n}))
	// Output:
	// msgpack: decode value 1 of 1, int8: 300 does not fit
	// msgpack: decode: an array of 4294967295 elements with 0 bytes left
	// cbor: decode: got 2 values, want 1
}

func ExampleFind() {
	c, err := codec.Find("cbor", nil)
	fmt.Println(c.Name(), err)
	_, err = codec.Find("yaml", nil)
	fmt.Println(err)
	// Output:
	// cbor <nil>
	// unknown codec "yaml": known are raw, json, msgpack, cbor, gob
}

// fixed is a codec of its own: numbers of fixed size, one after the other.
type fixed struct{}

func (fixed) Name() string { return "fixed" }

func (fixed) Append(dst []byte, values []any) ([]byte, error) {
	out := dst
	for i, v := range values {
		var err error
		if out, err = binary.Append(out, binary.LittleEndian, v); err != nil {
			return dst, &codec.Error{Codec: "fixed", Op: "encode", Position: i + 1, Count: len(values),
				Type: reflect.TypeOf(v).Elem().String(), Err: err}
		}
	}
	return out, nil
}

func (fixed) Decode(src []byte, values []any) error {
	r := bytes.NewReader(src)
	for i, v := range values {
		if err := binary.Read(r, binary.LittleEndian, v); err != nil {
			return &codec.Error{Codec: "fixed", Op: "decode", Position: i + 1, Count: len(values),
				Type: reflect.TypeOf(v).Elem().String(), Err: err}
		}
	}
	if r.Len() > 0 {
		return &codec.Error{Codec: "fixed", Op: "decode", Count: len(values), Err: fmt.Errorf("%d bytes left", r.Len())}
	}
	return nil
}

// A codec of one's own is found by its name beside the built-in ones.
func ExampleCodec() {
	c, err := codec.Find("fixed", []codec.Codec{fixed{}})
	if err != nil {
		fmt.Println(err)
		return
	}
	a, b := int16(-2), [2]float32{1, 2}
	wire, _ := c.Append(nil, []any{&a, &b})
	fmt.Printf("% x\n", wire)

	var x int16
	var y [2]float32
	fmt.Println(c.Decode(wire, []any{&x, &y}), x, y)

	s := "text"
	_, err = c.Append(nil, []any{&s})
	fmt.Println(err)
	// Output:
	// fe ff 00 00 80 3f 00 00 00 40
	// <nil> -2 [1 2]
	// fixed: encode value 1 of 1, string: binary.Append: some values are not fixed-sized in type *string
}
