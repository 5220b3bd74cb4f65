package shm

import (
	"fmt"
	"io"
	"net"
	"runtime"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"hotline/internal/link"
	"hotline/internal/spin"
	"hotline/internal/unixsock"
	"hotline/internal/wire"
)

var _ link.Conn = (*Conn)(nil)

// The bits of Conn.state. Once set they stay.
const (
	stateGone  = 1 << iota // the peer has closed or died: no more writing, and reading up to what it has published
	stateEnded             // Close or a failure: nothing works any more, and Conn.cause says why
)

// wokenFactor is how much longer a wait for a peer may be that was asleep, and still has to wake up.
const wokenFactor = 2

var (
	noDeadline time.Time
	longAgo    = time.Unix(1, 0)
)

// Conn is one end of a connection through shared memory. It is made by [Dial] or [Listener.Accept].
//
// Reading (Ready, Pending, Next, Read) is for one goroutine at a time; everything else may be called by any goroutine
// at any time. After Close every call fails with an error that is net.ErrClosed.
type Conn struct {
	name    string // "shm:///run/…"
	peer    unixsock.Peer
	sock    *net.UnixConn    // open while the connection is: its end is the peer's end
	rawSock syscall.RawConn  // sock's, for sends that never wait
	sendFn  func(fd uintptr) // sendSpace, made a func once
	maps    [2]*mapping      // of in and out
	arenas  [2]*arena        // likewise; nil where there is none
	bed     *bed             // where Next sleeps
	bell    *bell            // what wakes the peer's Next
	out     writer
	stream  bool // it carries byte streams, which a Stream moves

	state atomic.Uint32 // stateGone, stateEnded
	over  chan struct{} // closed with the first bit of state: what waits for the peer gives up
	done  chan struct{} // closed when the sentinel has returned

	mu    sync.Mutex
	cause error // guarded by mu: why stateEnded is set; the first cause stays

	closing sync.Once

	_ [64]byte // the reader's words are apart from the writers'

	in          source
	arriving    arriving    // the block of the present frame
	spin        spin.Waiter // of Ready
	wokenSpin   spin.Waiter // of Ready after the peer had to be woken
	rang        atomic.Bool // the peer's doorbell was rung since Ready last waited
	asleep      atomic.Bool // Next is in its bed, or on the way to it
	interrupted atomic.Bool // by Interrupt, and not yet noticed
	ended       atomic.Bool // the peer has ended its byte stream; all of it was published before
	readyFn     func() bool // in.ready, made a func once
	awakeFn     func() bool // awake, made a func once
}

// parts are what a rendezvous ends with.
type parts struct {
	sock    *net.UnixConn
	fds     []int // as in the reply
	granted ringSizes
	arena   uint64 // bytes of each arena
	client  bool
	peer    unixsock.Peer
}

// newConn makes a connection of its parts, and takes them over: they are closed where it fails. agree is called when the
// windows are mapped and all of p is still open, and has the last word.
func newConn(path string, p parts, s settings, agree func(in, out *window) error) (_ *Conn, err error) {
	c := &Conn{
		name: addr(path), peer: p.peer, sock: p.sock, stream: s.stream,
		over: make(chan struct{}), done: make(chan struct{}),
		spin: spin.NewWaiter(s.spin, s.maxSpin),
	}
	c.wokenSpin = c.spin.Longer(wokenFactor)
	defer func() {
		if err != nil {
			c.release()
		}
		closeAll(p.fds...)
	}()

	in, out, inBell, outBell := fdRingToServer, fdRingToClient, fdBellToServer, fdBellToClient
	inSize, outSize := p.granted.toServer, p.granted.toClient
	if p.client {
		in, out, inBell, outBell = out, in, outBell, inBell
		inSize, outSize = outSize, inSize
	}
	inMap, inWindow, err := mapRing(p.fds[in], inSize, p.arena)
	if err != nil {
		return nil, err
	}
	c.maps[0] = inMap
	outMap, outWindow, err := mapRing(p.fds[out], outSize, p.arena)
	if err != nil {
		return nil, err
	}
	c.maps[1] = outMap
	c.arenas[0], c.arenas[1] = newArena(inMap, inSize), newArena(outMap, outSize)
	if err := agree(inWindow, outWindow); err != nil {
		return nil, err
	}
	c.in.win, c.out.sink = inWindow, newSink(outWindow, lapSize)
	c.out.spin = spin.NewWaiter(s.spin, s.maxSpin)

	c.bell = newBell(take(p.fds, outBell))
	if c.bed, err = newBed(take(p.fds, inBell)); err != nil {
		return nil, err
	}
	if c.rawSock, err = p.sock.SyscallConn(); err != nil {
		return nil, err
	}
	if err := p.sock.SetDeadline(noDeadline); err != nil {
		return nil, err
	}
	c.readyFn, c.awakeFn, c.sendFn = c.in.ready, c.awake, sendSpace
	go c.watch()
	return c, nil
}

// Ready reports whether a frame has been published, or Next would fail at once. It may spin before it says no.
//
// A peer that we have just woken needs some time before it can answer. Were the wait for it no longer than others, we
// would be asleep when the answer comes, the peer would have given up by the time that we are awake, and a
// conversation that has fallen asleep once would go on from sleep to sleep.
func (c *Conn) Ready() bool {
	w := &c.spin
	if c.rang.Load() {
		c.rang.Store(false)
		w = &c.wokenSpin
	}
	ready := w.Wait(c.readyFn)
	runtime.KeepAlive(c)
	return ready || c.state.Load() != 0
}

// Pending reports whether a frame has been published.
func (c *Conn) Pending() bool {
	pending := c.in.ready()
	runtime.KeepAlive(c)
	return pending
}

// Next waits for the next frame. The error after the peer has gone is io.EOF, once everything that it had published
// was taken. A [*wire.ProtocolError] is a peer that broke the rules, which ends the connection.
func (c *Conn) Next() (wire.Header, error) {
	if c.in.open {
		c.finish()
	}
	for {
		state := c.state.Load() // before the ring: what a peer published before it went is seen
		if state&stateEnded != 0 {
			return wire.Header{}, c.failure()
		}
		if c.in.ready() {
			return c.begin()
		}
		if state&stateGone != 0 {
			return wire.Header{}, io.EOF
		}
		if err := c.sleep(); err != nil {
			return wire.Header{}, err
		}
	}
}

// Read copies what is left of the frame's payload, as far as p goes. It never sleeps: frames are published whole.
func (c *Conn) Read(p []byte) (int, error) {
	if c.arriving.arena != nil && c.in.left == 0 {
		return c.readBlock(p)
	}
	n := c.in.read(p)
	if c.in.left == 0 && c.in.open {
		c.finish()
	}
	runtime.KeepAlive(c)
	if c.state.Load()&stateEnded != 0 { // the memory may have been let go of while we read it
		return 0, c.failure()
	}
	return n, nil
}

// Interrupt ends the sleep of Next, or the next one, with [link.ErrInterrupted].
func (c *Conn) Interrupt() {
	c.interrupted.Swap(true)
	if c.asleep.Load() {
		c.bed.rouse()
	}
}

// MaxFrame is 32 KiB, or a quarter of a small ring less a header.
func (c *Conn) MaxFrame() int { return c.out.win.maxFrame() }

// Trusted reports whether the peer's process was of this user or root when it met us.
func (c *Conn) Trusted() bool { return c.peer.Trusted() }

// Peer returns the user and the process at the other end, as they were when the two met. ok is true on systems that have
// shared memory.
func (c *Conn) Peer() (uid, pid int, ok bool) { return int(c.peer.UID), c.peer.PID, true }

// String returns the rendezvous in the form of an address, "shm:///run/…".
func (c *Conn) String() string { return c.name }

// Close ends the connection. What was written stays readable for the peer.
func (c *Conn) Close() error {
	c.end(closedError(c.name), stateEnded)
	c.closing.Do(c.release)
	if c.done != nil {
		<-c.done
	}
	return nil
}

// begin takes the header of the frame that is ready.
func (c *Conn) begin() (wire.Header, error) {
	h, err := c.in.next()
	runtime.KeepAlive(c)
	if err != nil {
		return wire.Header{}, c.fail(err) // or Close was quicker, and we read zeros
	}
	if c.state.Load()&stateEnded != 0 {
		return wire.Header{}, c.failure()
	}
	raceRead()
	if h.Flags&wire.FlagBlock != 0 {
		if err := c.beginBlock(&h); err != nil {
			return wire.Header{}, c.fail(err)
		}
	}
	if c.in.left == 0 {
		c.finish()
		// Once the connection has ended, the peer may have looked at what was taken: see Untaken. What counts as not
		// taken is not to be handed on.
		if c.state.Load()&stateEnded != 0 {
			return wire.Header{}, c.failure()
		}
	}
	return h, nil
}

// finish gives the frame's room back, and wakes the peer's writer if that is what it waits for.
func (c *Conn) finish() {
	if c.in.finish() {
		_ = c.rawSock.Control(c.sendFn)
	}
}

// sleep waits for the peer's doorbell, or for anything else that Next should look at. Whoever has news for a
// sleeper makes them visible first and looks at asleep then; we do it the other way round, so nothing is missed. For
// frames that is source.sleep and sink.publish, where the reason for Swap is; for all else c.asleep and the flags that
// awake looks at.
func (c *Conn) sleep() error {
	c.asleep.Swap(true)
	c.in.sleep()
	err := c.bed.wait(c.awakeFn)
	c.in.wake()
	c.asleep.Store(false)
	runtime.KeepAlive(c)
	if c.interrupted.Load() && c.interrupted.Swap(false) {
		return link.ErrInterrupted
	}
	if err != nil && c.state.Load()&stateEnded == 0 {
		return c.fail(fmt.Errorf("%s: wait for the peer: %w", c.name, err))
	}
	return nil
}

// awake reports whether there is something to do for Next.
func (c *Conn) awake() bool { return c.in.ready() || c.interrupted.Load() || c.state.Load() != 0 }

// fail ends the connection because of err, unless it has ended before, and returns the cause of its end.
func (c *Conn) fail(err error) error {
	c.end(err, stateEnded)
	_ = c.sock.CloseWrite() // the peer learns of it now, and not when Close is called
	return c.failure()
}

// failure returns why the connection ended.
func (c *Conn) failure() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.cause
}

// end sets a bit of the state and wakes everybody.
func (c *Conn) end(cause error, bit uint32) {
	c.mu.Lock()
	first := c.state.Load() == 0
	if bit == stateEnded && c.cause == nil {
		c.cause = cause
	}
	c.state.Or(bit)
	c.mu.Unlock()
	if first {
		close(c.over)
		c.bell.close() // here and not in release: who is held up in a ring may be the one that would call Close
	}
	if c.asleep.Load() {
		c.bed.rouse()
	}
}

// release lets go of everything that the kernel holds for us. Readers and writers may still be inside: their memory
// turns into zeros, and they look at the state before they believe anything.
func (c *Conn) release() {
	_ = c.sock.Close()
	c.stopShrinking()
	if c.bed != nil {
		c.bed.close()
	}
	if c.bell != nil {
		c.bell.close()
	}
	for i, m := range c.maps {
		if m != nil && c.arenas[i].end() {
			m.close()
		}
	}
}

// closeAll closes the descriptors that are not -1.
func closeAll(fds ...int) {
	for _, fd := range fds {
		if fd >= 0 {
			_ = syscall.Close(fd)
		}
	}
}

// take returns fds[i] and leaves -1 there: it is the caller's to close.
func take(fds []int, i int) int {
	fd := fds[i]
	fds[i] = -1
	return fd
}

// addr is a rendezvous as a URL.
func addr(path string) string { return "shm://" + path }
