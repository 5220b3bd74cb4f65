//go:build unix

package manager

import (
	"io/fs"
	"os/exec"
	"syscall"
)

// noFollow is of the lock: no symlink, and no wait for a FIFO's reader.
const noFollow = syscall.O_NOFOLLOW | syscall.O_NONBLOCK

// supported is nil where worker processes can be run.
func supported() error { return nil }

// terminate asks a process that has been started and not been waited for to end.
func terminate(cmd *exec.Cmd) error { return cmd.Process.Signal(syscall.SIGTERM) }

func executable(info fs.FileInfo) bool { return info.Mode()&0o111 != 0 }
