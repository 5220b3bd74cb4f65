//go:build unix

package nettcp

import "golang.org/x/sys/unix"

// tryWrite writes bufs to the socket, which does not block. A full socket takes nothing, and is no error.
func (c *Conn) tryWrite(fd uintptr) bool {
	w := &c.out
	for {
		var err error
		if w.nbufs == 1 {
			w.took, err = unix.Write(int(fd), w.bufs[0])
		} else {
			w.took, err = writev(int(fd), w.bufs[:w.nbufs])
		}
		switch err {
		case unix.EINTR:
			continue
		case nil:
		case unix.EAGAIN:
			w.took = 0
		default:
			w.took, w.terr = 0, err
		}
		return true
	}
}
