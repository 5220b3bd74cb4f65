package spin

import (
	"bytes"
	"math"
	"os"
	"path"
	"strconv"
	"strings"
)

// quota returns the CPU quota of this process's control groups, the tightest of the whole way up, or infinity. What
// can't be read doesn't count: a container often sees only its own part of the tree.
func quota() float64 {
	groups, err := os.ReadFile("/proc/self/cgroup")
	if err != nil {
		return math.Inf(1)
	}
	return quotaUnder("/sys/fs/cgroup", groups)
}

// quotaUnder is quota for the control groups listed in groups, in the format of /proc/PID/cgroup (cgroups(7)), with the
// hierarchies mounted in their usual places under root.
func quotaUnder(root string, groups []byte) float64 {
	least := math.Inf(1)
	for line := range bytes.Lines(groups) {
		_, rest, _ := strings.Cut(strings.TrimSuffix(string(line), "\n"), ":")
		controllers, group, _ := strings.Cut(rest, ":")
		switch {
		case controllers == "":
			least = min(least, quotaUp(root, group, quotaV2), quotaUp(path.Join(root, "unified"), group, quotaV2))
		case strings.Contains(","+controllers+",", ",cpu,"):
			least = min(least, quotaUp(path.Join(root, controllers), group, quotaV1), quotaUp(path.Join(root, "cpu"), group, quotaV1))
		}
	}
	return least
}

// quotaUp returns the least quota of group and of all groups above it.
func quotaUp(mount, group string, read func(dir string) float64) float64 {
	least := math.Inf(1)
	for group = path.Clean("/" + group); ; group = path.Dir(group) {
		least = min(least, read(path.Join(mount, group)))
		if group == "/" {
			return least
		}
	}
}

// quotaV2 reads cpu.max: "max 100000" or "150000 100000", quota and period in microseconds.
func quotaV2(dir string) float64 {
	text, err := os.ReadFile(path.Join(dir, "cpu.max"))
	if err != nil {
		return math.Inf(1)
	}
	fields := strings.Fields(string(text))
	if len(fields) != 2 {
		return math.Inf(1)
	}
	return ratio(fields[0], fields[1])
}

// quotaV1 reads the same of the first version of control groups, where a quota of -1 is none.
func quotaV1(dir string) float64 {
	quota, err := os.ReadFile(path.Join(dir, "cpu.cfs_quota_us"))
	if err != nil {
		return math.Inf(1)
	}
	period, err := os.ReadFile(path.Join(dir, "cpu.cfs_period_us"))
	if err != nil {
		return math.Inf(1)
	}
	return ratio(strings.TrimSpace(string(quota)), strings.TrimSpace(string(period)))
}

// ratio divides two positive numbers; anything else is no quota.
func ratio(quota, period string) float64 {
	q, err := strconv.ParseFloat(quota, 64)
	if err != nil || !(q > 0) {
		return math.Inf(1)
	}
	p, err := strconv.ParseFloat(period, 64)
	if err != nil || !(p > 0) {
		return math.Inf(1)
	}
	return q / p
}
