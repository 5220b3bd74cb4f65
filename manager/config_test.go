package manager

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

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

[web monitor]
host = [::1]
port = 80

[Server] ; the first
import_from = ./echo
max_proc_num = 3
max_proc_mem_bytes = 1073741824
max_proc_age = 24h ; a day
max_proc_calls = 1000000
after = other, ready-made.one
start_timeout = 1m30s
stop_timeout = 20s
restart_min = 50ms
restart_max = 50ms
restart_stable = 10s
log_max_bytes = 1048576
log_max_age = 1h30m
log_total_bytes = 8388608
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
wait_until_completed = Yes
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
				MaxProcMemBytes: 1 << 30, MaxProcAge: 24 * time.Hour, MaxProcCalls: 1e6,
				After: []string{"other", "ready-made.one"}, StartTimeout: 90 * time.Second, StopTimeout: 20 * time.Second,
				RestartMin: 50 * time.Millisecond, RestartMax: 50 * time.Millisecond, RestartStable: 10 * time.Second,
				LogMaxBytes: 1 << 20, LogMaxAge: 90 * time.Minute, LogTotalBytes: 8 << 20},
			{Section: "ready-made.one", Binary: filepath.Join(dir, "bin", "echo"), LogDir: filepath.FromSlash("/var/log/a # b; c"),
				MinProcNum: 2, MaxProcNum: 2},
			{Section: "other", Type: "Server", ImportFrom: "example.com/some/pkg", LogDir: filepath.Join(dir, "logs"),
				TCPBind: "127.0.0.1", MinProcNum: 1, MaxProcNum: 1, WaitUntilCompleted: true},
		},
	}
	if diff := cmp.Diff(want, got, cmpopts.IgnoreUnexported(Config{}, Service{})); diff != "" {
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
		{"little log", service + "log_max_bytes = 1000\n", []string{"f.ini:3: [Server] log_max_bytes: |write a number from 1048576 to"}},
		{"little total", service + "log_total_bytes = 1MB\n", []string{"f.ini:3: [Server] log_total_bytes: |no whole number"}},
		{"no age", service + "log_max_age = 7\n", []string{"f.ini:3: [Server] log_max_age: |write one with its unit"}},
		{"little age", service + "log_max_age = 1s\n", []string{"f.ini:3: [Server] log_max_age: |1s is out of range"}},
		{"log over its total", service + "log_max_bytes = 8388607\nlog_total_bytes = 8388608\n", []string{
			"f.ini:4: [Server] log_total_bytes: |log_max_bytes is 8388607 (line 3) and log_total_bytes is 8388608 (line 4): the total must"}},
		{"log over the total of defaults", "[defaults]\nlog_total_bytes = 8388608\n" + service + "log_max_bytes = 8388608\n", []string{
			"f.ini:5: [Server] log_max_bytes: |log_total_bytes is 8388608 (line 2)"}},
		{"defaults over their total", "[defaults]\nlog_total_bytes = 8388608\nlog_max_bytes = 8388608\n" + service, []string{
			"f.ini:2: [defaults] log_total_bytes: |log_max_bytes is 8388608 (line 3)"}},
		{"the manager's log", "[Manager]\nimport_from = ./echo\n", []string{"f.ini:1: [Manager]: |add type = Manager"}},
		{"negative memory", service + "max_proc_mem_bytes = -1\n", []string{"f.ini:3: [Server] max_proc_mem_bytes: |out of range"}},
		{"min over max", service + "min_proc_num = 3\nmax_proc_num = 2\n",
			[]string{"f.ini:3: [Server] min_proc_num: |min_proc_num is 3 and max_proc_num is 2 (line 4)"}},
		{"min over default max", "[defaults]\nmax_proc_num = 2\n" + service + "min_proc_num = 3\n",
			[]string{"f.ini:5: [Server] min_proc_num: |max_proc_num is 2 (line 2)"}},
		{"default min over max", "[defaults]\nmin_proc_num = 3\n" + service + "max_proc_num = 2\n",
			[]string{"f.ini:5: [Server] max_proc_num: |max_proc_num is 2 (line 2)"}},
		{"default is told once", "[defaults]\nmin_proc_num = x\n" + service + "[B]\nimport_from = ./echo\n",
			[]string{"f.ini:2: [defaults] min_proc_num: |no whole number"}},
		{"no duration", service + "stop_timeout = 10\n", []string{"f.ini:3: [Server] stop_timeout: |with its unit"}},
		{"short duration", service + "start_timeout = 1ms\n", []string{"f.ini:3: [Server] start_timeout: |from 10ms to"}},
		{"scale", service + "scale = Load\n", []string{"f.ini:3: [Server] scale: |none of busy, queue and cpu"}},
		{"threshold", service + "scale_up = a lot\n", []string{"f.ini:3: [Server] scale_up: |neither a percentage nor a number"}},
		{"threshold of zero", service + "scale_down = 0%\n", []string{"f.ini:3: [Server] scale_down: |over 0% and up to"}},
		{"endless threshold", service + "scale = queue\nscale_up = Inf\n", []string{"f.ini:4: [Server] scale_up: |out of range"}},
		{"threshold that is none", service + "scale_up = NaN%\n", []string{"f.ini:3: [Server] scale_up: |out of range"}},
		{"threshold without a unit", service + "scale_up = 0.7\n", []string{"f.ini:3: [Server] scale_up: |has no unit, and scale = busy needs a percentage"}},
		{"threshold with a unit", service + "scale_down = 10%\nscale = queue\n", []string{"f.ini:3: [Server] scale_down: |is a percentage, and scale = queue counts"}},
		{"busier than all the time", service + "scale_up = 101%\n", []string{"f.ini:3: [Server] scale_up: |write less, or scale = cpu"}},
		{"thresholds the wrong way round", service + "scale = cpu\nscale_up = 20%\nscale_down = 20 %\n",
			[]string{"f.ini:4: [Server] scale_up: |scale_up is 20 % of a CPU and scale_down is 20 % of a CPU: down must be below up"}},
		{"down over the default of up", service + "scale_down = 90%\n", []string{"f.ini:3: [Server] scale_down: |scale_up is 75 % busy"}},
		{"short window", service + "scale_up_window = 1ms\n", []string{"f.ini:3: [Server] scale_up_window: |out of range"}},
		{"scale in defaults", "[defaults]\nscale_cooldown = 1\n" + service, []string{"f.ini:2: [defaults] scale_cooldown: |no duration"}},
		{"zero duration", service + "restart_min = 0s\n", []string{"f.ini:3: [Server] restart_min: |out of range"}},
		{"long duration", service + "max_proc_age = 100000h\n", []string{"f.ini:3: [Server] max_proc_age: |or 0 for no limit"}},
		{"negative duration", service + "restart_stable = -1s\n", []string{"f.ini:3: [Server] restart_stable: |out of range"}},
		{"negative calls", service + "max_proc_calls = -1\n", []string{"f.ini:3: [Server] max_proc_calls: |out of range"}},
		{"restart_min over max", service + "restart_min = 2s\nrestart_max = 1s\n",
			[]string{"f.ini:3: [Server] restart_min: |restart_max is 1s (line 4)"}},
		{"after nobody", service + "after = Sever\n", []string{"f.ini:3: [Server] after: |there is no section [Sever]: did you mean"}},
		{"after a gap", service + "after = a,,b\n", []string{"f.ini:3: [Server] after: |nothing between two commas"}},
		{"after one twice", service + "after = a, a\n", []string{"f.ini:3: [Server] after: |twice"}},
		{"after in defaults", "[defaults]\nafter = Server\n" + service, []string{"f.ini:2: [defaults] after: |move it to the section"}},
		{"after itself", service + "after = Server\n", []string{"f.ini:3: [Server] after: |[Server] waits for [Server]"}},
		{"after each other", service + "after = B\n[B]\nimport_from = ./echo\nafter = C\n[C]\nimport_from = ./echo\nafter = Server\n",
			[]string{"f.ini:9: [C] after: |[Server] waits for [B] waits for [C] waits for [Server]"}},
		{"after one below that waits", service + "after = B\nwait_until_completed = true\n[B]\nimport_from = ./echo\n",
			[]string{"f.ini:3: [Server] after: |[Server] waits for [B] waits for [Server]"}},
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

// The bounds of docs/service-ini.md: the values at them are taken, the next ones are not.
func TestBoundsOfKeys(t *testing.T) {
	const tenYears = "87600h"
	for _, c := range []struct{ key, low, under, high, over string }{
		{"cpu_max", "0.01", "0.009", "4096", "4096.1"},
		{"memory_max", "1048576", "1048575", "1T", ""},
		{"max_proc_mem_bytes", "1048576", "1048575", "0", ""},
		{"rlimit_as", "1M", "1023K", "unlimited", ""},
		{"rlimit_nofile", "8", "7", "1073741824", "1073741825"},
		{"min_proc_num", "1", "0", "1024", "1025"},
		{"log_max_bytes", "1048576", "1048575", "1099511627776", ""},
		{"log_max_age", "1m", "59s", tenYears, tenYears + "1ns"},
		{"scale_up_window", "100ms", "99ms", "168h", "168h1ns"},
		{"scale_down_window", "100ms", "99ms", "168h", "168h1ns"},
		{"scale_cooldown", "100ms", "99ms", "168h", "168h1ns"},
		{"max_proc_age", "1s", "999ms", tenYears, tenYears + "1ns"},
		{"start_timeout", "10ms", "9ms", tenYears, tenYears + "1ns"},
		{"stop_timeout", "10ms", "9ms", tenYears, tenYears + "1ns"},
		{"drain_timeout", "10ms", "9ms", tenYears, tenYears + "1ns"},
		{"restart_min", "1ms", "999us", tenYears, tenYears + "1ns"},
		{"restart_max", "1ms", "999us", tenYears, tenYears + "1ns"},
		{"restart_stable", "1ms", "999us", tenYears, tenYears + "1ns"},
	} {
		keys := serviceKeys()
		key := keys[slices.IndexFunc(keys, func(k serviceKey) bool { return k.name == c.key })]
		for _, value := range []string{c.low, c.high} {
			if err := key.set(new(Service), "", value); err != nil {
				t.Errorf("%s = %s: got %v", c.key, value, err)
			}
		}
		for _, value := range []string{c.under, c.over} {
			if err := key.set(new(Service), "", value); err == nil {
				t.Errorf("%s = %s: got no error", c.key, value)
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
