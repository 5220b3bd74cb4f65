package manager

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
)

// tree makes a directory with a package directory and a program in it.
func tree(t testing.TB) string {
	t.Helper()
	dir := t.TempDir()
	for name, mode := range map[string]os.FileMode{"echo/echo.go": 0o600, "bin/echo": 0o700, "bin/notes.txt": 0o600} {
		path := filepath.Join(dir, filepath.FromSlash(name))
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte("package echo\n"), mode); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

func TestLoad(t *testing.T) {
	dir := tree(t)
	file := filepath.Join(dir, "service.ini")
	text := "\ufeff" + `; a comment
# another
[defaults]
log_dir=logs/                  ; relative
tcp_bind : "127.0.0.1"         # either delimiter
min_proc_num = 2	; a tab before the comment ; and # more of it
wait_until_completed = Yes

[web monitor]
host = [::1]
port = 80

[Server] ; the first
import_from = ./echo
max_proc_num = 3
max_proc_mem_bytes = 1073741824
tcp_allow_insecure_serialisation = on

  [ready-made.one]
binary = 'bin/echo' ; no package
log_dir = "/var/log/a # b; c"
tcp_bind =
wait_until_completed = 0
[other]
import_from = example.com/some/pkg
type = Server
min_proc_num = 1
`
	if err := os.WriteFile(file, []byte(strings.ReplaceAll(text, "\n", "\r\n")), 0o600); err != nil {
		t.Fatal(err)
	}
	got, err := Load(file)
	if err != nil {
		t.Fatal(err)
	}
	want := &Config{
		File: file, Dir: dir, Monitor: Monitor{Configured: true, Host: "::1", Port: 80},
		Services: []Service{
			{Section: "Server", Type: "Server", ImportFrom: filepath.Join(dir, "echo"), LogDir: filepath.Join(dir, "logs"),
				TCPBind: "127.0.0.1", TCPAllowInsecureSerialisation: true, MinProcNum: 2, MaxProcNum: 3,
				MaxProcMemBytes: 1 << 30, WaitUntilCompleted: true},
			{Section: "ready-made.one", Binary: filepath.Join(dir, "bin", "echo"), LogDir: filepath.FromSlash("/var/log/a # b; c"),
				MinProcNum: 2, MaxProcNum: 2},
			{Section: "other", Type: "Server", ImportFrom: "example.com/some/pkg", LogDir: filepath.Join(dir, "logs"),
				TCPBind: "127.0.0.1", MinProcNum: 1, MaxProcNum: 1, WaitUntilCompleted: true},
		},
	}
	if diff := cmp.Diff(want, got, cmpopts.IgnoreUnexported(Service{})); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
}

func TestLoadFromElsewhere(t *testing.T) {
	dir := tree(t)
	if err := os.WriteFile(filepath.Join(dir, "service.ini"), []byte("[Server]\nimport_from = ./echo\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	t.Chdir(filepath.Join(dir, "bin"))
	got, err := Load("../service.ini")
	if err != nil {
		t.Fatal(err)
	}
	if got.File != "../service.ini" || got.Services[0].ImportFrom != filepath.Join(dir, "echo") {
		t.Errorf("got %+v", got)
	}
}

func TestLoadRefusesFiles(t *testing.T) {
	dir := t.TempDir()
	large := filepath.Join(dir, "large.ini")
	if err := os.WriteFile(large, []byte(strings.Repeat("; x\n", 300_000)), 0o600); err != nil {
		t.Fatal(err)
	}
	for file, want := range map[string]string{
		filepath.Join(dir, "none.ini"): "read the configuration",
		dir:                            "name the service.ini itself",
		large:                          "at most",
	} {
		if _, err := Load(file); err == nil || !strings.Contains(err.Error(), want) || !strings.HasPrefix(err.Error(), file) {
			t.Errorf("Load(%s): got %v, want %s", file, err, want)
		}
	}
}

// Every mistake is told with its line, and what to do.
func TestMistakes(t *testing.T) {
	const service = "[Server]\nimport_from = ./echo\n"
	tests := []struct {
		name, text string
		want       []string // beginning and a part of each error, with | between
	}{
		{"empty", "", []string{"f.ini: |there is no service"}},
		{"only comments", "; x\n\n# y\n", []string{"f.ini: |there is no service"}},
		{"only defaults", "[defaults]\nmin_proc_num = 1\n", []string{"f.ini: |there is no service"}},
		{"unknown key", service + "import_form = x\n", []string{"f.ini:3: [Server] import_form: |did you mean import_from?"}},
		{"unknown key, case", service + "Min_Proc_Num = 1\n", []string{"f.ini:3: [Server] Min_Proc_Num: |did you mean min_proc_num?"}},
		{"very unknown key", service + "colour = red\n", []string{"f.ini:3: [Server] colour: |use one of import_from, type"}},
		{"unknown key in defaults", "[defaults]\nlogdir = x\n" + service, []string{"f.ini:2: [defaults] logdir: |did you mean log_dir?"}},
		{"type in defaults", "[defaults]\ntype = X\n" + service, []string{"f.ini:2: [defaults] type: |move it to the section"}},
		{"unknown key in monitor", "[web monitor]\nhots = x\n" + service, []string{"f.ini:2: [web monitor] hots: |did you mean host?"}},
		{"no section", "min_proc_num = 1\n" + service, []string{"f.ini:1: |stands before any section"}},
		{"DEFAULT", "[DEFAULT]\nmin_proc_num = 1\n" + service, []string{"f.ini:1: |write [defaults]"}},
		{"section misspelt", "[default]\nmin_proc_num = 1\n" + service, []string{"f.ini:1: [default]: |meant to be [defaults]?"}},
		{"monitor misspelt", service + "[web_monitor]\n", []string{"f.ini:3: [web_monitor]: |meant to be [web monitor]?"}},
		{"no delimiter", service + "hello\n", []string{"f.ini:3: |has no '='"}},
		{"no key", service + "= 5\n", []string{"f.ini:3: |has no '='"}},
		{"unclosed section", service + "[other\n", []string{"f.ini:3: |has no ']'"}},
		{"behind a section", "[Server] x = 1\nimport_from = ./echo\n", []string{"f.ini:1: |on a line of its own"}},
		{"bracket in comment", "[Server] ; see [1]\nimport_from = ./echo\n", []string{"f.ini:1: |on a line of its own"}},
		{"empty section", "[]\n", []string{"f.ini:1: |is empty"}},
		{"spaces in section", "[ Server ]\nimport_from = ./echo\n", []string{"f.ini:1: |has spaces around it"}},
		{"section twice", service + "\n" + service, []string{"f.ini:4: |already in line 1"}},
		{"key twice", service + "import_from = ./echo\n", []string{"f.ini:3: |already in line 2"}},
		{"continued", service + "log_dir = \"\"\"a\nb\"\"\"\n", []string{"f.ini:3: |values have one line", "f.ini:4: |has no '='"}},
		{"backquoted", service + "log_dir = `a\n", []string{"f.ini:3: |values have one line"}},
		{"unclosed quote", service + "log_dir = \"a ; b\n", []string{"f.ini:3: [Server] log_dir: |no closing \""}},
		{"behind a quote", service + "log_dir = \"a\" b\n", []string{"f.ini:3: [Server] log_dir: |behind a value in quotes"}},
		{"zero byte", service + "log_dir = a\x00b\n", []string{"f.ini:3: |no text file"}},
		{"section's name", "[../x]\nimport_from = ./echo\ntype = X\n", []string{"f.ini:1: [../x]: |name of its log file"}},
		{"no type", "[my-server]\nimport_from = ./echo\n", []string{"f.ini:1: [my-server]: |add type"}},
		{"type not exported", service + "type = server\n", []string{"f.ini:3: [Server] type: |exported Go type"}},
		{"type with package", service + "type = echo.Server\n", []string{"f.ini:3: [Server] type: |without its package"}},
		{"type of a binary", "[x]\nbinary = bin/echo\ntype = X\n", []string{"f.ini:3: [x] type: |remove type"}},
		{"both", service + "binary = bin/echo\n", []string{"f.ini:3: [Server] binary: |import_from (line 2), too"}},
		{"neither", "[Server]\nmin_proc_num = 1\n", []string{"f.ini:1: [Server]: |neither import_from nor binary"}},
		{"no directory", "[Server]\nimport_from = ./none\n", []string{"f.ini:2: [Server] import_from: |there is no directory"}},
		{"a file", "[Server]\nimport_from = ./echo/echo.go\n", []string{"f.ini:2: [Server] import_from: |is no directory"}},
		{"empty import", "[Server]\nimport_from =\n", []string{"f.ini:2: [Server] import_from: |the value is empty"}},
		{"odd import", "[Server]\nimport_from = example.com/...\n", []string{"f.ini:2: [Server] import_from: |import path of one package"}},
		{"no binary", "[x]\nbinary = bin/none\n", []string{"f.ini:2: [x] binary: |there is no program"}},
		{"not executable", "[x]\nbinary = bin/notes.txt\n", []string{"f.ini:2: [x] binary: |chmod +x"}},
		{"binary directory", "[x]\nbinary = bin\n", []string{"f.ini:2: [x] binary: |no regular file"}},
		{"home", service + "log_dir = ~/logs\n", []string{"f.ini:3: [Server] log_dir: |only a shell knows"}},
		{"empty log_dir", service + "log_dir = \"\"\n", []string{"f.ini:3: [Server] log_dir: |the value is empty"}},
		{"bind with port", service + "tcp_bind = 127.0.0.1:80\n", []string{"f.ini:3: [Server] tcp_bind: |has a port"}},
		{"bad address", service + "tcp_bind = 256.0.0.1\n", []string{"f.ini:3: [Server] tcp_bind: |is no host"}},
		{"bad host", service + "tcp_bind = *\n", []string{"f.ini:3: [Server] tcp_bind: |is no host"}},
		{"no bool", service + "wait_until_completed = maybe\n", []string{"f.ini:3: [Server] wait_until_completed: |true nor false"}},
		{"zero workers", service + "min_proc_num = 0\n", []string{"f.ini:3: [Server] min_proc_num: |from 1 to 1024"}},
		{"many workers", service + "min_proc_num = 1025\n", []string{"f.ini:3: [Server] min_proc_num: |from 1 to 1024"}},
		{"no number", service + "min_proc_num = two\n", []string{"f.ini:3: [Server] min_proc_num: |no whole number"}},
		{"fraction", service + "min_proc_num = 1.5\n", []string{"f.ini:3: [Server] min_proc_num: |no whole number"}},
		{"huge number", service + "max_proc_mem_bytes = 99999999999999999999\n", []string{"f.ini:3: [Server] max_proc_mem_bytes: |no whole number"}},
		{"little memory", service + "max_proc_mem_bytes = 4096\n", []string{"f.ini:3: [Server] max_proc_mem_bytes: |not enough"}},
		{"negative memory", service + "max_proc_mem_bytes = -1\n", []string{"f.ini:3: [Server] max_proc_mem_bytes: |out of range"}},
		{"min over max", service + "min_proc_num = 3\nmax_proc_num = 2\n",
			[]string{"f.ini:3: [Server] min_proc_num: |min_proc_num is 3 and max_proc_num is 2 (line 4)"}},
		{"min over default max", "[defaults]\nmax_proc_num = 2\n" + service + "min_proc_num = 3\n",
			[]string{"f.ini:5: [Server] min_proc_num: |max_proc_num is 2 (line 2)"}},
		{"default min over max", "[defaults]\nmin_proc_num = 3\n" + service + "max_proc_num = 2\n",
			[]string{"f.ini:5: [Server] max_proc_num: |max_proc_num is 2 (line 2)"}},
		{"default is told once", "[defaults]\nmin_proc_num = x\n" + service + "[B]\nimport_from = ./echo\n",
			[]string{"f.ini:2: [defaults] min_proc_num: |no whole number"}},
		{"monitor's port", "[web monitor]\nport = 65536\n" + service, []string{"f.ini:2: [web monitor] port: |from 1 to 65535"}},
		{"monitor's host", "[web monitor]\nhost =\n" + service, []string{"f.ini:2: [web monitor] host: |the value is empty"}},
		{"all at once", "[defaults]\ntcp_bind = :\n[Server]\nimport_form = ./echo\nmin_proc_num = -1\n[web monitor]\nport = 0\n", []string{
			"f.ini:2: [defaults] tcp_bind: |no host", "f.ini:7: [web monitor] port: |from 1",
			"f.ini:4: [Server] import_form: |import_from", "f.ini:5: [Server] min_proc_num: |from 1"}},
	}
	dir := tree(t)
	for _, test := range tests {
		_, err := parse("f.ini", dir, []byte(test.text))
		if err == nil {
			t.Errorf("%s: got no error", test.name)
			continue
		}
		var config *ConfigError
		if !errors.As(err, &config) {
			t.Errorf("%s: got %T, want a *ConfigError", test.name, err)
		}
		lines := strings.Split(err.Error(), "\n")
		if len(lines) != len(test.want) {
			t.Errorf("%s: got %d errors, want %d:\n%v", test.name, len(lines), len(test.want), err)
			continue
		}
		for i, w := range test.want {
			begin, part, _ := strings.Cut(w, "|")
			if !strings.HasPrefix(lines[i], begin) || !strings.Contains(lines[i], part) {
				t.Errorf("%s: got\n\t%s\nwant\n\t%s", test.name, lines[i], w)
			}
		}
	}
}

func TestBare(t *testing.T) {
	tests := map[string]string{
		"": "", "a": "a", " a ": "a", "a;b": "a;b", "a#b ;c": "a#b", "a ; b # c": "a", "a\t# c": "a", "; c": "", "#": "",
		`"a"`: "a", `"a ; b"`: "a ; b", `'a "b" c' # d`: `a "b" c`, `"" ; x`: "", `a "b"`: `a "b"`, `it's`: "it's",
	}
	for in, want := range tests {
		if got, err := bare(in); got != want || err != nil {
			t.Errorf("bare(%q): got %q, %v, want %q", in, got, err, want)
		}
	}
}

// FuzzParse looks for texts that the scan and the parser read differently, and for configurations that make no sense.
func FuzzParse(f *testing.F) {
	f.Add("[defaults]\nlog_dir = x\n[Server]\nimport_from = ./echo ; c\nmin_proc_num = 2\nmax_proc_num=3\n[web monitor]\nport=1\n")
	f.Add("[a]\nbinary='bin/echo'\n\\\n\"x\" = 1\n-=1\n[a.b]\nbinary:bin/echo\n%(x)s=%(y)s\n")
	dir := tree(f)
	f.Fuzz(func(t *testing.T, text string) {
		c, err := parse("f.ini", dir, []byte(text))
		if err != nil {
			return
		}
		for _, s := range c.Services {
			if s.MinProcNum < 1 || s.MaxProcNum < s.MinProcNum || (s.ImportFrom == "") == (s.Binary == "") ||
				s.ImportFrom != "" && s.Type == "" || !sectionPattern.MatchString(s.Section) {
				t.Errorf("%q: got %+v", text, s)
			}
		}
	})
}
