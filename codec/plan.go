package codec

import (
	"fmt"
	"reflect"
)

// Plan encodes and decodes lists of values of the types that it was made for. Append and Decode are those of [Codec], to
// the byte and with the same errors, only quicker; values of other types are taken too. A Plan may be used by many
// goroutines at once.
type Plan interface {
	Append(dst []byte, values []any) ([]byte, error)
	Decode(src []byte, values []any) error
}

// Planner is a codec that works out once, when a method is bound, what it does with the types of its arguments or
// results.
type Planner interface {
	// Plan makes a plan for lists of values of these types. It does not keep the slice.
	Plan(types []reflect.Type) Plan
}

// PlanFor returns c's plan for values of these types, or c itself where it makes none.
func PlanFor(c Codec, types []reflect.Type) Plan {
	if p, ok := c.(Planner); ok {
		return p.Plan(types)
	}
	return c
}

// The built-in codecs for which there is something to work out. Gob's messages describe their types anew each time.
var (
	_ Planner = (*jsonCodec)(nil)
	_ Planner = (*msgpackCodec)(nil)
	_ Planner = (*cborCodec)(nil)
)

// itemCodec is msgpack or cbor: a codec whose values are items that follow each other behind the head of a list.
type itemCodec interface {
	Codec

	// appendValue appends what v points to.
	appendValue(dst []byte, v any) ([]byte, error)

	// decodeValue decodes the value at the beginning of src. It returns the value's length, and what is left of b.
	decodeValue(src []byte, v any, b budget) (int, budget, error)

	// appendPlain appends a value of the plain kind k, or reports that it is left to appendValue.
	appendPlain(dst []byte, k reflect.Kind, at place) ([]byte, bool)

	// decodePlain decodes the value at the beginning of src, which is not empty, and returns its length; or 0 to leave
	// it to decodeValue, as with all that is an error. So it need not know more forms than encoders write.
	decodePlain(src []byte, k reflect.Kind, at place) int
}

// itemPlan is the plan of an itemCodec. Values of plain kinds take their step, whatever stands beside them; the codec
// does the rest.
type itemPlan struct {
	codec itemCodec
	head  byte // of the list
	steps []step
}

// maxShortList is the first count of values that does not fit the first byte of a list in msgpack; cbor has more.
const maxShortList = 16

// newItemPlan makes a plan where the head of the list is one byte: empty is that of an empty list, and has the count in
// its lower bits.
func newItemPlan(c itemCodec, empty byte, types []reflect.Type, g *weigher) Plan {
	if len(types) >= maxShortList {
		return c
	}
	return &itemPlan{codec: c, head: empty + byte(len(types)), steps: steps(types, g)}
}

func (p *itemPlan) Append(dst []byte, values []any) ([]byte, error) {
	if len(values) != len(p.steps) {
		return p.codec.Append(dst, values)
	}
	out := append(dst, p.head)
	for i, v := range values {
		if at, ok := p.steps[i].place(v); ok {
			if out, ok = p.codec.appendPlain(out, p.steps[i].kind, at); ok {
				continue
			}
		}
		var err error
		if out, err = p.codec.appendValue(out, v); err != nil {
			return dst, encodeError(p.codec.Name(), i, values, err)
		}
	}
	return out, nil
}

func (p *itemPlan) Decode(src []byte, values []any) error {
	if len(src) <= len(values) || src[0] != p.head || len(values) != len(p.steps) {
		return p.codec.Decode(src, values) // another form of the list, or an error
	}
	b := newBudget(len(src))
	rest := src[1:]
	for i, v := range values {
		if at, ok := p.steps[i].place(v); ok && len(rest) > 0 {
			if n := p.codec.decodePlain(rest, p.steps[i].kind, at); n > 0 {
				rest = rest[n:]
				continue
			}
		}
		n, left, err := p.codec.decodeValue(rest, v, b)
		if err != nil {
			return decodeError(p.codec.Name(), i, values, err)
		}
		rest, b = rest[n:], left
	}
	if len(rest) > 0 {
		return trailingError(p.codec.Name(), len(rest), values)
	}
	return nil
}

// appendValues appends values by an itemCodec that has no plan for them.
func appendValues(c itemCodec, dst, out []byte, values []any) ([]byte, error) {
	for i, v := range values {
		var err error
		if out, err = c.appendValue(out, v); err != nil {
			return dst, encodeError(c.Name(), i, values, err)
		}
	}
	return out, nil
}

// decodeList decodes a list by an itemCodec that has no plan for it. read parses the head of an item.
func decodeList(c itemCodec, read func([]byte) (item, error), src []byte, values []any) error {
	list, err := read(src)
	switch {
	case err != nil:
		return listError(c.Name(), values, err)
	case list.kind != kindArray:
		return listError(c.Name(), values, fmt.Errorf("the message is %v, not an array of values", list.kind))
	case list.n > uint64(len(src)-list.size):
		return listError(c.Name(), values, lengthError(list, len(src)-list.size))
	case list.n != uint64(len(values)):
		return countError(c.Name(), list.n, values)
	}
	b := newBudget(len(src))
	rest := src[list.size:]
	for i, v := range values {
		n, left, err := c.decodeValue(rest, v, b)
		if err != nil {
			return decodeError(c.Name(), i, values, err)
		}
		rest, b = rest[n:], left
	}
	if len(rest) > 0 {
		return trailingError(c.Name(), len(rest), values)
	}
	return nil
}
