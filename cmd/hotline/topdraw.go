package main

import (
	"fmt"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"hotline/internal/plural"
	"hotline/manager"
)

// screenSize is what a picture has to fit into, in characters; no height means any.
type screenSize struct{ width, height int }

// topLine is a line of the picture, and the colour that it has.
type topLine struct{ text, colour string }

// The widths of the column of names, and of the others before the last one, which takes the rest. Those of numbers are set to the
// right.
const nameWidth = 12

var topColumns = []int{-8, 7, 5, 5, 5, 4, 4, 5}

// roomyWidth is that of a screen from which on half of what is there more goes to names that need it.
const roomyWidth = 100

// draw returns the picture of the view, lines with a '\n' between them. skip is how many of the rows are scrolled away, and is
// returned as it is possible. note is a line above the table that is empty if all is well.
func (v *topView) draw(size screenSize, colours bool, note string, skip int) (string, int) {
	names := v.nameWidth(size.width)
	rows := v.rows(names)
	head := []topLine{{v.title(), bold}, {note, red}, {columns(names, "NAME", "STATE", "CALLS/S", "P50", "P99", "ERR/S", "OPEN", "CPU%", "MEM", "OLDEST CALL"), reverse}}
	if size.height > 0 {
		room := max(1, size.height-len(head)-1)
		skip = max(0, min(skip, len(rows)-room))
		if rest := len(rows) - skip - room; rest > 0 || skip > 0 {
			rows = append(append([]topLine{}, rows[skip:skip+min(room, len(rows)-skip)]...), topLine{scrolled(skip, rest), bold})
		}
		rows = rows[:min(len(rows), max(0, size.height-len(head)))]
		head = head[:min(len(head), size.height)]
	}
	var b strings.Builder
	for i, line := range append(head, rows...) {
		if i > 0 {
			b.WriteByte('\n')
		}
		text := fit(line.text, size.width)
		if colours && line.colour == reverse {
			text += strings.Repeat(" ", max(0, size.width-utf8.RuneCountInString(text)))
		}
		if colours && line.colour != "" {
			text = line.colour + text + plain
		}
		b.WriteString(text)
	}
	return b.String(), skip
}

func scrolled(above, below int) string {
	return fmt.Sprintf("  %d lines above, %d below: j and k, or the arrow keys", above, max(0, below))
}

func (v *topView) title() string {
	workers, ready := 0, 0
	var calls, errors float64
	for i := range v.Sections {
		s := &v.Sections[i]
		workers += len(s.Workers)
		for _, w := range s.Workers {
			if w.State == string(manager.Ready) {
				ready++
			}
		}
		calls += s.Calls
		errors += s.Errors
	}
	return fmt.Sprintf("hotline top %s  %s, %d/%s ready  %s calls/s, %s errors/s", v.Time.Local().Format(time.TimeOnly),
		plural.Of(len(v.Sections), "section"), ready, plural.Of(workers, "worker"), amount(calls), amount(errors))
}

// nameWidth returns the width of the column of names on a screen.
func (v *topView) nameWidth(screen int) int {
	longest := 0
	for i := range v.Sections {
		longest = max(longest, utf8.RuneCountInString(cell(v.Sections[i].Name)))
	}
	return max(nameWidth, min(longest, nameWidth+(screen-roomyWidth)/2))
}

// rows returns the lines of the table, with so much room for the names.
func (v *topView) rows(names int) (rows []topLine) {
	for i := range v.Sections {
		s := &v.Sections[i]
		rows = append(rows, topLine{s.line(names, cell(s.Name)), colourOf(s)})
		for j := range s.Workers {
			w := &s.Workers[j]
			rows = append(rows, topLine{w.line(names, "  "+w.Name), colourOf(w)})
		}
	}
	return rows
}

func colourOf(r *topRow) string {
	switch manager.State(r.State) {
	case manager.Ready:
		if r.Workers != nil {
			return bold
		}
		return ""
	case manager.Waiting, manager.Failed:
		return red
	}
	return yellow
}

func (r *topRow) line(names int, name string) string {
	if r.Unread {
		return columns(names, name, r.State, "?", "?", "?", "?", "?", "?", "?", "")
	}
	oldest, p50, p99 := "", "-", "-"
	if r.times.Count() > 0 {
		p50, p99 = short(r.P50), short(r.P99)
	}
	if r.Oldest != "" {
		oldest = short(r.OldestAge) + " " + cell(r.Oldest)
	}
	return columns(names, name, r.State, amount(r.Calls), p50, p99, amount(r.Errors), strconv.Itoa(r.InFlight),
		fmt.Sprintf("%.0f", 100*r.CPU), memory(r.Memory), oldest)
}

// columns sets cells into columns, the first of which has a width of its own. What is too long pushes the others on, unless it is
// text, which is cut.
func columns(first int, cells ...string) string {
	var b strings.Builder
	widths := append([]int{-first}, topColumns...)
	for i, width := range widths {
		text := cells[i]
		space := strings.Repeat(" ", max(0, max(width, -width)-utf8.RuneCountInString(text)))
		if width < 0 {
			text = fit(text, -width) + space
		} else {
			text = space + text
		}
		b.WriteString(text)
		b.WriteByte(' ')
	}
	b.WriteString(cells[len(widths)])
	return strings.TrimRight(b.String(), " ")
}

// fit cuts a text to a width, with a sign that something was cut off.
func fit(text string, width int) string {
	if utf8.RuneCountInString(text) <= width {
		return text
	}
	if width < 1 {
		return ""
	}
	return string([]rune(text)[:width-1]) + "…"
}

func workerName(number int) string { return fmt.Sprint("#", number) }
