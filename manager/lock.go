package manager

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"time"

	"hotline/internal/filelock"
)

// lockName is the file in a runtime directory that its manager holds locked. A directory has one manager: its services are
// looked up, and its manager is spoken to, by the directory alone.
const lockName = ".manager"

// maxHolder bounds what is read of a lock file, in bytes.
const maxHolder = 8 << 10

// RunningError says that another manager runs the services of a runtime directory.
type RunningError struct {
	Dir     string    // the runtime directory
	PID     int       // of the other manager; this and the rest are zero where they can't be read
	Started time.Time // when it began
	File    string    // its service.ini, absolute
}

func (e *RunningError) Error() string {
	who := "another manager"
	if e.PID != 0 {
		who = fmt.Sprintf("the manager of %s (pid %d, since %s)", e.File, e.PID, e.Started.Local().Format(time.DateTime))
	}
	return fmt.Sprintf("manager: the runtime directory %s is that of %s: stop that one, or set HOTLINE_DIR to another directory",
		e.Dir, who)
}

// holder is what a lock file says of who holds it.
type holder struct {
	PID     int       `json:"pid"`
	Started time.Time `json:"started"`
	File    string    `json:"file"`
}

// lockDir makes this process the manager of a runtime directory until unlock is called, or the process ends. inherited says
// that the manager before was killed: what it had may be there still.
func lockDir(dir, file string) (unlock func() error, inherited bool, err error) {
	path := filepath.Join(dir, lockName)
	for {
		f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE|noFollow, 0o600)
		if err != nil {
			return nil, false, fmt.Errorf("manager: lock the runtime directory: %w", err)
		}
		mine, err := filelock.TryLock(f)
		switch {
		case err != nil:
			f.Close()
			return nil, false, fmt.Errorf("manager: lock the runtime directory: %w", err)
		case !mine:
			defer f.Close()
			return nil, false, heldBy(dir, f)
		}
		if !isAt(f, path) { // its holder has just removed it: another manager may have a new one
			f.Close()
			continue
		}
		info, err := f.Stat()
		if err == nil {
			err = tell(f, file)
		}
		if err != nil {
			return nil, false, errors.Join(fmt.Errorf("manager: write %s: %w", path, err), os.Remove(path), f.Close())
		}
		return func() error { return errors.Join(os.Remove(path), f.Close()) }, info.Size() > 0, nil
	}
}

func isAt(f *os.File, path string) bool {
	opened, err := f.Stat()
	if err != nil {
		return false
	}
	named, err := os.Lstat(path)
	return err == nil && os.SameFile(opened, named)
}

// tell writes who holds the lock, for people.
func tell(f *os.File, file string) error {
	if abs, err := filepath.Abs(file); err == nil {
		file = abs
	}
	text, err := json.Marshal(&holder{PID: os.Getpid(), Started: time.Now().UTC().Round(time.Second), File: file})
	if err == nil {
		err = f.Truncate(0) // a killed one's words
	}
	if err == nil {
		_, err = f.WriteAt(append(text, '\n'), 0)
	}
	return err
}

func heldBy(dir string, f *os.File) error {
	e := &RunningError{Dir: dir}
	text, err := io.ReadAll(io.LimitReader(f, maxHolder))
	h := new(holder)
	if err == nil && json.Unmarshal(text, h) == nil {
		e.PID, e.Started, e.File = h.PID, h.Started, clean(h.File)
	}
	return e
}
