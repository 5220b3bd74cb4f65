package hsem_test

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"runtime"
	"strconv"
	"strings"
	"testing"
	"time"

	"hotline/hsem"
	"hotline/internal/wait"
)

// foreign is a program that knows the semaphore from its C library alone.
type foreign []string

// TestForeign: programs in C and Python and this package use the same semaphore.
func TestForeign(t *testing.T) {
	if runtime.GOARCH != "amd64" && runtime.GOARCH != "arm64" {
		t.Skip("no POSIX semaphores on", runtime.GOARCH)
	}
	t.Run("C", func(t *testing.T) { testForeign(t, foreign{compile(t, "posix.c")}) })
	t.Run("Python", func(t *testing.T) { testForeign(t, python(t)) })
}

// python is Python with the library that ctypes needs for it.
func python(t *testing.T) foreign {
	t.Helper()
	path, err := exec.LookPath("python3")
	if err != nil {
		t.Skip("no Python here:", err)
	}
	out, err := exec.Command(path, "-c", "import ctypes, sys; ctypes.CDLL(None).sem_open; print(sys.executable)").CombinedOutput()
	if err != nil {
		t.Skipf("Python has no sem_open here: %v\n%s", err, out)
	}
	return foreign{strings.TrimSpace(string(out)), "-I", "-S", "testdata/posix.py"}
}

func (f foreign) cmd(args ...string) *exec.Cmd {
	all := append(append([]string(nil), f...), args...)
	return exec.Command(all[0], all[1:]...)
}

// run runs it to its end, and returns what it says.
func (f foreign) run(t *testing.T, args ...string) string {
	t.Helper()
	var out string
	wait.Return(t, "a foreign program", func() {
		text, err := f.cmd(args...).CombinedOutput()
		if err != nil {
			t.Errorf("%v: %v\n%s", args, err, text)
		}
		out = strings.TrimSpace(string(text))
	})
	return out
}

func testForeign(t *testing.T, f foreign) {
	t.Run("ours, seen by it", func(t *testing.T) {
		sem, name := create(t, "posix", 1)
		value := func(want string) {
			t.Helper()
			if got := f.run(t, "value", "/"+name); got != want {
				t.Errorf("it sees the value %q, want %s", got, want)
			}
		}
		value("1")
		lock(t, sem)
		value("0")
		f.run(t, "timedwait", "/"+name, "20")
		f.run(t, "post", "/"+name)
		lock(t, sem)
		unlock(t, sem)
		unlock(t, sem)
		value("2")
		f.run(t, "unlink", "/"+name)
		if _, err := hsem.OpenPosix(name, hsem.ConnectToExisting, 1, 0); !errors.Is(err, hsem.ErrNoSuchSemaphore) {
			t.Errorf("Open after its sem_unlink: %v", err)
		}
		lock(t, sem) // who has it open goes on with it
	})
	t.Run("its, seen by us", func(t *testing.T) {
		name := newName(t)
		f.run(t, "create", "/"+name, "1")
		if _, err := hsem.OpenPosix("/"+name, hsem.CreateNewExclusive, 1, 0o600); !errors.Is(err, hsem.ErrSemaphoreExists) {
			t.Errorf("CreateNewExclusive of what it made: %v", err)
		}
		sem := connect(t, "posix", "/"+name)
		lock(t, sem)
		if ok, err := sem.TryLock(); ok || err != nil {
			t.Errorf("TryLock of what has the value 0: %v, %v", ok, err)
		}
		unlock(t, sem)
		if got := f.run(t, "value", "/"+name); got != "1" {
			t.Errorf("it sees the value %q after our Lock and Unlock, want 1", got)
		}
	})
	t.Run("we wake it", func(t *testing.T) {
		sem, name := create(t, "posix", 0)
		c := startCmd(t, f.cmd("wait", "/"+name))
		c.expect(t, "waiting")
		wait.Until(t, "it doesn't wait", func() bool { return posixWaiters(t, name) == 1 })
		unlock(t, sem)
		c.end(t)
	})
	t.Run("it wakes us", func(t *testing.T) {
		sem, name := create(t, "posix", 0)
		result := make(chan error, 1)
		go func() { result <- sem.Lock(context.Background()) }()
		wait.Until(t, "Lock doesn't wait", func() bool { return posixWaiters(t, name) == 1 })
		f.run(t, "post", "/"+name)
		wait.Return(t, "Lock after its sem_post", func() {
			if err := <-result; err != nil {
				t.Errorf("Lock: %v", err)
			}
		})
		if n := posixWaiters(t, name); n != 0 {
			t.Errorf("%d waiters are left", n)
		}
	})
	t.Run("both by turns", func(t *testing.T) {
		const rounds = 4000
		_, name := create(t, "posix", 1)
		path, mem := newFile(t)
		ours := start(t, "hammer", "posix", name, strconv.Itoa(rounds), path)
		ours.expect(t, "ready")
		its := startCmd(t, f.cmd("hammer", "/"+name, strconv.Itoa(rounds), path))
		ours.tell(t)
		ours.end(t)
		its.end(t)
		if got := counted(mem); got != 2*rounds {
			t.Errorf("counted to %d, want %d", got, 2*rounds)
		}
	})
	t.Run("our Destroy leaves it alone", func(t *testing.T) {
		sem, name := create(t, "posix", 0)
		c := startCmd(t, f.cmd("wait", "/"+name))
		c.expect(t, "waiting")
		wait.Until(t, "it doesn't wait", func() bool { return posixWaiters(t, name) == 1 })
		held, err := os.OpenFile(filePath("posix", name), os.O_RDWR, 0)
		if err != nil {
			t.Fatal(err)
		}
		defer held.Close()
		if err := sem.Destroy(); err != nil {
			t.Fatal(err)
		}
		var b [8]byte
		if _, err := held.ReadAt(b[:], 0); err != nil || b != [8]byte{4: 1} {
			t.Errorf("the semaphore that it waits for has %v, %v, want the value 0 and one waiter", b, err)
		}
	})
}

// posixWaiters returns how many waiters a semaphore's file says there are.
func posixWaiters(t *testing.T, name string) int {
	t.Helper()
	b, err := os.ReadFile(filePath("posix", name))
	if err != nil || len(b) != 32 {
		t.Fatalf("the semaphore's file: %d bytes, %v", len(b), err)
	}
	return int(b[4])
}

// TestPosixCounts: it has no owner, and counts.
func TestPosixCounts(t *testing.T) {
	sem, name := create(t, "posix", 0)
	for range 3 {
		unlock(t, sem)
	}
	other := connect(t, "posix", name)
	for range 3 {
		lock(t, other)
	}
	if err := other.LockTimeout(time.Millisecond); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("Lock of what has the value 0: %v", err)
	}
	if n := posixWaiters(t, name); n != 0 {
		t.Errorf("%d waiters are left", n)
	}
}

// TestPosixOverflow: the value has an end.
func TestPosixOverflow(t *testing.T) {
	sem, name := create(t, "posix", 1)
	overwrite(t, filePath("posix", name), 0, []byte{0xff, 0xff, 0xff, 0x7f})
	if err := sem.Unlock(); !errors.Is(err, hsem.ErrOverflow) {
		t.Errorf("Unlock at the largest value: %v", err)
	}
	lock(t, sem)
	unlock(t, sem)
}
