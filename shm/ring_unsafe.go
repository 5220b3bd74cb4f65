package shm

import (
	"fmt"
	"sync/atomic"
	"unsafe"
)

// The window's header: one page, in front of the ring. Whatever different CPUs write is 128 bytes apart, because
// CPUs fetch cache lines in pairs.
const (
	headerSize = 4096 // the ring starts here

	ringMagic   = 0x474e5248 // "HRNG", little-endian
	ringVersion = 1
)

// header lies over the start of a window's memory. Its offsets are the layout of spec.md, checked by a test. Whoever is not
// the owner of a word believes nothing that it reads there.
type header struct {
	magic      atomic.Uint32 // 0: ringMagic, written by the server before the client sees the memory
	version    atomic.Uint32 // 4: ringVersion
	size       atomic.Uint64 // 8: bytes of the ring
	generation atomic.Uint64 // 16: 0, and not looked at
	_          [104]byte
	tail       atomic.Uint64 // 128: written by the writer: bytes ever published
	_          [120]byte
	head       atomic.Uint64 // 256: written by the reader: bytes ever taken
	_          [120]byte
	asleep     atomic.Uint32 // 384: set by the reader, cleared by whoever takes on to ring its doorbell
	_          [124]byte
	want       atomic.Uint64 // 512: set by a writer that waits for room: the head that it needs; 0 for nobody
	_          [120]byte
}

// newWindow lays a window over mem, which is page-aligned (or at least cache-line-aligned) memory of headerSize plus
// the ring's size, a power of two. The caller keeps mem's memory alive for as long as the window is in use.
func newWindow(mem []byte) (*window, error) {
	size := len(mem) - headerSize
	base := unsafe.Pointer(unsafe.SliceData(mem))
	if size < frameAlign || size&(size-1) != 0 || uintptr(base)%frameAlign != 0 {
		return nil, fmt.Errorf("a window can't lie over %d bytes at %p", len(mem), base)
	}
	return &window{header: (*header)(base), data: mem[headerSize:], size: uint64(size)}, nil
}
