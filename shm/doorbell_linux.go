package shm

import (
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"sync"
	"syscall"
	"time"

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

// try takes the doorbell's count if there is any.
func (b *bed) try(fd uintptr) bool {
	switch err := takeCount(int(fd), b.into); err {
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

// takeCount takes an eventfd's count, if there is any, to into, which is 8 bytes. The peer shares the file's flags and could
// make it a blocking one at any time, so the call itself says that it must not block.
func takeCount(fd int, into [][]byte) error {
	for {
		_, err := unix.Preadv2(fd, into, -1, unix.RWF_NOWAIT)
		if err == unix.EOPNOTSUPP || err == unix.ENOSYS { // a kernel before 5.8
			_, err = unix.Read(fd, into[0])
		}
		if err != unix.EINTR {
			return err
		}
	}
}

// rouse ends a wait without the doorbell. Any goroutine may call it.
func (b *bed) rouse() { _ = b.file.SetReadDeadline(longAgo) }

// close ends a wait with an error, and everything else about b.
func (b *bed) close() { _ = b.file.Close() }

// bell is the peer's doorbell as we ring it. It is not in Go's poller, which would be woken by our own ringing.
//
// A hostile peer can make a ring block, see addOne. Then a call and its thread are held up, and so one goroutine rings at a
// time: those who come meanwhile leave it to that one, which rings again.
type bell struct {
	fd int // who has set ringing may use it, and who has mu while ringing is set

	mu      sync.Mutex
	ringing bool // somebody rings
	wanted  bool // somebody was to be rung for since the last ring began
	closed  bool
}

// newBell takes over fd.
func newBell(fd int) *bell { return &bell{fd: fd} }

// ring wakes the peer's reader. Any goroutine may call it at any time.
func (b *bell) ring() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.wanted = true
	if b.ringing {
		return
	}
	for b.wanted && !b.closed {
		b.wanted, b.ringing = false, true
		b.mu.Unlock()
		addOne(b.fd)
		b.mu.Lock()
		b.ringing = false
		if b.closed {
			_ = unix.Close(b.fd) // close has left it to us
		}
	}
}

// addOne adds 1 to an eventfd's count. At its end the count has no room, and needs none: it does ring.
//
// The peer shares the file's flags and could make it a blocking one at any time, and there is no write to an eventfd that
// says that it must not block: the kernel knows RWF_NOWAIT for reads of it alone. So the flag is set again each time. A
// peer that takes it away between the two calls, from a full count, holds up who rings, until it takes the count or the
// connection ends.
func addOne(fd int) {
	_, _ = unix.FcntlInt(uintptr(fd), unix.F_SETFL, unix.O_NONBLOCK)
	var one [8]byte
	binary.NativeEndian.PutUint64(one[:], 1)
	for {
		if _, err := unix.Write(fd, one[:]); err != unix.EINTR {
			return // EAGAIN: the count is at its end
		}
	}
}

// close lets go of the doorbell. It may be called more than once. It doesn't wait for who rings.
func (b *bell) close() {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.closed {
		return
	}
	b.closed = true
	if b.ringing {
		go b.free()
	} else {
		_ = unix.Close(b.fd)
	}
}

// free lets go of who rings when the doorbell is closed. Where a hostile peer has made that block, taking the count away
// ends it, unless the peer is quicker to fill it again; hence the loop.
func (b *bell) free() {
	for count := [][]byte{make([]byte, 8)}; b.takeRinging(count); {
		time.Sleep(time.Millisecond)
	}
}

// takeRinging takes the count, and reports whether somebody rings.
func (b *bell) takeRinging(count [][]byte) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.ringing {
		_ = takeCount(b.fd, count)
	}
	return b.ringing
}
