package link

import (
	"context"

	"hotline/internal/wire"
)

// await waits for c's reply, reading for everybody when nobody else does, and ends the call.
func (l *Client) await(ctx context.Context, c *call) (Reply, error) {
	l.mu.Lock()
	for c.inFlight {
		if l.reading {
			l.parkLocked(ctx, c)
			continue
		}
		l.reading, c.leading = true, true
		l.mu.Unlock()
		own := l.lead(ctx, c)
		l.mu.Lock()
		if own {
			c.inFlight, c.err, c.givenUp = false, nil, false
			l.sweepLocked()
		}
		l.due.wake()
		l.reading, c.leading = false, false
	}
	err, givenUp := c.err, c.givenUp
	var m message
	if err == nil {
		m = *c.reply
		c.reply.body, c.reply.lent = nil, nil
		if len(m.metadata) > 0 {
			c.reply.metadata = nil // it goes to the caller
		}
	} else {
		l.dropReplyLocked(c)
	}
	if !givenUp {
		l.table.release(c)
	}
	l.passOnLocked()
	l.mu.Unlock()
	if err == nil {
		return l.result(&m)
	}
	if givenUp {
		l.abandon(c, err)
		err = maybeExecuted(err)
	}
	return Reply{}, err
}

// parkLocked sleeps until something changed for c: its reply came, it was given up, or the reading role is free.
func (l *Client) parkLocked(ctx context.Context, c *call) {
	l.table.park(c)
	l.mu.Unlock()
	if done := ctx.Done(); done == nil {
		<-c.ready // a third of what select takes
		l.mu.Lock()
	} else {
		select {
		case <-c.ready:
			l.mu.Lock()
		case <-done:
			l.mu.Lock()
			l.giveUpLocked(c, ctx.Err())
		}
	}
	l.table.unpark(c)
}

// passOnLocked gives the reading role, if it is free, to a caller that sleeps.
func (l *Client) passOnLocked() {
	if l.reading {
		return
	}
	if c := l.table.parked.first; c != nil {
		l.table.unpark(c)
		c.signal()
	} else if l.watcherSleeps || l.table.oneway > 0 {
		l.watcherSleeps = false
		select {
		case l.wakeWatcher <- struct{}{}:
		default: // a token is there already
		}
	}
}

// giveUpLocked ends a call in flight whose owner no longer waits.
func (l *Client) giveUpLocked(c *call, err error) {
	if c.inFlight {
		c.givenUp = true
		l.endLocked(c, err)
	}
}

// endLocked ends a call in flight with err, or by what it has of a reply.
func (l *Client) endLocked(c *call, err error) {
	if !c.inFlight {
		return
	}
	c.inFlight, c.err = false, err
	l.table.unpark(c)
	c.signal()
	if c.leading && err != nil {
		l.conn.Interrupt()
	}
	if c.oneway {
		l.forgetLocked(c)
	}
	if c.stream != nil {
		c.stream.endedLocked()
	}
}

func (l *Client) dropReplyLocked(c *call) {
	if c.reply != nil {
		l.in.settle(c.reply)
		c.reply.release(l.buffers)
	}
}

// result turns a message that ended a call to what the caller gets.
func (l *Client) result(m *message) (Reply, error) {
	if m.head.Kind != wire.KindError {
		return Reply{Body: m.body, Metadata: m.metadata, lent: m.lent, buffers: l.buffers}, nil
	}
	e, err := wire.ParseError(wire.Code(m.head.Method), m.body)
	m.release(l.buffers)
	if err != nil {
		l.fail(err)
		return Reply{}, maybeExecuted(err)
	}
	return Reply{Metadata: m.metadata}, e
}
