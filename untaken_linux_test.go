package hotline_test

import (
	"context"
	"path/filepath"
	"sync"
	"syscall"
	"testing"

	"hotline"
	"hotline/internal/outcometest"
	"hotline/internal/procstat"
	"hotline/internal/wait"
)

// TestUntakenCallGoesElsewhere: over shared memory a call that a killed server had not taken is known not to have
// been executed, and goes to another instance by itself, though it may not be made twice.
func TestUntakenCallGoesElsewhere(t *testing.T) {
	dir := tempDir(t)
	first := startMarks(t, dir)
	waitReady(t, dir, 1, make(chan error, 1))
	var c markClient
	d := &hotline.Dialer{Dir: dir}
	if err := d.Connect(t.Context(), &c, "shm://"); err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()

	if err := first.process.Signal(syscall.SIGSTOP); err != nil { // so that it takes nothing any more
		t.Fatal(err)
	}
	wait.Until(t, "the server to have stopped", func() bool { return procstat.Stopped(first.process.Pid) })
	const calls = 8
	var ledger outcometest.Ledger
	var group sync.WaitGroup
	for id := range uint64(calls) {
		group.Go(func() {
			if err := ledger.Call(ctx, id, false, func(ctx context.Context) error {
				err := c.Once(ctx, id)
				if err != nil {
					t.Errorf("call %d: %v", id, err)
				}
				return err
			}); err != nil {
				t.Error(err)
			}
		})
	}
	wait.Until(t, "calls in flight", func() bool { return hotline.InFlight(c.Client()) == calls })
	startMarks(t, dir)
	waitReady(t, dir, 2, make(chan error, 1))
	first.kill()
	group.Wait()
	ledger.Compare(t, outcometest.Marks(t, filepath.Join(dir, marksFile)))
}
