//go:build unix

package manager

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"hotline/internal/wait"
)

// write changes the lab's service.ini.
func (l *lab) write(format string, args ...any) {
	l.t.Helper()
	if err := os.WriteFile(filepath.Join(l.path, "service.ini"), fmt.Appendf(nil, format, args...), 0o600); err != nil {
		l.t.Fatal(err)
	}
}

// pids returns the processes of each section, by its name.
func (r *running) pids() map[string]string {
	all := map[string]string{}
	for _, s := range r.Status() {
		for _, w := range s.Workers {
			all[s.Section] += fmt.Sprint(w.PID, " ")
		}
	}
	return all
}

// A reload changes what the file changes, and nothing else.
func TestReload(t *testing.T) {
	l := newLab(t)
	port := freePort(t)
	a, b, c := l.program("serve", "a", port), l.program("serve", "b", "2"), l.program("serve", "c", "3")
	text := fmt.Sprintf("[same]\nbinary = %s\n", l.program("serve", "same", "9"))
	r := l.run(l.config("%s[one]\nbinary = %s\nmax_proc_num = 3\n[two]\nbinary = %s\n", text, a, b), Options{})
	r.until("ready", isReady)
	tests := []struct {
		name, text string
		want       string   // the changes
		kept       []string // sections whose workers are not touched
		workers    string   // how many each has then
	}{
		{"nothing", "[one]\nbinary = " + a + "\nmax_proc_num = 3 ; a comment\n\n[two]\nbinary = " + b, "", []string{"one", "two"}, "same 1, one 1, two 1"},
		{"scale up", "[one]\nbinary = " + a + "\nmin_proc_num = 2\nmax_proc_num = 3\n[two]\nbinary = " + b,
			`one scale min_proc_num from its default to "2"`, []string{"two"}, "same 1, one 2, two 1"},
		{"scale down", "[one]\nbinary = " + a + "\nmax_proc_num = 3\n[two]\nbinary = " + b,
			`one scale min_proc_num from "2" to its default`, []string{"two"}, "same 1, one 1, two 1"},
		{"settings", "[one]\nbinary = " + a + "\nmax_proc_num = 3\ndrain_timeout = 3s\nmax_proc_age = 1h\n[two]\nbinary = " + b + "\nafter = one",
			`one settings max_proc_age from its default to "1h", drain_timeout from its default to "3s"; two settings after from its default to "one"`,
			[]string{"one", "two"}, "same 1, one 1, two 1"},
		{"restart", "[one]\nbinary = " + a + "\ntcp_bind = 127.0.0.1\n[two]\nbinary = " + b + "\nlog_dir = others",
			`one restart tcp_bind from its default to "127.0.0.1"; one scale max_proc_num from "3" to its default; ` +
				`one settings max_proc_age from "1h" to its default, drain_timeout from "3s" to its default; ` +
				`two restart log_dir from its default to "others"; two settings after from "one" to its default`,
			nil, "same 1, one 1, two 1"},
		{"add and remove", "[one]\nbinary = " + a + "\ntcp_bind = 127.0.0.1\n[three]\nbinary = " + c + "\nmin_proc_num = 2",
			"three add the section is new; two remove the section is not in the file any more", []string{"one"}, "same 1, one 1, three 2"},
		{"back", "[one]\nbinary = " + a + "\n[two]\nbinary = " + b,
			`one restart tcp_bind from "127.0.0.1" to its default; two add the section is new; three remove the section is not in the file any more`,
			nil, "same 1, one 1, two 1"},
	}
	for _, test := range tests {
		before := r.pids()
		l.write("%s%s\n", text, test.text)
		for _, dry := range []bool{true, false} {
			changes, err := r.Reload(t.Context(), dry, nil)
			if err != nil {
				t.Fatalf("%s: %v", test.name, err)
			}
			var got []string
			for _, c := range changes {
				got = append(got, fmt.Sprint(c.Section, " ", c.Action, " ", c.Why))
			}
			if got := strings.Join(got, "; "); got != test.want {
				t.Errorf("%s: got the changes\n\t%s\nwant\n\t%s", test.name, got, test.want)
			}
			if after := r.pids(); dry && fmt.Sprint(after) != fmt.Sprint(before) {
				t.Errorf("%s: a dry run changed %v to %v", test.name, before, after)
			}
		}
		workers := func() string {
			var all []string
			for _, s := range r.Status() {
				all = append(all, fmt.Sprint(s.Section, " ", ready(s)))
			}
			return strings.Join(all, ", ")
		}
		wait.Until(t, test.name+": the workers", func() bool { return workers() == test.workers })
		after := r.pids()
		for _, section := range append(test.kept, "same") {
			if before[section] != after[section] {
				t.Errorf("%s: the workers of %s were %s and are %s", test.name, section, before[section], after[section])
			}
		}
		if strings.Contains(test.want, "one restart") && before["one"] == after["one"] {
			t.Errorf("%s: one was not restarted", test.name)
		}
	}
	if _, err := os.Stat(filepath.Join(l.path, "others", "two.log")); err != nil {
		t.Error(err)
	}
	if err := r.stop(); err != nil {
		t.Error(err)
	}
	l.isClean()
}

// What is wrong changes nothing, and is said.
func TestReloadRefuses(t *testing.T) {
	l := newLab(t)
	a := l.program("serve", "a", "1")
	good := "[one]\nbinary = " + a + "\n"
	r := l.run(l.config("%s", good), Options{StartTimeout: time.Minute})
	r.until("ready", isReady)
	before := fmt.Sprint(r.pids())
	for _, test := range []struct{ text, want string }{
		{"[one]\nbinary = " + a + "\nmin_proc_num = 0\n", "service.ini:3: [one] min_proc_num: 0 is out of range"},
		{"[one\n", "service.ini:1: "},
		{good + "[two]\nbinary = " + l.program("broken", "b", "2") + "\n", "service.ini:4: [two] binary: the program can't serve"},
		{good + "[two]\nbinary = " + a + "\n", "service.ini:3: [two]: a@1 is already served by section [one]"},
		{good + "[two]\nbinary = " + l.program("serve", "c", "1") + "\n", "port 1 of c@1 is that of a@1"},
		{"[one]\nbinary = " + l.program("serve", "a", "2") + "\n", "service.ini:1: [one]: it serves a@1 on port 2 now, and its workers serve a@1 on port 1"},
		{"[one]\nbinary = " + a + "\nlog_dir = service.ini\n", "service.ini:3: [one] log_dir: make the directory"},
		{"[one]\nbinary = " + l.program("crash", "a", "1") + "\n", "section [one]: the new worker ended before it was ready"},
	} {
		l.write("%s", test.text)
		_, err := r.Reload(t.Context(), false, nil)
		if err == nil || !strings.Contains(err.Error(), test.want) {
			t.Errorf("%q: got %v, want %s", test.text, err, test.want)
		}
		wait.Until(t, "the old state", func() bool { return fmt.Sprint(r.pids()) == before })
	}
	if err := os.Remove(filepath.Join(l.path, "service.ini")); err != nil {
		t.Fatal(err)
	}
	if _, err := r.Reload(t.Context(), false, nil); err == nil || !strings.Contains(err.Error(), "read the configuration") {
		t.Errorf("no file: got %v", err)
	}
	l.write("%s", good)
	if changes, err := r.Reload(t.Context(), false, nil); err != nil || len(changes) != 0 {
		t.Errorf("what runs: got %v, %v", changes, err)
	}
}

// A program that has changed is noticed by its bytes.
func TestReloadOfAProgram(t *testing.T) {
	l := newLab(t)
	l.link("one", "serve", "a", "1")
	r := l.run(l.config("[one]\nbinary = one\n"), Options{})
	r.until("ready", isReady)
	before := r.Status()[0]
	l.link("one", "real", "a", "1")
	changes, err := r.Reload(t.Context(), false, nil)
	if err != nil || len(changes) != 1 || changes[0] != (Change{"one", Replace, "the program has changed"}) {
		t.Fatalf("got %v, %v", changes, err)
	}
	after := r.Status()[0]
	if after.Build == before.Build || after.Generation != 2 || after.Workers[0].PID == before.Workers[0].PID {
		t.Errorf("before %+v, after %+v", before, after)
	}
}

// A new section that waits for one which won't be ready by itself is not waited for: else no other section could be changed
// meanwhile. It starts when that is ready.
func TestReloadOfASectionThatWaits(t *testing.T) {
	l := newLab(t)
	l.link("one", "crash", "a", "1")
	l.program("serve", "a", "1")
	const text = "[one]\nbinary = one\nrestart_min = 1ms\nrestart_max = 50ms\n[other]\nbinary = "
	other := l.program("serve", "b", "2")
	r := l.run(l.config("%s%s\n", text, other), Options{})
	wait.Until(t, "the failure", func() bool { s := r.Status(); return len(s) > 0 && s[0].State == Failed })
	ctx := t.Context()
	for _, test := range []struct {
		section, program, after, want string
		before                        func() error
	}{
		{"two", l.program("serve", "c", "3"), "one", "section [two] waits for another: section [one]: its workers end again and again",
			func() error { return nil }},
		{"three", l.program("serve", "d", "4"), "two", "section [three] waits for another: section [two] waits for another: section [one]: it is stopped",
			func() error { return r.Stop(ctx, "one", nil) }},
	} {
		if err := test.before(); err != nil {
			t.Fatal(err)
		}
		other += "\n[" + test.section + "]\nbinary = " + test.program + "\nafter = " + test.after
		l.write("%s%s\n", text, other)
		if _, err := r.Reload(ctx, false, nil); err == nil || !strings.Contains(err.Error(), test.want) {
			t.Errorf("Reload with a new section %s: got %v, want %s", test.section, err, test.want)
		}
		if err := r.Start(ctx, test.section, nil); err == nil || !strings.Contains(err.Error(), test.want) {
			t.Errorf("Start of %s: got %v, want %s", test.section, err, test.want)
		}
		if err := r.Restart(ctx, "other", nil); err != nil {
			t.Errorf("Restart of another section: %v", err)
		}
	}
	said := new(lines)
	if err := r.Restart(ctx, "two", said.say); err != nil {
		t.Errorf("Restart of a section that waits: %v", err)
	}
	said.has(t, "two: has not been started yet")
	l.link("one", "serve", "a", "1")
	if err := r.Restart(ctx, "one", nil); !errors.Is(err, ErrStopped) {
		t.Errorf("Restart of what is stopped: %v", err)
	}
	if err := r.Start(ctx, "one", nil); err != nil {
		t.Error(err)
	}
	r.until("all ready", isReady)
	if s := r.Status()[2]; s.Section != "two" || s.Workers[0].Generation != 2 {
		t.Errorf("got %+v", s)
	}
}

// A command that shows what happens does so from the beginning of a section that a reload adds.
func TestReloadShowsProgress(t *testing.T) {
	l := newLab(t)
	text := "[one]\nbinary = " + l.program("serve", "a", "1") + "\n"
	r := l.run(l.config("%s", text), Options{})
	r.until("ready", isReady)
	l.write("%s[two]\nbinary = %s\n[three]\nbinary = %s\nmin_proc_num = 2\n", text, l.program("serve", "b", "2"), l.program("serve", "c", "3"))
	unlock, err := r.change(t.Context(), nil)
	if err != nil {
		t.Fatal(err)
	}
	said, done := new(lines), make(chan error, 1)
	go func() {
		_, err := r.Reload(t.Context(), false, said.say)
		done <- err
	}()
	wait.Until(t, "the reload to wait", func() bool { return said.says("waiting for another command to end") })
	unlock()
	if err := wait.Receive(t, "the end of the reload", done); err != nil {
		t.Error(err)
	}
	for _, part := range []string{"two: add: the section is new", "two: worker 1 is ready, pid ", "three: worker 1 is ready, pid ", "three: worker 2 is ready, pid "} {
		said.has(t, part)
	}
}

// A command that waits for a section which a reload removes says so.
func TestStartOfARemovedSection(t *testing.T) {
	l := newLab(t)
	text := "[one]\nbinary = " + l.program("serve", "a", "1") + "\n"
	r := l.run(l.config("%s[two]\nbinary = %s\n", text, l.program("slow", "b", "2")), Options{})
	wait.Until(t, "the first section", func() bool { s := r.Status(); return len(s) > 0 && s[0].State == Ready })
	p, err := r.poolOf("two")
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan error, 1)
	go func() { done <- r.Start(t.Context(), "two", new(lines).say) }()
	wait.Until(t, "Start to wait", func() bool { return p.listening() == 1 })
	l.write("%s", text)
	if _, err := r.Reload(t.Context(), false, nil); err != nil {
		t.Fatal(err)
	}
	const gone = "section [two]: there is no such section: it is not in the file any more"
	if err := wait.Receive(t, "the end of Start", done); err == nil || err.Error() != gone {
		t.Errorf("Start: got %v, want %s", err, gone)
	}
	if _, err := r.reopen(t.Context(), p, nil); err == nil || err.Error() != gone { // it came before the reload
		t.Errorf("reopen: got %v, want %s", err, gone)
	}
	r.out.Has(t, "ready: 1 service;") // the other one is not waited for any more
	stopped := false
	err = p.await(t.Context(), nil, func() { p.say("stopping") }, func() (bool, error) { stopped = p.isEmpty(); return stopped, nil })
	if err != nil || !stopped {
		t.Errorf("Stop that came before the reload: %v", err)
	}
}

// listening returns how many commands show what is said.
func (p *pool) listening() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return len(p.listeners)
}

// A Start that waits for calls to end keeps no other section from being changed.
func TestStartWhileDraining(t *testing.T) {
	l := newLab(t)
	r := l.runLab("[other]\nbinary = " + l.program("serve", "a", "1") + "\n")
	h := hold(t, connectLab(t))
	p, err := r.poolOf("lab")
	if err != nil {
		t.Fatal(err)
	}
	drained, started := make(chan error, 1), make(chan error, 1)
	go func() { drained <- r.Drain(t.Context(), "lab", new(lines).say) }()
	wait.Until(t, "the drain", func() bool { return r.Status()[0].State == Draining })
	go func() { started <- r.Start(t.Context(), "lab", new(lines).say) }()
	wait.Until(t, "Start to wait", func() bool { return p.listening() == 2 })
	if err := r.Restart(t.Context(), "other", nil); err != nil {
		t.Errorf("Restart of another section: %v", err)
	}
	h.works()
	close(h.send)
	if err := wait.Receive(t, "the end of the drain", drained); err != nil && !strings.Contains(err.Error(), "was started again meanwhile") {
		t.Errorf("Drain: %v", err)
	}
	if err := wait.Receive(t, "the end of Start", started); err != nil {
		t.Errorf("Start: %v", err)
	}
	if s := r.Status()[0]; s.State != Ready {
		t.Errorf("got %+v", s)
	}
}
