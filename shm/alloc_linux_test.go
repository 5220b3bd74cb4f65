//go:build !race

package shm_test

import (
	"testing"

	"hotline/internal/link"
	"hotline/shm"
)

// TestSleepAllocs: a sleep does not allocate, but for what the race detector does on its own account.
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
