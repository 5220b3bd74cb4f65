package board

import "sync/atomic"

// pulse is for how long at least one call was under way, and how many are: 16 bits for the number of calls, and above
// them a sum of ticks, from which the first call of a busy time takes the tick of its begin, and to which the last one
// adds that of its end. The two parts change in one step, so the word makes sense at any time: while nobody is
// there the sum is the busy time, and while somebody is there it is that without the present tick.
//
// A step is as late as its goroutine, a tick is as old: two busy times may overlap by what lies between the reading of
// a clock and the next instruction.
type pulse struct{ word atomic.Uint64 }

const (
	pulseBits = 16
	pulseMask = 1<<pulseBits - 1
)

// enter counts a call that began at a tick. It reports false, and counts nothing, if there is no room for more.
func (p *pulse) enter(tick uint64) bool {
	for {
		old := p.word.Load()
		next := old + 1
		switch old & pulseMask {
		case 0:
			next -= tick << pulseBits
		case pulseMask:
			return false
		}
		if p.word.CompareAndSwap(old, next) {
			return true
		}
	}
}

// leave ends a call that enter has counted.
func (p *pulse) leave(tick uint64) {
	for {
		old := p.word.Load()
		next := old - 1
		if old&pulseMask == 1 {
			next += tick << pulseBits
		}
		if p.word.CompareAndSwap(old, next) {
			return
		}
	}
}

// beat returns what a pulse says at a tick: the ticks with a call under way, and how many are.
func beat(word, now uint64) (busy uint64, running int) {
	busy, running = word>>pulseBits, int(word&pulseMask)
	if running > 0 {
		busy += now
	}
	if busy &= tickMask; busy > tickMask/2 { // a call of the future has just begun: it may be a tick ahead
		busy = 0
	}
	return busy, running
}
