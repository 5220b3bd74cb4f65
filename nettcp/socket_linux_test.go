package nettcp_test

import (
	"net"
	"testing"

	"golang.org/x/sys/unix"
)

// TestSocketOptions looks at the socket of a connection whose listener was inherited.
func TestSocketOptions(t *testing.T) {
	inner, err := net.Listen("tcp", "127.0.0.1:0")
	check(t, err)
	defer inner.Close()
	peer, err := net.Dial("tcp", inner.Addr().String())
	check(t, err)
	defer peer.Close()
	sock, err := inner.Accept()
	check(t, err)
	over(t, sock, nil)
	raw, err := sock.(*net.TCPConn).SyscallConn()
	check(t, err)
	for _, c := range []struct {
		name                string
		level, option, want int
	}{
		{"TCP_NODELAY", unix.IPPROTO_TCP, unix.TCP_NODELAY, 1},
		{"SO_KEEPALIVE", unix.SOL_SOCKET, unix.SO_KEEPALIVE, 1},
		{"TCP_KEEPIDLE", unix.IPPROTO_TCP, unix.TCP_KEEPIDLE, 15},
		{"TCP_KEEPINTVL", unix.IPPROTO_TCP, unix.TCP_KEEPINTVL, 5},
		{"TCP_KEEPCNT", unix.IPPROTO_TCP, unix.TCP_KEEPCNT, 4},
		{"TCP_USER_TIMEOUT", unix.IPPROTO_TCP, unix.TCP_USER_TIMEOUT, 60_000},
	} {
		check(t, raw.Control(func(fd uintptr) {
			got, err := unix.GetsockoptInt(int(fd), c.level, c.option)
			if err != nil || got != c.want {
				t.Errorf("%s is %d, want %d, %v", c.name, got, c.want, err)
			}
		}))
	}
}
