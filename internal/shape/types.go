package shape

import (
	"encoding/json"
	"fmt"
	"go/token"
	"math/big"
	"reflect"
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"
)

// Limits on the types that [Types] builds. The Go runtime keeps types for ever, and each has a name that holds the
// names of its parts.
const (
	maxFields = 4096     // in one struct
	maxWeight = 1 << 18  // bytes of a type's name, nearly
	maxSize   = 16 << 20 // bytes of a value, without what it points to
)

// Types returns Go types that travel as s: structs are anonymous, and their fields have tags for json, msgpack and
// cbor where the wire's name is not the Go name. Integers of both "int" and "uint" have 64 bits on every machine.
//
// The result is exact, and the bool true, unless some part had to become any: a type that holds itself, one that
// marshals itself and is not known here, a struct with a name that no tag can hold, or one that is too large to be
// built. It fails for a text that is no shape, and for arrays of absurd size.
//
// The runtime keeps each type that was built until the process ends, so this is for tools, not for servers that
// strangers call.
func Types(s string) (_ []reflect.Type, exact bool, _ error) {
	return TypesWith(s, reflect.TypeFor[any]())
}

// TypesWith is [Types] with the type untyped in place of any, but for the keys of maps. With json.RawMessage, a tool
// that speaks JSON itself keeps such values to the last digit.
func TypesWith(s string, untyped reflect.Type) (_ []reflect.Type, exact bool, _ error) {
	nodes, err := parse(s)
	if err != nil {
		return nil, false, err
	}
	b := &builder{exact: true, untyped: newBuilt(untyped, len(untyped.String())), done: make(map[*node]built)}
	types := make([]reflect.Type, len(nodes))
	for i, n := range nodes {
		t, err := b.build(n)
		if err != nil {
			return nil, false, fmt.Errorf("value %d: %w", i+1, err)
		}
		types[i] = t.typ
	}
	return types, b.exact, nil
}

// builder makes Go types of nodes. What parse accepts may still be more than reflect does: its functions panic on
// it, so everything is checked before.
type builder struct {
	exact   bool
	untyped built
	done    map[*node]built // with a nil typ while it is being built
}

type built struct {
	typ    reflect.Type
	weight int    // of its name
	size   uint64 // of a value, at least 1, as a list of nothings is long too
}

func newBuilt(t reflect.Type, weight int) built { return built{t, weight, max(1, uint64(t.Size()))} }

// knownTypes are the self-marshalling types that are built as themselves.
var knownTypes = map[string]reflect.Type{
	"time.Time":                reflect.TypeFor[time.Time](),
	"encoding/json.RawMessage": reflect.TypeFor[json.RawMessage](),
	"math/big.Int":             reflect.TypeFor[*big.Int](), // its methods want a pointer
	"math/big.Float":           reflect.TypeFor[*big.Float](),
	"math/big.Rat":             reflect.TypeFor[*big.Rat](),
}

func (b *builder) any() (built, error) {
	b.exact = false
	return b.untyped, nil
}

func (b *builder) build(n *node) (built, error) {
	if t, ok := b.done[n]; ok {
		if t.typ == nil {
			return b.any()
		}
		return t, nil
	}
	b.done[n] = built{}
	t, err := b.make(n)
	if err == nil && t.weight > maxWeight {
		t, err = b.any()
	}
	b.done[n] = t
	return t, err
}

func (b *builder) make(n *node) (built, error) {
	switch n.kind {
	case kindAny:
		return b.untyped, nil
	case kindBytes:
		return newBuilt(reflect.TypeFor[[]byte](), 8), nil
	case kindOpaque:
		if t := knownTypes[n.name]; t != nil {
			return newBuilt(t, len(n.name)), nil
		}
		return b.any()
	case kindPointer:
		t, err := b.build(n.elem)
		if err != nil || t.typ == b.untyped.typ || t.typ.Kind() == reflect.Pointer {
			return t, err
		}
		return newBuilt(reflect.PointerTo(t.typ), t.weight+1), nil
	case kindSlice:
		t, err := b.build(n.elem)
		if err != nil {
			return t, err
		}
		return newBuilt(reflect.SliceOf(t.typ), t.weight+2), nil
	case kindArray:
		return b.makeArray(n)
	case kindMap:
		return b.makeMap(n)
	case kindStruct:
		return b.makeStruct(n)
	case kindStream, kindReader:
		return built{}, fmt.Errorf("%s can't be built of data: call the method by a typed function", n)
	}
	return newBuilt(scalarTypes[reflect.Kind(n.kind)], 8), nil
}

var scalarTypes = map[reflect.Kind]reflect.Type{
	reflect.Bool: reflect.TypeFor[bool](), reflect.String: reflect.TypeFor[string](),
	reflect.Int8: reflect.TypeFor[int8](), reflect.Int16: reflect.TypeFor[int16](),
	reflect.Int32: reflect.TypeFor[int32](), reflect.Int64: reflect.TypeFor[int64](),
	reflect.Uint8: reflect.TypeFor[uint8](), reflect.Uint16: reflect.TypeFor[uint16](),
	reflect.Uint32: reflect.TypeFor[uint32](), reflect.Uint64: reflect.TypeFor[uint64](),
	reflect.Float32: reflect.TypeFor[float32](), reflect.Float64: reflect.TypeFor[float64](),
	reflect.Complex64: reflect.TypeFor[complex64](), reflect.Complex128: reflect.TypeFor[complex128](),
}

func (b *builder) makeArray(n *node) (built, error) {
	t, err := b.build(n.elem)
	if err != nil {
		return t, err
	}
	if n.length > maxSize || uint64(n.length)*t.size > maxSize {
		return built{}, fmt.Errorf("an array of %d elements of %s is too large to be built here", n.length, n.elem)
	}
	return built{reflect.ArrayOf(int(n.length), t.typ), t.weight + 12, max(1, uint64(n.length)*t.size)}, nil
}

func (b *builder) makeMap(n *node) (built, error) {
	key, err := b.build(n.key)
	if err != nil {
		return key, err
	}
	elem, err := b.build(n.elem)
	if err != nil {
		return elem, err
	}
	if key.typ == b.untyped.typ {
		key = newBuilt(reflect.TypeFor[any](), 3)
	}
	if !key.typ.Comparable() {
		return built{}, fmt.Errorf("a map can't have keys of type %s", n.key)
	}
	return newBuilt(reflect.MapOf(key.typ, elem.typ), key.weight+elem.weight+5), nil
}

func (b *builder) makeStruct(n *node) (built, error) {
	if len(n.fields) > maxFields {
		return built{}, fmt.Errorf("a struct of %d fields is too large to be built here, the limit is %d",
			len(n.fields), maxFields)
	}
	names := make(map[string]bool, len(n.fields))
	for _, f := range n.fields {
		names[f.name] = isGoName(f.name) // a wire name that is a Go name keeps it
	}
	fields := make([]reflect.StructField, len(n.fields))
	weight, size := 8, uint64(0)
	for i, f := range n.fields {
		t, err := b.build(f.typ)
		if err != nil {
			return built{}, fmt.Errorf("field %q: %w", f.name, err)
		}
		if !isTagName(f.name) || weight > maxWeight {
			return b.any()
		}
		fields[i] = reflect.StructField{Name: f.name, Type: t.typ}
		if !isGoName(f.name) {
			fields[i].Name = goName(f.name, i, names)
			fields[i].Tag = reflect.StructTag(fmt.Sprintf("json:%[1]q msgpack:%[1]q cbor:%[1]q", f.name))
		}
		weight += t.weight + len(fields[i].Name) + len(fields[i].Tag) + 4
		if size += t.size + 8; size > maxSize { // 8: the most that alignment adds
			return built{}, fmt.Errorf("a struct of more than %d bytes is too large to be built here", maxSize)
		}
	}
	if weight > maxWeight {
		return b.any()
	}
	return built{reflect.StructOf(fields), weight, size + 1}, nil
}

// isGoName reports whether name is an exported Go name.
func isGoName(name string) bool { return token.IsIdentifier(name) && token.IsExported(name) }

// goName returns an exported Go name for the field with the given wire name and number, and notes it in names.
func goName(wire string, number int, names map[string]bool) string {
	r, size := utf8.DecodeRuneInString(wire)
	name := string(unicode.ToUpper(r)) + wire[size:]
	if !isGoName(name) {
		name = "F" + strconv.Itoa(number)
	}
	for names[name] {
		name += "_"
	}
	names[name] = true
	return name
}

// isTagName reports whether every codec reads name from a struct tag as it stands.
func isTagName(name string) bool {
	return name != "-" && strings.IndexFunc(name, func(r rune) bool {
		return !wordRune(r) && !strings.ContainsRune("_-./$@#+", r)
	}) < 0
}
