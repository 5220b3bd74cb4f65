package link

import (
	"context"
	"errors"
	"time"

	"hotline/internal/wire"
)

func (l *Client) call(ctx context.Context, kind wire.Kind, r *Request) (Reply, error) {
	deadline := r.deadline(ctx, l.clock)
	c, err := l.start(ctx, deadline, kind, r)
	if err != nil {
		return Reply{}, err
	}
	if deadline != 0 {
		l.alarm.set(deadline)
	}
	return l.await(ctx, c)
}

// start sends a request. deadline is when the call ends, on the link's clock, or 0.
func (l *Client) start(ctx context.Context, deadline int64, kind wire.Kind, r *Request) (*call, error) {
	if err := l.permit(ctx, r); err != nil {
		return nil, err
	}
	c, err := l.begin(ctx, deadline, r, kind == wire.KindPing)
	if err != nil {
		return nil, err
	}
	stop := Stop{Done: ctx.Done()}
	c.head = wire.Header{Kind: kind, Method: r.Method, ID: c.id}
	if deadline != 0 {
		stop.Deadline = l.clock.time(deadline)
		c.head.Timeout = uint64(max(1, deadline-l.clock.now()))
	}
	if stop.Done != nil && !r.oneway {
		c.head.Flags = wire.FlagCancellable
	}
	if r.stream != nil {
		r.stream.attach(c)
		c.head.Flags |= r.stream.flags()
	}
	begun, err := l.send(stop, c, r)
	if err != nil {
		return nil, l.unsent(ctx, c, begun, err)
	}
	return c, nil
}

// permit says what is wrong with a request before it takes a slot.
func (l *Client) permit(ctx context.Context, r *Request) error {
	if len(r.Payload) > l.opt.PeerMaxMessage {
		return notExecuted(&TooLargeError{What: "arguments", Size: len(r.Payload), Limit: l.opt.PeerMaxMessage})
	}
	if err := ctx.Err(); err != nil {
		return notExecuted(err)
	}
	return nil
}

// begin takes a slot, waiting for one when the limit of calls in flight is reached. Calls that are entered count as traffic
// too, though nobody reads for them: the watcher may see a goaway late then, but the server refuses them itself.
func (l *Client) begin(ctx context.Context, deadline int64, r *Request, ping bool) (*call, error) {
	l.mu.Lock()
	if err := l.refusalLocked(); err != nil {
		l.mu.Unlock()
		return nil, err
	}
	overlaps := l.table.inFlight() > 0
	if overlaps && r.IfIdle {
		l.mu.Unlock()
		l.opt.Overlap()
		return nil, errBusy
	}
	c := l.table.take()
	if c == nil {
		var err error
		if c, err = l.beginSlow(ctx, deadline); err != nil {
			l.mu.Unlock()
			return nil, err
		}
		overlaps = false // that was said before it waited
	}
	c.inFlight, c.fresh, c.place, c.ping = true, r.Fresh, r.InPlace, ping
	if !r.oneway { // else it is the server's business alone
		c.deadline = deadline
	}
	l.began++
	l.mu.Unlock()
	if overlaps {
		l.opt.Overlap()
	}
	return c, nil
}

// beginSlow waits for a slot. Client.mu is held when it is called and when it returns.
func (l *Client) beginSlow(ctx context.Context, deadline int64) (*call, error) {
	w := &slotWaiter{got: make(chan struct{})}
	l.table.queue = append(l.table.queue, w)
	l.mu.Unlock()
	l.opt.Overlap()
	var late <-chan time.Time
	if deadline != 0 {
		t := time.NewTimer(time.Duration(deadline - l.clock.now()))
		defer t.Stop()
		late = t.C
	}
	var err error
	select {
	case <-w.got:
	case <-ctx.Done():
		err = ctx.Err()
	case <-late:
		err = context.DeadlineExceeded
	}
	l.mu.Lock()
	if err != nil && !l.table.forget(w) && w.c != nil {
		l.table.release(w.c) // it was handed over at the same moment
	}
	if err == nil {
		err = l.refusalLocked()
		if err != nil && w.c != nil {
			l.table.release(w.c)
		}
		return w.c, err
	}
	return nil, notExecuted(err)
}

// refusalLocked says why no call can begin.
func (l *Client) refusalLocked() error {
	switch {
	case l.err != nil:
		return notExecuted(lost(l.err))
	case l.mute != nil:
		return notExecuted(lost(l.mute))
	case l.draining:
		return notExecuted(ErrDraining)
	}
	return nil
}

// unsent ends a call whose request could not be sent whole.
func (l *Client) unsent(ctx context.Context, c *call, begun bool, cause error) error {
	var large *TooLargeError
	interrupted := errors.Is(cause, ErrInterrupted)
	switch {
	case interrupted:
		if cause = ctx.Err(); cause == nil {
			cause = context.DeadlineExceeded
		}
	case !errors.As(cause, &large):
		cause = lost(l.silence(cause))
	}
	l.mu.Lock()
	l.endLocked(c, nil)
	l.dropReplyLocked(c)
	if !begun || !interrupted {
		l.table.release(c)
	}
	l.mu.Unlock()
	if begun && interrupted {
		l.abandon(c, cause) // the server forgets the pieces that it has
	}
	return notExecuted(cause)
}

// send writes c's request. A block of the server's goes as a copy: once it was the server's again, the request could not be
// sent a second time.
func (l *Client) send(stop Stop, c *call, r *Request) (begun bool, err error) {
	if b := r.Loan.blockOn(l.conn, len(r.Payload)); b != nil && b.Ours() {
		return sendBlock(l.conn, b, stop, &c.head, r.Metadata, len(r.Payload))
	}
	return send(l.conn, stop, &c.head, r.Metadata, r.Payload)
}
