package shm

import (
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"hotline/internal/wire"
)

// quietTime is how long an arena is left alone before the memory of its free blocks goes back to the system.
const quietTime = time.Second

// arena is one direction's memory for blocks. Its writer gives out blocks; its reader gives them back by a word for each in
// the shared memory, which the writer looks at when it needs one. Everything else that the writer knows is its own: the
// peer can spoil what lies in the blocks, and nothing else. Both ends have one, and only the writer's has segments.
//
// The memory stays mapped while blocks of it are held, though the connection be closed.
type arena struct {
	m        *mapping
	mem      []byte          // shared with the peer
	returned []atomic.Uint32 // over the start of mem: a word for each unit

	mu       sync.Mutex
	segments []segment   // guarded by mu: all units, in order; nil until the first block is asked for
	held     int         // guarded by mu: blocks that this process holds, of either end
	ended    bool        // guarded by mu: the connection has ended
	used     bool        // guarded by mu: a block was asked for since the timer was set
	timer    *time.Timer // guarded by mu: runs trim; nil until the first block
	armed    bool        // guarded by mu: timer is set
}

// segment is a block, or units that are free.
type segment struct {
	at, units int
	holders   int  // handles of this process on the block
	lent      bool // the peer has it, unless its word says that it was given back
	touched   bool // its memory may be in use
}

// newArena lays an arena over what is behind the ring in a mapping. Where that is nothing it returns nil.
func newArena(m *mapping, ringSize uint64) *arena {
	mem := m.mem[headerSize+ringSize:]
	units := len(mem) / unit
	if units == 0 {
		return nil
	}
	return &arena{m: m, mem: mem[:units*unit], returned: wordsOver(mem, units)}
}

// first is the first unit that blocks may have: those before it hold the words.
func (a *arena) first() int { return (4*len(a.returned) + unit - 1) / unit }

// lend gives out a block of n bytes or more, and returns where it begins, or false when there is none that is free.
func (a *arena) lend(n int) (at int, ok bool) {
	units := (n-1)/unit + 1
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.ended || units > len(a.returned)-a.first() {
		return 0, false
	}
	if a.segments == nil {
		a.segments = []segment{{at: a.first(), units: len(a.returned) - a.first()}}
	}
	a.watchLocked()
	for i := 0; i < len(a.segments); i++ {
		if !a.freeLocked(i) {
			continue
		}
		for a.segments[i].units < units && i+1 < len(a.segments) && a.freeLocked(i+1) {
			a.mergeLocked(i)
		}
		if a.segments[i].units >= units {
			a.splitLocked(i, units)
			s := &a.segments[i]
			s.holders, s.touched = 1, true
			a.held++
			return s.at, true
		}
	}
	return 0, false
}

// freeLocked reports whether nobody has the segment i any more.
func (a *arena) freeLocked(i int) bool {
	s := &a.segments[i]
	if s.lent && s.holders == 0 && a.returned[s.at].Load() != 0 {
		raceRead()
		s.lent = false
	}
	return !s.lent && s.holders == 0
}

// mergeLocked makes one segment of i and the next. Both are free.
func (a *arena) mergeLocked(i int) {
	s, next := &a.segments[i], &a.segments[i+1]
	s.units += next.units
	s.touched = s.touched || next.touched
	a.segments = slices.Delete(a.segments, i+1, i+2)
}

// splitLocked leaves so many units of the segment i, which is free, and makes a segment of the rest.
func (a *arena) splitLocked(i, units int) {
	s := &a.segments[i]
	if s.units == units {
		return
	}
	rest := segment{at: s.at + units, units: s.units - units, touched: s.touched}
	s.units = units
	a.segments = slices.Insert(a.segments, i+1, rest)
}

// findLocked returns the block that begins at a unit, or nil. at may come from the peer.
func (a *arena) findLocked(at int) *segment {
	i, ok := slices.BinarySearchFunc(a.segments, at, func(s segment, at int) int { return s.at - at })
	if !ok {
		return nil
	}
	return &a.segments[i]
}

// send makes a block that we hold the peer's too, which is about to be told. unsend takes that back.
func (a *arena) send(at int) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.returned[at].Store(0)
	a.findLocked(at).lent = true
}

func (a *arena) unsend(at int) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.findLocked(at).lent = false
}

// comeBack makes a block ours alone that the peer has sent back with n bytes in it. The handle counts, but doesn't keep the
// memory mapped until hold is called. The error is a [*wire.ProtocolError].
func (a *arena) comeBack(offset, n uint64) (at int, err error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	var s *segment
	if offset%unit == 0 && offset < uint64(len(a.mem)) {
		s = a.findLocked(int(offset / unit))
	}
	if s == nil || !s.lent || n > uint64(s.units*unit) {
		return 0, wire.ProtocolErrorf("%d bytes came back in a block at %d that was not lent for so many", n, offset)
	}
	s.lent = false
	s.holders++
	return s.at, nil
}

// check reports whether n bytes of the peer's may lie at offset, and returns the unit. The error is a
// [*wire.ProtocolError].
func (a *arena) check(offset, n uint64) (at int, err error) {
	size := uint64(len(a.mem))
	if offset%unit != 0 || offset < uint64(a.first()*unit) || offset >= size || n > size-offset {
		return 0, wire.ProtocolErrorf("%d bytes in a block at %d of an arena of %d", n, offset, size)
	}
	return int(offset / unit), nil
}

// hold keeps the memory mapped for one more block, and reports whether it still was.
func (a *arena) hold() bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.ended && a.held == 0 {
		return false
	}
	a.held++
	return true
}

// giveBack returns a block to the peer that has lent it.
func (a *arena) giveBack(at int) {
	raceWrite()
	a.returned[at].Store(1)
}

// drop forgets a handle on a block of our own that didn't keep the memory mapped.
func (a *arena) drop(at int) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.findLocked(at).holders--
}

// release forgets a handle on a block that kept the memory mapped.
func (a *arena) release() {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.held--; a.held == 0 && a.ended {
		a.m.close()
		a.m.unmapLater()
	}
}

// end is for a connection that has ended. It reports whether its memory may be let go of: else the last block that is
// released does that.
func (a *arena) end() bool {
	if a == nil {
		return true
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	a.ended = true
	if a.timer != nil {
		a.timer.Stop()
	}
	if a.held == 0 {
		return true
	}
	a.m.keep()
	return false
}

// watchLocked sees to it that trim runs when the arena has been quiet for a while.
func (a *arena) watchLocked() {
	a.used = true
	if a.armed {
		return
	}
	a.armed = true
	if a.timer == nil {
		a.timer = time.AfterFunc(quietTime, a.trim)
	} else {
		a.timer.Reset(quietTime)
	}
}

// trim gives the memory of free blocks back to the system, once the arena was not used for a while, and comes again while
// there are others.
func (a *arena) trim() {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.ended {
		return
	}
	busy := a.used
	a.used = false
	for i := 0; !busy && i < len(a.segments); i++ {
		if !a.freeLocked(i) {
			continue
		}
		for i+1 < len(a.segments) && a.freeLocked(i+1) {
			a.mergeLocked(i)
		}
		if s := &a.segments[i]; s.touched {
			s.touched = false
			a.m.forget(a.mem[s.at*unit : (s.at+s.units)*unit])
		}
	}
	if a.armed = busy || len(a.segments) > 1; a.armed {
		a.timer.Reset(quietTime)
	}
}
