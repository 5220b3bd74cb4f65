package link

import (
	"strings"
	"unsafe"
)

// freshZeroed is up to where zeroing costs less than to go without.
const freshZeroed = 4 << 10

// newFresh returns memory for the n bytes of a reply, for its caller to keep. Its length is 0, and what lies beyond is
// not zeroed where there is much of it: each byte of a reply is written before anybody sees it, and of a large one
// zeroing took as long as receiving.
//
// A strings.Builder is the one way to such memory. Nobody but us has the string that shares it.
func newFresh(n int) []byte {
	if n <= freshZeroed {
		return make([]byte, 0, n)
	}
	var b strings.Builder
	b.Grow(n)
	b.WriteByte(0) // an empty string need not say where it lies
	return unsafe.Slice(unsafe.StringData(b.String()), n)[:0]
}
