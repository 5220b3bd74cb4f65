package doctor

import (
	"fmt"
	"os"
	"strings"

	"hotline/internal/procstat"
	"hotline/internal/worker"
	"hotline/registry"
)

// workers looks at the living instances of a directory that a manager has started. manager is the pid of the one that runs, 0 if
// none does.
func (f *Facts) workers(dir string, manager int, all []registry.Instance) {
	seen := map[int]bool{}
	own, err := os.Readlink("/proc/self/ns/net")
	for _, i := range all {
		if seen[i.PID] || !isWorkerOf(dir, i.PID) {
			continue
		}
		seen[i.PID] = true
		who := fmt.Sprintf("pid %d, which serves %s on port %s", i.PID, i.Key(), i.Port)
		if p, err := procstat.Read(i.PID); err == nil && p.Parent != manager {
			f.Orphans = append(f.Orphans, who)
		}
		if net, err2 := os.Readlink(fmt.Sprintf("/proc/%d/ns/net", i.PID)); err == nil && err2 == nil && net != own {
			f.OtherNets = append(f.OtherNets, who)
		}
	}
}

// isWorkerOf reports whether a process was started as a worker for a runtime directory. An instance's pid may be that of
// another process here, if it was written in another namespace.
func isWorkerOf(dir string, pid int) bool {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/environ", pid))
	if err != nil {
		return false
	}
	started, here := false, false
	for entry := range strings.SplitSeq(string(text), "\x00") {
		started = started || strings.HasPrefix(entry, worker.Env+"=")
		home, ok := strings.CutPrefix(entry, "HOTLINE_DIR=")
		here = here || ok && (home == dir || strings.HasPrefix(home, dir+"/")) // below it are those of other users
	}
	return started && here
}
