package hsem

import (
	"context"
	"time"
)

// Semaphore is what [HybridLock] and [PosixSemaphore] have in common. All methods may be called at once.
type Semaphore interface {
	// Lock takes the semaphore, and waits for it until ctx ends.
	Lock(ctx context.Context) error

	// TryLock takes the semaphore if that is possible without waiting, and reports whether it did.
	TryLock() (bool, error)

	// LockTimeout is Lock with a bound on the wait; zero or less means not to wait. The clock is monotonic.
	LockTimeout(d time.Duration) error

	// Unlock gives the semaphore back.
	Unlock() error

	// Close ends the use of this handle. Whoever waits through it gets ErrClosed.
	Close() error

	// Destroy removes the semaphore's name; everybody who waits gets ErrDestroyed, and so does every later call.
	Destroy() error
}

var (
	_ Semaphore = (*HybridLock)(nil)
	_ Semaphore = (*PosixSemaphore)(nil)
)
