package manager

import (
	"math"
	"slices"
	"time"

	"hotline/internal/board"
)

// Histogram says how many calls took how long. Its buckets are the same for all: four to each power of two from 256 ns to
// 275 s, and one for what is shorter and one for what is longer. The zero value has no calls.
type Histogram struct {
	Counts []uint64      // calls, by bucket; nil or [Buckets] of them
	Sum    time.Duration // of what all of them took
}

// Buckets is how many buckets a Histogram has.
const Buckets = board.Buckets

// Bound returns the first duration that is too long for a bucket of a Histogram, by its number from 0. That of the last one
// is the longest Duration.
func Bound(bucket int) time.Duration { return board.Bound(bucket) }

// Count returns how many calls there were.
func (h Histogram) Count() (n uint64) {
	for _, c := range h.Counts {
		n += c
	}
	return n
}

// Quantile returns a duration that a share q of the calls, from 0 to 1, took at most: 0.5 is for the median. It is
// interpolated within a bucket, so it differs by an eighth of itself at most from what it would be exactly; in the first bucket
// by 128 ns, and what is in the last is given as the bound of the one before. It is 0 where there are no calls.
func (h Histogram) Quantile(q float64) time.Duration {
	rank := min(max(q, 0), 1) * float64(h.Count())
	if !(rank >= 0) { // q is no number
		return 0
	}
	seen, last := 0.0, time.Duration(0)
	for i, c := range h.Counts {
		if c == 0 {
			continue
		}
		low, high := Bound(i-1), Bound(i)
		if high == math.MaxInt64 {
			return low
		}
		if part := (rank - seen) / float64(c); part <= 1 {
			return low + time.Duration(part*float64(high-low))
		}
		seen, last = seen+float64(c), high
	}
	return last
}

// Sub returns the calls that are in h and were not in an earlier reading of the same worker. Where the earlier one has more in
// a bucket it was of another process, that has ended since, and h is returned as it is.
func (h Histogram) Sub(earlier Histogram) Histogram {
	if len(earlier.Counts) != len(h.Counts) || earlier.Sum > h.Sum {
		return h
	}
	d := Histogram{Counts: make([]uint64, len(h.Counts)), Sum: h.Sum - earlier.Sum}
	for i, c := range h.Counts {
		if earlier.Counts[i] > c {
			return h
		}
		d.Counts[i] = c - earlier.Counts[i]
	}
	return d
}

// Add returns the calls of both, as for the workers of a section together.
func (h Histogram) Add(other Histogram) Histogram {
	switch {
	case len(h.Counts) == 0:
		return other
	case len(h.Counts) != len(other.Counts):
		return h
	}
	s := Histogram{Counts: slices.Clone(h.Counts), Sum: h.Sum}
	s.add(other)
	return s
}

// add adds the calls of another one, which has as many buckets.
func (h *Histogram) add(other Histogram) {
	h.Sum = plus(h.Sum, other.Sum, maxTime)
	for i, c := range other.Counts {
		h.Counts[i] = plus(h.Counts[i], c, maxCalls)
	}
}
