package main

import (
	"fmt"
	"io"
	"os"
	"strings"

	"golang.org/x/term"
)

// terminal is the screen and the keyboard while a program has them to itself. Leave gives them back as they were.
type terminal struct {
	out   *os.File
	in    *os.File // nil if there is no keyboard
	state *term.State
	keys  chan key
}

// key is what was pressed.
type key int

// The keys that mean something.
const (
	keyOther key = iota
	keyQuit
	keyUp
	keyDown
)

// isTerminal returns the file that v is if that is a terminal, else nil.
func isTerminal(v any) *os.File {
	if f, ok := v.(*os.File); ok && term.IsTerminal(int(f.Fd())) {
		return f
	}
	return nil
}

// enter takes the terminal over. The keyboard is read until the process ends: there is no way to end a read of it.
func enter(out *os.File, in io.Reader) (*terminal, error) {
	t := &terminal{out: out, in: isTerminal(in), keys: make(chan key, 16)}
	if t.in != nil {
		state, err := term.MakeRaw(int(t.in.Fd()))
		if err != nil {
			return nil, fmt.Errorf("take the keyboard: %w", err)
		}
		t.state = state
		go t.read()
	}
	fmt.Fprint(out, "\x1b[?1049h\x1b[?25l") // the other screen, without a cursor
	return t, nil
}

func (t *terminal) leave() {
	fmt.Fprint(t.out, "\x1b[?25h\x1b[?1049l")
	if t.in != nil {
		term.Restore(int(t.in.Fd()), t.state)
	}
}

func (t *terminal) read() {
	b := make([]byte, 64)
	for {
		n, err := t.in.Read(b)
		if err != nil {
			t.keys <- keyQuit // the terminal is gone
			return
		}
		for _, k := range keysOf(b[:n]) {
			t.keys <- k
		}
	}
}

// keysOf returns the keys that a terminal in raw mode sends.
func keysOf(b []byte) (keys []key) {
	for text := string(b); text != ""; {
		size, k := 1, keyOther
		switch {
		case strings.HasPrefix(text, "\x1b[A"), strings.HasPrefix(text, "\x1bOA"):
			size, k = 3, keyUp
		case strings.HasPrefix(text, "\x1b[B"), strings.HasPrefix(text, "\x1bOB"):
			size, k = 3, keyDown
		case text[0] == 'q' || text[0] == 'Q' || text[0] == 3 || text[0] == 4: // Ctrl-C and Ctrl-D
			k = keyQuit
		case text[0] == 'k':
			k = keyUp
		case text[0] == 'j':
			k = keyDown
		}
		keys, text = append(keys, k), text[size:]
	}
	return keys
}

// size returns how large the screen is now.
func (t *terminal) size() screenSize {
	width, height, err := term.GetSize(int(t.out.Fd()))
	if err != nil || width < 1 || height < 1 {
		return screenSize{80, 24}
	}
	return screenSize{width, height}
}

// show replaces the picture without a flicker: each line is written over what was there, and the rest is cleared.
func (t *terminal) show(picture string) error {
	_, err := fmt.Fprint(t.out, "\x1b[H"+strings.ReplaceAll(picture, "\n", "\x1b[K\r\n")+"\x1b[K\x1b[J")
	return err
}
