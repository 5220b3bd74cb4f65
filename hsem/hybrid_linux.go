package hsem

import (
	"context"
	"fmt"
	"io/fs"
	"runtime/debug"
	"time"
)

// HybridLock is one handle of a lock between processes. It spins for a short time before it sleeps, and it finds out when the
// owner's process has died. The owner is a handle: goroutines that share one exclude each other, and any of them may
// Unlock, as with a sync.Mutex; two handles of one process are as foreign to each other as those of two processes.
//
// It is no recursive lock, and it is not fair: who comes by when the lock is free takes it before who sleeps.
type HybridLock struct {
	h *handle
	p hybrid
}

var hybridKind = kind{
	prefix: hybridPrefix,
	size:   hybridSize,
	check:  checkHybrid,
	dead:   func(m *mapping) bool { return m.word64(offState).Load()&destroyed != 0 },
	destroy: func(m *mapping) {
		p := hybrid{world: &handle{state: m.word64(offState)}}
		p.destroy()
	},
}

func checkHybrid(m *mapping) error {
	magic, version, size := m.word32(offMagic).Load(), m.word32(offVersion).Load(), m.word32(offSize).Load()
	if magic != hybridMagic || version != hybridVersion || size != hybridSize {
		return fmt.Errorf("no hybrid lock that this program knows: magic %#x, version %d and size %d, should be %#x, %d and %d",
			magic, version, size, uint32(hybridMagic), hybridVersion, hybridSize)
	}
	return nil
}

// Open returns a handle of the hybrid lock of that name, which the caller must Close. It is that of all processes that
// see the same /dev/shm, where it is a file named after it. A slash in front of the name is left out.
//
// The initial value, the permissions and their being exactly these, whatever the umask, are for a lock that is created:
// with 1 it is free, with 0 this handle holds it. Whoever may write the file can use the lock, and can break it.
//
// The error is ErrNoSuchSemaphore, ErrSemaphoreExists or one that says what is in the way. A file of that name that is no
// hybrid lock is an error and is left alone, but CreateNewOverwrite replaces any regular file.
func Open(name string, mode Mode, initial int, perm fs.FileMode, opts ...Option) (*HybridLock, error) {
	l, err := open(name, mode, initial, perm, opts)
	if err != nil {
		return nil, fmt.Errorf("open semaphore %q: %w", name, err)
	}
	return l, nil
}

func open(name string, mode Mode, initial int, perm fs.FileMode, opts []Option) (*HybridLock, error) {
	r, err := newRequest(name, mode, initial, perm)
	if err != nil {
		return nil, err
	}
	if !littleEndian {
		return nil, ErrNotSupported // the low half of the state would not be where sleepers look for it
	}
	var slot uint32
	obj, created, err := hybridKind.open(r, func(o *object) (err error) {
		if slot, err = takeSlot(o); err == nil {
			furnishHybrid(o.mem, initial, slot)
		}
		return err
	})
	if err != nil {
		return nil, err
	}
	if !created {
		err = faultless(obj.mem, func() (err error) {
			slot, err = takeSlot(obj)
			return err
		})
		if err != nil {
			obj.discard()
			return nil, err
		}
	}
	l := &HybridLock{h: newHandle(r.name, &hybridKind, obj, offState, opts)}
	l.p = hybrid{world: l.h, slot: slot}
	l.h.proto, l.h.slot = &l.p, slot
	return l, nil
}

// furnishHybrid writes the contents of a new file of zeros.
func furnishHybrid(m *mapping, initial int, slot uint32) {
	m.word32(offMagic).Store(hybridMagic)
	m.word32(offVersion).Store(hybridVersion)
	m.word32(offSize).Store(hybridSize)
	if initial == 0 {
		m.word64(offState).Store(epochOne | uint64(slot))
	}
}

// Lock takes the lock, and waits for it until ctx ends: then the error is that of ctx.
//
// With [ErrOwnerDied] the lock IS taken: a process has died that held it, or has closed its handle, and this caller is the one
// who is told. It is seen within 100 ms. Any other error means that the lock is not taken: [ErrDestroyed], or
// [ErrClosed] after Close of this handle.
func (l *HybridLock) Lock(ctx context.Context) (err error) {
	defer l.h.obj.mem.faults(debug.SetPanicOnFault(true), &err)
	if err := ctx.Err(); err != nil {
		return l.h.failed("lock", err)
	}
	if l.p.fast() {
		return l.h.keep()
	}
	return l.h.lockSlow(ctx, -1)
}

// LockTimeout is [HybridLock.Lock] with a wait of at most d, on a monotonic clock; zero or less means not to wait. Then
// the error is a context.DeadlineExceeded.
func (l *HybridLock) LockTimeout(d time.Duration) (err error) {
	defer l.h.obj.mem.faults(debug.SetPanicOnFault(true), &err)
	if l.p.fast() {
		return l.h.keep()
	}
	return l.h.lockSlow(context.Background(), max(d, 0))
}

// TryLock takes the lock if it is free or its owner dead, and reports whether it did. The answer true comes with [ErrOwnerDied]
// where Lock would return it. When the lock is not free, it asks the kernel about the owner, which takes half a microsecond.
func (l *HybridLock) TryLock() (ok bool, err error) {
	defer l.h.obj.mem.faults(debug.SetPanicOnFault(true), &err)
	return l.h.try()
}

// Unlock gives the lock up. The error is [ErrNotOwner] if this handle doesn't hold it, and [ErrDestroyed] if somebody
// has destroyed it meanwhile: nobody else had it, and it is given up all the same.
func (l *HybridLock) Unlock() (err error) {
	defer l.h.obj.mem.faults(debug.SetPanicOnFault(true), &err)
	return l.h.unlock()
}

// Close ends the use of this handle; whoever waits through it gets [ErrClosed]. If the handle holds the lock, the next locker
// gets it with [ErrOwnerDied]. The lock and its name stay. A second Close does nothing.
func (l *HybridLock) Close() error {
	return l.h.close(func() {
		l.p.abandon()
		dropSlot(l.h.obj, l.p.slot)
	})
}

// Destroy removes the lock's name and ends all its use: every waiter and every later call gets [ErrDestroyed]. The name may be
// used for a new one at once. It needs the right to remove the file, which in /dev/shm its owner and root have. The
// handle must be closed all the same.
func (l *HybridLock) Destroy() error { return l.h.destroyAll() }
