//go:build !linux

package shm

import (
	"context"
	"fmt"
	"net"
	"time"
)

var (
	_ net.Conn     = (*Stream)(nil)
	_ net.Listener = (*StreamListener)(nil)
)

// Stream is one end of a connection that carries bytes. There are none on this system.
type Stream struct{}

// StreamListener accepts connections that carry bytes. There are none on this system.
type StreamListener struct{}

// DialStream returns [ErrNotSupported].
func DialStream(_ context.Context, path string, _ *Options) (*Stream, error) {
	return nil, fmt.Errorf("dial shm://%s: %w", path, ErrNotSupported)
}

// ListenStream returns [ErrNotSupported].
func ListenStream(path string, _ *Options) (*StreamListener, error) {
	return nil, fmt.Errorf("listen on shm://%s: %w", path, ErrNotSupported)
}

// Accept returns [ErrNotSupported].
func (*StreamListener) Accept() (net.Conn, error) { return nil, ErrNotSupported }

// Addr returns an empty [Addr].
func (*StreamListener) Addr() net.Addr { return Addr("") }

// Close does nothing.
func (*StreamListener) Close() error { return nil }

// Read returns [ErrNotSupported].
func (*Stream) Read([]byte) (int, error) { return 0, ErrNotSupported }

// Write returns [ErrNotSupported].
func (*Stream) Write([]byte) (int, error) { return 0, ErrNotSupported }

// CloseWrite returns [ErrNotSupported].
func (*Stream) CloseWrite() error { return ErrNotSupported }

// Close does nothing.
func (*Stream) Close() error { return nil }

// LocalAddr returns an empty [Addr].
func (*Stream) LocalAddr() net.Addr { return Addr("") }

// RemoteAddr returns an empty [Addr].
func (*Stream) RemoteAddr() net.Addr { return Addr("") }

// SetDeadline returns [ErrNotSupported].
func (*Stream) SetDeadline(time.Time) error { return ErrNotSupported }

// SetReadDeadline returns [ErrNotSupported].
func (*Stream) SetReadDeadline(time.Time) error { return ErrNotSupported }

// SetWriteDeadline returns [ErrNotSupported].
func (*Stream) SetWriteDeadline(time.Time) error { return ErrNotSupported }

// Trusted returns false.
func (*Stream) Trusted() bool { return false }
