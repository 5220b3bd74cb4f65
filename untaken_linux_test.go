package hotline_test

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"

	"hotline"
	"hotline/internal/outcometest"
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
	wait.Until(t, "the server to have stopped", func() bool { return stopped(t, first.process.Pid) })
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

// stopped reports whether every thread of a process is stopped: a signal takes its time.
func stopped(t testing.TB, pid int) bool {
	stats, err := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/stat", pid))
	if err != nil || len(stats) == 0 {
		t.Fatalf("threads of process %d: %v", pid, err)
	}
	for _, name := range stats {
		stat, err := os.ReadFile(name)
		if _, state, ok := strings.Cut(string(stat), ") "); err != nil || !ok || state[0] != 'T' {
			return false
		}
	}
	return true
}
