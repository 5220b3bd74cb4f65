package hsem

import (
	"errors"
	"fmt"
	"os"
	"runtime"
)

// What callers can tell apart with errors.Is. A wait that ends for its context or its timeout fails with an error that
// is context.Canceled or context.DeadlineExceeded.
var (
	// ErrNoSuchSemaphore: ConnectToExisting found none of that name.
	ErrNoSuchSemaphore = errors.New("no such semaphore")

	// ErrSemaphoreExists: CreateNewExclusive found one of that name.
	ErrSemaphoreExists = errors.New("the semaphore exists")

	// ErrDestroyed: somebody has destroyed the semaphore, or replaced it by a new one of its name. Nothing can be done with
	// this handle but Close it.
	ErrDestroyed = errors.New("the semaphore was destroyed")

	// ErrOwnerDied is a notice: the caller HAS the lock, and the process that had it before has died, or closed its handle,
	// without Unlock, so that what the lock guards may be half changed. It is given once for each such end.
	ErrOwnerDied = errors.New("locked, but the owner before died with the lock held")

	// ErrNotOwner: Unlock of a lock that this handle does not hold.
	ErrNotOwner = errors.New("the lock is not held by this handle")

	// ErrOverflow: Unlock of a PosixSemaphore that has the largest value.
	ErrOverflow = errors.New("the semaphore has its largest value")

	// ErrClosed: the handle was closed. It is an os.ErrClosed.
	ErrClosed = fmt.Errorf("the handle is closed: %w", os.ErrClosed)

	// ErrNotSupported: this system or CPU has no such semaphore. It is an errors.ErrUnsupported.
	ErrNotSupported error = notSupportedError{}
)

type notSupportedError struct{}

func (notSupportedError) Error() string {
	return "named semaphores are not supported on " + runtime.GOOS + "/" + runtime.GOARCH
}

// Unwrap makes errors.Is(err, errors.ErrUnsupported) true.
func (notSupportedError) Unwrap() error { return errors.ErrUnsupported }
