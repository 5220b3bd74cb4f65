package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"time"
)

// errSkipped says that conditions can't be had on this machine.
var errSkipped = errors.New("skipped")

// withHogs keeps two cores busy beside what is measured.
func withHogs(ctx context.Context, l *launcher) (func(), error) {
	var hogs []*process
	undo := func() {
		for _, h := range hogs {
			h.end()
		}
	}
	for range 2 {
		h, err := l.start(ctx, roleHog)
		if err != nil {
			undo()
			return nil, err
		}
		hogs = append(hogs, h)
	}
	return undo, nil
}

// withOneProc lets each Go process run on one core at a time.
func withOneProc(_ context.Context, l *launcher) (func(), error) {
	l.env = append(l.env, "GOMAXPROCS=1")
	return func() {}, nil
}

// cgroups are where a group with a CPU quota is made: the file system, and what the quota of one core is written as.
var cgroups = []struct {
	root, probe string // the group of all, and a file that is there if it can have quotas
	files       [][2]string
}{
	{"/sys/fs/cgroup", "cgroup.controllers", [][2]string{{"cpu.max", "100000 100000"}}},
	{"/sys/fs/cgroup/cpu", "cpu.cfs_quota_us", [][2]string{{"cpu.cfs_period_us", "100000"}, {"cpu.cfs_quota_us", "100000"}}},
}

// withQuota puts all processes of the measurement into a group that may use one core in all. Where that is not
// permitted the error is errSkipped.
func withQuota(_ context.Context, l *launcher) (func(), error) {
	var why error = fmt.Errorf("no file system of cgroups is at /sys/fs/cgroup")
	for _, g := range cgroups {
		if _, err := os.Stat(filepath.Join(g.root, g.probe)); err != nil {
			continue
		}
		dir := filepath.Join(g.root, "hotline-bench-"+strconv.Itoa(os.Getpid()))
		if why = os.Mkdir(dir, 0o755); why != nil {
			continue
		}
		for _, f := range g.files {
			if why == nil {
				why = os.WriteFile(filepath.Join(dir, f[0]), []byte(f[1]), 0o644)
			}
		}
		if why != nil {
			os.Remove(dir)
			continue
		}
		l.cgroup = filepath.Join(dir, "cgroup.procs")
		return func() { removeGroup(dir) }, nil
	}
	return nil, fmt.Errorf("%w: a CPU quota can't be set here: %w", errSkipped, why)
}

// removeGroup removes a group when its last process is gone.
func removeGroup(dir string) {
	for end := time.Now().Add(endWait); os.Remove(dir) != nil && time.Now().Before(end); {
		time.Sleep(10 * time.Millisecond)
	}
}
