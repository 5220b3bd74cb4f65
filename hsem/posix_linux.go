package hsem

import (
	"context"
	"fmt"
	"io/fs"
	"runtime"
	"runtime/debug"
	"time"
)

// PosixSemaphore is one handle of a named semaphore of glibc: what a program in C gets from sem_open(3), and Python by
// ctypes or multiprocessing. They can use the same one at the same time, in both directions.
//
// It counts: Unlock is sem_post and adds one, by whoever it is called and however often. There is no owner, so a process
// that dies between Lock and Unlock takes its one with it, and the others wait for ever. Where that matters, and all
// sides are Go, use a [HybridLock].
//
// What it adds to glibc's is a mark that Destroy leaves in bytes that glibc doesn't use: waiters in Go end with
// [ErrDestroyed], those in C wait on, as they do after sem_unlink.
type PosixSemaphore struct {
	h *handle
	p counting
}

var posixKind = kind{
	prefix: posixPrefix,
	size:   posixSize,
	check:  checkPosix,
	dead:   func(m *mapping) bool { return m.word32(offMark).Load() != 0 },
	destroy: func(m *mapping) {
		p := counting{world: &handle{state: m.word64(offData), obj: &object{mem: m}}}
		p.destroy()
	},
}

// checkPosix refuses the layouts of other C libraries: musl has a 0 there. One of a 32-bit program has another size.
func checkPosix(m *mapping) error {
	data, private := m.word64(offData).Load(), m.word32(offPrivate).Load()
	if private != posixShared || value(data) > maxValue {
		return fmt.Errorf("no 64-bit semaphore of glibc: its private word is %d and its value %d, should be %d and at most %d",
			private, value(data), posixShared, maxValue)
	}
	return nil
}

// OpenPosix returns a handle of the POSIX semaphore of that name, which the caller must Close. The file, name and
// permissions are those of sem_open; the name may begin with the slash that it has there. The arguments are those of [Open].
// It needs Linux on amd64 or arm64.
func OpenPosix(name string, mode Mode, initial int, perm fs.FileMode, opts ...Option) (*PosixSemaphore, error) {
	s, err := openPosix(name, mode, initial, perm, opts)
	if err != nil {
		return nil, fmt.Errorf("open POSIX semaphore %q: %w", name, err)
	}
	return s, nil
}

func openPosix(name string, mode Mode, initial int, perm fs.FileMode, opts []Option) (*PosixSemaphore, error) {
	r, err := newRequest(name, mode, initial, perm)
	if err != nil {
		return nil, err
	}
	if runtime.GOARCH != "amd64" && runtime.GOARCH != "arm64" {
		return nil, ErrNotSupported
	}
	obj, _, err := posixKind.open(r, func(o *object) error {
		o.mem.word64(offData).Store(uint64(initial))
		o.mem.word32(offPrivate).Store(posixShared)
		return nil
	})
	if err != nil {
		return nil, err
	}
	s := &PosixSemaphore{h: newHandle(r.name, &posixKind, obj, offData, opts)}
	s.p = counting{world: s.h}
	s.h.proto = &s.p
	return s, nil
}

// Lock takes one from the value, and waits until that is above zero or ctx ends: then the error is that of ctx. It
// is sem_wait.
func (s *PosixSemaphore) Lock(ctx context.Context) (err error) {
	defer s.h.obj.mem.faults(debug.SetPanicOnFault(true), &err)
	if err := ctx.Err(); err != nil {
		return s.h.failed("lock", err)
	}
	if s.p.fast() {
		return s.h.keep()
	}
	return s.h.lockSlow(ctx, -1)
}

// LockTimeout is [PosixSemaphore.Lock] with a wait of at most d, on a monotonic clock; zero or less means not to wait. Then
// the error is a context.DeadlineExceeded.
func (s *PosixSemaphore) LockTimeout(d time.Duration) (err error) {
	defer s.h.obj.mem.faults(debug.SetPanicOnFault(true), &err)
	if s.p.fast() {
		return s.h.keep()
	}
	return s.h.lockSlow(context.Background(), max(d, 0))
}

// TryLock takes one from the value if it is above zero, and reports whether it did. It is sem_trywait.
func (s *PosixSemaphore) TryLock() (ok bool, err error) {
	defer s.h.obj.mem.faults(debug.SetPanicOnFault(true), &err)
	return s.h.try()
}

// Unlock adds one to the value, and wakes a waiter if there is one. It is sem_post. The error is [ErrOverflow] when
// the value is 2,147,483,647.
func (s *PosixSemaphore) Unlock() (err error) {
	defer s.h.obj.mem.faults(debug.SetPanicOnFault(true), &err)
	if s.h.closed.Load() {
		return s.h.failed("unlock", ErrClosed)
	}
	return s.h.unlock()
}

// Close ends the use of this handle; whoever waits through it gets [ErrClosed]. The semaphore, its value and its name
// stay. A second Close does nothing.
func (s *PosixSemaphore) Close() error { return s.h.close(func() {}) }

// Destroy removes the semaphore's name, as sem_unlink does, and ends its use in Go: every waiter and every later call gets
// [ErrDestroyed]. The handle must be closed all the same.
func (s *PosixSemaphore) Destroy() error { return s.h.destroyAll() }
