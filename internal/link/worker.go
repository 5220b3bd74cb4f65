package link

import (
	"errors"
	"fmt"
	"runtime"
	"runtime/debug"
	"sync"
	"time"

	"github.com/rs/zerolog"

	"hotline/internal/wire"
)

// The reading role of a Server moves by its word turn: the number of the present request, below it the method that is
// being run, and below that one bit that is set while its handler runs.
//
//	n<<17                  the worker that holds n reads
//	n<<17 | method<<1 | 1  the worker that holds n runs a handler, and the role may be taken from it
//
// The worker sets the bit before it enters the handler and moves to (n+1)<<17 by compare-and-swap when the reply is
// written. The sentry makes the same move when it finds the same odd value twice, and starts a new worker that holds
// n+1; the old one sees its swap fail, and ends. Numbers are never used again, so exactly one of the two succeeds.

const turnShift = 17

func readingTurn(n uint64) uint64 { return n << turnShift }

func runningTurn(n uint64, method uint16) uint64 { return n<<turnShift | uint64(method)<<1 | 1 }

// worker is what a goroutine that serves a link works with.
type worker struct {
	head     wire.Header // of what it writes
	request  message     // the call being answered
	incoming Incoming
	refusal  *wire.Error  // set when the call is to be refused without its handler
	own      *callContext // of a call that can be cancelled or has a deadline
	stream   *Stream      // of a call that has streams
	running  uint64       // turn while its handler runs, 0 where the role has been passed on before
}

// work reads and answers calls, holding turn, until the role is taken from it or the link ends.
func (s *Server) work(turn uint64) {
	defer s.crew.leave()
	w := &worker{incoming: Incoming{buffers: s.opt.Buffers}}
	for {
		if err := s.receive(w); err != nil {
			for _, m := range s.partial { // no more of them comes
				s.in.settle(m)
			}
			s.fail(err)
			return
		}
		if !s.answer(w, turn) {
			return
		}
		turn++
	}
}

// receive reads frames until a call is complete in w.
func (s *Server) receive(w *worker) error {
	for {
		if s.roused && !s.conn.Pending() {
			s.roused = false
			runtime.Gosched() // or the consumer waits until another thread runs it, or this one sleeps
		}
		s.conn.Ready() // spins where that pays; next sleeps
		if err := s.in.next(); errors.Is(err, ErrInterrupted) {
			continue
		} else if err != nil {
			return err
		}
		if err := s.accept(w); err != nil {
			return err
		}
		if err := s.fill(); err != nil {
			return err
		}
		if s.in.head.Kind > wire.KindBye {
			if err := s.arrivedStream(); err != nil {
				return err
			}
		} else if s.arrived(w) {
			return s.admit(w)
		}
	}
}

func (s *Server) fill() error {
	for {
		if err := s.in.fill(); !errors.Is(err, ErrInterrupted) {
			return err
		}
	}
}

// accept looks at the header of a frame and decides where its payload goes.
func (s *Server) accept(w *worker) error {
	h := &s.in.head
	switch h.Kind {
	case wire.KindCall, wire.KindPing:
		if h.ID == 0 {
			return wire.ProtocolErrorf("a %s without an id", h.Kind)
		}
		return s.acceptCall(w)
	case wire.KindCancel:
		s.cancelCall(h.ID, wire.Code(h.Method))
		return nil
	case wire.KindItem, wire.KindCredit, wire.KindEnd:
		return s.acceptStream()
	}
	return wire.ProtocolErrorf("the client sent a %s frame", h.Kind)
}

func (s *Server) acceptCall(w *worker) error {
	h := &s.in.head
	if h.Flags&wire.FlagPiece != 0 {
		m := s.partial[h.ID]
		if m == nil {
			return nil // refused, or cancelled, before
		}
		return s.in.proceed(m)
	}
	if s.partial[h.ID] != nil {
		return wire.ProtocolErrorf("a second call with the id of one under way")
	}
	s.watch.note(h.ID)
	s.unsent.Add(1)
	s.running.Add(1)
	w.refusal = s.refuse(h)
	switch {
	case w.refusal != nil:
		w.request.head = *h
	case s.in.complete():
		w.request.place = h.Flags&wire.FlagBlock != 0 && s.placer != nil && s.placer.InPlace(h.Method)
		s.in.begin(&w.request, false)
	default:
		m := new(message)
		if s.partial == nil {
			s.partial = make(map[uint64]*message)
		}
		s.partial[h.ID] = m
		s.in.begin(m, false)
		m.began = s.clock.now()
	}
	return nil
}

// refuse says why a call can't be taken, or nil.
func (s *Server) refuse(h *wire.Header) *wire.Error {
	// The other order could count a call that ends meanwhile as running and not as a zombie.
	zombies, limit := s.zombies.Load(), int64(s.opt.MaxInFlight)
	running := s.running.Load()
	switch {
	case h.Kind == wire.KindPing && h.Flags&wire.FlagMore != 0:
		return wire.Errorf(wire.CodeTooLarge, "a ping in pieces")
	case s.draining.Load():
		return wire.Errorf(wire.CodeDraining, "the server is draining")
	case running-zombies > limit || running > 4*limit:
		return wire.Errorf(wire.CodeExhausted, "%d calls in flight on this link, the limit is %d", running, limit)
	case h.Flags&streamFlags != 0 && s.crowded():
		return wire.Errorf(wire.CodeExhausted, "too many replies wait for the client")
	case int64(h.Total) > int64(s.opt.MaxMessage):
		return wire.Errorf(wire.CodeTooLarge, "%v", &TooLargeError{What: "arguments", Size: int(h.Total), Limit: s.opt.MaxMessage})
	}
	return nil
}

// arrived reports whether the frame that was read completes a call in w.
func (s *Server) arrived(w *worker) bool {
	h, m := &s.in.head, s.in.into
	s.in.into = nil
	switch {
	case w.refusal != nil:
		return true
	case m == nil || !s.in.complete():
		return false
	case m != &w.request:
		delete(s.partial, h.ID)
		s.in.settle(m)
		w.request = *m
	}
	return true
}

// admit makes the context of the call that is complete in w. The reading role can't move on before, so that a cancel
// that is read later finds the call.
func (s *Server) admit(w *worker) error {
	h := &w.request.head
	if w.refusal == nil && h.Kind == wire.KindCall && (h.Timeout != 0 || h.Flags&wire.FlagCancellable != 0) {
		if w.own = s.track(&w.request); w.own == nil {
			return wire.ProtocolErrorf("a second call with the id of one under way")
		}
	}
	if h.Flags&streamFlags == 0 {
		return nil
	}
	err := s.openStream(w)
	if err != nil && w.own != nil {
		s.untrack(w.own)
	}
	return err
}

// answer runs the handler of w's call and writes its reply. It reports whether the worker still has the reading role.
func (s *Server) answer(w *worker, turn uint64) bool {
	head := &w.request.head
	if w.stream != nil && w.refusal == nil { // its handler waits for what comes over the link
		s.crew.join()
		s.turn.Store(readingTurn(turn + 1))
		go s.work(turn + 1)
		w.running = 0
		s.handle(w)
		return false
	}
	if w.refusal == nil && head.Kind == wire.KindCall && s.opt.Methods.isSlow(head.Method) && !s.crowded() {
		s.crew.join()
		s.turn.Store(readingTurn(turn + 1))
		go s.work(turn + 1)
		began := time.Now()
		w.running = 0
		s.handle(w)
		s.opt.Methods.ran(head.Method, time.Since(began))
		return false
	}
	w.running = runningTurn(turn, head.Method)
	s.turn.Store(w.running)
	s.opt.Sentry.look(s)
	s.handle(w)
	return s.turn.CompareAndSwap(w.running, readingTurn(turn+1))
}

// crowded reports whether so many replies wait to be written that no more calls are read until the client takes some.
// A client that keeps to its limit is never there: it is four times what may run, and as many again.
func (s *Server) crowded() bool { return s.unsent.Load() > 8*int64(s.opt.MaxInFlight) }

// handle answers w's call.
func (s *Server) handle(w *worker) {
	in, c, err := &w.request.head, &w.incoming, error(nil)
	switch {
	case w.refusal != nil:
		err = w.refusal
	case in.Kind == wire.KindPing:
	default:
		c.Method, c.Metadata, c.Payload = in.Method, w.request.metadata, w.request.body
		c.request, c.Stream = &w.request, w.stream
		err = s.invoke(w)
	}
	s.conclude(w, err)
}

// conclude sends what came of w's call, and gives its memory back.
func (s *Server) conclude(w *worker, err error) {
	if w.stream != nil {
		err = s.closeStream(w.stream, err)
	}
	s.running.Add(-1) // first: who has the reply, or has cancelled, may make another call
	s.reply(w, err)
	w.refusal, w.own, w.stream = nil, nil, nil
	w.request.release(s.opt.Buffers)
	c := &w.incoming
	if c.out != nil {
		s.opt.Buffers.put(c.out)
	}
	if c.given.lent != nil {
		c.given.Release()
	}
	w.incoming = Incoming{buffers: s.opt.Buffers}
	s.finished()
}

// finished accounts for a call that will have no more of a reply.
func (s *Server) finished() {
	if s.unsent.Add(-1) == 0 && s.draining.Load() {
		select {
		case s.drained <- struct{}{}:
		default:
		}
	}
}

// invoke runs the handler. Its panic is an error of this call; the stack goes to the log only. When the handler ends
// its goroutine the call is concluded here, as nothing after it runs.
func (s *Server) invoke(w *worker) (err error) {
	c, returned := &w.incoming, false
	defer func() {
		if returned {
			return
		}
		v := recover()
		if v == nil {
			s.left(w)
			return
		}
		err = Panicked(s.opt.Logger, s.conn.String(), c.Method, v)
	}()
	ctx := s.ctx
	if w.own != nil {
		ctx = w.own
	}
	if err = s.handler.Handle(ctx, c); err != nil {
		err = s.opt.toWire(err) // here, because it may panic too
	}
	returned = true
	return err
}

// Panicked says in the log that the handler of a method panicked with v, and returns what its caller gets. It is called
// by a function that was deferred, for the stack.
func Panicked(log *zerolog.Logger, link string, method uint16, v any) *wire.Error {
	log.Error().Str("link", link).Uint16("method", method).
		Str("panic", fmt.Sprint(v)).Bytes("stack", debug.Stack()).Msg("handler panicked")
	return wire.Errorf(wire.CodePanic, "the method panicked: %v (the stack is in the server's log)", v)
}

// left concludes a call whose handler called runtime.Goexit, and passes the reading role on from its goroutine.
func (s *Server) left(w *worker) {
	s.opt.Logger.Error().Str("link", s.conn.String()).Uint16("method", w.incoming.Method).
		Bytes("stack", debug.Stack()).Msg("handler ended its goroutine")
	s.conclude(w, wire.Errorf(wire.CodePanic, "the method ended its goroutine (runtime.Goexit)"))
	if w.running != 0 {
		s.takeRole(w.running)
	}
}

// reply writes the answer to w's call, unless its caller has gone. A connection that does not take it ends the link. On a link that
// has ended nothing is answered, though its connection may still take it: a handler that ends with its context would tell of a call
// that was cut off as of any other.
func (s *Server) reply(w *worker, err error) {
	c := &w.incoming
	w.head = wire.Header{Kind: wire.KindReply, ID: w.request.head.ID}
	if w.request.head.Kind == wire.KindPing {
		w.head.Kind = wire.KindPong
	}
	if err == nil {
		err = s.checkAnswer(c)
	}
	payload, block := c.Reply, c.given.blockOn(s.conn, len(c.Reply))
	if err != nil {
		block = nil
		e := s.opt.toWire(err)
		w.head.Kind, w.head.Method = wire.KindError, uint16(e.Code)
		payload = wire.AppendError(nil, e)
		if checkMetadata(s.conn, c.ReplyMetadata) != nil {
			c.ReplyMetadata = nil // the error is what counts
		}
	}
	var stop Stop
	if w.own != nil {
		long := block == nil && len(c.ReplyMetadata)+len(payload) > s.conn.MaxFrame()
		if !s.returned(w.own, long) {
			return
		}
		if long {
			stop.Done = w.own.gone
			defer s.untrack(w.own)
		}
	}
	select {
	case <-s.ended:
		return
	default:
	}
	if block != nil {
		_, err = sendBlock(s.conn, block, stop, &w.head, c.ReplyMetadata, len(payload))
	} else {
		_, err = send(s.conn, stop, &w.head, c.ReplyMetadata, payload)
	}
	if err != nil && !errors.Is(err, ErrInterrupted) {
		s.fail(err)
	}
}

// checkAnswer reports what of an answer is over a limit, as the error to be sent in its place.
func (s *Server) checkAnswer(c *Incoming) error {
	if len(c.Reply) > s.opt.PeerMaxMessage {
		return wire.Errorf(wire.CodeResultTooLarge, "%v",
			&TooLargeError{What: "results", Size: len(c.Reply), Limit: s.opt.PeerMaxMessage})
	}
	if err := checkMetadata(s.conn, c.ReplyMetadata); err != nil {
		return wire.Errorf(wire.CodeResultTooLarge, "%v", err)
	}
	return nil
}

// crew counts the goroutines that are at work for a link. It is a WaitGroup that one may join while others wait for it to be empty.
type crew struct {
	mu    sync.Mutex
	n     int           // guarded by mu
	empty chan struct{} // closed when n first fell to 0: after that a member joins only to leave at once
}

func newCrew() crew { return crew{empty: make(chan struct{})} }

func (c *crew) join() {
	c.mu.Lock()
	c.n++
	c.mu.Unlock()
}

func (c *crew) leave() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.n--; c.n > 0 {
		return
	}
	select {
	case <-c.empty:
	default:
		close(c.empty)
	}
}

func (c *crew) wait() { <-c.empty }
