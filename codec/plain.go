package codec

import (
	"bytes"
	"reflect"
	"time"
)

// The plain kinds are what the codecs encode and decode by themselves, without their libraries: bool, integers, floats,
// string, []byte, time.Duration and, where it has a short form, time.Time.

var (
	bytesType = reflect.TypeFor[[]byte]()
	timeType  = reflect.TypeFor[time.Time]()
)

// plainKinds are the types of the plain kinds by their kind.
var plainKinds = [...]reflect.Type{
	reflect.Bool:    reflect.TypeFor[bool](),
	reflect.Int:     reflect.TypeFor[int](),
	reflect.Int8:    reflect.TypeFor[int8](),
	reflect.Int16:   reflect.TypeFor[int16](),
	reflect.Int32:   reflect.TypeFor[int32](),
	reflect.Int64:   reflect.TypeFor[int64](),
	reflect.Uint:    reflect.TypeFor[uint](),
	reflect.Uint8:   reflect.TypeFor[uint8](),
	reflect.Uint16:  reflect.TypeFor[uint16](),
	reflect.Uint32:  reflect.TypeFor[uint32](),
	reflect.Uint64:  reflect.TypeFor[uint64](),
	reflect.Float32: reflect.TypeFor[float32](),
	reflect.Float64: reflect.TypeFor[float64](),
	reflect.String:  reflect.TypeFor[string](),
	reflect.Slice:   bytesType,
}

// kindType returns the plain kind that t is of by its form alone, or nil.
func kindType(t reflect.Type) reflect.Type {
	if int(t.Kind()) >= len(plainKinds) || t.Kind() == reflect.Slice && t.Elem() != bytesType.Elem() {
		return nil
	}
	return plainKinds[t.Kind()]
}

// plainType returns the plain kind whose values are encoded as those of t are: for int and for a type ID int that is
// int. It is nil for types that are no such kind, or that encode or decode themselves.
func (g *weigher) plainType(t reflect.Type) reflect.Type {
	kind := kindType(t)
	if kind == nil || kind == t {
		return kind
	}
	if known, ok := g.plains.Load(t); ok {
		return known.(plainType).Type
	}
	if g.isOpaque(t) || implements(t, g.encoders) || g.foreign(t, kind) {
		kind = nil
	}
	g.plains.Store(t, plainType{kind})
	return kind
}

// foreign makes what weigher.foreign is. Libraries know some types by themselves, such as json.Number, and let programs
// add to them, as msgpack.RegisterExt does; a zero value shows it.
func foreign(library func([]byte, any) ([]byte, error), plain func([]byte, any) ([]byte, bool)) func(named, kind reflect.Type) bool {
	return func(named, kind reflect.Type) bool {
		theirs, err := library(nil, reflect.New(named).Interface())
		ours, ok := plain(nil, reflect.New(kind).Interface())
		return err != nil || !ok || !bytes.Equal(theirs, ours)
	}
}

// plainType holds a type that may be nil.
type plainType struct{ reflect.Type }

// plain returns the pointer v, where it points to a named type of a plain kind, as a pointer to that kind: an *ID as an
// *int. Otherwise it returns nil.
func (g *weigher) plain(v any) any {
	t := reflect.TypeOf(v).Elem()
	kind := g.plainType(t)
	if kind == nil || kind == t {
		return nil
	}
	return reflect.ValueOf(v).Convert(reflect.PointerTo(kind)).Interface()
}
