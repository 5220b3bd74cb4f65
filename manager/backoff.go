package manager

import "time"

// backoff says how long to wait before a worker that ended is started again: min at first, twice as long after every
// end up to max, each shortened by up to a fifth at random, so that workers that died together do not start together.
// A worker that was ready for at least stable begins with min again.
type backoff struct {
	min, max, stable time.Duration
	random           func() float64 // in [0, 1)

	next time.Duration // without the random part
}

// after returns the wait after a worker that was ready for the given time.
func (b *backoff) after(ready time.Duration) time.Duration {
	if b.next == 0 || ready >= b.stable {
		b.next = b.min
	}
	wait := b.next
	b.next = min(2*b.next, b.max)
	return wait - time.Duration(b.random()*float64(wait)/5)
}
