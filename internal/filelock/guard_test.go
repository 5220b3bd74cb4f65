package filelock_test

import (
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"hotline/internal/filelock"
)

func TestGuardAdmitsOneAtATime(t *testing.T) {
	path := filepath.Join(t.TempDir(), "guard")
	var inside, total atomic.Int32
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			for range 20 {
				release, err := filelock.Guard(path, 30*time.Second)
				if err != nil {
					t.Error(err)
					return
				}
				if n := inside.Add(1); n != 1 {
					t.Errorf("%d holders at once", n)
				}
				total.Add(1)
				inside.Add(-1)
				release()
			}
		})
	}
	wg.Wait()
	if n := total.Load(); n != 160 {
		t.Errorf("held %d times, want 160", n)
	}
	if _, err := os.Lstat(path); !os.IsNotExist(err) {
		t.Errorf("the guard's file was left: %v", err)
	}
}
