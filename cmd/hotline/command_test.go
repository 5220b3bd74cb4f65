package main

import (
	"bytes"
	"encoding/json"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"regexp"
	"runtime"
	"strconv"
	"strings"
	"testing"
	"time"
)

func TestCall(t *testing.T) {
	dir := runtimeDir(t)
	startLab(t, dir, "none")
	file := filepath.Join(dir, "person.json")
	if err := os.WriteFile(file, []byte(`{"name": "Grace", "likes": ["ships"]}`+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		args  []string
		stdin string
		want  string
	}{
		{words("lab Sum 2 3"), "", "5\n"},
		{words("lab Sum -2 -3"), "", "-5\n"},
		{words("7411 Sum 2 3"), "", "5\n"},
		{words("lab@1 Sum 2 3"), "", "5\n"},
		{words("--timeout 30s lab Sum 2 3 --address unix://"), "", "5\n"},
		{words("lab Sum 9007199254740993 0"), "", "9007199254740993\n"},
		{words("lab Sum - 1"), " 41\n", "42\n"},
		{words("-o json lab Sum 2 3"), "", "[5]\n"},

		{words("lab Echo hello"), "", "hello"},
		{words("lab Echo -"), "a\x00\xff\n", "a\x00\xff\n"},
		{[]string{"lab", "Echo", ""}, "", ""},
		{words("lab Echo -5"), "", "-5"},
		{words("lab Echo hello -o json"), "", `["aGVsbG8="]` + "\n"},
		{words("lab Motto"), "", "ora et labora"},

		{[]string{"lab", "Greet", `{"name": "Ada", "likes": ["a", "b"]}`}, "", `"Hello Ada a+b"` + "\n"},
		{words("lab Greet @" + file), "", `"Hello Grace ships"` + "\n"},
		{words("lab Same 9007199254740993"), "", "9007199254740993\n"},
		{words(`lab Same {"a":[1.50,9007199254740993,null]}`), "", `{"a":[1.50,9007199254740993,null]}` + "\n"},
		{words(`lab Any {"a":[1.50,9007199254740993,null,"<b>"]}`), "", `{"a":[1.5,9007199254740993,null,"<b>"]}` + "\n"},
		{words("lab Any hello"), "", `"hello"` + "\n"},
		{words("lab Same hello"), "", `"hello"` + "\n"},
		{words("lab Same <b>"), "", `"<b>"` + "\n"},
		{words("lab Split a=b ="), "", `["a","b",true]` + "\n"},
		{words(`lab Count ["x","y","x"]`), "", `{"x":2,"y":1}` + "\n"},
		{words("lab Swap 5 18446744073709551615"), "", `[18446744073709551615,"5"]` + "\n"},
		{words("lab Square 123456789012345678901234567890"), "", "15241578753238836750495351562536198787501905199875019052100\n"},
		{words("lab After 2026-01-01T00:00:00Z 1500000000"), "", `"2026-01-01T00:00:01.5Z"` + "\n"},
		{words(`lab Depth {"Kids":[null,{"Kids":[{"Kids":[]}]}]}`), "", "3\n"},
		{words("lab Depth null"), "", "0\n"},
		{words("lab Hash abc 1"), "", `"YmNk"` + "\n"},
		{words(`lab Hash "YWJj" -1`), "", `"YGFi"` + "\n"},
		{words("lab Reset"), "", ""},
		{words("lab Reset -o json"), "", "[]\n"},
	} {
		got := hotlineIn(t, dir, c.stdin, append([]string{"call"}, c.args...)...)
		if got.stdout != c.want || got.code != exitOK || got.stderr != "" {
			t.Errorf("hotline call %q:\n got %q, %q, %d\nwant %q", c.args, got.stdout, got.stderr, got.code, c.want)
		}
	}
}

func words(s string) []string { return strings.Fields(s) }

func TestCallFails(t *testing.T) {
	dir := runtimeDir(t)
	startLab(t, dir, "none")
	const sum = "Sum(context.Context, int, int) (int, error)"
	for _, c := range []struct {
		args []string
		code int
		want string // a regular expression
	}{
		{words("lab Fail"), exitUsage, `^hotline: Fail takes 1 argument, not 0: Fail\(context.Context, string\) error\n$`},
		{[]string{"lab", "Fail", "no luck"}, exitFail, "^hotline: no luck\n$"},
		{[]string{"lab", "Fail", "a \x1b[31mred\x07 word"}, exitFail, "^hotline: a \ufffd\\[31mred\ufffd word\n$"},
		{words("lab Panic"), exitFail, "^hotline: Panic: .*panic.*\n$"},
		{words("lab Wait --timeout 2s"), exitFail, "^hotline: Wait: .*deadline exceeded.* \\(--timeout 2s\\)\n$"},
		{words("lab Sum 1"), exitUsage, "^hotline: Sum takes 2 arguments, not 1: " + regexp.QuoteMeta(sum) + "\n$"},
		{words("lab Sum 1 2 3"), exitUsage, "takes 2 arguments, not 3"},
		{words("lab Motto x"), exitUsage, `Motto takes 0 arguments, not 1: Motto\(`},
		{words("lab Sum 1 two"), exitUsage,
			`^hotline: argument 2 of Sum: int wanted, not the string "two"` + "\nIts signature: " + regexp.QuoteMeta(sum) + "\n$"},
		{[]string{"lab", "Greet", `{"name":"Ada","age":"old"}`}, exitUsage, `argument 1 of Greet: age: int wanted, not the string "old"`},
		{[]string{"lab", "Greet", `{"nam":"Ada"}`}, exitUsage, `there is no field "nam": the fields are name, age, likes`},
		{words("lab Swap x -1"), exitUsage, "argument 2 of Swap: uint wanted, which -1 is not"},
		{words("lab Hash x 200"), exitUsage, "argument 2 of Hash: int8 wanted, which 200 is not: value out of range"},
		{words("lab sum 1 2"), exitUsage, "^hotline: lab has no method \"sum\": did you mean Sum\\?\nIts methods: After, Any, .*, Wait\n$"},
		{words("lab Frobnicate"), exitUsage, "^hotline: lab has no method \"Frobnicate\"\nIts methods: "},
		{words("lap Sum 1 2"), exitFail, "^hotline: no service \"lap\" is running: did you mean lab\\?\nThese are: lab \\(port 7411\\)\n$"},
		{words("4711 Sum 1 2"), exitFail, `no service "4711" is running`},
		{words("lab@2 Sum 1 2"), exitFail, `no service "lab@2" is running`},
		{words("lab Echo @/no/such/file"), exitFail, "argument 1: open /no/such/file: .* names a file"},
		{words("lab Sum - -"), exitUsage, "argument 2: the standard input can be taken once only"},
		{words("lab Echo hello --max-message 4 --address unix://"), exitFail, "over|limit|large"},
		{words("lab Sum 1 2 --address ftp://x"), exitFail, "unknown scheme"},
		{words("lab Sum 1 2 --address tcp://127.0.0.1:1"), exitFail, "127.0.0.1:1"},
		{words("lab Sum 1 2 --timeout -1s"), exitUsage, "--timeout"},
		{words("lab Sum 1 2 --timeout soon"), exitUsage, `invalid argument "soon".*\nRun '.*hotline call --help' for usage`},
		{words("lab"), exitUsage, "call needs more words: write hotline call NAME|PORT METHOD"},
		{words("lab Sum 1 2 --colour"), exitUsage, "unknown flag: --colour"},
	} {
		got := hotlineIn(t, dir, "", append([]string{"call"}, c.args...)...)
		if got.code != c.code || got.stdout != "" || !regexp.MustCompile(c.want).MatchString(got.stderr) {
			t.Errorf("hotline call %q:\n got %d, %q, %q\nwant %d, %q", c.args, got.code, got.stdout, got.stderr, c.code, c.want)
		}
	}
}

// TestCallRaw sends 10 MiB through pipes and through files.
func TestCallRaw(t *testing.T) {
	dir := runtimeDir(t)
	startLab(t, dir, "none")
	data := make([]byte, 10<<20)
	rng := rand.NewChaCha8([32]byte{1})
	rng.Read(data)
	if got := hotlineIn(t, dir, string(data), "call", "lab", "Echo", "-"); got.stdout != string(data) || got.code != exitOK {
		t.Errorf("10 MiB through pipes: %d bytes, %q, %d", len(got.stdout), got.stderr, got.code)
	}
	file := filepath.Join(dir, "data")
	if err := os.WriteFile(file, data, 0o600); err != nil {
		t.Fatal(err)
	}
	if got := hotlineIn(t, dir, "", "call", "lab", "Echo", "@"+file); got.stdout != string(data) || got.code != exitOK {
		t.Errorf("10 MiB from a file: %d bytes, %q, %d", len(got.stdout), got.stderr, got.code)
	}
}

// TestCallInterrupted stops calls that wait for their standard input: by Ctrl-C, and by the time that they have.
func TestCallInterrupted(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("a process can't be sent an interrupt on windows")
	}
	dir := runtimeDir(t)
	startLab(t, dir, "none")
	for _, c := range []struct {
		args   []string
		signal os.Signal
		want   string
	}{
		{words("call lab Echo -"), os.Interrupt, "hotline: waiting for the arguments: context canceled (interrupt"},
		{words("call lab Echo - --timeout 2s"), nil, "hotline: waiting for the arguments: context deadline exceeded (--timeout 2s)\n"},
	} {
		cmd := exec.Command(binary, c.args...)
		cmd.Env = append(os.Environ(), "HOTLINE_DIR="+dir)
		var stderr bytes.Buffer
		cmd.Stderr = &stderr
		stdin, err := cmd.StdinPipe()
		if err == nil {
			err = cmd.Start()
		}
		if err != nil {
			t.Fatal(err)
		}
		if c.signal != nil {
			// More than a pipe holds: when it is written, the command reads.
			if _, err := stdin.Write(make([]byte, 1<<20)); err != nil {
				t.Error(err)
			}
			if err := cmd.Process.Signal(c.signal); err != nil {
				t.Error(err)
			}
		}
		if err := cmd.Wait(); cmd.ProcessState.ExitCode() != exitFail {
			t.Errorf("hotline %q: %v", c.args, err)
		}
		if !strings.HasPrefix(stderr.String(), c.want) {
			t.Errorf("hotline %q: got %q, want %q", c.args, stderr.String(), c.want)
		}
	}
}

func TestCallOverTCP(t *testing.T) {
	dir := runtimeDir(t)
	in := startLab(t, dir, "127.0.0.1:0")
	address := ""
	for _, a := range in.Addresses {
		if strings.HasPrefix(a, "tcp://") {
			address = a
		}
	}
	elsewhere := runtimeDir(t) // where the registry knows nothing
	got := hotlineIn(t, elsewhere, "", "call", "lab", "Sum", "2", "3", "--address", address)
	if got != (outcome{"5\n", "", exitOK}) {
		t.Errorf("call over %s: got %+v", address, got)
	}
	got = hotlineIn(t, elsewhere, "", "call", "lab", "Swap", "x", "1", "--address", address)
	if got.code != exitFail || !strings.Contains(got.stderr, "gob") {
		t.Errorf("gob over %s: got %+v, want a refusal", address, got)
	}
	got = hotlineIn(t, elsewhere, "", "describe", "7411", "--address", address)
	if got.code != exitOK || !strings.HasPrefix(got.stdout, "lab, version 1.2.0, port 7411, at "+address+"\n") {
		t.Errorf("describe over %s: got %+v", address, got)
	}
}

func TestDescribe(t *testing.T) {
	dir := runtimeDir(t)
	startLab(t, dir, "none")
	got := hotlineIn(t, dir, "", "describe", "lab", "--address", "unix://")
	lines := strings.Split(got.stdout, "\n")
	if want := regexp.MustCompile(`^lab, version 1\.2\.0, port 7411, at unix:///`); !want.MatchString(lines[0]) || lines[1] != "" {
		t.Errorf("describe begins with %q, want %s and an empty line", lines[:2], want)
	}
	const table = `
  msgpack  Sum(context.Context, int, int) (int, error)
               Sum adds two numbers.
               It is exact.
`
	if !strings.Contains(got.stdout, table) || got.code != exitOK || got.stderr != "" {
		t.Errorf("describe: got\n%s%s%d, want in it%s", got.stdout, got.stderr, got.code, table)
	}
	got = hotlineIn(t, dir, "", "describe", "7411", "-o", "json")
	var d described
	if err := json.Unmarshal([]byte(got.stdout), &d); err != nil || d.Name != "lab" || d.Port != "7411" || d.Version != "1.2.0" {
		t.Errorf("describe -o json: got %+v, %v", d, err)
	}
	want := describedMethod{"Sum", "msgpack", "Sum(context.Context, int, int) (int, error)", "Sum adds two numbers.\nIt is exact.",
		"(int,int)", "(int)"}
	for _, m := range d.Methods {
		if m.Name == "Sum" && m != want {
			t.Errorf("describe -o json: got %+v, want %+v", m, want)
		}
	}
	got = hotlineIn(t, dir, "", "describe", "lap")
	if got.code != exitFail || !strings.Contains(got.stderr, "did you mean lab?") {
		t.Errorf("describe of no service: got %+v", got)
	}
}

func TestLs(t *testing.T) {
	dir := runtimeDir(t)
	got := hotlineIn(t, dir, "", "ls")
	if want := (outcome{"No service is running. (Looked in " + dir + ")\n", "", exitOK}); got != want {
		t.Errorf("ls of nothing: got %+v, want %+v", got, want)
	}
	if got := hotlineIn(t, dir, "", "ls", "-o", "json"); got != (outcome{"[]\n", "", exitOK}) {
		t.Errorf("ls -o json of nothing: got %+v", got)
	}
	in := startLab(t, dir, "none")
	got = hotlineIn(t, runtimeDir(t), "", "ls", "--dir", dir) // the flag wins over the variable
	want := "NAME  PORT  VERSION  STATE  PID" + strings.Repeat(" ", len(strconv.Itoa(in.PID))-1) + "SINCE                ADDRESSES\n" +
		"lab   7411  1.2.0    ready  " + strconv.Itoa(in.PID) + "  " + in.Started.Local().Format(time.DateTime) + "  " +
		strings.Join(in.Addresses, " ") + "\n"
	if got != (outcome{want, "", exitOK}) {
		t.Errorf("ls: got\n%s%s%d, want\n%s", got.stdout, got.stderr, got.code, want)
	}
	got = hotlineIn(t, dir, "", "ls", "-o", "json")
	var rows []listed
	err := json.Unmarshal([]byte(got.stdout), &rows)
	row := listed{"lab", "7411", "1.2.0", "ready", in.PID, in.Started, in.Addresses, in.ID}
	if err != nil || !reflect.DeepEqual(rows, []listed{row}) {
		t.Errorf("ls -o json: got %+v, %v, want %+v", rows, err, row)
	}
	got = hotlineIn(t, dir, "", "ls", "--dir", binary)
	if got.code != exitFail || got.stdout != "" || !strings.Contains(got.stderr, binary) {
		t.Errorf("ls of a file as the directory: got %+v", got)
	}
}

func TestVersion(t *testing.T) {
	dir := runtimeDir(t)
	got := hotlineIn(t, dir, "", "version")
	if want := regexp.MustCompile(`^hotline \S+ go1\.\S+ \w+/\w+.*\n$`); !want.MatchString(got.stdout) || got.code != exitOK {
		t.Errorf("version: got %+v, want %s", got, want)
	}
	var v buildVersion
	got = hotlineIn(t, dir, "", "version", "-o", "json")
	if err := json.Unmarshal([]byte(got.stdout), &v); err != nil || v.Go != runtime.Version() {
		t.Errorf("version -o json: got %+v, %v", v, err)
	}
}

func TestUsage(t *testing.T) {
	dir := runtimeDir(t)
	for _, c := range []struct {
		args []string
		code int
		want string // in either output
	}{
		{nil, exitOK, "Usage:\n  hotline [command]"},
		{words("--help"), exitOK, "Exit codes: 0 all is well"},
		{words("help call"), exitOK, "hotline call NAME|PORT METHOD"},
		{words("lss"), exitUsage, "unknown command \"lss\" for \"hotline\"\n\nDid you mean this?\n\tls"},
		{words("ls extra"), exitUsage, `ls has no place for "extra": write hotline ls`},
		{words("ls -o xml"), exitUsage, `there is no output format "xml": use text or json`},
		{words("describe"), exitUsage, "describe needs more words: write hotline describe NAME|PORT"},
		{words("-5"), exitUsage, `unknown command "-5"`},
	} {
		got := hotlineIn(t, dir, "", c.args...)
		if got.code != c.code || !strings.Contains(got.stdout+got.stderr, c.want) || strings.Contains(got.stdout+got.stderr, "\x1b") {
			t.Errorf("hotline %q: got %+v, want %d and %q", c.args, got, c.code, c.want)
		}
		if (got.stderr == "") != (c.code == exitOK) {
			t.Errorf("hotline %q: standard error is %q", c.args, got.stderr)
		}
	}
}

func TestComplete(t *testing.T) {
	dir := runtimeDir(t)
	startLab(t, dir, "none")
	for _, c := range []struct {
		args []string
		want string
	}{
		{[]string{"call", ""}, "lab\tport 7411, version 1.2.0\n:4\n"},
		{[]string{"describe", "la"}, "lab\tport 7411, version 1.2.0\n:4\n"},
		{[]string{"describe", "lab", ""}, ":4\n"},
		{[]string{"call", "lab", "Su"}, "\nSum\tSum(context.Context, int, int) (int, error)\n"},
		{[]string{"call", "lab", "Echo", ""}, ":0\n"},
		{[]string{"call", "nobody", ""}, ":4\n"},
		{[]string{"ls", "-o", ""}, "text\njson\n:4\n"},
	} {
		got := hotlineIn(t, dir, "", append([]string{"__complete"}, c.args...)...)
		if !strings.Contains("\n"+got.stdout, c.want) || got.code != exitOK {
			t.Errorf("completion of %q: got %q, want %q", c.args, got.stdout, c.want)
		}
	}
	for _, shell := range []string{"bash", "zsh", "fish", "powershell"} {
		if got := hotlineIn(t, dir, "", "completion", shell); got.code != exitOK || !strings.Contains(got.stdout, "hotline") {
			t.Errorf("completion %s: %d, %q", shell, got.code, got.stderr)
		}
	}
}

// TestOutputFails runs a command whose output can't be written.
func TestOutputFails(t *testing.T) {
	var stderr bytes.Buffer
	a := &app{in: strings.NewReader(""), out: brokenWriter{}, err: &stderr, program: "hotline"}
	if code := a.run(t.Context(), []string{"version"}); code != exitFail || !strings.Contains(stderr.String(), "no space") {
		t.Errorf("version to a full disk: got %d, %q", code, stderr.String())
	}
}

type brokenWriter struct{}

func (brokenWriter) Write([]byte) (int, error) {
	return 0, os.NewSyscallError("write: no space", os.ErrInvalid)
}
