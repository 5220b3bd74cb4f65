package doctor

import (
	"fmt"
	"maps"
	"math"
	"slices"
	"strings"
)

// The limits below which something is said.
const (
	fewFiles  = 1024      // a worker with a few hundred clients has four descriptors for each
	goodFiles = 16384     //
	lowLocked = 64 << 10  // eventfds and rings need none; a service that locks memory does
	lowSpace  = 256 << 20 // bytes, to build in
	noSpace   = 16 << 20  // bytes
)

// neededFor says what does not work without a feature of the kernel. What is not named here is only slower.
var neededFor = map[string]string{
	"memfd_create": "shm:// can't make its memory",
	"futex":        "shm:// and named locks can't wait",
	"eventfd":      "shm:// can't wait",
	"SO_PEERCRED":  "the manager can't tell who asks it, and refuses everybody",
}

// usedFor says in a word what a feature of the kernel is there for.
var usedFor = map[string]string{
	"memfd_create": "memory of shm://", "futex": "waiting", "eventfd": "waiting of many", "SO_PEERCRED": "who asks",
}

func (f *Facts) kernel() Finding {
	if f.OS != "linux" {
		return Finding{"kernel", Warning, fmt.Sprintf("%s %s: shm:// and named locks are for Linux", f.OS, f.Kernel),
			"use unix:// and tcp:// here, or Linux"}
	}
	var major, minor int
	fmt.Sscanf(f.Kernel, "%d.%d", &major, &minor)
	switch {
	case major == 0:
		return Finding{"kernel", Note, fmt.Sprintf("Linux %q: this version can't be read", f.Kernel),
			"see whether uname -r says 3.17 or later, which is what shm:// needs"}
	case major < 3 || major == 3 && minor < 17:
		return Finding{"kernel", Error, fmt.Sprintf("Linux %s has no memfd_create, which came with 3.17", f.Kernel),
			"use a kernel from 3.17 on, or unix:// and tcp:// only"}
	case major < 5:
		return Finding{"kernel", Note, fmt.Sprintf("Linux %s: the tests run on later ones", f.Kernel),
			"nothing needs to be done while services run well; else use a kernel from 5.0 on"}
	}
	return ok("kernel", "Linux %s", f.Kernel)
}

func (f *Facts) features() (all []Finding) {
	var there []string
	for _, name := range slices.Sorted(maps.Keys(f.Features)) {
		err := f.Features[name]
		if err == nil {
			there = append(there, fmt.Sprintf("%s (%s)", name, usedFor[name]))
			continue
		}
		all = append(all, Finding{"kernel: " + name, Error, fmt.Sprintf("it can't be used (%v): %s", err, neededFor[name]),
			"if a seccomp profile or a sandbox forbids it, allow it there; else use another kernel"})
	}
	if len(there) > 0 {
		all = append(all, ok("kernel features", "%s", strings.Join(there, ", ")))
	}
	return all
}

func (f *Facts) cpus() Finding {
	allowed := min(float64(f.CPUs), f.Quota)
	found := fmt.Sprintf("%d CPUs, GOMAXPROCS %d", f.CPUs, f.Procs)
	if !math.IsInf(f.Quota, 1) {
		found += fmt.Sprintf(", the control group allows %.3g", f.Quota)
	}
	switch {
	case f.CPUs < 2:
		return Finding{"cpu", Warning, found + ": two processes can't run at once, so that each call costs two switches",
			"give it two CPUs or more"}
	case f.ProcsSet != "" && float64(f.Procs) > math.Ceil(allowed):
		return Finding{"cpu", Warning, found + ": with more threads than it may use CPUs the kernel stops the whole process for parts of each period",
			fmt.Sprintf("unset GOMAXPROCS (it is %q), or set it to %d", f.ProcsSet, int(math.Max(1, math.Ceil(allowed))))}
	case allowed < 2:
		return Finding{"cpu", Warning, found + ": caller and worker share less than two CPUs", "raise the CPU quota to 2 or more"}
	}
	return ok("cpu", "%s", found)
}

func (f *Facts) files() Finding {
	found := fmt.Sprintf("%s open files, %s at most", limit(f.Files.Soft), limit(f.Files.Hard))
	mend := "raise it: ulimit -n 65536, LimitNOFILE=65536 in a systemd unit, or nofile in /etc/security/limits.conf"
	// A Go program raises its soft limit to the hard one.
	switch most := max(f.Files.Soft, f.Files.Hard); {
	case most < fewFiles:
		return Finding{"open files", Error, found + ": a few hundred clients need more", mend}
	case most < goodFiles:
		return Finding{"open files", Warning, found + ": some thousand clients need more", mend}
	}
	return ok("open files", "%s", found)
}

func limit(n uint64) string {
	if n >= math.MaxInt64 {
		return "unlimited"
	}
	return fmt.Sprint(n)
}

func (f *Facts) locked() Finding {
	if f.Locked.Soft < lowLocked {
		return Finding{"locked memory", Note, bytes(f.Locked.Soft) + ": hotline locks none, a service that does would fail",
			"if a service locks memory: ulimit -l unlimited, or LimitMEMLOCK=infinity in a systemd unit"}
	}
	return ok("locked memory", "%s", bytes(f.Locked.Soft))
}

func (f *Facts) namespaces() Finding {
	if len(f.OtherNets) > 0 {
		return Finding{"namespaces", Note, some(f.OtherNets) + ": in another network namespace than this process",
			"call it by shm:// or unix://, which need the runtime directory alone; its TCP ports are open over there"}
	}
	var own []string
	if f.OwnPIDs {
		own = append(own, "pids")
	}
	if f.OwnUsers {
		own = append(own, "users")
	}
	if len(own) == 0 {
		return ok("namespaces", "those of the machine")
	}
	found := "this process has its own namespace of " + strings.Join(own, " and ") + ": it is in a container"
	return Finding{"namespaces", Note, found,
		"to call services of other containers, share the runtime directory; pids that are shown mean something inside only" +
			map[bool]string{true: ", and both sides need the same user"}[f.OwnUsers]}
}
