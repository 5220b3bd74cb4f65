// Package shape describes Go types as a codec's wire sees them, in compact text.
//
// A shape is the text of a tuple: the arguments of a method, or its results. It travels in the handshake, where the
// two sides compare theirs ([Of], [Compatible]), and a tool that has no Go types builds values from it ([Types]).
//
//	tuple  = "(" [ value { "," value } ] ")"
//	value  = type | "stream[" type "]" | "reader"
//	type   = [ "*" ] ( scalar | "any" | "[]byte" | "[]" type | "[" length "]" type | "map[" type "]" type
//	         | struct | opaque | "#" number )
//	struct = "{" [ name " " type { ";" name " " type } ] "}"
//	opaque = "@" package path "." type name
//
// A scalar is named as in Go, except that int and int64 are both "int", and uint and uint64 both "uint". A "*" says
// that the value may be nil, and changes nothing for the comparison. A name that is not made of letters, digits and
// underscores stands in double quotes, as strconv.Quote writes it, and so does an opaque type's name when it holds
// anything but those and ".", "/", "-", "~". "#n" is the n-th slice, array, map or struct of the text, counted from
// 0 in the order in which they open: so a type that is used twice is written once, and a type that holds itself has
// an end. A "stream" is a stream of values of a type, a "reader" one of bytes.
//
// The text comes from peers: parsing is bounded in depth, length and work, and never panics.
package shape

import (
	"reflect"
	"strconv"
	"strings"
	"unicode"
)

// Limits on a shape.
const (
	MaxText  = 256 << 10 // bytes of a shape's text
	MaxDepth = 64        // types nested in the text
)

// Fields says how a codec names a struct field on the wire; ok is false where it leaves the field out. It is asked
// about exported fields and about embedded structs only.
//
// An embedded struct for which the name is "" is flattened: its fields count as the outer struct's, and where two
// have one name the less nested wins, as in encoding/json.
//
// A nil Fields stands for the Go names of all exported fields, with nothing flattened, as gob has it.
type Fields func(reflect.StructField) (name string, ok bool)

// Fingerprint returns the FNV-1a hash of s. It is the same on every machine: equal shapes have equal fingerprints,
// and shapes that differ may still be compatible.
func Fingerprint(s string) uint64 {
	const offset, prime = 14695981039346656037, 1099511628211
	h := uint64(offset)
	for i := range len(s) {
		h = (h ^ uint64(s[i])) * prime
	}
	return h
}

// kind is what a node is. The scalars have the numbers of their reflect.Kind.
type kind uint8

const (
	kindAny     = kind(reflect.Interface)
	kindArray   = kind(reflect.Array)
	kindMap     = kind(reflect.Map)
	kindPointer = kind(reflect.Pointer)
	kindSlice   = kind(reflect.Slice)
	kindStruct  = kind(reflect.Struct)
	kindBytes   = kind(64) // []byte
	kindOpaque  = kind(65) // a type that marshals itself
	kindStream  = kind(66) // a stream of values
	kindReader  = kind(67) // a stream of bytes
)

// node is one type of a parsed shape. Nodes form a graph: a reference is a second pointer to one node.
type node struct {
	kind   kind
	name   string  // of an opaque type: "time.Time"
	length int64   // of an array
	key    *node   // of a map
	elem   *node   // of a pointer, slice, array, map or stream
	fields []field // of a struct
}

type field struct {
	name string
	typ  *node
}

// scalars maps what is read to a kind; what is written is the name of scalarName.
var scalars = map[string]kind{
	"bool": kind(reflect.Bool), "string": kind(reflect.String),
	"int": kind(reflect.Int64), "int8": kind(reflect.Int8), "int16": kind(reflect.Int16), "int32": kind(reflect.Int32),
	"uint": kind(reflect.Uint64), "uint8": kind(reflect.Uint8), "uint16": kind(reflect.Uint16),
	"uint32": kind(reflect.Uint32), "float32": kind(reflect.Float32), "float64": kind(reflect.Float64),
	"complex64": kind(reflect.Complex64), "complex128": kind(reflect.Complex128),
	"any": kindAny,
}

// scalarName returns the text of a scalar kind, or "".
func scalarName(k reflect.Kind) string {
	switch k {
	case reflect.Int, reflect.Int64:
		return "int"
	case reflect.Uint, reflect.Uint64:
		return "uint"
	}
	if _, ok := scalars[k.String()]; ok {
		return k.String()
	}
	return ""
}

// value returns n without the pointer before it.
func (n *node) value() *node {
	if n.kind == kindPointer {
		return n.elem
	}
	return n
}

// String writes n as Go does, for a person: short, and not to be parsed.
func (n *node) String() string { return n.text(3) }

func (n *node) text(depth int) string {
	if depth == 0 {
		return "…"
	}
	switch n.kind {
	case kindAny:
		return "any"
	case kindBytes:
		return "[]byte"
	case kindOpaque:
		return n.name
	case kindPointer:
		return "*" + n.elem.text(depth)
	case kindSlice:
		return "[]" + n.elem.text(depth-1)
	case kindArray:
		return "[" + strconv.FormatInt(n.length, 10) + "]" + n.elem.text(depth-1)
	case kindMap:
		return "map[" + n.key.text(depth-1) + "]" + n.elem.text(depth-1)
	case kindStruct:
		return n.structText(depth - 1)
	case kindStream:
		return "a stream of " + n.elem.text(depth-1)
	case kindReader:
		return "a stream of bytes"
	}
	return scalarName(reflect.Kind(n.kind))
}

func (n *node) structText(depth int) string {
	const most = 6
	if depth == 0 && len(n.fields) > 0 {
		return "struct{…}"
	}
	var b strings.Builder
	b.WriteString("struct{")
	for i, f := range n.fields {
		if i > 0 {
			b.WriteString("; ")
		}
		if i == most {
			b.WriteString("…")
			break
		}
		b.WriteString(quoteUnless(f.name, wordRune) + " " + f.typ.text(depth))
	}
	b.WriteString("}")
	return b.String()
}

// tupleText writes types as a parameter list, for a person.
func tupleText(types []*node) string {
	words := make([]string, len(types))
	for i, t := range types {
		words[i] = t.String()
	}
	return "(" + strings.Join(words, ", ") + ")"
}

// quoteUnless returns s as it is if it is not empty and made of plain runes only, quoted otherwise.
func quoteUnless(s string, plain func(rune) bool) string {
	if s != "" && strings.IndexFunc(s, func(r rune) bool { return !plain(r) }) < 0 {
		return s
	}
	return strconv.Quote(s)
}

// wordRune reports whether r may stand in a name without quotes.
func wordRune(r rune) bool {
	return r == '_' || r != unicode.ReplacementChar && (unicode.IsLetter(r) || unicode.IsDigit(r))
}

// pathRune reports whether r may stand in an opaque type's name without quotes.
func pathRune(r rune) bool { return wordRune(r) || strings.ContainsRune("./-~", r) }
