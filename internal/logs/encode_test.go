package logs

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"
	"github.com/rs/zerolog"
)

func TestEncode(t *testing.T) {
	tests := []struct{ line, want string }{
		{"", `"level":"info","message":""`},
		{"plain text\r", `"level":"info","message":"plain text"`},
		{"tab\tquote\"back\\slash€", `"level":"info","message":"tab\tquote\"back\\slash€"`},
		{"\x1b[31mred\x7f\u009b1m\x00", `"level":"info","message":"\u001b[31mred\u007f\u009b1m\u0000"`},
		{"a\xffb", `"level":"info","message":"a` + "\ufffd" + `b","bytes":"Yf9i"`},
		// what zerolog and slog write
		{`{"level":"warn","n":1,"time":"2026-01-02T15:04:05Z","message":"hi"}`,
			`"level":"warn","message":"hi","n":1,"own_time":"2026-01-02T15:04:05Z"`},
		{`{"time":"2026-01-02T15:04:05Z","level":"WARN","msg":"hi","a":{"b":[1,"}"]}}`,
			`"level":"warn","message":"hi","own_time":"2026-01-02T15:04:05Z","a":{"b":[1,"}"]}`},
		{` { "x" : null , "y":-1e3}` + "\r", `"level":"info","x":null,"y":-1e3`},
		{`{"msg":"short","message":"long"}`, `"level":"info","message":"long","msg":"short"`},
		{`{}`, `"level":"info"`},
		// what is none
		{`{"level":"warn"`, `"level":"info","message":"{\"level\":\"warn\""`},
		{`{"level":"warn"} {}`, `"level":"info","message":"{\"level\":\"warn\"} {}"`},
		{`[1]`, `"level":"info","message":"[1]"`},
		{"{\"a\":\"\xff\"}", `"level":"info","message":"{\"a\":\"` + "\ufffd" + `\"}","bytes":"eyJhIjoi/yJ9"`},
		// what would be taken for another's
		{`{"section":"other","worker":9,"stream":"manager","level":5,"message":[],"bytes":"","more":true,"part":1}`, `"level":"info",` +
			`"own_section":"other","own_worker":9,"own_stream":"manager","own_level":5,"own_message":[],"own_bytes":"","own_more":true,"own_part":1`},
		{`{"level":"info","level":"panic","message":"a","message":"b"}`, `"level":"info","message":"a","own_level":"panic","own_message":"b"`},
		{`{"\u0077orker":9,"level":"loud"}`, `"level":"info","own_\u0077orker":9,"own_level":"loud"`},
		{"{\"a\u009b\":\"\x7f\",\r\"b\":[1,\t2]}", `"level":"info","a\u009b":"\u007f","b":[1, 2]`},
	}
	for _, test := range tests {
		e := newEncoder("echo", 2, "stderr")
		want := `{"time":"` + timeLayout + `","section":"echo","worker":2,"stream":"stderr",` + test.want + "}\n"
		if got := string(e.encode([]byte(test.line), false)); got != want {
			t.Errorf("encode(%q): got\n%s want\n%s", test.line, got, want)
		}
	}
}

func TestEncodeManager(t *testing.T) {
	e := newEncoder(Manager, 0, Manager)
	got := string(e.encode([]byte(`{"level":"error","section":"echo","worker":2,"message":"ended"}`), false))
	want := `{"time":"` + timeLayout + `","stream":"manager","level":"error","message":"ended","section":"echo","worker":2}` + "\n"
	if got != want {
		t.Errorf("got %s want %s", got, want)
	}
}

func TestEncodeParts(t *testing.T) {
	e := newEncoder("echo", 1, "stderr")
	var got []string
	for _, part := range []struct {
		text string
		more bool
	}{{"ERROR a", true}, {`{"b":1}`, true}, {"c", false}, {"d", false}} {
		r := Parse(bytes.TrimSpace(e.encode([]byte(part.text), part.more)))
		got = append(got, fmt.Sprint(r.Level, r.Message, r.Part, r.More))
	}
	want := []string{"errorERROR a1 true", `error{"b":1}2 true`, "errorc3 false", "infod0 false"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
}

func TestLevels(t *testing.T) {
	tests := []struct{ line, want string }{
		{"listening on 5555", "info"}, {"WARN: nearly full", "warn"}, {"[ERROR] no", "error"}, {"Error: no", "info"},
		{"2026/01/02 15:04:05 WARNING slow", "warn"}, {"2026-01-02 15:04:05 ERR x", "error"}, {"15:04PM DBG y", "debug"},
		{"time=2026-01-02T15:04:05Z level=ERROR msg=x", "error"}, {"level=loud", "info"}, {"I ERROR", "info"}, {"=", "info"},
		{"panic: oh no [recovered]", "panic"}, {"", "panic"}, {"goroutine 1 [running]:", "panic"}, {"main.main()", "panic"},
		{"\t/x/main.go:1 +0x1d", "panic"}, {"created by main.f in goroutine 1", "panic"}, {"exit status 2", "panic"},
		{"going on", "info"}, {"\tas usual", "info"},
		{"fatal error: all goroutines are asleep - deadlock!", "fatal"}, {"rax    0x1", "fatal"}, {"{}", "info"}, {"main.main()", "info"},
	}
	e := newEncoder("echo", 1, "stderr")
	for _, test := range tests {
		if got := Parse(bytes.TrimSpace(e.encode([]byte(test.line), false))).Level.String(); got != test.want {
			t.Errorf("level of %q: got %s, want %s", test.line, got, test.want)
		}
	}
}

func TestWriterDoesNotAllocate(t *testing.T) {
	l := open(t, nil)
	plain, event := []byte("2026/01/02 15:04:05 a line of some length, as they are"), []byte(zerologLine)
	write := l.Writer(1, "stdout")
	for name, line := range map[string][]byte{"plain": plain, "JSON": event} {
		// The queue and the buffers have their sizes after the first lines.
		if got := testing.AllocsPerRun(2000, func() { write(line, false) }); got > 0.5 {
			t.Errorf("%s line: %v allocations", name, got)
		}
	}
}

const zerologLine = `{"level":"info","service":"echo_serv","peer":"shm:///run/x","took":12.5,"time":"2026-01-02T15:04:05Z","message":"a call of some length"}`

// Any line becomes one that is valid, harmless and read again as what it was.
func FuzzEncode(f *testing.F) {
	for _, seed := range []string{"plain", zerologLine, "\x1b[31m\xff\u009b", `{"a":{"b":"\"}"},"level":"x","msg":1}`, `{"time":1,"time":2}`,
		"panic: x", `{"worker":9,"\u0077orker":[]}`, "{\"a\":\"\u0080\x7f\"}"} {
		f.Add([]byte(seed), false)
	}
	f.Fuzz(func(t *testing.T, line []byte, more bool) {
		e := newEncoder("echo", 2, "stderr")
		got := e.encode(line, more)
		text, ended := bytes.CutSuffix(got, lineEnd)
		if !ended || !json.Valid(text) || !utf8.Valid(text) || strings.ContainsFunc(string(text), unicode.IsControl) {
			t.Fatalf("encode(%q): got %q", line, got)
		}
		var all map[string]any // the last of two members with one name wins
		if err := json.Unmarshal(text, &all); err != nil {
			t.Fatal(err)
		}
		if all["section"] != "echo" || all["worker"] != 2.0 || all["stream"] != "stderr" || all["time"] != timeLayout {
			t.Fatalf("encode(%q) says that it is another's: %s", line, got)
		}
		stamp(text)
		r := Parse(text)
		if !r.Readable || r.Section != "echo" || r.Worker != 2 || r.Stream != "stderr" || r.More != more {
			t.Fatalf("encode(%q): read again as %+v", line, r)
		}
		if _, isObject := openLine(line); isObject && !more {
			return
		}
		if !more {
			line = bytes.TrimSuffix(line, []byte("\r"))
		}
		if b, ok := all["bytes"].(string); ok {
			exact, err := base64.StdEncoding.DecodeString(b)
			if err != nil || !bytes.Equal(exact, line) {
				t.Errorf("encode(%q): bytes are %q, %v", line, exact, err)
			}
		} else if r.Message != string(line) {
			t.Errorf("encode(%q): the message is %q", line, r.Message)
		}
	})
}

// Any line of a file is a record that can be shown.
func FuzzParse(f *testing.F) {
	for _, seed := range []string{"", "half a li", `{"time":"2026-01-02T15:04:05.000000Z","section":"echo","worker":2,"stream":"stderr","message":"hi`,
		`{"time":"2026-01-02T15:04:05.000000Z","section":"echo","worker":2,"stream":"stderr","level":"info","message":"a\nb","x":[1,{"y":"\u001b"}]}`,
		`{"time":"x","worker":1e99,"part":-1,"stream":"` + "\x1b" + `"}`} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, line []byte) {
		r := Parse(line)
		if !bytes.Equal(r.Line, line) || !r.Readable && (r.Message != string(line) || len(r.Fields) > 0) {
			t.Errorf("Parse(%q): got %+v", line, r)
		}
		for _, c := range r.Body() {
			if unicode.IsControl(c) && c != '\n' && c != '\t' {
				t.Errorf("Parse(%q): the body %q has a control character", line, r.Body())
			}
		}
	})
}

func TestBody(t *testing.T) {
	at := `"time":"2026-01-02T15:04:05.000000Z","section":"echo","worker":2,"stream":"stderr","level":"info"`
	for in, want := range map[string]string{
		`{` + at + `,"message":"hi","n":1,"s":"a","q":"a b","e":"","o":{"x":1},"own_time":"y"}`: `hi n=1 s=a q="a b" e="" o={"x":1}`,
		`{` + at + `,"n":1}`:                                             "n=1",
		`{` + at + `,"message":"a\nb\n2026 c\n"}`:                        "a\n    b\n    2026 c",
		`{` + at + `,"message":"a","stack":"g 1\n\tf()\n","z":"\u001b"}`: "a z=\ufffd\n    stack:\n        g 1\n        \tf()",
		`{` + at + `,"message":"a\r\nb\r\n","stack":"x\r\ny"}`:           "a\n    b\n    stack:\n        x\n        y",
		"half \x1b[31m": "half \ufffd[31m",
	} {
		r := Parse([]byte(in))
		if got := r.Body(); got != want {
			t.Errorf("Body of %s: got\n%q, want\n%q", in, got, want)
		}
	}
}

func TestTextAndReplay(t *testing.T) {
	line := []byte(`{"level":"warn","n":1,"message":"hi","o":{"a":[]},"section":"echo"}`)
	if got, want := Text(line), `warn: hi n=1 o={"a":[]} own_section=echo`; got != want {
		t.Errorf("Text: got %q, want %q", got, want)
	}
	if got, want := Text([]byte("pl\x1bain\r")), "pl\ufffdain"; got != want {
		t.Errorf("Text: got %q, want %q", got, want)
	}
	var out bytes.Buffer
	logger := zerolog.New(&out)
	Replay(logger.WithLevel(zerolog.WarnLevel), line)
	if got, want := out.String(), `{"level":"warn","n":1,"o":{"a":[]},"section":"echo","message":"hi"}`+"\n"; got != want {
		t.Errorf("Replay: got %s, want %s", got, want)
	}
}

func BenchmarkWriter(b *testing.B) {
	for name, line := range map[string]string{"plain": "2026/01/02 15:04:05 a line of some length, as they are", "JSON": zerologLine} {
		b.Run(name, func(b *testing.B) {
			l := start("", "echo", Options{QueueBytes: 64 << 20}, discard{})
			defer l.Close()
			write := l.Writer(1, "stdout")
			text := []byte(line)
			b.SetBytes(int64(len(text)))
			b.ReportAllocs()
			for b.Loop() {
				write(text, false)
			}
		})
	}
}

// discard is a file that is as fast as can be.
type discard struct{}

func (discard) write([]byte) (int, error) { return 0, nil }
func (discard) trim() error               { return nil }
func (discard) close()                    {}
