//go:build unix

// Package procgroup runs commands as process groups of their own, and signals them.
package procgroup

import (
	"os/exec"
	"syscall"
)

// Own makes a command, which has no SysProcAttr yet, the leader of a process group: Ctrl-C at the terminal does not reach it,
// and what it leaves behind can be ended with it.
func Own(cmd *exec.Cmd) { cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true} }

// Interrupt sends SIGINT to the group of a command that has been started and not been waited for.
func Interrupt(cmd *exec.Cmd) error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGINT) }

// Kill sends it SIGKILL.
func Kill(cmd *exec.Cmd) error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }
