package logs

import (
	"encoding/json"
	"strconv"
	"strings"
	"time"
	"unicode"

	"github.com/rs/zerolog"
)

// Record is a line of a log, read. Whoever gets it owns it.
type Record struct {
	Line    []byte // as it stands in the file, without its end
	Time    time.Time
	Section string // "" where the manager speaks of none
	Worker  int    // from 1; 0 where the manager speaks of none
	Stream  string
	Level   zerolog.Level
	Message string
	Fields  []Field // the other members, in their order
	Part    int     // of a line that was too long, from 1; else 0
	More    bool    // another part follows

	// Readable says that the line is one that a Log wrote. One that is not, such as a half one after a crash of the machine, is
	// its own Message, without a level and with the time of the line before.
	Readable bool
}

// Field is a member of a line that is the worker's own.
type Field struct {
	Key   string
	Value []byte // JSON, as it is written
}

// Text returns the value as people read it: of a string what is in it, of anything else its JSON.
func (f *Field) Text() string {
	if isString(f.Value) {
		return unquote(f.Value)
	}
	return string(f.Value)
}

// Parse reads a line of a file, which has no end any more and is kept in the record. It takes every line: what is not
// readable is a record, too.
func Parse(line []byte) Record {
	r := Record{Line: line, Level: zerolog.NoLevel}
	o, ok := openObject(line)
	for ok {
		var key, value []byte
		if key, value, ok = o.next(); ok && !r.take(key, value) {
			r.Fields = append(r.Fields, Field{unquote(key), value})
		}
	}
	if !r.Time.IsZero() && r.Stream != "" {
		r.Readable = true
		return r
	}
	return Record{Line: line, Level: zerolog.NoLevel, Message: string(line)}
}

// take takes a member that a Log adds, the first of its name.
func (r *Record) take(key, value []byte) bool {
	if isString(value) {
		switch string(key) {
		case `"time"`:
			return r.Time.IsZero() && set(&r.Time, func() (time.Time, error) { return time.Parse(time.RFC3339Nano, unquote(value)) })
		case `"section"`:
			return setString(&r.Section, value)
		case `"stream"`:
			return setString(&r.Stream, value)
		case `"message"`:
			return setString(&r.Message, value)
		case `"level"`:
			level, ok := parseLevel(bare(value))
			if !ok || r.Level != zerolog.NoLevel {
				return false
			}
			r.Level = level
			return true
		case `"bytes"`:
			return true // for machines, which read Line
		}
		return false
	}
	switch string(key) {
	case `"worker"`:
		return r.Worker == 0 && set(&r.Worker, func() (int, error) { return strconv.Atoi(string(value)) })
	case `"part"`:
		return r.Part == 0 && set(&r.Part, func() (int, error) { return strconv.Atoi(string(value)) })
	case `"more"`:
		return !r.More && set(&r.More, func() (bool, error) { return strconv.ParseBool(string(value)) })
	}
	return false
}

func set[T any](to *T, parse func() (T, error)) bool {
	v, err := parse()
	if err != nil {
		return false
	}
	*to = v
	return true
}

func setString(to *string, value []byte) bool {
	if *to != "" {
		return false
	}
	*to = unquote(value)
	return true
}

// Body returns the message and the fields behind it, as name=value, without what a terminal would obey. It has several
// lines where the message or a field has: those behind the first are indented. The worker's own time is left out.
func (r *Record) Body() string {
	var b, below strings.Builder
	message, rest, _ := strings.Cut(strings.TrimRight(cleanLines(r.Message), "\n"), "\n")
	b.WriteString(message)
	writeBelow(&below, "    ", rest)
	for i := range r.Fields {
		f := &r.Fields[i]
		if f.Key == "own_time" {
			continue
		}
		key, text := Clean(f.Key), cleanLines(f.Text())
		if strings.Contains(text, "\n") {
			below.WriteString("\n    " + key + ":")
			writeBelow(&below, "        ", strings.TrimRight(text, "\n"))
			continue
		}
		if b.Len() > 0 {
			b.WriteByte(' ')
		}
		b.WriteString(key + "=" + quoteText(f, text))
	}
	return b.String() + below.String()
}

// Text returns a line of a program's output as people read it, without what a terminal would obey: one of JSON as its level,
// its message and its fields.
func Text(line []byte) string {
	if _, ok := openLine(line); !ok {
		return Clean(strings.TrimRight(string(line), " \t\r"))
	}
	r := Parse(newEncoder("", 1, "stderr").encode(line, false))
	return r.Level.String() + ": " + r.Body()
}

// Replay gives an event the members of a line that zerolog wrote, and sends it.
func Replay(event *zerolog.Event, line []byte) {
	o, ok := openObject(line)
	if !ok {
		event.Msg(string(line))
		return
	}
	message := ""
	for {
		key, value, ok := o.next()
		switch {
		case !ok:
			event.Msg(message)
			return
		case string(key) == `"message"` && isString(value):
			message = unquote(value)
		case string(key) != `"level"`:
			event.RawJSON(unquote(key), value)
		}
	}
}

func writeBelow(b *strings.Builder, indent, text string) {
	if text == "" {
		return
	}
	for line := range strings.SplitSeq(text, "\n") {
		b.WriteString("\n" + indent + line)
	}
}

// quoteText returns the text of a field so that its end is seen.
func quoteText(f *Field, text string) string {
	if isString(f.Value) && (text == "" || strings.ContainsAny(text, " \t\"=")) {
		quoted, err := json.Marshal(text)
		if err == nil {
			return string(quoted)
		}
	}
	return text
}

// cleanLines is Clean for a text whose lines may end as on Windows.
func cleanLines(text string) string { return Clean(strings.ReplaceAll(text, "\r\n", "\n")) }

// Clean returns text of a program without what a terminal would obey. Line ends and tabs stay.
func Clean(text string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsControl(r) && r != '\n' && r != '\t' {
			return unicode.ReplacementChar
		}
		return r
	}, text)
}
