package shm

import (
	"os"
	"runtime"
	"time"
)

// shrinkAfter is how long a ring keeps, at least, the memory that its traffic has needed.
const shrinkAfter = time.Second

// shrinker is the timer that gives a ring's memory back. It runs only while the ring may hold more than it needs at
// rest, so that an idle connection uses no CPU. It is guarded by writer.mu.
type shrinker struct {
	timer *time.Timer // made when it is first needed
	set   bool        // it is to fire
}

// watchMemory sets the timer. c.out.mu is held.
func (c *Conn) watchMemory() {
	s := &c.out.shrinker
	s.set = true
	if s.timer == nil {
		s.timer = time.AfterFunc(shrinkAfter, c.shrink)
		return
	}
	s.timer.Reset(shrinkAfter)
}

// shrink is run by the timer. It gives the memory behind the ring's first lap back if that has not been used since the
// timer was set, and sets it again if it has.
func (c *Conn) shrink() {
	c.out.mu.Lock()
	defer c.out.mu.Unlock()
	c.out.shrinker.set = false
	if c.state.Load() != 0 {
		return
	}
	switch rests, err := c.out.settle(); {
	case err != nil:
		_ = c.fail(err)
	case !rests:
		c.watchMemory()
	default:
		c.maps[1].giveBack(headerSize+lapSize, headerSize+c.out.win.size)
	}
	runtime.KeepAlive(c)
}

// stopShrinking ends the timer. Where it has fired already, shrink finds that the connection has ended.
func (c *Conn) stopShrinking() {
	c.out.mu.Lock()
	defer c.out.mu.Unlock()
	if c.out.shrinker.set {
		c.out.shrinker.timer.Stop()
		c.out.shrinker.set = false
	}
}

// wholePages is the part of a range of bytes that is whole pages.
func wholePages(from, to uint64) (uint64, uint64) {
	page := uint64(os.Getpagesize())
	from, to = (from+page-1)/page*page, to/page*page
	return from, max(from, to)
}
