package link

import (
	"errors"
	"runtime"
)

// maxDue bounds how many calls end before their owners are woken, and how many frames are read meanwhile: those of a
// stream need not end.
const maxDue = 64

// batch is the calls whose replies a reader has just read for others, and whose owners are still to be woken. It
// belongs to who has the reading role.
//
// They are woken when the reader finds nothing more to read, and then run before it waits for frames, so that their next
// requests are written one after the other: the server finds several at once, and so does the reader later. Waking each
// as its reply comes makes the runtime start another thread for it each time, which takes the CPU from one of the two ends,
// and only one caller makes calls while the others wait for that thread.
type batch struct {
	calls []*call
	looks int  // at more frames since the first of calls came
	woken bool // some were woken, and may not have run yet
}

func (b *batch) add(c *call) {
	if b.calls = append(b.calls, c); len(b.calls) == maxDue {
		b.wake()
	}
}

// wake wakes the owners. Where one has given up meanwhile, its slot's next owner may be woken for nothing.
func (b *batch) wake() {
	for i, c := range b.calls {
		c.signal()
		b.calls[i], b.woken = nil, true
	}
	b.calls, b.looks = b.calls[:0], 0
}

// overdue reports whether the owners have waited for long enough, though there is more to read.
func (b *batch) overdue() bool {
	if len(b.calls) > 0 {
		b.looks++
	}
	return b.looks >= maxDue
}

// letRun lets those who were woken run before the reader, who is about to wait.
func (b *batch) letRun() {
	if b.woken {
		b.woken = false
		runtime.Gosched()
	}
}

// sweepLocked reads the replies that have come already, once the reader's own call has ended: who reads next would be
// another, and has to be woken for it. Client.mu is held when it is called and when it returns.
func (l *Client) sweepLocked() {
	for range maxDue {
		if l.table.parked.first == nil || l.in.midFrame() || !l.conn.Pending() {
			return
		}
		l.mu.Unlock()
		got, err := l.step(nil)
		if err != nil && !errors.Is(err, ErrInterrupted) {
			l.fail(err)
		}
		l.mu.Lock()
		if got != answer || err != nil {
			return
		}
	}
}
