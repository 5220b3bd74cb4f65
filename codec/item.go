package codec

import (
	"fmt"
	"math"
	"time"
)

// kind is what an item on the wire of msgpack or cbor is.
type kind uint8

const (
	kindNil kind = iota
	kindBool
	kindUint    // n is the number
	kindInt     // int64(n) is the number, which is negative
	kindFloat32 // n holds the bits
	kindFloat64 // n holds the bits
	kindString  // n bytes follow the head
	kindBytes   // n bytes follow the head
	kindArray   // n items follow
	kindMap     // n pairs of items follow
	kindTag     // cbor: n is the tag; one item follows
	kindExt     // msgpack: n bytes follow the head
	kindOther   // what the library may know, without content
)

var kindNames = [...]string{"nil", "a bool", "a number", "a negative number", "a float", "a float", "a string", "bytes",
	"an array", "a map", "a tagged value", "an extension", "a simple value"}

func (k kind) String() string { return kindNames[k] }

// item is the head of one item on the wire. The bytes of a string or of bytes follow the head.
type item struct {
	kind kind
	size int // bytes of the head
	n    uint64
}

// assign sets the value that the pointer v points to from it, whose string or bytes are body, where v's type is
// one of the plain kinds and it is no container. It reports whether that was so. Nil makes a zero value.
// A number must fit: nothing is cut off, rounded or wrapped. loose lets a string and bytes stand for each other.
func (it item) assign(v any, body []byte, loose bool) (done bool, err error) {
	switch it.kind {
	case kindArray, kindMap, kindTag, kindExt, kindOther:
		return false, nil
	}
	switch p := v.(type) {
	case *int:
		err = assignInt(p, it)
	case *int8:
		err = assignInt(p, it)
	case *int16:
		err = assignInt(p, it)
	case *int32:
		err = assignInt(p, it)
	case *int64:
		err = assignInt(p, it)
	case *time.Duration:
		err = assignInt(p, it)
	case *uint:
		err = assignUint(p, it)
	case *uint8:
		err = assignUint(p, it)
	case *uint16:
		err = assignUint(p, it)
	case *uint32:
		err = assignUint(p, it)
	case *uint64:
		err = assignUint(p, it)
	case *float32:
		err = assignFloat(p, it)
	case *float64:
		err = assignFloat(p, it)
	case *bool:
		err = assignBool(p, it)
	case *string:
		err = assignString(p, it, body, loose)
	case *[]byte:
		err = assignBytes(p, it, body, loose)
	case *time.Time:
		if it.kind != kindNil {
			return false, nil
		}
		*p = time.Time{}
	default:
		return false, nil
	}
	return true, err
}

func assignInt[T ~int | ~int8 | ~int16 | ~int32 | ~int64](p *T, it item) error {
	n := int64(it.n)
	switch {
	case it.kind == kindNil:
		*p = 0
	case it.kind != kindInt && it.kind != kindUint:
		return it.mismatch()
	case int64(T(n)) != n || it.kind == kindUint && n < 0:
		return it.overflow()
	default:
		*p = T(n)
	}
	return nil
}

func assignUint[T uint | uint8 | uint16 | uint32 | uint64](p *T, it item) error {
	switch {
	case it.kind == kindNil:
		*p = 0
	case it.kind != kindInt && it.kind != kindUint:
		return it.mismatch()
	case uint64(T(it.n)) != it.n || it.kind == kindInt:
		return it.overflow()
	default:
		*p = T(it.n)
	}
	return nil
}

func assignFloat[T float32 | float64](p *T, it item) error {
	var f float64
	switch it.kind {
	case kindNil:
	case kindFloat32:
		f = float64(math.Float32frombits(uint32(it.n)))
	case kindFloat64:
		f = math.Float64frombits(it.n)
	case kindInt:
		if f = float64(int64(it.n)); int64(f) != int64(it.n) {
			return it.overflow()
		}
	case kindUint:
		if f = float64(it.n); f >= 1<<64 || uint64(f) != it.n {
			return it.overflow()
		}
	default:
		return it.mismatch()
	}
	if float64(T(f)) != f && f == f {
		return it.overflow()
	}
	*p = T(f)
	return nil
}

func assignBool(p *bool, it item) error {
	if it.kind != kindNil && it.kind != kindBool {
		return it.mismatch()
	}
	*p = it.kind == kindBool && it.n != 0
	return nil
}

func assignString(p *string, it item, body []byte, loose bool) error {
	if it.kind != kindNil && it.kind != kindString && (it.kind != kindBytes || !loose) {
		return it.mismatch()
	}
	*p = string(body)
	return nil
}

// assignBytes never writes into the memory that *p refers to: someone may have kept it.
func assignBytes(p *[]byte, it item, body []byte, loose bool) error {
	switch {
	case it.kind == kindNil:
		*p = nil
	case it.kind != kindBytes && (it.kind != kindString || !loose):
		return it.mismatch()
	default:
		*p = append(make([]byte, 0, len(body)), body...)
	}
	return nil
}

func (it item) mismatch() error {
	return fmt.Errorf("the message has %v here", it.kind)
}

func (it item) overflow() error {
	switch it.kind {
	case kindInt:
		return fmt.Errorf("%d does not fit", int64(it.n))
	case kindFloat32:
		return fmt.Errorf("%g does not fit", math.Float32frombits(uint32(it.n)))
	case kindFloat64:
		return fmt.Errorf("%g does not fit", math.Float64frombits(it.n))
	}
	return fmt.Errorf("%d does not fit", it.n)
}
