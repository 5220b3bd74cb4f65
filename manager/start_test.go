//go:build unix

package manager

import (
	"errors"
	"os"
	"strings"
	"testing"
	"time"

	"hotline/internal/wait"
)

// The others are announced although one section will not be ready, whatever the reason; it is named.
func TestReadyButForOne(t *testing.T) {
	const last = "ready: 1 service, but for "
	for _, c := range []struct {
		name  string
		what  string              // the first section's program is, which never is ready
		keys  string              // of the first section
		after string              // of the second section
		do    func(*running)      // when the first section's worker has been started
		want  string              // in what is said
		state func(*running) bool // is true when it is said
	}{
		{"a crash loop", "crash", "", "", func(*running) {},
			last + "one, which failed: worker 1 ended before it was ready (exit status 3); stop with Ctrl-C\n",
			func(r *running) bool { return r.Status()[0].State == Failed }},
		{"late", "slow", "start_timeout = 1s\nrestart_min = 1h\nrestart_max = 1h\n", "", func(*running) {},
			last + "one, which is not ready yet: worker 1 was killed: it was not ready within 1s; stop with Ctrl-C\n",
			func(r *running) bool { return r.Status()[0].Workers[0].State == Waiting }},
		{"a crash loop that another waits for", "crash", "wait_until_completed = true\n", "", func(*running) {},
			"ready: 0 services, but for one, which failed: worker 1 ended before it was ready (exit status 3), " +
				"and for two, which waits for one; stop",
			func(r *running) bool { return r.Status()[0].State == Failed && r.Status()[1].State == Starting }},
		{"stopped", "slow", "", "", func(r *running) { r.must(r.Stop(r.t.Context(), "one", nil)) },
			last + "one, which is stopped; stop", func(r *running) bool { return r.Status()[0].State == Stopped }},
		{"drained", "slow", "", "", func(r *running) {
			wait.Return(r.t, "the end of a worker that is not ready to hear of a drain", func() {
				if err := r.Drain(r.t.Context(), "one", nil); err != nil {
					r.t.Error(err)
				}
			})
		}, last + "one, which is drained; stop", func(r *running) bool { return r.Status()[0].State == Stopped }},
		{"stopped, and another waits for it", "slow", "", "after = one\n", func(r *running) { r.must(r.Stop(r.t.Context(), "one", nil)) },
			"ready: 0 services, but for one, which is stopped, and for two, which waits for one; stop",
			func(r *running) bool { return r.Status()[1].State == Starting }},
		{"removed", "slow", "", "", func(r *running) {
			text, err := os.ReadFile(r.present().File)
			r.must(err)
			_, two, _ := strings.Cut(string(text), "[two]")
			r.must(os.WriteFile(r.present().File, []byte("[two]"+two), 0o600))
			_, err = r.Reload(r.t.Context(), false, nil)
			r.must(err)
		}, "ready: 1 service; stop", func(r *running) bool { return len(r.Status()) == 1 }},
	} {
		t.Run(c.name, func(t *testing.T) {
			l := newLab(t)
			r := l.run(l.config("[one]\nbinary = %s\n%s[two]\nbinary = %s\n%s", l.program(c.what, "a", "1"), c.keys,
				l.program("serve", "b", "2"), c.after), Options{RestartMin: time.Millisecond, RestartMax: time.Millisecond})
			wait.Until(t, "the first worker", func() bool {
				s := r.Status()
				return len(s) > 0 && len(s[0].Workers) > 0 && (s[0].Workers[0].PID != 0 || s[0].Workers[0].Restarts > 0)
			})
			if strings.Contains(r.out.String(), "; stop with Ctrl-C") && c.what == "slow" && c.keys == "" {
				t.Error("it was announced while a section was on its way")
			}
			c.do(r)
			r.out.Has(t, c.want)
			if !c.state(r) {
				t.Errorf("got %+v", r.Status())
			}
			if err := r.stop(); err != nil {
				t.Error(err)
			}
			l.isClean()
		})
	}
}

// must ends the test at an error.
func (r *running) must(err error) {
	r.t.Helper()
	if err != nil {
		r.t.Fatal(err)
	}
}

// A section that comes while the others start is waited for, too.
func TestReadyWithAnAddedSection(t *testing.T) {
	l := newLab(t)
	one, two := l.program("slow", "a", "1"), l.program("serve", "b", "2")
	r := l.run(l.config("[one]\nbinary = %s\n", one), Options{})
	r.until("the first worker", func(w *WorkerStatus) bool { return w.PID != 0 })
	l.write("[one]\nbinary = %s\n[two]\nbinary = %s\n", one, two)
	_, err := r.Reload(t.Context(), false, nil)
	r.must(errors.Join(err, r.Stop(t.Context(), "one", nil)))
	r.out.Has(t, "ready: 1 service, but for one, which is stopped; stop")
}

// A section that waits for one that is never ready begins when a reload says that it need not.
func TestReloadWhileOneWaits(t *testing.T) {
	l := newLab(t)
	text := "[one]\nbinary = " + l.program("slow", "a", "1") + "\n[two]\nbinary = " + l.program("serve", "b", "2") + "\n"
	r := l.run(l.config("%s", text+"after = one\n"), Options{})
	wait.Until(t, "the first section's worker", func() bool {
		s := r.Status()
		return len(s) == 2 && len(s[0].Workers) == 1 && s[0].Workers[0].PID != 0
	})
	if s := r.Status()[1]; s.State != Starting || len(s.Workers) > 0 && s.Workers[0].PID != 0 {
		t.Errorf("the section that waits: got %+v", s)
	}
	l.write("%s", text)
	if _, err := r.Reload(t.Context(), false, nil); err != nil {
		t.Error(err)
	}
	wait.Until(t, "the section that need not wait any more", func() bool { return r.Status()[1].State == Ready })
	r.must(r.stop())
	l.isClean()
}
