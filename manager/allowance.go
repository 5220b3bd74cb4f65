package manager

import (
	"fmt"
	"math"
	"regexp"
	"strconv"
	"strings"

	"hotline/internal/worker"
	"hotline/manager/internal/launch"
)

// Limits are what the workers of a section run as, and what each of them may use. The zero value is: as the manager does.
// They are applied to every process of the section before its program begins, and a process that they can't be applied
// to is not started.
type Limits struct {
	User    string            // name or number
	Group   string            // name or number; the user's own by default
	EnvFile string            // absolute path of a file of NAME=value lines, read at every start; empty for none
	Env     map[string]string // by name; goes before EnvFile, which goes before the manager's environment
	WorkDir string            // absolute; Config.Dir by default
	Nice    int               // -20 to 19; 0 for the manager's own

	// Rlimits are the soft and hard limits of a process, by name: "nofile", "core", "memlock", "as". Unlimited is
	// none.
	Rlimits map[string]uint64

	CPUMax    float64 // cores, by a cgroup of the worker's own; 0 for no limit
	MemoryMax int64   // bytes, by the same; 0 for no limit
}

// Unlimited is the value of a limit in [Limits] that is none.
const Unlimited = launch.Unlimited

// Ranges of the keys.
const (
	maxNoFile    = 1 << 30 // the kernel's own bound is fs.nr_open, this one keeps typing mistakes out
	maxCores     = 4096
	minCores     = 0.01    // of cpu.max: one millisecond in a period of a hundred
	minAddresses = 1 << 20 // bytes of address space: less takes no program
)

const envPrefix = "env."

// limitKeys returns the keys of Limits, without those of Env.
func limitKeys() []serviceKey {
	return []serviceKey{
		{name: "user", about: "name or number; default: the manager's; whom the workers run as", set: func(s *Service, _, value string) (err error) {
			s.Limits.User, err = parseAccount(value)
			return err
		}},
		{name: "group", about: "name or number; default: the user's", set: func(s *Service, _, value string) (err error) {
			s.Limits.Group, err = parseAccount(value)
			return err
		}},
		{name: "env_file", about: "file of NAME=value lines, read at every start of a worker; env.NAME = value goes before it",
			set: func(s *Service, dir, value string) (err error) {
				s.Limits.EnvFile, err = parsePath(dir, value)
				return err
			}},
		{name: "work_dir", about: "directory that the workers begin in; default: that of this file", set: func(s *Service, dir, value string) (err error) {
			s.Limits.WorkDir, err = parsePath(dir, value)
			return err
		}},
		intKey("nice", onRestart, -20, 19, "-20 to 19; default: 0, the manager's", func(s *Service) *int { return &s.Limits.Nice }),
		rlimitKey("nofile", "8 to 1073741824, or unlimited; default: the manager's; open files", func(value string) (uint64, error) {
			n, err := parseNumber(value, 8, maxNoFile)
			return uint64(n), err
		}),
		rlimitKey("core", "bytes, or unlimited; default: the manager's; size of a core file", func(value string) (uint64, error) {
			return parseBytes(value, 0)
		}),
		rlimitKey("memlock", "bytes, or unlimited; default: the manager's; locked memory", func(value string) (uint64, error) {
			return parseBytes(value, 0)
		}),
		rlimitKey("as", "bytes, at least 1048576, or unlimited; default: the manager's; address space", func(value string) (uint64, error) {
			return parseBytes(value, minAddresses)
		}),
		{name: "cpu_max", about: "cores, 0.01 to 4096, such as 0.5 or 50%; default: no limit", set: func(s *Service, _, value string) (err error) {
			s.Limits.CPUMax, err = parseCores(value)
			return err
		}},
		{name: "memory_max", about: "bytes, at least 1048576, such as 512M; default: no limit; a worker that takes more is killed",
			set: func(s *Service, _, value string) error {
				bytes, err := parseBytes(value, minMemBytes)
				s.Limits.MemoryMax = int64(bytes)
				return err
			}},
	}
}

// rlimitKey is the key of one of Rlimits.
func rlimitKey(name, about string, parse func(string) (uint64, error)) serviceKey {
	return serviceKey{name: "rlimit_" + name, about: about, set: func(s *Service, _, value string) error {
		n := uint64(Unlimited)
		if value != "unlimited" {
			var err error
			if n, err = parse(value); err != nil {
				return fmt.Errorf("%w, or unlimited", err)
			}
		}
		if s.Limits.Rlimits == nil {
			s.Limits.Rlimits = map[string]uint64{}
		}
		s.Limits.Rlimits[name] = n
		return nil
	}}
}

// isEnvKey reports whether a key is env.NAME, whatever NAME is.
func isEnvKey(key string) bool { return strings.HasPrefix(key, envPrefix) }

// envKey is a key that is env.NAME.
func envKey(key string) serviceKey {
	return serviceKey{name: key, secret: true, set: func(s *Service, _, value string) error {
		name := strings.TrimPrefix(key, envPrefix)
		if err := checkVariable(name); err != nil {
			return err
		}
		if s.Limits.Env == nil {
			s.Limits.Env = map[string]string{}
		}
		s.Limits.Env[name] = value
		return nil
	}}
}

var variablePattern = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_]*$`)

// checkVariable reports why a file may not set an environment variable of that name.
func checkVariable(name string) error {
	switch {
	case !variablePattern.MatchString(name):
		return fmt.Errorf("%q is not the name of an environment variable: use letters, digits and '_'", name)
	case name == worker.Env || name == launch.Env || name == "HOTLINE_DIR":
		return fmt.Errorf("the manager itself sets %s for its workers: remove the line", name)
	}
	return nil
}

// accountPattern is the name of a user or group, or its number.
var accountPattern = regexp.MustCompile(`^([A-Za-z_][A-Za-z0-9_.-]{0,62}\$?|[0-9]{1,10})$`)

// parseAccount returns the name or number of a user or group. Whether there is one, the machine that runs it knows.
func parseAccount(value string) (string, error) {
	if !accountPattern.MatchString(value) {
		return "", fmt.Errorf("%q is neither the name nor the number of an account", value)
	}
	if n, err := strconv.ParseUint(value, 10, 64); err == nil && n >= math.MaxUint32 {
		return "", fmt.Errorf("%s is out of range: the numbers of accounts go to %d", value, uint32(math.MaxUint32-1))
	}
	return value, nil
}

var bytesPattern = regexp.MustCompile(`^([0-9]{1,19}) ?([KMGT]?)(i?B)?$`)

// parseBytes reads a number of bytes, with a unit of 1,024 of the one before it.
func parseBytes(value string, low uint64) (uint64, error) {
	const high = 1 << 62
	m := bytesPattern.FindStringSubmatch(value)
	if m == nil {
		return 0, fmt.Errorf("%q is no number of bytes: write one such as 512M, 2G or 1073741824", value)
	}
	n, err := strconv.ParseUint(m[1], 10, 64)
	shift := map[string]uint{"": 0, "K": 10, "M": 20, "G": 30, "T": 40}[m[2]]
	if err != nil || n > high>>shift || n<<shift < low {
		return 0, fmt.Errorf("%s is out of range: write a number of bytes from %d to %d", value, low, int64(high))
	}
	return n << shift, nil
}

// parseCores reads a share of the machine's cores: 1.5, or 150%.
func parseCores(value string) (float64, error) {
	number, isPercent := strings.CutSuffix(value, "%")
	n, err := strconv.ParseFloat(strings.TrimSpace(number), 64)
	if err != nil || math.IsNaN(n) {
		return 0, fmt.Errorf("%q is no number of cores: write one such as 0.5, 2 or 150%%", value)
	}
	if isPercent {
		n /= 100
	}
	if n < minCores || n > maxCores {
		return 0, fmt.Errorf("%s is out of range: write a number of cores from %v to %d", value, minCores, maxCores)
	}
	return n, nil
}
