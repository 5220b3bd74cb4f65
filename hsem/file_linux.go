package hsem

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime/debug"
	"time"

	"golang.org/x/sys/unix"

	"hotline/internal/filelock"
)

// dir is where all named semaphores of the machine are: that of glibc, memory that all users share.
const dir = "/dev/shm"

// tries bounds how often Open begins anew because somebody else has made or removed the file in between.
const tries = 1000

// patience is how long to wait for a process that is about to remove a name, which takes microseconds unless it is
// stopped in the middle.
const patience = 5 * time.Second

// object is an open semaphore file.
type object struct {
	file *os.File
	mem  *mapping
}

// discard is the end of an object that nobody else has had. Its mapping would keep the locks on the file.
func (o *object) discard() {
	o.mem.free()
	_ = o.file.Close()
}

// control calls f with the file's descriptor, which can't be closed meanwhile.
func (o *object) control(f func(fd int) error) error {
	conn, err := o.file.SyscallConn()
	if err != nil {
		return err
	}
	var result error
	if err := conn.Control(func(fd uintptr) { result = f(int(fd)) }); err != nil {
		return err
	}
	return result
}

// links returns how many names the file has.
func (o *object) links() (n uint64, err error) {
	err = o.control(func(fd int) error {
		var st unix.Stat_t
		if err := unix.Fstat(fd, &st); err != nil {
			return err
		}
		n = uint64(st.Nlink)
		return nil
	})
	return n, err
}

// kind is one of the two kinds of semaphore files.
type kind struct {
	prefix  string               // of the file's name
	size    int                  // of the file, in bytes
	check   func(*mapping) error // nil if the contents are those of such a file
	dead    func(*mapping) bool  // reports whether the semaphore was destroyed
	destroy func(*mapping)       // destroys it, for everybody
}

func (k *kind) path(name string) string { return filepath.Join(dir, k.prefix+name) }

// open does what r asks for. fill completes a new file before it gets its name; created says that it did.
func (k *kind) open(r request, fill func(*object) error) (o *object, created bool, err error) {
	var fresh *object
	defer func() {
		if fresh != nil && fresh != o {
			fresh.discard()
		}
	}()
	for range tries {
		if r.mode == ConnectOrCreate || r.mode == ConnectToExisting {
			o, err := k.connect(r.name)
			if err == nil || !errors.Is(err, ErrNoSuchSemaphore) || r.mode == ConnectToExisting {
				return o, false, err
			}
		}
		if fresh == nil {
			if fresh, err = k.create(r, fill); err != nil {
				return nil, false, err
			}
		}
		err = fresh.link(k.path(r.name))
		if err == nil {
			return fresh, true, nil
		}
		if !errors.Is(err, unix.EEXIST) {
			return nil, false, err
		}
		// A destroyed semaphore whose name is left is as good as none. Others are in the way unless they are to be replaced.
		removed, err := k.remove(r.name, nil, r.mode != CreateNewOverwrite)
		if !removed && r.mode == CreateNewExclusive {
			return nil, false, ErrSemaphoreExists
		}
		if err != nil {
			return nil, false, err
		}
	}
	return nil, false, fmt.Errorf("%s was made and removed by others %d times meanwhile", k.path(r.name), tries)
}

// connect opens the file of that name.
func (k *kind) connect(name string) (*object, error) {
	o, err := k.openFile(name)
	if err != nil {
		return nil, err
	}
	dead := false
	err = faultless(o.mem, func() error {
		if err := k.check(o.mem); err != nil {
			return fmt.Errorf("%s: %w: remove it, or take another name", k.path(name), err)
		}
		dead = k.dead(o.mem)
		return nil
	})
	if err == nil && dead {
		err = fmt.Errorf("%w: that of this name was destroyed", ErrNoSuchSemaphore)
	}
	if err != nil {
		o.discard()
		return nil, err
	}
	return o, nil
}

// openFile opens and maps a file without a look at its contents.
func (k *kind) openFile(name string) (*object, error) {
	path := k.path(name)
	file, err := openRegular(path)
	if err != nil {
		return nil, err
	}
	info, err := file.Stat()
	if err == nil && info.Size() != int64(k.size) {
		err = fmt.Errorf("%s is no semaphore of this kind: it has %d bytes, should have %d: remove it, or take another name",
			path, info.Size(), k.size)
	}
	if err != nil {
		_ = file.Close()
		return nil, err
	}
	mem, err := newMapping(int(file.Fd()), k.size)
	if err != nil {
		_ = file.Close()
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return &object{file, mem}, nil
}

// openRegular opens a regular file, and neither follows a symlink nor waits on a FIFO.
func openRegular(path string) (*os.File, error) {
	file, err := os.OpenFile(path, os.O_RDWR|unix.O_NOFOLLOW|unix.O_NONBLOCK, 0)
	switch {
	case errors.Is(err, unix.ENOENT):
		return nil, ErrNoSuchSemaphore
	case errors.Is(err, unix.ELOOP):
		return nil, fmt.Errorf("%s is a symlink, which is not followed: remove it, or take another name", path)
	case err != nil:
		return nil, err
	}
	if info, err := file.Stat(); err != nil || !info.Mode().IsRegular() {
		_ = file.Close()
		return nil, errors.Join(err, fmt.Errorf("%s is no regular file: remove it, or take another name", path))
	}
	return file, nil
}

// create makes a file without a name, whole: link gives it one. Nobody else sees it before that, and nothing is left
// of it when the process dies in between.
func (k *kind) create(r request, fill func(*object) error) (*object, error) {
	fd, err := unix.Open(dir, unix.O_TMPFILE|unix.O_RDWR|unix.O_CLOEXEC, 0o600)
	if err != nil {
		return nil, fmt.Errorf("make a file in %s: %w", dir, os.NewSyscallError("open", err))
	}
	file := os.NewFile(uintptr(fd), k.path(r.name))
	o, err := k.furnish(file, fd, r, fill)
	if err != nil {
		_ = file.Close()
		return nil, err
	}
	return o, nil
}

func (k *kind) furnish(file *os.File, fd int, r request, fill func(*object) error) (*object, error) {
	if err := unix.Fchmod(fd, uint32(r.perm)); err != nil { // unlike the permissions of open, not cut by the umask
		return nil, fmt.Errorf("set the permissions %v: %w", r.perm, os.NewSyscallError("fchmod", err))
	}
	// The memory is taken now, so that its lack is an error here and not a fault when it is touched.
	if err := unix.Fallocate(fd, 0, 0, int64(k.size)); err != nil {
		return nil, fmt.Errorf("take %d bytes of %s: %w", k.size, dir, os.NewSyscallError("fallocate", err))
	}
	mem, err := newMapping(fd, k.size)
	if err != nil {
		return nil, err
	}
	o := &object{file, mem}
	if err := fill(o); err != nil {
		mem.free()
		return nil, err
	}
	return o, nil
}

// link gives a new file its name, unless there is something of that name: then the error is EEXIST.
func (o *object) link(path string) error {
	return o.control(func(fd int) error {
		self := fmt.Sprintf("/proc/self/fd/%d", fd)
		if err := unix.Linkat(unix.AT_FDCWD, self, unix.AT_FDCWD, path, unix.AT_SYMLINK_FOLLOW); err != nil {
			return fmt.Errorf("link a new file to %s (by way of /proc): %w", path, os.NewSyscallError("linkat", err))
		}
		return nil
	})
}

// remove takes the name from the file that has it and destroys the semaphore, and reports whether it did. With only, it
// does so if it is that file; with onlyDead, if the semaphore was destroyed before.
//
// The name goes first, so that nobody who may not remove it can destroy the semaphore. A process that dies between the
// two leaves the mark to the waiters, see [hybrid.lock]. A lock on the file keeps two processes that both found it
// under the name from removing, the second, the file that came after it.
func (k *kind) remove(name string, only *object, onlyDead bool) (bool, error) {
	path := k.path(name)
	file, err := openRegular(path)
	if errors.Is(err, ErrNoSuchSemaphore) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	defer file.Close()
	if err := filelock.Lock(file, patience); err != nil {
		return false, err
	}
	info, err := file.Stat()
	if err != nil {
		return false, err
	}
	if named, err := os.Lstat(path); err != nil || !os.SameFile(info, named) {
		return false, nil
	}
	if only != nil {
		if own, err := only.file.Stat(); err != nil || !os.SameFile(info, own) {
			return false, err
		}
	}
	if info.Size() != int64(k.size) { // no semaphore: it has only its name to lose
		if onlyDead {
			return false, nil
		}
		err := os.Remove(path)
		return err == nil, err
	}
	mem, err := newMapping(int(file.Fd()), k.size)
	if err != nil {
		return false, err
	}
	defer mem.free()
	removed := false
	err = faultless(mem, func() error {
		good := k.check(mem) == nil
		if onlyDead && !(good && k.dead(mem)) {
			return nil
		}
		if err := os.Remove(path); err != nil {
			return err
		}
		removed = true
		if good {
			k.destroy(mem)
		}
		return nil
	})
	return removed, err
}

// faultless calls f, which uses mem. A fault there, because somebody has cut the file short, is an error.
func faultless(mem *mapping, f func() error) (err error) {
	defer mem.faults(debug.SetPanicOnFault(true), &err)
	return f()
}

// faults is deferred around whatever touches the mapping: it turns a fault into an error, and restores what
// SetPanicOnFault was before.
func (m *mapping) faults(before bool, err *error) {
	debug.SetPanicOnFault(before)
	switch r := recover().(type) {
	case nil:
	case interface{ Addr() uintptr }:
		if !m.has(r.Addr()) {
			panic(r)
		}
		*err = fmt.Errorf("%w: its file was cut short", ErrDestroyed)
	default:
		panic(r)
	}
}
