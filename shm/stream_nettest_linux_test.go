package shm_test

import (
	"context"
	"net"
	"os"
	"path/filepath"
	"testing"

	"golang.org/x/net/nettest"

	"hotline/shm"
)

// TestStreamNettest is what package nettest demands of a net.Conn: within one process, and through a second one.
func TestStreamNettest(t *testing.T) {
	t.Run("one process", func(t *testing.T) {
		nettest.TestConn(t, func() (c1, c2 net.Conn, stop func(), err error) {
			dir, err := os.MkdirTemp("", "hl")
			if err != nil {
				return nil, nil, nil, err
			}
			path := filepath.Join(dir, "s")
			ln, err := shm.ListenStream(path, nil)
			if err != nil {
				return nil, nil, nil, err
			}
			client, err := shm.DialStream(context.Background(), path, nil)
			if err != nil {
				return nil, nil, nil, err
			}
			server, err := ln.Accept()
			if err != nil {
				return nil, nil, nil, err
			}
			return server, client, func() {
				_, _, _ = client.Close(), server.Close(), ln.Close()
				_ = os.RemoveAll(dir)
			}, nil
		})
	})
	t.Run("two processes", func(t *testing.T) {
		path := startReady(t, "stream relay")
		nettest.TestConn(t, func() (c1, c2 net.Conn, stop func(), err error) {
			a, b := relayedPair(t, path)
			return a, b, func() { _, _ = a.Close(), b.Close() }, nil
		})
	})
}
