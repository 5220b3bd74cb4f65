//go:build linux

package shm

import (
	"sync/atomic"
	"unsafe"

	"golang.org/x/sys/unix"
)

// wordsOver returns the first n words of mem, which is page-aligned and longer. They keep what mem lies in alive as
// mem does.
func wordsOver(mem []byte, n int) []atomic.Uint32 {
	return unsafe.Slice((*atomic.Uint32)(unsafe.Pointer(unsafe.SliceData(mem))), n)
}

// forget gives the memory behind a part of the mapping back to the system; it reads as zeros afterwards, in every
// process. It is a hint: where it fails (pages larger than ours) the memory stays in use.
func (m *mapping) forget(part []byte) { _ = unix.Madvise(part, unix.MADV_REMOVE) }
