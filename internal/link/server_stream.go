package link

import (
	"context"
	"errors"
	"io"

	"hotline/internal/wire"
)

const streamFlags = wire.FlagSends | wire.FlagTakes

// Sends reports whether this side may send.
func (s *Stream) Sends() bool { return s.sends }

// Receives reports whether the other side may.
func (s *Stream) Receives() bool { return s.receives }

// StopReceiving says that nothing more is received: what comes is dropped, and the other side is told. It does nothing on a
// client, whose Finish drops what comes, and after the end.
func (s *Stream) StopReceiving() {
	s.mu.Lock()
	defer s.mu.Unlock()
	tell := s.in.open && !s.in.dropped && s.quit == nil
	s.in.dropLocked()
	if tell {
		s.in.tellLocked(&wire.Header{Kind: wire.KindStop, ID: s.id})
	}
}

// openStream makes the streams of the call that is complete in w. One that is refused has them too, until the client
// knows: what it sends meanwhile is dropped.
func (s *Server) openStream(w *worker) error {
	h := &w.request.head
	if h.Kind != wire.KindCall || h.Flags&wire.FlagCancellable == 0 {
		return wire.ProtocolErrorf("a %s with streams that can't be cancelled", h.Kind)
	}
	v := &Stream{id: h.ID, mu: &s.mu, conn: s.conn, buffers: s.opt.Buffers, clock: s.clock, allowance: &s.allowance, end: s, ctx: s.ctx}
	if w.own != nil {
		v.ctx = w.own
	}
	v.init(&s.opt, h.Flags&wire.FlagSends != 0, h.Flags&wire.FlagTakes != 0)
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.streams[h.ID] != nil {
		return wire.ProtocolErrorf("a second call with the id of one whose stream has not ended")
	}
	if n := len(s.streams); n >= 4*s.opt.MaxInFlight {
		return wire.ProtocolErrorf("%d streams that were not ended", n)
	}
	if s.streams == nil {
		s.streams = make(map[uint64]*Stream)
	}
	s.streams[h.ID] = v
	w.stream = v
	return nil
}

// closeStream ends the streams of a call whose handler has returned, before its reply: all that was sent leaves
// first. It returns the call's error: a stream that its handler ended well when the call's time was over has not come to its end.
func (s *Server) closeStream(v *Stream, err error) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if v.sends {
		if unsent := v.out.flushLocked(nil); err == nil && unsent != nil {
			err = unsent
		}
		v.out.shutLocked(errOver)
	}
	if err == nil {
		err = v.ctx.Err()
	}
	v.in.dropLocked()
	v.in.toldLocked()
	v.returned = true
	if !v.in.open && s.streams[v.id] == v {
		delete(s.streams, v.id)
	}
	return err
}

// cancelStreamLocked ends the streams of a call that its caller gave up.
func (s *Server) cancelStreamLocked(id uint64, why wire.Code) {
	v := s.streams[id]
	if v == nil {
		return
	}
	delete(s.streams, id)
	v.in.open = false
	if why == wire.CodeDeadline {
		v.quitLocked(context.DeadlineExceeded)
	} else {
		v.quitLocked(context.Canceled)
	}
	v.in.dropLocked()
}

// sleepLocked implements streamEnd.
func (s *Server) sleepLocked(v *Stream, w *call) {
	s.mu.Unlock()
	select {
	case <-w.ready:
		s.mu.Lock()
	case <-v.stop.Done:
		s.mu.Lock()
		v.quitLocked(v.ctx.Err())
	}
}

// wakeLocked implements streamEnd.
func (s *Server) wakeLocked(w *call) { w.signal() }

// interruptLocked implements streamEnd: nobody who waits for its stream reads here.
func (s *Server) interruptLocked(*call) {}

// unwritten implements streamEnd.
func (s *Server) unwritten(v *Stream, err error) error {
	if !errors.Is(err, ErrInterrupted) {
		s.fail(err)
	}
	if err := v.ctx.Err(); err != nil {
		return err
	}
	return context.Canceled
}

// spawnLocked implements streamEnd. The handler, or the reader, is in the crew.
func (s *Server) spawnLocked(f func()) {
	s.crew.join()
	go func() {
		defer s.crew.leave()
		f()
	}()
}

// acceptStream looks at the header of a frame that belongs to a stream.
func (s *Server) acceptStream() error {
	h := &s.in.head
	if err := plainFrame(h); err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	v := s.streams[h.ID]
	switch {
	case h.Kind == wire.KindCredit && v == nil:
		return nil // its call has ended meanwhile
	case v == nil:
		return wire.ProtocolErrorf("the client sent a %s for %#x, which is no open stream", h.Kind, h.ID)
	case h.Kind == wire.KindCredit && !v.sends:
		return wire.ProtocolErrorf("the client sent a credit for %#x, which takes nothing", h.ID)
	case h.Kind == wire.KindCredit:
		s.roused = true
		return v.out.grantLocked(h.Timeout)
	case h.Kind == wire.KindItem:
		return v.acceptItem(&s.in)
	case !v.in.open:
		return wire.ProtocolErrorf("the client ended stream %#x, which it does not have", h.ID)
	case h.Length > 0:
		s.in.begin(&s.ending, false)
	}
	return nil
}

// arrivedStream hands on a frame of a stream that was read whole.
func (s *Server) arrivedStream() error {
	h := &s.in.head
	words := s.in.into
	s.in.into = nil
	s.mu.Lock()
	defer s.mu.Unlock()
	if f := s.in.flow; f != nil {
		s.in.flow, s.roused = nil, true
		f.arrivedLocked()
		return nil
	}
	if h.Kind != wire.KindEnd {
		return nil
	}
	err, wrong := s.outcome(words)
	v := s.streams[h.ID]
	if v == nil || wrong != nil {
		return wrong
	}
	v.in.open = false
	v.in.endLocked(err)
	if v.returned { // else its handler may still send, and wait for credit
		delete(s.streams, h.ID)
	}
	return nil
}

// outcome returns what a stream ended with: io.EOF, or why it failed.
func (s *Server) outcome(words *message) (err, wrong error) {
	code := wire.Code(s.in.head.Method)
	switch {
	case code == 0 && words == nil:
		return io.EOF, nil
	case code == 0:
		return nil, wire.ProtocolErrorf("an end without a code and with words")
	case words == nil:
		return nil, wire.ProtocolErrorf("an end with a code and without words")
	}
	e, wrong := wire.ParseError(code, words.body)
	words.release(s.opt.Buffers)
	if wrong != nil {
		return nil, wrong
	}
	return e, nil
}

var _ streamEnd = (*Server)(nil)
