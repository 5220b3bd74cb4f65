package link

import (
	"context"
	"errors"
	"io"

	"hotline/internal/wire"
)

// ClientStream is a call with streams, at the side that made it.
type ClientStream struct {
	Stream
	link     *Client
	call     *call
	cancel   context.CancelFunc // ends Stream.ctx
	finished bool               // guarded by mu: Finish has begun, and call may be another's soon
}

// Open makes a call with streams: sends says that this side sends, takes that the other side does. The request's
// timeout, like ctx, bounds the call as a whole. When there is no error, Finish or Cancel must be called in the end. The
// errors are those of [Client.Call] for a call that was not executed.
func (l *Client) Open(ctx context.Context, r *Request, sends, takes bool) (*ClientStream, error) {
	s := &ClientStream{link: l}
	s.Stream = Stream{mu: &l.mu, conn: l.conn, buffers: l.buffers, clock: l.clock, allowance: &l.allowance, end: l}
	s.ctx, s.cancel = context.WithCancel(ctx)
	s.init(&l.opt, takes, sends)
	r.stream = s
	deadline := r.deadline(ctx, l.clock)
	if _, err := l.start(s.ctx, deadline, wire.KindCall, r); err != nil {
		s.cancel()
		return nil, err
	}
	if deadline != 0 {
		l.alarm.set(deadline)
	}
	return s, nil
}

// attach makes s that of a call that has begun and was not sent.
func (s *ClientStream) attach(c *call) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.id, s.call, c.stream = c.id, c, s
	if !c.inFlight { // the link has ended meanwhile
		s.endedLocked()
	}
}

// flags are those of the call.
func (s *ClientStream) flags() (f wire.Flags) {
	if s.sends {
		f |= wire.FlagSends
	}
	if s.receives {
		f |= wire.FlagTakes
	}
	return f
}

// CloseSend ends what this side sends: well, or with why it failed. It waits until all was sent; where that could not be, this
// is why it failed: the other side has not had what came before the failure it was to hear of. Later calls do nothing.
func (s *ClientStream) CloseSend(why error) error {
	f := &s.out
	s.mu.Lock()
	defer s.mu.Unlock()
	if f.closed || !s.sends {
		return nil
	}
	if unsent := f.flushLocked(nil); unsent != nil && unsent != ErrStopped {
		why = unsent // the end is said all the same, and must not look like the one that all items come before
	}
	for f.writing {
		f.idle.Wait()
	}
	if f.closed || s.quit != nil {
		return f.err
	}
	f.closed, f.writing = true, true
	f.failLocked(errOver)
	s.sayEndLocked(why)
	f.releaseLocked()
	f.narrowLocked()
	return nil
}

// sayEndLocked tells the server that nothing more comes. It has the turn to write. A stream whose end can't be told
// is given up with its call. On a link that has ended nothing is told, though its connection may still take it: the server is to
// see a stream that was cut off, and not the good end of one that lacks what was not sent.
func (s *ClientStream) sayEndLocked(why error) {
	if s.link.err != nil {
		return
	}
	h := wire.Header{Kind: wire.KindEnd, ID: s.id}
	var words []byte
	if why != nil {
		e := s.link.opt.toWire(why)
		if most := s.conn.MaxFrame() / 2; len(e.Message) > most {
			e = &wire.Error{Code: e.Code, Message: e.Message[:most] + " …"}
		}
		h.Method, words = uint16(e.Code), wire.AppendError(nil, e)
		h.Length, h.Total = uint32(len(words)), uint32(len(words))
	}
	s.mu.Unlock()
	err := s.conn.Write(s.stop, &h, nil, words)
	if err != nil {
		err = s.link.unwritten(&s.Stream, err)
	}
	s.mu.Lock()
	if err != nil && s.ctx.Err() != nil {
		s.giveUpLocked(s.ctx.Err())
	}
}

// giveUpLocked ends the call for this side. The server is told by a cancel, even if it has answered: it waits for the
// end of the stream.
func (s *ClientStream) giveUpLocked(why error) {
	if s.call.inFlight {
		s.link.giveUpLocked(s.call, why)
	} else if !s.call.givenUp {
		s.call.err, s.call.givenUp = why, true
		s.endedLocked()
	}
}

// Finish ends what this side sends, as CloseSend(nil) does, drops what still comes, and waits for the reply. It
// returns what [Client.Call] does. It is called once, by the goroutine that receives.
func (s *ClientStream) Finish() (Reply, error) {
	s.mu.Lock()
	s.finished = true
	s.in.dropLocked()
	s.mu.Unlock()
	if s.sends {
		s.CloseSend(nil) // what can't be sent any more the call's end explains
		s.shut()
	}
	reply, err := s.link.await(s.ctx, s.call)
	s.cancel()
	return reply, err
}

// shut ends the sending direction in a call that has ended, whoever is at it: a producer learns of it when it sends next.
func (s *ClientStream) shut() {
	f := &s.out
	s.mu.Lock()
	defer s.mu.Unlock()
	f.shutLocked(errOver)
	switch {
	case f.closed || s.call.givenUp:
		return
	case s.quit != nil:
		s.giveUpLocked(s.quit)
		return
	}
	f.closed, f.writing = true, true
	s.sayEndLocked(nil)
	f.releaseLocked()
}

// GiveUp gives the call up unless it has ended: who receives, or sends, learns of it. Any goroutine may call it, at any time; Finish
// or Cancel are owed all the same.
func (s *ClientStream) GiveUp() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.finished && s.call.inFlight {
		s.link.giveUpLocked(s.call, context.Canceled)
	}
}

// Cancel gives the call up, in whatever phase it is, instead of Finish.
func (s *ClientStream) Cancel() {
	s.GiveUp()
	reply, _ := s.Finish() // the call was given up: what came of it is nobody's concern
	reply.Release()
}

// endedLocked is told that the call has ended.
func (s *ClientStream) endedLocked() {
	if s.call.givenUp {
		s.cancel()
		s.quitLocked(s.call.err)
		return
	}
	s.in.open = false
	s.in.endLocked(io.EOF)
	s.out.failLocked(ErrStopped)
}

// sleepLocked implements streamEnd. Who waits for its stream reads for everybody when nobody else does, like any caller.
func (l *Client) sleepLocked(s *Stream, w *call) {
	w.inFlight, w.err, w.givenUp = true, nil, false
	l.began++ // the link is not quiet
	for w.inFlight {
		if l.reading {
			l.parkLocked(s.ctx, w)
			continue
		}
		l.reading, w.leading = true, true
		l.mu.Unlock()
		l.leadFor(s.ctx, w)
		l.due.wake()
		l.mu.Lock()
		l.reading, w.leading = false, false
	}
	l.passOnLocked()
	if w.err != nil {
		l.giveUpStreamLocked(s, w.err)
	}
}

// giveUpStreamLocked gives up the call that s belongs to.
func (l *Client) giveUpStreamLocked(s *Stream, why error) {
	if c := l.table.slots[s.id&(1<<slotBits-1)]; c.id == s.id {
		c.stream.giveUpLocked(why)
	}
}

// leadFor reads for everybody until w was woken. The caller has the reading role.
func (l *Client) leadFor(ctx context.Context, w *call) {
	var unwatch func() bool
	l.due.woken = true // who waited for what w's owner has consumed, such as the producer at this side, runs first
	for again := false; ; again = true {
		sleeps := l.lookAhead()
		if unwatch == nil && (again || sleeps) {
			unwatch = l.watchContext(ctx, w)
			defer unwatch()
		}
		got, err := l.step(nil)
		if err != nil && !errors.Is(err, ErrInterrupted) {
			l.fail(err)
		}
		if got != answer {
			l.due.wake() // as in lead
		}
		if l.over(w) {
			return
		}
	}
}

// wakeLocked implements streamEnd.
func (l *Client) wakeLocked(w *call) { l.endLocked(w, nil) }

// interruptLocked implements streamEnd.
func (l *Client) interruptLocked(w *call) {
	if w.leading {
		l.conn.Interrupt()
	}
}

// unwritten implements streamEnd.
func (l *Client) unwritten(s *Stream, err error) error {
	if !errors.Is(err, ErrInterrupted) {
		return lost(l.silence(err))
	}
	if err = s.ctx.Err(); err == nil {
		err = context.Canceled
	}
	return err
}

// spawnLocked implements streamEnd. When the link has ended nobody waits for f, which ends at once.
func (l *Client) spawnLocked(f func()) {
	if l.err != nil {
		go f()
		return
	}
	l.group.Add(1) // the watcher, which ends only when err is set, is in the group
	go func() {
		defer l.group.Done()
		f()
	}()
}

// acceptStream looks at the header of a frame that belongs to a stream.
func (l *Client) acceptStream() error {
	h := &l.in.head
	if err := plainFrame(h); err != nil {
		return err
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	s, err := l.streamLocked(h)
	if s == nil || err != nil {
		return err
	}
	switch h.Kind {
	case wire.KindItem:
		return s.acceptItem(&l.in)
	case wire.KindCredit:
		return s.out.grantLocked(h.Timeout)
	default:
		s.out.failLocked(ErrStopped)
		return nil
	}
}

// streamLocked returns the stream that a frame belongs to, or nil when it comes too late.
func (l *Client) streamLocked(h *wire.Header) (*ClientStream, error) {
	slot := h.ID & (1<<slotBits - 1)
	if slot >= uint64(len(l.table.slots)) || int64(l.table.slots[slot].id-h.ID) < 0 {
		return nil, wire.ProtocolErrorf("the server sent a %s for call %#x, which was never made", h.Kind, h.ID)
	}
	c := l.table.slots[slot]
	switch {
	case c.id != h.ID:
		return nil, nil
	case c.stream == nil || h.Kind != wire.KindItem && !c.stream.sends:
		return nil, wire.ProtocolErrorf("the server sent a %s for call %#x, which has no such stream", h.Kind, h.ID)
	case c.givenUp:
		return nil, nil
	case c.started || !c.inFlight:
		return nil, wire.ProtocolErrorf("the server sent a %s after the end of call %#x", h.Kind, h.ID)
	}
	return c.stream, nil
}

// arrivedStream hands on a frame of a stream that was read whole.
func (l *Client) arrivedStream(own *call) arrival {
	l.mu.Lock()
	defer l.mu.Unlock()
	if f := l.in.flow; f != nil {
		l.in.flow = nil
		f.arrivedLocked()
	}
	if own != nil && !own.inFlight {
		return ownEnd
	}
	return answer
}

var _ streamEnd = (*Client)(nil)
