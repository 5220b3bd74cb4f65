//go:build unix

package manager

import (
	"io/fs"
	"os"
	"os/exec"
	"syscall"
)

const (
	exeSuffix = ""
	noFollow  = syscall.O_NOFOLLOW | syscall.O_NONBLOCK // of a log file: no symlink, and no wait for a FIFO's reader
)

// supported is nil where worker processes can be run.
func supported() error { return nil }

// ownGroup makes the command the leader of a process group: Ctrl-C at the terminal reaches only the manager, and what
// the command leaves behind can be ended with it.
func ownGroup(cmd *exec.Cmd) { cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true} }

// interruptGroup, terminate and killGroup signal a process that has been started and not been waited for.
func interruptGroup(cmd *exec.Cmd) error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGINT) }
func terminate(cmd *exec.Cmd) error      { return cmd.Process.Signal(syscall.SIGTERM) }
func killGroup(cmd *exec.Cmd) error      { return syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }

func executable(info fs.FileInfo) bool { return info.Mode()&0o111 != 0 }

func ownedByUser(info fs.FileInfo) bool {
	stat, ok := info.Sys().(*syscall.Stat_t)
	return ok && int(stat.Uid) == os.Geteuid()
}
