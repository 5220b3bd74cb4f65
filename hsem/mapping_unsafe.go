//go:build linux

package hsem

import (
	"fmt"
	"os"
	"runtime"
	"sync/atomic"
	"unsafe"

	"golang.org/x/sys/unix"
)

// mapping is a semaphore's file as this process sees it. The addresses stay valid for as long as the mapping is
// reachable, so that somebody who is still inside when the handle is closed touches nothing that is gone.
//
// It keeps the kernel's open file, and with it all locks on it, for as long as it is there.
type mapping struct {
	mem  []byte // its contents change under our hands
	late runtime.Cleanup
}

// newMapping maps the first size bytes of the file fd.
func newMapping(fd, size int) (*mapping, error) {
	base, err := unix.MmapPtr(fd, 0, nil, uintptr(size), unix.PROT_READ|unix.PROT_WRITE, unix.MAP_SHARED)
	if err != nil {
		return nil, fmt.Errorf("map %d bytes: %w", size, os.NewSyscallError("mmap", err))
	}
	m := &mapping{mem: unsafe.Slice((*byte)(base), size)}
	m.late = runtime.AddCleanup(m, unmap, m.mem)
	return m, nil
}

// free gives the addresses back at once. Nobody but the caller may have had the mapping.
func (m *mapping) free() {
	m.late.Stop()
	unmap(m.mem)
	m.mem = nil
}

func unmap(mem []byte) {
	_ = unix.MunmapPtr(unsafe.Pointer(unsafe.SliceData(mem)), uintptr(len(mem)))
}

// word32 and word64 are the words at an offset that is a constant below the mapping's size, and aligned.

func (m *mapping) word32(offset int) *atomic.Uint32 {
	return (*atomic.Uint32)(unsafe.Pointer(&m.mem[offset : offset+4][0]))
}

func (m *mapping) word64(offset int) *atomic.Uint64 {
	return (*atomic.Uint64)(unsafe.Pointer(&m.mem[offset : offset+8][0]))
}

// has reports whether an address is one of the mapping's.
func (m *mapping) has(address uintptr) bool {
	return address-uintptr(unsafe.Pointer(unsafe.SliceData(m.mem))) < uintptr(len(m.mem))
}
