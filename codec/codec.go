package codec

import (
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strings"

	"hotline/internal/plural"
)

// MaxDepth is how deep one value may nest in json, msgpack and cbor. The list of values itself is not counted.
const MaxDepth = 64

// Codec turns values into bytes by position. Its methods may be called by many goroutines at once.
//
// The values are non-nil pointers to the values. A codec does not keep them, nor the slices it is given.
type Codec interface {
	// Name is the word that methods choose the codec by. It is the same on every call.
	Name() string

	// Append appends the encoding of all the values to dst and returns the longer slice, which may share dst's memory.
	// After an error it returns dst as it was.
	Append(dst []byte, values []any) ([]byte, error)

	// Decode reads exactly len(values) values from src into what the pointers point to. These should be zero values:
	// what one holds already may stay, or have its memory written over, as in encoding/json.
	// It only reads src and keeps nothing of it. After an error some of the values may have been set.
	Decode(src []byte, values []any) error
}

// FieldNamer is a codec that says how it names the fields of a struct. Codecs that do not implement it are taken to
// use the fields' Go names.
type FieldNamer interface {
	// FieldName returns the name of a struct's field on the wire, and false for a field that is not sent.
	// An empty name with true is an embedded struct whose fields are sent as if they were the outer struct's own.
	FieldName(field reflect.StructField) (name string, ok bool)
}

// Truster is a codec that says whether its peers must be trusted.
type Truster interface {
	// TrustedOnly reports whether bytes from an untrusted peer may take down a process that decodes them.
	TrustedOnly() bool
}

// TrustedOnly reports whether c is for trusted peers only. A codec that does not implement [Truster] is not.
func TrustedOnly(c Codec) bool {
	t, ok := c.(Truster)
	return ok && t.TrustedOnly()
}

// FieldName returns the name of a struct's field on the wire of c, as [FieldNamer] describes it.
func FieldName(c Codec, field reflect.StructField) (name string, ok bool) {
	if n, ok := c.(FieldNamer); ok {
		return n.FieldName(field)
	}
	return field.Name, field.IsExported()
}

// Builtin returns the built-in codecs: raw, json, msgpack, cbor and gob. The caller owns the slice.
func Builtin() []Codec {
	return []Codec{raw{}, jsonShared, msgpackShared, cborShared, gobShared}
}

// Find returns the codec called name: one of the built-in codecs or one of extra. The error for a name that is not
// known lists those that are. A codec in extra that [Check] refuses is an error too.
func Find(name string, extra []Codec) (Codec, error) {
	if err := Check(extra); err != nil {
		return nil, err
	}
	if c := builtin(name); c != nil {
		return c, nil
	}
	for _, c := range extra {
		if c.Name() == name {
			return c, nil
		}
	}
	return nil, fmt.Errorf("unknown codec %q: known are %s", name, strings.Join(names(extra), ", "))
}

// Check reports what is wrong with a list of user-defined codecs: one that is nil, a name that is empty or holds a
// character that has a meaning in a struct tag, a built-in codec's name, or a name that two of them share.
func Check(extra []Codec) error {
	for i, c := range extra {
		if c == nil {
			return fmt.Errorf("user-defined codec %d of %d is nil", i+1, len(extra))
		}
		if err := checkName(c); err != nil {
			return err
		}
		for _, other := range extra[:i] {
			if other.Name() == c.Name() {
				return fmt.Errorf("codecs %T and %T are both called %q: rename one", other, c, c.Name())
			}
		}
	}
	return nil
}

func checkName(c Codec) error {
	name := c.Name()
	switch {
	case name == "":
		return fmt.Errorf("codec %T has no name", c)
	case strings.ContainsFunc(name, func(r rune) bool { return r <= ' ' || strings.ContainsRune("\",:`;=\x7f", r) }):
		return fmt.Errorf("codec %T: name %q: use letters, digits, '-', '_' and '.'", c, name)
	case builtin(name) != nil:
		return fmt.Errorf("codec %T takes the name of the built-in codec %q: rename it", c, name)
	}
	return nil
}

func builtin(name string) Codec {
	switch name {
	case "raw":
		return raw{}
	case "json":
		return jsonShared
	case "msgpack":
		return msgpackShared
	case "cbor":
		return cborShared
	case "gob":
		return gobShared
	}
	return nil
}

func names(extra []Codec) []string {
	var known []string
	for _, c := range slices.Concat(Builtin(), extra) {
		known = append(known, c.Name())
	}
	return known
}

// Error is a failure to encode or decode a list of values.
type Error struct {
	Codec    string // the codec's name
	Op       string // "encode" or "decode"
	Position int    // of the value that failed, from 1; 0 where the list as a whole did
	Count    int    // values in the list
	Type     string // the value's Go type; empty where the list as a whole failed
	Err      error  // why
}

// maxCause bounds what is shown of a cause in bytes: the libraries quote the input, which can be of any length.
const maxCause = 512

// Error names the codec, the value and the cause, which is cut where it is very long.
func (e *Error) Error() string {
	cause := strings.TrimPrefix(e.Err.Error(), e.Codec+": ")
	if len(cause) > maxCause {
		cause = strings.ToValidUTF8(cause[:maxCause], "") + "…"
	}
	if e.Position == 0 {
		return fmt.Sprintf("%s: %s: %s", e.Codec, e.Op, cause)
	}
	return fmt.Sprintf("%s: %s value %d of %d, %s: %s", e.Codec, e.Op, e.Position, e.Count, e.Type, cause)
}

// Unwrap returns the cause.
func (e *Error) Unwrap() error { return e.Err }

func encodeError(codec string, i int, values []any, err error) error {
	return &Error{codec, "encode", i + 1, len(values), typeName(values[i]), err}
}

func decodeError(codec string, i int, values []any, err error) error {
	return &Error{codec, "decode", i + 1, len(values), typeName(values[i]), err}
}

func listError(codec string, values []any, err error) error {
	return &Error{Codec: codec, Op: "decode", Count: len(values), Err: err}
}

func countError(codec string, got uint64, values []any) error {
	return listError(codec, values, fmt.Errorf("got %s, want %d", plural.Of(got, "value"), len(values)))
}

func trailingError(codec string, n int, values []any) error {
	return listError(codec, values, fmt.Errorf("%s after the last value", plural.Of(n, "byte")))
}

// typeName names the type that the pointer v points to.
func typeName(v any) string {
	t := reflect.TypeOf(v)
	if t == nil {
		return "nil"
	}
	if t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	return t.String()
}

var errTruncated = errors.New("the message is cut short")

var errDepth = fmt.Errorf("nested more than %d deep", MaxDepth)

// catch turns a panic in a library, or in a value's own encoding or decoding method, into an error.
// It is deferred around every call that may reach one.
func catch(err *error) {
	if r := recover(); r != nil {
		*err = fmt.Errorf("panic: %v", r)
	}
}
