// Package doctor looks at a machine for what would keep services from running well, or at all.
//
// [Look] gathers [Facts], and [Facts.Findings] judges them, without another look.
package doctor

import (
	"fmt"
	"io/fs"
	"math"
	"time"
)

// Severity says how bad a finding is.
type Severity string

// The severities.
const (
	OK      Severity = "ok"
	Note    Severity = "note"    // good to know
	Warning Severity = "warning" // it works, worse than it could
	Error   Severity = "error"   // it does not work
)

// Finding is what is to be said of one thing.
type Finding struct {
	Check    string   `json:"check"`
	Severity Severity `json:"severity"`
	Found    string   `json:"found"`
	Mend     string   `json:"mend,omitempty"`
}

// Facts are what is known of a machine, a process on it, and a runtime directory.
type Facts struct {
	OS, Kernel string           // "linux", "6.18.44"
	Features   map[string]error // of the kernel, and why one can't be used

	CPUs       int     // that the process may run on
	Procs      int     // GOMAXPROCS
	ProcsSet   string  // the variable GOMAXPROCS
	Quota      float64 // CPUs that the control groups allow; infinity for all
	Files      Limit   // open files
	Locked     Limit   // bytes of locked memory
	OwnPIDs    bool    // the process has a pid namespace of its own, not the machine's
	OwnUsers   bool    // likewise of users
	Dir        Place   // the runtime directory
	Temporary  Place   // where programs are built
	LongestWay int     // bytes of the longest path of a socket in the runtime directory
	MaxWay     int     // bytes that the system takes

	DirError     error    // why the runtime directory can't be used
	Manager      string   // that runs: pid and file
	ManagerError error    // why one that may run can't be asked
	StaleControl bool     // a control socket is there that nobody listens to
	Orphans      []string // workers that live, and whose manager does not
	OtherNets    []string // workers in another network namespace than this process
	Dead         []string // instances that left files
	DeadError    error    // why those are not known
	OldLogs      []string // logs that nobody has written to for OldAfter
	OldBuilds    []string // what killed managers built
}

// OldAfter is the age at which a log is a leftover.
const OldAfter = 30 * 24 * time.Hour

// Limit is a limit of a process; infinity is [math.MaxUint64].
type Limit struct{ Soft, Hard uint64 }

// Place is a directory.
type Place struct {
	Path   string
	Mode   fs.FileMode // permissions
	System string      // "tmpfs", "ext4", "" where it is not known
	Free   uint64      // bytes; [math.MaxUint64] where it is not known
	NoExec bool        // no program can be run from there
}

// Findings judges the facts. Each thing that was looked at has a finding.
func (f *Facts) Findings() []Finding {
	all := []Finding{f.kernel()}
	if f.OS == "linux" {
		all = append(all, f.features()...)
		all = append(all, f.cpus(), f.locked(), f.namespaces())
	}
	if f.Files.Soft > 0 {
		all = append(all, f.files())
	}
	all = append(all, f.directory()...)
	all = append(all, f.builds(), f.control())
	return append(all, f.leftovers()...)
}

// Worst returns the worst severity of some findings.
func Worst(findings []Finding) Severity {
	worst := OK
	rank := map[Severity]int{OK: 0, Note: 1, Warning: 2, Error: 3}
	for _, f := range findings {
		if rank[f.Severity] > rank[worst] {
			worst = f.Severity
		}
	}
	return worst
}

func ok(check, format string, args ...any) Finding {
	return Finding{Check: check, Severity: OK, Found: fmt.Sprintf(format, args...)}
}

// bytes returns a number of bytes for people.
func bytes(n uint64) string {
	switch {
	case n == math.MaxUint64:
		return "unlimited"
	case n >= 1<<30:
		return fmt.Sprintf("%.1f GiB", float64(n)/(1<<30))
	case n >= 1<<20:
		return fmt.Sprintf("%.1f MiB", float64(n)/(1<<20))
	}
	return fmt.Sprintf("%d KiB", n>>10)
}
