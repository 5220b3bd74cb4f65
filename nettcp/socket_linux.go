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

// allSent reports whether the peer's kernel has acknowledged everything written to s. What was sent and not
// acknowledged is not repeated when Close has to answer further bytes of the peer's by a reset. The end of the stream, which
// counts as one byte, need not be acknowledged.
func allSent(s *net.TCPConn) bool {
	left := 2
	control(s, func(fd int) {
		if n, err := unix.IoctlGetInt(fd, unix.SIOCOUTQ); err == nil {
			left = n
		}
	})
	return left <= 1
}

func control(s *net.TCPConn, f func(fd int)) {
	if raw, err := s.SyscallConn(); err == nil {
		raw.Control(func(fd uintptr) { f(int(fd)) })
	}
}
