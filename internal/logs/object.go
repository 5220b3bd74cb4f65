package logs

import (
	"bytes"
	"encoding/json"
)

// object walks over the members of a JSON object. It is the rest of one, which must be known to be valid JSON.
type object []byte

// openObject returns the object that text is, with space around it or not.
func openObject(text []byte) (o object, ok bool) {
	text = bytes.TrimSpace(text)
	if len(text) < 2 || text[0] != '{' || text[len(text)-1] != '}' || !json.Valid(text) {
		return nil, false
	}
	return object(text[1 : len(text)-1]), true
}

// next takes the next member: its key in its quotes, and its value, both as they are written.
func (o *object) next() (key, value []byte, ok bool) {
	rest := skipSpace(*o)
	if len(rest) == 0 {
		return nil, nil, false
	}
	n := valueLen(rest)
	key, rest = rest[:n], skipSpace(rest[n:])
	rest = skipSpace(rest[1:]) // the colon
	n = valueLen(rest)
	value, rest = rest[:n], skipSpace(rest[n:])
	if len(rest) > 0 {
		rest = rest[1:] // the comma
	}
	*o = rest
	return key, value, true
}

// valueLen returns the length of the value that text begins with.
func valueLen(text []byte) int {
	depth := 0
	for i := 0; i < len(text); i++ {
		switch text[i] {
		case '"':
			i += stringLen(text[i:]) - 1
			if depth == 0 {
				return i + 1
			}
		case '{', '[':
			depth++
		case '}', ']':
			if depth--; depth == 0 {
				return i + 1
			}
		case ',', ' ', '\t', '\r', '\n': // the end of a number, true, false or null
			if depth == 0 {
				return i
			}
		}
	}
	return len(text)
}

// stringLen returns the length of the string, with its quotes, that text begins with.
func stringLen(text []byte) int {
	for i := 1; i < len(text); i++ {
		switch text[i] {
		case '\\':
			i++
		case '"':
			return i + 1
		}
	}
	return len(text)
}

func skipSpace(text []byte) []byte {
	for len(text) > 0 && (text[0] == ' ' || text[0] == '\t' || text[0] == '\r' || text[0] == '\n') {
		text = text[1:]
	}
	return text
}

func isString(value []byte) bool { return value[0] == '"' }

// bare returns the content of a string without escapes as it is, and allocates for one that has some.
func bare(quoted []byte) []byte {
	if bytes.IndexByte(quoted, '\\') < 0 {
		return quoted[1 : len(quoted)-1]
	}
	return []byte(unquote(quoted))
}

// unquote returns the content of a string.
func unquote(quoted []byte) string {
	if bytes.IndexByte(quoted, '\\') < 0 {
		return string(quoted[1 : len(quoted)-1])
	}
	var s string
	if json.Unmarshal(quoted, &s) != nil { // it is valid, as far as package json says
		return string(quoted)
	}
	return s
}
