package shm

import (
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"sync/atomic"
	"syscall"

	"golang.org/x/sys/unix"

	"hotline/internal/wire"
)

// createBell makes the eventfd of a doorbell. The caller closes it.
func createBell() (fd int, err error) {
	fd, err = unix.Eventfd(0, unix.EFD_CLOEXEC|unix.EFD_NONBLOCK)
	if err != nil {
		return -1, fmt.Errorf("create a doorbell: %w", os.NewSyscallError("eventfd2", err))
	}
	return fd, nil
}

// checkBell reports whether a descriptor that the peer has sent is an eventfd. Anything else could be readable
// for ever, and would turn a sleep into a busy loop. So could an eventfd that counts as a semaphore: its name is the
// same, and bed.wait finds it out.
func checkBell(fd int) error {
	kind, err := os.Readlink(fmt.Sprintf("/proc/self/fd/%d", fd))
	if err != nil {
		return fmt.Errorf("look at the peer's doorbell: %w", err)
	}
	if kind != "anon_inode:[eventfd]" {
		return wire.ProtocolErrorf("the peer sent %q as a doorbell, should be an eventfd", kind)
	}
	return nil
}

// mostVain is how many rings in a row may be for nothing. A late ring for a frame that was taken already is one, so
// honest peers may come to as many as they have writers that were held up.
const mostVain = 1000

// bed is where a reader sleeps: its own end of a doorbell, in Go's poller.
type bed struct {
	file  *os.File
	conn  syscall.RawConn
	tryFn func(fd uintptr) bool // try, made a func once
	err   error                 // what try found; used within wait
	late  bool                  // the deadline in the poller has passed and is to be taken away; used within wait
	vain  int                   // rings in a row for nothing, the doorbell never at rest between them; used within wait
	count []byte                // what an eventfd is read into: 8 bytes
	into  [][]byte              // count alone, as preadv2 takes it: kept, so that a sleep does not allocate
}

// newBed takes over fd.
func newBed(fd int) (*bed, error) {
	if err := unix.SetNonblock(fd, true); err != nil {
		_ = unix.Close(fd)
		return nil, fmt.Errorf("doorbell: %w", os.NewSyscallError("fcntl", err))
	}
	b := &bed{file: os.NewFile(uintptr(fd), "doorbell")}
	conn, err := b.file.SyscallConn()
	if err != nil {
		_ = b.file.Close()
		return nil, fmt.Errorf("doorbell: %w", err)
	}
	b.conn, b.tryFn = conn, b.try
	b.count = make([]byte, 8)
	b.into = [][]byte{b.count}
	return b, nil
}

// wait sleeps until the doorbell rings or somebody calls rouse. It may return for no reason. One goroutine at a time may wait.
// The error is a [*wire.ProtocolError] for a doorbell that goes on ringing for nothing, which costs the peer nothing where it
// counts as a semaphore: a read takes 1 of its count, and leaves the rest.
//
// ready is asked after the last rouse that could be taken for an old one was forgotten, and before the sleep: rouse
// after ready has answered ends the wait.
func (b *bed) wait(ready func() bool) error {
	if b.late {
		b.late = false
		if err := b.file.SetReadDeadline(noDeadline); err != nil {
			return err
		}
	}
	if ready() {
		b.vain = 0
		return nil
	}
	b.err = nil
	err := b.conn.Read(b.tryFn)
	switch {
	case errors.Is(err, os.ErrDeadlineExceeded):
		b.late = true
		return nil
	case err != nil:
		return err
	case b.err != nil:
		return b.err
	case ready():
		b.vain = 0
	case b.vain > mostVain:
		return wire.ProtocolErrorf("the doorbell rang %d times for nothing", b.vain)
	}
	return nil
}

// try takes the doorbell's count if there is any. The peer shares the file's flags and could make it a blocking one at any
// time, so the call itself says that it must not block.
func (b *bed) try(fd uintptr) bool {
	for {
		_, err := unix.Preadv2(int(fd), b.into, -1, unix.RWF_NOWAIT)
		if err == unix.EOPNOTSUPP || err == unix.ENOSYS { // a kernel before 5.8
			_, err = unix.Read(int(fd), b.count)
		}
		switch err {
		case unix.EINTR:
			continue
		case unix.EAGAIN:
			b.vain = 0
			return false
		case nil:
			b.vain++
		default:
			b.err = os.NewSyscallError("read", err)
		}
		return true
	}
}

// rouse ends a wait without the doorbell. Any goroutine may call it.
func (b *bed) rouse() { _ = b.file.SetReadDeadline(longAgo) }

// close ends a wait with an error, and everything else about b.
func (b *bed) close() { _ = b.file.Close() }

// bell is the peer's doorbell as we ring it. It is not in Go's poller, which would be woken by our own ringing.
type bell struct {
	fd    int
	users atomic.Int32 // goroutines that ring, and one for the owner until close; at 0 the last one closes fd
}

// newBell takes over fd.
func newBell(fd int) *bell {
	b := &bell{fd: fd}
	b.users.Store(1)
	return b
}

// ring wakes the peer's reader. Any goroutine may call it at any time.
func (b *bell) ring() {
	for n := b.users.Load(); ; n = b.users.Load() {
		if n == 0 {
			return
		}
		if b.users.CompareAndSwap(n, n+1) {
			break
		}
	}
	var one [8]byte
	binary.NativeEndian.PutUint64(one[:], 1)
	for {
		if _, err := unix.Write(b.fd, one[:]); err != unix.EINTR {
			break // EAGAIN: the count is at its end, so that it does ring
		}
	}
	b.release()
}

// close lets go of the doorbell. It doesn't wait for those who ring: a hostile peer may have made that block, which
// taking the count away ends.
func (b *bell) close() {
	var count [8]byte
	_, _ = unix.Preadv2(b.fd, [][]byte{count[:]}, -1, unix.RWF_NOWAIT)
	b.release()
}

func (b *bell) release() {
	if b.users.Add(-1) == 0 {
		_ = unix.Close(b.fd)
	}
}
