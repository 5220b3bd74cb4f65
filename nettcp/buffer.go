package nettcp

import "hotline/internal/wire"

// buffer holds frames on their way out. It is a pointer all its life, so that lending it does not allocate.
type buffer struct{ b []byte }

const (
	newBuffer = 4 << 10   // what a new buffer has room for
	maxBuffer = 256 << 10 // the largest that is kept for the next user
)

// buffer lends an empty buffer.
func (c *config) buffer() *buffer {
	if b, ok := c.buffers.Get().(*buffer); ok {
		return b
	}
	return &buffer{make([]byte, 0, newBuffer)}
}

// release takes a buffer back. Nobody may hold on to it.
func (c *config) release(b *buffer) {
	if cap(b.b) <= maxBuffer {
		b.b = b.b[:0]
		c.buffers.Put(b)
	}
}

// add appends a frame.
func (b *buffer) add(h *wire.Header, metadata, payload []byte) {
	at := len(b.b)
	b.b = append(b.b, make([]byte, wire.HeaderSize)...)
	h.Put(b.b[at:])
	b.b = append(b.b, metadata...)
	b.b = append(b.b, payload...)
}
