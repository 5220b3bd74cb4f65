package spin

import "runtime"

// CPUs returns how many CPUs this process can really use at once: the least of its affinity, its cgroups' CPU quota,
// which may be a fraction, and GOMAXPROCS. It reads files: call it once, not per wait.
func CPUs() float64 {
	n := float64(min(runtime.NumCPU(), runtime.GOMAXPROCS(0)))
	return min(n, quota())
}
