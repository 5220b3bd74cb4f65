//go:build !linux && !darwin && !freebsd

package unixsock

import (
	"errors"
	"fmt"
	"net"
)

// PeerOf fails: this system does not tell who the peer is.
func PeerOf(*net.UnixConn) (Peer, error) {
	return Peer{}, fmt.Errorf("who is the peer: %w", errors.ErrUnsupported)
}
