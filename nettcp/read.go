package nettcp

import (
	"errors"
	"io"
	"os"
	"sync"
	"syscall"
	"time"

	"hotline/internal/link"
	"hotline/internal/spin"
	"hotline/internal/wire"
)

const (
	// readBuffer holds headers, and payloads that are shorter than directRead. It is the largest part of what an idle
	// connection costs, and large enough that a hundred small frames that came together cost one system call.
	readBuffer = 8 << 10

	// directRead is the least room for which the rest of a payload is read to the caller's memory without a
	// copy. Below it a read of the buffer's size is better, because it brings the frames behind as well.
	directRead = readBuffer / 2
)

// reader is the reading side of a connection. All of it belongs to the goroutine that reads.
type reader struct {
	buf  []byte // made by the first read
	r, w int    // buf[r:w] has arrived and was not taken yet
	left int    // payload bytes of the present frame that Read has not returned yet

	handshakeBy time.Time     // when the first frame has to be read; zero when it was, and on dialled connections
	waited      time.Duration // how long the present frame has kept us waiting
	lastUntil   time.Time     // when the end of a stream whose peer has gone must have come; zero while it has not
	since       time.Time     // when the present wait within a frame began; zero outside of one

	reading sync.Mutex            // held while a goroutine is in the socket's read: Close waits for it to leave
	try     func(fd uintptr) bool // reads to p; made once, so that reading does not allocate
	p       []byte                // argument of try
	n       int                   // result of try
	err     error                 // result of try
	slept   bool                  // result of try: it let the poller sleep

	spin   spin.Waiter
	look   func() bool           // lookOnce, and
	peek   func(fd uintptr) bool // what it calls: made once too
	failed error                 // what lookOnce met at the end of what has come
	frames int                   // taken since the last read
	batch  int                   // reads to come until the last one that brought several frames no longer counts
}

func (in *reader) init(c *Conn) {
	in.try, in.look, in.peek = c.tryRead, c.lookOnce, c.readNow
	in.spin = spin.NewCallWaiter(c.cfg.Spin, c.cfg.MaxSpin)
}

// Next waits for the next frame and returns its header. It returns [io.EOF] when the peer closed between two frames,
// an error that wraps [io.ErrUnexpectedEOF] when it closed within one, a [*wire.ProtocolError] for a
// header that is not valid, [link.ErrInterrupted] after Interrupt, and otherwise why the connection failed. When
// writing failed because the peer is gone, Next first returns the frames that it had sent.
func (c *Conn) Next() (wire.Header, error) {
	in := &c.in
	if c.over.Load() {
		return wire.Header{}, c.failure()
	}
	if in.left > 0 {
		return wire.Header{}, c.fail(c.errorf("next frame asked for with %d bytes of the present one unread", in.left))
	}
	for in.w-in.r < wire.HeaderSize {
		if err := c.fill(); err != nil {
			return wire.Header{}, err
		}
	}
	h, err := wire.ParseHeader(in.buf[in.r:in.w])
	if err != nil {
		return wire.Header{}, c.fail(err)
	}
	in.r += wire.HeaderSize
	in.frames++
	in.left = int(h.Length)
	if in.left == 0 {
		in.frameEnds()
	}
	return h, nil
}

// Read returns bytes of the present frame's payload: those that have arrived, at least one, at most len(p), and never
// past the frame's end. Its errors are those of Next.
func (c *Conn) Read(p []byte) (int, error) {
	in := &c.in
	switch {
	case len(p) == 0:
		return 0, nil
	case c.over.Load():
		return 0, c.failure()
	case in.left == 0:
		return 0, c.fail(c.errorf("read behind the end of a frame"))
	}
	p = p[:min(len(p), in.left)]
	if in.r == in.w {
		if len(p) >= directRead {
			n, err := c.receive(p)
			in.take(n)
			return n, err
		}
		if err := c.fill(); err != nil {
			return 0, err
		}
	}
	n := copy(p, in.buf[in.r:in.w])
	in.r += n
	in.take(n)
	return n, nil
}

// Interrupt ends the wait of the goroutine that sleeps in Next or Read, or else the next such wait, with
// [link.ErrInterrupted].
//
// It sets a read deadline that has passed. The flag tells the reader whose deadline that was, and both change under mu,
// so that neither a frame's deadline nor a late reset can swallow an interrupt.
func (c *Conn) Interrupt() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.interrupted = true
	c.wakeReaderLocked()
}

// past is a deadline that makes a wait end at once.
var past = time.Unix(1, 0)

// wakeReaderLocked makes a reader that sleeps, or is about to, look at the connection's state. The caller holds mu.
func (c *Conn) wakeReaderLocked() {
	if c.handshake.running() {
		c.handshake.interrupt() // a deadline would spoil the handshake
		return
	}
	if c.closing {
		return // Close has the deadline to itself
	}
	c.sock.SetReadDeadline(past)
	c.armed = past
}

// take accounts for n bytes of payload that were read.
func (in *reader) take(n int) {
	if in.left -= n; in.left == 0 && n > 0 {
		in.frameEnds()
	}
}

// frameEnds begins the account of the next frame.
func (in *reader) frameEnds() {
	in.waited = 0
	in.handshakeBy = time.Time{}
}

// fill waits for bytes and puts them behind those in the buffer, which are less than a header.
func (c *Conn) fill() error {
	in := &c.in
	in.compact()
	n, err := c.receive(in.buf[in.w:])
	in.w += n
	return err
}

// receive waits for bytes and reads them to p. Its errors are those of Next.
func (c *Conn) receive(p []byte) (int, error) {
	in := &c.in
	if c.handshake != nil {
		if err := c.awaitHandshake(); err != nil {
			return 0, err
		}
	}
	in.reading.Lock()
	defer in.reading.Unlock()
	for {
		in.newRead()
		n, err := c.receiveOnce(p)
		if !in.since.IsZero() {
			in.waited += time.Since(in.since)
			in.since = time.Time{}
		}
		switch {
		case n > 0:
			return n, nil
		case err == errAgain:
		case errors.Is(err, link.ErrInterrupted):
			return 0, err
		default:
			return 0, c.fail(c.readError(err))
		}
	}
}

// errAgain says that a read ended for no reason that counts.
var errAgain = errors.New("again")

// receiveOnce reads once, after one wait at most.
func (c *Conn) receiveOnce(p []byte) (n int, err error) {
	in := &c.in
	if in.failed != nil {
		return 0, in.failed
	}
	if c.raw != nil && c.session == nil {
		in.p, in.n, in.err, in.slept = p, 0, nil, false // raw.Read may fail without calling try
		err = c.raw.Read(in.try)
		n, in.p = in.n, nil
		if err == nil {
			return n, in.err
		}
	} else {
		if err := c.beforeSleep(); err != nil {
			return 0, err
		}
		in.slept = true
		n, err = c.stream.Read(p)
	}
	if n > 0 || !errors.Is(err, os.ErrDeadlineExceeded) {
		return n, err
	}
	return 0, c.disarm(in.slept)
}

// beforeSleep says why the reader must not sleep, or sets the deadline that it has to sleep under. The kernel has
// nothing for it.
//
// The deadline is set lazily: one that fires too early costs a wake-up, one that is moved for each frame costs each
// frame. So an earlier one is left alone, even between frames, and disarm takes it away when it fires.
func (c *Conn) beforeSleep() error {
	in := &c.in
	c.mu.Lock()
	defer c.mu.Unlock()
	switch {
	case c.over.Load():
		return c.cause
	case c.cause != nil && c.raw != nil && c.session == nil:
		return errPeerGone
	case c.cause != nil:
		return c.beforeLastSleep()
	case c.interrupted:
		c.interrupted = false
		return link.ErrInterrupted
	case in.left == 0 && in.r == in.w && in.handshakeBy.IsZero():
		return nil // between two frames: as long as it takes
	}
	now := time.Now()
	by, stalled := in.deadline(now, c.cfg)
	if by.After(now) {
		if c.armed.IsZero() || by.Before(c.armed) {
			c.sock.SetReadDeadline(by)
			c.armed = by
		}
		return nil
	}
	return stalled
}

// beforeLastSleep is beforeSleep when the peer has gone. A stream tells what has come only to one who waits for it;
// behind that is its end, so there is not much of a wait. The caller holds mu.
func (c *Conn) beforeLastSleep() error {
	in := &c.in
	now := time.Now()
	if in.lastUntil.IsZero() {
		in.lastUntil = now.Add(c.cfg.Linger)
	}
	if !now.Before(in.lastUntil) {
		return c.cause
	}
	c.sock.SetReadDeadline(in.lastUntil)
	c.armed = in.lastUntil
	return nil
}

// deadline returns until when the reader may sleep, and what it means if that has passed.
func (in *reader) deadline(now time.Time, cfg *config) (time.Time, error) {
	var by time.Time
	if in.left > 0 || in.r < in.w {
		if !in.since.IsZero() { // woken for nothing
			in.waited += now.Sub(in.since)
		}
		in.since = now
		by = now.Add(cfg.FrameTimeout - in.waited)
	}
	if !in.handshakeBy.IsZero() && (by.IsZero() || in.handshakeBy.Before(by)) {
		return in.handshakeBy, errNoFirstFrame
	}
	return by, errStalled
}

// disarm takes a deadline away that has fired, and says what for: the wait that an interrupt ended is over, all
// else is looked at before the next sleep.
func (c *Conn) disarm(slept bool) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.over.Load() {
		return c.cause
	}
	c.sock.SetReadDeadline(time.Time{})
	c.armed = time.Time{}
	if slept && c.interrupted && c.cause == nil {
		c.interrupted = false
		return link.ErrInterrupted
	}
	return errAgain
}

// errPeerGone says that a write has found the peer gone: what has come is to be read, and there is nothing to wait for.
var errPeerGone = errors.New("peer gone")

var (
	errStalled      = errors.New("peer stalled in the middle of a frame")
	errNoFirstFrame = errors.New("peer sent no whole frame")
)

// readError says what an error of the socket means here.
func (c *Conn) readError(err error) error {
	in := &c.in
	within := in.left > 0 || in.r < in.w
	switch {
	case errors.Is(err, errStalled):
		return c.errorf("%w: nothing more came for %v", err, c.cfg.FrameTimeout)
	case errors.Is(err, errNoFirstFrame):
		return c.errorf("%w within %v", err, c.cfg.HandshakeTimeout)
	case errors.Is(err, io.EOF) && !within && c.failure() == nil:
		return io.EOF
	case errors.Is(err, io.EOF):
		return c.errorf("the peer closed in the middle of a frame: %w", io.ErrUnexpectedEOF)
	case peerGone(err) && within:
		return c.errorf("the peer vanished in the middle of a frame: %w: %w", io.ErrUnexpectedEOF, err)
	case peerGone(err):
		return c.errorf("the peer vanished: %w", err)
	case errors.Is(err, syscall.ETIMEDOUT):
		return c.errorf("the peer does not answer: %w", err)
	}
	return c.errorf("read: %w", err)
}

// peerGone reports whether err says that the peer closed the connection or died.
func peerGone(err error) bool {
	return errors.Is(err, syscall.EPIPE) || errors.Is(err, syscall.ECONNRESET)
}
