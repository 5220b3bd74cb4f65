//go:build unix

package manager

import (
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"syscall"
	"testing"

	"hotline/internal/logs"
	"hotline/internal/wait"
)

// reloaded is what a reload did.
type reloaded struct {
	changes       []string
	before, after map[string]string // the workers' pids, by section
}

// reload reads the lab's service.ini, first in a dry run, which must say the same, and waits until as many workers are ready in
// the sections as are wanted.
func (r *running) reload(l *lab, text string) (got reloaded) {
	r.t.Helper()
	l.write("%s", text)
	got.before = r.pids()
	for _, dry := range []bool{true, false} {
		changes, err := r.Reload(r.t.Context(), dry, nil)
		if err != nil {
			r.t.Fatalf("reload of\n%s\n%v", text, err)
		}
		var said []string
		for _, c := range changes {
			said = append(said, fmt.Sprint(c.Section, " ", c.Action, " ", c.Why))
		}
		if !dry && !slices.Equal(said, got.changes) {
			r.t.Errorf("the dry run said %q, the reload %q", got.changes, said)
		}
		got.changes = said
		if dry && !maps.Equal(r.pids(), got.before) {
			r.t.Errorf("a dry run changed %v to %v", got.before, r.pids())
		}
	}
	wait.Until(r.t, "the workers", func() bool {
		for _, s := range r.Status() {
			if s.State != Stopped && (ready(s) != s.Wanted || len(s.Workers) != s.Wanted) {
				return false
			}
		}
		return true
	})
	got.after = r.pids()
	return got
}

// comparedOnly are the keys that need root or cgroups, so that no worker is started with them in TestReloadOfEachKey.
func comparedOnly() []string { return []string{"user", "group", "cpu_max", "memory_max"} }

// keyValues are two values of every key that a section with binary can have.
func keyValues(l *lab, port string) map[string][2]string {
	return map[string][2]string{
		"user": {"root", "nobody"}, "group": {"1", "2"}, "cpu_max": {"0.5", "1"}, "memory_max": {"512M", "1G"},
		"binary":  {l.program("serve", "a", port), "linked"},
		"log_dir": {"logs/a", "logs/b"}, "log_max_bytes": {"1048576", "2097152"}, "log_max_age": {"1h", "2h"},
		"log_total_bytes": {"8388608", "9000000"}, "tcp_bind": {"127.0.0.1", ""}, "tcp_allow_insecure_serialisation": {"true", "false"},
		"min_proc_num": {"1", "2"}, "max_proc_num": {"2", "3"},
		"max_proc_mem_bytes": {"1073741824", "0"}, "max_proc_age": {"1h", "0s"}, "max_proc_calls": {"1000", "2000"},
		"wait_until_completed": {"true", "false"}, "after": {"other", ""}, "start_timeout": {"4m", "5m"}, "stop_timeout": {"10s", "11s"}, "drain_timeout": {"1m", "2m"},
		"restart_min": {"10ms", "20ms"}, "restart_max": {"1s", "2s"}, "restart_stable": {"1s", "2s"},
		"scale": {"cpu", "busy"}, "scale_up": {"60%", "70%"}, "scale_down": {"10%", "20%"},
		"scale_up_window": {"10s", "20s"}, "scale_down_window": {"10s", "20s"}, "scale_cooldown": {"10s", "20s"},
		"env_file": {"a.env", "b.env"}, "work_dir": {"tmp", "run"}, "nice": {"18", "19"}, "rlimit_nofile": {"1000", "900"},
		"rlimit_core": {"1048576", "0"}, "rlimit_memlock": {"65536", "4096"}, "rlimit_as": {"unlimited", "1T"},
		"env.WORD": {"a", "b"},
	}
}

// Each key of a section is changed alone, those that are heeded together: what its row in docs/service-ini.md says is done, and
// the other section is not touched. TestReloadOfWhereAProgramComesFrom is about import_from and type.
func TestReloadOfEachKey(t *testing.T) {
	l := newLab(t)
	for _, name := range []string{"a.env", "b.env"} {
		if err := os.WriteFile(filepath.Join(l.path, name), []byte("FROM="+name+"\n"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	port := freePort(t)
	l.link("linked", "serve", "a", port)
	values := keyValues(l, port)
	keys := slices.DeleteFunc(append(serviceKeys(), envKey("env.WORD")), func(k serviceKey) bool {
		return k.name == "import_from" || k.name == "type"
	})
	now := map[string]int{} // which of its values a key has
	text := func(also ...string) string {
		text := "[other]\nbinary = " + l.program("serve", "other", "2") + "\n[one]\n"
		for _, k := range keys {
			if !slices.Contains(comparedOnly(), k.name) || slices.Contains(also, k.name) {
				text += k.name + " = " + values[k.name][now[k.name]] + "\n"
			}
		}
		return text
	}
	r := l.run(l.config("%s", text()), Options{})
	r.until("ready", isReady)
	changed := func(k *serviceKey) string {
		now[k.name] = 1
		if k.secret {
			return k.name
		}
		return fmt.Sprintf("%s from %q to %q", k.name, values[k.name][0], values[k.name][1])
	}
	var heeded []*serviceKey
	for i := range keys {
		k := &keys[i]
		if slices.Contains(comparedOnly(), k.name) {
			from, want := l.config("%s", text(k.name)), changed(k)
			to := l.config("%s", text(k.name))
			if got := differences(&from.Services[1], &to.Services[1], onRestart); !slices.Equal(got, []string{want}) {
				t.Errorf("%s: got the changes %q, want %q", k.name, got, want)
			}
			continue
		}
		action := map[effect]Action{onRestart: Replace, onScale: Rescale}[k.effect]
		if action == "" {
			heeded = append(heeded, k)
			continue
		}
		want := fmt.Sprintf("one %s %s", action, changed(k))
		got := r.reload(l, text())
		if k.name == "binary" {
			want += ", the program has changed"
		}
		if len(got.changes) != 1 || got.changes[0] != want {
			t.Errorf("%s: got the changes %q, want %q", k.name, got.changes, want)
		}
		kept := 0
		for _, pid := range strings.Fields(got.before["one"]) {
			if slices.Contains(strings.Fields(got.after["one"]), pid) {
				kept++
			}
		}
		if all := len(strings.Fields(got.before["one"])); action == Replace && kept != 0 || action == Rescale && kept != all {
			t.Errorf("%s: the workers were %s and are %s", k.name, got.before["one"], got.after["one"])
		}
		if got.before["other"] != got.after["other"] {
			t.Errorf("%s: the other section's worker was %s and is %s", k.name, got.before["other"], got.after["other"])
		}
	}
	var all []string
	for _, k := range heeded {
		all = append(all, changed(k))
	}
	got := r.reload(l, text())
	if want := "one settings " + strings.Join(all, ", "); len(got.changes) != 1 || got.changes[0] != want {
		t.Errorf("got the changes\n\t%q, want\n\t%q", got.changes, want)
	}
	if !maps.Equal(got.before, got.after) {
		t.Errorf("keys that are heeded: the workers were %v and are %v", got.before, got.after)
	}
	if n := len(strings.Fields(got.after["one"])); n != 2 {
		t.Errorf("there are %d workers, min_proc_num is 2", n)
	}
}

// A worker has as much of stop_timeout as it was told when it was started, also after a reload of another one.
func TestReloadOfStopTimeout(t *testing.T) {
	l := newLab(t)
	text := "[one]\nbinary = " + l.program("stubborn", "a", "1") + "\ndrain_timeout = 10ms\n"
	r := l.run(l.config("%sstop_timeout = 10ms\n", text), Options{})
	r.until("ready", isReady)
	r.reload(l, text+"stop_timeout = 300ms\n")
	r.out.Has(t, "one: worker 1 did not stop within 10ms and was killed")
	r.must(r.Stop(t.Context(), "one", nil))
	r.out.Has(t, "one: worker 2 did not stop within 300ms and was killed")
	wait.Until(t, "what the workers were told", func() bool {
		var told []string
		for _, line := range l.records("run/logs/one.log") {
			if words, ok := strings.CutPrefix(line.Message, "asked to end within "); ok {
				told = append(told, words)
			}
		}
		return slices.Equal(told, []string{"10ms", "300ms"})
	})
}

// A worker that is on its way has as much time as start_timeout says by then.
func TestReloadOfStartTimeout(t *testing.T) {
	l := newLab(t)
	text := "[one]\nbinary = " + l.program("slow", "a", "1") + "\nrestart_min = 1h\nrestart_max = 1h\n"
	r := l.run(l.config("%sstart_timeout = 1h\n", text), Options{})
	r.until("a process", func(w *WorkerStatus) bool { return w.PID != 0 })
	l.write("%sstart_timeout = 50ms\n", text)
	if _, err := r.Reload(t.Context(), false, nil); err != nil {
		t.Fatal(err)
	}
	r.until("its end", func(w *WorkerStatus) bool { return w.State == Waiting })
	r.out.Has(t, "one: worker 1 was killed: it was not ready within 50ms")
}

// What [defaults] says holds for the sections that do not say it themselves, and for manager.log.
func TestReloadOfDefaults(t *testing.T) {
	l := newLab(t)
	sections := "[one]\nbinary = " + l.program("serve", "a", "1") + "\n[two]\nbinary = " + l.program("serve", "b", "2") +
		"\nlog_dir = own\nnice = 19\ndrain_timeout = 10s\n"
	r := l.run(l.config("%s", sections), Options{})
	r.until("ready", isReady)
	for _, test := range []struct {
		defaults string
		changes  []string
		replaced string
	}{
		{"[defaults]\ndrain_timeout = 9s\n", []string{`one settings drain_timeout from its default to "9s"`}, ""},
		{"[defaults]\nnice = 18\n", []string{`one restart nice from its default to "18"`, `one settings drain_timeout from "9s" to its default`}, "one"},
		{"[defaults]\nlog_dir = moved\n", []string{`manager settings log_dir from its default to "moved"`,
			`one restart log_dir from its default to "moved", nice from "18" to its default`}, "one"},
		{"[defaults]\nlog_dir = moved\nlog_total_bytes = 8388608\n", []string{`manager settings log_total_bytes from its default to "8388608"`,
			`one restart log_total_bytes from its default to "8388608"`, `two restart log_total_bytes from its default to "8388608"`}, "one two"},
		{"", []string{`manager settings log_dir from "moved" to its default, log_total_bytes from "8388608" to its default`,
			`one restart log_dir from "moved" to its default, log_total_bytes from "8388608" to its default`,
			`two restart log_total_bytes from "8388608" to its default`}, "one two"},
	} {
		got := r.reload(l, test.defaults+sections)
		if !slices.Equal(got.changes, test.changes) {
			t.Errorf("%q: got the changes\n\t%q, want\n\t%q", test.defaults, got.changes, test.changes)
		}
		for _, section := range []string{"one", "two"} {
			if replaced := got.before[section] != got.after[section]; replaced != strings.Contains(test.replaced, section) {
				t.Errorf("%q: the worker of %s was %s and is %s", test.defaults, section, got.before[section], got.after[section])
			}
		}
		file := "run/logs/manager.log"
		if strings.Contains(test.defaults, "moved") {
			file = "moved/manager.log"
		}
		if _, err := os.Stat(filepath.Join(l.path, file)); err != nil {
			t.Error(err)
			continue
		}
		r.log.Info().Msg("after " + test.defaults)
		wait.Until(t, "a line in "+file, func() bool {
			return slices.ContainsFunc(l.records(file), func(r logs.Record) bool { return r.Message == "after "+test.defaults })
		})
		places, err := logs.Places(filepath.Join(l.path, "run"))
		if err != nil || places[0].File != filepath.Join(l.path, file) {
			t.Errorf("%q: the logs are said to be in %+v, %v", test.defaults, places, err)
		}
	}
	l.write("[defaults]\nlog_dir = service.ini\n%s", strings.ReplaceAll(sections, "[two]", "log_dir = own\n[two]"))
	if _, err := r.Reload(t.Context(), true, nil); err == nil || !strings.Contains(err.Error(), "service.ini:2: [defaults] log_dir: ") {
		t.Errorf("manager.log where it can't be: got %v", err)
	}
}

// The order of sections, and keys of one that is stopped.
func TestReloadOfSections(t *testing.T) {
	l := newLab(t)
	one, two := "[one]\nbinary = "+l.program("serve", "a", "1")+"\n", "[two]\nbinary = "+l.program("serve", "b", "2")+"\n"
	r := l.run(l.config("%s%s", one, two), Options{})
	r.until("ready", isReady)
	order := func() (names []string) {
		for _, s := range r.Status() {
			names = append(names, s.Section)
		}
		return names
	}
	got := r.reload(l, two+one)
	if len(got.changes) != 0 || !maps.Equal(got.before, got.after) || !slices.Equal(order(), []string{"two", "one"}) {
		t.Errorf("another order: got %+v, sections %v", got, order())
	}
	if err := r.Stop(t.Context(), "one", nil); err != nil {
		t.Fatal(err)
	}
	got = r.reload(l, two+one+"nice = 19\nmin_proc_num = 2\ndrain_timeout = 9s\n")
	want := []string{`one restart nice from its default to "19"`, `one scale min_proc_num from its default to "2"`,
		`one settings drain_timeout from its default to "9s"`}
	if !slices.Equal(got.changes, want) || got.after["one"] != "" || got.before["two"] != got.after["two"] || r.Status()[1].State != Stopped {
		t.Errorf("a stopped section: got %+v, %v, want %q", got, r.Status()[1].State, want)
	}
	if err := r.Start(t.Context(), "one", nil); err != nil {
		t.Fatal(err)
	}
	pids := strings.Fields(r.pids()["one"])
	if len(pids) != 2 {
		t.Fatalf("started again: got the workers %v", pids)
	}
	for _, w := range r.Status()[1].Workers {
		if nice, err := syscall.Getpriority(syscall.PRIO_PROCESS, w.PID); runtime.GOOS == "linux" && (nice != 1 || err != nil) { // 20 less nice
			t.Errorf("worker %d: got priority %d, %v", w.Number, nice, err)
		}
	}
}

// A program that is built in place of one that was ready, another type of its package, and a ready one again.
func TestReloadOfWhereAProgramComesFrom(t *testing.T) {
	l := newLab(t)
	const source = `package two

import "hotline"

type First struct {
	hotline.ServerMethodsBase ` + "`port:\"1\" name:\"first\"`" + `
}

func (*First) Tell() string { return "first" }

type Second struct {
	hotline.ServerMethodsBase ` + "`port:\"2\" name:\"second\"`" + `
}

func (*Second) Tell() string { return "second" }
`
	l.module(map[string]string{"two/two.go": source})
	other := "[other]\nbinary = " + l.program("serve", "other", "9") + "\n"
	ready := "binary = " + l.program("serve", "ready", "3") + "\n"
	r := l.run(l.config("%s[one]\n%s", other, ready), Options{})
	r.until("ready", isReady)
	for _, test := range []struct{ text, change, service string }{
		{"import_from = ./two\ntype = First\n", `import_from from its default to "./two", type from its default to "First", ` +
			`binary from "fake.serve.ready.3" to its default, the program has changed`, "first"},
		{"import_from = ./two\ntype = Second\n", `type from "First" to "Second", the program has changed`, "second"},
		{ready, `import_from from "./two" to its default, type from "Second" to its default, ` +
			`binary from its default to "fake.serve.ready.3", the program has changed`, "ready"},
	} {
		got := r.reload(l, other+"[one]\n"+test.text)
		if !slices.Equal(got.changes, []string{"one restart " + test.change}) {
			t.Errorf("%q: got the changes\n\t%q", test.text, got.changes)
		}
		if s := r.Status()[1]; len(s.Services) != 1 || s.Services[0].Name != test.service || got.before["one"] == got.after["one"] {
			t.Errorf("%q: got %+v, %+v", test.text, s, got)
		}
		if got.before["other"] != got.after["other"] {
			t.Errorf("%q: the other section's worker was %s and is %s", test.text, got.before["other"], got.after["other"])
		}
	}
	if err := r.stop(); err != nil {
		t.Error(err)
	}
	l.isClean()
}

// [web monitor], which says nothing yet, is no mistake, and is spoken of once.
func TestWebMonitorIsSpokenOf(t *testing.T) {
	l := newLab(t)
	one := "[one]\nbinary = " + l.program("serve", "a", "1") + "\n"
	const word = "service.ini: [web monitor] has no effect"
	r := l.run(l.config("%s", one), Options{})
	r.until("ready", isReady)
	for range 2 {
		if got := r.reload(l, "[web monitor]\nport = 80\n"+one); len(got.changes) > 0 {
			t.Errorf("got %q", got.changes)
		}
	}
	if err := r.stop(); err != nil {
		t.Error(err)
	}
	if n := strings.Count(r.out.String(), word); n != 1 {
		t.Errorf("it is spoken of %d times in\n%s", n, r.out)
	}
	again := l.run(l.config("[web monitor]\n%s", one), Options{})
	again.out.Has(t, word)
}
