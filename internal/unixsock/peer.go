package unixsock

import "os"

// Peer is the process at the other end of a connection, as it was when the two met.
type Peer struct {
	UID uint32
	PID int // for people only; 0 where the system does not tell
}

// Trusted reports whether the process can do us no harm that it couldn't do without us: it runs as this user or as root.
func (p Peer) Trusted() bool { return p.UID == 0 || p.UID == uint32(os.Geteuid()) }
