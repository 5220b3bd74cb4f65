//go:build unix

package hotline_test

import (
	"context"
	"errors"
	"syscall"
	"testing"
	"time"

	"hotline"
	"hotline/internal/wait"
)

// stop stops the process as a debugger or a frozen cgroup does, until it is killed. Its sockets still take connections.
func (p marksProcess) stop(t testing.TB) {
	t.Helper()
	if err := p.process.Signal(syscall.SIGSTOP); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(p.kill)
	var status syscall.WaitStatus
	for !status.Stopped() {
		if _, err := syscall.Wait4(p.process.Pid, &status, syscall.WUNTRACED, nil); err != nil && !errors.Is(err, syscall.EINTR) {
			t.Fatal(err)
		}
	}
}

// startHung starts processes that are ready in the directory, where others of them may be, and hang.
func startHung(t testing.TB, dir string, n, others int) {
	t.Helper()
	for i := range n {
		p := startMarks(t, dir)
		waitReady(t, dir, others+i+1, make(chan error, 1))
		p.stop(t)
	}
}

func connectMarks(t testing.TB, dir string, timeout time.Duration) *markClient {
	t.Helper()
	c := new(markClient)
	if err := (&hotline.Dialer{Dir: dir, Timeout: timeout}).Connect(t.Context(), c); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return c
}

// keepMarking makes calls that overlap until stop is called.
func keepMarking(t testing.TB, c *markClient) (stop func()) {
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan struct{}, 2)
	for range cap(done) {
		go func() {
			defer func() { done <- struct{}{} }()
			for ctx.Err() == nil {
				if err := c.More(ctx, 0); err != nil && ctx.Err() == nil {
					t.Errorf("More: %v", err)
					return
				}
			}
		}()
	}
	return func() {
		cancel()
		for range cap(done) {
			<-done
		}
	}
}

// TestHungInstanceHoldsUpNoOther: a new instance is linked while another one has not answered, however long that may take.
func TestHungInstanceHoldsUpNoOther(t *testing.T) {
	t.Parallel()
	dir := tempDir(t)
	startMarks(t, dir)
	waitReady(t, dir, 1, make(chan error, 1))
	c := connectMarks(t, dir, time.Hour)
	startHung(t, dir, 1, 1)
	stop := keepMarking(t, c)
	defer stop()
	wait.Until(t, "an attempt to link the instance that hangs", func() bool { return hotline.Joining(c.Client()) == 1 })
	startMarks(t, dir)
	wait.Until(t, "a link to the new instance", func() bool { return hotline.Links(c.Client()) == 2 })
	if n := hotline.Joining(c.Client()); n != 1 {
		t.Errorf("%d links are being made, want 1, to the instance that hangs", n)
	}
}

// TestHungInstanceIsLeftAlone: an instance that has not answered in time is not asked all the time.
func TestHungInstanceIsLeftAlone(t *testing.T) {
	t.Parallel()
	dir := tempDir(t)
	startMarks(t, dir)
	waitReady(t, dir, 1, make(chan error, 1))
	c := connectMarks(t, dir, 300*time.Millisecond)
	startHung(t, dir, 1, 1)
	stop := keepMarking(t, c)
	defer stop()
	wait.Until(t, "failures", func() bool { return hotline.Failing(c.Client()) == 1 })
	wait.Until(t, "a second without an attempt", func() bool { return hotline.Rest(c.Client()) > time.Second })
}

// TestCallsPassHungInstances: a client that has no link gets one to an instance that is ready though others hang: one that is
// there, and one that becomes ready while it waits.
func TestCallsPassHungInstances(t *testing.T) {
	t.Parallel()
	dir := tempDir(t)
	first := startMarks(t, dir)
	waitReady(t, dir, 1, make(chan error, 1))
	c := connectMarks(t, dir, time.Hour)
	startHung(t, dir, 3, 1)
	first.kill()
	ended := make(chan error, 1)
	go func() { ended <- c.More(t.Context(), 0) }()
	wait.Until(t, "a caller that waits", func() bool { return hotline.Waiting(c.Client()) })
	startMarks(t, dir)
	if err := wait.Receive(t, "the end of the call", ended); err != nil {
		t.Errorf("More: %v", err)
	}
	for range 3 { // the instances are tried in random order
		other := connectMarks(t, dir, time.Hour)
		if err := other.More(t.Context(), 0); err != nil {
			t.Errorf("More: %v", err)
		}
	}
}
