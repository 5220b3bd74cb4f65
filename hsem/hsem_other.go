//go:build !linux

package hsem

import (
	"context"
	"fmt"
	"io/fs"
	"time"
)

// HybridLock is one handle of a lock between processes. There are none on this system.
type HybridLock struct{ none }

// PosixSemaphore is one handle of a named semaphore of glibc. There are none on this system.
type PosixSemaphore struct{ none }

// Open returns [ErrNotSupported].
func Open(name string, mode Mode, initial int, perm fs.FileMode, _ ...Option) (*HybridLock, error) {
	return nil, unsupported(name, mode, initial, perm)
}

// OpenPosix returns [ErrNotSupported].
func OpenPosix(name string, mode Mode, initial int, perm fs.FileMode, _ ...Option) (*PosixSemaphore, error) {
	return nil, unsupported(name, mode, initial, perm)
}

// unsupported says first what would be wrong everywhere.
func unsupported(name string, mode Mode, initial int, perm fs.FileMode) error {
	if _, err := newRequest(name, mode, initial, perm); err != nil {
		return fmt.Errorf("open semaphore %q: %w", name, err)
	}
	return fmt.Errorf("open semaphore %q: %w", name, ErrNotSupported)
}

// none has the methods of both.
type none struct{}

// Lock returns [ErrNotSupported].
func (none) Lock(context.Context) error { return ErrNotSupported }

// TryLock returns [ErrNotSupported].
func (none) TryLock() (bool, error) { return false, ErrNotSupported }

// LockTimeout returns [ErrNotSupported].
func (none) LockTimeout(time.Duration) error { return ErrNotSupported }

// Unlock returns [ErrNotSupported].
func (none) Unlock() error { return ErrNotSupported }

// Close does nothing.
func (none) Close() error { return nil }

// Destroy returns [ErrNotSupported].
func (none) Destroy() error { return ErrNotSupported }
