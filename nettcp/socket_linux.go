package nettcp

import (
	"net"
	"time"

	"golang.org/x/sys/unix"
)

// setSendTimeout makes the kernel give a peer up that acknowledges nothing for d. Keep-alive does not help while
// something is unacknowledged, and the kernel's own patience is about 15 minutes. The kernel tells the reader or the
// writer, whoever asks first; the other sees the end of the stream.
func setSendTimeout(s *net.TCPConn, d time.Duration) {
	control(s, func(fd int) {
		unix.SetsockoptInt(fd, unix.IPPROTO_TCP, unix.TCP_USER_TIMEOUT, int(max(d, time.Millisecond).Milliseconds()))
	})
}

// allSent reports whether everything written to s has left this machine's kernel at least once. What was lost on the
// way since then is repeated after Close too.
func allSent(s *net.TCPConn) bool {
	unsent := 1
	control(s, func(fd int) {
		if n, err := unix.IoctlGetInt(fd, unix.SIOCOUTQNSD); err == nil {
			unsent = n
		}
	})
	return unsent == 0
}

func control(s *net.TCPConn, f func(fd int)) {
	if raw, err := s.SyscallConn(); err == nil {
		raw.Control(func(fd uintptr) { f(int(fd)) })
	}
}
