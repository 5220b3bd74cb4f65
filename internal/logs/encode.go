package logs

import (
	"bytes"
	"encoding/base64"
	"strconv"
	"unicode/utf8"

	"github.com/rs/zerolog"
)

const (
	timeLayout = "2006-01-02T15:04:05.000000Z" // of UTC; always as wide as this
	timeAt     = len(`{"time":"`)              // where it stands in a line
)

// Manager is the name of the manager's own log, and the stream of what it says.
const Manager = "manager"

// encoder makes lines of a file of the lines of one stream. It is used by one goroutine at a time.
type encoder struct {
	head    []byte // of every line, up to its level; the time is put in when the line gets its place in the queue
	manager bool   // the stream is the manager's own: section and worker are those that it names

	parts int           // of the present line that were handed on
	level zerolog.Level // of those
	crash crash
	line  []byte // reused
}

func newEncoder(section string, worker int, stream string) *encoder {
	e := &encoder{manager: stream == Manager}
	e.head = append(e.head, `{"time":"`+timeLayout+`"`...)
	if !e.manager {
		e.head = appendString(append(e.head, `,"section":`...), []byte(section))
		e.head = strconv.AppendInt(append(e.head, `,"worker":`...), int64(worker), 10)
	}
	e.head = appendString(append(e.head, `,"stream":`...), []byte(stream))
	return e
}

// encode returns the line of the file for a line, or a part of one, of the stream. It is valid until the next call.
func (e *encoder) encode(line []byte, more bool) []byte {
	b := append(e.line[:0], e.head...)
	whole := !more && e.parts == 0
	if o, ok := openLine(line); ok && whole {
		e.crash.on = false
		b = e.appendObject(b, o)
	} else {
		b = e.appendPlain(b, line, more)
	}
	b = append(b, "}\n"...)
	if e.line = b; cap(b) > 2*lineBuffer {
		e.line = nil // a long line is rare, and there are many streams
	}
	return b
}

// openLine returns the object that a line is, if it is fit to be passed on as one.
func openLine(line []byte) (object, bool) {
	if len(line) < 2 || line[0] != '{' && line[0] != ' ' || !utf8.Valid(line) {
		return nil, false
	}
	return openObject(line)
}

func (e *encoder) appendPlain(b, line []byte, more bool) []byte {
	if !more {
		line = bytes.TrimSuffix(line, []byte("\r"))
	}
	if e.parts == 0 {
		e.level = e.crash.levelOf(line)
	}
	b = appendLevel(b, e.level)
	b = appendString(append(b, `,"message":`...), line)
	if !utf8.Valid(line) {
		b = append(b, `,"bytes":"`...)
		b = append(base64.StdEncoding.AppendEncode(b, line), '"')
	}
	if more || e.parts > 0 {
		e.parts++
		b = strconv.AppendInt(append(b, `,"part":`...), int64(e.parts), 10)
	}
	if more {
		return append(b, `,"more":true`...)
	}
	e.parts = 0
	return b
}

// appendObject appends the members of an object: level and message first, those with a reserved name renamed.
func (e *encoder) appendObject(b []byte, o object) []byte {
	level, message, levelAt, messageAt := e.pick(o)
	b = appendLevel(b, level)
	if messageAt >= 0 {
		b = appendRaw(append(b, `,"message":`...), message)
	}
	for i := 0; ; i++ {
		key, value, ok := o.next()
		if !ok {
			return b
		}
		if i == levelAt || i == messageAt {
			continue
		}
		b = append(b, ',')
		if e.isReserved(bare(key)) {
			b = appendRaw(append(b, `"own_`...), key[1:])
		} else {
			b = appendRaw(b, key)
		}
		b = appendRaw(append(b, ':'), value)
	}
}

// pick finds the level and the message of an object, and the places of the members that they are, or -1.
func (e *encoder) pick(o object) (level zerolog.Level, message []byte, levelAt, messageAt int) {
	level, levelAt, messageAt = zerolog.InfoLevel, -1, -1
	short := false // the message so far is msg
	for i := 0; ; i++ {
		key, value, ok := o.next()
		switch {
		case !ok:
			return level, message, levelAt, messageAt
		case !isString(value):
		case string(key) == `"level"` && levelAt < 0:
			if l, ok := parseLevel(bare(value)); ok {
				level, levelAt = l, i
			}
		case string(key) == `"message"` && (messageAt < 0 || short):
			message, messageAt, short = value, i, false
		case string(key) == `"msg"` && messageAt < 0:
			message, messageAt, short = value, i, true
		}
	}
}

// isReserved reports whether a member of that name would be taken for one that is added.
func (e *encoder) isReserved(key []byte) bool {
	switch string(key) {
	case "section", "worker":
		return !e.manager
	case "time", "stream", "level", "message", "bytes", "part", "more":
		return true
	}
	return false
}

func appendLevel(b []byte, level zerolog.Level) []byte {
	return append(append(append(b, `,"level":"`...), level.String()...), '"')
}

// appendString appends text as a JSON string in which nothing is left that a terminal would obey.
func appendString(b, text []byte) []byte {
	b = append(b, '"')
	for len(text) > 0 {
		n := 0
		for n < len(text) && ' ' <= text[n] && text[n] < 0x7f && text[n] != '"' && text[n] != '\\' {
			n++
		}
		b, text = append(b, text[:n]...), text[n:]
		if len(text) == 0 {
			break
		}
		r, size := utf8.DecodeRune(text)
		switch {
		case r == '"' || r == '\\':
			b = append(b, '\\', byte(r))
		case r == '\t':
			b = append(b, `\t`...)
		case r == '\n':
			b = append(b, `\n`...)
		case r == '\r':
			b = append(b, `\r`...)
		case isControl(r):
			b = appendEscape(b, r)
		default: // U+FFFD where it is not UTF-8
			b = utf8.AppendRune(b, r)
		}
		text = text[size:]
	}
	return append(b, '"')
}

// appendRaw appends valid JSON in valid UTF-8, and takes care of what a terminal would obey: DEL and U+0080 to U+009F stand in
// strings only there, and the other control characters, which are white space, outside of them.
func appendRaw(b, text []byte) []byte {
	for i := 0; i < len(text); i++ {
		switch c := text[i]; {
		case c < ' ':
			b = append(b, ' ')
		case c == 0x7f:
			b = appendEscape(b, rune(c))
		case c == 0xc2 && isControl(rune(text[i+1])): // there is one more byte: it is UTF-8
			i++
			b = appendEscape(b, rune(text[i]))
		default:
			b = append(b, c)
		}
	}
	return b
}

func isControl(r rune) bool { return r < ' ' || 0x7f <= r && r < 0xa0 }

func appendEscape(b []byte, r rune) []byte {
	const hex = "0123456789abcdef"
	return append(b, '\\', 'u', '0', '0', hex[r>>4], hex[r&15])
}
