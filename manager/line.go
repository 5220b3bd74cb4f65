package manager

import (
	"bufio"
	"io"
	"strings"
	"sync"
	"unicode"
)

// maxLine bounds what is held of a line, in bytes. A longer one is handed on in parts.
const maxLine = 64 << 10

// readLines reads lines until the end of r and hands each to to, without its end; more says that the line goes on in
// the next call. The bytes are valid until to returns. It closes r.
func readLines(r io.ReadCloser, to func(line []byte, more bool)) {
	defer r.Close()
	in := bufio.NewReaderSize(r, maxLine)
	for {
		line, err := in.ReadSlice('\n')
		switch {
		case err == nil:
			to(line[:len(line)-1], false)
		case err == bufio.ErrBufferFull:
			to(line, true)
		default:
			if len(line) > 0 {
				to(line, false)
			}
			return
		}
	}
}

const (
	tailLines = 20  // lines that are kept
	tailWidth = 400 // bytes of a line
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
		text := string(line[:min(len(line), tailWidth)])
		if len(line) > tailWidth {
			text += " ..."
		}
		if len(t.lines) == tailLines {
			t.lines = append(t.lines[:0], t.lines[1:]...)
		}
		t.lines = append(t.lines, strings.TrimRight(clean(text), " \r\t"))
	}
	t.inner = more
}

func (t *tail) String() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return strings.Join(t.lines, "\n")
}

// clean returns a line of a program's output without what a terminal would obey.
func clean(text string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsControl(r) && r != '\t' && r != '\r' {
			return unicode.ReplacementChar
		}
		return r
	}, text)
}
