package manager

import (
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"slices"
	"strings"

	"github.com/joho/godotenv"

	"hotline/internal/worker"
	"hotline/manager/internal/launch"
)

// maxEnvFile bounds the size of an env_file, in bytes.
const maxEnvFile = 1 << 20

// managerVariables are what is said to the manager alone: a worker that heard it would take itself for the manager.
func managerVariables() []string {
	return []string{worker.Env, launch.Env, "HOTLINE_DIR", "NOTIFY_SOCKET", "LISTEN_PID", "LISTEN_FDS", "LISTEN_FDNAMES",
		"WATCHDOG_PID", "WATCHDOG_USEC"}
}

// baseEnviron returns the manager's environment as far as it is for workers.
func baseEnviron() []string {
	return slices.DeleteFunc(os.Environ(), func(entry string) bool {
		name, _, _ := strings.Cut(entry, "=")
		return slices.Contains(managerVariables(), name)
	})
}

// environ returns an environment with what the section's keys and its user add. env_file is read here, at every start.
func (s *Service) environ(base []string, id *launch.Identity) ([]string, error) {
	added := map[string]string{}
	maps.Copy(added, id.Environ())
	if s.Limits.EnvFile != "" {
		from, err := readEnvFile(s.Limits.EnvFile)
		if err != nil {
			return nil, s.errorAt("env_file", err)
		}
		maps.Copy(added, from)
	}
	maps.Copy(added, s.Limits.Env)
	all := slices.DeleteFunc(slices.Clone(base), func(entry string) bool {
		name, _, _ := strings.Cut(entry, "=")
		_, replaced := added[name]
		return replaced || name == "XDG_RUNTIME_DIR" && id.Foreign() // which no other user may use
	})
	for _, name := range slices.Sorted(maps.Keys(added)) {
		all = append(all, name+"="+added[name])
	}
	return all, nil
}

// readEnvFile reads a file of NAME=value lines. What is wrong is said without the text of the file, which may be secret.
func readEnvFile(path string) (map[string]string, error) {
	info, err := os.Stat(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil, fmt.Errorf("there is no file %s: write it, or remove the key", path)
	case err != nil:
		return nil, err
	case !info.Mode().IsRegular():
		return nil, fmt.Errorf("%s is no regular file: name a file of NAME=value lines", path)
	case info.Size() > maxEnvFile:
		return nil, fmt.Errorf("%s has %d bytes, a file of variables has at most %d", path, info.Size(), maxEnvFile)
	}
	data, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	vars, err := godotenv.UnmarshalBytes(data)
	if err != nil {
		return nil, fmt.Errorf("%s is no file of NAME=value lines: %w", path, withoutQuote(err))
	}
	for _, name := range slices.Sorted(maps.Keys(vars)) {
		if err := checkVariable(name); err != nil {
			return nil, fmt.Errorf("%s: %w", path, err)
		}
		if strings.ContainsRune(vars[name], 0) {
			return nil, fmt.Errorf("%s: the value of %s has a zero byte in it, which no environment can hold", path, name)
		}
	}
	return vars, nil
}

// withoutQuote returns what the parser said, without what it quotes of the file.
func withoutQuote(err error) error {
	const unterminated = "unterminated quoted value"
	text, _, _ := strings.Cut(err.Error(), ` near "`)
	if strings.HasPrefix(text, unterminated) {
		text = unterminated
	}
	return errors.New(text)
}
