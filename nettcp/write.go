package nettcp

import (
	"errors"
	"os"
	"sync"
	"syscall"
	"time"

	"hotline/internal/link"
	"hotline/internal/wire"
)

const (
	// inlineFrame is the longest frame that is copied into one piece before it is written: cheaper than a vector.
	inlineFrame = 512

	// driveRounds is how often a caller sends what others have left before the flusher takes over from it.
	driveRounds = 4
)

// writer is the writing side of a connection.
//
// One goroutine at a time is in charge of the socket, which is what busy says. It is a caller whose frame found
// nobody in charge, who writes without waiting, or the flusher, who waits for the peer. All others leave their frames
// in next, and whoever is in charge goes on until next is empty, or makes the flusher its successor.
type writer struct {
	mu      sync.Mutex
	err     error         // why no frame is taken any more
	broken  bool          // nothing is sent any more either
	by      time.Time     // when Close stops sending; zero before
	busy    bool          // somebody is in charge
	corked  int           // callers who are about to fill next, and will look after it then
	next    *buffer       // frames that nobody has begun to send; nil for none
	queued  int           // bytes of next and out that the kernel has not taken, and room promised to waiters
	waiters waiters       // callers for whom there was no room
	idle    chan struct{} // made by Close; closed when nobody is in charge, or about to be

	// These belong to who is in charge.
	out   *buffer   // frames being sent; nil for none
	sent  int       // how much of out the kernel has taken
	timed bool      // the socket has a write deadline
	bufs  [3][]byte // argument of try: what to write, in nbufs pieces
	nbufs int
	took  int   // result of try
	terr  error // result of try

	try   func(fd uintptr) bool // made once, like flush, so that writing does not allocate
	flush func()
	head  [inlineFrame]byte // the frame of a caller in charge, or its header
}

func (w *writer) init(c *Conn) {
	w.try = c.tryWrite
	w.flush = c.flush
}

// Write sends one frame, which is whole on the wire whatever other callers do. It waits only while the connection
// holds more for a slow peer than it has room for, and gives up as stop says, with [link.ErrInterrupted] and
// nothing sent. A nil error means that the frame is on its way; a failure from then on ends the connection, and Next
// returns it.
func (c *Conn) Write(stop link.Stop, h *wire.Header, metadata, payload []byte) error {
	size := len(metadata) + len(payload)
	if size > c.cfg.MaxFrame || uint32(size) != h.Length {
		return c.fail(c.errorf("write of a frame of %d+%d bytes whose header says %d; at most %d are allowed",
			len(metadata), len(payload), h.Length, c.cfg.MaxFrame))
	}
	if c.session != nil {
		return c.writeSecure(stop, h, metadata, payload)
	}
	w := &c.out
	w.mu.Lock()
	if w.busy || w.err != nil {
		if queued, err := c.queue(stop, h, metadata, payload); queued || err != nil {
			return err
		}
	}
	w.busy = true
	w.mu.Unlock()
	w.gather(h, metadata, payload)
	c.writeNow()
	w.mu.Lock()
	if w.took == wire.HeaderSize+size && w.next == nil && w.err == nil {
		w.bufs[1], w.bufs[2] = nil, nil // the caller's memory
		w.busy = false
		w.mu.Unlock()
		return nil
	}
	w.mu.Unlock()
	return c.writeSlow()
}

// queue leaves a frame to who is in charge. The caller holds w.mu, and queue gives it back, except when it
// returns false without an error: then nobody is in charge any more.
func (c *Conn) queue(stop link.Stop, h *wire.Header, metadata, payload []byte) (queued bool, err error) {
	w := &c.out
	size := wire.HeaderSize + len(metadata) + len(payload)
	if err := w.reserveLocked(stop, size); err != nil {
		w.mu.Unlock()
		return false, err
	}
	if !w.busy {
		w.queued -= size
		w.grantLocked()
		return false, nil
	}
	if w.next == nil {
		w.next = c.cfg.buffer()
	}
	w.next.add(h, metadata, payload)
	w.mu.Unlock()
	return true, nil
}

// gather puts a frame into bufs. The caller is in charge.
func (w *writer) gather(h *wire.Header, metadata, payload []byte) {
	h.Put(w.head[:])
	b := w.head[:wire.HeaderSize]
	if len(b)+len(metadata)+len(payload) <= inlineFrame {
		b = append(b, metadata...)
		w.bufs[0], w.nbufs = append(b, payload...), 1
		return
	}
	w.bufs[0], w.nbufs = b, 1
	for _, p := range [...][]byte{metadata, payload} {
		if len(p) > 0 {
			w.bufs[w.nbufs] = p
			w.nbufs++
		}
	}
}

// writeNow offers bufs to the kernel without waiting. took says how much it got, terr why nothing can be sent any more.
// The caller is in charge.
func (c *Conn) writeNow() {
	w := &c.out
	w.took, w.terr = 0, nil
	if c.raw == nil {
		return
	}
	if err := c.raw.Write(w.try); err != nil {
		w.took, w.terr = 0, err
	}
}

// writeSlow goes on after writeNow when the kernel did not take all, or others have left frames meanwhile.
func (c *Conn) writeSlow() error {
	w := &c.out
	if w.terr != nil {
		return c.writeFailed(w.terr)
	}
	c.keepRest()
	c.drive()
	return nil
}

// keepRest copies what the kernel did not take of bufs to out, because the memory belongs to the caller again when
// Write returns.
func (c *Conn) keepRest() {
	w := &c.out
	skip := w.took
	for i, p := range w.bufs[:w.nbufs] {
		w.bufs[i] = nil
		if skip >= len(p) {
			skip -= len(p)
			continue
		}
		if w.out == nil {
			w.out, w.sent = c.cfg.buffer(), 0
		}
		w.out.b = append(w.out.b, p[skip:]...)
		skip = 0
	}
	if w.out != nil {
		w.mu.Lock()
		w.queued += len(w.out.b)
		w.mu.Unlock()
	}
}

// drive sends out and next as long as that needs no waiting, and makes the flusher its successor when it does. The
// caller is in charge until drive returns.
func (c *Conn) drive() {
	w := &c.out
	for round := 0; w.out != nil || c.takeNext(); round++ {
		if c.raw == nil || round == driveRounds {
			go w.flush()
			return
		}
		w.bufs[0], w.nbufs = w.out.b[w.sent:], 1
		c.writeNow()
		w.bufs[0] = nil
		if w.terr != nil {
			c.writeFailed(w.terr)
			return
		}
		if c.progress(w.took); w.out != nil {
			go w.flush()
			return
		}
	}
}

// flush is the flusher: it sends out and next, and waits for the peer to take them.
func (c *Conn) flush() {
	w := &c.out
	for w.out != nil || c.takeNext() {
		if err := c.setWriteDeadline(); err != nil {
			c.writeFailed(err)
			return
		}
		chunk := w.out.b[w.sent:]
		n, err := c.sock.Write(chunk[:min(len(chunk), c.cfg.MaxFrame+wire.HeaderSize)])
		if err != nil {
			c.writeFailed(err)
			return
		}
		c.progress(n)
	}
}

// takeNext makes next the frames to be sent. Without any the caller is not in charge any more.
func (c *Conn) takeNext() bool {
	w := &c.out
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.next != nil && !w.broken {
		w.out, w.sent, w.next = w.next, 0, nil
		return true
	}
	if w.timed && w.by.IsZero() {
		w.timed = false
		c.sock.SetWriteDeadline(time.Time{})
	}
	w.leaveLocked()
	return false
}

// leaveLocked gives up being in charge. Who is about to fill next may be so after it. The caller holds w.mu.
func (w *writer) leaveLocked() {
	w.busy = false
	if w.idle != nil && w.corked == 0 {
		close(w.idle)
		w.idle = nil
	}
}

// progress accounts for n bytes of out that the kernel took, and gives the room to those who wait for it. The caller
// is in charge.
func (c *Conn) progress(n int) {
	w := &c.out
	if w.sent += n; w.sent == len(w.out.b) {
		c.cfg.release(w.out)
		w.out = nil
	}
	w.mu.Lock()
	w.queued -= n
	w.grantLocked()
	w.mu.Unlock()
}

// setWriteDeadline gives the peer FrameTimeout for the next write, or less when the connection is being closed.
func (c *Conn) setWriteDeadline() error {
	w := &c.out
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.broken {
		return w.err
	}
	by := time.Now().Add(c.cfg.FrameTimeout)
	if !w.by.IsZero() && w.by.Before(by) {
		by = w.by
	}
	w.timed = true
	return c.sock.SetWriteDeadline(by)
}

// writeFailed ends the connection because err came out of the socket. The caller is in charge, and is not any more
// afterwards.
func (c *Conn) writeFailed(err error) error {
	switch {
	case peerGone(err):
		err = c.lose(c.errorf("write: the peer has gone: %w", err))
	case errors.Is(err, syscall.ETIMEDOUT):
		err = c.fail(c.errorf("write: the peer does not answer: %w", err))
	case errors.Is(err, os.ErrDeadlineExceeded):
		err = c.fail(c.errorf("write: the peer took nothing for %v: %w", c.cfg.FrameTimeout, err))
	default:
		err = c.fail(c.errorf("write: %w", err))
	}
	w := &c.out
	w.mu.Lock()
	w.out, w.next = nil, nil
	w.leaveLocked()
	w.mu.Unlock()
	return err
}

// stopWriting ends the writing side at once, for the reason given unless there was one before.
func (c *Conn) stopWriting(cause error) {
	w := &c.out
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.err == nil {
		w.err = cause
	}
	w.broken = true
	c.sock.SetWriteDeadline(past)
	w.dismissLocked()
}
