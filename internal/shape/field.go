package shape

import (
	"cmp"
	"reflect"
	"slices"
)

// wireField is a field of a struct as the codec sends it.
type wireField struct {
	name   string
	goName string // for errors
	typ    reflect.Type
	index  []int // as in reflect.StructField
	named  bool  // the codec gave it another name than Go
}

// wireFields returns the fields of the struct type t in the order of their declaration. Of several with one name the
// least nested stands, of several at one depth the one that has its name from the codec, and else none.
func wireFields(t reflect.Type, fields Fields) []wireField {
	var found []wireField
	if fields == nil {
		for f := range exported(t) {
			found = append(found, wireField{name: f.Name, goName: f.Name, typ: f.Type})
		}
		return found
	}
	found = flatten(nil, t, fields, nil, nil)
	rivals := make(map[string][]wireField, len(found))
	for _, f := range found {
		rivals[f.name] = append(rivals[f.name], f)
	}
	return slices.DeleteFunc(found, func(f wireField) bool { return !dominates(f, rivals[f.name]) })
}

// exported yields the fields of t that are exported.
func exported(t reflect.Type) func(yield func(reflect.StructField) bool) {
	return func(yield func(reflect.StructField) bool) {
		for i := range t.NumField() {
			if f := t.Field(i); f.IsExported() && !yield(f) {
				return
			}
		}
	}
}

// flatten appends the fields of t, and those of the structs embedded in it, to found. The structs around t are in
// outer: a struct embedded in itself adds nothing.
func flatten(found []wireField, t reflect.Type, fields Fields, index []int, outer []reflect.Type) []wireField {
	if slices.Contains(outer, t) {
		return found
	}
	outer = append(outer[:len(outer):len(outer)], t)
	for i := range t.NumField() {
		f := t.Field(i)
		inner, embedded := embeddedStruct(f)
		if !f.IsExported() && !embedded {
			continue
		}
		name, ok := fields(f)
		if !ok {
			continue
		}
		at := append(index[:len(index):len(index)], i)
		if embedded && name == "" {
			found = flatten(found, inner, fields, at, outer)
			continue
		}
		if !f.IsExported() {
			continue
		}
		name = cmp.Or(name, f.Name)
		found = append(found, wireField{name: name, goName: f.Name, typ: f.Type, index: at, named: name != f.Name})
	}
	return found
}

// embeddedStruct returns the struct type that f embeds, unless that marshals itself.
func embeddedStruct(f reflect.StructField) (reflect.Type, bool) {
	t := f.Type
	if t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	return t, f.Anonymous && t.Kind() == reflect.Struct && opaqueName(t) == ""
}

// dominates reports whether f is the one of the fields with its name that the codec sends.
func dominates(f wireField, rivals []wireField) bool {
	for _, r := range rivals {
		if slices.Equal(r.index, f.index) {
			continue
		}
		if len(r.index) < len(f.index) || len(r.index) == len(f.index) && (r.named || !f.named) {
			return false
		}
	}
	return true
}
