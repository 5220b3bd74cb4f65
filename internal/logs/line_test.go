package logs

import (
	"errors"
	"io"
	"strings"
	"testing"
	"testing/iotest"
)

func TestReadLines(t *testing.T) {
	long := strings.Repeat("0123456789abcdef", MaxLine/16)
	buffer := long[:lineBuffer]
	tests := []struct {
		in   string
		want []string // each with + where more follows
	}{
		{"", nil},
		{"\n", []string{""}},
		{"a", []string{"a"}},
		{"a\nb", []string{"a", "b"}},
		{"a\r\n\nb\n", []string{"a\r", "", "b"}},
		{buffer + "\n" + buffer[1:] + "\n" + buffer, []string{buffer, buffer[1:], buffer}},
		{"ab\n" + buffer + "x\ny\n", []string{"ab", buffer + "x", "y"}},
		{long + "\nb\n", []string{long, "b"}},
		{"a\n" + long, []string{"a", long}},
		{long + "x", []string{long + "+", "x"}},
		{long + "x\n" + long + "\n", []string{long + "+", "x", long}},
		{long + long + "x\nb", []string{long + "+", long + "+", "x", "b"}},
		{long[2:] + "€€\n", []string{long[2:] + "+", "€€"}}, // cut before a character, not in it
	}
	for _, test := range tests {
		for name, r := range map[string]io.Reader{
			"whole": strings.NewReader(test.in), "halves": iotest.HalfReader(strings.NewReader(test.in)),
			"failing": io.MultiReader(strings.NewReader(test.in), iotest.ErrReader(errors.New("closed"))),
		} {
			var got []string
			ReadLines(io.NopCloser(r), func(line []byte, more bool) {
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

// Every byte of a stream is handed on, however it is cut when it is read.
func FuzzReadLines(f *testing.F) {
	f.Add("a\nb\n\n€\xff\r\n", uint8(3))
	f.Fuzz(func(t *testing.T, text string, size uint8) {
		in := strings.NewReader(strings.Repeat(text, 1+int(size)))
		want := strings.TrimSuffix(strings.Repeat(text, 1+int(size)), "\n")
		var got []string
		ReadLines(io.NopCloser(&piecewise{in, 1 + int(size)*7}), func(line []byte, more bool) {
			if more {
				t.Errorf("a line of %d bytes was cut", len(line))
			}
			got = append(got, string(line))
		})
		if strings.Join(got, "\n") != want {
			t.Errorf("ReadLines(%q): got %q", want, got)
		}
	})
}

// piecewise reads at most so many bytes at once.
type piecewise struct {
	io.Reader
	most int
}

func (p *piecewise) Read(b []byte) (int, error) { return p.Reader.Read(b[:min(len(b), p.most)]) }

func TestWholeRunes(t *testing.T) {
	for in, want := range map[string]int{"abc": 3, "ab€": 5, "ab€"[:4]: 2, "ab€"[:3]: 2, "😀"[:3]: 0, "\x80\x80\x80\x80": 4, "a\xff": 2} {
		if got := wholeRunes([]byte(in)); got != want {
			t.Errorf("wholeRunes(%q): got %d, want %d", in, got, want)
		}
	}
}
