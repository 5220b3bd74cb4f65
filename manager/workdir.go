package manager

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"hotline/internal/filelock"
)

// workDir is a manager's own temporary directory, mode 0700, for the programs that it builds. It is locked while the
// manager lives, so that the next one can tell and remove what a killed one left.
type workDir struct {
	path string
	lock *os.File
}

// workPrefix is what the names of work directories begin with, in the system's temporary directory.
const workPrefix = "hotline-build-"

// workLock is the file in a work directory that is locked.
const workLock = "lock"

func newWorkDir() (*workDir, error) {
	parent := os.Getenv("GOTMPDIR") // where the user has Go run its programs from
	if parent == "" {
		parent = os.TempDir()
	}
	sweepWorkDirs(parent)
	for {
		path, err := os.MkdirTemp(parent, workPrefix)
		if err != nil {
			return nil, fmt.Errorf("make a directory to build in: %w: set TMPDIR to a directory that you can write to", err)
		}
		lock, err := lockWorkDir(path)
		if err == nil {
			return &workDir{path: path, lock: lock}, nil
		}
		os.RemoveAll(path)
		if !errors.Is(err, fs.ErrNotExist) { // else another manager took it for one that was left: the next, then
			return nil, fmt.Errorf("make a directory to build in: %w", err)
		}
	}
}

// lockWorkDir locks a new directory. The error is fs.ErrNotExist if another manager has swept it meanwhile.
func lockWorkDir(path string) (*os.File, error) {
	name := filepath.Join(path, workLock)
	lock, err := os.OpenFile(name, os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return nil, err
	}
	ok, err := filelock.TryLock(lock)
	if err == nil && !ok {
		err = fs.ErrNotExist // the sweeper looks at it
	}
	if err == nil {
		_, err = os.Stat(name)
	}
	if err != nil {
		lock.Close()
		return nil, err
	}
	return lock, nil
}

func (w *workDir) remove() error {
	return errors.Join(os.RemoveAll(w.path), w.lock.Close())
}

// sweepWorkDirs removes the work directories of this user's managers that were killed.
func sweepWorkDirs(parent string) {
	all, err := os.ReadDir(parent)
	if err != nil {
		return
	}
	for _, entry := range all {
		if !strings.HasPrefix(entry.Name(), workPrefix) {
			continue
		}
		path := filepath.Join(parent, entry.Name())
		info, err := os.Lstat(path)
		if err != nil || !info.IsDir() || !ownedByUser(info) {
			continue
		}
		held, err := filelock.Held(filepath.Join(path, workLock))
		switch {
		case errors.Is(err, fs.ErrNotExist):
			os.Remove(path) // only if it is empty: killed before the lock was made
		case err == nil && !held:
			os.RemoveAll(path)
		}
	}
}
