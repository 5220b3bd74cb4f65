package main

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"os"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"time"
)

// argument is one word of a call's arguments, or the content that it stands for.
type argument struct {
	text []byte
	file bool // text is the content of a file or of the standard input
}

// readArguments replaces @file by the file's content and - by that of in. None may be longer than limit. When ctx ends
// while an input has not, the reading is left to end with the process.
func readArguments(ctx context.Context, words []string, in io.Reader, limit int) ([]argument, error) {
	type outcome struct {
		args []argument
		err  error
	}
	read := make(chan outcome, 1)
	go func() {
		args, err := readWords(words, in, limit)
		read <- outcome{args, err}
	}()
	select {
	case o := <-read:
		return o.args, o.err
	case <-ctx.Done():
		return nil, fmt.Errorf("waiting for the arguments: %w", ctx.Err())
	}
}

func readWords(words []string, in io.Reader, limit int) ([]argument, error) {
	args := make([]argument, len(words))
	for i, word := range words {
		word = strings.TrimPrefix(word, shield)
		var err error
		args[i].text = []byte(word)
		switch {
		case word == "-" && in == nil:
			return nil, usagef("argument %d: the standard input can be taken once only", i+1)
		case word == "-":
			args[i], err = readAll(in, limit)
			in = nil
		case strings.HasPrefix(word, "@"):
			args[i], err = readFile(word[1:], limit)
		}
		if err != nil {
			return nil, fmt.Errorf("argument %d: %w", i+1, err)
		}
	}
	return args, nil
}

func readFile(name string, limit int) (argument, error) {
	f, err := os.Open(name)
	if err != nil {
		return argument{}, fmt.Errorf("%w (a word that begins with @ names a file)", err)
	}
	defer f.Close()
	return readAll(f, limit)
}

func readAll(r io.Reader, limit int) (argument, error) {
	b, err := io.ReadAll(io.LimitReader(r, int64(limit)+1))
	if err == nil && len(b) > limit {
		err = fmt.Errorf("the input is longer than %d bytes (raise --max-message, and the server's MaxMessage)", limit)
	}
	return argument{b, true}, err
}

// value returns arg as a value of type t.
func (arg argument) value(t reflect.Type) (reflect.Value, error) {
	v := reflect.New(t).Elem()
	parsed, err := arg.parse(t)
	if err != nil {
		return v, err
	}
	return v, fill(v, parsed, "")
}

// parse returns what arg holds: the result of decoding JSON, or []byte where the text is to be taken as it is.
func (arg argument) parse(t reflect.Type) (any, error) {
	for t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	plain := t.Kind() == reflect.String
	if arg.file && (plain || isBytes(t)) {
		return arg.text, nil
	}
	parsed, err := parseJSON(arg.text)
	if _, isString := parsed.(string); err == nil && (!plain || isString) {
		return parsed, nil
	}
	if !arg.file && (err != nil || plain) {
		return arg.text, nil
	}
	return nil, fmt.Errorf("not JSON: %w", err)
}

// parseJSON decodes one JSON text, numbers as json.Number.
func parseJSON(text []byte) (parsed any, err error) {
	d := json.NewDecoder(bytes.NewReader(text))
	d.UseNumber()
	if err := d.Decode(&parsed); err != nil {
		return nil, err
	}
	if rest := bytes.TrimSpace(text[d.InputOffset():]); len(rest) > 0 {
		return nil, fmt.Errorf("text after the end of the value: %.20q", rest)
	}
	return parsed, nil
}

// fillError is a value that does not fit the type that is wanted at some place.
type fillError struct {
	path, reason string
}

func (e *fillError) Error() string {
	if e.path == "" {
		return e.reason
	}
	return e.path + ": " + e.reason
}

func failf(path, format string, args ...any) error {
	return &fillError{strings.TrimPrefix(path, "."), fmt.Sprintf(format, args...)}
}

// fill sets dst to what parse returned, or to a part of it at path.
func fill(dst reflect.Value, from any, path string) error {
	t := dst.Type()
	if text, ok := from.([]byte); ok {
		if isBytes(t) {
			dst.SetBytes(text)
			return nil
		}
		from = string(text)
	}
	if marshalsItself(t) {
		return fillOpaque(dst, from, path)
	}
	switch t.Kind() {
	case reflect.Pointer, reflect.Map, reflect.Slice, reflect.Interface:
		if from == nil {
			dst.SetZero()
			return nil
		}
	}
	switch t.Kind() {
	case reflect.Pointer:
		dst.Set(reflect.New(t.Elem()))
		return fill(dst.Elem(), from, path)
	case reflect.Interface:
		v, err := untyped(from, path)
		if err == nil && v != nil {
			dst.Set(reflect.ValueOf(v))
		}
		return err
	case reflect.Bool:
		if b, ok := from.(bool); ok {
			dst.SetBool(b)
			return nil
		}
	case reflect.String:
		if s, ok := from.(string); ok {
			dst.SetString(s)
			return nil
		}
	case reflect.Slice, reflect.Array:
		return fillList(dst, from, path)
	case reflect.Map:
		return fillMap(dst, from, path)
	case reflect.Struct:
		return fillStruct(dst, from, path)
	default:
		return fillNumber(dst, from, path)
	}
	return misfit(t, from, path)
}

func misfit(t reflect.Type, from any, path string) error {
	return failf(path, "%s wanted, not %s", typeName(t), describeJSON(from))
}

// fillNumber sets dst, a number.
func fillNumber(dst reflect.Value, from any, path string) error {
	t := dst.Type()
	number, ok := from.(json.Number)
	if s, isString := from.(string); isString && (t.Kind() == reflect.Complex128 || t.Kind() == reflect.Complex64) {
		number, ok = json.Number(s), true // "(1+2i)"
	}
	if !ok {
		return misfit(t, from, path)
	}
	var err error
	switch {
	case dst.CanInt():
		var v int64
		v, err = strconv.ParseInt(number.String(), 10, t.Bits())
		dst.SetInt(v)
	case dst.CanUint():
		var v uint64
		v, err = strconv.ParseUint(number.String(), 10, t.Bits())
		dst.SetUint(v)
	case dst.CanFloat():
		var v float64
		v, err = strconv.ParseFloat(number.String(), t.Bits())
		dst.SetFloat(v)
	default:
		var v complex128
		v, err = strconv.ParseComplex(number.String(), t.Bits())
		dst.SetComplex(v)
	}
	if err != nil {
		return failf(path, "%s wanted, which %.40s is not: %v", typeName(t), number, err.(*strconv.NumError).Err)
	}
	return nil
}

// fillList sets dst, a slice or an array. Bytes are base64 in a string, as in encoding/json.
func fillList(dst reflect.Value, from any, path string) error {
	if s, ok := from.(string); ok && isBytes(dst.Type()) {
		b, err := base64.StdEncoding.DecodeString(s)
		if err != nil {
			return failf(path, "a JSON string of bytes is base64: %v (a word without quotes, @file and - are taken as they are)", err)
		}
		dst.SetBytes(b)
		return nil
	}
	list, ok := from.([]any)
	if !ok {
		return misfit(dst.Type(), from, path)
	}
	if dst.Kind() == reflect.Slice {
		dst.Set(reflect.MakeSlice(dst.Type(), len(list), len(list)))
	} else if dst.Len() != len(list) {
		return failf(path, "%d elements wanted, not %d", dst.Len(), len(list))
	}
	for i, elem := range list {
		if err := fill(dst.Index(i), elem, fmt.Sprintf("%s[%d]", path, i)); err != nil {
			return err
		}
	}
	return nil
}

func fillMap(dst reflect.Value, from any, path string) error {
	object, ok := from.(map[string]any)
	if !ok {
		return misfit(dst.Type(), from, path)
	}
	t := dst.Type()
	dst.Set(reflect.MakeMapWithSize(t, len(object)))
	for _, name := range slices.Sorted(maps.Keys(object)) {
		at := fmt.Sprintf("%s[%q]", path, name)
		key, err := argument{text: []byte(name)}.value(t.Key())
		if t.Key().Kind() == reflect.Interface || t.Key().Kind() == reflect.String {
			key, err = reflect.New(t.Key()).Elem(), nil
			key.Set(reflect.ValueOf(name))
		}
		if err != nil {
			return failf(at, "the key: %v", err)
		}
		elem := reflect.New(t.Elem()).Elem()
		if err := fill(elem, object[name], at); err != nil {
			return err
		}
		dst.SetMapIndex(key, elem)
	}
	return nil
}

func fillStruct(dst reflect.Value, from any, path string) error {
	object, ok := from.(map[string]any)
	if !ok {
		return misfit(dst.Type(), from, path)
	}
	names := fieldNames(dst.Type())
	for _, name := range slices.Sorted(maps.Keys(object)) {
		i := slices.Index(names, name)
		if i < 0 {
			i = slices.IndexFunc(names, func(n string) bool { return strings.EqualFold(n, name) })
		}
		if i < 0 {
			return failf(path, "there is no field %q: the fields are %s", name, strings.Join(names, ", "))
		}
		if err := fill(dst.Field(i), object[name], path+"."+name); err != nil {
			return err
		}
	}
	return nil
}

// fillOpaque sets dst, a type that reads its own JSON.
func fillOpaque(dst reflect.Value, from any, path string) error {
	text, err := appendMarshaled(nil, from)
	if err == nil {
		err = json.Unmarshal(text, dst.Addr().Interface())
	}
	if err != nil {
		return failf(path, "%s wanted: %v", typeName(dst.Type()), err)
	}
	return nil
}

// untyped returns from with its numbers as int64, uint64 or float64, the first of them that holds it.
func untyped(from any, path string) (any, error) {
	var err error
	switch v := from.(type) {
	case json.Number:
		if n, err := strconv.ParseInt(v.String(), 10, 64); err == nil {
			return n, nil
		}
		if n, err := strconv.ParseUint(v.String(), 10, 64); err == nil {
			return n, nil
		}
		f, err := v.Float64()
		if err != nil || !strings.ContainsAny(v.String(), ".eE") {
			return nil, failf(path, "the number %.40s has no exact form here: pass it as a string", v)
		}
		return f, nil
	case []any:
		for i := range v {
			if v[i], err = untyped(v[i], fmt.Sprintf("%s[%d]", path, i)); err != nil {
				return nil, err
			}
		}
	case map[string]any:
		for name := range v {
			if v[name], err = untyped(v[name], path+"."+name); err != nil {
				return nil, err
			}
		}
	}
	return from, nil
}

// isBytes reports whether values of t are plain bytes.
func isBytes(t reflect.Type) bool {
	return t.Kind() == reflect.Slice && t.Elem().Kind() == reflect.Uint8 && !marshalsItself(t)
}

// marshalsItself reports whether values of t read and write their own JSON.
func marshalsItself(t reflect.Type) bool {
	return reflect.PointerTo(t).Implements(reflect.TypeFor[json.Unmarshaler]()) ||
		t.Implements(reflect.TypeFor[json.Unmarshaler]())
}

// fieldNames returns the wire names of a struct's fields.
func fieldNames(t reflect.Type) []string {
	names := make([]string, t.NumField())
	for i := range names {
		f := t.Field(i)
		if names[i] = f.Tag.Get("json"); names[i] == "" {
			names[i] = f.Name
		}
	}
	return names
}

// typeName returns t as a person would call it.
func typeName(t reflect.Type) string {
	switch {
	case isBytes(t):
		return "[]byte"
	case t == reflect.TypeFor[time.Time]():
		return `a time like "2006-01-02T15:04:05Z"`
	case t.Kind() == reflect.Struct:
		return "an object {" + strings.Join(fieldNames(t), ", ") + "}"
	case t.Kind() == reflect.Int64:
		return "int"
	case t.Kind() == reflect.Uint64:
		return "uint"
	}
	return strings.ReplaceAll(t.String(), "interface {}", "any")
}

// describeJSON says what a decoded value is, shortly.
func describeJSON(v any) string {
	switch v := v.(type) {
	case nil:
		return "null"
	case string:
		return fmt.Sprintf("the string %.40q", v)
	case json.Number:
		return fmt.Sprintf("the number %.40s", v)
	case []any:
		return "a list"
	case map[string]any:
		return "an object"
	}
	return fmt.Sprint(v)
}
