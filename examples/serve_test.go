package examples_test

import (
	"path/filepath"
	"runtime"
	"strings"
	"testing"
)

// TestServe runs the examples by their service.ini.
func TestServe(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("the manager starts no workers on Windows")
	}
	for _, c := range []struct {
		name string
		args []string // of hotline call
		want string
	}{
		{"charnames", []string{"charnames", "Search", "greek small alpha", "1"}, `[{"Char":"α","Code":"U+03B1","Name":"GREEK SMALL LETTER ALPHA"}]`},
		{"echo", []string{"echo_serv", "Sum", "2", "3"}, "5"},
	} {
		t.Run(c.name, func(t *testing.T) {
			p := newPlace(t)
			s := p.serve(t, 1, "hotline", "serve", filepath.Join(c.name, "service.ini"))
			call := append([]string{"call"}, c.args...)
			if out, errs, err := p.run(t, "", "hotline", call...); strings.TrimSpace(out) != c.want || err != nil {
				t.Errorf("hotline %s: got %q, %q, %v, want %q", strings.Join(call, " "), out, errs, err, c.want)
			}
			out, errs, err := p.run(t, "", "hotline", "describe", c.args[0])
			if want := c.args[1] + " returns"; c.name == "charnames" && !strings.Contains(out, want) || err != nil {
				t.Errorf("hotline describe: got %s%s%v, want the doc comment %q", out, errs, err, want)
			}
			s.await(t, func() bool { return strings.Contains(s.output.String(), "hotline call "+c.args[0]) })
			s.stop(t)
			if left := p.ready(t); len(left) > 0 {
				t.Errorf("the manager has ended and leaves %v", left)
			}
		})
	}
}
