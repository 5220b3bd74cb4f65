package board

import "sync/atomic"

// Meter counts the calls of one link. Its methods may be called at once; it is quickest while they are not, as on a
// link whose calls follow one another.
type Meter struct {
	board *Board
	first int
	home  int                             // the place that is looked at first: a line of the link's own, as long as there are few links
	rows  []row                           // of the shard of this link
	marks *[MaxMethods / 64]atomic.Uint64 // likewise
}

// Call is a call that is being counted.
type Call struct {
	meter   *Meter
	row     *row // nil for a method that the board has no room for
	place   *atomic.Uint64
	began   int64
	counted bool // by the pulse
}

// Begin counts a call whose handler is entered now, by the number that its method has in its service.
func (m *Meter) Begin(method int) Call {
	b := m.board
	now := b.now()
	c := Call{meter: m, began: now, counted: b.header.pulse.enter(tick(now))}
	method += m.first
	if uint(method) >= uint(len(m.rows)) {
		return c
	}
	c.row = &m.rows[method]
	if mark, bit := &m.marks[method/64], uint64(1)<<(method%64); mark.Load()&bit == 0 {
		mark.Or(bit)
	}
	if c.place = m.take(place(method, now)); c.place == nil {
		c.row.unlisted.Add(1)
	}
	return c
}

// take puts a word in a free place, and returns nil if there is none.
func (m *Meter) take(word uint64) *atomic.Uint64 {
	if p := &m.board.places[m.home]; p.Load() == 0 && p.CompareAndSwap(0, word) {
		return p
	}
	for i := range Places - 1 {
		p := &m.board.places[(m.home+1+i)%Places]
		if p.Load() == 0 && p.CompareAndSwap(0, word) {
			return p
		}
	}
	return nil
}

// End counts the end of the call, which is called once.
func (c *Call) End(failed bool) {
	b := c.meter.board
	now := b.now()
	if c.row != nil {
		if c.place != nil {
			c.place.Store(0)
		} else {
			c.row.unlisted.Add(^uint64(0))
		}
		c.row.buckets[bucket(now-c.began)].Add(1)
		c.row.spent.Add(uint64(now - c.began))
		if failed {
			c.row.errors.Add(1)
		}
	}
	if c.counted {
		b.header.pulse.leave(tick(now))
	}
}
