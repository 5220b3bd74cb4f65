package shm

import "net"

var _ net.Addr = Addr("")

// network is what Addr.Network returns.
const network = "shm"

// Addr is the address of one end of a [Stream]: the path of the rendezvous, or empty for the end that has dialled, which
// has no address.
type Addr string

// Network returns "shm".
func (Addr) Network() string { return network }

// String returns the path, or "@" where there is none, as for unix sockets.
func (a Addr) String() string {
	if a == "" {
		return "@"
	}
	return string(a)
}
