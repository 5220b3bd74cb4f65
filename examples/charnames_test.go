package examples_test

import (
	"context"
	"fmt"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"hotline"
	"hotline/examples/charnames"
)

func TestCharnamesClient(t *testing.T) {
	p := newPlace(t)
	s := p.serve(t, 1, "charnames/server")
	for _, c := range []struct {
		args  string
		stdin string
		out   string // what it begins with
		errs  string // what it has
		code  int
	}{
		{args: "search greek small alpha", out: "U+03B1   α\tGREEK SMALL LETTER ALPHA\n"},
		{args: "-limit 1 search snowman", out: "U+2603   ☃\tSNOWMAN\n"},
		{args: "name U+1F54B", out: "U+1F54B  🕋\tKAABA\n"},
		{args: "find greek small letter pi", out: "U+03C0   π\tGREEK SMALL LETTER PI\n"},
		{args: "describe a\u0301", out: "U+0061   a\tLATIN SMALL LETTER A\nU+0301   ◌\u0301\tCOMBINING ACUTE ACCENT\n"},
		{args: "describe \x1b", out: "U+001B    \t<control-001B>\n"},
		{args: "describe", stdin: "α\nω\n", out: "U+03B1   α\tGREEK SMALL LETTER ALPHA\nU+03C9   ω\tGREEK SMALL LETTER OMEGA\n"},
		{args: "name", stdin: "U+0041\nU+0378\nA\nu+42\n", out: "U+0041   A\tLATIN CAPITAL LETTER A\nU+0042   B\tLATIN CAPITAL LETTER B\n",
			errs: "not assigned in Unicode", code: 1},
		{args: "name 945", errs: "write it as U+03B1", code: 1},
		{args: "name U+000A", errs: `"<control>"`, code: 1},
		{args: "find pi", errs: `no character is named "pi"`, code: 1},
		{args: "search xyzzy plugh", errs: `no name has all the words of "xyzzy plugh"`, code: 1},
		{args: "-limit 0 search a", errs: "limit 0 is out of range", code: 1},
		{args: "seek a", errs: `unknown command "seek": use search`, code: 1},
		{args: "", errs: "usage:", code: 2},
	} {
		out, errs, err := p.run(t, c.stdin, "charnames/client", strings.Fields(c.args)...)
		if !strings.HasPrefix(out, c.out) || !strings.Contains(errs, c.errs) || c.errs == "" && errs != "" || exitCode(err) != c.code {
			t.Errorf("client %s: got %q, %q, %v, want %q, %q, code %d", c.args, out, errs, err, c.out, c.errs, c.code)
		}
	}
	s.stop(t)
}

// TestManyLightClients has many processes ask one service at once.
func TestManyLightClients(t *testing.T) {
	p := newPlace(t)
	s := p.serve(t, 1, "charnames/server")
	const clients, lines = 8, 500
	var wg sync.WaitGroup
	for i := range clients {
		var asked, want strings.Builder
		for line := range lines {
			r := rune(0x4E00 + i*lines + line)
			fmt.Fprintf(&asked, "%U\n", r)
			fmt.Fprintf(&want, "%-8s %c\tCJK UNIFIED IDEOGRAPH-%04X\n", fmt.Sprintf("%U", r), r, r)
		}
		wg.Go(func() {
			if out, errs, err := p.run(t, asked.String(), "charnames/client", "name"); out != want.String() || err != nil {
				t.Errorf("client %d: got %d bytes, want %d; %s, %v", i, len(out), want.Len(), errs, err)
			}
		})
	}
	wg.Wait()
	var names charnames.Client
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	if err := (&hotline.Dialer{Dir: p.dir}).Connect(ctx, &names); err != nil {
		t.Fatal(err)
	}
	defer names.Close()
	if stats, err := names.Stats(ctx); err != nil || stats.Calls != clients*lines+1 {
		t.Errorf("Stats: got %+v, %v, want %d calls", stats, err, clients*lines+1)
	}
	s.stop(t)
}

// TestClientOutlivesItsService has a client go on with the next service that comes.
func TestClientOutlivesItsService(t *testing.T) {
	p := newPlace(t)
	first := p.serve(t, 1, "charnames/server")
	var names charnames.Client
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	if err := (&hotline.Dialer{Dir: p.dir}).Connect(ctx, &names); err != nil {
		t.Fatal(err)
	}
	defer names.Close()
	first.cmd.Process.Kill()
	<-first.ended
	short, cancel := context.WithTimeout(ctx, 20*time.Millisecond) // it would wait for the second service
	defer cancel()
	if _, err := names.Name(short, 'a'); err == nil {
		t.Error("a dead service answers")
	}
	second := p.serve(t, 1, "charnames/server")
	if name, err := names.Name(ctx, 'a'); name != "LATIN SMALL LETTER A" || err != nil {
		t.Errorf("from the second service: got %q, %v", name, err)
	}
	names.Close()
	second.stop(t)
}

func TestSplit(t *testing.T) {
	p := newPlace(t)
	out, errs, err := p.run(t, "", "charnames/split", "-n", "4")
	if runtime.GOOS != "linux" {
		if exitCode(err) != 1 || !strings.Contains(errs, "only Linux") {
			t.Errorf("split: got %q, %v", errs, err)
		}
		return
	}
	for _, want := range []string{"4 programs that know", "each holds the index itself         4 ", "light clients of a service          4 ",
		"that service                        1 ", "One service in place of 4 indexes: ", " times less"} {
		if !strings.Contains(out, want) {
			t.Errorf("split does not print %q", want)
		}
	}
	if errs != "" || err != nil || t.Failed() {
		t.Errorf("split: got %s%s%v", out, errs, err)
	}
	if left := p.ready(t); len(left) > 0 {
		t.Errorf("split leaves %v", left)
	}
}

func TestSplitRefuses(t *testing.T) {
	for _, args := range []string{"-n 1", "-n 101", "-role king"} {
		if out, errs, err := newPlace(t).run(t, "", "charnames/split", strings.Fields(args)...); exitCode(err) != 1 || out != "" || errs == "" {
			t.Errorf("split %s: got %q, %q, %v", args, out, errs, err)
		}
	}
}
