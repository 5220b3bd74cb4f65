package spin

import "golang.org/x/sys/unix"

// yield gives the CPU to another process that is ready to run on it, such as the one that we are waiting for. The Go
// scheduler isn't told: a thread that yields is as one that the kernel has preempted, and ready to go on. If it were
// told it would soon start another thread for this one's goroutines, which takes a CPU from one of the two that wait
// for each other.
func yield() { _, _, _ = unix.RawSyscall(unix.SYS_SCHED_YIELD, 0, 0, 0) }
