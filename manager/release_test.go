//go:build unix

package manager

import (
	"errors"
	"strings"
	"testing"
	"time"

	"hotline"
	"hotline/internal/wait"
)

// held is a stream both ways that a test keeps open: what is sent comes back twice as large.
type held struct {
	t    *testing.T
	send chan int
	back chan int
	end  chan error // takes how it ended
}

// hold opens a stream.
func hold(t *testing.T, c *labClient) *held {
	t.Helper()
	h := &held{t, make(chan int), make(chan int, 1), make(chan error, 1)}
	numbers := func(yield func(int, error) bool) {
		for n := range h.send {
			if !yield(n, nil) {
				return
			}
		}
	}
	go func() {
		for n, err := range c.Twice(t.Context(), numbers) {
			if err != nil {
				h.end <- err
				return
			}
			h.back <- n
		}
		h.end <- nil
	}()
	h.works()
	return h
}

// works fails the test where the stream has ended.
func (h *held) works() {
	h.t.Helper()
	select {
	case h.send <- 21:
	case err := <-h.end:
		h.t.Fatalf("the stream has ended: %v", err)
	}
	select {
	case n := <-h.back:
		if n != 42 {
			h.t.Errorf("the stream gave %d, want 42", n)
		}
	case err := <-h.end:
		h.t.Fatalf("the stream has ended: %v", err)
	}
}

// connectLab returns a client of the lab's service, at an address or where there is none anywhere.
func connectLab(t *testing.T, addresses ...string) *labClient {
	t.Helper()
	c := new(labClient)
	if err := hotline.Connect(t.Context(), c, addresses...); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return c
}

// runLab runs the lab's service by a manager that often says what it waits for: less often than stop_timeout, so that what is
// there after such a word has outlived that.
func (l *lab) runLab(keys string) *running {
	l.t.Helper()
	m := l.manager(l.config("[lab]\nbinary = %s\nstop_timeout = 50ms\n%s", l.program("lab", "lab", "lab"), keys), Options{})
	m.noticeEvery, m.loadEvery = 200*time.Millisecond, 20*time.Millisecond
	r := l.runs(m)
	r.until("ready", isReady)
	return r
}

// says reports whether the command has said something.
func (l *lines) says(part string) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return strings.Contains(strings.Join(l.all, "\n"), part)
}

// What is under way with a worker that is replaced outlives stop_timeout, and who waits sees what for.
func TestReplacedWorkerFinishesItsCalls(t *testing.T) {
	r := newLab(t).runLab("")
	h := hold(t, connectLab(t))
	before, said, done := r.Status()[0].Workers[0].PID, new(lines), make(chan error, 1)
	go func() { done <- r.Restart(t.Context(), "lab", said.say) }()
	wait.Until(t, "a word of the old worker", func() bool {
		return said.says("lab: worker 1 still finishes ") || len(done) > 0
	})
	h.works()
	close(h.send)
	if err := wait.Receive(t, "the end of the stream", h.end); err != nil {
		t.Errorf("the stream: %v", err)
	}
	if err := wait.Receive(t, "the end of Restart", done); err != nil {
		t.Errorf("Restart: %v", err)
	}
	said.has(t, "s (drain_timeout)")
	if s := r.Status()[0]; len(s.Workers) != 1 || s.Workers[0].PID == before || s.Restarts != 0 {
		t.Errorf("got %+v", s)
	}
}

// A worker that is replaced does not wait for its calls for longer than drain_timeout, which may be changed meanwhile.
func TestReplacedWorkerIsBound(t *testing.T) {
	l := newLab(t)
	r := l.runLab("")
	h := hold(t, connectLab(t))
	defer close(h.send)
	said, done := new(lines), make(chan error, 1)
	go func() { done <- r.Restart(t.Context(), "lab", said.say) }()
	wait.Until(t, "a word of the old worker", func() bool {
		return said.says("lab: worker 1 still finishes ") || len(done) > 0
	})
	h.works()
	p, err := r.poolOf("lab")
	if err != nil {
		t.Fatal(err)
	}
	l.write("[lab]\nbinary = %s\nstop_timeout = 50ms\ndrain_timeout = 1s\n", l.program("lab", "lab", "lab"))
	next, err := Load(r.present().File)
	if err != nil {
		t.Fatal(err)
	}
	p.update(func() { p.adopt(&next.Services[0]) }) // as a reload does, which would wait for the restart
	if err := wait.Receive(t, "the end of the stream", h.end); err == nil {
		t.Error("the stream outlived drain_timeout")
	}
	if err := wait.Receive(t, "the end of Restart", done); err != nil {
		t.Errorf("Restart: %v", err)
	}
	said.has(t, "lab: worker 1 has not finished its calls within drain_timeout: it is stopped")
}

// While a worker drains, the section's end is that of the section: Stop keeps to stop_timeout.
func TestStopWhileAWorkerIsReplaced(t *testing.T) {
	r := newLab(t).runLab("")
	h := hold(t, connectLab(t))
	defer close(h.send)
	done := make(chan error, 1)
	go func() { done <- r.Restart(t.Context(), "lab", nil) }()
	wait.Until(t, "the old worker to drain", func() bool {
		s := r.Status()[0]
		return len(s.Workers) == 2 && s.Workers[0].State == Stopping || len(done) > 0
	})
	h.works()
	if err := r.Stop(t.Context(), "lab", nil); err != nil {
		t.Errorf("Stop: %v", err)
	}
	if err := wait.Receive(t, "the end of Restart", done); !errors.Is(err, ErrStopped) {
		t.Errorf("Restart: got %v", err)
	}
	if err := wait.Receive(t, "the end of the stream", h.end); err == nil {
		t.Error("the stream outlived stop_timeout")
	}
}
