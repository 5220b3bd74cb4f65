package link

import (
	"context"

	"hotline/internal/wire"
)

// Send makes a call whose outcome nobody waits for. It returns nil when the request was handed to the connection
// whole: the server executes it once, unless the link ends before or the server refuses it. Its errors are those of
// Call for a request that was not sent.
//
// The server answers as it answers any call, and the answer is dropped. So such calls count among those in flight, and
// Send waits when there are as many as the server allows, until ctx or the request's timeout ends. The method's context
// ends with the deadline, and not when ctx is cancelled.
func (l *Client) Send(ctx context.Context, r *Request) error {
	r.oneway = true
	c, err := l.start(ctx, r.deadline(ctx, l.clock), wire.KindCall, r)
	if err != nil {
		return err
	}
	l.leave(c)
	return nil
}

// leave leaves c to whoever ends it, and makes sure that somebody reads.
func (l *Client) leave(c *call) {
	l.mu.Lock()
	defer l.mu.Unlock()
	c.oneway = true
	l.table.oneway++
	if !c.inFlight { // the answer, or the link's end, was quicker
		l.forgetLocked(c)
		return
	}
	l.passOnLocked()
}

// forgetLocked frees the slot of a call that has ended and that nobody waits for.
func (l *Client) forgetLocked(c *call) {
	l.table.oneway--
	err := c.err
	if err == nil && c.reply != nil && c.reply.head.Kind == wire.KindError {
		err, _ = wire.ParseError(wire.Code(c.reply.head.Method), c.reply.body)
	}
	if err != nil {
		l.opt.Logger.Debug().Err(err).Str("link", l.conn.String()).Uint16("method", c.head.Method).Msg("a one-way call failed")
	}
	l.dropReplyLocked(c)
	l.table.release(c)
}
