package hsem_test

import (
	"context"
	"errors"
	"fmt"
	"math"
	"os"
	"strconv"
	"sync"
	"syscall"
	"testing"
	"time"

	"hotline/hsem"
	"hotline/internal/wait"
)

func lock(t testing.TB, sem hsem.Semaphore) {
	t.Helper()
	wait.Return(t, "Lock", func() {
		if err := sem.Lock(context.Background()); err != nil {
			t.Errorf("Lock: %v", err)
		}
	})
}

func unlock(t testing.TB, sem hsem.Semaphore) {
	t.Helper()
	if err := sem.Unlock(); err != nil {
		t.Errorf("Unlock: %v", err)
	}
}

// both runs a test with each kind.
func both(t *testing.T, f func(t *testing.T, kind string)) {
	for _, kind := range kinds {
		t.Run(kind, func(t *testing.T) { f(t, kind) })
	}
}

// TestExclusion: a plain counter, added to by processes, by handles of one process, and by goroutines of one handle.
func TestExclusion(t *testing.T) {
	both(t, func(t *testing.T, kind string) {
		t.Run("processes", func(t *testing.T) { hammer(t, kind, 4, 10_000) })
		for _, spins := range []bool{true, false} {
			t.Run(fmt.Sprintf("handles and goroutines, spinning %v", spins), func(t *testing.T) {
				const handles, goroutines, rounds = 3, 3, 500
				_, name := create(t, kind, 1)
				count := 0
				var wg sync.WaitGroup
				for range handles {
					sem := connectWith(t, kind, name, spins)
					for range goroutines {
						wg.Go(func() {
							for range rounds {
								if err := sem.Lock(t.Context()); err != nil {
									t.Error(err)
									return
								}
								count++
								if err := sem.Unlock(); err != nil {
									t.Error(err)
									return
								}
							}
						})
					}
				}
				wait.Return(t, "counting", wg.Wait)
				if want := handles * goroutines * rounds; count != want {
					t.Errorf("counted to %d, want %d", count, want)
				}
			})
		}
	})
}

func connectWith(t testing.TB, kind, name string, spins bool) hsem.Semaphore {
	t.Helper()
	var opts []hsem.Option
	if !spins {
		opts = append(opts, hsem.MaxSpin(0))
	}
	var sem hsem.Semaphore
	var err error
	if kind == "posix" {
		sem, err = hsem.OpenPosix(name, hsem.ConnectToExisting, 1, 0, opts...)
	} else {
		sem, err = hsem.Open(name, hsem.ConnectToExisting, 1, 0, opts...)
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = sem.Close() })
	return sem
}

// TestHeld: what others learn while somebody holds it.
func TestHeld(t *testing.T) {
	both(t, func(t *testing.T, kind string) {
		holder, name := create(t, kind, 0) // 0: this handle has it
		other := connect(t, kind, name)
		for _, sem := range []hsem.Semaphore{holder, other} {
			if ok, err := sem.TryLock(); ok || err != nil {
				t.Errorf("TryLock: %v, %v", ok, err)
			}
			for _, d := range []time.Duration{-1, 0, 1, time.Millisecond, 100 * time.Millisecond} {
				if err := sem.LockTimeout(d); !errors.Is(err, context.DeadlineExceeded) {
					t.Errorf("LockTimeout(%v): %v", d, err)
				}
			}
			ctx, cancel := context.WithTimeout(t.Context(), 5*time.Millisecond)
			if err := sem.Lock(ctx); !errors.Is(err, context.DeadlineExceeded) {
				t.Errorf("Lock with a deadline: %v", err)
			}
			<-ctx.Done()
			cancel()
			if err := sem.Lock(ctx); !errors.Is(err, context.DeadlineExceeded) {
				t.Errorf("Lock with a context that has ended: %v", err)
			}
		}
		unlock(t, holder)
		if ok, err := other.TryLock(); !ok || err != nil {
			t.Errorf("TryLock of what is free: %v, %v", ok, err)
		}
		unlock(t, other)
		if err := holder.LockTimeout(0); err != nil {
			t.Errorf("LockTimeout(0) of what is free: %v", err)
		}
		errs := make(chan error)
		go func() { errs <- other.LockTimeout(math.MaxInt64) }() // the sum of now and that is no time
		time.Sleep(time.Millisecond)
		unlock(t, holder)
		wait.Return(t, "a very long LockTimeout", func() {
			if err := <-errs; err != nil {
				t.Errorf("LockTimeout(MaxInt64): %v", err)
			}
		})
	})
}

// waitingLocks starts n goroutines that wait through sem, and returns where their errors come.
func waitingLocks(ctx context.Context, sem hsem.Semaphore, n int) chan error {
	errs := make(chan error, n)
	for range n {
		go func() { errs <- sem.Lock(ctx) }()
	}
	return errs
}

func expectErrors(t *testing.T, what string, errs chan error, want error) {
	t.Helper()
	wait.Return(t, what, func() {
		for range cap(errs) {
			if err := <-errs; !errors.Is(err, want) {
				t.Errorf("Lock after %s: %v, want %v", what, err, want)
			}
		}
	})
}

// TestEndsOfWaits: cancel, Close and Destroy end the waits of several goroutines, of the handle that has it and another's.
func TestEndsOfWaits(t *testing.T) {
	both(t, func(t *testing.T, kind string) {
		for _, pause := range []time.Duration{0, 20 * time.Millisecond} { // before they wait, and when they do
			holder, name := create(t, kind, 0)
			for _, sem := range []hsem.Semaphore{holder, connect(t, kind, name)} {
				ctx, cancel := context.WithCancel(t.Context())
				errs := waitingLocks(ctx, sem, 3)
				time.Sleep(pause)
				cancel()
				expectErrors(t, "cancel", errs, context.Canceled)
			}
			closing := connect(t, kind, name)
			errs := waitingLocks(t.Context(), closing, 3)
			time.Sleep(pause)
			_ = closing.Close()
			expectErrors(t, "Close", errs, hsem.ErrClosed)
			for what, err := range map[string]error{
				"Lock": closing.Lock(t.Context()), "LockTimeout": closing.LockTimeout(0), "Unlock": closing.Unlock(),
				"Destroy": closing.Destroy(),
			} {
				if !errors.Is(err, hsem.ErrClosed) || !errors.Is(err, os.ErrClosed) {
					t.Errorf("%s after Close: %v", what, err)
				}
			}
			if ok, err := closing.TryLock(); ok || !errors.Is(err, hsem.ErrClosed) {
				t.Errorf("TryLock after Close: %v, %v", ok, err)
			}
			if err := closing.Close(); err != nil {
				t.Errorf("a second Close: %v", err)
			}

			other, third := connect(t, kind, name), start(t, "wait", kind, name)
			third.expect(t, "waiting")
			own, others := waitingLocks(t.Context(), holder, 3), waitingLocks(t.Context(), other, 3)
			time.Sleep(pause)
			if err := other.Destroy(); err != nil {
				t.Errorf("Destroy: %v", err)
			}
			expectErrors(t, "Destroy", own, hsem.ErrDestroyed)
			expectErrors(t, "Destroy", others, hsem.ErrDestroyed)
			third.expect(t, "destroyed")
			third.end(t)
			if err := holder.Unlock(); !errors.Is(err, hsem.ErrDestroyed) {
				t.Errorf("Unlock after Destroy: %v", err)
			}
			if ok, err := holder.TryLock(); ok || !errors.Is(err, hsem.ErrDestroyed) {
				t.Errorf("TryLock after Destroy: %v, %v", ok, err)
			}
			if err := holder.Destroy(); err != nil {
				t.Errorf("a second Destroy: %v", err)
			}
			if _, err := os.Lstat(filePath(kind, name)); !os.IsNotExist(err) {
				t.Errorf("the file after Destroy: %v", err)
			}
		}
	})
}

// TestManyWaiters: all of many processes get it in the end.
func TestManyWaiters(t *testing.T) {
	both(t, func(t *testing.T, kind string) {
		holder, name := create(t, kind, 0)
		var all []*child
		for range 12 {
			c := start(t, "wait", kind, name)
			c.expect(t, "waiting")
			all = append(all, c)
		}
		awaitSleeper(t, kind, name)
		unlock(t, holder)
		for _, c := range all {
			c.expect(t, "locked")
			c.end(t)
		}
		lock(t, holder)
	})
}

// TestNotOwner: only the handle that has the lock gives it up.
func TestNotOwner(t *testing.T) {
	free, name := create(t, "hybrid", 1)
	if err := free.Unlock(); !errors.Is(err, hsem.ErrNotOwner) {
		t.Errorf("Unlock of what is free: %v", err)
	}
	lock(t, free)
	other := connect(t, "hybrid", name)
	if err := other.Unlock(); !errors.Is(err, hsem.ErrNotOwner) {
		t.Errorf("Unlock by another handle: %v", err)
	}
	if ok, err := other.TryLock(); ok || err != nil {
		t.Errorf("TryLock after the wrong Unlock: %v, %v", ok, err)
	}
	done := make(chan error)
	go func() { done <- free.Unlock() }() // another goroutine, as with a sync.Mutex
	if err := <-done; err != nil {
		t.Errorf("Unlock by another goroutine: %v", err)
	}
}

// TestOwnerDied: exactly one of those who want it is told, whenever they come.
func TestOwnerDied(t *testing.T) {
	t.Run("nobody waits", func(t *testing.T) {
		sem, name := create(t, "hybrid", 1)
		for _, take := range []func() error{
			func() error { return sem.Lock(t.Context()) },
			func() error { return sem.LockTimeout(0) },
			func() error {
				ok, err := sem.TryLock()
				if !ok {
					return fmt.Errorf("TryLock: not taken: %v", err)
				}
				return err
			},
			func() error {
				late := connect(t, "hybrid", name) // its slot isn't the dead one's
				defer late.Unlock()
				return late.Lock(t.Context())
			},
		} {
			holdAndKill(t, name)
			wait.Return(t, "Lock after a death", func() {
				if err := take(); !errors.Is(err, hsem.ErrOwnerDied) {
					t.Errorf("got %v, want %v", err, hsem.ErrOwnerDied)
				}
			})
			_ = sem.Unlock()
			if err := sem.LockTimeout(0); err != nil {
				t.Errorf("Lock after the one that was told: %v", err)
			}
			unlock(t, sem)
		}
	})
	t.Run("several wait", func(t *testing.T) {
		sem, name := create(t, "hybrid", 1)
		holder := start(t, "hold", "hybrid", name)
		holder.expect(t, "locked")
		var all []*child
		for range 4 {
			c := start(t, "wait", "hybrid", name)
			c.expect(t, "waiting")
			all = append(all, c)
		}
		awaitSleeper(t, "hybrid", name)
		holder.kill()
		said := make(map[string]int)
		for _, c := range all {
			said[c.hear(t)]++
			c.end(t)
		}
		if said["owner-died"] != 1 || said["locked"] != 3 {
			t.Errorf("they say %v, want owner-died once and locked 3 times", said)
		}
		lock(t, sem)
	})
	t.Run("a sleeper is killed", func(t *testing.T) {
		sem, name := create(t, "hybrid", 0)
		doomed, other := start(t, "wait", "hybrid", name), start(t, "wait", "hybrid", name)
		doomed.expect(t, "waiting")
		other.expect(t, "waiting")
		awaitSleeper(t, "hybrid", name)
		doomed.kill()
		unlock(t, sem)
		other.expect(t, "locked")
		other.end(t)
	})
	t.Run("Close with the lock held", func(t *testing.T) {
		sem, name := create(t, "hybrid", 0)
		c := start(t, "wait", "hybrid", name)
		c.expect(t, "waiting")
		_ = sem.Close()
		c.expect(t, "owner-died")
		c.end(t)
	})
	t.Run("in another pid namespace", func(t *testing.T) {
		sem, name := create(t, "hybrid", 1)
		cmd := roleCmd(t, "hold", "hybrid", name)
		cmd.SysProcAttr = &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWPID}
		if os.Getuid() != 0 {
			cmd.SysProcAttr.Cloneflags |= syscall.CLONE_NEWUSER
			cmd.SysProcAttr.UidMappings = []syscall.SysProcIDMap{{ContainerID: os.Getuid(), HostID: os.Getuid(), Size: 1}}
		}
		holder, err := tryStart(t, cmd)
		if err != nil {
			t.Skip("no pid namespaces here:", err)
		}
		holder.expect(t, "locked")
		if err := sem.LockTimeout(200 * time.Millisecond); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("Lock while a process of another pid namespace has it: %v", err)
		}
		holder.kill()
		wait.Return(t, "Lock after a death", func() {
			if err := sem.Lock(t.Context()); !errors.Is(err, hsem.ErrOwnerDied) {
				t.Errorf("got %v, want %v", err, hsem.ErrOwnerDied)
			}
		})
	})
}

// holdAndKill lets another process die with the lock held.
func holdAndKill(t *testing.T, name string) {
	t.Helper()
	c := start(t, "hold", "hybrid", name)
	c.expect(t, "locked")
	c.kill()
}

// TestStoppedOwner: who is stopped is not dead.
func TestStoppedOwner(t *testing.T) {
	sem, name := create(t, "hybrid", 1)
	c := start(t, "hold", "hybrid", name)
	c.expect(t, "locked")
	c.signal(t, syscall.SIGSTOP)
	if err := sem.LockTimeout(300 * time.Millisecond); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("Lock while the owner is stopped: %v", err)
	}
	if ok, err := sem.TryLock(); ok || err != nil {
		t.Errorf("TryLock while the owner is stopped: %v, %v", ok, err)
	}
	c.signal(t, syscall.SIGCONT)
	c.tell(t)
	lock(t, sem)
	c.end(t)
}

// TestKillStorm kills processes that do nothing but lock and unlock, again and again. What they guard says whether it was
// left half done, and whoever finds it so must have been told.
func TestKillStorm(t *testing.T) {
	sem, name := create(t, "hybrid", 1)
	path, mem := newFile(t)
	const crowd, kills = 3, 30
	var all []*child
	add := func() {
		c := start(t, "doomed", "hybrid", name, path)
		c.expect(t, "running")
		all = append(all, c)
	}
	for range crowd {
		add()
	}
	for i := range kills {
		time.Sleep(time.Duration(i%7) * time.Millisecond)
		all[0].kill()
		all = all[1:]
		add()
	}
	for _, c := range all {
		c.kill()
	}
	wait.Return(t, "Lock when all have died", func() {
		err := sem.Lock(t.Context())
		if err != nil && !errors.Is(err, hsem.ErrOwnerDied) {
			t.Errorf("Lock: %v", err)
		}
		enter(mem, err)
	})
	if n := mem[8]; n != 0 {
		t.Errorf("%d times somebody found the work half done and was not told", n)
	}
	if counted(mem) == 0 {
		t.Error("nothing was done")
	}
	t.Logf("%d turns", counted(mem))
}

// TestIdle: who sleeps for a lock uses no CPU to speak of: a few ticks in 2 seconds, of 200, which leaves room for a runtime that
// just began and for a machine that is busy. BenchmarkIdle has the exact figure.
func TestIdle(t *testing.T) {
	both(t, func(t *testing.T, kind string) {
		holder, name := create(t, kind, 0)
		c := start(t, "idle", kind, name)
		c.expect(t, "waiting")
		time.Sleep(2 * time.Second)
		c.tell(t)
		used, err := strconv.Atoi(c.hear(t))
		if err != nil || used > 15 {
			t.Errorf("a process that waits uses %d ticks in 2 seconds, %v", used, err)
		}
		unlock(t, holder)
		c.end(t)
	})
}

// TestAllocations: a lock that is free costs none.
func TestAllocations(t *testing.T) {
	both(t, func(t *testing.T, kind string) {
		sem, _ := create(t, kind, 1)
		n := testing.AllocsPerRun(100, func() {
			lockErr, unlockErr := sem.Lock(context.Background()), sem.Unlock()
			if lockErr != nil || unlockErr != nil {
				t.Error(lockErr, unlockErr)
			}
		})
		if n != 0 {
			t.Errorf("Lock and Unlock allocate %v times", n)
		}
	})
}
