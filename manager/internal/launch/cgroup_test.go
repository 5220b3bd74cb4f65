package launch

import "testing"

func TestDelegatedCgroup(t *testing.T) {
	const mounts = `24 1 0:5 / /proc rw - proc proc rw
30 24 0:26 / /sys/fs/cgroup rw,nosuid shared:4 - cgroup2 cgroup2 rw
`
	const part = `31 24 0:26 /docker/abc /sys/fs/cgroup ro - cgroup2 cgroup rw
`
	for _, c := range []struct{ mounts, own, want string }{
		{mounts, "0::/system.slice/hotline.service\n", "/sys/fs/cgroup/system.slice/hotline.service"},
		{mounts, "5:memory:/x\n0::/a/hotline.manager\n", "/sys/fs/cgroup/a"},
		{mounts, "0::/\n", "/sys/fs/cgroup"},
		{part, "0::/docker/abc/x\n", "/sys/fs/cgroup/x"},
		{part, "0::/elsewhere\n", ""},
		{mounts, "5:memory:/x\n", ""},
		{"", "0::/\n", ""},
	} {
		got, err := delegatedIn(c.mounts, c.own)
		if got != c.want || (err != nil) != (c.want == "") {
			t.Errorf("delegatedIn(%q): got %q, %v, want %q", c.own, got, err, c.want)
		}
	}
}
