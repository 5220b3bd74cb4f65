package unixsock

import "golang.org/x/sys/unix"

// peerOf asks the socket by SO_PEERCRED (unix(7)).
func peerOf(fd int) (Peer, error) {
	cred, err := unix.GetsockoptUcred(fd, unix.SOL_SOCKET, unix.SO_PEERCRED)
	if err != nil {
		return Peer{}, err
	}
	return Peer{UID: cred.Uid, PID: int(cred.Pid)}, nil
}
