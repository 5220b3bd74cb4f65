package spin

import (
	"runtime"
	"unsafe"

	"golang.org/x/sys/unix"
)

// move makes the kernel put this thread on another CPU than its present one, if it may run on any other. It changes the
// thread's affinity and changes it back, in which time nothing else runs on the thread. It takes some tens of microseconds.
func move() {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	var all unix.CPUSet
	if unix.SchedGetaffinity(0, &all) != nil {
		return
	}
	var cpu uint32
	if _, _, errno := unix.RawSyscall(unix.SYS_GETCPU, uintptr(unsafe.Pointer(&cpu)), 0, 0); errno != 0 {
		return
	}
	others := all
	others.Clear(int(cpu))
	if others.Count() == 0 || unix.SchedSetaffinity(0, &others) != nil {
		return
	}
	_ = unix.SchedSetaffinity(0, &all)
}
