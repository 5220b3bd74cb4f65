package load

import (
	"bytes"
	"fmt"
	"os"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// processTime returns the CPU time that a process has used, in user and kernel mode: what getrusage tells of its own
// process, for any, in nanoseconds. 0 is this process. See clock_getcpuclockid(3).
func processTime(pid int) time.Duration {
	const process = 2 // CPUCLOCK_SCHED, of all threads
	var t unix.Timespec
	if err := unix.ClockGettime(int32(^pid<<3|process), &t); err != nil {
		return 0
	}
	return time.Duration(t.Nano())
}

// Ticks returns the CPU time of a process as /proc/pid/stat counts it, in hundredths of a second.
func Ticks(pid int) (int64, error) {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return 0, err
	}
	// The name of the program is in parentheses, and may hold any character; see proc_pid_stat(5).
	fields := strings.Fields(string(text[bytes.LastIndexByte(text, ')')+1:]))
	const user, system = 11, 12 // utime and stime, counted from the state
	if len(fields) <= system {
		return 0, fmt.Errorf("/proc/%d/stat has %d fields only", pid, len(fields))
	}
	u, err := strconv.ParseInt(fields[user], 10, 64)
	if err != nil {
		return 0, err
	}
	s, err := strconv.ParseInt(fields[system], 10, 64)
	return u + s, err
}
