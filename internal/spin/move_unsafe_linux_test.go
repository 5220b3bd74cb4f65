package spin

import (
	"runtime"
	"testing"
	"unsafe"

	"golang.org/x/sys/unix"
)

// TestMove: the thread goes to another CPU, and may run on the same ones as before.
func TestMove(t *testing.T) {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	affinity := func() (all unix.CPUSet) {
		if err := unix.SchedGetaffinity(0, &all); err != nil {
			t.Fatal(err)
		}
		return all
	}
	here := func() (cpu uint32) {
		if _, _, errno := unix.RawSyscall(unix.SYS_GETCPU, uintptr(unsafe.Pointer(&cpu)), 0, 0); errno != 0 {
			t.Fatal(errno)
		}
		return cpu
	}
	before := affinity()
	moved := false
	for range 1000 { // the kernel may move it back at any moment
		from := here()
		move()
		moved = moved || here() != from
	}
	if affinity() != before {
		t.Errorf("the affinity was %v and is %v", before, affinity())
	}
	if before.Count() > 1 && !moved {
		t.Error("the thread is where it was")
	}
}
