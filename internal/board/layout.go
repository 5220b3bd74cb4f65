package board

import "sync/atomic"

// The board's memory, in pages so that what is not used takes none. All words are in the byte order of the machine.
// What different CPUs write at the same time is 128 bytes apart, because CPUs fetch cache lines in pairs.
//
//	0      header
//	4096   places: calls that are under way
//	12288  marks: which rows have been used
//	16384  rows: for each shard one for each method
const (
	placesOffset = 4096
	marksOffset  = 12288
	rowsOffset   = 16384
	rowSize      = 1024

	// magic ends in the version of the layout.
	magic = 0x4452414f42_0001 // "BOARD", little-endian, behind it

	// Places is how many calls under way a board lists.
	Places = 1024

	// MaxMethods is how many methods a board counts apart. Calls of those beyond count for the worker as a whole only.
	MaxMethods = 4096

	maxShards = 8
	lineWords = 16 // of 128 bytes
)

// header is the start of the memory.
type header struct {
	magic    atomic.Uint64 // 0: written by the manager, as are the next three, before the worker sees the memory
	methods  atomic.Uint64 // 8
	shards   atomic.Uint64 // 16
	epoch    atomic.Uint64 // 24: nanoseconds on CLOCK_MONOTONIC at which the board's time begins
	attached atomic.Uint64 // 32: 1 when the worker counts here
	_        [88]byte
	pulse    pulse // 128
	_        [120]byte
}

// places are the calls under way: 0 is a free one, and else the low 16 bits are the method, and those above the tick at
// which it began, plus one. So a place is one word, and nobody ever sees half of it.
type places [Places]atomic.Uint64

// marks say, by a bit for each method, which rows of a shard have been used: the others need not be read, which
// would take memory for them.
type marks [maxShards][MaxMethods / 64]atomic.Uint64

// row is what one method has done on the links of one shard.
type row struct {
	errors   atomic.Uint64 // calls that ended by an error
	spent    atomic.Uint64 // nanoseconds that all calls took that have ended
	unlisted atomic.Uint64 // calls under way that found no place
	_        [3]uint64
	buckets  [Buckets]atomic.Uint64 // calls that have ended, by the time that they took
}

// size returns the bytes of a board.
func size(methods, shards int) int { return rowsOffset + shards*methods*rowSize }

// memory is a board's memory, laid out.
type memory struct {
	header *header
	places *places
	marks  *marks
	rows   [][]row // by shard and method
}

const (
	tickShift  = 8 // a tick is 256 ns
	methodBits = 16
	methodMask = 1<<methodBits - 1
	tickMask   = 1<<48 - 1
)

// tick turns nanoseconds of the board's time to ticks. There is room for two years of them.
func tick(ns int64) uint64 { return uint64(ns) >> tickShift & tickMask }

// place returns the word of a call.
func place(method int, ns int64) uint64 { return (tick(ns)+1)<<methodBits | uint64(method)&methodMask }

// placed returns what a word that is not 0 says.
func placed(w uint64) (method int, ns int64) {
	return int(w & methodMask), int64((w>>methodBits - 1) & tickMask << tickShift)
}
