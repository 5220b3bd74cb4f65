package codec

import (
	"reflect"
	"strconv"
)

// jsonPlan is the plan of the json codec. It decodes lists of plain kinds in the form that the codec sends them in;
// any other list, and all that is an error, is the codec's.
type jsonPlan struct {
	codec *jsonCodec
	steps []step
	plain bool // every step decodes
}

// Plan implements [Planner].
func (c *jsonCodec) Plan(types []reflect.Type) Plan {
	p := &jsonPlan{codec: c, steps: steps(types, c.types), plain: true}
	for _, s := range p.steps {
		p.plain = p.plain && s.kind != reflect.Invalid && s.kind != reflect.Struct
	}
	return p
}

func (p *jsonPlan) Append(dst []byte, values []any) ([]byte, error) {
	if len(values) != len(p.steps) {
		return p.codec.Append(dst, values)
	}
	out := append(dst, '[')
	for i, v := range values {
		if i > 0 {
			out = append(out, ',')
		}
		if at, ok := p.steps[i].place(v); ok {
			if out, ok = appendJSONPlain(out, p.steps[i].kind, at); ok {
				continue
			}
		}
		var err error
		if out, err = p.codec.appendValue(out, v); err != nil {
			return dst, encodeError("json", i, values, err)
		}
	}
	return append(out, ']'), nil
}

func (p *jsonPlan) Decode(src []byte, values []any) error {
	if !p.plain || len(values) != len(p.steps) || !p.decode(src, values) {
		return p.codec.Decode(src, values)
	}
	return nil
}

// decode reports false where the list is left to the codec, which then decodes all of it.
func (p *jsonPlan) decode(src []byte, values []any) bool {
	separator := byte('[')
	for i, v := range values {
		at, ok := p.steps[i].place(v)
		if !ok || len(src) < 2 || src[0] != separator {
			return false
		}
		n := decodeJSONPlain(src[1:], p.steps[i].kind, at)
		if n == 0 {
			return false
		}
		src, separator = src[1+n:], ','
	}
	return len(values) > 0 && string(src) == "]"
}

func appendJSONPlain(dst []byte, k reflect.Kind, at place) ([]byte, bool) {
	switch k {
	case reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64:
		return strconv.AppendInt(dst, at.int(k), 10), true
	case reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64:
		return strconv.AppendUint(dst, at.uint(k), 10), true
	case reflect.Float32:
		return appendJSONFloat(dst, float64(*at.float32()), 32)
	case reflect.Float64:
		return appendJSONFloat(dst, *at.float64(), 64)
	case reflect.Bool:
		return strconv.AppendBool(dst, *at.bool()), true
	case reflect.String:
		return appendJSONString(dst, *at.string())
	case reflect.Slice:
		return appendJSONBytes(dst, *at.bytes()), true
	case reflect.Struct:
		return appendJSONTime(dst, *at.time())
	}
	return dst, false
}

// decodeJSONPlain decodes the value at the beginning of src and returns its length, or 0 to leave it to the codec. What
// follows the value is the caller's to check, so a number that is cut short here is found out there.
func decodeJSONPlain(src []byte, k reflect.Kind, at place) int {
	ok := false
	switch k {
	case reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64:
		n, size := jsonNumber(src)
		if size > 0 && at.setInt(k, n) {
			return size
		}
		return 0
	case reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64:
		n, size := jsonNumber(src)
		if size > 0 && src[0] != '-' && at.setUint(k, uint64(n)) {
			return size
		}
		return 0
	}
	span := jsonSpan(src)
	if len(span) == 0 {
		return 0
	}
	switch k {
	case reflect.Float32:
		ok = parseJSONFloat32(span, at.float32())
	case reflect.Float64:
		ok = parseJSONFloat64(span, at.float64())
	case reflect.Bool:
		ok = parseJSONBool(span, at.bool())
	case reflect.String:
		ok = parseJSONText(span, at.string())
	case reflect.Slice:
		ok = parseJSONBytes(span, at.bytes())
	}
	if !ok {
		return 0
	}
	return len(span)
}

// jsonNumber parses the whole number at the beginning of src, and returns its length; 0 where there is none, or one
// that may not fit an int64.
func jsonNumber(src []byte) (n int64, size int) {
	negative := src[0] == '-'
	if negative {
		size = 1
	}
	first := size
	for size < len(src) && src[size]-'0' <= 9 {
		n = 10*n + int64(src[size]-'0')
		size++
	}
	digits := size - first
	if digits == 0 || digits > 18 || digits > 1 && src[first] == '0' {
		return 0, 0
	}
	if negative {
		n = -n
	}
	return n, size
}

// jsonSpan returns the string at the beginning of src, or what there is up to the next comma or bracket.
func jsonSpan(src []byte) []byte {
	if src[0] == '"' {
		return src[:jsonString(src)]
	}
	for i, c := range src {
		if c == ',' || c == ']' {
			return src[:i]
		}
	}
	return nil
}
