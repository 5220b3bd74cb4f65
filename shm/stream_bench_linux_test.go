package shm_test

import (
	"fmt"
	"io"
	"net"
	"slices"
	"testing"
	"time"
)

// BenchmarkStream moves bytes to a second process, through shared memory and through a unix socket.
func BenchmarkStream(b *testing.B) {
	for _, size := range []int{1 << 10, 64 << 10, 1 << 20} {
		for _, over := range []string{"shm", "unix"} {
			b.Run(fmt.Sprintf("%s/%d", over, size), func(b *testing.B) {
				c := spawnConn(b, over, "drain")
				p := make([]byte, size)
				b.SetBytes(int64(size))
				b.ReportAllocs()
				for b.Loop() {
					if _, err := c.Write(p); err != nil {
						b.Fatal(err)
					}
				}
				if err := c.CloseWrite(); err != nil {
					b.Fatal(err)
				}
				if _, err := io.ReadFull(c, p[:1]); err != nil { // all has been read
					b.Fatal(err)
				}
			})
		}
	}
}

// BenchmarkStreamPingPong moves bytes to a second process and back, one message at a time.
func BenchmarkStreamPingPong(b *testing.B) {
	for _, size := range []int{16, 1 << 10, 64 << 10} {
		for _, over := range []string{"shm", "unix"} {
			b.Run(fmt.Sprintf("%s/%d", over, size), func(b *testing.B) {
				c := spawnConn(b, over, "echo")
				p := make([]byte, size)
				took := make([]time.Duration, 0, 1<<20)
				b.ReportAllocs()
				for b.Loop() {
					began := time.Now()
					if _, err := c.Write(p); err != nil {
						b.Fatal(err)
					}
					if _, err := io.ReadFull(c, p); err != nil {
						b.Fatal(err)
					}
					if len(took) < cap(took) {
						took = append(took, time.Since(began))
					}
				}
				slices.Sort(took)
				b.ReportMetric(float64(took[len(took)/2]), "p50-ns")
				b.ReportMetric(float64(took[len(took)*99/100]), "p99-ns")
			})
		}
	}
}

// halfCloser is a connection whose two directions end apart.
type halfCloser interface {
	net.Conn
	CloseWrite() error
}

// spawnConn returns a connection with a second process, which drains or echoes it.
func spawnConn(b *testing.B, over, role string) halfCloser {
	b.Helper()
	if over == "shm" {
		s, _ := spawnStream(b, "stream "+role, nil)
		return s
	}
	path := socketPath(b)
	ln, err := net.ListenUnix("unix", &net.UnixAddr{Name: path, Net: "unix"})
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { _ = ln.Close() })
	start(b, "unix "+role, path)
	c, err := ln.AcceptUnix()
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { _ = c.Close() })
	return c
}
