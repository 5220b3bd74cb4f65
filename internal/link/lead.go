package link

import (
	"context"
	"errors"
	"time"

	"hotline/internal/wire"
)

// lead reads for every caller until own's reply has come (it reports true, and own.reply holds it) or own has ended
// otherwise. The caller has the reading role.
func (l *Client) lead(ctx context.Context, own *call) bool {
	var unwatch func() bool
	for {
		if unwatch == nil && ctx.Done() != nil && (l.in.midFrame() || !l.conn.Ready()) {
			unwatch = l.watchContext(ctx, own)
			defer unwatch()
		}
		_, done, err := l.step(own)
		switch {
		case done:
			return true
		case errors.Is(err, ErrInterrupted):
		case err != nil:
			l.fail(err)
		default:
			continue
		}
		l.mu.Lock()
		ended := !own.inFlight
		l.mu.Unlock()
		if ended {
			return false
		}
	}
}

// watchContext ends own when ctx does, though its owner sleeps in the connection.
func (l *Client) watchContext(ctx context.Context, own *call) (stop func() bool) {
	id := own.id
	return context.AfterFunc(ctx, func() {
		l.mu.Lock()
		defer l.mu.Unlock()
		if own.id == id {
			l.endLocked(own, ctx.Err())
		}
	})
}

// step reads one frame, or what is left of one, and hands on what it completes. answered reports that it ended a
// call, done that this was own; own may be nil.
func (l *Client) step(own *call) (answered, done bool, err error) {
	if !l.in.midFrame() {
		if err := l.in.next(); err != nil {
			return false, false, err
		}
		if err := l.accept(own); err != nil {
			return false, false, err
		}
	}
	if err := l.in.fill(); err != nil {
		return false, false, err
	}
	return l.arrived(own)
}

// accept looks at the header of a new frame and decides where its payload goes.
func (l *Client) accept(own *call) error {
	h := &l.in.head
	switch h.Kind {
	case wire.KindReply, wire.KindError, wire.KindPong:
		return l.acceptReply(own)
	case wire.KindGoaway:
		l.mu.Lock()
		l.draining = true
		l.mu.Unlock()
		return nil
	case wire.KindPing:
		return wire.ProtocolErrorf("the server sent a ping")
	}
	return wire.ProtocolErrorf("the server sent a %s frame", h.Kind)
}

func (l *Client) acceptReply(own *call) error {
	h := &l.in.head
	c := own
	if own == nil || own.id != h.ID {
		l.mu.Lock()
		defer l.mu.Unlock()
		if c = l.table.find(h.ID); c == nil {
			return nil // given up, its reply comes too late
		}
	}
	if h.Flags&wire.FlagPiece != 0 {
		if !c.started || c.reply == nil {
			return wire.ProtocolErrorf("a later piece of a %s without the first", h.Kind)
		}
		err := l.in.proceed(c.reply)
		c.reply = nil
		return err
	}
	if c.started {
		return wire.ProtocolErrorf("two replies to one call")
	}
	c.started = true
	if int64(h.Total) > int64(l.opt.MaxMessage) {
		l.refuseReply(c, own)
		return nil
	}
	if c.reply == nil {
		c.reply = new(message)
	}
	l.in.begin(c.reply, c.fresh && h.Kind == wire.KindReply)
	c.reply = nil
	return nil
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
func (l *Client) arrived(own *call) (answered, done bool, err error) {
	h, m := &l.in.head, l.in.into
	l.in.into = nil
	if m == nil {
		return false, false, nil
	}
	complete := l.in.complete()
	if own != nil && own.id == h.ID {
		own.reply = m
		return complete, complete, nil
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	c := l.table.find(h.ID)
	if c == nil {
		m.release(l.buffers)
		return false, false, nil
	}
	if c.reply = m; complete {
		l.endLocked(c, nil)
	}
	return complete, false, nil
}

// quiet is how long a link is left without a reader when no call is in flight, and half of how long it takes at most
// until the watcher reads.
const quiet = 5 * time.Millisecond

// watch reads while nobody calls, so that the link's end and a goaway are seen at once. It sleeps in the connection;
// when a call comes it answers for it once, and steps down until the link has been quiet for a while.
func (l *Client) watch() {
	defer l.group.Done()
	timer := time.NewTimer(quiet)
	defer timer.Stop()
	var seen uint64
	for {
		l.mu.Lock()
		ended, idle := l.err != nil, !l.reading && l.began == seen
		seen = l.began
		if idle && !ended {
			l.reading = true
		}
		l.mu.Unlock()
		if ended {
			return
		}
		if idle {
			l.readOnce()
		}
		timer.Reset(quiet)
		select {
		case <-timer.C:
		case <-l.ended:
			return
		}
	}
}

// readOnce reads, with the role that watch has taken, until it has answered a call.
func (l *Client) readOnce() {
	for {
		answered, _, err := l.step(nil)
		if err != nil && !errors.Is(err, ErrInterrupted) {
			l.fail(err)
		}
		if answered || err != nil {
			break
		}
	}
	l.mu.Lock()
	l.reading = false
	l.passOnLocked()
	l.mu.Unlock()
}

// cancel tells the server that a call was given up. It does not wait: what can't be sent at once is sent by a
// goroutine of the link's own.
func (l *Client) cancel(id uint64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.err != nil {
		return
	}
	l.cancels = append(l.cancels, id)
	if l.flushing {
		return
	}
	l.flushing = true
	l.group.Add(1)
	go l.sendCancels()
}

func (l *Client) sendCancels() {
	defer l.group.Done()
	for {
		l.mu.Lock()
		ids := l.cancels
		l.cancels = nil
		l.flushing = len(ids) > 0 && l.err == nil
		more := l.flushing
		l.mu.Unlock()
		if !more {
			return
		}
		for _, id := range ids {
			if err := l.conn.Write(Stop{}, &wire.Header{Kind: wire.KindCancel, ID: id}, nil, nil); err != nil {
				l.fail(err)
				return
			}
		}
	}
}
