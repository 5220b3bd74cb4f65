package codec

import (
	"encoding/binary"
	"errors"
	"fmt"
)

// The major types of cbor, in the upper three bits of an item's first byte (RFC 8949, section 3.1).
const (
	cborUint   = 0
	cborInt    = 1
	cborBytes  = 2
	cborText   = 3
	cborArray  = 4
	cborMap    = 5
	cborTag    = 6
	cborSimple = 7
)

// Values in the lower five bits of the first byte.
const (
	cborFalse      = 20
	cborTrue       = 21
	cborNull       = 22
	cborUndefined  = 23
	cborOneByte    = 24 // the number is in the next byte; larger ones up to cborEightBytes double that
	cborTwoBytes   = 25
	cborFourBytes  = 26
	cborEightBytes = 27
	cborIndefinite = 31
)

// Tags that are looked at.
const (
	cborTagTime      = 0
	cborTagBignum    = 2
	cborTagNegBignum = 3
)

// maxBignum is the longest big integer, in bytes: the library prints one that does not fit, which takes time that
// grows faster than its length.
const maxBignum = 4096

var (
	errIndefinite = errors.New("items of indefinite length are not accepted")
	errBignum     = fmt.Errorf("a big integer of more than %d bytes", maxBignum)
)

// cborItem parses the head of the item at the beginning of src, and checks that the bytes it has are there.
func cborItem(src []byte) (item, error) {
	if len(src) == 0 {
		return item{}, errTruncated
	}
	major, info := src[0]>>5, src[0]&0x1f
	it := item{size: 1, n: uint64(info)}
	if info >= cborOneByte {
		switch {
		case info == cborIndefinite:
			return it, errIndefinite
		case info > cborEightBytes:
			return it, fmt.Errorf("byte %#x begins no value", src[0])
		}
		width := 1 << (info - cborOneByte)
		if it.size += width; len(src) < it.size {
			return it, errTruncated
		}
		it.n = bigEndian(src[1:it.size])
	}
	return it.ofMajor(major, info, len(src)-it.size)
}

func bigEndian(b []byte) uint64 {
	switch len(b) {
	case 1:
		return uint64(b[0])
	case 2:
		return uint64(binary.BigEndian.Uint16(b))
	case 4:
		return uint64(binary.BigEndian.Uint32(b))
	}
	return binary.BigEndian.Uint64(b)
}

// ofMajor gives the item its kind.
func (it item) ofMajor(major, info byte, bytesLeft int) (item, error) {
	switch major {
	case cborUint:
		it.kind = kindUint
	case cborInt:
		if it.kind = kindInt; int64(it.n) < 0 {
			it.kind = kindOther // only a big.Int holds it
		}
		it.n = ^it.n
	case cborBytes, cborText:
		it.kind = kindBytes
		if major == cborText {
			it.kind = kindString
		}
		if it.n > uint64(bytesLeft) {
			return it, lengthError(it, bytesLeft)
		}
	case cborArray:
		it.kind = kindArray
	case cborMap:
		it.kind = kindMap
	case cborTag:
		it.kind = kindTag
	case cborSimple:
		return it.ofSimple(info), nil
	}
	return it, nil
}

func (it item) ofSimple(info byte) item {
	switch info {
	case cborFalse, cborTrue:
		it.kind, it.n = kindBool, uint64(info-cborFalse)
	case cborNull, cborUndefined:
		it.kind = kindNil
	case cborFourBytes:
		it.kind = kindFloat32
	case cborEightBytes:
		it.kind = kindFloat64
	default:
		it.kind = kindOther
	}
	return it
}

// cborScan checks the nesting, the lengths and the counts of the one value at the beginning of src.
// It returns the value's length and what it can become by w.
func cborScan(src []byte, w *weights) (int, tally, error) {
	var nest nesting
	bignum := false
	for off := 0; ; {
		it, err := cborItem(src[off:])
		if err != nil {
			return 0, tally{}, err
		}
		off += it.size
		switch it.kind {
		case kindString, kindBytes:
			if off += int(it.n); bignum && it.n > maxBignum {
				return 0, tally{}, errBignum
			}
		case kindArray, kindMap, kindTag:
			if err := nest.enter(it, len(src)-off, w); err != nil {
				return 0, tally{}, err
			}
		}
		bignum = it.kind == kindTag && (it.n == cborTagBignum || it.n == cborTagNegBignum)
		if nest.ended(it) {
			return off, nest.tally, nil
		}
	}
}
