//go:build unix

package manager

import (
	"slices"
	"strings"
	"testing"
	"time"

	"hotline/internal/logs"
)

// What people are told of a section is in manager.log, word for word, whatever was done to it.
func TestAllThatIsSaidIsLogged(t *testing.T) {
	l := newLab(t)
	l.program("serve", "a", "1")
	l.link("one", "serve", "a", "1")
	const text = "[defaults]\nlog_dir = logs\n[one]\nbinary = one\nmax_proc_num = 2\n"
	r := l.run(l.config(text), Options{RestartMin: time.Millisecond})
	r.until("ready", isReady)
	pid := r.Status()[0].Workers[0].PID
	kill(t, pid)
	r.until("another worker", func(w *WorkerStatus) bool { return w.State == Ready && w.PID != pid })
	r.must(r.Scale(t.Context(), "one", 2, nil))
	r.must(r.Restart(t.Context(), "one", nil))
	l.link("one", "crash", "a", "1")
	if err := r.Restart(t.Context(), "one", nil); err == nil {
		t.Error("a program that crashes has replaced another")
	}
	l.link("one", "serve", "a", "1")
	l.write("%smin_proc_num = 2\nrestart_max = 7s\n", text)
	_, err := r.Reload(t.Context(), false, nil)
	r.must(err)
	r.must(r.Drain(t.Context(), "one", nil))
	r.must(r.Start(t.Context(), "one", nil))
	r.must(r.Stop(t.Context(), "one", nil))
	r.must(r.stop())

	var logged []string
	for _, line := range l.records("logs/manager.log") {
		if line.Section == "one" && line.Stream == logs.Manager {
			first, _, _ := strings.Cut(line.Message, "\n")
			logged = append(logged, first)
		}
	}
	said := 0
	for line := range strings.Lines(r.out.String()) {
		words, ok := strings.CutPrefix(strings.TrimSuffix(line, "\n"), "one: ")
		if !ok || strings.Contains(words, " is ready on port ") { // which begins the report
			continue
		}
		said++
		if !slices.Contains(logged, words) {
			t.Errorf("manager.log has no %q, but\n%s", words, strings.Join(logged, "\n"))
		}
	}
	for _, want := range []string{"worker 1 ended (signal: killed) when ", "worker 1 is ready again, pid ", "worker 1 is replaced by worker 3",
		", which was to replace worker ", "scale: min_proc_num from its default to \"2\"", "settings: restart_max from ",
		"draining 2 workers", "stopping 2 workers", "worker 1 is asked to end when its calls have", "worker 1 is asked to end, and has 12s",
		"worker 1 has ended (exit status 0)", "ready: a 1.2.3 on port 1, 2 workers"} {
		if !slices.ContainsFunc(logged, func(line string) bool { return strings.Contains(line, want) }) {
			t.Errorf("manager.log has no %q, but\n%s", want, strings.Join(logged, "\n"))
		}
	}
	if said < 10 {
		t.Errorf("%d lines were said of the section:\n%s", said, r.out)
	}
	l.isClean()
}

// What those say who serve the manager to others goes to people and into the log, too.
func TestLoggerOfOthers(t *testing.T) {
	l := newLab(t)
	r := l.run(l.config("[defaults]\nlog_dir = logs\n[one]\nbinary = %s\n", l.program("serve", "a", "1")), Options{})
	r.until("ready", isReady)
	r.Logger().Warn().Str("section", "one").Uint32("uid", 7).Msg("control: refused")
	r.must(r.stop())
	r.out.Has(t, "WRN control: refused section=one uid=7\n")
	line := l.find("logs/manager.log", 0, "control: refused")
	if line.Section != "one" || line.Body() != "control: refused uid=7" || line.Level.String() != "warn" {
		t.Errorf("got %s", line.Line)
	}
}
