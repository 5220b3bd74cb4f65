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

// signature is a method's type without its receiver: func([ctx,] args... [, stream]) ([results...] [, error]), or with a
// stream for results.
type signature struct {
	context bool
	args    []reflect.Type // without a stream
	sends   *streamType    // the client's stream, the last parameter; nil for none
	results []reflect.Type // without a stream
	takes   *streamType    // the server's stream, the result; nil for none
	err     bool
}

// parseSignature reads a function type. skip is 1 where the first parameter is a receiver.
func parseSignature(t reflect.Type, skip int) (signature, error) {
	var s signature
	if t.IsVariadic() {
		return s, errors.New("a variadic parameter can't be sent by position: take a slice instead")
	}
	for i := skip; i < t.NumIn(); i++ {
		in := t.In(i)
		stream, err := newStreamType(in)
		switch {
		case in == contextType && i == skip:
			s.context = true
		case in == contextType:
			return s, errors.New("context.Context must be the first parameter")
		case err != nil || in == readCloserType:
			return s, fmt.Errorf("parameter %s: a stream to the server is iter.Seq[T], iter.Seq2[T, error] or io.Reader", in)
		case stream != nil && i < t.NumIn()-1:
			return s, fmt.Errorf("parameter %s: a stream must be the last parameter", in)
		case stream != nil:
			s.sends = stream
		default:
			s.args = append(s.args, in)
		}
	}
	for i := range t.NumOut() {
		out := t.Out(i)
		stream, err := newStreamType(out)
		switch {
		case out == errorType && i == t.NumOut()-1:
			s.err = true
		case out == errorType:
			return s, errors.New("error must be the last result")
		case err != nil || out == readerType || stream != nil && !stream.failing:
			return s, fmt.Errorf("result %s: a stream from the server is iter.Seq2[T, error] or io.ReadCloser", out)
		case stream != nil:
			s.takes = stream
		default:
			s.results = append(s.results, out)
		}
	}
	return s, s.checkStreams()
}

// checkStreams reports what is wrong with a stream's place among the results.
func (s *signature) checkStreams() error {
	switch {
	case s.takes == nil:
		return nil
	case len(s.results) > 0:
		return fmt.Errorf("result %s: a stream must be the only result", s.takes.typ)
	case s.err && s.takes.elem != nil:
		return fmt.Errorf("result %s: such a stream carries its own error: leave the last result out", s.takes.typ)
	}
	return nil
}

// streams reports whether there is a stream.
func (s *signature) streams() bool { return s.sends != nil || s.takes != nil }

// kind says which sides stream.
func (s *signature) kind() CallKind {
	switch {
	case s.sends != nil && s.takes != nil:
		return Bidirectional
	case s.sends != nil:
		return ClientStreaming
	case s.takes != nil:
		return ServerStreaming
	}
	return Unary
}

// canFail reports whether a caller learns that a call failed.
func (s *signature) canFail() bool { return s.err || s.takes != nil && s.takes.elem != nil }

// isRaw reports whether bytes can go as they are: one []byte, one *Buffer or nothing each way, and streams of bytes.
func (s *signature) isRaw() bool {
	return isBytes(s.args) && isBytes(s.results) && s.sends.isBytes() && s.takes.isBytes()
}

// mustBeRaw reports whether only raw can carry it.
func (s *signature) mustBeRaw() bool {
	return s.sends != nil && s.sends.elem == nil || s.takes != nil && s.takes.elem == nil
}

// isEcho reports whether s is raw unless it says otherwise: one []byte in, one out, a *Buffer either way, or bytes by
// io.Reader.
func (s *signature) isEcho() bool {
	return s.mustBeRaw() || s.placed() || !s.streams() && s.isRaw() && len(s.args) == 1 && len(s.results) == 1
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
	case s.streams() && s.placed():
		return "", "", errors.New("a *hotline.Buffer can't go beside a stream: take []byte")
	case c.Name() == "raw" && !s.isRaw():
		return "", "", errors.New("codec raw takes one []byte, one *hotline.Buffer or nothing, and returns one or nothing: choose another codec")
	case c.Name() != "raw" && s.placed():
		return "", "", fmt.Errorf("codec %s doesn't take a *hotline.Buffer: take []byte, or choose codec raw", c.Name())
	}
	if c.Name() != "raw" && s.mustBeRaw() {
		return "", "", fmt.Errorf("io.Reader and io.ReadCloser need codec raw, not %s: use it, or stream items", c.Name())
	}
	if args, err = shape.Of(s.sends.appendTo(onWire(s.args)), fieldsOf(c)); err != nil {
		return "", "", fmt.Errorf("arguments: %w", err)
	}
	if results, err = shape.Of(s.takes.appendTo(onWire(s.results)), fieldsOf(c)); err != nil {
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
	for _, t := range s.sends.appendTo(s.args) {
		in = append(in, typeText(t))
	}
	for _, t := range s.takes.appendTo(s.results) {
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
