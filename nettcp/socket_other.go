//go:build !linux

package nettcp

import (
	"net"
	"time"
)

// setSendTimeout leaves it to the kernel how long an unreachable peer is waited for.
func setSendTimeout(*net.TCPConn, time.Duration) {}

// allSent does not know: Close waits for the peer to close as well.
func allSent(*net.TCPConn) bool { return false }
