//go:build unix

package logs

import (
	"io/fs"
	"syscall"

	"golang.org/x/sys/unix"
)

const noFollow = syscall.O_NOFOLLOW | syscall.O_NONBLOCK // no symlink, and no wait for the reader of a FIFO

// mayWrite reports why no file can be made in a directory.
func mayWrite(dir string) error {
	if err := unix.Access(dir, unix.W_OK|unix.X_OK); err != nil {
		return &fs.PathError{Op: "open", Path: dir, Err: err}
	}
	return nil
}
