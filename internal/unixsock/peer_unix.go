//go:build linux || darwin || freebsd

package unixsock

import (
	"fmt"
	"net"
	"os"
)

// PeerOf returns who is at the other end.
func PeerOf(sock *net.UnixConn) (p Peer, err error) {
	raw, err := sock.SyscallConn()
	if err != nil {
		return Peer{}, err
	}
	var ask error
	if err := raw.Control(func(fd uintptr) { p, ask = peerOf(int(fd)) }); err != nil {
		return Peer{}, err
	}
	if ask != nil {
		return Peer{}, fmt.Errorf("who is the peer: %w", os.NewSyscallError("getsockopt", ask))
	}
	return p, nil
}
