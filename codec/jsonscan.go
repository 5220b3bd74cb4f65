package codec

import "errors"

var (
	errNoArray = errors.New("the message is not a JSON array of values")
	errNoValue = errors.New("a value is missing between two commas")
	errOpen    = errors.New("the array of values is not closed")
)

// jsonList reads the values of a JSON array one after the other.
type jsonList struct {
	rest  []byte // what has not been read; after the last value, what follows the array
	read  int    // values
	ended bool
}

// open goes to the first value.
func (l *jsonList) open() error {
	l.rest = jsonTrim(l.rest)
	if len(l.rest) == 0 || l.rest[0] != '[' {
		return errNoArray
	}
	l.rest = jsonTrim(l.rest[1:])
	if len(l.rest) > 0 && l.rest[0] == ']' {
		l.end()
	}
	return nil
}

// next returns the bytes of the next value, or nil after the last, and what it can become where v points to.
func (l *jsonList) next(types *weigher, v any) ([]byte, tally, error) {
	if l.ended {
		return nil, tally{}, nil
	}
	n, most, err := jsonScan(l.rest, types, v)
	if err != nil {
		return nil, tally{}, err
	}
	span := jsonTrim(l.rest[:n])
	if len(span) == 0 {
		return nil, tally{}, errNoValue
	}
	l.rest = l.rest[n:]
	l.read++
	switch {
	case len(l.rest) == 0 || l.rest[0] == '}':
		return nil, tally{}, errOpen
	case l.rest[0] == ']':
		l.end()
	default:
		l.rest = l.rest[1:]
	}
	return span, most, nil
}

func (l *jsonList) end() {
	l.ended = true
	l.rest = jsonTrim(l.rest[1:])
}

// drain returns how many values are left.
func (l *jsonList) drain() (int, error) {
	read := l.read
	for !l.ended {
		if _, _, err := l.next(nil, nil); err != nil {
			return 0, err
		}
	}
	return l.read - read, nil
}

// jsonScan finds the end of the value at the beginning of src: the comma or bracket behind it, outside of strings
// and brackets of its own. It checks the nesting and counts what the arrays and objects can become in the value that
// v points to; a nil v is for a value that is not decoded.
//
// It is no validator: it takes brackets and strings for what they are in valid JSON, and counts too many elements
// rather than too few. The library checks the same bytes before it allocates.
func jsonScan(src []byte, types *weigher, v any) (n int, most tally, err error) {
	var (
		w       *weights // known when there is a container
		commas  [MaxDepth]int
		objects uint64 // bit i: the container at depth i is an object
		depth   int
	)
	for i := 0; i < len(src); i++ {
		switch src[i] {
		case '"':
			end := jsonString(src[i:])
			if end == 0 {
				return 0, most, errTruncated
			}
			i += end - 1
		case '[', '{':
			if depth == MaxDepth {
				return 0, most, errDepth
			}
			if w == nil && v != nil {
				w = types.of(v)
			}
			commas[depth] = 0
			objects = objects&^(1<<depth) | uint64(src[i]>>5&1)<<depth // '{' is 0x7b, '[' is 0x5b
			depth++
		case ',':
			if depth == 0 {
				return i, most, nil
			}
			commas[depth-1]++
		case ']', '}':
			if depth == 0 {
				return i, most, nil
			}
			depth--
			if w != nil {
				w.jsonContainer(&most, objects>>depth&1 != 0, commas[depth], src[i-1])
			}
		}
	}
	if depth > 0 {
		return 0, most, errTruncated
	}
	return len(src), most, nil
}

// jsonContainer counts an array or object with so many commas and with last before its closing bracket.
func (w *weights) jsonContainer(t *tally, object bool, commas int, last byte) {
	n := commas + 1
	if commas == 0 && (last == '[' || last == '{') {
		n = 0
	}
	if object {
		w.mapping(t, n)
	} else {
		w.array(t, n, false)
	}
}

// jsonString returns the length of the string at the beginning of src, or 0 if it has no end.
func jsonString(src []byte) int {
	for i := 1; i < len(src); i++ {
		switch src[i] {
		case '\\':
			i++
		case '"':
			return i + 1
		}
	}
	return 0
}

func jsonSpace(c byte) bool { return c == ' ' || c == '\t' || c == '\n' || c == '\r' }

func jsonTrim(src []byte) []byte {
	for len(src) > 0 && jsonSpace(src[0]) {
		src = src[1:]
	}
	for len(src) > 0 && jsonSpace(src[len(src)-1]) {
		src = src[:len(src)-1]
	}
	return src
}
