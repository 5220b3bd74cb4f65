//go:build !unix

package manager

import (
	"io/fs"
	"os/exec"

	"hotline/internal/worker"
)

const noFollow = 0

func supported() error { return worker.ErrNotSupported }

func terminate(cmd *exec.Cmd) error { return cmd.Process.Kill() }
func executable(fs.FileInfo) bool   { return true }
