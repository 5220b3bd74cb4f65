package link

import (
	"context"
	"errors"

	"hotline/internal/wire"
)

// lead reads for every caller until own's reply has come (it reports true, and own.reply holds it) or own has ended
// otherwise. The caller has the reading role.
func (l *Client) lead(ctx context.Context, own *call) bool {
	var unwatch func() bool
	others := false // frames of others have come: they may keep the reader busy for as long as they like
	for {
		sleeps := l.lookAhead()
		if unwatch == nil && ctx.Done() != nil && (others || sleeps) {
			unwatch = l.watchContext(ctx, own)
			defer unwatch()
		}
		got, err := l.step(own)
		switch {
		case got == ownReply:
			return true
		case got == ownEnd:
			return false
		case err == nil:
			others = true
			if got != answer {
				l.due.wake() // it takes more than this frame, or there may be more and more of them
			}
			continue
		case !errors.Is(err, ErrInterrupted):
			l.fail(err)
		}
		if l.over(own) {
			return false
		}
	}
}

// lookAhead reports whether the reader is going to sleep. Where nothing is there to be read, those whose replies have
// come run first.
func (l *Client) lookAhead() (sleeps bool) {
	if l.in.midFrame() {
		return true
	}
	switch {
	case !l.conn.Pending():
		l.due.wake()
		l.due.letRun()
	case l.due.overdue():
		l.due.wake()
	}
	return !l.conn.Ready() // which spins where that pays, so it is asked whether or not there is something to watch
}

// over reports whether a call has ended.
func (l *Client) over(c *call) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return !c.inFlight
}

// watchContext ends own when ctx does, though its owner sleeps in the connection.
func (l *Client) watchContext(ctx context.Context, own *call) (stop func() bool) {
	id := own.id
	return context.AfterFunc(ctx, func() {
		l.mu.Lock()
		defer l.mu.Unlock()
		if own.id == id {
			l.giveUpLocked(own, ctx.Err())
		}
	})
}

// arrival is what a frame brought about.
type arrival int

const (
	nothing  arrival = iota
	answer           // a call of somebody else has ended
	ownReply         // the reader's own call has its reply
	ownEnd           // the reader's own call has ended otherwise
)

// step reads one frame, or what is left of one, and hands on what it completes. own is the reader's call, or nil.
func (l *Client) step(own *call) (arrival, error) {
	if !l.in.midFrame() {
		if err := l.in.next(); err != nil {
			return nothing, err
		}
		if err := l.accept(own); err != nil {
			return nothing, err
		}
	}
	if err := l.in.fill(); err != nil {
		return nothing, err
	}
	return l.arrived(own), nil
}

// accept looks at the header of a new frame and decides where its payload goes.
func (l *Client) accept(own *call) error {
	h := &l.in.head
	switch h.Kind {
	case wire.KindReply, wire.KindError, wire.KindPong:
		return l.acceptReply(own)
	case wire.KindGoaway:
		l.drain(false)
		return nil
	case wire.KindBye:
		l.drain(true)
		return nil
	case wire.KindItem, wire.KindCredit, wire.KindStop:
		return l.acceptStream()
	}
	return wire.ProtocolErrorf("the server sent a %s frame", h.Kind)
}

// drain lets no new calls begin. last says that none of those under way will get an answer, as none was executed.
func (l *Client) drain(last bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.draining = true
	l.table.dismiss()
	if !last {
		return
	}
	for _, c := range l.table.slots {
		l.endLocked(c, notExecuted(ErrDraining))
	}
}

func (l *Client) acceptReply(own *call) error {
	m, err := l.claim(own)
	if m == nil || err != nil {
		return err
	}
	h := &l.in.head
	if h.Flags&wire.FlagPiece != 0 {
		return l.in.proceed(m)
	}
	l.in.begin(m, m.fresh && h.Kind == wire.KindReply)
	return nil
}

// claim takes the message that the present frame belongs to out of its call, so that the reader can work on it with
// nothing locked. It returns nil when the frame is to be dropped.
func (l *Client) claim(own *call) (*message, error) {
	h, c := &l.in.head, own
	if own == nil || own.id != h.ID {
		l.mu.Lock()
		defer l.mu.Unlock()
		if c = l.table.find(h.ID); c == nil {
			return nil, nil // given up, its reply comes too late
		}
	}
	m := c.reply
	switch piece := h.Flags&wire.FlagPiece != 0; {
	case (h.Kind == wire.KindPong) != c.ping && h.Kind != wire.KindError:
		return nil, wire.ProtocolErrorf("the server answered by a %s what asks for something else", h.Kind)
	case piece && (!c.started || m == nil):
		return nil, wire.ProtocolErrorf("a later piece of a %s without the first", h.Kind)
	case !piece && c.started:
		return nil, wire.ProtocolErrorf("two replies to one call")
	case !piece && int64(h.Total) > l.most(h.Kind):
		l.refuseReply(c, own)
		return nil, nil
	}
	if m == nil {
		m = new(message)
	}
	c.started, c.reply, m.fresh, m.place = true, nil, c.fresh, c.place
	return m, nil
}

// most is the largest message that is taken: the words of an error are no results.
func (l *Client) most(kind wire.Kind) int64 {
	if kind == wire.KindError {
		return max(int64(l.opt.MaxMessage), 2*maxErrorText)
	}
	return int64(l.opt.MaxMessage)
}

// refuseReply ends a call whose reply is over our limit. All its pieces are dropped.
func (l *Client) refuseReply(c, own *call) {
	if c == own {
		l.mu.Lock()
		defer l.mu.Unlock()
	}
	l.endLocked(c, &TooLargeError{What: "results", Size: int(l.in.head.Total), Limit: l.opt.MaxMessage})
}

// arrived hands on a frame that was read whole.
func (l *Client) arrived(own *call) arrival {
	h, m := &l.in.head, l.in.into
	l.in.into = nil
	if h.Kind > wire.KindBye {
		return l.arrivedStream(own)
	}
	complete := l.in.complete()
	if m != nil && complete {
		l.in.settle(m)
	}
	mine := own != nil && own.id == h.ID
	if mine && m != nil && complete {
		own.reply = m
		return ownReply
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	got := nothing
	if m != nil {
		if c := l.table.find(h.ID); c == nil {
			l.in.settle(m)
			m.release(l.buffers)
		} else if c.reply = m; complete {
			l.answeredLocked(c)
			got = answer
		}
	}
	if own != nil && !own.inFlight {
		return ownEnd
	}
	return got
}

// answeredLocked ends a call of somebody else's that has its reply, and leaves waking its owner for later, if there
// is one who waits for nothing else.
func (l *Client) answeredLocked(c *call) {
	if c.oneway || c.stream != nil {
		l.endLocked(c, nil)
		return
	}
	c.inFlight, c.err = false, nil
	l.table.unpark(c)
	l.due.add(c)
}
