package shm

import (
	"golang.org/x/sys/unix"

	"hotline/internal/wire"
)

// watch is the sentinel of a connection: the one goroutine that reads the socket. It hears of room for writers that wait,
// of the end of a byte stream, and of the peer's end: the kernel closes the socket of a process that dies, whatever it dies of.
func (c *Conn) watch() {
	defer close(c.done)
	var news [16]byte
	for {
		n, err := c.sock.Read(news[:])
		for _, b := range news[:n] {
			if b == bellEnd && c.stream {
				c.streamEnded()
				continue
			}
			if b != bellSpace {
				_ = c.fail(wire.ProtocolErrorf("unknown message %#x on the socket of %s", b, c.name))
				return
			}
		}
		if n > 0 {
			c.out.roomArrived()
		}
		if err != nil {
			c.end(nil, stateGone)
			return
		}
	}
}

// sendSpace tells the peer's sentinel that there is room. It never waits: a peer that doesn't read what we send
// has more than enough of it to wake up.
func sendSpace(sock uintptr) {
	_ = unix.Sendto(int(sock), []byte{bellSpace}, unix.MSG_DONTWAIT|unix.MSG_NOSIGNAL, nil)
}
