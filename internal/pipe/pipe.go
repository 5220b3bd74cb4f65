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
	frame   []byte // what is left of the frame being read; the reader's
}

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
	frame, err := c.in.take()
	if err != nil {
		return wire.Header{}, err
	}
	c.frame = frame[wire.HeaderSize:]
	return wire.ParseHeader(frame)
}

// Read implements link.Conn. It never waits: frames arrive whole.
func (c *Conn) Read(p []byte) (int, error) {
	n := copy(p, c.frame)
	c.frame = c.frame[n:]
	return n, nil
}

// Interrupt implements link.Conn.
func (c *Conn) Interrupt() { c.in.interrupt() }

// Write implements link.Conn.
func (c *Conn) Write(stop link.Stop, h *wire.Header, metadata, payload []byte) error {
	frame := make([]byte, wire.HeaderSize, wire.HeaderSize+len(metadata)+len(payload))
	h.Put(frame)
	return c.out.put(stop, append(append(frame, metadata...), payload...))
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
	mu          sync.Mutex
	frames      [][]byte      // guarded by mu
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

// take waits for a frame.
func (q *queue) take() ([]byte, error) {
	for {
		q.mu.Lock()
		switch {
		case len(q.frames) > 0 && q.err != errClosed:
			frame := q.frames[0]
			q.frames[0] = nil
			q.frames = q.frames[1:]
			q.size -= len(frame)
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
func (q *queue) put(stop link.Stop, frame []byte) error {
	for {
		q.mu.Lock()
		switch {
		case q.err != nil:
			q.mu.Unlock()
			signal(q.room) // for the next writer
			return errGone
		case q.size < limit:
			q.frames = append(q.frames, frame)
			q.size += len(frame)
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
