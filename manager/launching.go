package manager

import (
	"errors"
	"fmt"
	"os"
	"os/exec"

	"hotline/manager/internal/launch"
)

// identity returns whom the section's workers run as; see [launch.Lookup].
func (s *Service) identity() (*launch.Identity, error) {
	id, err := launch.Lookup(s.Limits.User, s.Limits.Group)
	return id, s.atKey(err)
}

// atKey returns what package launch could not do, with its place in the file. A nil error is nil.
func (s *Service) atKey(err error) error {
	if failed := new(launch.Error); errors.As(err, &failed) {
		return s.errorAt(failed.Key, failed.Err)
	}
	return err
}

// limited makes cmd, which is complete but for its variables, a process that is limited as its section says. entry is one
// more of its environment.
func (c *command) limited(cmd *exec.Cmd, entry string) (*launch.Launch, error) {
	s, limits := c.service, &c.service.Limits
	id, err := s.identity()
	if err != nil {
		return nil, err
	}
	if cmd.Env, err = s.environ(c.env, id); err != nil {
		return nil, err
	}
	cmd.Env = append(cmd.Env, entry)
	if limits.WorkDir != "" {
		cmd.Dir = limits.WorkDir
	}
	if err := s.checkPlaces(id, cmd.Dir, c.path); err != nil {
		return nil, err
	}
	l, err := launch.Prepare(cmd, &launch.Settings{Identity: id, Nice: limits.Nice, Rlimits: limits.Rlimits,
		CPUMax: limits.CPUMax, MemoryMax: limits.MemoryMax, Name: s.Section})
	return l, s.atKey(err)
}

// checkPlaces reports a directory or a program that a worker of this user will not get at, with the key that it is by.
func (s *Service) checkPlaces(id *launch.Identity, dir, path string) error {
	info, err := os.Stat(dir)
	switch {
	case err != nil:
		return s.errorAt("work_dir", fmt.Errorf("there is no directory %s: %w: make it, or name another", dir, errors.Unwrap(err)))
	case !info.IsDir():
		return s.errorAt("work_dir", fmt.Errorf("%s is no directory: name the one that the service is to begin in", dir))
	}
	if err := id.CheckReach(dir); err != nil {
		return s.errorAt("work_dir", fmt.Errorf("the service is to begin in %s: %w", dir, err))
	}
	if err := id.CheckReach(path); err != nil {
		return s.errorAt("user", fmt.Errorf("the program is %s: %w", path, err))
	}
	return nil
}
