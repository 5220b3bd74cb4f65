package link

import (
	"context"
	"errors"
	"io"
	"sync"
	"time"

	"hotline/internal/wire"
)

// Client makes calls over one connection. Many goroutines may call at once; replies come in any order.
type Client struct {
	conn    Conn
	opt     Options
	clock   clock
	alarm   alarm
	buffers *Buffers
	in      inbound // belongs to who has the reading role
	due     batch   // likewise

	mu       sync.Mutex
	table    table         // guarded by mu
	reading  bool          // guarded by mu: somebody has the reading role
	began    uint64        // guarded by mu: calls begun, so that the watcher sees whether the link is quiet
	draining bool          // guarded by mu: the server said goaway
	mute     error         // guarded by mu: why nothing can be sent any more; what has come is still read
	err      error         // guarded by mu: why the link ended
	cancels  []*call       // guarded by mu: calls given up, whose cancel frames wait to be sent
	flushing bool          // guarded by mu: a goroutine sends cancels
	ended    chan struct{} // closed when err is set
	group    sync.WaitGroup

	watcherSleeps bool          // guarded by mu: the watcher is to be woken when nobody reads any more
	wakeWatcher   chan struct{} // one token
	atOnce        Stop          // gives up before it waits
}

// NewClient makes calls over conn, whose handshake is done, and owns it from now on: Close closes it. Errors name the
// option that is out of range.
func NewClient(conn Conn, o *Options) (*Client, error) {
	opt, err := o.withDefaults()
	if err != nil {
		return nil, err
	}
	l := &Client{conn: conn, opt: opt, clock: newClock(), buffers: opt.Buffers, ended: make(chan struct{}),
		wakeWatcher: make(chan struct{}, 1)}
	past := make(chan struct{})
	close(past)
	l.atOnce.Done = past
	l.in = newInbound(conn, opt.Buffers, replyTrust)
	l.table.limit = opt.MaxInFlight
	l.alarm = alarm{clock: l.clock, fire: l.expire}
	l.group.Add(1)
	go l.watch()
	return l, nil
}

// Call sends a request and waits for its reply, until ctx or the request's timeout ends. The caller that waits reads
// its own reply. The errors are the context's own (context.Canceled, context.DeadlineExceeded, wrapped with
// ErrNotExecuted where the request never left), *TooLargeError, *wire.Error for what the server answered, and
// ErrNotExecuted or ErrMaybeExecuted with the cause when the link ended.
func (l *Client) Call(ctx context.Context, r *Request) (Reply, error) {
	return l.call(ctx, wire.KindCall, r)
}

// Ping waits until the server has answered through the same path that calls take.
func (l *Client) Ping(ctx context.Context) error {
	reply, err := l.call(ctx, wire.KindPing, &Request{})
	reply.Release()
	return err
}

// Draining reports whether the server has said that it takes no new calls on this link.
func (l *Client) Draining() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.draining
}

// InFlight returns the number of calls begun and not yet ended.
func (l *Client) InFlight() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.table.inFlight()
}

// Load returns the number of calls in flight, and whether another can begin: the link lives, and its server takes calls.
func (l *Client) Load() (inFlight int, open bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.table.inFlight(), l.refusalLocked() == nil
}

// Ended is closed when the link has ended, for whatever reason.
func (l *Client) Ended() <-chan struct{} { return l.ended }

// Err returns why the link ended, or nil while it lives.
func (l *Client) Err() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.err
}

// Close ends the link: calls in flight fail at once, with ErrMaybeExecuted or ErrNotExecuted and ErrClosed. It
// returns when everything that the link started has ended, and is idempotent.
func (l *Client) Close() error {
	l.fail(ErrClosed)
	l.group.Wait()
	return nil
}

func (l *Client) call(ctx context.Context, kind wire.Kind, r *Request) (Reply, error) {
	deadline := deadlineOf(ctx, r.Timeout, l.clock)
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
	if len(r.Payload) > l.opt.PeerMaxMessage {
		return nil, notExecuted(&TooLargeError{What: "arguments", Size: len(r.Payload), Limit: l.opt.PeerMaxMessage})
	}
	if err := ctx.Err(); err != nil {
		return nil, notExecuted(err)
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

// send writes c's request. A block of the server's goes as a copy: once it was the server's again, the request could not be
// sent a second time.
func (l *Client) send(stop Stop, c *call, r *Request) (begun bool, err error) {
	if b := r.Loan.blockOn(l.conn, len(r.Payload)); b != nil && b.Ours() {
		return sendBlock(l.conn, b, stop, &c.head, r.Metadata, len(r.Payload))
	}
	return send(l.conn, stop, &c.head, r.Metadata, r.Payload)
}

// begin takes a slot, waiting for one when the limit of calls in flight is reached.
func (l *Client) begin(ctx context.Context, deadline int64, r *Request, ping bool) (*call, error) {
	l.mu.Lock()
	if err := l.refusalLocked(); err != nil {
		l.mu.Unlock()
		return nil, err
	}
	if r.Shared = l.table.inFlight() > 0; r.Shared && r.IfIdle {
		l.mu.Unlock()
		return nil, errBusy
	}
	c := l.table.take()
	if c == nil {
		var err error
		if c, err = l.beginSlow(ctx, deadline); err != nil {
			l.mu.Unlock()
			return nil, err
		}
	}
	c.inFlight, c.fresh, c.place, c.ping = true, r.Fresh, r.InPlace, ping
	if !r.oneway { // else it is the server's business alone
		c.deadline = deadline
	}
	l.began++
	l.mu.Unlock()
	return c, nil
}

// beginSlow waits for a slot. Client.mu is held when it is called and when it returns.
func (l *Client) beginSlow(ctx context.Context, deadline int64) (*call, error) {
	w := &slotWaiter{got: make(chan struct{})}
	l.table.queue = append(l.table.queue, w)
	l.mu.Unlock()
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

// await waits for c's reply, reading for everybody when nobody else does, and ends the call.
func (l *Client) await(ctx context.Context, c *call) (Reply, error) {
	l.mu.Lock()
	for c.inFlight {
		if l.reading {
			l.parkLocked(ctx, c)
			continue
		}
		l.reading, c.leading = true, true
		l.mu.Unlock()
		own := l.lead(ctx, c)
		l.mu.Lock()
		if own {
			c.inFlight, c.err, c.givenUp = false, nil, false
			l.sweepLocked()
		}
		l.due.wake()
		l.reading, c.leading = false, false
	}
	err, givenUp := c.err, c.givenUp
	var m message
	if err == nil {
		m = *c.reply
		c.reply.body, c.reply.lent = nil, nil
		if len(m.metadata) > 0 {
			c.reply.metadata = nil // it goes to the caller
		}
	} else {
		l.dropReplyLocked(c)
	}
	if !givenUp {
		l.table.release(c)
	}
	l.passOnLocked()
	l.mu.Unlock()
	if err == nil {
		return l.result(&m)
	}
	if givenUp {
		l.abandon(c, err)
		err = maybeExecuted(err)
	}
	return Reply{}, err
}

// parkLocked sleeps until something changed for c: its reply came, it was given up, or the reading role is free.
func (l *Client) parkLocked(ctx context.Context, c *call) {
	l.table.park(c)
	l.mu.Unlock()
	if done := ctx.Done(); done == nil {
		<-c.ready // a third of what select takes
		l.mu.Lock()
	} else {
		select {
		case <-c.ready:
			l.mu.Lock()
		case <-done:
			l.mu.Lock()
			l.giveUpLocked(c, ctx.Err())
		}
	}
	l.table.unpark(c)
}

// passOnLocked gives the reading role, if it is free, to a caller that sleeps.
func (l *Client) passOnLocked() {
	if l.reading {
		return
	}
	if c := l.table.parked.first; c != nil {
		l.table.unpark(c)
		c.signal()
	} else if l.watcherSleeps || l.table.oneway > 0 {
		l.watcherSleeps = false
		select {
		case l.wakeWatcher <- struct{}{}:
		default: // a token is there already
		}
	}
}

// giveUpLocked ends a call in flight whose owner no longer waits.
func (l *Client) giveUpLocked(c *call, err error) {
	if c.inFlight {
		c.givenUp = true
		l.endLocked(c, err)
	}
}

// endLocked ends a call in flight with err, or by what it has of a reply.
func (l *Client) endLocked(c *call, err error) {
	if !c.inFlight {
		return
	}
	c.inFlight, c.err = false, err
	l.table.unpark(c)
	c.signal()
	if c.leading && err != nil {
		l.conn.Interrupt()
	}
	if c.oneway {
		l.forgetLocked(c)
	}
	if c.stream != nil {
		c.stream.endedLocked()
	}
}

func (l *Client) dropReplyLocked(c *call) {
	if c.reply != nil {
		c.reply.release(l.buffers)
	}
}

// result turns a message that ended a call to what the caller gets.
func (l *Client) result(m *message) (Reply, error) {
	if m.head.Kind != wire.KindError {
		return Reply{Body: m.body, Metadata: m.metadata, lent: m.lent, buffers: l.buffers}, nil
	}
	e, err := wire.ParseError(wire.Code(m.head.Method), m.body)
	m.release(l.buffers)
	if err != nil {
		l.fail(err)
		return Reply{}, maybeExecuted(err)
	}
	return Reply{Metadata: m.metadata}, e
}

// silence lets no new calls begin, because a write failed, and returns why: this side may have ended the link before.
// Nothing else ends here. When the peer has gone, what it sent before it went is still to be read: replies, and a bye.
// The reader meets the end after it.
func (l *Client) silence(cause error) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	switch {
	case l.err != nil:
		return l.err
	case l.mute == nil:
		l.mute = cause
		l.table.dismiss()
	}
	return l.mute
}

// fail ends the link and every call on it. Only the first cause counts.
func (l *Client) fail(cause error) {
	gone := errors.Is(cause, io.EOF)
	if gone {
		cause = errors.New("the peer closed the link: " + l.conn.String())
	}
	l.mu.Lock()
	if l.err != nil {
		l.mu.Unlock()
		l.conn.Close()
		return
	}
	l.err = cause
	if w, ok := l.conn.(Witness); ok && gone {
		l.endUntakenLocked(w)
	}
	for _, c := range l.table.slots {
		l.endLocked(c, maybeExecuted(lost(cause)))
	}
	l.table.dismiss()
	close(l.ended)
	l.mu.Unlock()
	l.conn.Close()
	l.alarm.stop()
}

// endUntakenLocked ends the calls whose request the peer did not take whole: it has gone, and can't have executed them.
func (l *Client) endUntakenLocked(w Witness) {
	w.Untaken(func(h wire.Header) {
		if h.Kind != wire.KindCall {
			return
		}
		if c := l.table.find(h.ID); c != nil {
			l.endLocked(c, notExecuted(lost(l.err)))
		}
	})
}

// expire ends the calls whose deadline has passed. The alarm runs it.
func (l *Client) expire() {
	now, next := l.clock.now(), int64(0)
	l.mu.Lock()
	for _, c := range l.table.slots {
		switch {
		case !c.inFlight || c.deadline == 0:
		case c.deadline <= now:
			l.giveUpLocked(c, context.DeadlineExceeded)
		case next == 0 || c.deadline < next:
			next = c.deadline
		}
	}
	l.mu.Unlock()
	if next != 0 {
		l.alarm.set(next)
	}
}
