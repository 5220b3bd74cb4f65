package main

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"math"
	"reflect"
	"slices"
	"strconv"
	"strings"
)

// appendJSON appends v as JSON. It takes all that a codec may decode: maps with any keys are objects whose names are
// the keys' texts, in order; bytes are base64; a number that JSON has no word for is a string.
func appendJSON(b []byte, v reflect.Value) ([]byte, error) {
	if !v.IsValid() {
		return append(b, "null"...), nil
	}
	switch m := v.Interface().(type) {
	case json.Number:
		return appendMarshaled(b, m)
	case json.Marshaler:
		if !isNil(v) {
			return appendMarshaled(b, m)
		}
	}
	switch v.Kind() {
	case reflect.Interface, reflect.Pointer:
		return appendJSON(b, v.Elem())
	case reflect.String:
		return appendString(b, v.String()), nil
	case reflect.Float32, reflect.Float64:
		return appendFloat(b, v), nil
	case reflect.Complex64, reflect.Complex128:
		return appendString(b, strconv.FormatComplex(v.Complex(), 'g', -1, v.Type().Bits())), nil
	case reflect.Slice, reflect.Array:
		return appendList(b, v)
	case reflect.Map:
		return appendMap(b, v)
	case reflect.Struct:
		return appendStruct(b, v)
	}
	return appendMarshaled(b, v.Interface()) // booleans and integers
}

func isNil(v reflect.Value) bool {
	switch v.Kind() {
	case reflect.Interface, reflect.Pointer, reflect.Map, reflect.Slice:
		return v.IsNil()
	}
	return false
}

func appendMarshaled(b []byte, v any) ([]byte, error) {
	w := bytes.NewBuffer(b)
	e := json.NewEncoder(w)
	e.SetEscapeHTML(false)
	if err := e.Encode(v); err != nil {
		return nil, err
	}
	return bytes.TrimSuffix(w.Bytes(), []byte("\n")), nil
}

func appendString(b []byte, s string) []byte {
	b, _ = appendMarshaled(b, s) // a string always has a JSON text
	return b
}

func appendFloat(b []byte, v reflect.Value) []byte {
	f := v.Float()
	if math.IsNaN(f) || math.IsInf(f, 0) {
		return appendString(b, strconv.FormatFloat(f, 'g', -1, 64))
	}
	b, _ = appendMarshaled(b, v.Interface())
	return b
}

func appendList(b []byte, v reflect.Value) ([]byte, error) {
	if isNil(v) {
		return append(b, "null"...), nil
	}
	if isBytes(v.Type()) {
		return appendString(b, base64.StdEncoding.EncodeToString(v.Bytes())), nil
	}
	var err error
	b = append(b, '[')
	for i := range v.Len() {
		if i > 0 {
			b = append(b, ',')
		}
		if b, err = appendJSON(b, v.Index(i)); err != nil {
			return nil, err
		}
	}
	return append(b, ']'), nil
}

func appendMap(b []byte, v reflect.Value) ([]byte, error) {
	if v.IsNil() {
		return append(b, "null"...), nil
	}
	type entry struct {
		name string
		elem reflect.Value
	}
	var entries []entry
	for key, elem := range v.Seq2() {
		name, err := keyText(key)
		if err != nil {
			return nil, err
		}
		entries = append(entries, entry{name, elem})
	}
	slices.SortFunc(entries, func(x, y entry) int { return strings.Compare(x.name, y.name) })
	var err error
	b = append(b, '{')
	for i, e := range entries {
		if i > 0 {
			b = append(b, ',')
		}
		b = append(appendString(b, e.name), ':')
		if b, err = appendJSON(b, e.elem); err != nil {
			return nil, err
		}
	}
	return append(b, '}'), nil
}

// keyText returns the name under which a map's key stands in an object: a string itself, or a value's JSON.
func keyText(key reflect.Value) (string, error) {
	text, err := appendJSON(nil, key)
	if err != nil {
		return "", err
	}
	var s string
	if json.Unmarshal(text, &s) == nil && string(text) != "null" {
		return s, nil
	}
	return string(text), nil
}

func appendStruct(b []byte, v reflect.Value) ([]byte, error) {
	var err error
	b = append(b, '{')
	first := true
	for i, name := range fieldNames(v.Type()) {
		if !v.Type().Field(i).IsExported() {
			continue
		}
		if !first {
			b = append(b, ',')
		}
		first = false
		b = append(appendString(b, name), ':')
		if b, err = appendJSON(b, v.Field(i)); err != nil {
			return nil, err
		}
	}
	return append(b, '}'), nil
}
