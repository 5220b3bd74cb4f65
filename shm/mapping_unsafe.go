//go:build linux

package shm

import (
	"fmt"
	"os"
	"runtime"
	"unsafe"

	"golang.org/x/sys/unix"
)

// mapping is a range of this process's addresses that shows a file. The range stays valid for as long as the mapping is
// reachable, closed or not, so that a reader or writer that is still inside when the connection is closed never
// touches addresses that are gone, without a lock on its way. What uses mem must keep the mapping alive.
type mapping struct {
	mem     []byte
	base    unsafe.Pointer
	cleanup runtime.Cleanup // unmaps it when nobody can reach it any more
}

// newMapping maps size bytes of the file fd, which may be closed afterwards.
func newMapping(fd int, size int) (*mapping, error) {
	base, err := unix.MmapPtr(fd, 0, nil, uintptr(size), unix.PROT_READ|unix.PROT_WRITE, unix.MAP_SHARED)
	if err != nil {
		return nil, fmt.Errorf("map %d bytes of shared memory: %w", size, os.NewSyscallError("mmap", err))
	}
	m := &mapping{mem: unsafe.Slice((*byte)(base), size), base: base}
	m.unmapLater()
	return m, nil
}

// giveBack frees the memory of the file from one offset to another, for both processes: what lies there turns to
// zeros, and takes memory again when it is used. Seals against shrinking allow it, as the file's size stays.
func (m *mapping) giveBack(from, to uint64) {
	from, to = wholePages(from, to)
	_ = unix.Madvise(m.mem[from:to], unix.MADV_REMOVE) // where it fails the memory is kept, as if it were in use
	runtime.KeepAlive(m)
}

// unmapLater gives the addresses back once the mapping can't be reached any more.
func (m *mapping) unmapLater() {
	m.cleanup = runtime.AddCleanup(m, func(mem []byte) {
		_ = unix.MunmapPtr(unsafe.Pointer(unsafe.SliceData(mem)), uintptr(len(mem)))
	}, m.mem)
}

// keep leaves the file mapped until close and unmapLater are called, whoever can reach the mapping: a slice of it that
// the program has may be all that it still holds.
func (m *mapping) keep() { m.cleanup.Stop() }

// close lets go of the file: its memory is the peer's alone, or free. The addresses show private zeros from here on,
// in one step of the kernel's, until the garbage collector finds that nobody can use them any more. It is called
// once.
func (m *mapping) close() {
	// An error leaves the file mapped until then, which is as safe. Neighbours that were closed too become
	// one area of the kernel's.
	_, _ = unix.MmapPtr(-1, 0, m.base, uintptr(len(m.mem)), unix.PROT_READ|unix.PROT_WRITE,
		unix.MAP_PRIVATE|unix.MAP_ANONYMOUS|unix.MAP_FIXED|unix.MAP_NORESERVE)
	runtime.KeepAlive(m)
}
