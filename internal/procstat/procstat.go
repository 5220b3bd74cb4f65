// Package procstat reads what Linux tells of processes in /proc/PID/stat (proc_pid_stat(5)). Elsewhere nothing can be read.
package procstat

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
)

// Process is a process as it was when it was read.
type Process struct {
	PID    int
	State  byte // such as 'R', 'S' or 'Z'
	Parent int  // its pid
	Group  int  // the pid of its group's leader
}

// Ended reports whether all of it that is left is for its parent to wait for.
func (p Process) Ended() bool { return p.State == 'Z' || p.State == 'X' }

// Read returns the process with this pid. It fails where there is none.
func Read(pid int) (Process, error) { return read(fmt.Sprintf("/proc/%d/stat", pid)) }

// read reads the file of a process, or of a thread.
func read(name string) (Process, error) {
	text, err := os.ReadFile(name)
	if err != nil {
		return Process{}, err
	}
	p, err := parse(text)
	if err != nil {
		return Process{}, fmt.Errorf("%s: %w", name, err)
	}
	return p, nil
}

// Stopped reports whether all threads of the process with this pid are stopped by a signal, which takes a moment.
func Stopped(pid int) bool {
	names, _ := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/stat", pid)) // the pattern is right
	for _, name := range names {
		if thread, err := read(name); err != nil || thread.State != 'T' {
			return false
		}
	}
	return len(names) > 0
}

// All returns the processes that can be seen. Those that end meanwhile may be missing.
func All() (all []Process) {
	names, _ := filepath.Glob("/proc/[0-9]*") // the pattern is right
	for _, name := range names {
		pid, err := strconv.Atoi(filepath.Base(name))
		if err != nil {
			continue
		}
		if p, err := Read(pid); err == nil {
			all = append(all, p)
		}
	}
	return all
}

// parse reads the first five fields. The second is the name in parentheses, which may have anything in it.
func parse(text []byte) (p Process, err error) {
	open, end := bytes.IndexByte(text, '('), bytes.LastIndexByte(text, ')')
	if open < 0 || end < open {
		return p, fmt.Errorf("no name in %q", text)
	}
	var state string
	if _, err = fmt.Sscan(string(text[:open]), &p.PID); err == nil {
		_, err = fmt.Sscan(string(text[end+1:]), &state, &p.Parent, &p.Group)
	}
	if err != nil {
		return p, fmt.Errorf("%w in %q", err, text)
	}
	p.State = state[0]
	return p, nil
}
