package hotline

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"reflect"

	"hotline/codec"
	"hotline/internal/shape"
	"hotline/internal/wire"
)

// KnownError is an error, or a type of errors, that keeps its identity across the wire when a server and a client have it
// under the same name: what the method's error is or wraps is found by errors.Is and errors.As in what the caller gets.
// [ErrorValue] and [ErrorType] make one.
//
// These are known without being named: the errors of package context; io.EOF and io.ErrUnexpectedEOF; fs.ErrNotExist,
// fs.ErrExist, fs.ErrPermission, fs.ErrInvalid, fs.ErrClosed and *fs.PathError; os.ErrDeadlineExceeded, os.ErrNoDeadline,
// os.ErrProcessDone, *os.LinkError and *os.SyscallError; errors.ErrUnsupported. A system call's error arrives as those of
// them that it is.
type KnownError struct {
	name  string
	value error        // the error, or nil
	typ   reflect.Type // of the errors, or nil
	codec string
}

// ErrorValue makes known an error that is compared with, as io.EOF is. name is what it is called on the wire.
func ErrorValue(name string, value error) KnownError { return KnownError{name: name, value: value} }

// ErrorType makes known the errors of type T, with what is in them: T is what errors.As looks for, such as
// *QuotaError, and name what it is called on the wire. codec says how its values are encoded: msgpack, json, cbor, or
// one of the user's own; msgpack where it is empty. Fields that the codec does not send are zero at the client, and
// the type's methods must do with that.
func ErrorType[T error](name, codec string) KnownError {
	return KnownError{name: name, typ: reflect.TypeFor[T](), codec: codec}
}

// knownErrors finds and makes the errors that both sides know. It is immutable.
type knownErrors struct {
	values []KnownError // those that are compared with
	types  map[reflect.Type]*namedError
	byName map[string]*namedError // all
}

// namedError is an error of a name: a value, or what is done with those of a type.
type namedError struct {
	name  string
	value error        // nil where it is a type
	typ   reflect.Type // of a built-in one

	encode func(err error) ([]byte, bool)
	decode func(b []byte, within []error) (error, bool)
	holds  bool // decode puts the errors that this one wraps into it
}

// builtinErrors are the values that are always known.
func builtinErrors() []KnownError {
	return []KnownError{
		ErrorValue("context.Canceled", context.Canceled),
		ErrorValue("context.DeadlineExceeded", context.DeadlineExceeded),
		ErrorValue("io.EOF", io.EOF),
		ErrorValue("io.ErrUnexpectedEOF", io.ErrUnexpectedEOF),
		ErrorValue("fs.ErrNotExist", fs.ErrNotExist),
		ErrorValue("fs.ErrExist", fs.ErrExist),
		ErrorValue("fs.ErrPermission", fs.ErrPermission),
		ErrorValue("fs.ErrInvalid", fs.ErrInvalid),
		ErrorValue("fs.ErrClosed", fs.ErrClosed),
		ErrorValue("os.ErrDeadlineExceeded", os.ErrDeadlineExceeded),
		ErrorValue("os.ErrNoDeadline", os.ErrNoDeadline),
		ErrorValue("os.ErrProcessDone", os.ErrProcessDone),
		ErrorValue("errors.ErrUnsupported", errors.ErrUnsupported),
	}
}

// newKnownErrors checks the user's errors and puts them beside the built-in ones.
func newKnownErrors(users []KnownError, codecs []codec.Codec) (*knownErrors, error) {
	k := &knownErrors{types: make(map[reflect.Type]*namedError), byName: make(map[string]*namedError)}
	for _, e := range builtinErrors() {
		k.addValue(e)
	}
	for _, e := range builtinTypes() {
		k.addType(e.typ, e)
	}
	for _, e := range users {
		if err := k.add(e, codecs); err != nil {
			return nil, err
		}
	}
	return k, nil
}

func (k *knownErrors) addValue(e KnownError) {
	k.values = append(k.values, e)
	k.byName[e.name] = &namedError{name: e.name, value: e.value}
}

func (k *knownErrors) addType(t reflect.Type, e *namedError) {
	k.types[t], k.byName[e.name] = e, e
}

// add checks one of the user's errors. The error names it, and the mend.
func (k *knownErrors) add(e KnownError, codecs []codec.Codec) error {
	switch {
	case e.name == "":
		return fmt.Errorf("error %s has no name: give it one that both sides use", e.text())
	case len(e.name) > wire.MaxIdentityName:
		return fmt.Errorf("error %q: the name takes %d bytes, at most %d are allowed", e.name[:32]+"…", len(e.name), wire.MaxIdentityName)
	case k.byName[e.name] != nil:
		return fmt.Errorf("error %q: the name is taken: give each error a name of its own", e.name)
	case e.typ != nil:
		t, err := k.userType(e, codecs)
		if err != nil {
			return fmt.Errorf("error %q: type %s: %w", e.name, e.typ, err)
		}
		k.addType(e.typ, t)
		return nil
	case e.value == nil:
		return fmt.Errorf("error %q is nil: make it with ErrorValue or ErrorType", e.name)
	case !reflect.TypeOf(e.value).Comparable():
		return fmt.Errorf("error %q: values of %T can't be compared: use ErrorType", e.name, e.value)
	case saysOutcome(e.value):
		return fmt.Errorf("error %q is or wraps one that says what became of a call: leave it out", e.name)
	}
	k.addValue(e)
	return nil
}

func (e *KnownError) text() string {
	if e.typ != nil {
		return "type " + e.typ.String()
	}
	return fmt.Sprintf("%v", e.value)
}

// saysOutcome reports whether err would tell a caller that its call was not, or may not have been, executed.
func saysOutcome(err error) bool {
	return errors.Is(err, ErrNotExecuted) || errors.Is(err, ErrMaybeExecuted)
}

func (k *knownErrors) userType(e KnownError, codecs []codec.Codec) (*namedError, error) {
	name := e.codec
	if name == "" {
		name = "msgpack"
	}
	c, err := codec.Find(name, codecs)
	switch {
	case err != nil:
		return nil, err
	case k.types[e.typ] != nil:
		return nil, fmt.Errorf("it is known as %q already", k.types[e.typ].name)
	case e.typ == reflect.TypeFor[*Error]():
		return nil, errors.New("it is what the client makes of every error: leave it out")
	case e.typ.Kind() == reflect.Interface:
		return nil, errors.New("it is an interface: name a type that implements it")
	case c.Name() == "raw" || codec.TrustedOnly(c):
		return nil, fmt.Errorf("codec %s is not for errors: choose msgpack, json or cbor", name)
	}
	if _, err := shape.Of([]reflect.Type{e.typ}, fieldsOf(c)); err != nil {
		return nil, fmt.Errorf("%w (or keep it off the wire by the field's tag)", err)
	}
	return codedErrors(e.name, e.typ, codec.PlanFor(c, []reflect.Type{e.typ})), nil
}

// codedErrors are the errors of a type, by a codec.
func codedErrors(name string, t reflect.Type, plan codec.Plan) *namedError {
	return &namedError{
		name: name,
		encode: func(err error) ([]byte, bool) {
			p := reflect.New(t)
			p.Elem().Set(reflect.ValueOf(err))
			b, failure := plan.Append(nil, []any{p.Interface()})
			return b, failure == nil
		},
		decode: func(b []byte, _ []error) (error, bool) {
			p := reflect.New(t)
			if plan.Decode(b, []any{p.Interface()}) != nil || t.Kind() == reflect.Pointer && p.Elem().IsNil() {
				return nil, false
			}
			return p.Elem().Interface().(error), true
		},
	}
}

// builtinTypes are the types that are always known.
func builtinTypes() []*namedError {
	return []*namedError{
		systemErrors("fs.PathError", func(e *fs.PathError) ([]any, *error) { return []any{&e.Op, &e.Path}, &e.Err }),
		systemErrors("os.LinkError", func(e *os.LinkError) ([]any, *error) { return []any{&e.Op, &e.Old, &e.New}, &e.Err }),
		systemErrors("os.SyscallError", func(e *os.SyscallError) ([]any, *error) { return []any{&e.Syscall}, &e.Err }),
	}
}

// systemErrors are those of type *E, which parts takes apart: strings, and what such an error wraps, mostly a number of the
// system's. That comes to its text and to those known errors that it is.
func systemErrors[E any, P interface {
	*E
	error
}](name string, parts func(P) (words []any, cause *error)) *namedError {
	plan, _ := codec.Find("msgpack", nil)
	return &namedError{
		name: name, typ: reflect.TypeFor[P](), holds: true,
		encode: func(err error) ([]byte, bool) {
			text := ""
			words, cause := parts(err.(P))
			if *cause != nil {
				text = (*cause).Error()
			}
			b, failure := plan.Append(nil, append(words, &text))
			return b, failure == nil
		},
		decode: func(b []byte, within []error) (error, bool) {
			e, remote := P(new(E)), new(remoteCause)
			words, cause := parts(e)
			if plan.Decode(b, append(words, &remote.text)) != nil {
				return nil, false
			}
			remote.known, *cause = within, remote
			return e, true
		},
	}
}

// remoteCause is what an error held at the server, where that is no error that is known here.
type remoteCause struct {
	text  string
	known []error
}

func (e *remoteCause) Error() string   { return e.text }
func (e *remoteCause) Unwrap() []error { return e.known }

// identify lists what is known of the errors that err is and wraps: as many as there is room for, in the order in which
// errors.Is meets them.
func (k *knownErrors) identify(err error) []wire.Identity {
	w := walk{known: k, steps: maxSteps}
	w.visit(err, 0)
	return w.found
}

// maxSteps bounds the errors that are looked at when one is sent.
const maxSteps = 256

// walk is a walk through the tree of an error.
type walk struct {
	known *knownErrors
	found []wire.Identity
	steps int // that are left
}

func (w *walk) visit(err error, depth uint32) {
	if err == nil || w.steps == 0 {
		return
	}
	w.steps--
	w.noteValues(err, depth)
	if w.noteType(err, depth) {
		depth++
	}
	switch v := err.(type) {
	case interface{ Unwrap() error }:
		w.visit(v.Unwrap(), depth)
	case interface{ Unwrap() []error }:
		for _, err := range v.Unwrap() {
			w.visit(err, depth)
		}
	}
}

// noteValues notes the known values that err, and not one that it wraps, is.
func (w *walk) noteValues(err error, depth uint32) {
	is, _ := err.(interface{ Is(error) bool })
	for _, known := range w.known.values {
		// A known value is comparable, so the comparison does not panic where the types are the same.
		if (err == known.value || is != nil && is.Is(known.value)) && !w.has(known.name, depth) {
			w.note(wire.Identity{Depth: depth, Name: known.name})
		}
	}
}

// has reports whether a value was found already beside what is looked at.
func (w *walk) has(name string, depth uint32) bool {
	for i := len(w.found) - 1; i >= 0 && w.found[i].Depth >= depth; i-- {
		if w.found[i].Depth == depth && w.found[i].Name == name {
			return true
		}
	}
	return false
}

// noteType notes err where its type is known, and reports whether it did.
func (w *walk) noteType(err error, depth uint32) bool {
	t := reflect.TypeOf(err)
	known := w.known.types[t]
	if known == nil || t.Kind() == reflect.Pointer && reflect.ValueOf(err).IsNil() {
		return false
	}
	b, ok := known.encode(err)
	return ok && w.note(wire.Identity{Depth: depth, Name: known.name, Value: b})
}

func (w *walk) note(one wire.Identity) bool {
	if !wire.Room(w.found, &one) {
		return false
	}
	w.found = append(w.found, one)
	return true
}

// rebuild makes the errors that are known here of what a server listed. Names that are not known, and values that can't
// be decoded, are left out; what is within them is not.
func (k *knownErrors) rebuild(list []wire.Identity) []error {
	errs, _ := k.rebuildFrom(list, 0)
	return errs
}

// rebuildFrom makes those that are at depth at the least, and returns the rest of the list.
func (k *knownErrors) rebuildFrom(list []wire.Identity, depth uint32) (errs []error, rest []wire.Identity) {
	for len(list) > 0 && list[0].Depth >= depth {
		one := list[0]
		var within []error
		within, list = k.rebuildFrom(list[1:], one.Depth+1)
		err, holds := k.make(one, within)
		if err != nil {
			errs = append(errs, err)
		}
		if !holds {
			errs = append(errs, within...)
		}
	}
	return errs, list
}

// make makes one error, and reports whether it holds those that are within it.
func (k *knownErrors) make(one wire.Identity, within []error) (err error, holds bool) {
	known := k.byName[one.Name]
	switch {
	case known == nil:
		return nil, false
	case known.value != nil:
		return known.value, false
	}
	// Only a code says what became of the call, so an error that would say something else is left out.
	err, ok := known.decode(one.Value, within)
	if !ok || saysOutcome(err) {
		return nil, false
	}
	return err, known.holds
}
