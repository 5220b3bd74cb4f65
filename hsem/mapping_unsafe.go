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
type mapping struct {
	mem []byte // its contents change under our hands
}

// newMapping maps the first size bytes of the file fd.
func newMapping(fd, size int) (*mapping, error) {
	base, err := unix.MmapPtr(fd, 0, nil, uintptr(size), unix.PROT_READ|unix.PROT_WRITE, unix.MAP_SHARED)
	if err != nil {
		return nil, fmt.Errorf("map %d bytes: %w", size, os.NewSyscallError("mmap", err))
	}
	m := &mapping{mem: unsafe.Slice((*byte)(base), size)}
	runtime.AddCleanup(m, func(mem []byte) {
		_ = unix.MunmapPtr(unsafe.Pointer(unsafe.SliceData(mem)), uintptr(len(mem)))
	}, m.mem)
	return m, nil
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
