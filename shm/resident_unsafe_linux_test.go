package shm_test

import (
	"os"
	"testing"
	"unsafe"

	"golang.org/x/sys/unix"
)

// resident returns how many bytes of mapped memory exist, used by whatever process.
func resident(t testing.TB, mem []byte) int {
	t.Helper()
	page := os.Getpagesize()
	pages := make([]byte, (len(mem)+page-1)/page)
	if _, _, errno := unix.Syscall(unix.SYS_MINCORE, uintptr(unsafe.Pointer(unsafe.SliceData(mem))), uintptr(len(mem)),
		uintptr(unsafe.Pointer(unsafe.SliceData(pages)))); errno != 0 {
		t.Fatal(os.NewSyscallError("mincore", errno))
	}
	n := 0
	for _, p := range pages {
		n += int(p&1) * page
	}
	return n
}
