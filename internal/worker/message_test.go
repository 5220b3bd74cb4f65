package worker

import (
	"bufio"
	"errors"
	"io"
	"strings"
	"testing"
)

func TestDecode(t *testing.T) {
	long := strings.Repeat("x", MaxMessage-40)
	tests := []struct {
		in, want string // part of the error, or the event
	}{
		{`{"event":"ready"}` + "\n", "ready"},
		{`{"event":"ready","addresses":["` + long + `"]}` + "\n", "ready"},
		{`{"event":"ready","more":1}` + "\n", "ready"},
		{"", "EOF"},
		{"\n", "no message"},
		{"hello\n", "no message"},
		{"{}\n", "no event"},
		{"null\n", "no event"},
		{`{"event":1}` + "\n", "no message"},
		{`{"event":"ready"}`, "has no end"},
		{long + long + "\n", "more than"},
		{long + long, "more than"},
		{strings.Repeat("[", 100_000) + "\n", "no message"},
	}
	for _, test := range tests {
		m, err := decode(bufio.NewReader(strings.NewReader(test.in)))
		switch {
		case err != nil && !strings.Contains(err.Error(), test.want):
			t.Errorf("decode(%.30q): got %v, want %s", test.in, err, test.want)
		case err == nil && string(m.Event) != test.want:
			t.Errorf("decode(%.30q): got %+v, want %s", test.in, m, test.want)
		}
	}
}

func FuzzDecode(f *testing.F) {
	f.Add([]byte(`{"event":"ready","services":[{"methods":[{"name":"Sum"}]}],"addresses":["tcp://[::1]:5"]}` + "\n"))
	f.Add([]byte("{\n\n"))
	f.Fuzz(func(t *testing.T, in []byte) {
		r := bufio.NewReader(strings.NewReader(string(in)))
		for range len(in) + 1 {
			m, err := decode(r)
			if errors.Is(err, io.EOF) {
				return
			}
			if err != nil {
				continue
			}
			line, err := encode(m)
			if err != nil {
				t.Fatalf("encode(%+v): %v", m, err)
			}
			if _, err := decode(bufio.NewReader(strings.NewReader(string(line)))); err != nil {
				t.Fatalf("decode(encode(%+v)): %v", m, err)
			}
		}
		t.Fatal("the reader did not come to the end")
	})
}
