package spin

import (
	"math"
	"os"
	"path/filepath"
	"testing"
)

func TestQuota(t *testing.T) {
	inf := math.Inf(1)
	for _, c := range []struct {
		name   string
		groups string
		files  map[string]string
		want   float64
	}{
		{"nothing", "0::/\n", nil, inf},
		{"no quota", "0::/a\n", map[string]string{"a/cpu.max": "max 100000\n"}, inf},
		{"one and a half", "0::/a\n", map[string]string{"a/cpu.max": "150000 100000\n"}, 1.5},
		{"of a group above", "0::/a/b\n", map[string]string{"a/b/cpu.max": "400000 100000\n", "a/cpu.max": "200000 100000\n"}, 2},
		{"of the root in a container", "0::/\n", map[string]string{"cpu.max": "100000 100000\n"}, 1},
		{"seen from a container by its outer name", "0::/docker/x\n", map[string]string{"cpu.max": "50000 100000\n"}, 0.5},
		{"beside version 1", "0::/a\n", map[string]string{"unified/a/cpu.max": "300000 100000\n"}, 3},
		{"version 1", "4:cpu,cpuacct:/a\n", map[string]string{"cpu,cpuacct/a/cpu.cfs_quota_us": "100000\n", "cpu,cpuacct/a/cpu.cfs_period_us": "50000\n"}, 2},
		{"version 1, linked", "4:cpu,cpuacct:/a\n", map[string]string{"cpu/a/cpu.cfs_quota_us": "25000\n", "cpu/a/cpu.cfs_period_us": "50000\n"}, 0.5},
		{"version 1, none", "4:cpu:/a\n", map[string]string{"cpu/a/cpu.cfs_quota_us": "-1\n", "cpu/a/cpu.cfs_period_us": "50000\n"}, inf},
		{"another controller", "3:cpuset:/a\n", map[string]string{"cpuset/a/cpu.cfs_quota_us": "1\n", "cpuset/a/cpu.cfs_period_us": "50000\n"}, inf},
		{"garbage", "0::/a\nx\n\n::::\n", map[string]string{"a/cpu.max": "lots of it\n"}, inf},
		{"more garbage", "0::/../../a\n", map[string]string{"a/cpu.max": "NaN 0\n"}, inf},
	} {
		root := t.TempDir()
		for name, text := range c.files {
			name = filepath.Join(root, name)
			if err := os.MkdirAll(filepath.Dir(name), 0o700); err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		if got := quotaUnder(root, []byte(c.groups)); got != c.want {
			t.Errorf("%s: got %v, want %v", c.name, got, c.want)
		}
	}
}
