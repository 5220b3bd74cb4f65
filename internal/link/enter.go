package link

import (
	"bytes"
	"context"
	"errors"
	"runtime/debug"

	"hotline/internal/wire"
)

// Values are the arguments and the results of a call as the values that they are, for a handler in this process. Who
// makes the call and who answers it know the type behind it.
type Values interface {
	// Encode returns the arguments as a payload, for a link that goes elsewhere. They stay valid until the call has ended.
	Encode() ([]byte, error)
}

// Enter is Call for a client and a server that are the two ends of one connection, within this process: nothing travels. The
// caller's goroutine runs the handler, which finds the request's Values, or else a copy of its Payload, in its Incoming.
// What counts for a call over the connection counts for this one: limits, draining, the end of the link, metadata, what
// becomes of an error or a panic, and the outcome of a call whose context ends while the handler runs: that is the
// context's error with ErrMaybeExecuted, whatever the handler returned. But Enter returns when the handler has. A handler
// that calls runtime.Goexit ends its caller's goroutine, when the call is concluded.
//
// Where the request had Values, the reply has them too and its Body is nil. Otherwise Body is the caller's own if the
// request said Fresh or InPlace, and may be memory of the handler's otherwise: it is lent until Release.
func (l *Client) Enter(ctx context.Context, s *Server, r *Request) (reply Reply, err error) {
	if err := l.permit(ctx, r); err != nil {
		return Reply{}, err
	}
	deadline := r.deadline(ctx, l.clock)
	c, err := l.begin(ctx, deadline, r, false)
	if err != nil {
		return Reply{}, err
	}
	s.enters()
	var own *enteredContext
	defer func() {
		why := l.entered(c, own)
		s.exits() // only now: a server that has no calls may say that whatever has no answer was not executed
		if why != nil && !refused(err) {
			reply, err = Reply{}, why
		}
	}()
	if ctx.Done() == nil && deadline == 0 {
		return s.serveEntered(s.ctx, r)
	}
	own = &enteredContext{callContext: callContext{Context: s.ctx, deadline: deadline, clock: l.clock}, caller: ctx}
	return s.serveEntered(own, r)
}

// refused reports whether err says that the handler was not entered.
func refused(err error) bool {
	var e *wire.Error
	return errors.Is(err, ErrNotExecuted) || errors.As(err, &e) && !e.Code.Executed()
}

// entered ends a call that did not go over the connection, and its context if it has one. It returns why there is no reply
// though the handler may have run: the link, or the context, ended before it returned.
func (l *Client) entered(c *call, own *enteredContext) error {
	l.mu.Lock()
	err := c.err
	if c.givenUp { // the deadline has passed, and the alarm was set for another call
		err = maybeExecuted(err)
	}
	c.inFlight = false
	l.table.release(c)
	l.mu.Unlock()
	if own == nil {
		return err
	}
	if why := own.over(); err == nil && why != nil {
		err = maybeExecuted(why)
	}
	return err
}

// enters counts a call that will be entered like one that comes over the connection. It is called before the look whether
// the server drains or has ended: afterwards Shutdown or Wait may have returned.
func (s *Server) enters() {
	s.crew.join()
	s.unsent.Add(1)
	s.running.Add(1)
}

// exits takes the count back.
func (s *Server) exits() {
	s.running.Add(-1)
	s.finished()
	s.crew.leave()
}

// serveEntered answers a call, which was counted, on its caller's goroutine.
func (s *Server) serveEntered(ctx context.Context, r *Request) (reply Reply, err error) {
	select {
	case <-s.ended:
		return Reply{}, notExecuted(s.gone())
	default:
	}
	if refusal := s.refuse(&wire.Header{Kind: wire.KindCall, Total: uint32(len(r.Payload))}); refusal != nil {
		return Reply{}, refusal
	}
	c := s.entered.Get().(*Incoming)
	c.Method, c.Metadata, c.Values = r.Method, r.Metadata, r.Values
	if c.Values == nil {
		c.Payload = bytes.Clone(r.Payload) // the handler may write there, and return a part of it
	}
	if err = s.invokeEntered(ctx, c); err == nil {
		err = s.checkAnswer(c)
	}
	reply = s.answerOf(c, r, err)
	*c = Incoming{buffers: s.opt.Buffers}
	s.entered.Put(c)
	select {
	case <-s.ended: // a reply would not have come through
		return Reply{}, maybeExecuted(s.gone())
	default:
	}
	if err != nil {
		return reply, s.opt.toWire(err)
	}
	return reply, nil
}

// gone is what a client would be told of the link's end.
func (s *Server) gone() error {
	return lost(errors.New("the peer closed the link: " + s.conn.String()))
}

// answerOf makes the reply to a call that was entered and ended with err.
func (s *Server) answerOf(c *Incoming, r *Request, err error) Reply {
	reply := Reply{Metadata: c.ReplyMetadata, Entered: err == nil && c.Values != nil}
	if err != nil && checkMetadata(s.conn, c.ReplyMetadata) != nil {
		reply.Metadata = nil // the error is what counts
	}
	if err != nil || c.Values != nil {
		return reply
	}
	if reply.Body = c.Reply; (r.Fresh || r.InPlace) && !within(c.Reply, c.Payload) {
		reply.Body = append(newFresh(len(c.Reply)), c.Reply...)
	}
	reply.Body = reply.Body[:len(reply.Body):len(reply.Body)]
	return reply
}

// invokeEntered is invoke for a call that was entered: its goroutine is the caller's.
func (s *Server) invokeEntered(ctx context.Context, c *Incoming) (err error) {
	returned := false
	defer func() {
		if returned {
			return
		}
		if v := recover(); v != nil {
			err = Panicked(s.opt.Logger, s.conn.String(), c.Method, v)
			return
		}
		s.opt.Logger.Error().Str("link", s.conn.String()).Uint16("method", c.Method).
			Bytes("stack", debug.Stack()).Msg("handler ended its goroutine, which was its caller's")
	}()
	if err = s.handler.Handle(ctx, c); err != nil {
		err = s.opt.toWire(err) // here, because it may panic too
	}
	returned = true
	return err
}
