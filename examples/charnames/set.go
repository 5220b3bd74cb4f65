package charnames

import (
	"iter"
	"math/bits"
)

// set is a set of places, a bit for each.
type set []uint64

func newSet(size int) set { return make(set, (size+63)/64) }

func (s set) add(place int32) { s[place/64] |= 1 << (place % 64) }

// all returns the places in ascending order.
func (s set) all() iter.Seq[int32] {
	return func(yield func(int32) bool) {
		for i, word := range s {
			for ; word != 0; word &= word - 1 {
				if !yield(int32(i*64 + bits.TrailingZeros64(word))) {
					return
				}
			}
		}
	}
}
