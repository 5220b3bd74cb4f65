// Package unixsock makes and removes the socket files of listeners, safely beside others who do the same, and says who is at
// the other end of a connection.
package unixsock

import (
	"errors"
	"fmt"
	"io/fs"
	"net"
	"syscall"
)

// maxPath is the room for a path in a socket's address, its closing zero included.
const maxPath = len(syscall.RawSockaddrUnix{}.Path)

// MaxPath is how many bytes the path of a socket may have.
const MaxPath = maxPath - 1

// CheckPath reports what can't be, or should not be, the path of a socket file.
func CheckPath(path string) error {
	switch {
	case path == "":
		return errors.New("the path of the socket is empty")
	case path[0] == '@' || path[0] == 0:
		return fmt.Errorf("%q is an abstract name, which anyone may use: give the path of a file", path)
	case len(path) >= maxPath:
		return fmt.Errorf("the path %s has %d bytes, a socket allows %d: use a shorter directory", path, len(path), maxPath-1)
	}
	return nil
}

// Listen makes a listening socket at path, whose file has the given mode before the first client can connect. The
// file that a dead listener left is replaced; where a living one is, or anything but a socket, Listen fails. remove
// takes the file away if it is still the one that was made; it is called before the listener is closed, and again
// does nothing. Closing the listener leaves the file.
func Listen(path string, mode fs.FileMode) (ln *net.UnixListener, remove func(), err error) {
	if err := CheckPath(path); err != nil {
		return nil, nil, err
	}
	inner, remove, err := listen(path, mode)
	if err != nil {
		return nil, nil, err
	}
	ln = inner.(*net.UnixListener)
	ln.SetUnlinkOnClose(false)
	return ln, remove, nil
}
