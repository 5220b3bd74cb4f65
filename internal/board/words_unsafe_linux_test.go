package board

import (
	"sync/atomic"
	"unsafe"
)

// unsafeBytes returns the n bytes of a board, and unsafeWords the same as words.
func unsafeBytes(h *header, n int) []byte { return unsafe.Slice((*byte)(unsafe.Pointer(h)), n) }

func unsafeWords(h *header, n int) []atomic.Uint64 {
	return unsafe.Slice((*atomic.Uint64)(unsafe.Pointer(h)), n/8)
}
