package main

import (
	"bufio"
	"fmt"
	"strings"
	"unicode/utf8"

	"github.com/rs/zerolog"

	"hotline/internal/logs"
)

// logText writes lines of logs for people:
//
//	2026-01-02 15:04:05.000  echo/2   warn   the message name=value
//
// with the time of here. What the manager says is marked by its name, and a line that is not readable has a level "-".
type logText struct {
	out    *bufio.Writer
	colour bool
	width  int // of the column of the workers
}

// newLogText returns one that has room for the names of the sections.
func newLogText(out *bufio.Writer, places []logs.Place, colour bool) *logText {
	t := &logText{out: out, colour: colour}
	for _, p := range places {
		width := utf8.RuneCountInString(logs.Clean(p.Section))
		if p.Section != logs.Manager {
			width += len("/1")
		}
		t.width = max(t.width, width)
	}
	return t
}

func (t *logText) write(r *logs.Record) error {
	at := strings.Repeat(" ", len(logTime))
	if !r.Time.IsZero() {
		at = r.Time.Local().Format(logTime)
	}
	from := logs.Clean(r.Section)
	if r.Worker > 0 {
		from = fmt.Sprintf("%s/%d", from, r.Worker)
	}
	if from == "" {
		from = logs.Manager
	}
	t.width = max(t.width, utf8.RuneCountInString(from))
	level, colour := "-", grey
	if r.Level != zerolog.NoLevel {
		level, colour = r.Level.String(), levelColour(r.Level)
	}
	t.paint(grey, at)
	t.paint(cyan, fmt.Sprintf("  %-*s", t.width, from))
	t.paint(colour, fmt.Sprintf("  %-5s", level))
	body := t.body(r)
	if body != "" {
		t.out.WriteString("  ")
	}
	if r.Level >= zerolog.ErrorLevel && r.Level != zerolog.NoLevel {
		t.paint(colour, body)
	} else {
		t.out.WriteString(body)
	}
	return t.out.WriteByte('\n')
}

const logTime = "2006-01-02 15:04:05.000"

// body returns the text of a line, with marks where it is a part of one, or the manager's.
func (t *logText) body(r *logs.Record) string {
	body := r.Body()
	if r.Stream == logs.Manager && (r.Section != "" || r.Worker > 0) {
		body = logs.Manager + ": " + body
	}
	if r.Part > 1 {
		body = "... " + body
	}
	if r.More {
		body += " ..."
	}
	return body
}

func levelColour(level zerolog.Level) string {
	switch {
	case level >= zerolog.ErrorLevel:
		return red
	case level == zerolog.WarnLevel:
		return yellow
	case level <= zerolog.DebugLevel:
		return grey
	}
	return plain
}

func (t *logText) paint(colour, text string) {
	if t.colour && text != "" {
		text = colour + text + plain
	}
	t.out.WriteString(text)
}
