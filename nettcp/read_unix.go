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
		if c.readNow(fd); in.n > 0 || in.err != nil {
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

// readNow reads to in.p what has come. It never lets the poller sleep; without an error or a byte, nothing has come.
func (c *Conn) readNow(fd uintptr) bool {
	in := &c.in
	for {
		in.n, in.err = unix.Read(int(fd), in.p)
		switch {
		case in.err == unix.EINTR:
			continue
		case in.err == unix.EAGAIN:
			in.n, in.err = 0, nil
		case in.err != nil:
			in.n = 0
		case in.n == 0:
			in.err = io.EOF
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
