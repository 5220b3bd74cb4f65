package link

import (
	"context"
	"errors"

	"hotline/internal/wire"
)

// abandon tells the server that c, which has ended, was given up, and then frees its slot: if the slot's next user came
// first, the server would count both against its limit. It does not wait: what can't be sent at once is sent by a
// goroutine of the link's own.
func (l *Client) abandon(c *call, why error) {
	c.head = wire.Header{Kind: wire.KindCancel, ID: c.id, Method: uint16(wire.CodeCanceled)}
	if errors.Is(why, context.DeadlineExceeded) {
		c.head.Method = uint16(wire.CodeDeadline)
	}
	err := l.conn.Write(l.atOnce, &c.head, nil, nil)
	if err != nil && !errors.Is(err, ErrInterrupted) {
		l.silence(err)
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if err == nil || l.mute != nil || l.err != nil {
		l.table.release(c)
		return
	}
	l.cancels = append(l.cancels, c)
	if l.flushing {
		return
	}
	l.flushing = true
	l.group.Add(1) // the watcher, which ends only when err is set, is in the group
	go l.sendCancels()
}

func (l *Client) sendCancels() {
	defer l.group.Done()
	for {
		l.mu.Lock()
		calls := l.cancels
		l.cancels = nil
		l.flushing = len(calls) > 0
		l.mu.Unlock()
		if len(calls) == 0 {
			return
		}
		for _, c := range calls {
			if err := l.conn.Write(Stop{}, &c.head, nil, nil); err != nil {
				l.silence(err)
			}
			l.mu.Lock()
			l.table.release(c)
			l.mu.Unlock()
		}
	}
}
