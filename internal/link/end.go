package link

import (
	"context"
	"errors"
	"io"

	"hotline/internal/wire"
)

// silence lets no new calls begin, because a write failed, and returns why: this side may have ended the link before.
// Nothing else ends here. When the peer has gone, what it sent before it went is still to be read: replies, and a bye.
// The reader meets the end after it.
func (l *Client) silence(cause error) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	switch {
	case l.err != nil:
		return l.err
	case l.mute == nil:
		l.mute = cause
		l.table.dismiss()
	}
	return l.mute
}

// fail ends the link and every call on it. Only the first cause counts.
func (l *Client) fail(cause error) {
	gone := errors.Is(cause, io.EOF)
	if gone {
		cause = errors.New("the peer closed the link: " + l.conn.String())
	}
	l.mu.Lock()
	if l.err != nil {
		l.mu.Unlock()
		l.conn.Close()
		return
	}
	l.err = cause
	if w, ok := l.conn.(Witness); ok && gone {
		l.endUntakenLocked(w)
	}
	for _, c := range l.table.slots {
		l.endLocked(c, maybeExecuted(lost(cause)))
	}
	l.table.dismiss()
	close(l.ended)
	l.mu.Unlock()
	l.conn.Close()
	l.alarm.stop()
}

// endUntakenLocked ends the calls whose request the peer did not take whole: it has gone, and can't have executed them.
func (l *Client) endUntakenLocked(w Witness) {
	w.Untaken(func(h wire.Header) {
		if h.Kind != wire.KindCall {
			return
		}
		if c := l.table.find(h.ID); c != nil {
			l.endLocked(c, notExecuted(lost(l.err)))
		}
	})
}

// expire ends the calls whose deadline has passed. The alarm runs it.
func (l *Client) expire() {
	now, next := l.clock.now(), int64(0)
	l.mu.Lock()
	for _, c := range l.table.slots {
		switch {
		case !c.inFlight || c.deadline == 0:
		case c.deadline <= now:
			l.giveUpLocked(c, context.DeadlineExceeded)
		case next == 0 || c.deadline < next:
			next = c.deadline
		}
	}
	l.mu.Unlock()
	if next != 0 {
		l.alarm.set(next)
	}
}
