//go:build !linux

package launch

import (
	"errors"
	"os"
)

// supported is nil where launchers work.
func supported() error {
	return errors.New("user, group, nice, the limits and the cgroup keys are for Linux: remove them here")
}

// ownProgram is where the manager's program was when it was started.
func ownProgram() string {
	path, _ := os.Executable()
	return path
}
