//go:build darwin || freebsd

package unixsock

import "golang.org/x/sys/unix"

// peerOf asks the socket by LOCAL_PEERCRED (unix(4)).
func peerOf(fd int) (Peer, error) {
	cred, err := unix.GetsockoptXucred(fd, unix.SOL_LOCAL, unix.LOCAL_PEERCRED)
	if err != nil {
		return Peer{}, err
	}
	return Peer{UID: cred.Uid}, nil
}
