package spin

import "runtime"

// CPUs returns how many CPUs waits may count on, for [NewGroup]: 1 where this process may run on one only, as then nothing
// that it waits for runs meanwhile. Otherwise it is the least of its affinity, its cgroups' CPU quota, which may be a
// fraction, and GOMAXPROCS, but at least 2: a process that may use one CPU at a time waits for one that has another. It
// reads files: call it once, not per wait.
func CPUs() float64 {
	return countOn(runtime.NumCPU(), runtime.GOMAXPROCS(0), quota())
}

// Quota returns how many CPUs this process's control groups let it use, which may be a fraction, or infinity. It reads files.
func Quota() float64 { return quota() }

func countOn(affinity, procs int, quota float64) float64 {
	if affinity < 2 {
		return 1
	}
	return max(2, min(float64(min(affinity, procs)), quota))
}
