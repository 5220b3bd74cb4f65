//go:build unix

package registry

import (
	"fmt"
	"io/fs"
	"os"

	"golang.org/x/sys/unix"

	"hotline/internal/filelock"
	"hotline/internal/fileowner"
)

// maxSocketPath is how many bytes the path of a socket may have, the final zero not counted.
const maxSocketPath = len(unix.RawSockaddrUnix{}.Path) - 1

// openFlags keep a symlink from being followed and a FIFO from being waited on.
const openFlags = unix.O_NOFOLLOW | unix.O_NONBLOCK

func userDir() string { return fmt.Sprintf("hotline-%d", os.Geteuid()) }

// belongsTo reports whether a file is that user's.
func belongsTo(info fs.FileInfo, uid int) bool {
	owner, _, ok := fileowner.Of(info)
	return ok && owner == uid
}

func checkOwner(info fs.FileInfo) error {
	if owner, _, ok := fileowner.Of(info); ok && owner != os.Geteuid() {
		return fmt.Errorf("it belongs to user %d and you are %d", owner, os.Geteuid())
	}
	return nil
}

func writableByOthers(mode fs.FileMode) bool { return mode&0o022 != 0 }

func renameBusy(error) bool { return false }

// keepDir returns the directory, opened and with a shared lock; nil where it can't be had, which harms nothing.
func keepDir(path string) *os.File {
	f, err := os.Open(path)
	if err != nil {
		return nil
	}
	if ok, err := filelock.TryShare(f); !ok || err != nil {
		f.Close()
		return nil
	}
	return f
}
