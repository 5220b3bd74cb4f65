package launch

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"

	"hotline/internal/procstat"
)

// Cgroup is a cgroup, of version 2, that holds one worker and what it starts. It is made before the worker and removed
// after it. A nil *Cgroup is none, and can be removed.
//
// It stands beside others in the cgroup that was delegated to the manager, which is the one that the manager was started
// in. A cgroup that has limits for its children may hold no process itself, so the manager moves into a child, too.
type Cgroup struct{ path string }

const (
	cgroupPrefix  = "hotline-"        // of the names of workers' cgroups; then the manager's pid
	cgroupManager = "hotline.manager" // the child that the manager moves into
	cpuPeriod     = 100_000           // microseconds; what the kernel has by default
)

// cgroupMend says how a manager gets a cgroup of its own.
const cgroupMend = "start the manager in a cgroup of its own that is delegated to it: Delegate=cpu memory in its systemd " +
	"unit, or systemd-run --scope -p Delegate=yes hotline serve …; or remove the key"

// newCgroup makes the cgroup of a process.
func newCgroup(s *Settings) (*Cgroup, error) {
	settings, key := map[string]string{}, "cpu_max"
	var controllers []string
	if n := s.CPUMax; n > 0 {
		controllers = append(controllers, "cpu")
		settings["cpu.max"] = fmt.Sprintf("%.0f %d", n*cpuPeriod, cpuPeriod)
	}
	if n := s.MemoryMax; n > 0 {
		key = "memory_max"
		controllers = append(controllers, "memory")
		settings["memory.max"], settings["memory.oom.group"] = strconv.FormatInt(n, 10), "1"
	}
	g, err := makeCgroup(controllers, s.Name)
	if err != nil {
		return nil, &Error{key, fmt.Errorf("%w: %s", err, cgroupMend)}
	}
	for file, value := range settings {
		if err := os.WriteFile(filepath.Join(g.path, file), []byte(value), 0); err != nil {
			g.Remove()
			return nil, &Error{key, fmt.Errorf("limit the worker's cgroup: %w", err)}
		}
	}
	return g, nil
}

// makeCgroup makes an empty cgroup that has the controllers.
func makeCgroup(controllers []string, name string) (*Cgroup, error) {
	base, err := Delegated(controllers)
	if err != nil {
		return nil, err
	}
	sweepCgroups(base)
	path, err := os.MkdirTemp(base, fmt.Sprintf("%s%d-%s-", cgroupPrefix, os.Getpid(), name))
	if err != nil {
		return nil, err
	}
	return &Cgroup{path}, nil
}

// Delegated returns the directory of the cgroup that the caller's process was started in, with the controllers enabled for its
// children. Where the process is in that cgroup itself, it moves into a child.
func Delegated(controllers []string) (string, error) {
	base, err := delegated()
	if err != nil {
		return "", err
	}
	return base, enableControllers(base, controllers)
}

// delegated returns that directory.
func delegated() (string, error) {
	mounts, err := os.ReadFile("/proc/self/mountinfo")
	if err != nil {
		return "", fmt.Errorf("find the cgroups: %w", err)
	}
	own, err := os.ReadFile("/proc/self/cgroup")
	if err != nil {
		return "", fmt.Errorf("find the manager's cgroup: %w", err)
	}
	return delegatedIn(string(mounts), string(own))
}

// delegatedIn is delegated by the text of the two files.
func delegatedIn(mounts, own string) (string, error) {
	at := ""
	for line := range strings.Lines(own) {
		if path, ok := strings.CutPrefix(strings.TrimSpace(line), "0::"); ok {
			at = path
		}
	}
	for line := range strings.Lines(mounts) {
		before, after, _ := strings.Cut(line, " - ")
		fields, kind := strings.Fields(before), strings.Fields(after)
		if len(fields) < 5 || len(kind) == 0 || kind[0] != "cgroup2" || at == "" {
			continue
		}
		inside, err := filepath.Rel(fields[3], at) // the mount may show a part of the tree
		if err != nil || strings.HasPrefix(inside, "..") {
			continue
		}
		path := filepath.Join(fields[4], inside)
		if filepath.Base(path) == cgroupManager {
			path = filepath.Dir(path)
		}
		return path, nil
	}
	return "", errors.New("no cgroup of version 2 is mounted here that the manager is in")
}

// enableControllers makes the controllers count for the children of base.
func enableControllers(base string, controllers []string) error {
	there, err := readWords(filepath.Join(base, "cgroup.controllers"))
	if err != nil {
		return err
	}
	control := filepath.Join(base, "cgroup.subtree_control")
	enabled, err := readWords(control)
	if err != nil {
		return err
	}
	for _, c := range controllers {
		if !slices.Contains(there, c) {
			return fmt.Errorf("the manager's cgroup, %s, has no %s controller", base, c)
		}
		if slices.Contains(enabled, c) {
			continue
		}
		err := os.WriteFile(control, []byte("+"+c), 0)
		if errors.Is(err, syscall.EBUSY) {
			if err = leaveCgroup(base); err == nil {
				err = os.WriteFile(control, []byte("+"+c), 0)
			}
		}
		if err != nil {
			return fmt.Errorf("limit by the manager's cgroup: %w", err)
		}
	}
	return nil
}

// leaveCgroup moves the manager and what it started out of base into a cgroup below it. Processes of others are not moved.
func leaveCgroup(base string) error {
	leaf := filepath.Join(base, cgroupManager)
	if err := os.Mkdir(leaf, 0o755); err != nil && !errors.Is(err, fs.ErrExist) {
		return err
	}
	pids, err := readWords(filepath.Join(base, "cgroup.procs"))
	if err != nil {
		return err
	}
	for _, pid := range pids {
		if !isOurs(pid) {
			return fmt.Errorf("process %s, which the manager did not start, is in its cgroup, too", pid)
		}
	}
	for _, pid := range pids {
		err := os.WriteFile(filepath.Join(leaf, "cgroup.procs"), []byte(pid), 0)
		if err != nil && !errors.Is(err, syscall.ESRCH) { // ended meanwhile
			return err
		}
	}
	return nil
}

// isOurs reports whether a process is this one or descends from it, as the children of workers do. One that has ended meanwhile,
// or whose parent has, is taken for one that does.
func isOurs(pid string) bool {
	at, err := strconv.Atoi(pid)
	for err == nil && at != os.Getpid() && at > 0 {
		var p procstat.Process
		p, err = procstat.Read(at)
		at = p.Parent
	}
	return err == nil && at > 0 || errors.Is(err, fs.ErrNotExist) || errors.Is(err, syscall.ESRCH)
}

// sweepCgroups removes the cgroups of managers that were killed. The kernel removes no cgroup that has a process.
func sweepCgroups(base string) {
	left, _ := filepath.Glob(filepath.Join(base, cgroupPrefix+"*"))
	for _, path := range left {
		if !strings.HasPrefix(filepath.Base(path), fmt.Sprintf("%s%d-", cgroupPrefix, os.Getpid())) {
			syscall.Rmdir(path)
		}
	}
}

// procs returns the file by which a process enters.
func (g *Cgroup) procs() string {
	if g == nil {
		return ""
	}
	return filepath.Join(g.path, "cgroup.procs")
}

// Remove kills what is left in the cgroup and removes it. What a kernel before 5.14 leaves in it stays there.
func (g *Cgroup) Remove() {
	if g == nil {
		return
	}
	os.WriteFile(filepath.Join(g.path, "cgroup.kill"), []byte("1"), 0)
	for pause := time.Millisecond; pause < time.Second; pause *= 2 {
		if err := syscall.Rmdir(g.path); err == nil || !errors.Is(err, syscall.EBUSY) {
			return
		}
		time.Sleep(pause) // until the killed are gone
	}
}

func readWords(path string) ([]string, error) {
	data, err := os.ReadFile(path)
	return strings.Fields(string(data)), err
}
