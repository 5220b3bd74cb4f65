package manager

import "time"

// backoff says how long to wait before a worker that ended is started again: min at first, twice as long after every
// end up to max, each shortened by up to a fifth at random, so that workers that died together do not start together.
// A worker that was ready for at least stable begins with min again.
//
// After the end of loopEnds processes in a row none of which was stable, the worker is in a crash loop: it is tried at the
// slowest then, every max. There is no other window than that: an end counts for as long as no process has been stable.
type backoff struct {
	min, max, stable time.Duration
	random           func() float64 // in [0, 1)

	next time.Duration // without the random part
	ends int           // in a row, of processes that were not stable
}

// loopEnds is how many ends in a row make a crash loop.
const loopEnds = 5

// after returns the wait after a worker that was ready for the given time.
func (b *backoff) after(ready time.Duration) time.Duration {
	if b.next == 0 || ready >= b.stable {
		b.reset()
	}
	b.ends++
	if b.looping() {
		b.next = b.max
	}
	wait := b.next
	b.next = min(2*b.next, b.max)
	return wait - time.Duration(b.random()*float64(wait)/5)
}

// reset begins anew: the present process is stable.
func (b *backoff) reset() { b.next, b.ends = b.min, 0 }

// looping reports whether the worker is in a crash loop.
func (b *backoff) looping() bool { return b.ends >= loopEnds }
