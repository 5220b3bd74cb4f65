//go:build !linux && !darwin && !freebsd

package nettcp

import "net"

// peerTrusted trusts nobody: this system does not tell who the peer is.
func peerTrusted(*net.UnixConn) bool { return false }
