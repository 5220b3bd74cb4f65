package spin

import "golang.org/x/sys/unix"

// yield gives the CPU to another process that is ready to run on it, such as the one that we are waiting for.
func yield() { _, _, _ = unix.Syscall(unix.SYS_SCHED_YIELD, 0, 0, 0) }
