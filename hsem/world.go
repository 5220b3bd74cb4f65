package hsem

import (
	"context"
	"time"
)

// world is all that the two protocols need of memory, kernel and clock. The real one is shared; tests have another, in
// which a seeded scheduler decides who does the next step, who dies, and who is stopped.
//
// Memory is sequentially consistent, as that of package sync/atomic is.
type world interface {
	load() uint64
	cas(old, new uint64) bool

	// sleep waits while the low half of the state is what it is in s, until wake or for d. It may return for no reason.
	sleep(s uint64, d time.Duration)
	wake(n int) // ends the sleep of up to n sleepers

	spin(ready func() bool) // polls for as long as it pays
	now() time.Duration     // on a monotonic clock

	// alive reports whether the handle that has this slot is still open in a living process.
	alive(slot uint32) bool
	// removed reports whether the semaphore's file has lost its name.
	removed() bool
	// marked reports whether mark was called; both are for the protocol that has no room for it in its state.
	marked() bool
	mark()
}

// step bounds the sleeps of a hybrid lock. A sleeper then looks whether the owner is alive, which nobody could tell it, and whether it
// missed a wake-up, which happens when a process dies after it was told to wake somebody, or to wake up, and before it
// did. It is short enough to see a death within 100 ms, with room for a slow machine. A shorter one would cost: waking up
// takes a Go program 150 µs of CPU time in all, most of it in the runtime's own threads.
const step = 60 * time.Millisecond

// longStep bounds those of a counting semaphore, which has no owner to look after.
const longStep = 250 * time.Millisecond

// limit ends a wait.
type limit struct {
	deadline time.Duration // on the world's clock; 0 is none
	stop     func() error  // asked before every sleep: not nil ends the wait. It may be nil.
}

// check returns how long a sleep may last, at most a step, or why the wait is over.
func (l *limit) check(now, step time.Duration) (time.Duration, error) {
	if l.stop != nil {
		if err := l.stop(); err != nil {
			return 0, err
		}
	}
	if l.deadline == 0 {
		return step, nil
	}
	if now >= l.deadline {
		return 0, context.DeadlineExceeded
	}
	return min(step, l.deadline-now), nil
}
