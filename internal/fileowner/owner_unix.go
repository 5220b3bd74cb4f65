//go:build unix

// Package fileowner says whose a file is.
package fileowner

import (
	"io/fs"
	"os"
	"syscall"
)

// Of returns the user and the group that a file belongs to. ok is false where the system, or the file system, does not say.
func Of(info fs.FileInfo) (uid, gid int, ok bool) {
	stat, ok := info.Sys().(*syscall.Stat_t)
	if !ok {
		return 0, 0, false
	}
	return int(stat.Uid), int(stat.Gid), true
}

// IsUs reports whether a file belongs to the user that this process runs as. It does not where that can't be known.
func IsUs(info fs.FileInfo) bool {
	uid, _, ok := Of(info)
	return ok && uid == os.Geteuid()
}
