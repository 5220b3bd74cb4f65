package shm

import (
	"errors"
	"fmt"
	"io"
	"net"
	"runtime"
)

// ErrNotSupported is returned on systems other than Linux.
var ErrNotSupported error = notSupportedError{}

type notSupportedError struct{}

func (notSupportedError) Error() string {
	return "shared memory is not supported on " + runtime.GOOS + ", use tcp:// or unix://"
}

// Unwrap makes errors.Is(err, errors.ErrUnsupported) true.
func (notSupportedError) Unwrap() error { return errors.ErrUnsupported }

// ErrPeerGone is what a Write fails with when the peer has closed the connection or has died. It is an
// [io.ErrClosedPipe]. Frames that the peer sent before can still be read.
var ErrPeerGone = fmt.Errorf("the peer is gone: %w", io.ErrClosedPipe)

// RefusedError is the answer of a listener that doesn't want the connection.
type RefusedError struct{ Reason string }

func (e *RefusedError) Error() string { return "refused by the listener: " + e.Reason }

// closedError is what everything fails with after our own Close. It is a net.ErrClosed.
func closedError(what string) error { return fmt.Errorf("%s: %w", what, net.ErrClosed) }
