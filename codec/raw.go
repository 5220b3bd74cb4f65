package codec

import (
	"errors"
	"fmt"
	"reflect"

	"hotline/internal/plural"
)

// Raw returns the codec "raw": the bytes as they are, for methods that take one []byte or none, and return the same.
//
// Append copies the bytes to dst. Decode copies src, so that the value outlives it; an engine that knows how long its
// buffers live hands the bytes over by itself and calls neither. Nil and empty bytes both arrive as empty bytes.
func Raw() Codec { return raw{} }

type raw struct{}

var _ FieldNamer = raw{}

func (raw) Name() string { return "raw" }

func (raw) Append(dst []byte, values []any) ([]byte, error) {
	if len(values) == 0 {
		return dst, nil
	}
	p, err := rawValue("encode", values)
	if err != nil {
		return dst, err
	}
	return append(dst, *p...), nil
}

func (raw) Decode(src []byte, values []any) error {
	if len(values) == 0 {
		if len(src) != 0 {
			return listError("raw", values, fmt.Errorf("got %s, want no value", plural.Of(len(src), "byte")))
		}
		return nil
	}
	p, err := rawValue("decode", values)
	if err != nil {
		return err
	}
	*p = append(make([]byte, 0, len(src)), src...)
	return nil
}

// FieldName reports that no field is sent: raw knows no structs.
func (raw) FieldName(reflect.StructField) (string, bool) { return "", false }

func rawValue(op string, values []any) (*[]byte, error) {
	if len(values) > 1 {
		return nil, &Error{Codec: "raw", Op: op, Count: len(values),
			Err: fmt.Errorf("%d values: raw takes one []byte or none; choose another codec", len(values))}
	}
	p, ok := values[0].(*[]byte)
	if !ok {
		return nil, &Error{"raw", op, 1, 1, typeName(values[0]), errors.New("raw takes a []byte; choose another codec")}
	}
	return p, nil
}
