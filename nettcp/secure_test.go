package nettcp_test

import (
	"errors"
	"io"
	"net"
	"testing"

	"hotline/internal/wait"
	"hotline/nettcp"
)

// held begins to write a frame, and returns when it is about to be encrypted, which it is when release is called.
func held(t *testing.T, c *nettcp.Conn, id uint64, payload int) (release func(), written chan error) {
	release, written = c.HoldEncryption(), make(chan error, 1)
	go func() { written <- send(c, id, pattern(id, payload)) }()
	wait.Until(t, "the frame", func() bool { return c.Encrypting() == 1 })
	return release, written
}

// Close waits for frames that are being encrypted: what Write accepted arrives, and then the end.
func TestCloseWaitsForEncryption(t *testing.T) {
	for _, size := range []int{100, 40_000} { // within a TLS record, and over it
		client, server := carrier{"tls", tlsCarrier}.pair(t, nettcp.Options{Linger: patience})
		release, written := held(t, client, 7, size)
		closed := make(chan error, 1)
		go func() { closed <- client.Close() }()
		wait.Until(t, "Close", client.Finishing)
		release()
		check(t, wait.Receive(t, "Write", written))
		expect(t, server, 7, pattern(7, size))
		if _, err := server.Next(); err != io.EOF {
			t.Errorf("Next after the last frame: %v, want EOF", err)
		}
		check(t, server.Close())
		check(t, wait.Receive(t, "Close", closed))
	}
}

// A session that ends by itself while a frame is on its way to it leaves nobody in charge, whom Close would wait for.
func TestSessionEndsBeforeAFrame(t *testing.T) {
	client, server := carrier{"tls", tlsCarrier}.pair(t, nettcp.Options{})
	release, written := held(t, client, 7, 100)
	check(t, client.EndSession())
	release()
	if err := wait.Receive(t, "Write", written); err == nil || errors.Is(err, net.ErrClosed) {
		t.Errorf("Write: %v, want what became of the session", err)
	}
	wait.Return(t, "Close", func() { client.Close() })
	server.Close()
}
