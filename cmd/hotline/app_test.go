package main

import (
	"path/filepath"
	"reflect"
	"testing"

	"hotline/internal/logs"
)

func TestShieldNumbers(t *testing.T) {
	args := []string{"call", "--timeout", "5s", "-o", "json", "-5", "-.5", "-", "--", "-x", "5", "-1e3"}
	want := []string{"call", "--timeout", "5s", "-o", "json", "\x00-5", "\x00-.5", "-", "--", "-x", "5", "\x00-1e3"}
	if got := shieldNumbers(args); !reflect.DeepEqual(got, want) {
		t.Errorf("shieldNumbers: got %q, want %q", got, want)
	}
}

func TestClean(t *testing.T) {
	for in, want := range map[string]string{
		"plain\ttext\nä": "plain\ttext\nä", "\x1b[31mred\a\x7f\u009b": "\ufffd[31mred\ufffd\ufffd\ufffd", "\r": "\ufffd",
	} {
		if got := logs.Clean(in); got != want {
			t.Errorf("logs.Clean(%q): got %q, want %q", in, got, want)
		}
	}
}

func TestQuote(t *testing.T) {
	for in, want := range map[string]string{
		"hello": "hello", "": "''", "a b": "'a b'", `{"a":1}`: `'{"a":1}'`, "it's": `'it'\''s'`, "$x": "'$x'", "/a/b-c.d": "/a/b-c.d",
	} {
		if got := quote(in); got != want {
			t.Errorf("quote(%q): got %s, want %s", in, got, want)
		}
	}
}

func TestProgramName(t *testing.T) {
	cached := "/x/cache/39/394ad56d7a2a8b4a0bc2efa245072f2215daf30497a7a8e7f6b38a10383f9213-d/hotline"
	for _, c := range []struct{ executable, typed, want string }{
		{"/usr/local/bin/hotline", "hotline", "hotline"},
		{"/home/me/go-build/hotline", "./hotline", "./hotline"},
		{"/a dir/hotline", "/a dir/hotline", "'/a dir/hotline'"},
		{"", "hotline", "hotline"},
		{"/tmp/go-build2836013021/b001/exe/hotline", "/tmp/go-build2836013021/b001/exe/hotline", "go run hotline/cmd/hotline"},
		{cached, cached, "go run hotline/cmd/hotline"},
	} {
		if got := programName(c.executable, c.typed); got != c.want {
			t.Errorf("programName(%q, %q): got %q, want %q", c.executable, c.typed, got, c.want)
		}
	}
	t.Chdir(filepath.Join("..", ".."))
	if got, want := programName(cached, cached), "go run ./cmd/hotline"; got != want {
		t.Errorf("programName at the module's root: got %q, want %q", got, want)
	}
}
