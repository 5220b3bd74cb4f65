package link

import "testing"

// TestNewFresh: memory for a reply has the room that was asked for and nothing in it, and is one allocation.
func TestNewFresh(t *testing.T) {
	for _, n := range []int{0, 1, freshZeroed, freshZeroed + 1, 64 << 10, 1<<20 + 1} {
		if b := newFresh(n); len(b) != 0 || cap(b) != n {
			t.Errorf("newFresh(%d): %d bytes, room for %d", n, len(b), cap(b))
		}
		var b []byte
		if allocs := testing.AllocsPerRun(10, func() { b = append(newFresh(n), 1) }); n > 0 && allocs != 1 {
			t.Errorf("newFresh(%d) with %d bytes makes %v allocations, want 1", n, len(b), allocs)
		}
	}
}
