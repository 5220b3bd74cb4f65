package hsem_test

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"hotline/hsem"
	"hotline/internal/wait"
)

func TestModes(t *testing.T) {
	both(t, func(t *testing.T, kind string) {
		name := newName(t)
		open := func(mode hsem.Mode) (hsem.Semaphore, error) {
			sem, err := openKind(kind, name, mode, 1)
			if err == nil {
				t.Cleanup(func() { _ = sem.Close() })
			}
			return sem, err
		}
		if _, err := open(hsem.ConnectToExisting); !errors.Is(err, hsem.ErrNoSuchSemaphore) {
			t.Errorf("ConnectToExisting, none: %v", err)
		}
		a, err := open(hsem.ConnectOrCreate)
		if err != nil {
			t.Fatalf("ConnectOrCreate, none: %v", err)
		}
		b, err := open(hsem.ConnectOrCreate)
		if err != nil {
			t.Fatalf("ConnectOrCreate, one: %v", err)
		}
		lock(t, a)
		if ok, err := b.TryLock(); ok || err != nil {
			t.Errorf("ConnectOrCreate gives another one: %v, %v", ok, err)
		}
		if _, err := open(hsem.CreateNewExclusive); !errors.Is(err, hsem.ErrSemaphoreExists) {
			t.Errorf("CreateNewExclusive, one: %v", err)
		}
		waits := waitingLocks(t.Context(), b, 2)
		c, err := open(hsem.CreateNewOverwrite)
		if err != nil {
			t.Fatalf("CreateNewOverwrite, one: %v", err)
		}
		expectErrors(t, "CreateNewOverwrite", waits, hsem.ErrDestroyed)
		lock(t, c) // the new one is free
		if err := a.Destroy(); err != nil {
			t.Errorf("Destroy of the old one: %v", err)
		}
		d, err := open(hsem.ConnectToExisting)
		if err != nil {
			t.Fatalf("ConnectToExisting after Destroy of the old one: %v", err)
		}
		if ok, err := d.TryLock(); ok || err != nil {
			t.Errorf("ConnectToExisting after CreateNewOverwrite: %v, %v", ok, err)
		}
		if err := d.Destroy(); err != nil {
			t.Errorf("Destroy: %v", err)
		}
		if _, err := open(hsem.ConnectToExisting); !errors.Is(err, hsem.ErrNoSuchSemaphore) {
			t.Errorf("ConnectToExisting after Destroy: %v", err)
		}
		if _, err := open(hsem.CreateNewExclusive); err != nil {
			t.Errorf("CreateNewExclusive after Destroy: %v", err)
		}
	})
}

func TestBadArguments(t *testing.T) {
	both(t, func(t *testing.T, kind string) {
		for _, c := range []struct {
			name    string
			mode    hsem.Mode
			initial int
			says    string
		}{
			{"", 0, 1, "empty"},
			{"/", 0, 1, "empty"},
			{"a/b", 0, 1, "slash"},
			{"/../x", 0, 1, "slash"},
			{"a\x00b", 0, 1, "zero byte"},
			{strings.Repeat("x", 241), 0, 1, "241 bytes"},
			{"x", -1, 1, "Mode(-1)"},
			{"x", 4, 1, "Mode(4)"},
			{"x", 0, -1, "0 or 1"},
			{"x", 0, 2, "0 or 1"},
		} {
			sem, err := openKind(kind, c.name, c.mode, c.initial)
			if err == nil {
				_ = sem.Destroy()
				_ = sem.Close()
			}
			if err == nil || !strings.Contains(err.Error(), c.says) {
				t.Errorf("Open(%q, %v, %d): %v, want an error about %q", c.name, c.mode, c.initial, err, c.says)
			}
		}
		if _, err := hsem.Open("x", 0, 1, 0o600|fs.ModeSetuid); err == nil || !strings.Contains(err.Error(), "permission") {
			t.Errorf("Open with permissions that are none: %v", err)
		}
	})
}

// TestPermissions: they are those that were asked for.
func TestPermissions(t *testing.T) {
	before := unix.Umask(0o777)
	defer unix.Umask(before)
	for _, perm := range []fs.FileMode{0o600, 0o666, 0o640} {
		hybrid, posix := newName(t), newName(t)
		l, err := hsem.Open(hybrid, hsem.CreateNewExclusive, 1, perm)
		if err != nil {
			t.Fatal(err)
		}
		defer l.Close()
		s, err := hsem.OpenPosix(posix, hsem.CreateNewExclusive, 1, perm)
		if err != nil {
			t.Fatal(err)
		}
		defer s.Close()
		for _, path := range []string{filePath("hybrid", hybrid), filePath("posix", posix)} {
			info, err := os.Stat(path)
			if err != nil || info.Mode() != perm {
				t.Errorf("%s: %v, %v, want %v", path, info.Mode(), err, perm)
			}
		}
	}
}

// TestOpenRaces: many make the same name at once. One does; and all who want any get the same.
func TestOpenRaces(t *testing.T) {
	both(t, func(t *testing.T, kind string) {
		for range 20 {
			const n = 8
			name, other := newName(t), newName(t)
			var wg sync.WaitGroup
			var mu sync.Mutex
			made, count := 0, 0
			for range n {
				wg.Go(func() {
					sem, err := openKind(kind, name, hsem.CreateNewExclusive, 1)
					if err == nil {
						defer sem.Close()
						mu.Lock()
						made++
						mu.Unlock()
					} else if !errors.Is(err, hsem.ErrSemaphoreExists) {
						t.Error(err)
					}
				})
				wg.Go(func() {
					sem, err := openKind(kind, other, hsem.ConnectOrCreate, 1)
					if err != nil {
						t.Error(err)
						return
					}
					defer sem.Close()
					for range 10 {
						if err := sem.Lock(t.Context()); err != nil {
							t.Error(err)
							return
						}
						count++
						_ = sem.Unlock()
					}
				})
			}
			wait.Return(t, "opening", wg.Wait)
			if made != 1 || count != 10*n {
				t.Fatalf("%d made a new one, want 1; counted to %d, want %d", made, count, 10*n)
			}
		}
	})
}

// TestChurn: processes make, replace, use and destroy the same name. All that may happen to them is that it is gone.
func TestChurn(t *testing.T) {
	both(t, func(t *testing.T, kind string) {
		name := newName(t)
		var all []*child
		for i := range 3 {
			all = append(all, start(t, "churn", kind, name, strconv.Itoa(i)))
		}
		for _, c := range all {
			c.end(t)
		}
		sem, err := openKind(kind, name, hsem.CreateNewOverwrite, 1)
		if err != nil {
			t.Fatal(err)
		}
		defer sem.Close()
		lock(t, sem)
		if left, _ := filepath.Glob("/dev/shm/*" + name + "*"); len(left) != 1 {
			t.Errorf("%q are there, want one", left)
		}
	})
}

// churn is what a process does in TestChurn.
func churn(kind, name string, seed int) error {
	modes := []hsem.Mode{hsem.ConnectOrCreate, hsem.ConnectToExisting, hsem.CreateNewOverwrite, hsem.CreateNewExclusive}
	for i := range 300 {
		sem, err := openKind(kind, name, modes[(i+seed)%len(modes)], 1)
		if errors.Is(err, hsem.ErrNoSuchSemaphore) || errors.Is(err, hsem.ErrSemaphoreExists) {
			continue
		}
		if err != nil {
			return err
		}
		err = sem.Lock(context.Background())
		if err == nil {
			err = sem.Unlock()
		}
		if err != nil && !errors.Is(err, hsem.ErrDestroyed) {
			return err
		}
		if i%5 == seed {
			if err := sem.Destroy(); err != nil {
				return err
			}
		}
		if err := sem.Close(); err != nil {
			return err
		}
	}
	return nil
}

// TestInTheWay: what is no semaphore is an error, and is left alone unless it is to be overwritten.
func TestInTheWay(t *testing.T) {
	both(t, func(t *testing.T, kind string) {
		size := 4096
		if kind == "posix" {
			size = 32
		}
		file := func(b []byte) func(path string) error {
			return func(path string) error { return os.WriteFile(path, b, 0o600) }
		}
		for _, c := range []struct {
			what string
			make func(path string) error
			says string
			goes bool // CreateNewOverwrite replaces it
		}{
			{"an empty file", file(nil), "0 bytes", true},
			{"a semaphore of 32-bit programs", file(make([]byte, 16)), "16 bytes", true},
			{"a larger file", file(make([]byte, 2*size)), "bytes", true},
			{"zeros", file(make([]byte, size)), "should be", true},
			{"garbage", file([]byte(strings.Repeat("\xa5", size))), "should be", true},
			{"a directory", func(path string) error { return os.Mkdir(path, 0o700) }, "directory", false},
			{"a FIFO", func(path string) error { return syscall.Mkfifo(path, 0o600) }, "no regular file", false},
			{"a symlink", func(path string) error { return os.Symlink("/dev/shm/nothing", path) }, "symlink", false},
		} {
			name := newName(t)
			path := filePath(kind, name)
			if err := c.make(path); err != nil {
				t.Fatal(err)
			}
			for _, mode := range []hsem.Mode{hsem.ConnectToExisting, hsem.ConnectOrCreate} {
				if _, err := openKind(kind, name, mode, 1); err == nil || !strings.Contains(err.Error(), c.says) {
					t.Errorf("%s, %v: %v, want an error about %q", c.what, mode, err, c.says)
				}
			}
			if _, err := openKind(kind, name, hsem.CreateNewExclusive, 1); !errors.Is(err, hsem.ErrSemaphoreExists) {
				t.Errorf("%s, CreateNewExclusive: %v", c.what, err)
			}
			if _, err := os.Lstat(path); err != nil {
				t.Errorf("%s is gone: %v", c.what, err)
			}
			sem, err := openKind(kind, name, hsem.CreateNewOverwrite, 1)
			if (err == nil) != c.goes {
				t.Errorf("%s, CreateNewOverwrite: %v", c.what, err)
			}
			if err == nil {
				lock(t, sem)
				_ = sem.Close()
			}
		}
	})
}

// TestHostileState: contents that no program of ours leaves don't break us.
func TestHostileState(t *testing.T) {
	_, name := create(t, "hybrid", 1)
	path := filePath("hybrid", name)
	for _, state := range []string{
		"\xff\xff\xff\x0f\xff\xff\xff\xff", // the last slot, the last epoch
		"\xff\xff\xff\xdf\xff\xff\xff\xff", // all bits but destroyed
		"\x00\x00\x00\x80\x00\x00\x00\x00", // waiters, and no owner
		"\x09\x00\x00\x50\x00\x00\x00\x00", // an owner and orphaned
	} {
		overwrite(t, path, 128, []byte(state))
		overwrite(t, path, 256, []byte("\xfe\xff\xff\xff")) // slots given out: the numbers begin anew
		sem := connect(t, "hybrid", name)
		wait.Return(t, "Lock", func() {
			if err := sem.Lock(t.Context()); err != nil && !errors.Is(err, hsem.ErrOwnerDied) {
				t.Errorf("state %x: Lock: %v", state, err)
			}
		})
		unlock(t, sem)
		if err := sem.LockTimeout(0); err != nil {
			t.Errorf("state %x: a second Lock: %v", state, err)
		}
		unlock(t, sem)
	}
	overwrite(t, path, 128, []byte{3: 0x20}) // destroyed, with the name still there
	if _, err := openKind("hybrid", name, hsem.ConnectToExisting, 1); !errors.Is(err, hsem.ErrNoSuchSemaphore) {
		t.Errorf("ConnectToExisting of a destroyed one: %v", err)
	}
	sem, err := openKind("hybrid", name, hsem.ConnectOrCreate, 1)
	if err != nil {
		t.Fatalf("ConnectOrCreate of a destroyed one: %v", err)
	}
	lock(t, sem)
	_ = sem.Close()
}

// TestCutShort: somebody truncates the file that we have mapped.
func TestCutShort(t *testing.T) {
	both(t, func(t *testing.T, kind string) {
		sem, name := create(t, kind, 0)
		waits := waitingLocks(t.Context(), sem, 2)
		time.Sleep(10 * time.Millisecond)
		if err := os.Truncate(filePath(kind, name), 0); err != nil {
			t.Fatal(err)
		}
		expectErrors(t, "truncate", waits, hsem.ErrDestroyed)
		_, tryErr := sem.TryLock()
		for what, err := range map[string]error{
			"Lock": sem.Lock(t.Context()), "LockTimeout": sem.LockTimeout(time.Second), "TryLock": tryErr, "Unlock": sem.Unlock(),
		} {
			if !errors.Is(err, hsem.ErrDestroyed) {
				t.Errorf("%s: %v", what, err)
			}
		}
		_ = sem.Destroy()
		if err := sem.Close(); err != nil {
			t.Errorf("Close: %v", err)
		}
	})
}

// TestRemovedByHand: a hybrid lock whose file was removed, as by a Destroy whose process died in the middle, is a destroyed one.
func TestRemovedByHand(t *testing.T) {
	sem, name := create(t, "hybrid", 0)
	c := start(t, "wait", "hybrid", name)
	c.expect(t, "waiting")
	if err := os.Remove(filePath("hybrid", name)); err != nil {
		t.Fatal(err)
	}
	c.expect(t, "destroyed")
	c.end(t)
	if err := sem.Unlock(); !errors.Is(err, hsem.ErrDestroyed) {
		t.Errorf("Unlock: %v", err)
	}
}

// TestFullMemory: where there is no memory left, Open is an error. It is a second process, with a /dev/shm of its own.
func TestFullMemory(t *testing.T) {
	cmd := roleCmd(t, "full", "", "")
	cmd.SysProcAttr = &syscall.SysProcAttr{Unshareflags: syscall.CLONE_NEWNS}
	c, err := tryStart(t, cmd)
	if err != nil {
		t.Skip("no mount namespaces here:", err)
	}
	if said := c.hear(t); said != "full" {
		if strings.HasPrefix(said, "skip") {
			t.Skip(said)
		}
		t.Errorf("it says %q", said)
	}
	c.end(t)
}

// full is what the process of TestFullMemory does.
func full() error {
	if err := unix.Mount("tmpfs", "/dev/shm", "tmpfs", 0, "size=16k"); err != nil {
		fmt.Println("skip: no tmpfs of our own:", err)
		return nil
	}
	defer unix.Unmount("/dev/shm", unix.MNT_DETACH)
	for i := range 10 {
		sem, err := hsem.Open(fmt.Sprint("full", i), hsem.CreateNewExclusive, 1, 0o600)
		if errors.Is(err, unix.ENOSPC) {
			fmt.Println("full")
			return nil
		}
		if err != nil {
			return err
		}
		defer sem.Close()
	}
	return errors.New("ten pages fit into four")
}

// TestLeaks: a handle leaves nothing behind.
func TestLeaks(t *testing.T) {
	both(t, func(t *testing.T, kind string) {
		_, name := create(t, kind, 1)
		fds := entries(t, "/proc/self/fd")
		for range 30 {
			sem := connect(t, kind, name)
			lock(t, sem)
			unlock(t, sem)
			_ = sem.Close()
			if _, err := openKind(kind, name, hsem.CreateNewExclusive, 1); !errors.Is(err, hsem.ErrSemaphoreExists) {
				t.Error(err)
			}
		}
		if n := entries(t, "/proc/self/fd"); n != fds {
			t.Errorf("%d files are open, before there were %d", n, fds)
		}
	})
}

// TestMappingsReturn: the memory of handles that nobody has any more is unmapped.
func TestMappingsReturn(t *testing.T) {
	both(t, func(t *testing.T, kind string) {
		name := newName(t)
		func() {
			for range 10 {
				sem, err := openKind(kind, name, hsem.ConnectOrCreate, 1)
				if err != nil {
					t.Fatal(err)
				}
				_ = sem.Close()
			}
		}()
		wait.Until(t, "mappings are left", func() bool {
			runtime.GC()
			maps, err := os.ReadFile("/proc/self/maps")
			return err == nil && !strings.Contains(string(maps), name)
		})
	})
}

func entries(t *testing.T, path string) int {
	t.Helper()
	all, err := os.ReadDir(path)
	if err != nil {
		t.Fatal(err)
	}
	return len(all)
}

// FuzzContents opens and uses files of all kinds of contents.
func FuzzContents(f *testing.F) {
	f.Add([]byte("HSEM\x01\x00\x00\x00\x00\x10\x00\x00"), uint64(1), uint32(0))
	f.Add([]byte("HSEM\x01\x00\x00\x00\x00\x10\x00\x00"), uint64(1<<28), uint32(1<<32-1))
	f.Add([]byte("\x01\x00\x00\x00\x00\x00\x00\x00\x80"), uint64(0), uint32(0))
	f.Add([]byte("\x00\x00\x00\x00\xff\xff\xff\xff\x80"), uint64(0), uint32(0))
	f.Fuzz(func(t *testing.T, head []byte, state uint64, slots uint32) {
		for kind, size := range map[string]int{"hybrid": 4096, "posix": 32} {
			name := newName(t)
			b := make([]byte, size)
			copy(b, head)
			if kind == "hybrid" {
				for i := range 8 {
					b[128+i] = byte(state >> (8 * i))
				}
				for i := range 4 {
					b[256+i] = byte(slots >> (8 * i))
				}
			}
			if err := os.WriteFile(filePath(kind, name), b, 0o600); err != nil {
				t.Fatal(err)
			}
			sem, err := openKind(kind, name, hsem.ConnectToExisting, 1)
			if err != nil {
				continue
			}
			_, _ = sem.TryLock()
			_ = sem.LockTimeout(time.Millisecond)
			_ = sem.Unlock()
			_ = sem.Unlock()
			_ = sem.Destroy()
			_ = sem.Close()
		}
	})
}
