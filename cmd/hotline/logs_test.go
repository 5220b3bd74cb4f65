package main

import (
	"bufio"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"hotline/internal/logs"
	"hotline/internal/managertest"
	"hotline/internal/wait"
	"hotline/manager"
)

// logLine is a line of a log, of a second of one day, with members behind those that all have.
func logLine(second int, section string, worker int, level, message, more string) string {
	at := time.Date(2026, 1, 2, 3, 4, second, 5e6, time.UTC).Format("2006-01-02T15:04:05.000000Z")
	return fmt.Sprintf(`{"time":%q,"section":%q,"worker":%d,"stream":"stderr","level":%q,"message":%s%s}`+"\n",
		at, section, worker, level, message, more)
}

// writeLogs writes the logs of two sections and of a manager, and the note of where they are.
func writeLogs(t *testing.T, dir string) {
	t.Helper()
	place := filepath.Join(dir, "elsewhere")
	ofManager := `{"time":"2026-01-02T03:04:04.005000Z","stream":"manager","level":"warn","message":"worker ended","section":"echo","worker":12}
{"time":"2026-01-02T03:04:06.005000Z","stream":"manager","level":"info","message":"reloaded"}
`
	texts := map[string]string{
		"echo.log.20260102T030403.500000Z": logLine(1, "echo", 1, "info", `"ready"`, `,"port":"5555","own_time":"x"`) +
			logLine(2, "echo", 12, "panic", `"panic: \u001b[31mred"`, ""),
		"echo.log":    logLine(5, "echo", 1, "error", `"failed\nbadly"`, `,"stack":"g 1\n\tf()"`) + "half a \x1b[1m li",
		"sum.log":     logLine(3, "sum", 1, "debug", `"x"`, `,"part":2,"more":true`),
		"manager.log": ofManager,
	}
	if err := os.Mkdir(place, 0o700); err != nil {
		t.Fatal(err)
	}
	var noted []logs.Place
	for name, text := range texts {
		if err := os.WriteFile(filepath.Join(place, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if section, ok := strings.CutSuffix(name, ".log"); ok {
			noted = append(noted, logs.Place{Section: section, File: filepath.Join(place, name)})
		}
	}
	if err := logs.Note(dir, noted); err != nil {
		t.Fatal(err)
	}
}

// TestLogs reads logs of which no manager knows any more.
func TestLogs(t *testing.T) {
	t.Setenv("TZ", "UTC")
	dir := runtimeDir(t)
	writeLogs(t, dir)
	const (
		ready  = "2026-01-02 03:04:01.005  echo/1   info   ready port=5555\n"
		red    = "2026-01-02 03:04:02.005  echo/12  panic  panic: \ufffd[31mred\n"
		part   = "2026-01-02 03:04:03.005  sum/1    debug  ... x ...\n"
		ended  = "2026-01-02 03:04:04.005  echo/12  warn   manager: worker ended\n"
		failed = "2026-01-02 03:04:05.005  echo/1   error  failed\n    badly\n    stack:\n        g 1\n        \tf()\n"
		half   = "2026-01-02 03:04:05.005  echo     -      half a \ufffd[1m li\n"
		reload = "2026-01-02 03:04:06.005  manager  info   reloaded\n"
	)
	for _, c := range []struct {
		args []string
		want string
	}{
		{words("logs"), ready + red + part + ended + failed + half + reload},
		{words("logs echo"), ready + red + ended + failed + half},
		{words("logs manager"), ended + reload},
		{words("logs echo sum --level warn"), red + ended + failed + half},
		{words("logs echo --worker 12"), red + ended},
		{words("logs -n 2"), half + reload},
		{words("logs --since 2026-01-02T03:04:05.005Z echo"), failed + half},
		{[]string{"logs", "--grep", "^red|port=5+$|^bad"}, ready},
		{words("logs --stream manager"), ended + reload},
		{words("logs --log-dir " + filepath.Join(dir, "elsewhere") + " sum"), part},
		{words("logs -o json sum"), logLine(3, "sum", 1, "debug", `"x"`, `,"part":2,"more":true`)},
		{words("logs -n 1 -o json echo"), "half a \x1b[1m li\n"},
	} {
		got := hotlineIn(t, dir, "", c.args...)
		if got.stdout != c.want || got.stderr != "" || got.code != exitOK {
			t.Errorf("hotline %q: got %d, %s\n%s\nwant\n%s", c.args, got.code, got.stderr, got.stdout, c.want)
		}
	}
	for _, c := range []struct {
		args []string
		code int
		want string
	}{
		{words("logs eco"), exitFail, "hotline: there is no section or service \"eco\": did you mean echo?\nThere are: manager, echo, sum\n" +
			"The names of services are not known: no manager runs in " + dir + ": start one with "},
		{words("logs echo 5555 --log-dir " + filepath.Join(dir, "elsewhere")), exitFail, "there is no section or service \"5555\"\n" +
			"There are: manager, echo, sum\nThe names of services are not known: with --log-dir no manager is asked\n"},
		{words("logs --since soon"), exitUsage, `"soon" is neither a duration nor a time`},
		{words("logs --level loud"), exitUsage, `there is no level "loud"`},
		{words("logs --grep ["), exitUsage, "missing closing ]"},
		{words("logs --worker=-1"), exitUsage, "--worker is -1"},
		{words("logs --lines=-1"), exitUsage, "--lines is -1"},
		{words("logs --stream stdin"), exitUsage, `there is no stream "stdin"`},
		{words("logs --log-dir /no/such/dir"), exitUsage, "/no/such/dir"},
		{words("logs --dir " + runtimeDir(t)), exitFail, "there are no logs"},
	} {
		if got := hotlineIn(t, dir, "", c.args...); got.code != c.code || !strings.Contains(got.stderr, c.want) || got.stdout != "" {
			t.Errorf("hotline %q: got %+v, want %d, %q", c.args, got, c.code, c.want)
		}
	}
}

// TestLogsOfServices names sections by their services, while the manager runs that knows them.
func TestLogsOfServices(t *testing.T) {
	t.Setenv("TZ", "UTC")
	f := managertest.New(1)
	f.Sections[0].Section = "sum"
	f.Sections = append(f.Sections, manager.SectionStatus{Section: "New", Services: []manager.ServiceStatus{{Name: "new", Port: "7412"}}},
		manager.SectionStatus{Section: "a", Services: []manager.ServiceStatus{{Name: "both", Port: "1"}}},
		manager.SectionStatus{Section: "b", Services: []manager.ServiceStatus{{Name: "both", Port: "2"}}})
	dir := serveFake(t, f)
	writeLogs(t, dir)
	for _, name := range []string{"sum", "lab", "lab@1", "7411"} {
		const want = "2026-01-02 03:04:03.005  sum/1    debug  ... x ...\n"
		if got := hotlineIn(t, dir, "", "logs", name); got != (outcome{want, "", exitOK}) {
			t.Errorf("logs %s: got %+v, want %s", name, got, want)
		}
	}
	for line, want := range map[string]string{
		"logs lap":           "there is no section or service \"lap\": did you mean lab?\nThere are: sum (lab on port 7411), New (new on port 7412), a (both on port 1), b (both on port 2), manager, echo\n",
		"logs echo new":      "section New has no log yet: there are logs of manager, echo, sum\n",
		"logs both":          "both is served by the sections a, b: name one of them\n",
		"logs manager bothx": "did you mean both?",
	} {
		if got := hotlineIn(t, dir, "", words(line)...); got.code != exitFail || !strings.Contains(got.stderr, want) || got.stdout != "" {
			t.Errorf("hotline %s: got %+v, want %s", line, got, want)
		}
	}
	f.Change(func() { f.Sections = nil })
	check(t, hotlineIn(t, dir, "", "logs", "lab"), words("logs lab"), exitFail, "\nThe names of services are not known: the manager still builds its programs\n$")
}

// TestFollowLogs follows a log until Ctrl-C.
func TestFollowLogs(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("there is no Ctrl-C for another process on windows")
	}
	dir := runtimeDir(t)
	l, err := logs.Open(logs.DefaultDir(dir), "echo", &logs.Options{MaxBytes: 1000, TotalBytes: 1 << 20})
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	write := l.Writer(1, "stdout")
	for i := range 2 * followedLines {
		write(fmt.Appendf(nil, "line %d.", i), false)
	}
	wait.Until(t, "the lines to be written", func() bool {
		return strings.Contains(hotlineIn(t, dir, "", "logs", "echo").stdout, fmt.Sprintf("line %d.", 2*followedLines-1))
	})
	cmd := exec.Command(binary, "logs", "-f", "echo")
	in := bufio.NewScanner(startPiped(t, cmd, dir))
	for i := followedLines; i < 6*followedLines; i++ {
		if i >= 2*followedLines {
			write(fmt.Appendf(nil, "line %d.", i), false)
		}
		if !in.Scan() || !strings.HasSuffix(in.Text(), fmt.Sprintf("  echo/1  info   line %d.", i)) {
			t.Fatalf("got %q, want line %d", in.Text(), i)
		}
	}
	if err := cmd.Process.Signal(os.Interrupt); err != nil {
		t.Fatal(err)
	}
	if in.Scan() {
		t.Errorf("after Ctrl-C it said %q", in.Text())
	}
	if err := cmd.Wait(); err != nil {
		t.Errorf("after Ctrl-C: %v", err)
	}
}

func TestParseSince(t *testing.T) {
	zone := time.FixedZone("here", 3600)
	now := time.Date(2026, 3, 4, 15, 0, 0, 0, zone)
	for value, want := range map[string]time.Time{
		"10m": now.Add(-10 * time.Minute), "1h30m": now.Add(-90 * time.Minute), "14:05": time.Date(2026, 3, 4, 14, 5, 0, 0, zone),
		"14:05:06": time.Date(2026, 3, 4, 14, 5, 6, 0, zone), "2026-03-01": time.Date(2026, 3, 1, 0, 0, 0, 0, zone),
		"2026-03-01 10:00": time.Date(2026, 3, 1, 10, 0, 0, 0, zone), "2026-03-01T10:00:01Z": time.Date(2026, 3, 1, 10, 0, 1, 0, time.UTC),
		"": {}, "-10m": {}, "tomorrow": {},
	} {
		got, err := parseSince(value, now)
		if !got.Equal(want) || (err != nil) != want.IsZero() {
			t.Errorf("parseSince(%q): got %v, %v, want %v", value, got, err, want)
		}
	}
}

func TestLogColours(t *testing.T) {
	var b strings.Builder
	out := bufio.NewWriter(&b)
	text := newLogText(out, []logs.Place{{Section: "echo"}}, true)
	r := logs.Parse([]byte(strings.TrimSpace(logLine(1, "echo", 1, "error", `"x"`, ""))))
	r.Time = r.Time.In(time.Local)
	if err := text.write(&r); err != nil {
		t.Fatal(err)
	}
	out.Flush()
	want := "\x1b[90m" + r.Time.Format(logTime) + "\x1b[0m\x1b[36m  echo/1\x1b[0m\x1b[31m  error\x1b[0m  \x1b[31mx\x1b[0m\n"
	if b.String() != want {
		t.Errorf("got %q, want %q", b.String(), want)
	}
}
