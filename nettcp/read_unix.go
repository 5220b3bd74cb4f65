//go:build unix

package nettcp

import (
	"io"
	"syscall"

	"golang.org/x/sys/unix"
)

// rawConn returns the socket's descriptor for reading and writing without waiting, or nil.
func rawConn(s syscall.Conn) syscall.RawConn {
	raw, err := s.SyscallConn()
	if err != nil {
		return nil
	}
	return raw
}

// tryRead reads to in.p. It returns false when the poller is to sleep and call it again.
func (c *Conn) tryRead(fd uintptr) bool {
	in := &c.in
	for last := false; ; {
		in.n, in.err = unix.Read(int(fd), in.p)
		switch {
		case in.err == unix.EINTR:
			continue
		case in.n > 0:
			return true
		case in.err == nil:
			in.err = io.EOF
			return true
		}
		in.n = 0
		if in.err != unix.EAGAIN {
			return true
		}
		switch in.err = c.beforeSleep(); {
		case in.err == nil:
			in.slept = true
			return false
		case in.err == errPeerGone && !last:
			// The last of what the peer sent may have come between our look and the write that failed. It is there
			// by now, or there is none.
			last = true
			continue
		case in.err == errPeerGone:
			in.err = c.failure()
		}
		return true
	}
}

// discard reads away what has come, without waiting, and reports whether the peer has ended its side too.
func (c *Conn) discard(buf []byte) (ended bool) {
	if c.raw == nil {
		return false
	}
	err := c.raw.Read(func(fd uintptr) bool {
		for {
			n, err := unix.Read(int(fd), buf)
			if err == unix.EINTR || n > 0 {
				continue
			}
			ended = err != unix.EAGAIN
			return true
		}
	})
	return ended || err != nil
}
