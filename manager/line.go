package manager

import (
	"strings"
	"sync"

	"hotline/internal/logs"
)

const (
	tailLines = 20      // lines that are kept
	tailBytes = 4 << 10 // of a line, so that one of JSON is whole
	tailWidth = 400     // bytes of a line that are shown
)

// tail keeps the last lines of an output. The zero tail is empty. Its methods may be called at once.
type tail struct {
	mu    sync.Mutex
	lines []string
	inner bool // the next part continues a line
}

func (t *tail) add(line []byte, more bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if !t.inner {
		if len(t.lines) == tailLines {
			t.lines = append(t.lines[:0], t.lines[1:]...)
		}
		t.lines = append(t.lines, string(line[:min(len(line), tailBytes)]))
	}
	t.inner = more
}

func (t *tail) String() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	shown := make([]string, len(t.lines))
	for i, line := range t.lines {
		text := logs.Text([]byte(line))
		if len(text) > tailWidth {
			text = strings.ToValidUTF8(text[:tailWidth], "") + " ..." // not with half a character
		}
		shown[i] = text
	}
	return strings.Join(shown, "\n")
}

// clean returns what a program says as one line, without what a terminal would obey.
func clean(text string) string { return strings.ReplaceAll(logs.Clean(text), "\n", "\uFFFD") }
