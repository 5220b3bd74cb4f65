//go:build !race

package shm_test

import (
	"runtime/debug"
	"testing"
	"time"

	"hotline/internal/link"
	"hotline/shm"
)

// What is tested here holds but for what the race detector allocates on its own account.

// TestAllocs: frames that find the peer awake cost no memory.
func TestAllocs(t *testing.T) {
	server, client := pair(t, nil)
	defer debug.SetGCPercent(debug.SetGCPercent(-1))
	h, p := call(1, 16), make([]byte, 16)
	if n := testing.AllocsPerRun(1000, func() {
		if err := client.Write(link.Stop{}, h, nil, p); err != nil {
			t.Fatal(err)
		}
		server.Ready()
		if _, err := server.Next(); err != nil {
			t.Fatal(err)
		}
		if _, err := server.Read(p); err != nil {
			t.Fatal(err)
		}
	}); n != 0 {
		t.Errorf("a frame allocates %v times", n)
	}
}

// TestSleepAllocs: nor does a sleep.
func TestSleepAllocs(t *testing.T) {
	server, client := pair(t, &shm.Options{MaxSpin: -1})
	done := make(chan error, 1)
	go func() { done <- echo(server) }()
	h, p := call(1, 16), make([]byte, 16)
	n := testing.AllocsPerRun(1000, func() {
		if err := client.Write(link.Stop{}, h, nil, p); err != nil {
			t.Fatal(err)
		}
		if _, err := client.Next(); err != nil {
			t.Fatal(err)
		}
		if _, err := client.Read(p); err != nil {
			t.Fatal(err)
		}
	})
	if n != 0 {
		t.Errorf("a frame there and back, with sleeps, allocates %v times", n)
	}
	_ = client.Close()
	<-done
}

// TestStreamAllocs: bytes of a stream cost no memory, nor do deadlines that don't pass.
func TestStreamAllocs(t *testing.T) {
	server, client := streamPair(t, nil)
	defer debug.SetGCPercent(debug.SetGCPercent(-1))
	p := make([]byte, 40_000)
	if n := testing.AllocsPerRun(1000, func() {
		if err := server.SetDeadline(time.Now().Add(time.Hour)); err != nil {
			t.Fatal(err)
		}
		if _, err := client.Write(p); err != nil {
			t.Fatal(err)
		}
		if n, err := server.Read(p); n != len(p) || err != nil {
			t.Fatal(n, err)
		}
	}); n != 0 {
		t.Errorf("a Write and a Read allocate %v times", n)
	}
}
