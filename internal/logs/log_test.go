package logs

import (
	"errors"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/rs/zerolog"

	"hotline/internal/wait"
)

func TestOptions(t *testing.T) {
	for _, test := range []struct{ max, total, wantMax, wantTotal int64 }{
		{0, 0, 16 << 20, 256 << 20}, {1 << 20, 0, 1 << 20, 16 << 20}, {0, 8 << 20, 2 << 20, 8 << 20}, {0, 1 << 40, 16 << 20, 1 << 40}, {5, 50, 5, 50},
	} {
		if gotMax, gotTotal := Sizes(test.max, test.total); gotMax != test.wantMax || gotTotal != test.wantTotal {
			t.Errorf("Sizes(%d, %d): got %d, %d, want %d, %d", test.max, test.total, gotMax, gotTotal, test.wantMax, test.wantTotal)
		}
	}
	for _, o := range []Options{{MaxBytes: -1}, {MaxAge: -1}, {TotalBytes: -1}, {QueueBytes: -1}, {MaxBytes: 9, TotalBytes: 8}} {
		if l, err := Open(t.TempDir(), "echo", &o); err == nil {
			l.Close()
			t.Errorf("Open with %+v: got no error", o)
		}
	}
}

// Rotation under load: every line is in the files once, in the order of its stream, and no file is longer than it may be.
func TestRotationKeepsEveryLine(t *testing.T) {
	const streams, lines, maxBytes = 4, 5000, 10000
	l := open(t, &Options{MaxBytes: maxBytes, TotalBytes: math.MaxInt64, QueueBytes: 1 << 30})
	var all sync.WaitGroup
	for n := range streams {
		all.Go(func() {
			write := l.Writer(n+1, "stdout")
			for i := range lines {
				write(fmt.Appendf(nil, "line %d", i), false)
			}
		})
	}
	all.Wait()
	closeLog(t, l)
	next := map[int]int{}
	var before time.Time
	for _, r := range records(t, l.Path()) {
		if want := fmt.Sprint("line ", next[r.Worker]); r.Message != want {
			t.Fatalf("worker %d: got %q, want %q", r.Worker, r.Message, want)
		}
		next[r.Worker]++
		if r.Time.Before(before) {
			t.Errorf("the time goes back: %s", r.Line)
		}
		before = r.Time
	}
	for n := range streams {
		if next[n+1] != lines {
			t.Errorf("worker %d: got %d lines, want %d", n+1, next[n+1], lines)
		}
	}
	paths := files(t, l.Path())
	if len(paths) < 100 {
		t.Errorf("got %d files", len(paths))
	}
	for _, path := range paths {
		if info, err := os.Stat(path); err != nil || info.Size() > maxBytes {
			t.Errorf("%s: got %v, %v, want at most %d bytes", path, info.Size(), err, maxBytes)
		}
	}
	if l.Lost() != 0 {
		t.Errorf("%d lines were lost", l.Lost())
	}
}

// The files never have more bytes than they may have together, and it is the newest lines that are kept.
func TestTotalIsKept(t *testing.T) {
	const maxBytes, total = 5000, 22000
	dir := t.TempDir()
	l := openIn(t, dir, "echo", &Options{MaxBytes: maxBytes, TotalBytes: total, QueueBytes: 1 << 30})
	size := func() (sum int64) {
		entries, err := os.ReadDir(dir)
		if err != nil {
			t.Fatal(err)
		}
		for _, e := range entries {
			if info, err := e.Info(); err == nil { // else it was removed
				sum += info.Size()
			}
		}
		return sum
	}
	write := l.Writer(1, "stdout")
	for i := range 3000 {
		write(fmt.Appendf(nil, "line %d", i), false)
		if i%100 == 0 {
			if got := size(); got > total {
				t.Fatalf("the files have %d bytes", got)
			}
		}
	}
	closeLog(t, l)
	all := records(t, l.Path())
	if got := size(); got > total || got < total/2 {
		t.Errorf("the files have %d bytes, of %d", got, total)
	}
	for i, r := range all {
		if want := fmt.Sprint("line ", 3000-len(all)+i); r.Message != want {
			t.Fatalf("line %d of %d: got %q, want %q", i, len(all), r.Message, want)
		}
	}
	before := size()
	lower := &Options{MaxBytes: 1000, TotalBytes: maxBytes + 2000}
	closeLog(t, openIn(t, dir, "echo", lower))
	if got := size(); got != before {
		t.Errorf("opened with a lower limit, the files have %d bytes of %d", got, before)
	}
	l = openIn(t, dir, "echo", lower)
	l.Trim()
	closeLog(t, l)
	l.Trim() // there is nobody to do it
	if got := size(); got > lower.TotalBytes || got == 0 {
		t.Errorf("trimmed to %d, the files have %d bytes", lower.TotalBytes, got)
	}
}

// A file is rotated when its first line is old, also after it was opened again; a line that is longer than a file has one of
// its own.
func TestRotationByAgeAndLongLine(t *testing.T) {
	dir := t.TempDir()
	write := func(o *Options, text string) {
		l := openIn(t, dir, "echo", o)
		l.Writer(1, "stdout")([]byte(text), false)
		closeLog(t, l)
	}
	path := filepath.Join(dir, "echo.log")
	for i, o := range []*Options{nil, nil, {MaxAge: time.Nanosecond}, nil} {
		write(o, fmt.Sprint("line ", i))
	}
	if got := len(files(t, path)); got != 2 {
		t.Errorf("got %d files, want one rotation, by age", got)
	}
	write(&Options{MaxBytes: 300}, strings.Repeat("x", 500))
	write(&Options{MaxBytes: 300}, "behind it")
	if got := len(files(t, path)); got != 4 {
		t.Errorf("got %d files, want one for the long line", got)
	}
	var got []string
	for _, r := range records(t, path) {
		got = append(got, r.Message[:min(len(r.Message), 9)])
	}
	if want := []string{"line 0", "line 1", "line 2", "line 3", "xxxxxxxxx", "behind it"}; !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
}

// Stamps of rotations go up even when the clock is set back.
func TestStampAfter(t *testing.T) {
	now := time.Date(2026, 1, 2, 3, 4, 5, 6000, time.UTC)
	for last, want := range map[string]string{
		"": "20260102T030405.000006Z", "20260102T030405.000006Z": "20260102T030405.000007Z", "20270101T000000.999999Z": "20270101T000001.000000Z",
	} {
		if got := stampAfter(now, last); got != want {
			t.Errorf("stampAfter(%q): got %s, want %s", last, got, want)
		}
	}
}

// What others do to the files: half a line at the end, moved, removed with their directory, and emptied.
func TestFilesOfOthers(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "logs")
	path := filepath.Join(dir, "echo.log")
	check := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	check(os.MkdirAll(dir, 0o700))
	check(os.WriteFile(path, []byte("half a li"), 0o600))
	f, err := openFile(path, &Options{MaxBytes: 1000, MaxAge: time.Hour, TotalBytes: 4000})
	check(err)
	defer func() { f.close() }()
	put := func(text string) {
		t.Helper()
		f.looked = time.Time{} // as if a second had gone by
		if lost, err := f.write([]byte(text + "\n")); lost != 0 || err != nil {
			t.Errorf("write %s: %d, %v", text, lost, err)
		}
	}
	has := func(file, want string) {
		t.Helper()
		if got, err := os.ReadFile(file); string(got) != want || err != nil {
			t.Errorf("%s: got %q, %v, want %q", file, got, err, want)
		}
	}
	put("one")
	has(path, "half a li\none\n")
	check(os.Rename(path, path+".1"))
	put("two")
	has(path, "two\n")
	has(path+".1", "half a li\none\n")
	check(os.RemoveAll(dir))
	put("three")
	has(path, "three\n")
	check(os.Truncate(path, 0))
	put("four")
	has(path, "four\n")
	if f.size != 5 {
		t.Errorf("the size is taken for %d", f.size)
	}
}

// A file that can't be rotated grows on, up to what all files may have, and not line by line; the older ones make room. No line
// is torn, and none is lost that has room.
func TestRotationThatFails(t *testing.T) {
	path := filepath.Join(t.TempDir(), "echo.log")
	f, err := openFile(path, &Options{MaxBytes: 100, MaxAge: time.Hour, TotalBytes: 1000})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { f.close() }()
	f.stamp = "29990101T000000.000000Z"
	inTheWay := oldPath(path, "29990101T000000.000001Z")
	if err := os.Mkdir(inTheWay, 0o700); err != nil {
		t.Fatal(err)
	}
	const line = "twelve bytes\n"
	const kept = 1000 / len(line)
	for _, o := range []string{"29980101T000000.000000Z", "29980101T000000.000001Z"} {
		if err := os.WriteFile(oldPath(path, o), make([]byte, 450), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if lost, err := f.write([]byte(strings.Repeat(line, 40))); lost != 0 || err == nil || len(files(t, path)) != 2 {
		t.Errorf("with older files: got %d lines lost, %v, %q", lost, err, files(t, path))
	}
	lost, err := f.write([]byte(strings.Repeat(line, 100)))
	if lost != 140-kept || err == nil || len(files(t, path)) != 1 {
		t.Errorf("got %d lines lost, %v, want %d and an error", lost, err, 140-kept)
	}
	if got, err := os.ReadFile(path); string(got) != strings.Repeat(line, kept) || err != nil {
		t.Errorf("got %d bytes, %v", len(got), err)
	}
	if err := os.Remove(inTheWay); err != nil {
		t.Fatal(err)
	}
	if lost, err := f.write([]byte(line)); lost != 0 || err != nil {
		t.Errorf("when it can be rotated again: got %d lines lost, %v", lost, err)
	}
	if got, err := os.ReadFile(path); string(got) != line || err != nil {
		t.Errorf("the new file: got %q, %v", got, err)
	}
}

// slowFile is a file whose writes wait.
type slowFile struct {
	may   chan struct{}
	lines [][]byte
}

func (s *slowFile) write(lines []byte) (int, error) {
	<-s.may
	s.lines = append(s.lines, slices.Clone(lines))
	return 0, nil
}

func (s *slowFile) trim() error { return nil }

func (s *slowFile) close() {}

// While a write waits, nobody else does: lines wait in the queue, and the others are dropped and counted.
func TestSlowFile(t *testing.T) {
	file := &slowFile{may: make(chan struct{})}
	told := make(chan error, 10)
	l := start("echo.log", "echo", Options{QueueBytes: 2000, OnError: func(err error) { told <- err }}, file)
	write := l.Writer(1, "stdout")
	wait.Return(t, "lines that nobody writes", func() {
		for i := range 1000 {
			write(fmt.Appendf(nil, "line %d", i), false)
		}
	})
	if err := wait.Receive(t, "the error", told); !errors.Is(err, errQueueFull) || len(told) > 0 {
		t.Errorf("got %v and %d more, want %v", err, len(told), errQueueFull)
	}
	lost := l.Lost()
	if lost < 900 || lost >= 1000 {
		t.Errorf("%d lines are counted as lost", lost)
	}
	close(file.may)
	closeLog(t, l)
	write([]byte("late"), false)
	if got := l.Lost(); got != lost+1 {
		t.Errorf("after Close: %d lines are counted as lost, want %d", got, lost+1)
	}
	written, said := 0, uint64(0)
	for _, lines := range file.lines {
		for line := range strings.Lines(string(lines)) {
			r := Parse([]byte(strings.TrimSpace(line)))
			if r.Stream != Manager {
				written++
				continue
			}
			var n, again uint64
			if _, err := fmt.Sscanf(r.Body(), "%d lines were lost: "+errQueueFull.Error()+" lost=%d", &n, &again); err != nil || n != again ||
				r.Section != "echo" || r.Level != zerolog.WarnLevel {
				t.Errorf("got %s, %v", r.Line, err)
			}
			said += n
		}
	}
	if uint64(written)+lost != 1000 || said != lost {
		t.Errorf("%d lines are written and %d lost, of 1000; %d are said", written, lost, said)
	}
}

// The device that is always full loses lines, says so once, and holds nobody up.
func TestFullDevice(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("needs /dev/full")
	}
	device, err := os.OpenFile("/dev/full", os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	f := &file{file: device, maxBytes: math.MaxInt64, maxAge: time.Hour, looked: time.Now().Add(time.Hour)}
	told := make(chan error, 10)
	l := start("echo.log", "echo", Options{QueueBytes: 1 << 20, OnError: func(err error) { told <- err }}, f)
	write := l.Writer(1, "stdout")
	for range 100 {
		write([]byte("x"), false)
	}
	closeLog(t, l)
	if err := wait.Receive(t, "the error", told); !strings.Contains(err.Error(), "no space left") || len(told) > 0 {
		t.Errorf("got %v, and %d more errors", err, len(told))
	}
	if l.Lost() != 100 {
		t.Errorf("%d lines are counted as lost", l.Lost())
	}
}

func TestOpenRefuses(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("symlinks need a privilege")
	}
	dir := t.TempDir()
	for _, err := range []error{
		os.Mkdir(filepath.Join(dir, "a.log"), 0o700), os.Symlink("/dev/null", filepath.Join(dir, "b.log")),
		os.WriteFile(filepath.Join(dir, "c"), nil, 0o600),
	} {
		if err != nil {
			t.Fatal(err)
		}
	}
	for _, c := range []struct{ dir, section string }{{dir, "a"}, {dir, "b"}, {filepath.Join(dir, "c"), "x"}} {
		if l, err := Open(c.dir, c.section, nil); err == nil || !strings.Contains(err.Error(), "log_dir") {
			l.Close()
			t.Errorf("Open(%s, %s): got %v", c.dir, c.section, err)
		} else if checked := Check(c.dir, c.section); checked == nil || checked.Error() != err.Error() {
			t.Errorf("Check(%s, %s): got %v, want %v", c.dir, c.section, checked, err)
		}
	}
}

// Check makes nothing, where Open does.
func TestCheckMakesNothing(t *testing.T) {
	dir := t.TempDir()
	for _, place := range []string{dir, filepath.Join(dir, "not", "there")} {
		if err := Check(place, "echo"); err != nil {
			t.Errorf("Check(%s): %v", place, err)
		}
	}
	if all, err := os.ReadDir(dir); err != nil || len(all) > 0 {
		t.Errorf("got %v, %v", all, err)
	}
	for _, place := range []string{dir, filepath.Join(dir, "not", "there")} {
		closeLog(t, openIn(t, place, "echo", nil))
		if err := Check(place, "echo"); err != nil {
			t.Errorf("Check(%s): %v", place, err)
		}
	}
}
