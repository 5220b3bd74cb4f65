package shape

import (
	"encoding"
	"encoding/json"
	"fmt"
	"reflect"
	"slices"
	"strconv"
)

// softLimit is the length of text beyond which nested structs are written as any.
const softLimit = MaxText / 4

// Of returns the shape of a tuple of types, with struct fields named by fields. Channels, functions, unsafe pointers,
// uintptr and interfaces with methods can't travel: the error names the type and where it is.
//
// Types nested deeper than MaxDepth, and structs in a text that has become very long, are written as any: they are
// not compared then.
func Of(types []reflect.Type, fields Fields) (string, error) {
	w := &writer{fields: fields, seen: make(map[reflect.Type]int)}
	w.text = append(w.text, '(')
	for i, t := range types {
		if i > 0 {
			w.text = append(w.text, ',')
		}
		if err := w.writeMember(t); err != nil {
			return "", fmt.Errorf("value %d: %w", i+1, err)
		}
	}
	w.text = append(w.text, ')')
	if len(w.text) > MaxText {
		return "", fmt.Errorf("the description of the types takes %d bytes, the limit is %d: pass fewer or smaller structs",
			len(w.text), MaxText)
	}
	return string(w.text), nil
}

// writer writes types as text.
type writer struct {
	fields Fields
	text   []byte
	opened int                  // slices, arrays, maps and structs so far
	seen   map[reflect.Type]int // their numbers, for types that are worth a reference
}

func (w *writer) put(s string) { w.text = append(w.text, s...) }

func (w *writer) write(t reflect.Type, depth int) error {
	t, pointer, err := target(t)
	if err != nil {
		return err
	}
	composite := slices.Contains(composites, t.Kind()) && opaqueName(t) == "" && !isBytes(t)
	if number, ok := w.seen[t]; ok && composite {
		if pointer {
			w.put("*")
		}
		w.put("#" + strconv.Itoa(number))
		return nil
	}
	if t.Kind() == reflect.Interface && t.NumMethod() == 0 || composite && w.tooMuch(t, depth) {
		w.put("any")
		return nil
	}
	if pointer {
		w.put("*")
	}
	if composite {
		if t.Name() != "" || t.Kind() == reflect.Struct {
			w.seen[t] = w.opened
		}
		w.opened++
	}
	return w.writeValue(t, depth-1)
}

// tooMuch reports whether t is left out of the text, to keep the text within its limits.
func (w *writer) tooMuch(t reflect.Type, depth int) bool {
	return depth <= 1 || len(w.text) > softLimit && t.Kind() == reflect.Struct
}

// writeValue writes t, which is neither a pointer nor any, with depth levels left for what it holds.
func (w *writer) writeValue(t reflect.Type, depth int) error {
	if name := opaqueName(t); name != "" {
		w.put("@" + quoteUnless(name, pathRune))
		return nil
	}
	if name := scalarName(t.Kind()); name != "" {
		w.put(name)
		return nil
	}
	switch t.Kind() {
	case reflect.Slice:
		if isBytes(t) {
			w.put("[]byte")
			return nil
		}
		w.put("[]")
		return within("element of "+t.String(), w.write(t.Elem(), depth))
	case reflect.Array:
		w.put("[" + strconv.Itoa(t.Len()) + "]")
		return within("element of "+t.String(), w.write(t.Elem(), depth))
	case reflect.Map:
		w.put("map[")
		if err := w.write(t.Key(), depth); err != nil {
			return within("key of "+t.String(), err)
		}
		w.put("]")
		return within("value of "+t.String(), w.write(t.Elem(), depth))
	case reflect.Struct:
		return w.writeStruct(t, depth)
	}
	return unsendable(t)
}

func (w *writer) writeStruct(t reflect.Type, depth int) error {
	w.put("{")
	for i, f := range wireFields(t, w.fields) {
		if i > 0 {
			w.put(";")
		}
		w.put(quoteUnless(f.name, wordRune) + " ")
		if err := w.write(f.typ, depth); err != nil {
			return within("field "+f.goName+" of "+t.String(), err)
		}
	}
	w.put("}")
	return nil
}

// composites are the kinds that have a number in the text.
var composites = []reflect.Kind{reflect.Slice, reflect.Array, reflect.Map, reflect.Struct}

// target follows pointers to the type that they point to.
func target(t reflect.Type) (_ reflect.Type, pointer bool, err error) {
	for hops := 0; t.Kind() == reflect.Pointer; hops++ {
		if hops == MaxDepth {
			return nil, false, fmt.Errorf("type %s can't travel: it is a pointer to itself", t)
		}
		t, pointer = t.Elem(), true
	}
	return t, pointer, nil
}

// isBytes reports whether t travels as a string of bytes.
func isBytes(t reflect.Type) bool {
	return t.Kind() == reflect.Slice && t.Elem().Kind() == reflect.Uint8 && opaqueName(t.Elem()) == ""
}

func within(where string, err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("%s: %w", where, err)
}

func unsendable(t reflect.Type) error {
	mend := "leave the field out by its tag, or pass data in its place"
	if t.Kind() == reflect.Interface {
		mend = "use a concrete type, or any"
	}
	return fmt.Errorf("type %s can't travel: %s", t, mend)
}

var (
	marshalers = []reflect.Type{
		reflect.TypeFor[encoding.TextMarshaler](), reflect.TypeFor[encoding.TextUnmarshaler](),
		reflect.TypeFor[encoding.BinaryMarshaler](), reflect.TypeFor[encoding.BinaryUnmarshaler](),
		reflect.TypeFor[json.Marshaler](), reflect.TypeFor[json.Unmarshaler](),
	}
	// marshalMethods are known by their names, as their packages are not imported here.
	marshalMethods = []string{
		"MarshalMsgpack", "UnmarshalMsgpack", "EncodeMsgpack", "DecodeMsgpack",
		"MarshalCBOR", "UnmarshalCBOR", "GobEncode", "GobDecode",
	}
)

// opaqueName returns the name of a type that marshals itself: "time.Time"; and "" for the other types.
func opaqueName(t reflect.Type) string {
	if t.Kind() == reflect.Interface || t.Name() == "" && t.Kind() != reflect.Struct {
		return ""
	}
	p := reflect.PointerTo(t)
	if p.NumMethod() == 0 || !marshalsItself(p) {
		return ""
	}
	if t.Name() == "" {
		return t.String()
	}
	return t.PkgPath() + "." + t.Name()
}

func marshalsItself(p reflect.Type) bool {
	if slices.ContainsFunc(marshalers, p.Implements) {
		return true
	}
	return slices.ContainsFunc(marshalMethods, func(name string) bool {
		_, ok := p.MethodByName(name)
		return ok
	})
}
