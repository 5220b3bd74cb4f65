package codec

import (
	"encoding/binary"
	"math"
	"reflect"
	"time"
)

func (c *msgpackCodec) appendPlain(dst []byte, k reflect.Kind, at place) ([]byte, bool) {
	switch k {
	case reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64:
		return appendMsgpackInt(dst, at.int(k)), true
	case reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64:
		return appendMsgpackUint(dst, at.uint(k)), true
	case reflect.Float32:
		return appendMsgpackFloat32(dst, *at.float32()), true
	case reflect.Float64:
		return appendMsgpackFloat64(dst, *at.float64()), true
	case reflect.Bool:
		return appendMsgpackBool(dst, *at.bool()), true
	case reflect.String:
		return appendMsgpackString(dst, *at.string())
	case reflect.Slice:
		return appendMsgpackBytes(dst, *at.bytes())
	case reflect.Struct:
		return appendMsgpackTime(dst, *at.time()), true
	}
	return dst, false
}

func (c *msgpackCodec) decodePlain(src []byte, k reflect.Kind, at place) int {
	if k == reflect.Struct {
		return msgpackTime(src, at.time())
	}
	if src[0] < mpFixMap && k >= reflect.Int && k <= reflect.Int64 { // a small number, as most are
		at.setInt(k, int64(src[0]))
		return 1
	}
	it, err := msgpackItem(src)
	if err != nil {
		return 0
	}
	return it.assignPlain(src, k, at)
}

// msgpackTime decodes a time in one of the forms that appendMsgpackTime writes.
func msgpackTime(src []byte, p *time.Time) int {
	var sec, nsec int64
	size := 0
	switch {
	case len(src) >= 6 && src[0] == mpFixExt4 && src[1] == timestamp:
		sec, size = int64(binary.BigEndian.Uint32(src[2:])), 6
	case len(src) >= 10 && src[0] == mpFixExt8 && src[1] == timestamp:
		both := binary.BigEndian.Uint64(src[2:])
		sec, nsec, size = int64(both&(1<<34-1)), int64(both>>34), 10
	case len(src) >= 15 && src[0] == mpExt8 && src[1] == 12 && src[2] == timestamp:
		sec, nsec, size = int64(binary.BigEndian.Uint64(src[7:])), int64(binary.BigEndian.Uint32(src[3:])), 15
	default:
		return 0
	}
	if *p = time.Unix(sec, nsec); p.IsZero() {
		*p = p.UTC() // as the library does
	}
	return size
}

// assignPlain is assign for a plan: it sets a value of kind k from it and returns the length of the whole item, or 0
// where the form is not the usual one or the value does not fit: then the codec decides.
func (it item) assignPlain(src []byte, k reflect.Kind, at place) int {
	switch {
	case it.kind == kindUint && k >= reflect.Int && k <= reflect.Int64:
		if it.n > math.MaxInt64 || !at.setInt(k, int64(it.n)) {
			return 0
		}
	case it.kind == kindInt && k >= reflect.Int && k <= reflect.Int64:
		if !at.setInt(k, int64(it.n)) {
			return 0
		}
	case it.kind == kindUint && k >= reflect.Uint && k <= reflect.Uint64:
		if !at.setUint(k, it.n) {
			return 0
		}
	case it.kind == kindBool && k == reflect.Bool:
		*at.bool() = it.n != 0
	case it.kind == kindFloat64 && k == reflect.Float64:
		*at.float64() = math.Float64frombits(it.n)
	case it.kind == kindFloat32 && k == reflect.Float32:
		*at.float32() = math.Float32frombits(uint32(it.n))
	case it.kind == kindString && k == reflect.String:
		end := it.size + int(it.n)
		*at.string() = string(src[it.size:end])
		return end
	case it.kind == kindBytes && k == reflect.Slice:
		end := it.size + int(it.n)
		*at.bytes() = append(make([]byte, 0, it.n), src[it.size:end]...) // never into what someone may have kept
		return end
	default:
		return 0
	}
	return it.size
}
