//go:build !unix

package manager

import (
	"io/fs"
	"os/exec"

	"hotline/internal/worker"
)

const (
	exeSuffix = ".exe"
	noFollow  = 0
)

func supported() error { return worker.ErrNotSupported }

func ownGroup(*exec.Cmd)                 {}
func interruptGroup(cmd *exec.Cmd) error { return cmd.Process.Kill() }
func terminate(cmd *exec.Cmd) error      { return cmd.Process.Kill() }
func killGroup(cmd *exec.Cmd) error      { return cmd.Process.Kill() }
func executable(fs.FileInfo) bool        { return true }
func ownedByUser(fs.FileInfo) bool       { return true } // the temporary directory is the user's own
