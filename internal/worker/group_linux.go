package worker

import (
	"bytes"
	"os"
	"path/filepath"
	"strconv"
	"time"
)

// alone reports whether no other process of this process's group runs. Where that can't be read it is taken for alone.
func alone() bool {
	all, _ := filepath.Glob("/proc/[0-9]*") // the pattern is right
	own := strconv.Itoa(os.Getpid())
	for _, dir := range all {
		stat, err := os.ReadFile(filepath.Join(dir, "stat"))
		if err != nil || filepath.Base(dir) == own {
			continue // it has ended
		}
		// After the name, which may have anything in it, come the state, the parent and the group.
		f := bytes.Fields(stat[bytes.LastIndexByte(stat, ')')+1:])
		if len(f) > 2 && string(f[2]) == own && f[0][0] != 'Z' && f[0][0] != 'X' {
			return false
		}
	}
	return true
}

// awaitAlone returns when the process is alone.
func awaitAlone() {
	for !alone() {
		time.Sleep(10 * time.Millisecond)
	}
}
