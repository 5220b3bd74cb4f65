package filelock

import (
	"fmt"
	"os"
	"time"
)

// Guard takes the exclusive lock on a file at path that exists for this alone: it is made where it is missing, and
// release removes it. Several processes that guard the same path take turns, each waiting for at most the given time.
func Guard(path string, wait time.Duration) (release func(), err error) {
	deadline := time.Now().Add(wait)
	for {
		f, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR|openFlags, 0o600)
		if err != nil {
			return nil, err
		}
		if err := Lock(f, time.Until(deadline)); err != nil {
			f.Close()
			return nil, err
		}
		// The holder before us has removed the file that we waited for: another process may hold a new one.
		if sameFile(f, path) {
			return func() {
				os.Remove(path)
				f.Close()
			}, nil
		}
		f.Close()
		if time.Now().After(deadline) {
			return nil, fmt.Errorf("lock %s: not had after %v", path, wait)
		}
	}
}

// sameFile reports whether f is still what path names.
func sameFile(f *os.File, path string) bool {
	opened, err := f.Stat()
	if err != nil {
		return false
	}
	named, err := os.Lstat(path)
	return err == nil && os.SameFile(opened, named)
}
