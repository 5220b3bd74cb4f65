//go:build linux

package hsem

import (
	"sync/atomic"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// Of linux/futex.h. Without FUTEX_PRIVATE_FLAG the kernel knows the word by its file, and not by its address.
const (
	futexWaitOp = 0
	futexWakeOp = 1
)

// futexWait sleeps while the low half of word is expect, until futexWake or for d. It may return for no reason. It
// keeps a thread.
func futexWait(word *atomic.Uint64, expect uint32, d time.Duration) {
	ts := unix.NsecToTimespec(int64(max(d, 0)))
	_, _, _ = unix.Syscall6(unix.SYS_FUTEX, uintptr(unsafe.Pointer(word)), futexWaitOp, uintptr(expect),
		uintptr(unsafe.Pointer(&ts)), 0, 0)
}

// futexWake ends up to n sleeps, and returns how many it ended.
func futexWake(word *atomic.Uint64, n int) int {
	woken, _, errno := unix.Syscall6(unix.SYS_FUTEX, uintptr(unsafe.Pointer(word)), futexWakeOp, uintptr(n), 0, 0, 0)
	if errno != 0 {
		return 0
	}
	return int(woken)
}
