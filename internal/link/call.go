package link

import (
	"context"
	"time"

	"hotline/internal/wire"
)

// Request is a call to be made.
type Request struct {
	Method   uint16
	Timeout  time.Duration // beside the context's own deadline; 0 for none. It counts from when the request is made first
	Metadata []byte        // kept until Call returns
	Payload  []byte        // kept until Call returns
	Loan     Loan          // what Payload lies in, where that is one: it need not be copied then. It stays the caller's to release
	Fresh    bool          // the reply's Body is to be memory of its own, for the caller to keep
	InPlace  bool          // the reply's Body may be memory that the server sees too, see [Block]; not with Fresh
	Values   Values        // in place of Payload, with Enter alone
	IfIdle   bool          // only if no other call is in flight on the link: else the call fails with ErrBusy at once

	Ends time.Time // set, where there is a Timeout, by the first of Call, Send, Enter and Open: when it is over

	oneway bool          // nobody waits for the reply: it comes by Send
	stream *ClientStream // what Open makes of it
}

// Reply is what a call brought back.
type Reply struct {
	// Body is the results. If the request said Fresh it belongs to the caller; otherwise it is lent until Release.
	Body []byte

	// Metadata is what came beside the results, or beside a *wire.Error; it belongs to the caller.
	Metadata []byte

	// Entered says that the results are in the request's Values.
	Entered bool

	lent    *buffer
	buffers *Buffers
}

// Release gives a lent Body back. It is needed once at most, and does nothing for a fresh one.
func (r *Reply) Release() {
	if r.lent != nil {
		m := message{body: r.Body, lent: r.lent}
		m.release(r.buffers)
	}
	*r = Reply{}
}

// call is a call in flight: a slot of the client's table, used again and again. What is not marked otherwise is
// guarded by Client.mu.
type call struct {
	id       uint64        // slot number below, generation above: a late reply to an earlier user finds no call
	head     wire.Header   // the owner's: the header it writes
	ready    chan struct{} // one token: something changed for the owner, which sleeps
	inFlight bool          // in the table: a reply would be taken
	leading  bool          // the owner has the reading role
	fresh    bool          // the reply needs memory of its own
	place    bool          // the reply may stay in its block
	ping     bool          // asks for a pong
	oneway   bool          // nobody waits: whoever ends the call frees its slot
	givenUp  bool          // err is why the owner no longer waits, and the server is to be told
	deadline int64         // on the link's clock, 0 for none
	err      error         // why it ended without a reply
	reply    *message      // holds what has come of the reply; nil while the reader reads into it
	started  bool          // the first piece of the reply has come
	stream   *ClientStream // nil for a call without streams

	parked     bool // the owner sleeps, and would take the reading role: it is in the list
	prev, next *call
}

// slotBits is what the number of a slot takes of an id. The rest is enough for half a year of a million calls a second
// in one slot; then the first generation comes again.
const slotBits = 20

// signal wakes the owner.
func (c *call) signal() {
	select {
	case c.ready <- struct{}{}:
	default: // a token is there already
	}
}

// table is the calls in flight of one client.
type table struct {
	slots  []*call
	free   []*call
	limit  int
	oneway int                         // calls in flight that nobody waits for
	parked struct{ first, last *call } // those who would take the reading role, in the order they came
	queue  []*slotWaiter               // callers that wait for a slot, first come first served
}

// slotWaiter is a caller that waits for a slot.
type slotWaiter struct {
	got chan struct{} // closed when c or nothing (the link ended) was handed over
	c   *call
}

// take returns a free slot, or nil when the limit is reached.
func (t *table) take() *call {
	if n := len(t.free); n > 0 {
		c := t.free[n-1]
		t.free = t.free[:n-1]
		return c
	}
	if len(t.slots) >= t.limit {
		return nil
	}
	c := &call{id: uint64(len(t.slots)) | 1<<slotBits, ready: make(chan struct{}, 1)}
	t.slots = append(t.slots, c)
	return c
}

// inFlight returns how many slots are taken.
func (t *table) inFlight() int { return len(t.slots) - len(t.free) }

// find returns the call in flight with this id, or nil. id comes from the peer.
func (t *table) find(id uint64) *call {
	slot := id & (1<<slotBits - 1)
	if slot >= uint64(len(t.slots)) {
		return nil
	}
	if c := t.slots[slot]; c.id == id && c.inFlight {
		return c
	}
	return nil
}

// release makes c's slot free for another call, or hands it to one that waits.
func (t *table) release(c *call) {
	select {
	case <-c.ready: // a token that came too late
	default:
	}
	if c.id += 1 << slotBits; c.id>>slotBits == 0 {
		c.id += 1 << slotBits // 0 is no id
	}
	c.err, c.deadline, c.fresh, c.place, c.ping, c.started, c.givenUp, c.oneway = nil, 0, false, false, false, false, false, false
	c.stream = nil
	if len(t.queue) == 0 {
		t.free = append(t.free, c)
		return
	}
	w := t.queue[0]
	t.queue[0] = nil
	t.queue = t.queue[1:]
	w.c = c
	close(w.got)
}

// forget takes w out of the queue, and reports whether it was still there.
func (t *table) forget(w *slotWaiter) bool {
	for i, v := range t.queue {
		if v == w {
			t.queue = append(t.queue[:i], t.queue[i+1:]...)
			return true
		}
	}
	return false
}

// dismiss sends those away who wait for a slot.
func (t *table) dismiss() {
	for _, w := range t.queue {
		close(w.got)
	}
	t.queue = nil
}

// park puts c in the list of those who would read.
func (t *table) park(c *call) {
	c.parked, c.prev, c.next = true, t.parked.last, nil
	if c.prev != nil {
		c.prev.next = c
	} else {
		t.parked.first = c
	}
	t.parked.last = c
}

// unpark takes c out of that list, if it is there.
func (t *table) unpark(c *call) {
	if !c.parked {
		return
	}
	if c.prev != nil {
		c.prev.next = c.next
	} else {
		t.parked.first = c.next
	}
	if c.next != nil {
		c.next.prev = c.prev
	} else {
		t.parked.last = c.prev
	}
	c.parked, c.prev, c.next = false, nil, nil
}

// deadline returns when the call ends by the context and the request's timeout, on the link's clock, or 0.
func (r *Request) deadline(ctx context.Context, k clock) int64 {
	var deadline int64
	if t, ok := ctx.Deadline(); ok {
		deadline = k.at(t)
	}
	if r.Timeout > 0 {
		if r.Ends.IsZero() {
			r.Ends = k.time(k.now() + int64(r.Timeout))
		}
		if t := k.at(r.Ends); deadline == 0 || t < deadline {
			deadline = t
		}
	}
	return deadline
}
