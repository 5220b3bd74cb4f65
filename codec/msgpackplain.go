package codec

import (
	"encoding/binary"
	"math"
	"time"
)

// appendMsgpack appends the value that v points to where it is of a plain kind, in the form that the library gives it,
// and reports whether it was.
func appendMsgpack(dst []byte, v any) ([]byte, bool) {
	switch p := v.(type) {
	case *int:
		return appendMsgpackInt(dst, int64(*p)), true
	case *int8:
		return appendMsgpackInt(dst, int64(*p)), true
	case *int16:
		return appendMsgpackInt(dst, int64(*p)), true
	case *int32:
		return appendMsgpackInt(dst, int64(*p)), true
	case *int64:
		return appendMsgpackInt(dst, *p), true
	case *time.Duration:
		return appendMsgpackInt(dst, int64(*p)), true
	case *uint:
		return appendMsgpackUint(dst, uint64(*p)), true
	case *uint8:
		return appendMsgpackUint(dst, uint64(*p)), true
	case *uint16:
		return appendMsgpackUint(dst, uint64(*p)), true
	case *uint32:
		return appendMsgpackUint(dst, uint64(*p)), true
	case *uint64:
		return appendMsgpackUint(dst, *p), true
	case *float32:
		return appendMsgpackFloat32(dst, *p), true
	case *float64:
		return appendMsgpackFloat64(dst, *p), true
	case *bool:
		return appendMsgpackBool(dst, *p), true
	case *string:
		return appendMsgpackString(dst, *p)
	case *[]byte:
		return appendMsgpackBytes(dst, *p)
	case *time.Time:
		return appendMsgpackTime(dst, *p), true
	}
	return dst, false
}

func appendMsgpackInt(dst []byte, n int64) []byte {
	switch {
	case n >= 0:
		return appendMsgpackUint(dst, uint64(n))
	case n >= mpNegFixInt-256:
		return append(dst, byte(n))
	case n >= math.MinInt8:
		return append(dst, mpInt8, byte(n))
	case n >= math.MinInt16:
		return binary.BigEndian.AppendUint16(append(dst, mpInt16), uint16(n))
	case n >= math.MinInt32:
		return binary.BigEndian.AppendUint32(append(dst, mpInt32), uint32(n))
	}
	return binary.BigEndian.AppendUint64(append(dst, mpInt64), uint64(n))
}

func appendMsgpackUint(dst []byte, n uint64) []byte {
	switch {
	case n < mpFixMap:
		return append(dst, byte(n))
	case n <= math.MaxUint8:
		return append(dst, mpUint8, byte(n))
	case n <= math.MaxUint16:
		return binary.BigEndian.AppendUint16(append(dst, mpUint16), uint16(n))
	case n <= math.MaxUint32:
		return binary.BigEndian.AppendUint32(append(dst, mpUint32), uint32(n))
	}
	return binary.BigEndian.AppendUint64(append(dst, mpUint64), n)
}

func appendMsgpackFloat32(dst []byte, f float32) []byte {
	return binary.BigEndian.AppendUint32(append(dst, mpFloat32), math.Float32bits(f))
}

func appendMsgpackFloat64(dst []byte, f float64) []byte {
	return binary.BigEndian.AppendUint64(append(dst, mpFloat64), math.Float64bits(f))
}

func appendMsgpackBool(dst []byte, yes bool) []byte {
	if yes {
		return append(dst, mpTrue)
	}
	return append(dst, mpFalse)
}

// appendMsgpackString leaves a string that is too long to the error that the codec has for it.
func appendMsgpackString(dst []byte, s string) ([]byte, bool) {
	if checkLength(len(s)) != nil {
		return dst, false
	}
	if len(s) < mpNil-mpFixStr {
		dst = append(dst, mpFixStr|byte(len(s)))
	} else {
		dst = appendMsgpackLength(dst, mpStr8, len(s))
	}
	return append(dst, s...), true
}

func appendMsgpackBytes(dst, b []byte) ([]byte, bool) {
	if b == nil {
		return append(dst, mpNil), true
	}
	if checkLength(len(b)) != nil {
		return dst, false
	}
	return append(appendMsgpackLength(dst, mpBin8, len(b)), b...), true
}

// appendMsgpackLength appends the head of a string or of bytes; first is the code with one byte for the length, and
// those with two and four follow it.
func appendMsgpackLength(dst []byte, first byte, n int) []byte {
	switch {
	case n <= math.MaxUint8:
		return append(dst, first, byte(n))
	case n <= math.MaxUint16:
		return binary.BigEndian.AppendUint16(append(dst, first+1), uint16(n))
	}
	return binary.BigEndian.AppendUint32(append(dst, first+2), uint32(n))
}

func appendMsgpackArray(dst []byte, n int) []byte {
	switch {
	case n < maxShortList:
		return append(dst, mpFixArray|byte(n))
	case n <= math.MaxUint16:
		return binary.BigEndian.AppendUint16(append(dst, mpArray16), uint16(n))
	}
	return binary.BigEndian.AppendUint32(append(dst, mpArray32), uint32(n))
}

// timestamp is the extension for times (github.com/msgpack/msgpack, spec.md, "Timestamp extension type").
const timestamp = 0xff

// appendMsgpackTime writes the shortest of the three forms: seconds in 32 bits, seconds in 34 beside nanoseconds in 30,
// or nanoseconds in 32 and seconds in 64.
func appendMsgpackTime(dst []byte, t time.Time) []byte {
	sec, nsec := uint64(t.Unix()), uint64(t.Nanosecond())
	switch {
	case sec>>32 == 0 && nsec == 0:
		return binary.BigEndian.AppendUint32(append(dst, mpFixExt4, timestamp), uint32(sec))
	case sec>>34 == 0:
		return binary.BigEndian.AppendUint64(append(dst, mpFixExt8, timestamp), nsec<<34|sec)
	}
	dst = binary.BigEndian.AppendUint32(append(dst, mpExt8, 12, timestamp), uint32(nsec))
	return binary.BigEndian.AppendUint64(dst, sec)
}
