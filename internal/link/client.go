package link

import (
	"context"
	"sync"

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

	mu        sync.Mutex
	table     table         // guarded by mu
	reading   bool          // guarded by mu: somebody has the reading role
	began     uint64        // guarded by mu: calls begun, so that the watcher sees whether the link is quiet
	draining  bool          // guarded by mu: the server said goaway, or Retire was called
	mute      error         // guarded by mu: why nothing can be sent any more; what has come is still read
	err       error         // guarded by mu: why the link ended
	cancels   []*call       // guarded by mu: calls given up, whose cancel frames wait to be sent
	flushing  bool          // guarded by mu: a goroutine sends cancels
	allowance allowance     // guarded by mu: of streams
	ended     chan struct{} // closed when err is set
	group     sync.WaitGroup

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
	l.in = newInbound(conn, opt.Buffers)
	l.in.trustReplies()
	l.table.limit = opt.MaxInFlight
	l.allowance.left = streamAllowance
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

// Draining reports whether the server has said that it takes no new calls on this link, or Retire was called.
func (l *Client) Draining() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.draining
}

// Retire lets no new calls begin, as a server does that drains. Those under way go on: once there are none, Close disturbs
// nobody.
func (l *Client) Retire() { l.drain(false) }

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
