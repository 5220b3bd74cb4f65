package logs

import (
	"context"
	"errors"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"hotline/internal/wait"
)

// fileLine is a line as a Log writes it, of a second of one day.
func fileLine(second int, section string, worker int, message string) string {
	at := time.Date(2026, 1, 2, 0, 0, second, 0, time.UTC).Format(timeLayout)
	return fmt.Sprintf(`{"time":%q,"section":%q,"worker":%d,"stream":"stdout","level":"info","message":%q}`+"\n", at, section, worker, message)
}

// put writes the files of a log: the rotated ones, one a minute later than the one before, and the current one.
func put(t testing.TB, dir, section string, texts ...string) Place {
	t.Helper()
	path := filepath.Join(dir, section+suffix)
	for i, text := range texts {
		name := path
		if i < len(texts)-1 {
			name = oldPath(path, stampOf(time.Date(2026, 1, 2, 0, i+1, 0, 0, time.UTC)))
		}
		if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return Place{section, path}
}

// read runs a query that does not follow, and returns the messages.
func read(t testing.TB, q *Query, places ...Place) []string {
	t.Helper()
	var got []string
	err := q.Run(context.Background(), places, func(r *Record) error {
		got = append(got, r.Message)
		return nil
	}, nil)
	if err != nil {
		t.Error(err)
	}
	return got
}

func TestQuery(t *testing.T) {
	dir := t.TempDir()
	a := put(t, dir, "a", fileLine(1, "a", 1, "a1")+fileLine(5, "a", 1, "a5"), fileLine(61, "a", 2, "a61")+"half a li",
		fileLine(125, "a", 1, "a125")+fileLine(130, "a", 2, "a130")+`{"time":"2026-01-`)
	b := put(t, dir, "b", fileLine(3, "b", 1, "b3")+"\x00\xff\n", fileLine(62, "b", 1, "b62"), "", fileLine(129, "b", 1, "b129"))
	none := Place{"none", filepath.Join(dir, "none.log")}
	at := func(second int) time.Time { return time.Date(2026, 1, 2, 0, 0, second, 0, time.UTC) }
	tests := []struct {
		name string
		q    Query
		want string
	}{
		{"all", Query{}, "a1 b3 \x00\xff a5 a61 half_a_li b62 a125 b129 a130 {\"time\":\"2026-01-"},
		{"since", Query{Since: at(62)}, "b62 a125 b129 a130 {\"time\":\"2026-01-"},
		{"since later", Query{Since: at(1000)}, ""},
		{"last", Query{Last: 3}, "b129 a130 {\"time\":\"2026-01-"},
		{"last, more than a file has", Query{Last: 6}, "half_a_li b62 a125 b129 a130 {\"time\":\"2026-01-"},
		{"last, more than there are", Query{Last: 100}, "a1 b3 \x00\xff a5 a61 half_a_li b62 a125 b129 a130 {\"time\":\"2026-01-"},
		{"last, as many as an int can say", Query{Last: math.MaxInt}, "a1 b3 \x00\xff a5 a61 half_a_li b62 a125 b129 a130 {\"time\":\"2026-01-"},
		{"match", Query{Match: func(r *Record) bool { return r.Worker == 2 }}, "a61 a130"},
		{"last that match", Query{Last: 2, Match: func(r *Record) bool { return r.Section == "b" && r.Readable }}, "b62 b129"},
		{"unreadable ones", Query{Match: func(r *Record) bool { return !r.Readable && r.Section == "b" }}, "\x00\xff"},
		{"last and since", Query{Last: 3, Since: at(130)}, "a130 {\"time\":\"2026-01-"},
	}
	for _, test := range tests {
		got := strings.ReplaceAll(strings.Join(read(t, &test.q, a, b, none), "|"), " ", "_")
		if want := strings.ReplaceAll(test.want, " ", "|"); got != want {
			t.Errorf("%s: got %q, want %q", test.name, got, want)
		}
	}
}

// A query that does not follow has an end though the log is being written all the time.
func TestQueryEnds(t *testing.T) {
	l := open(t, &Options{MaxBytes: 50000, TotalBytes: math.MaxInt64})
	write := l.Writer(1, "stdout")
	write([]byte("first"), false)
	stop, stopped := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(stopped)
		for {
			select {
			case <-stop:
				return
			default:
				write([]byte("another line"), false)
			}
		}
	}()
	wait.Return(t, "the end of the query", func() { read(t, new(Query), Place{"echo", l.Path()}) })
	close(stop)
	<-stopped
}

// Errors of those who are handed lines end a query, and the end of its context is none.
func TestQueryErrors(t *testing.T) {
	p := put(t, t.TempDir(), "a", fileLine(1, "a", 1, "x"))
	broken := errors.New("broken")
	fail := func(*Record) error { return broken }
	take := func(*Record) error { return nil }
	if err := (&Query{Last: -1}).Run(context.Background(), []Place{p}, take, nil); err == nil {
		t.Error("the last -1 lines: got no error")
	}
	for _, follow := range []bool{false, true} {
		q := &Query{Follow: follow}
		if err := q.Run(context.Background(), []Place{p}, fail, nil); !errors.Is(err, broken) {
			t.Errorf("emit fails: got %v", err)
		}
		if err := q.Run(context.Background(), []Place{p}, take, func() error { return broken }); !errors.Is(err, broken) {
			t.Errorf("idle fails: got %v", err)
		}
		ended, cancel := context.WithCancel(context.Background())
		cancel()
		if err := q.Run(ended, []Place{p}, fail, nil); err != nil {
			t.Errorf("the context has ended: got %v", err)
		}
	}
}

// following runs a query that follows, and returns the messages that come and what stops it.
func following(t *testing.T, q *Query, places ...Place) (messages chan string, stop func()) {
	t.Helper()
	q.Follow = true
	messages = make(chan string, 1<<20)
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() {
		ended <- q.Run(ctx, places, func(r *Record) error {
			messages <- r.Message
			return nil
		}, nil)
	}()
	stop = sync.OnceFunc(func() {
		cancel()
		if err := wait.Receive(t, "the end of the query", ended); err != nil {
			t.Error(err)
		}
	})
	t.Cleanup(stop)
	return messages, stop
}

// A reader that follows gets every line once and in order, over hundreds of rotations, from before there is a file.
func TestFollowOverRotations(t *testing.T) {
	const lines = 20000
	dir := t.TempDir()
	messages, stop := following(t, new(Query), Place{"echo", filepath.Join(dir, "echo.log")})
	l := openIn(t, dir, "echo", &Options{MaxBytes: 10000, TotalBytes: math.MaxInt64, QueueBytes: 1 << 30})
	write := l.Writer(1, "stdout")
	for i := range lines {
		write(fmt.Appendf(nil, "%d", i), false)
		if i%1000 == 0 { // let the reader see some of the files while they are the current one
			if got := wait.Receive(t, "a line", messages); got != fmt.Sprint(i/1000) {
				t.Fatalf("got line %s, want %d", got, i/1000)
			}
		}
	}
	for i := lines / 1000; i < lines; i++ {
		if got := wait.Receive(t, "a line", messages); got != fmt.Sprint(i) {
			t.Fatalf("got line %s, want %d", got, i)
		}
	}
	stop()
	if len(messages) > 0 {
		t.Errorf("there is one more line, %s", <-messages)
	}
	closeLog(t, l)
	if n := len(files(t, l.Path())); n < 100 {
		t.Errorf("there are %d files only", n)
	}
}

// A reader for whom files are removed too early goes on with what there is, in order.
func TestFollowWithRemovals(t *testing.T) {
	l := open(t, &Options{MaxBytes: 2000, TotalBytes: 6000, QueueBytes: 1 << 30})
	messages, _ := following(t, new(Query), Place{"echo", l.Path()})
	write := l.Writer(1, "stdout")
	const lines = 20000
	for i := range lines {
		write(fmt.Appendf(nil, "%d", i), false)
	}
	last := -1
	for last != lines-1 {
		var n int
		fmt.Sscan(wait.Receive(t, "a line", messages), &n)
		if n <= last {
			t.Fatalf("got line %d behind line %d", n, last)
		}
		last = n
	}
}

// While a file is followed, its last line may be cut off again, it may be emptied, and its rotation may be undone.
func TestFollowWhatOthersDo(t *testing.T) {
	p := put(t, t.TempDir(), "a", fileLine(1, "a", 1, "zero")+fileLine(1, "a", 1, "one"))
	messages, _ := following(t, &Query{Last: 1}, p)
	next := func(want string) {
		t.Helper()
		if got := wait.Receive(t, want, messages); got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
	do := func(errs ...error) {
		t.Helper()
		if err := errors.Join(errs...); err != nil {
			t.Fatal(err)
		}
		time.Sleep(pollEvery) // likely, the reader looks; whether it does or not, what comes must be right
	}
	appendTo := func(text string) error {
		f, err := os.OpenFile(p.File, os.O_APPEND|os.O_WRONLY, 0)
		if err != nil {
			return err
		}
		_, err = f.WriteString(text)
		return errors.Join(err, f.Close())
	}
	next("one")
	info, err := os.Stat(p.File)
	do(err, appendTo(fileLine(2, "a", 1, "lost")[:20]))
	do(os.Truncate(p.File, info.Size()))
	do(appendTo(fileLine(3, "a", 1, "three")))
	next("three")
	to := oldPath(p.File, stampOf(time.Now()))
	do(os.Rename(p.File, to))
	do(os.Rename(to, p.File), appendTo(fileLine(4, "a", 1, "four")))
	next("four")
	do(os.Truncate(p.File, 0))
	do(appendTo(fileLine(5, "a", 1, "five")))
	next("five")
}

// Sections that are followed are merged, too.
func TestFollowMerges(t *testing.T) {
	dir := t.TempDir()
	a, b := openIn(t, dir, "a", nil), openIn(t, dir, "b", nil)
	messages, _ := following(t, new(Query), Place{"a", a.Path()}, Place{"b", b.Path()})
	a.Writer(1, "stdout")([]byte("a"), false)
	b.Writer(1, "stdout")([]byte("b"), false)
	got := []string{wait.Receive(t, "a line", messages), wait.Receive(t, "a line", messages)}
	if slices.Sort(got); !slices.Equal(got, []string{"a", "b"}) {
		t.Errorf("got %q", got)
	}
}

func TestNote(t *testing.T) {
	run, elsewhere := t.TempDir(), t.TempDir()
	if all, err := Places(run); err != nil || len(all) != 0 {
		t.Errorf("with nothing there: got %v, %v", all, err)
	}
	inDefault := openIn(t, DefaultDir(run), "plain", nil)
	one, own := openIn(t, elsewhere, "one", nil), openIn(t, elsewhere, Manager, nil)
	for _, places := range [][]Place{
		{{"one", "/no/such/one.log"}, {"gone", "/no/such/gone.log"}}, {{"one", one.Path()}, {Manager, own.Path()}}, {{"", "/x"}, {"x", "relative"}},
	} {
		if err := Note(run, places); err != nil {
			t.Fatal(err)
		}
	}
	want := []Place{{Manager, own.Path()}, {"one", one.Path()}, {"plain", inDefault.Path()}}
	if got, err := Places(run); err != nil || !slices.Equal(got, want) {
		t.Errorf("got %v, %v, want %v", got, err, want)
	}
	if got, err := PlacesIn(elsewhere); err != nil || !slices.Equal(got, want[:2]) {
		t.Errorf("PlacesIn: got %v, %v, want %v", got, err, want[:2])
	}
	if err := os.WriteFile(filepath.Join(run, noteName), []byte("[{"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := Places(run); err == nil || !strings.Contains(err.Error(), noteName) {
		t.Errorf("with a broken note: got %v", err)
	}
	if err := Note(run, nil); err != nil {
		t.Errorf("Note over a broken one: %v", err)
	}
}

func BenchmarkQuery(b *testing.B) {
	var text strings.Builder
	for i := range 100000 {
		text.WriteString(fileLine(i, "a", 1, "a line of some length, as lines of logs are"))
	}
	p := put(b, b.TempDir(), "a", text.String())
	b.SetBytes(int64(text.Len()))
	for b.Loop() {
		read(b, new(Query), p)
	}
}
