//go:build unix

package manager

import (
	"context"
	"strings"
	"testing"
	"time"

	"hotline"
	"hotline/internal/wait"
)

// renaming is a section [one] that the file has as [two], with a program that does not come to be ready.
type renaming struct {
	*running
	*lab
	t     *testing.T
	port  string
	first int // the pid of the worker of [one]
	c     *hotline.Client
}

const (
	renamingKeys    = "tcp_bind = 127.0.0.1\nrestart_min = 1ms\nrestart_max = 50ms\n"
	sectionOne      = "[one]\nbinary = one\n" + renamingKeys
	sectionTwo      = "[two]\nbinary = two\n" + renamingKeys
	noSection       = "the section is not in the file any more"
	noSectionUntil  = noSection + ": it ends when [two] serves a@1"
	sectionTwoFails = "section [two]: its workers end again and again"
	sectionOneKept  = "it is kept, as section [two], which is to serve a@1, is not ready: a reload removes it when that is"
)

func newRenaming(t *testing.T) *renaming {
	t.Helper()
	n := &renaming{lab: newLab(t), t: t, port: freePort(t)}
	n.link("one", "serve", "a", n.port)
	n.link("two", "crash", "a", n.port)
	n.running = n.run(n.config(sectionOne), Options{})
	n.until("ready", isReady)
	n.first = ask(t, n.port)
	c, err := hotline.Dial(t.Context(), n.port, "auto://")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	n.c = c
	n.write(sectionTwo)
	n.reload(true, Change{"one", Remove, noSectionUntil})
	return n
}

// serves fails the test where the first worker does not answer.
func (n *renaming) serves() {
	n.t.Helper()
	var got int
	if err := n.c.Call(n.t.Context(), "PID", &got, true); err != nil || got != n.first {
		n.t.Errorf("%d answers, and %v, want %d", got, err, n.first)
	}
}

// reload checks the last change of a reload, and what its error says.
func (n *renaming) reload(dry bool, change Change, want ...string) {
	n.t.Helper()
	changes, err := n.Reload(n.t.Context(), dry, nil)
	if i := len(changes); i == 0 || changes[i-1] != change {
		n.t.Errorf("Reload: got %v, want %v", changes, change)
	}
	if len(want) == 0 && err != nil {
		n.t.Errorf("Reload: %v", err)
	}
	for _, part := range want {
		if err == nil || !strings.Contains(err.Error(), part) {
			n.t.Errorf("Reload: got %v, want %s", err, part)
		}
	}
}

// A section is kept while the one that is to serve what it serves is not ready, and removed by a reload when that is.
func TestRenamedSectionThatFails(t *testing.T) {
	for _, test := range []struct {
		what    string
		do      func(*renaming)
		section string // that is there then
		state   State
	}{
		{"mended", func(n *renaming) {
			n.link("two", "serve", "a", n.port)
			if err := n.Restart(t.Context(), "two", nil); err != nil {
				n.t.Errorf("Restart: %v", err)
			}
			n.serves() // until a reload
			n.reload(false, Change{"one", Remove, noSectionUntil})
			if got := ask(n.t, n.port); got == n.first {
				n.t.Errorf("%d answers by TCP still", got)
			}
		}, "two", Ready},
		{"mended by a reload", func(n *renaming) {
			n.link("two", "serve", "a", n.port)
			n.reload(false, Change{"one", Remove, noSectionUntil})
		}, "two", Ready},
		{"taken back", func(n *renaming) {
			n.write(sectionOne)
			n.reload(false, Change{"two", Remove, noSection})
			n.serves()
		}, "one", Ready},
		{"stopped", func(n *renaming) {
			if err := n.Stop(t.Context(), "one", nil); err != nil {
				n.t.Errorf("Stop: %v", err)
			}
			n.reload(false, Change{"one", Remove, noSection})
		}, "two", Failed},
	} {
		t.Run(test.what, func(t *testing.T) {
			n := newRenaming(t)
			for range 2 {
				n.reload(false, Change{"one", Remove, noSectionUntil}, sectionTwoFails, "section [one]: "+sectionOneKept)
				n.serves()
			}
			n.out.Has(t, "one: "+sectionOneKept)
			if s := n.Status(); len(s) != 2 || s[0].State != Failed || s[1].Section != "one" || s[1].State != Ready {
				t.Errorf("got %+v", s)
			}
			test.do(n)
			if s := n.Status(); len(s) != 1 || s[0].Section != test.section || s[0].State != test.state {
				t.Errorf("got %+v", s)
			}
			if err := n.stop(); err != nil {
				t.Error(err)
			}
			n.isClean()
		})
	}
}

// What is under way with a section that is removed outlives stop_timeout and the caller of Reload, but not drain_timeout, nor Stop,
// nor the manager.
func TestRemovedSectionFinishesItsCalls(t *testing.T) {
	for _, test := range []struct {
		what string
		end  func(*running, *held)
		said string
		cut  bool
	}{
		{"its calls end", func(_ *running, h *held) { close(h.send) }, "lab: stopped", false},
		{"its time is over", func(r *running, _ *held) {
			p := r.allPools()[1]
			p.update(func() {
				s := *p.service
				s.DrainTimeout = time.Millisecond
				p.service = &s
			})
		}, "lab: worker 1 has not finished its calls within drain_timeout: it is stopped", true},
		{"it is stopped", func(r *running, _ *held) {
			if err := r.Stop(context.Background(), "lab", nil); err != nil {
				r.t.Errorf("Stop: %v", err)
			}
		}, "lab: stopped", true},
		{"the manager stops", func(r *running, _ *held) {
			if err := r.stop(); err != nil {
				r.t.Error(err)
			}
		}, "lab: stopped", true},
	} {
		t.Run(test.what, func(t *testing.T) {
			l := newLab(t)
			other := "[other]\nbinary = " + l.program("serve", "a", "1") + "\n"
			r := l.runLab(other)
			h := hold(t, connectLab(t))
			if test.cut {
				defer close(h.send)
			}
			l.write("%s", other)
			ctx, cancel := context.WithCancel(t.Context())
			said, done := new(lines), make(chan error, 1)
			go func() {
				_, err := r.Reload(ctx, false, said.say)
				done <- err
			}()
			wait.Until(t, "a word of the worker", func() bool { return said.says("lab: worker 1 still finishes ") || len(done) > 0 })
			cancel()
			h.works()
			if s := r.Status(); len(s) != 2 || s[1].Section != "lab" || s[1].State != Draining {
				t.Errorf("got %+v", s)
			}
			test.end(r, h)
			if err := wait.Receive(t, "the end of Reload", done); err != nil {
				t.Errorf("Reload: %v", err)
			}
			if err := wait.Receive(t, "the end of the stream", h.end); (err != nil) != test.cut {
				t.Errorf("the stream: %v", err)
			}
			said.has(t, "s (drain_timeout)")
			said.has(t, test.said)
			if s := r.Status(); len(s) != 1 || s[0].Section != "other" {
				t.Errorf("got %+v", s)
			}
			if err := r.stop(); err != nil {
				t.Error(err)
			}
			l.isClean()
		})
	}
}
