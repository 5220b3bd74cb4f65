package link

import (
	"context"
	"errors"
	"io"
	"sync"
	"sync/atomic"

	"hotline/internal/wire"
)

// A Handler answers the calls of a link. Handle runs on the goroutine that read the request, many calls at once; c and
// all that it holds is valid until it returns. ctx ends when the caller gives up, when the call's deadline passes, and
// when the link ends. An error that it returns is sent as it is when it is a *wire.Error, by its code when it is a
// context error, and as an application error otherwise. A panic becomes an error of that call alone.
type Handler interface {
	Handle(ctx context.Context, c *Incoming) error
}

// A Placer is a Handler that takes the arguments of some methods with Incoming.Loan: these are left in the block that
// they came in. Those of all others are copied out of it first, as the client can still write there, see [Block].
type Placer interface {
	InPlace(method uint16) bool
}

// Incoming is a call that came in.
type Incoming struct {
	Method   uint16
	Metadata []byte  // lent
	Payload  []byte  // lent: the arguments
	Reply    []byte  // the results, set by the handler: memory of its own that stays unchanged until Handle's caller has sent it, or part of Payload, or what Keep was given
	Stream   *Stream // the call's streams; nil for a call that has none
	Values   Values  // the arguments, and where the results go, in place of Payload and Reply; nil for a call that came over the connection

	// ReplyMetadata goes beside the results, or beside the error. It is set by the handler, to memory as that of Reply;
	// in place of results with more than wire.MaxMetadata bytes of it an error is sent.
	ReplyMetadata []byte

	buffers *Buffers
	out     *buffer
	request *message // what Payload lies in
	given   Loan     // what Reply lies in, if that was given
}

// Buffer lends an empty slice to append results to; Keep takes the outcome.
func (c *Incoming) Buffer() []byte {
	if c.out == nil {
		c.out = c.buffers.get(0)
	}
	return c.out.b
}

// Keep makes b, which grew out of Buffer, the reply.
func (c *Incoming) Keep(b []byte) {
	c.Reply = b
	c.out.b = b[:0]
}

// Server answers the calls that come over one connection.
type Server struct {
	conn    Conn
	handler Handler
	placer  Placer // handler, or nil
	opt     Options
	onEnd   func()
	clock   clock
	alarm   alarm
	ctx     context.Context // ends with the link: what handlers of calls that can't be cancelled get
	cancel  context.CancelFunc

	in      inbound             // belongs to who has the reading role
	partial map[uint64]*message // likewise: calls of which pieces have come; nil until the first
	ending  message             // likewise: the words of an end
	roused  bool                // likewise: the consumer or the producer of a stream was woken, and may not have run yet
	turn    atomic.Uint64       // who has the reading role: see worker.go
	watch   watched             // the sentry's

	running  atomic.Int64 // handlers entered, or calls of which pieces have come, not answered yet
	zombies  atomic.Int64 // those of them that were cancelled
	unsent   atomic.Int64 // calls whose reply is not written yet
	draining atomic.Bool
	drained  chan struct{} // one token: unsent fell to 0 while draining

	mu        sync.Mutex
	active    map[uint64]*callContext // guarded by mu: calls that can be cancelled or have a deadline
	err       error                   // guarded by mu: why the link ended
	ended     chan struct{}           // closed when err is set
	streams   map[uint64]*Stream      // guarded by mu: of calls under way, and those that the client has not ended
	allowance allowance               // guarded by mu: of streams
	crew      crew                    // the workers, and the calls that were entered

	entered sync.Pool // *Incoming, for Client.Enter
}

// NewServer answers calls over conn, whose handshake is done, by h, and owns conn from now on. It starts at once; onEnd,
// if it is not nil, is called once when the link has ended. Errors name the option that is out of range.
func NewServer(conn Conn, h Handler, o *Options, onEnd func()) (*Server, error) {
	opt, err := o.withDefaults()
	if err != nil {
		return nil, err
	}
	s := &Server{conn: conn, handler: h, opt: opt, onEnd: onEnd, clock: newClock(),
		drained: make(chan struct{}, 1), ended: make(chan struct{}), crew: newCrew()}
	s.in = newInbound(conn, opt.Buffers)
	s.in.trustRequests()
	s.allowance.left = streamAllowance
	s.placer, _ = h.(Placer)
	s.ctx, s.cancel = context.WithCancel(context.WithValue(opt.Context, serverKey{}, s))
	s.alarm = alarm{clock: s.clock, fire: s.expire}
	s.entered.New = func() any { return &Incoming{buffers: opt.Buffers} }
	s.crew.join()
	go s.work(0)
	return s, nil
}

// Shutdown tells the client that no new calls are taken, lets the calls in flight end and their replies go out, tells
// the client that whatever has no answer was not executed, and closes the link. When ctx ends first it closes at once
// and returns the context's error. A link that has ended, or ends meanwhile, is no error.
func (s *Server) Shutdown(ctx context.Context) error {
	s.draining.Store(true)
	stop := Stop{Done: ctx.Done()}
	err := s.conn.Write(stop, &wire.Header{Kind: wire.KindGoaway}, nil, nil)
	for err == nil && s.unsent.Load() > 0 {
		select {
		case <-s.drained:
		case <-s.ended:
			err = ErrClosed
		case <-ctx.Done():
			err = ErrInterrupted
		}
	}
	if err == nil {
		err = s.conn.Write(stop, &wire.Header{Kind: wire.KindBye}, nil, nil)
	}
	s.Close()
	if errors.Is(err, ErrInterrupted) {
		return ctx.Err()
	}
	return nil
}

// Close ends the link at once: the contexts of running handlers are cancelled. It does not wait for handlers; Wait does.
func (s *Server) Close() error {
	s.fail(ErrClosed)
	return nil
}

// Wait returns when the link has ended and no handler runs any more.
func (s *Server) Wait() { s.crew.wait() }

// Running returns the number of calls that have begun to come in and were not answered yet.
func (s *Server) Running() int { return int(s.unsent.Load()) }

// Ended is closed when the link has ended, for whatever reason.
func (s *Server) Ended() <-chan struct{} { return s.ended }

// Err returns why the link ended, or nil while it lives.
func (s *Server) Err() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.err
}

// fail ends the link. Only the first cause counts.
func (s *Server) fail(cause error) {
	s.mu.Lock()
	if s.err != nil {
		s.mu.Unlock()
		return
	}
	s.err = cause
	close(s.ended) // before the contexts end: what handlers make of that is not answered
	for _, c := range s.active {
		c.end(context.Canceled)
	}
	s.mu.Unlock()
	if !errors.Is(cause, io.EOF) && !errors.Is(cause, ErrClosed) {
		s.opt.Logger.Warn().Err(cause).Str("link", s.conn.String()).Msg("link ended")
	}
	s.cancel() // before Close, which gives a slow peer time to take what was written
	s.conn.Close()
	s.alarm.stop()
	if s.onEnd != nil {
		s.onEnd()
	}
}

// expire ends the contexts whose deadline has passed. The alarm runs it.
func (s *Server) expire() {
	now, next := s.clock.now(), int64(0)
	s.mu.Lock()
	for _, c := range s.active {
		switch {
		case c.deadline == 0:
		case c.deadline <= now:
			c.end(context.DeadlineExceeded)
		case next == 0 || c.deadline < next:
			next = c.deadline
		}
	}
	s.mu.Unlock()
	if next != 0 {
		s.alarm.set(next)
	}
}
