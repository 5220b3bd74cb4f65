//go:build !unix

// Package procgroup runs commands as process groups of their own, and signals them.
package procgroup

import "os/exec"

// Own does nothing here.
func Own(*exec.Cmd) {}

// Interrupt kills the process.
func Interrupt(cmd *exec.Cmd) error { return cmd.Process.Kill() }

// Kill kills the process.
func Kill(cmd *exec.Cmd) error { return cmd.Process.Kill() }
