// Package pipe is the transport within one process: a pair of connections over memory, without a socket.
package pipe

import (
	"errors"
	"io"
	"sync"
	"time"

	"hotline/internal/link"
	"hotline/internal/wire"
)

// limit bounds what lies in one direction of a pipe, in bytes, beside one frame.
const limit = 1 << 20

// Conn is one end of a pipe.
type Conn struct {
	name    string
	in, out *queue
	frame   *frame // the one being read, or nil; the reader's
	left    []byte // what is left of it; the reader's
}

// frame is memory that a frame lies in. Frames that were read lend theirs to others.
type frame struct{ b []byte }

var _ link.Conn = (*Conn)(nil)

// New returns the two ends of a pipe. name is what they are called in errors and logs.
func New(name string) (a, b *Conn) {
	x, y := newQueue(), newQueue()
	return &Conn{name: name, in: x, out: y}, &Conn{name: name, in: y, out: x}
}

// Ready implements link.Conn.
func (c *Conn) Ready() bool { return c.in.ready() }

// Pending implements link.Conn.
func (c *Conn) Pending() bool { return c.in.ready() }

// Next implements link.Conn.
func (c *Conn) Next() (wire.Header, error) {
	if c.frame != nil {
		c.in.read.Put(c.frame)
		c.frame, c.left = nil, nil
	}
	frame, err := c.in.take()
	if err != nil {
		return wire.Header{}, err
	}
	c.frame, c.left = frame, frame.b[wire.HeaderSize:]
	return wire.ParseHeader(frame.b)
}

// Read implements link.Conn. It never waits: frames arrive whole.
func (c *Conn) Read(p []byte) (int, error) {
	n := copy(p, c.left)
	c.left = c.left[n:]
	return n, nil
}

// Interrupt implements link.Conn.
func (c *Conn) Interrupt() { c.in.interrupt() }

// Write implements link.Conn.
func (c *Conn) Write(stop link.Stop, h *wire.Header, metadata, payload []byte) error {
	f := c.out.memory(wire.HeaderSize + len(metadata) + len(payload))
	h.Put(f.b[:wire.HeaderSize])
	f.b = append(append(f.b[:wire.HeaderSize], metadata...), payload...)
	return c.out.put(stop, f)
}

// MaxFrame implements link.Conn.
func (c *Conn) MaxFrame() int { return wire.MaxFramePayload }

// Close implements link.Conn. The other end still gets what was written before.
func (c *Conn) Close() error {
	c.out.end(io.EOF)
	c.in.end(errClosed)
	return nil
}

// Trusted implements link.Conn: the peer is this process.
func (c *Conn) Trusted() bool { return true }

func (c *Conn) String() string { return c.name }

var (
	errClosed = errors.New("the pipe is closed")
	errGone   = errors.New("the other end of the pipe is closed")
)

// queue is one direction of a pipe.
type queue struct {
	read sync.Pool // of *frame: those that were read

	mu          sync.Mutex
	frames      []*frame      // guarded by mu
	size        int           // guarded by mu: bytes in frames
	err         error         // guarded by mu: why no more frames come; io.EOF when the writer closed
	interrupted bool          // guarded by mu: the reader's next wait ends at once
	arrived     chan struct{} // one token: something changed for the reader
	room        chan struct{} // one token: something changed for writers
}

func newQueue() *queue {
	return &queue{arrived: make(chan struct{}, 1), room: make(chan struct{}, 1)}
}

func (q *queue) ready() bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	return len(q.frames) > 0
}

// memory returns a frame with room for n bytes, of which it has none.
func (q *queue) memory(n int) *frame {
	if f, ok := q.read.Get().(*frame); ok && cap(f.b) >= n {
		f.b = f.b[:0]
		return f
	}
	return &frame{make([]byte, 0, n)}
}

// take waits for a frame.
func (q *queue) take() (*frame, error) {
	for {
		q.mu.Lock()
		switch {
		case len(q.frames) > 0 && q.err != errClosed:
			frame := q.frames[0]
			q.frames[0] = nil
			q.frames = q.frames[1:]
			q.size -= len(frame.b)
			q.mu.Unlock()
			signal(q.room)
			return frame, nil
		case q.err != nil:
			defer q.mu.Unlock()
			return nil, q.err
		case q.interrupted:
			q.interrupted = false
			q.mu.Unlock()
			return nil, link.ErrInterrupted
		}
		q.mu.Unlock()
		<-q.arrived
	}
}

// put appends a frame, waiting for room until stop.
func (q *queue) put(stop link.Stop, frame *frame) error {
	for {
		q.mu.Lock()
		switch {
		case q.err != nil:
			q.mu.Unlock()
			signal(q.room) // for the next writer
			return errGone
		case q.size < limit:
			q.frames = append(q.frames, frame)
			q.size += len(frame.b)
			more := q.size < limit
			q.mu.Unlock()
			signal(q.arrived)
			if more {
				signal(q.room)
			}
			return nil
		}
		q.mu.Unlock()
		if !wait(q.room, stop) {
			return link.ErrInterrupted
		}
	}
}

// end lets no more frames in. The reader still gets those that are there, unless it was the one that closed.
func (q *queue) end(err error) {
	q.mu.Lock()
	if q.err == nil || err == errClosed {
		q.err = err
	}
	q.mu.Unlock()
	signal(q.arrived)
	signal(q.room)
}

func (q *queue) interrupt() {
	q.mu.Lock()
	q.interrupted = true
	q.mu.Unlock()
	signal(q.arrived)
}

func signal(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}

// wait waits for a token, and reports false when stop came first.
func wait(c chan struct{}, stop link.Stop) bool {
	var late <-chan time.Time
	if !stop.Deadline.IsZero() {
		t := time.NewTimer(time.Until(stop.Deadline))
		defer t.Stop()
		late = t.C
	}
	select {
	case <-c:
		return true
	case <-stop.Done:
		return false
	case <-late:
		return false
	}
}
