package manager

import (
	"strings"
	"testing"
	"unicode/utf8"
)

func TestTail(t *testing.T) {
	var last tail
	if got := last.String(); got != "" {
		t.Errorf("zero tail: got %q", got)
	}
	for i := range 3 * tailLines {
		last.add([]byte{byte('0' + i%10), '\x07', '\r'}, false)
	}
	last.add([]byte(strings.Repeat("y", 2*tailWidth)), true)
	last.add([]byte("the rest of it"), false)
	lines := strings.Split(last.String(), "\n")
	if len(lines) != tailLines || lines[0] != "1\uFFFD" || lines[tailLines-1] != strings.Repeat("y", tailWidth)+" ..." {
		t.Errorf("got %d lines, %q", len(lines), lines)
	}
}

// What is shown of a long line is text, wherever it is cut.
func TestTailCutsWholeCharacters(t *testing.T) {
	for shift := range 3 {
		var last tail
		last.add([]byte(strings.Repeat("x", shift)+strings.Repeat("\u20ac", tailWidth)), false)
		if got := last.String(); !utf8.ValidString(got) || len(got) > tailWidth+len(" ...") || len(got) < tailWidth {
			t.Errorf("got %d bytes, %q", len(got), got)
		}
	}
}

func TestClean(t *testing.T) {
	if got, want := clean("a\rb\nc\td\x1b\u0085\xff\u20ac"), "a\ufffdb\ufffdc\td\ufffd\ufffd\ufffd\u20ac"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}
