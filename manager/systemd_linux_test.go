package manager

import (
	"context"
	"errors"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"hotline/internal/wait"
	"hotline/manager/internal/systemd"
)

func TestStatusLine(t *testing.T) {
	section := func(name string, states ...State) SectionStatus {
		s := SectionStatus{Section: name, State: Ready, Wanted: len(states)}
		for _, state := range states {
			s.Workers = append(s.Workers, WorkerStatus{State: state})
		}
		return s
	}
	rolling := section("r", Ready, Starting, Stopping)
	rolling.Wanted = 1
	failed, unstable := section("f", Ready, Waiting), section("u", Ready)
	failed.State, failed.LastEnd = Failed, "worker 2 ended before it was ready (exit status 3):\n    no model here"
	unstable.State, unstable.LastEnd = Failed, "worker 1 ended (signal: killed)"
	stopped := section("s")
	stopped.State, stopped.Wanted = Stopped, 2
	for _, c := range []struct {
		sections []SectionStatus
		want     string
	}{
		{[]SectionStatus{rolling, stopped}, "2 sections, 1 worker ready; stopped: s"},
		{nil, "building"},
		{[]SectionStatus{failed, stopped, section("a", Ready)},
			"2 of 3 workers ready; not all of f 1/2; failed: f (worker 2 ended before it was ready (exit status 3)); stopped: s"},
		{[]SectionStatus{unstable}, "1 section, 1 worker ready; failed: u (worker 1 ended (signal: killed))"},
		{[]SectionStatus{section("a", Ready), section("b", Ready, Ready)}, "2 sections, 3 workers ready"},
		{[]SectionStatus{section("b", Waiting), section("a", Ready, Starting)}, "1 of 3 workers ready; not all of a 1/2, b 0/1"},
	} {
		if got := statusLine(c.sections); got != c.want {
			t.Errorf("got %q, want %q", got, c.want)
		}
	}
}

// The watchdog hears nothing of a manager in which a section's goroutine hangs, though its status can be read.
func TestLookWaitsForSections(t *testing.T) {
	l := newLab(t)
	r := l.run(l.config("[one]\nbinary = %s\n", l.program("serve", "a", "1")), Options{})
	r.until("ready", isReady)
	if line, err := r.look(t.Context()); line != "1 section, 1 worker ready" || err != nil {
		t.Errorf("got %q, %v", line, err)
	}
	p, hold := r.allPools()[0], make(chan struct{})
	hangs := make(chan struct{})
	p.update(func() {
		p.said = append(p.said, func() {
			close(hangs)
			<-hold
		})
	})
	wait.Receive(t, "the goroutine", hangs)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if line, err := r.look(ctx); !errors.Is(err, context.Canceled) {
		t.Errorf("while it hangs: got %q, %v", line, err)
	}
	if s := r.Status(); len(s) != 1 || s[0].State != Ready {
		t.Errorf("its status: got %+v", s)
	}
	close(hold)
	if _, err := r.look(t.Context()); err != nil {
		t.Error(err)
	}
}

// One section that crashes from its first start on does not keep systemd waiting for the others, and is named.
func TestSystemdHearsReadyButForOne(t *testing.T) {
	l := newLab(t)
	sock, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: filepath.Join(l.path, "notify"), Net: "unixgram"})
	if err != nil {
		t.Fatal(err)
	}
	heard := make(chan string, 1000)
	go func() {
		defer close(heard)
		for b := make([]byte, 4096); ; {
			n, err := sock.Read(b)
			if err != nil {
				return
			}
			heard <- string(b[:n])
		}
	}()
	t.Setenv("NOTIFY_SOCKET", sock.LocalAddr().String())
	r := l.run(l.config("[one]\nbinary = %s\n[two]\nbinary = %s\n", l.program("crash", "a", "1"), l.program("serve", "b", "2")),
		Options{Systemd: true, RestartMin: time.Millisecond, RestartMax: time.Millisecond})
	const failed = "1 of 2 workers ready; not all of one 0/1; failed: one (worker 1 ended before it was ready (exit status 3))"
	for got := ""; !strings.HasPrefix(got, "READY=1"); {
		if got = wait.Receive(t, "READY=1", heard); strings.HasPrefix(got, "READY=1") && got != "READY=1\nSTATUS="+failed {
			t.Errorf("systemd heard %q, want %s", got, failed)
		}
	}
	r.must(r.stop())
	sock.Close()
	for range heard { // until nobody reads any more
	}
}

// A socket of systemd is there for a section as often as that opens its ports: when it is started again, and for a new one.
func TestSocketIsTakenAgain(t *testing.T) {
	l := newLab(t)
	port := freePort(t)
	f, err := listenTCP("127.0.0.1", port)
	if err != nil {
		t.Fatal(err)
	}
	program := l.program("serve", "a", port)
	m := l.manager(l.config("[one]\nbinary = %s\ntcp_bind = 127.0.0.1\n", program), Options{})
	if m.systemd, err = systemd.NewWithFiles([]*os.File{f}, func(err error) { t.Error(err) }); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(m.systemd.Close) // after the manager has ended
	r := l.runs(m)
	r.until("ready", isReady)
	ask(t, port)
	if err := errors.Join(r.Stop(t.Context(), "one", nil), r.Start(t.Context(), "one", nil)); err != nil {
		t.Fatal(err)
	}
	ask(t, port)
	for _, text := range []string{"[other]\nbinary = %s\n", "[one]\nbinary = %s\ntcp_bind = 127.0.0.1\n"} {
		l.write(text, program)
		if _, err := r.Reload(t.Context(), false, nil); err != nil && !strings.Contains(err.Error(), "is already served by a running instance") {
			t.Fatal(err)
		}
	}
	ask(t, port)

	l.write("[one]\nbinary = %s\ntcp_bind = 0.0.0.0\n", program)
	_, err = r.Reload(t.Context(), false, nil)
	const want = "systemd has it open at 127.0.0.1, and it can't be opened at 0.0.0.0 beside that: change ListenStream"
	if err == nil || !strings.Contains(err.Error(), want) {
		t.Errorf("a reload to another address: got %v, want %s", err, want)
	}
	ask(t, port)
}
