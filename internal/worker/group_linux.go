package worker

import (
	"os"
	"slices"
	"time"

	"hotline/internal/procstat"
)

// alone reports whether no other process of this process's group runs. Where that can't be read it is taken for alone.
func alone() bool {
	own := os.Getpid()
	return !slices.ContainsFunc(procstat.All(), func(p procstat.Process) bool {
		return p.Group == own && p.PID != own && !p.Ended()
	})
}

// awaitAlone returns when the process is alone.
func awaitAlone() {
	for !alone() {
		time.Sleep(10 * time.Millisecond)
	}
}
