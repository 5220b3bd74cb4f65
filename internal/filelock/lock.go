package filelock

import (
	"errors"
	"fmt"
	"os"
	"time"
)

// TryLock takes the exclusive lock on f without waiting, and reports whether it got it. The lock is held until f
// is closed.
func TryLock(f *os.File) (bool, error) {
	ok, err := tryLock(f, true)
	if err != nil {
		return false, fmt.Errorf("lock %s: %w", f.Name(), err)
	}
	return ok, nil
}

// Lock takes the exclusive lock on f, and waits for it for at most the given time. A process that was stopped
// while it held the lock ends the wait with an error instead of hanging all others.
func Lock(f *os.File, wait time.Duration) error {
	deadline := time.Now().Add(wait)
	for pause := 100 * time.Microsecond; ; pause = min(2*pause, 10*time.Millisecond) {
		ok, err := TryLock(f)
		if ok || err != nil {
			return err
		}
		if time.Now().After(deadline) {
			return fmt.Errorf("lock %s: still held by another process after %v", f.Name(), wait)
		}
		time.Sleep(pause)
	}
}

// TryShare takes a shared lock on f without waiting, and reports whether it got it. Any number of processes may
// share a lock that nobody holds exclusively. The lock is held until f is closed.
func TryShare(f *os.File) (bool, error) {
	ok, err := tryLock(f, false)
	if err != nil {
		return false, fmt.Errorf("lock %s: %w", f.Name(), err)
	}
	return ok, nil
}

// Held reports whether some process holds the exclusive lock on the regular file at path. One that can't be opened,
// is a symlink or no regular file is an error. It takes a shared lock for an instant, so that processes that ask at once do not see each other;
// a process that wants the exclusive lock at that instant has to ask again, as [Lock] does.
func Held(path string) (bool, error) {
	f, err := os.OpenFile(path, os.O_RDONLY|openFlags, 0)
	if err != nil {
		return false, err
	}
	defer f.Close()
	if info, err := f.Stat(); err != nil || !info.Mode().IsRegular() {
		return false, errors.Join(err, fmt.Errorf("lock %s: no regular file", path))
	}
	ok, err := TryShare(f)
	return !ok, err
}
