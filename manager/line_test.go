package manager

import (
	"errors"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"testing/iotest"
)

func TestReadLines(t *testing.T) {
	long := strings.Repeat("0123456789abcdef", maxLine/16)
	tests := []struct {
		in   string
		want []string // each with + where more follows
	}{
		{"", nil},
		{"\n", []string{""}},
		{"a", []string{"a"}},
		{"a\nb", []string{"a", "b"}},
		{"a\r\n\nb\n", []string{"a\r", "", "b"}},
		{long[1:] + "\nb\n", []string{long[1:], "b"}},
		{long + "\nb\n", []string{long + "+", "", "b"}},
		{long + "x", []string{long + "+", "x"}},
		{long + long + "x\n", []string{long + "+", long + "+", "x"}},
	}
	for _, test := range tests {
		for name, r := range map[string]io.Reader{
			"whole": strings.NewReader(test.in), "halves": iotest.HalfReader(strings.NewReader(test.in)),
			"failing": io.MultiReader(strings.NewReader(test.in), iotest.ErrReader(errors.New("closed"))),
		} {
			var got []string
			readLines(io.NopCloser(r), func(line []byte, more bool) {
				text := string(line)
				if more {
					text += "+"
				}
				got = append(got, text)
			})
			if strings.Join(got, "|") != strings.Join(test.want, "|") || len(got) != len(test.want) {
				t.Errorf("%s, %.20q, %d bytes: got %d lines, %.100q", name, test.in, len(test.in), len(got), got)
			}
		}
	}
}

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

// A disk that is full loses lines, says so once, and holds nobody up.
func TestLogLosesLines(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("needs /dev/full")
	}
	full, err := os.OpenFile("/dev/full", os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer full.Close()
	good, err := os.Create(filepath.Join(t.TempDir(), "x.log"))
	if err != nil {
		t.Fatal(err)
	}
	defer good.Close()
	told := 0
	l := &logFile{file: full, lost: func(error) { told++ }}
	write := l.writer(1, "stdout")
	for range 100 {
		write([]byte("x"), false)
	}
	l.file = good
	write([]byte("y"), false)
	l.file = full
	write([]byte("z"), false)
	if told != 2 || l.droppedLines() != 101 {
		t.Errorf("told %d times of %d lines, want 2 and 101", told, l.droppedLines())
	}
	text, err := os.ReadFile(good.Name())
	if err != nil || !strings.HasSuffix(string(text), "Z 1 stdout y\n") {
		t.Errorf("got %q, %v", text, err)
	}
}
