package nettcp

import (
	"net"
	"os"

	"golang.org/x/sys/unix"
)

// peerTrusted reports whether the process at the other end runs as this user or as root.
func peerTrusted(s *net.UnixConn) bool {
	raw, err := s.SyscallConn()
	if err != nil {
		return false
	}
	trusted := false
	raw.Control(func(fd uintptr) {
		peer, err := unix.GetsockoptUcred(int(fd), unix.SOL_SOCKET, unix.SO_PEERCRED)
		trusted = err == nil && (peer.Uid == 0 || int(peer.Uid) == os.Geteuid())
	})
	return trusted
}
