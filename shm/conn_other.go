//go:build !linux

package shm

import (
	"context"
	"fmt"

	"hotline/internal/link"
	"hotline/internal/wire"
)

var _ link.Conn = (*Conn)(nil)

// Conn is one end of a connection. There are none on this system.
type Conn struct{}

// Listener accepts connections. There are none on this system.
type Listener struct{}

// Dial returns [ErrNotSupported].
func Dial(_ context.Context, path string, _ *Options) (*Conn, error) {
	return nil, fmt.Errorf("dial shm://%s: %w", path, ErrNotSupported)
}

// Listen returns [ErrNotSupported].
func Listen(path string, _ *Options) (*Listener, error) {
	return nil, fmt.Errorf("listen on shm://%s: %w", path, ErrNotSupported)
}

// Accept returns [ErrNotSupported].
func (*Listener) Accept() (*Conn, error) { return nil, ErrNotSupported }

// Addr returns "".
func (*Listener) Addr() string { return "" }

// Close does nothing.
func (*Listener) Close() error { return nil }

// Ready returns false.
func (*Conn) Ready() bool { return false }

// Pending returns false.
func (*Conn) Pending() bool { return false }

// Next returns [ErrNotSupported].
func (*Conn) Next() (wire.Header, error) { return wire.Header{}, ErrNotSupported }

// Read returns [ErrNotSupported].
func (*Conn) Read([]byte) (int, error) { return 0, ErrNotSupported }

// Interrupt does nothing.
func (*Conn) Interrupt() {}

// Write returns [ErrNotSupported].
func (*Conn) Write(link.Stop, *wire.Header, []byte, []byte) error { return ErrNotSupported }

// MaxFrame returns 0.
func (*Conn) MaxFrame() int { return 0 }

// Close does nothing.
func (*Conn) Close() error { return nil }

// Trusted returns false.
func (*Conn) Trusted() bool { return false }

// Peer returns false.
func (*Conn) Peer() (uid, pid int, ok bool) { return 0, 0, false }

// String returns "".
func (*Conn) String() string { return "" }
