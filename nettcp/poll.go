package nettcp

import "hotline/internal/wire"

// Ready reports whether the next frame is in the buffer, all of it. It never sleeps; where that pays, it looks into
// the socket for a while. A peer that is awake answers sooner than the kernel puts a thread to sleep and wakes it.
func (c *Conn) Ready() bool { return c.whole() || c.poll() && c.whole() }

// Pending reports whether the next frame is in the buffer, all of it.
func (c *Conn) Pending() bool { return c.whole() }

// whole reports whether the next frame is in the buffer.
func (c *Conn) whole() bool {
	have := c.in.buf[c.in.r:c.in.w]
	return len(have) >= wire.HeaderSize && len(have)-wire.HeaderSize >= wire.FrameLength(have) && !c.over.Load()
}

// batchReads is how many reads have to bring one frame at most, after one that brought several, until the reader
// polls again. Where several callers are at work the frames come in batches: a sleep costs all of them together what
// it costs a lone one, and makes the next batch larger, while a reader that polls takes the CPU from those who have
// something to do.
const batchReads = 16

// newRead accounts for the frames that the last read brought.
func (in *reader) newRead() {
	if in.frames > 1 {
		in.batch = batchReads
	} else if in.batch > 0 {
		in.batch--
	}
	in.frames = 0
}

// poll looks into the socket until something has come, for as long as the spinning policy allows, and reports whether it
// has. A failure that it meets is kept for Next.
func (c *Conn) poll() bool {
	in := &c.in
	if !in.spin.Enabled() || c.raw == nil || c.session != nil || in.left > 0 || in.failed != nil || c.over.Load() {
		return false
	}
	in.compact()
	if in.frames > 1 || in.batch > 0 || in.w == len(in.buf) { // or a frame longer than the buffer
		return false
	}
	in.newRead()
	in.reading.Lock()
	defer in.reading.Unlock()
	return in.spin.Wait(in.look)
}

// lookOnce reads to the buffer what has come, without waiting, and reports whether that was anything, or nothing more will.
func (c *Conn) lookOnce() bool {
	in := &c.in
	in.p, in.n, in.err = in.buf[in.w:], 0, nil
	err := c.raw.Read(in.peek) // its error is a deadline, or that the socket is closed: Next looks into it
	in.p = nil
	switch {
	case err != nil, in.n > 0:
		in.w += in.n
		return true
	case in.err != nil:
		in.failed = in.err
		return true
	}
	return false
}

// compact makes the most room behind what is in the buffer.
func (in *reader) compact() {
	if in.buf == nil {
		in.buf = make([]byte, readBuffer)
	}
	in.w = copy(in.buf, in.buf[in.r:in.w])
	in.r = 0
}
