package board

import (
	"math"
	"math/bits"
	"time"
)

// The buckets of a histogram are four to each power of two, which makes a figure that is read off them wrong by an
// eighth at most.
const (
	firstBits = 8  // the first bucket is for what is below 256 ns,
	lastBits  = 38 // the last for what is not below 275 s

	// Buckets is how many there are.
	Buckets = 4*(lastBits-firstBits) + 2
)

// bucket returns the bucket of a duration in nanoseconds.
func bucket(ns int64) int {
	if ns < 1<<firstBits {
		return 0
	}
	high := bits.Len64(uint64(ns)) - 1
	if high >= lastBits {
		return Buckets - 1
	}
	return 1 + 4*(high-firstBits) + int(ns>>(high-2))&3
}

// Bound returns the end of a bucket, by its number: the first duration that is too long for it. That of the last bucket,
// or beyond, is the longest Duration.
func Bound(bucket int) time.Duration {
	switch {
	case bucket >= Buckets-1:
		return math.MaxInt64
	case bucket < 0:
		return 0
	}
	return time.Duration(4+bucket&3) << (firstBits - 2 + bucket>>2)
}
