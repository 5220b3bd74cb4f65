package gobuild

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"hotline/internal/filelock"
	"hotline/internal/fileowner"
)

// WorkDir is a manager's own temporary directory for the programs that it builds, mode 0700, or 0711 once a section runs as another
// user. It is locked while the manager lives, so that the next one can tell and remove what a killed one left.
type WorkDir struct {
	path string
	lock *os.File
}

// workPrefix is what the names of work directories begin with, in the system's temporary directory.
const workPrefix = "hotline-build-"

// workLock is the file in a work directory that is locked.
const workLock = "lock"

// NewWorkDir makes one, in GOTMPDIR or else the system's temporary directory, and removes those that killed managers left there.
func NewWorkDir() (*WorkDir, error) {
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
			return &WorkDir{path: path, lock: lock}, nil
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

// Remove removes the directory with all that is in it.
func (w *WorkDir) Remove() error {
	return errors.Join(os.RemoveAll(w.path), w.lock.Close())
}

// admit lets other users run the program at path, which stands in a directory of its own in this one. What else is there
// stays closed to them.
func (w *WorkDir) admit(path string) error {
	return errors.Join(os.Chmod(w.path, 0o711), os.Chmod(filepath.Dir(path), 0o711), os.Chmod(path, 0o755))
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
		if err != nil || !info.IsDir() || !fileowner.IsUs(info) {
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
