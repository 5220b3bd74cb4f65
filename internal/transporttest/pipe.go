package transporttest

import (
	"io"

	"hotline/internal/link"
	"hotline/internal/wire"
)

// PipeOptions say what a pipe is like. Zero fields mean the defaults; nil too.
type PipeOptions struct {
	MaxFrame  int  // 64 KiB by default
	Capacity  int  // bytes that a direction holds; room for four of the largest frames by default
	Untrusted bool // Trusted answers false
}

// PipeConn is one end of a connection within memory. It keeps the whole contract of [link.Conn], knows no system call and
// needs no goroutine, so that it can be used where nothing is to be tested but the engine, and within testing/synctest.
type PipeConn struct {
	in, out   *stream
	maxFrame  int
	untrusted bool

	head [wire.HeaderSize]byte // the reader's
	left int                   // the reader's: payload bytes of the present frame
	bad  error                 // the reader's: why nothing can be read any more
}

var _ link.Conn = (*PipeConn)(nil)

// Pipe returns the two ends of a connection within memory.
func Pipe(o *PipeOptions) (a, b *PipeConn) {
	conn, raw := RawPipe(o)
	return conn, &PipeConn{in: raw.in, out: raw.out, maxFrame: conn.maxFrame, untrusted: conn.untrusted}
}

// RawPipe returns a connection, and its other end as plain bytes, for what no proper peer would send.
func RawPipe(o *PipeOptions) (*PipeConn, *Raw) {
	var v PipeOptions
	if o != nil {
		v = *o
	}
	if v.MaxFrame == 0 {
		v.MaxFrame = 64 << 10
	}
	if v.Capacity == 0 {
		v.Capacity = 4 * (v.MaxFrame + wire.HeaderSize)
	}
	v.Capacity = max(v.Capacity, v.MaxFrame+wire.HeaderSize)
	there, back := newStream(v.Capacity), newStream(v.Capacity)
	return &PipeConn{in: back, out: there, maxFrame: v.MaxFrame, untrusted: v.Untrusted}, &Raw{in: there, out: back}
}

func (c *PipeConn) Ready() bool { return c.bad != nil || c.in.ready() }

func (c *PipeConn) Pending() bool { return c.Ready() }

func (c *PipeConn) Next() (wire.Header, error) {
	if c.bad == nil && c.left > 0 {
		panic("Next was called with payload left to read")
	}
	if err := c.readFull(c.head[:]); err != nil {
		return wire.Header{}, err
	}
	h, err := wire.ParseHeader(c.head[:])
	if err != nil {
		return wire.Header{}, c.broke(err)
	}
	c.left = int(h.Length)
	return h, nil
}

func (c *PipeConn) readFull(p []byte) error {
	if c.bad != nil {
		return c.bad
	}
	if _, err := c.in.read(p, len(p)); err != nil {
		return c.broke(err)
	}
	return nil
}

// broke remembers what ended the connection.
func (c *PipeConn) broke(err error) error {
	if err != link.ErrInterrupted {
		c.bad = err
	}
	return err
}

func (c *PipeConn) Read(p []byte) (int, error) {
	p = p[:min(len(p), c.left)]
	if len(p) == 0 || c.bad != nil {
		return 0, c.bad
	}
	n, err := c.in.read(p, 1)
	c.left -= n
	if err == io.EOF {
		err = io.ErrUnexpectedEOF
	}
	if err != nil {
		return n, c.broke(err)
	}
	return n, nil
}

func (c *PipeConn) Interrupt() { c.in.wake() }

func (c *PipeConn) Write(stop link.Stop, h *wire.Header, metadata, payload []byte) error {
	var front [wire.HeaderSize]byte
	h.Put(front[:])
	if len(metadata)+len(payload) != int(h.Length) || int(h.Length) > c.maxFrame {
		panic("a frame whose length is wrong was written")
	}
	return c.out.write(stop, front[:], metadata, payload)
}

func (c *PipeConn) MaxFrame() int { return c.maxFrame }

func (c *PipeConn) Close() error {
	c.in.cut(link.ErrClosed)
	c.in.abandon(errBroken)
	c.out.abandon(link.ErrClosed)
	c.out.finish(io.EOF)
	return nil
}

func (c *PipeConn) Trusted() bool { return !c.untrusted }

func (c *PipeConn) String() string { return "pipe:" }

// Raw is the other end of a [PipeConn], as plain bytes.
type Raw struct{ in, out *stream }

// Read reads what the connection sent.
func (r *Raw) Read(p []byte) (int, error) { return r.in.read(p, 1) }

// Write sends bytes, as many at once as the pipe holds.
func (r *Raw) Write(p []byte) (int, error) {
	for done := 0; done < len(p); {
		n := min(len(p)-done, len(r.out.queue)/2)
		if err := r.out.write(link.Stop{}, p[done:done+n]); err != nil {
			return done, err
		}
		done += n
	}
	return len(p), nil
}

// Close ends both directions, as a peer that dies does: what was written is still read.
func (r *Raw) Close() error {
	r.CloseWrite()
	r.CloseRead()
	return nil
}

// CloseWrite ends what the connection reads, behind what was written.
func (r *Raw) CloseWrite() { r.out.finish(io.EOF) }

// CloseRead makes the connection's writes fail. What it has written can still be read.
func (r *Raw) CloseRead() { r.in.abandon(errBroken) }
