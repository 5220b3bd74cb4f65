package nettcp_test

import (
	"testing"

	"hotline/internal/transporttest"
	"hotline/nettcp"
)

// TestSystemCalls counts the writes of this process: one for a lone frame of any length, and few for many frames that
// find the socket full.
func TestSystemCalls(t *testing.T) {
	if _, err := transporttest.WriteCalls(); err != nil {
		t.Skipf("no accounting of system calls: %v", err)
	}
	c := dialURL(t, start(t, "echo", "unix", address(t, "unix")).line(t), nil)
	echo := func(n int) {
		check(t, send(c, 1, pattern(1, n)))
		expect(t, c, 1, pattern(1, n))
	}
	echo(1)
	for _, n := range []int{16, 1000, 100_000} {
		const echoes = 200
		before, err := transporttest.WriteCalls()
		check(t, err)
		for range echoes {
			echo(n)
		}
		after, err := transporttest.WriteCalls()
		check(t, err)
		// The runtime writes now and then to wake its poller.
		if calls := after - before; calls > echoes*11/10 {
			t.Errorf("%d writes for %d frames of %d bytes", calls, echoes, n)
		}
	}
}

func TestFullSocketJoinsFrames(t *testing.T) {
	if _, err := transporttest.WriteCalls(); err != nil {
		t.Skipf("no accounting of system calls: %v", err)
	}
	for _, cr := range carriers[:4] {
		t.Run(cr.name, func(t *testing.T) {
			a, b := cr.pair(t, nettcp.Options{})
			fill(t, a, 100_000)
			const frames = 2000
			before, err := transporttest.WriteCalls()
			check(t, err)
			for i := range uint64(frames) {
				check(t, send(a, 1<<32|i, pattern(i, 16)))
			}
			for i := uint64(0); i < frames; {
				h, _, err := receive(b)
				check(t, err)
				if h.ID>>32 == 1 {
					if h.ID != 1<<32|i {
						t.Fatalf("frame %d came, want %d", h.ID&0xffffffff, i)
					}
					i++
				}
			}
			after, err := transporttest.WriteCalls()
			check(t, err)
			if calls := after - before; calls > frames/10 {
				t.Errorf("%d writes for %d frames", calls, frames)
			}
		})
	}
}
