package hotline

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strings"

	"hotline/codec"
	"hotline/internal/shape"
)

var (
	contextType = reflect.TypeFor[context.Context]()
	errorType   = reflect.TypeFor[error]()
	bytesType   = reflect.TypeFor[[]byte]()
	bufferType  = reflect.TypeFor[*Buffer]()
)

// signature is a method's type without its receiver: func([ctx,] args...) ([results...] [, error]).
type signature struct {
	context bool
	args    []reflect.Type
	results []reflect.Type
	err     bool
}

// parseSignature reads a function type. skip is 1 where the first parameter is a receiver.
func parseSignature(t reflect.Type, skip int) (signature, error) {
	var s signature
	if t.IsVariadic() {
		return s, errors.New("a variadic parameter can't be sent by position: take a slice instead")
	}
	for i := skip; i < t.NumIn(); i++ {
		switch in := t.In(i); {
		case in == contextType && i == skip:
			s.context = true
		case in == contextType:
			return s, errors.New("context.Context must be the first parameter")
		case isStream(in):
			return s, fmt.Errorf("parameter %s: streams are %w", in, ErrNotSupported)
		default:
			s.args = append(s.args, in)
		}
	}
	for i := range t.NumOut() {
		switch out := t.Out(i); {
		case out == errorType && i == t.NumOut()-1:
			s.err = true
		case out == errorType:
			return s, errors.New("error must be the last result")
		case isStream(out):
			return s, fmt.Errorf("result %s: streams are %w", out, ErrNotSupported)
		default:
			s.results = append(s.results, out)
		}
	}
	return s, nil
}

// isStream reports whether t is iter.Seq or iter.Seq2 of something.
func isStream(t reflect.Type) bool {
	return t.PkgPath() == "iter" && (strings.HasPrefix(t.Name(), "Seq[") || strings.HasPrefix(t.Name(), "Seq2["))
}

// isRaw reports whether bytes can go as they are: one []byte, one *Buffer or nothing each way.
func (s *signature) isRaw() bool { return isBytes(s.args) && isBytes(s.results) }

// isEcho reports whether s is raw unless it says otherwise: one []byte in, one out, or a *Buffer either way.
func (s *signature) isEcho() bool {
	return s.isRaw() && len(s.args) == 1 && len(s.results) == 1 || s.placed()
}

func isBytes(types []reflect.Type) bool {
	return len(types) == 0 || len(types) == 1 && (types[0] == bytesType || types[0] == bufferType)
}

// placed reports whether a *Buffer goes either way.
func (s *signature) placed() bool { return s.takesBuffer() || s.returnsBuffer() }

func (s *signature) takesBuffer() bool   { return slices.Contains(s.args, bufferType) }
func (s *signature) returnsBuffer() bool { return slices.Contains(s.results, bufferType) }

// onWire returns the types as shapes know them: a Buffer is bytes.
func onWire(types []reflect.Type) []reflect.Type {
	types = slices.Clone(types)
	for i := range types {
		if types[i] == bufferType {
			types[i] = bytesType
		}
	}
	return types
}

// shapes describes arguments and results as c sends them. The error names the type that it can't.
func (s *signature) shapes(c codec.Codec) (args, results string, err error) {
	switch {
	case c.Name() == "raw" && !s.isRaw():
		return "", "", errors.New("codec raw takes one []byte, one *hotline.Buffer or nothing, and returns one or nothing: choose another codec")
	case c.Name() != "raw" && s.placed():
		return "", "", fmt.Errorf("codec %s doesn't take a *hotline.Buffer: take []byte, or choose codec raw", c.Name())
	}
	if args, err = shape.Of(onWire(s.args), fieldsOf(c)); err != nil {
		return "", "", fmt.Errorf("arguments: %w", err)
	}
	if results, err = shape.Of(onWire(s.results), fieldsOf(c)); err != nil {
		return "", "", fmt.Errorf("results: %w", err)
	}
	return args, results, nil
}

// fieldsOf says how c names struct fields.
func fieldsOf(c codec.Codec) shape.Fields {
	return func(f reflect.StructField) (string, bool) { return codec.FieldName(c, f) }
}

// text writes the signature as Go does, with the method's name: "Sum(context.Context, int, int) (int, error)".
func (s *signature) text(name string) string {
	var in, out []string
	if s.context {
		in = append(in, "context.Context")
	}
	for _, t := range s.args {
		in = append(in, typeText(t))
	}
	for _, t := range s.results {
		out = append(out, typeText(t))
	}
	if s.err {
		out = append(out, "error")
	}
	text := name + "(" + strings.Join(in, ", ") + ")"
	switch len(out) {
	case 0:
		return text
	case 1:
		return text + " " + out[0]
	}
	return text + " (" + strings.Join(out, ", ") + ")"
}

// typeText writes a type as people do: package reflect writes any and []byte as what they stand for.
func typeText(t reflect.Type) string {
	return strings.NewReplacer("interface {}", "any", "[]uint8", "[]byte").Replace(t.String())
}
