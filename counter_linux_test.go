package hotline_test

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"hotline"
	"hotline/internal/board"
	"hotline/internal/wait"
	"hotline/internal/worker"
)

// managed is what a manager holds of a worker, for a test.
type managed struct {
	control *worker.Control
	view    *board.View
	methods []string // service.Method, by number
}

// manage makes what a worker is started with: its settings, and the files that get the descriptors from first on.
func manage(t testing.TB, first int) (*managed, *worker.Settings, []*os.File) {
	t.Helper()
	control, theirs, err := worker.Pair()
	if err != nil {
		t.Fatal(err)
	}
	view, page, err := board.New(64, 2)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		control.Close()
		theirs.Close()
		page.Close()
		if err := view.Close(); err != nil {
			t.Error(err)
		}
	})
	s := &worker.Settings{Mode: worker.Run, ControlFD: first, BoardFD: first + 1}
	return &managed{control: control, view: view}, s, []*os.File{theirs, page}
}

// learn waits until the worker is ready and learns which methods it has.
func (m *managed) learn(t testing.TB) {
	t.Helper()
	said, err := m.control.Next()
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range said.Services {
		for _, method := range s.Methods {
			m.methods = append(m.methods, s.Name+"."+method.Name)
		}
	}
}

func (m *managed) read(t testing.TB) *board.Reading {
	t.Helper()
	r, err := m.view.Read()
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// method returns what a reading says of a method.
func (m *managed) method(t testing.TB, r *board.Reading, name string) *board.Method {
	t.Helper()
	i := slices.Index(m.methods, name)
	if i < 0 {
		t.Fatalf("no method %s in %v", name, m.methods)
	}
	return &r.Methods[i]
}

// startManagedPeer starts a peer as a manager starts a worker.
func startManagedPeer(t testing.TB) (dir string, peer *exec.Cmd, m *managed) {
	t.Helper()
	m, settings, files := manage(t, 3)
	entry, err := settings.Environ()
	if err != nil {
		t.Fatal(err)
	}
	dir, peer = startPeerAs(t, func(c *exec.Cmd) { c.Env, c.ExtraFiles = append(c.Env, entry), files })
	m.learn(t)
	return dir, peer, m
}

// serveManaged serves services in this process as if a manager had started it.
func serveManaged(t *testing.T, services ...any) (dir string, m *managed) {
	t.Helper()
	m, settings, files := manage(t, 0)
	for i, fd := range []*int{&settings.ControlFD, &settings.BoardFD} {
		own, err := unix.Dup(int(files[i].Fd()))
		if err != nil {
			t.Fatal(err)
		}
		*fd = own
	}
	entry, err := settings.Environ()
	if err != nil {
		t.Fatal(err)
	}
	t.Setenv(worker.Env, strings.TrimPrefix(entry, worker.Env+"="))
	dir = serve(t, new(hotline.Server), services...)
	m.learn(t)
	return dir, m
}

func TestCallsAreCounted(t *testing.T) {
	dir, m := serveManaged(t, new(echoServer), new(streamServer))
	d := &hotline.Dialer{Dir: dir}
	var echo echoClient
	var streams streamClient
	if err := errors.Join(d.Connect(t.Context(), &echo), d.Connect(t.Context(), &streams, "unix://")); err != nil {
		t.Fatal(err)
	}
	defer streams.Close()
	defer echo.Close()
	for range 100 {
		if _, err := echo.EchoRaw(t.Context(), []byte("abc")); err != nil {
			t.Fatal(err)
		}
	}
	for _, by := range []int{1, 2, 0} {
		echo.Divide(t.Context(), 5, by)
	}
	if err := echo.Panic(); err == nil {
		t.Error("Panic: got no error")
	}
	for range streams.Count(t.Context(), 20) {
	}
	for _, test := range []struct {
		method        string
		calls, errors uint64
	}{
		{"echo_serv.EchoRaw", 100, 0}, {"echo_serv.Divide", 3, 1}, {"echo_serv.Panic", 1, 1}, {"echo_serv.Sum", 0, 0},
		{"streams.Count", 1, 0},
	} {
		var got *board.Method
		wait.Until(t, "the end of "+test.method, func() bool { // a reply may be here before its call has ended there
			got = m.method(t, m.read(t), test.method)
			return got.Running == 0 && got.Calls >= test.calls
		})
		if got.Calls != test.calls || got.Errors != test.errors || got.Spent <= 0 != (test.calls == 0) {
			t.Errorf("%s: got %d calls, %d errors, %v spent, want %d and %d", test.method, got.Calls, got.Errors, got.Spent, test.calls, test.errors)
		}
	}
	if r := m.read(t); r.Running != 0 || len(r.Calls) != 0 || r.Busy <= 0 || r.Busy > r.Spent+time.Millisecond {
		t.Errorf("idle: got %+v", r.Load)
	}
}

// A stream is a call under way from the beginning to the end of its method.
func TestStreamIsCountedWhileItRuns(t *testing.T) {
	dir, m := serveManaged(t, new(streamServer))
	var c streamClient
	if err := (&hotline.Dialer{Dir: dir}).Connect(t.Context(), &c); err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	for range c.Endless(ctx) {
		r := m.read(t)
		if len(r.Calls) != 1 || r.Running != 1 || m.methods[r.Calls[0].Method] != "streams.Endless" {
			t.Errorf("in the stream: got %+v, %+v", r.Load, r.Calls)
		}
		break
	}
	wait.Until(t, "the end of the stream", func() bool { return m.read(t).Running == 0 })
	if got := m.method(t, m.read(t), "streams.Endless"); got.Calls != 1 || got.Running != 0 {
		t.Errorf("after the stream: got %d calls, %d running", got.Calls, got.Running)
	}
}

// The board of a worker that was stopped by a signal, or killed, says what it did.
func TestBoardOfStoppedWorker(t *testing.T) {
	dir, peer, m := startManagedPeer(t)
	var c echoClient
	if err := (&hotline.Dialer{Dir: dir}).Connect(t.Context(), &c); err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	for range 3 {
		go c.Sleep(context.Background(), time.Hour)
	}
	running := func() bool { return m.read(t).Running == 3 }
	wait.Until(t, "three calls under way", running)
	if err := peer.Process.Signal(syscall.SIGSTOP); err != nil {
		t.Fatal(err)
	}
	defer peer.Process.Kill()
	before := m.read(t)
	wait.Until(t, "time that goes on while the worker is stopped", func() bool {
		now := m.read(t)
		return now.Busy > before.Busy && now.Calls[0].Age > before.Calls[0].Age && now.Spent-before.Spent > now.Busy-before.Busy
	})
	for _, call := range m.read(t).Calls {
		if m.methods[call.Method] != "echo_serv.Sleep" {
			t.Errorf("under way: got %s", m.methods[call.Method])
		}
	}
	peer.Process.Kill()
	peer.Process.Wait()
	if !running() || len(m.read(t).Calls) != 3 {
		t.Errorf("after its death: got %+v", m.read(t).Calls)
	}
}

// A board that can't be used is left alone, and the services are served.
func TestServeWithUnusableBoard(t *testing.T) {
	m, settings, files := manage(t, 3)
	pipe, other, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer pipe.Close()
	defer other.Close()
	entry, err := settings.Environ()
	if err != nil {
		t.Fatal(err)
	}
	dir, _ := startPeerAs(t, func(c *exec.Cmd) { c.Env, c.ExtraFiles = append(c.Env, entry), []*os.File{files[0], pipe} })
	var c echoClient
	if err := (&hotline.Dialer{Dir: dir}).Connect(t.Context(), &c); err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if sum, err := c.Sum(t.Context(), 1, 2); err != nil || sum != 3 {
		t.Errorf("Sum: got %d, %v", sum, err)
	}
	if r := m.read(t); r.Attached || r.Running != 0 {
		t.Errorf("the board that the worker never saw: got %+v", r.Load)
	}
}

// BenchmarkCounted is BenchmarkRaw16 over shared memory with a worker that a manager watches, and one that nobody does.
func BenchmarkCounted(b *testing.B) {
	for _, managed := range []bool{false, true, false, true} {
		name, dir := "alone", ""
		if managed {
			name = "managed"
			dir, _, _ = startManagedPeer(b)
		} else {
			dir, _ = startPeer(b)
		}
		b.Run(name, func(b *testing.B) {
			c := connectEcho(b, dir, "shm://")
			data, ctx := make([]byte, 16), context.Background()
			measure(b, func() error {
				_, err := c.EchoRaw(ctx, data)
				return err
			})
		})
	}
}
