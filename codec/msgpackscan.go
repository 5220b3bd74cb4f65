package codec

import (
	"encoding/binary"
	"errors"
	"fmt"
)

// First bytes of msgpack's items (github.com/msgpack/msgpack, spec.md). The library has them as variables,
// which no switch can be compiled into a table with.
const (
	mpFixMap    = 0x80 // to 0x8f
	mpFixArray  = 0x90 // to 0x9f
	mpFixStr    = 0xa0 // to 0xbf
	mpNil       = 0xc0
	mpFalse     = 0xc2
	mpTrue      = 0xc3
	mpBin8      = 0xc4
	mpBin16     = 0xc5
	mpBin32     = 0xc6
	mpExt8      = 0xc7
	mpExt16     = 0xc8
	mpExt32     = 0xc9
	mpFloat32   = 0xca
	mpFloat64   = 0xcb
	mpUint8     = 0xcc
	mpUint16    = 0xcd
	mpUint32    = 0xce
	mpUint64    = 0xcf
	mpInt8      = 0xd0
	mpInt16     = 0xd1
	mpInt32     = 0xd2
	mpInt64     = 0xd3
	mpFixExt1   = 0xd4
	mpFixExt2   = 0xd5
	mpFixExt4   = 0xd6
	mpFixExt8   = 0xd7
	mpFixExt16  = 0xd8
	mpStr8      = 0xd9
	mpStr16     = 0xda
	mpStr32     = 0xdb
	mpArray16   = 0xdc
	mpArray32   = 0xdd
	mpMap16     = 0xde
	mpMap32     = 0xdf
	mpNegFixInt = 0xe0 // to 0xff
)

// internedStrings is the extension that the library writes for a repeated string in a field tagged "intern".
const internedStrings = -128

var errInterned = errors.New(`interned strings are not supported: drop "intern" from the field's msgpack tag`)

// msgpackItem parses the head of the item at the beginning of src, and checks that the bytes it has are there.
func msgpackItem(src []byte) (item, error) {
	if len(src) == 0 {
		return item{}, errTruncated
	}
	c := src[0]
	switch {
	case c < mpFixMap:
		return item{kindUint, 1, uint64(c)}, nil
	case c >= mpNegFixInt:
		return item{kindInt, 1, uint64(int64(int8(c)))}, nil
	case c < mpFixArray:
		return item{kindMap, 1, uint64(c - mpFixMap)}, nil
	case c < mpFixStr:
		return item{kindArray, 1, uint64(c - mpFixArray)}, nil
	case c < mpNil:
		return msgpackBody(src, item{kindString, 1, uint64(c - mpFixStr)})
	}
	return msgpackLongItem(src)
}

// msgpackLongItem parses a head whose number, length or count is not in its first byte.
func msgpackLongItem(src []byte) (item, error) {
	switch c := src[0]; c {
	case mpNil:
		return item{kindNil, 1, 0}, nil
	case mpFalse, mpTrue:
		return item{kindBool, 1, uint64(c & 1)}, nil
	case mpUint8, mpUint16, mpUint32, mpUint64:
		return msgpackNumber(src, kindUint, 1<<(c-mpUint8))
	case mpInt8, mpInt16, mpInt32, mpInt64:
		it, err := msgpackNumber(src, kindUint, 1<<(c-mpInt8))
		unused := 64 - 8*(it.size-1)
		if it.n = uint64(int64(it.n<<unused) >> unused); int64(it.n) < 0 {
			it.kind = kindInt
		}
		return it, err
	case mpFloat32:
		return msgpackNumber(src, kindFloat32, 4)
	case mpFloat64:
		return msgpackNumber(src, kindFloat64, 8)
	case mpArray16, mpArray32:
		return msgpackNumber(src, kindArray, 2<<(c-mpArray16))
	case mpMap16, mpMap32:
		return msgpackNumber(src, kindMap, 2<<(c-mpMap16))
	case mpStr8, mpStr16, mpStr32:
		return msgpackBodyOf(src, kindString, 1<<(c-mpStr8))
	case mpBin8, mpBin16, mpBin32:
		return msgpackBodyOf(src, kindBytes, 1<<(c-mpBin8))
	case mpExt8, mpExt16, mpExt32:
		it, err := msgpackNumber(src, kindExt, 1<<(c-mpExt8))
		if err != nil {
			return it, err
		}
		return msgpackExt(src, it)
	case mpFixExt1, mpFixExt2, mpFixExt4, mpFixExt8, mpFixExt16:
		return msgpackExt(src, item{kindExt, 1, 1 << (c - mpFixExt1)})
	default:
		return item{}, fmt.Errorf("byte %#x begins no value", c)
	}
}

// msgpackNumber reads the big-endian number of width bytes behind the first byte.
func msgpackNumber(src []byte, k kind, width int) (item, error) {
	it := item{kind: k, size: 1 + width}
	if len(src) < it.size {
		return it, errTruncated
	}
	switch width {
	case 1:
		it.n = uint64(src[1])
	case 2:
		it.n = uint64(binary.BigEndian.Uint16(src[1:]))
	case 4:
		it.n = uint64(binary.BigEndian.Uint32(src[1:]))
	case 8:
		it.n = binary.BigEndian.Uint64(src[1:])
	}
	return it, nil
}

func msgpackBodyOf(src []byte, k kind, width int) (item, error) {
	it, err := msgpackNumber(src, k, width)
	if err != nil {
		return it, err
	}
	return msgpackBody(src, it)
}

func msgpackBody(src []byte, it item) (item, error) {
	if left := len(src) - it.size; it.n > uint64(left) {
		return it, lengthError(it, left)
	}
	return it, nil
}

// msgpackExt adds the byte of an extension's type to its head.
func msgpackExt(src []byte, it item) (item, error) {
	if len(src) <= it.size {
		return it, errTruncated
	}
	if int8(src[it.size]) == internedStrings {
		return it, errInterned
	}
	it.size++
	return msgpackBody(src, it)
}

// msgpackScan checks the nesting, the lengths and the counts of the one value at the beginning of src.
// It returns the value's length and what it can become by w. Where an extension's bytes begin is appended to exts.
func msgpackScan(src []byte, w *weights, exts *[]int) (int, tally, error) {
	var nest nesting
	for off := 0; ; {
		it, err := msgpackItem(src[off:])
		if err != nil {
			return 0, tally{}, err
		}
		off += it.size
		switch it.kind {
		case kindString, kindBytes:
			off += int(it.n)
		case kindExt:
			*exts = append(*exts, off)
			off += int(it.n)
		case kindArray, kindMap:
			if err := nest.enter(it, len(src)-off, w); err != nil {
				return 0, tally{}, err
			}
		}
		if nest.ended(it) {
			return off, nest.tally, nil
		}
	}
}
