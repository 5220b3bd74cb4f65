package codec

import (
	"encoding/base64"
	"encoding/json"
	"math"
	"strconv"
	"time"
	"unicode/utf8"
)

// appendJSON appends the value that v points to where it is of a plain kind and its encoding is straightforward,
// and reports whether it was. The library does the rest, and gives the errors.
func appendJSON(dst []byte, v any) ([]byte, bool) {
	switch p := v.(type) {
	case *int:
		return strconv.AppendInt(dst, int64(*p), 10), true
	case *int8:
		return strconv.AppendInt(dst, int64(*p), 10), true
	case *int16:
		return strconv.AppendInt(dst, int64(*p), 10), true
	case *int32:
		return strconv.AppendInt(dst, int64(*p), 10), true
	case *int64:
		return strconv.AppendInt(dst, *p, 10), true
	case *time.Duration:
		return strconv.AppendInt(dst, int64(*p), 10), true
	case *uint:
		return strconv.AppendUint(dst, uint64(*p), 10), true
	case *uint8:
		return strconv.AppendUint(dst, uint64(*p), 10), true
	case *uint16:
		return strconv.AppendUint(dst, uint64(*p), 10), true
	case *uint32:
		return strconv.AppendUint(dst, uint64(*p), 10), true
	case *uint64:
		return strconv.AppendUint(dst, *p, 10), true
	case *float32:
		return appendJSONFloat(dst, float64(*p), 32)
	case *float64:
		return appendJSONFloat(dst, *p, 64)
	case *bool:
		return strconv.AppendBool(dst, *p), true
	case *string:
		return appendJSONString(dst, *p)
	case *[]byte:
		return appendJSONBytes(dst, *p), true
	case *time.Time:
		return appendJSONTime(dst, *p)
	}
	return dst, false
}

func appendJSONFloat(dst []byte, f float64, bits int) ([]byte, bool) {
	if math.IsNaN(f) || math.IsInf(f, 0) {
		return dst, false
	}
	format := byte('f')
	low := 1e-6
	if bits == 32 {
		low = float64(float32(low))
	}
	if abs := math.Abs(f); abs != 0 && (abs < low || abs >= 1e21) {
		format = 'e'
	}
	dst = strconv.AppendFloat(dst, f, format, -1, bits)
	if n := len(dst); format == 'e' && dst[n-2] == '0' && dst[n-3] == '-' { // e-09 is e-9 in encoding/json
		dst = append(dst[:n-2], dst[n-1])
	}
	return dst, true
}

// appendJSONString appends a string of printable ASCII, and leaves the others to the library.
func appendJSONString(dst []byte, s string) ([]byte, bool) {
	for i := range len(s) {
		if c := s[i]; c < ' ' || c == '"' || c == '\\' || c > '~' {
			return dst, false
		}
	}
	dst = append(dst, '"')
	dst = append(dst, s...)
	return append(dst, '"'), true
}

func appendJSONBytes(dst, b []byte) []byte {
	if b == nil {
		return append(dst, "null"...)
	}
	dst = append(dst, '"')
	dst = base64.StdEncoding.AppendEncode(dst, b)
	return append(dst, '"')
}

// appendJSONTime leaves a time that has no text to the library's error.
func appendJSONTime(dst []byte, t time.Time) ([]byte, bool) {
	out, err := t.AppendText(append(dst, '"'))
	if err != nil {
		return dst, false
	}
	return append(out, '"'), true
}

// parseJSON decodes a value of a plain kind whose form is straightforward, and reports whether it was.
// The library does the rest, and gives the errors.
func parseJSON(span []byte, v any) bool {
	switch p := v.(type) {
	case *int:
		return parseJSONInt(span, p)
	case *int8:
		return parseJSONInt(span, p)
	case *int16:
		return parseJSONInt(span, p)
	case *int32:
		return parseJSONInt(span, p)
	case *int64:
		return parseJSONInt(span, p)
	case *time.Duration:
		return parseJSONInt(span, p)
	case *uint:
		return parseJSONUint(span, p)
	case *uint8:
		return parseJSONUint(span, p)
	case *uint16:
		return parseJSONUint(span, p)
	case *uint32:
		return parseJSONUint(span, p)
	case *uint64:
		return parseJSONUint(span, p)
	case *float32:
		return parseJSONFloat32(span, p)
	case *float64:
		return parseJSONFloat64(span, p)
	case *bool:
		return parseJSONBool(span, p)
	case *string:
		return parseJSONText(span, p)
	case *[]byte:
		return parseJSONBytes(span, p)
	}
	return false
}

func parseJSONInt[T ~int | ~int8 | ~int16 | ~int32 | ~int64](span []byte, p *T) bool {
	if !jsonInteger(span) {
		return false
	}
	n, err := strconv.ParseInt(string(span), 10, 64)
	if err != nil || int64(T(n)) != n {
		return false
	}
	*p = T(n)
	return true
}

func parseJSONUint[T uint | uint8 | uint16 | uint32 | uint64](span []byte, p *T) bool {
	if !jsonInteger(span) {
		return false
	}
	n, err := strconv.ParseUint(string(span), 10, 64)
	if err != nil || uint64(T(n)) != n {
		return false
	}
	*p = T(n)
	return true
}

func parseJSONFloat(span []byte, bits int) (float64, bool) {
	if span[0] != '-' && (span[0] < '0' || span[0] > '9') || !json.Valid(span) {
		return 0, false
	}
	f, err := strconv.ParseFloat(string(span), bits)
	return f, err == nil
}

func parseJSONFloat32(span []byte, p *float32) bool {
	f, ok := parseJSONFloat(span, 32)
	if ok {
		*p = float32(f)
	}
	return ok
}

func parseJSONFloat64(span []byte, p *float64) bool {
	f, ok := parseJSONFloat(span, 64)
	if ok {
		*p = f
	}
	return ok
}

func parseJSONText(span []byte, p *string) bool {
	text, ok := jsonText(span)
	if ok {
		*p = string(text)
	}
	return ok
}

func parseJSONBool(span []byte, p *bool) bool {
	switch string(span) {
	case "true":
		*p = true
	case "false":
		*p = false
	default:
		return false
	}
	return true
}

// parseJSONBytes never writes into the memory that *p refers to: someone may have kept it.
func parseJSONBytes(span []byte, p *[]byte) bool {
	text, ok := jsonText(span)
	if !ok {
		return false
	}
	b, err := base64.StdEncoding.AppendDecode(make([]byte, 0, base64.StdEncoding.DecodedLen(len(text))), text)
	if err == nil {
		*p = b
	}
	return err == nil
}

// jsonInteger reports whether span is a whole number in JSON's grammar.
func jsonInteger(span []byte) bool {
	if len(span) > 1 && span[0] == '-' {
		span = span[1:]
	}
	if len(span) > 1 && span[0] == '0' {
		return false
	}
	for _, c := range span {
		if c < '0' || c > '9' {
			return false
		}
	}
	return len(span) > 0
}

// jsonText returns what is between the quotes of a string that has no escapes in it.
func jsonText(span []byte) ([]byte, bool) {
	if len(span) < 2 || span[0] != '"' || jsonString(span) != len(span) {
		return nil, false
	}
	text := span[1 : len(span)-1]
	for _, c := range text {
		if c < ' ' || c == '\\' {
			return nil, false
		}
	}
	return text, utf8.Valid(text)
}
