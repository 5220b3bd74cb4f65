//go:build !linux

package launch

import (
	"os/exec"
	"syscall"
)

// EndWithThread does nothing here.
func EndWithThread(*exec.Cmd, syscall.Signal) {}

func threadEnded(*exec.Cmd) syscall.Signal { return 0 }
