package link

import (
	"context"
	"errors"
	"io"
	"sync"

	"hotline/internal/wire"
)

// ErrStopped says that the other side of a stream reads no more of it.
var ErrStopped = errors.New("the other side reads no more of the stream")

// errOver says that a call, and so its streams, have ended on this side.
var errOver = errors.New("the call that the stream belongs to has ended")

// Stream is one end of the streams of a call: of bytes, one in each direction at most. Items are cut out of them by
// their lengths, so a direction carries items ([Stream.Send], [Stream.Recv]) or bytes ([Stream.Write], [Stream.Read]).
// One goroutine may send while another receives.
//
// The sender of a direction has credit, in bytes, and the receiver room for as much: nobody waits for a consumer but
// its own producer.
type Stream struct {
	id        uint64
	mu        *sync.Mutex // the link's
	conn      Conn
	buffers   *Buffers
	clock     clock
	allowance *allowance // the link's, guarded by mu
	end       streamEnd
	ctx       context.Context // ends when nobody cares for the call any more
	stop      Stop            // likewise, for writes
	quit      error           // guarded by mu: why both directions ended at once, with what had come
	returned  bool            // guarded by mu: the handler has, or never was entered; a server's
	receives  bool            // the other side may send; immutable
	sends     bool            // this side may; immutable
	in        inflow
	out       outflow
}

// streamEnd is the side of the link that a stream is at.
type streamEnd interface {
	// sleepLocked waits until w is woken, or nobody cares for s any more. mu is held before and after.
	sleepLocked(s *Stream, w *call)

	// wakeLocked wakes w, which may be awake. The reader calls it, or who knows that w does not read.
	wakeLocked(w *call)

	// interruptLocked lets w come back from reading, if it reads.
	interruptLocked(w *call)

	// unwritten says what a failed write means for s.
	unwritten(s *Stream, err error) error

	// spawn runs f on a goroutine that the link's end waits for.
	spawnLocked(f func())
}

// Size returns how many bytes have come and were given to be sent, the lengths of items included.
func (s *Stream) Size() (came, given int64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.in.came, s.out.given
}

// init makes a stream: receives says that the peer sends, sends that this side does.
func (s *Stream) init(o *Options, receives, sends bool) {
	s.stop.Done, s.receives, s.sends = s.ctx.Done(), receives, sends
	s.in = inflow{s: s, wait: newWaiter(), open: receives, window: wire.StreamWindow, allowed: wire.StreamWindow, limit: o.MaxMessage}
	s.out = outflow{s: s, wait: newWaiter(), credit: wire.StreamWindow, batch: smallBatch, limit: o.PeerMaxMessage}
	s.out.idle.L = s.mu
	if !receives {
		s.in.err = io.EOF
	}
	if !sends {
		s.out.err = errOver
	}
}

// newWaiter makes what a goroutine that waits for its stream is known by: a call that is in no table.
func newWaiter() *call { return &call{ready: make(chan struct{}, 1)} }

// livesLocked reports whether somebody still cares for the call, who may have given it up without a frame that says so.
func (s *Stream) livesLocked() bool {
	if s.quit == nil && s.stop.over() {
		s.quitLocked(s.ctx.Err())
	}
	return s.quit == nil
}

// quitLocked ends both directions at once: what has come is dropped. Anybody calls it: the producer, say, when the consumer
// reads.
func (s *Stream) quitLocked(why error) {
	if s.quit == nil {
		s.quit = why
	}
	s.in.endLocked(why)
	s.out.failLocked(why)
	s.end.interruptLocked(s.in.wait)
	s.end.interruptLocked(s.out.wait)
}

// acceptItem lets the present frame be read into the stream.
func (s *Stream) acceptItem(in *inbound) error {
	if h := &in.head; h.Length == 0 {
		return wire.ProtocolErrorf("an empty item")
	}
	return s.in.acceptLocked(in)
}

// plainFrame reports what is wrong with the header of a frame of a stream, beyond what is wrong with any.
func plainFrame(h *wire.Header) error {
	if h.Flags != 0 || h.Metadata != 0 {
		return wire.ProtocolErrorf("a %s with flags or metadata", h.Kind)
	}
	if h.Length > 0 && (h.Kind == wire.KindCredit || h.Kind == wire.KindStop) {
		return wire.ProtocolErrorf("a %s with a payload", h.Kind)
	}
	return nil
}
