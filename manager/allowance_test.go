package manager

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestLimits(t *testing.T) {
	dir := tree(t)
	text := `[defaults]
env.BOTH = defaults
env.DEFAULT = yes
nice = 3
rlimit_core = 0
[one]
binary = bin/echo
user = nobody
group = 65534
env_file = secret.env
env.BOTH = "one # not a comment"
env.EMPTY =
work_dir = work
nice = -5
rlimit_nofile = 4096
rlimit_core = unlimited
rlimit_memlock = 64M
rlimit_as = 8 GiB
cpu_max = 150%
memory_max = 1500000KB
[two]
binary = bin/echo
cpu_max = 0.5
`
	c, err := parse("service.ini", dir, []byte(text))
	if err != nil {
		t.Fatal(err)
	}
	want := []Limits{
		{User: "nobody", Group: "65534", EnvFile: filepath.Join(dir, "secret.env"), WorkDir: filepath.Join(dir, "work"), Nice: -5,
			Env:     map[string]string{"BOTH": "one # not a comment", "DEFAULT": "yes", "EMPTY": ""},
			Rlimits: map[string]uint64{"nofile": 4096, "core": Unlimited, "memlock": 64 << 20, "as": 8 << 30},
			CPUMax:  1.5, MemoryMax: 1500000 << 10},
		{Env: map[string]string{"BOTH": "defaults", "DEFAULT": "yes"}, Nice: 3, Rlimits: map[string]uint64{"core": 0}, CPUMax: 0.5},
	}
	for i := range want {
		if diff := cmp.Diff(want[i], c.Services[i].Limits); diff != "" {
			t.Errorf("[%s]: -want +got:\n%s", c.Services[i].Section, diff)
		}
	}
}

func TestBadLimits(t *testing.T) {
	dir := tree(t)
	for _, c := range []struct{ line, want string }{
		{"user =", `user: "" is neither the name nor the number of an account`},
		{"user = a b", `user: "a b" is neither`},
		{"user = ../x", `user: "../x" is neither`},
		{"group = 4294967295", "group: 4294967295 is out of range"},
		{"nice = 20", "nice: 20 is out of range: write a number from -20 to 19"},
		{"nice = kind", `nice: "kind" is no whole number`},
		{"rlimit_nofile = 7", "rlimit_nofile: 7 is out of range: write a number from 8 to 1073741824, or unlimited"},
		{"rlimit_nofile = 4k", `rlimit_nofile: "4k" is no whole number`},
		{"rlimit_core = -1", `rlimit_core: "-1" is no number of bytes`},
		{"rlimit_memlock = 9999999999999T", "rlimit_memlock: 9999999999999T is out of range"},
		{"rlimit_as = 64K", "rlimit_as: 64K is out of range: write a number of bytes from 1048576"},
		{"rlimit_stack = 1", "rlimit_stack: there is no such key"},
		{"env_file =", "env_file: the value is empty"},
		{"env_file = ~/x", "env_file: \"~/x\" begins with ~"},
		{"env. = x", `env.: "" is not the name of an environment variable`},
		{"env.1A = x", `env.1A: "1A" is not the name`},
		{"env.HOTLINE_DIR = /x", "env.HOTLINE_DIR: the manager itself sets HOTLINE_DIR"},
		{"env.HOTLINE_WORKER = {}", "the manager itself sets HOTLINE_WORKER"},
		{"env.HOTLINE_LAUNCH = {}", "the manager itself sets HOTLINE_LAUNCH"},
		{"envfile = x", "envfile: there is no such key: did you mean env_file?"},
		{"work_dir =", "work_dir: the value is empty"},
		{"cpu_max = NaN", `cpu_max: "NaN" is no number of cores`},
		{"cpu_max = all", `cpu_max: "all" is no number of cores`},
		{"cpu_max = 0", "cpu_max: 0 is out of range: write a number of cores from 0.01 to 4096"},
		{"cpu_max = 500000%", "cpu_max: 500000% is out of range"},
		{"memory_max = unlimited", `memory_max: "unlimited" is no number of bytes`},
		{"memory_max = 100K", "memory_max: 100K is out of range"},
	} {
		_, err := parse("service.ini", dir, fmt.Appendf(nil, "[one]\nbinary = bin/echo\n%s\n", c.line))
		if err == nil || !strings.Contains(err.Error(), "service.ini:3: [one] ") || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: got %v, want line 3 and %q", c.line, err, c.want)
		}
	}
	if _, err := parse("service.ini", dir, []byte("[web monitor]\nenv.X = 1\n[one]\nbinary = bin/echo\n")); err == nil {
		t.Error("[web monitor] env.X: got no error")
	}
}

func TestEnvFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "env")
	for _, c := range []struct {
		text, want string // want: the variables, or a part of the error
		vars       map[string]string
	}{
		{text: "", vars: map[string]string{}},
		{text: "# a comment\nA=1\nexport B='two words'\nC=\"a\\nb\" # behind\n\nD=${A}2\n",
			vars: map[string]string{"A": "1", "B": "two words", "C": "a\nb", "D": "12"}},
		{text: "A=1\nSECRET WORD\n", want: "is no file of NAME=value lines: unexpected character"},
		{text: "A=\"SECRET", want: "is no file of NAME=value lines: unterminated quoted value"},
		{text: "A.B=1", want: `"A.B" is not the name of an environment variable`},
		{text: "HOTLINE_DIR=/x", want: "the manager itself sets HOTLINE_DIR"},
		{text: "A=x\x00y", want: "the value of A has a zero byte"},
		{text: strings.Repeat("#", maxEnvFile+1), want: "has at most 1048576"},
	} {
		if err := os.WriteFile(path, []byte(c.text), 0o600); err != nil {
			t.Fatal(err)
		}
		vars, err := readEnvFile(path)
		if c.vars != nil {
			if diff := cmp.Diff(c.vars, vars); diff != "" || err != nil {
				t.Errorf("%.40q: got %v, -want +got:\n%s", c.text, err, diff)
			}
		} else if err == nil || !strings.Contains(err.Error(), c.want) || !strings.Contains(err.Error(), path) {
			t.Errorf("%.40q: got %v, want %q", c.text, err, c.want)
		} else if strings.Contains(err.Error(), "SECRET") {
			t.Errorf("%.40q: the error tells what is in the file: %v", c.text, err)
		}
	}
	if _, err := readEnvFile(t.TempDir()); err == nil || !strings.Contains(err.Error(), "no regular file") {
		t.Errorf("a directory: got %v", err)
	}
}

func FuzzEnvFile(f *testing.F) {
	f.Add([]byte("A=1\nexport B='x'\nC=\"$A ${B}\"\n"))
	f.Fuzz(func(t *testing.T, data []byte) {
		path := filepath.Join(t.TempDir(), "env")
		if err := os.WriteFile(path, data, 0o600); err != nil {
			t.Fatal(err)
		}
		vars, err := readEnvFile(path)
		for name, value := range vars {
			if checkVariable(name) != nil || strings.ContainsRune(value, 0) || err != nil {
				t.Errorf("got %q=%q, %v", name, value, err)
			}
		}
	})
}
