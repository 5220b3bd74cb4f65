package hotline_test

import (
	"syscall"
	"testing"

	"hotline"
	"hotline/internal/procstat"
	"hotline/internal/transporttest"
	"hotline/internal/wait"
)

// TestFuturesAreWrittenTogether starts calls while a request is being written to a server that does not read: they go out
// together, in few writes, once it does.
func TestFuturesAreWrittenTogether(t *testing.T) {
	if _, err := transporttest.WriteCalls(); err != nil {
		t.Skipf("no accounting of system calls: %v", err)
	}
	dir, peer := startPeer(t)
	for _, by := range []string{"Go", "Start"} {
		t.Run(by, func(t *testing.T) {
			var c echoClient
			if err := (&hotline.Dialer{Dir: dir}).Connect(t.Context(), &c, "unix://"); err != nil {
				t.Fatal(err)
			}
			defer c.Close()
			if err := peer.Process.Signal(syscall.SIGSTOP); err != nil {
				t.Fatal(err)
			}
			defer peer.Process.Signal(syscall.SIGCONT)
			wait.Until(t, "the server to have stopped", func() bool { return procstat.Stopped(peer.Process.Pid) })
			large := hotline.Start(func() ([]byte, error) { return c.EchoRaw(t.Context(), make([]byte, 8<<20)) })
			wait.Until(t, "the request on its way", func() bool { return hotline.InFlight(c.Client()) == 1 })
			const calls = 1000
			sums := make([]int, calls)
			waits := make([]func() error, calls)
			for i := range calls {
				if by == "Go" {
					waits[i] = c.Client().Go(t.Context(), "Sum", &sums[i], i, 1).Wait
					continue
				}
				p := hotline.Start(func() (int, error) { return c.Sum(t.Context(), i, 1) })
				waits[i] = func() (err error) { sums[i], err = p.Wait(); return err }
			}
			wait.Until(t, "all requests made", func() bool { return hotline.InFlight(c.Client()) == calls+1 })
			before, err := transporttest.WriteCalls()
			if err != nil {
				t.Fatal(err)
			}
			if err := peer.Process.Signal(syscall.SIGCONT); err != nil {
				t.Fatal(err)
			}
			for i, f := range waits {
				if err := f(); err != nil || sums[i] != i+1 {
					t.Fatalf("call %d: %d, %v", i, sums[i], err)
				}
			}
			if b, err := large.Wait(); len(b) != 8<<20 || err != nil {
				t.Fatalf("%d bytes, %v", len(b), err)
			}
			after, err := transporttest.WriteCalls()
			if err != nil {
				t.Fatal(err)
			}
			// The large request itself takes some, and the runtime wakes its poller now and then.
			t.Logf("%d writes for %d calls", after-before, calls)
			if after-before > calls/4 {
				t.Errorf("%d writes for %d calls", after-before, calls)
			}
		})
	}
}
