package link

import (
	"encoding/binary"
	"fmt"
	"io"

	"hotline/internal/wire"
)

// How many bytes the sender of a stream may be ahead of its consumer. Before that has begun to consume, and while other streams
// have the link's allowance, it is wire.StreamWindow, so that streams nobody reads hold little.
const (
	wideWindow = 256 << 10 // of a consumer that has begun
	fullWindow = 1 << 20   // of one that goes on: over a socket both sides sleep once for a part of it
)

// maxChunk is the largest buffer that is made for frames smaller than it, in bytes.
const maxChunk = 16 << 10

// inflow is the receiving direction of a stream. What is not marked otherwise is guarded by the link's mu.
type inflow struct {
	s       *Stream
	wait    *call    // the consumer's
	open    bool     // the peer may send: its end has not come
	dropped bool     // nobody consumes: what comes is checked and dropped
	err     error    // what the consumer gets when it has consumed all; io.EOF after a good end
	allowed int      // bytes that the peer may still send
	came    int64    // bytes that it has sent
	window  int      // how many bytes the peer may be ahead
	telling int      // goroutines that tell the peer something of this direction
	chunks  []*chunk // what has come, the oldest first
	limit   int      // of an item, in bytes; immutable

	// The present frame is read into what is left of the last chunk, and into a new one.
	filling [2]*chunk // nil for none
	spans   [2][]byte // what of them is still to be filled; the reader's

	// These belong to the consumer.
	view   []byte // the part of chunks[0] that is being consumed
	viewed int    // its length in the beginning
	taken  int    // bytes consumed for which no credit was given yet
	part   []byte // an item that did not come in one piece
}

// chunk is a buffer with bytes that have come.
type chunk struct {
	buf        *buffer
	begin, end int // what the consumer has not seen yet
	coming     int // bytes behind that which are being read
}

// acceptLocked lets the present frame be read into the stream.
func (f *inflow) acceptLocked(in *inbound) error {
	n := int(in.head.Length)
	if !f.open {
		return wire.ProtocolErrorf("an item after the end of its stream")
	}
	if n > f.allowed {
		return wire.ProtocolErrorf("%d bytes of a stream that had credit for %d", n, f.allowed)
	}
	f.allowed -= n
	f.came += int64(n)
	if f.dropped {
		return nil
	}
	f.makeRoomLocked(n)
	in.flow = f
	return nil
}

// makeRoomLocked says where the n bytes of the present frame go. All chunks but the last are full: what is held is what the peer
// had credit for, or a little more.
func (f *inflow) makeRoomLocked(n int) {
	size := 0
	if last := len(f.chunks) - 1; last >= 0 {
		c := f.chunks[last]
		n -= f.fillLocked(0, c, n)
		size = min(2*cap(c.buf.b), maxChunk)
	}
	if n == 0 {
		return
	}
	c := &chunk{buf: f.s.buffers.getWithin(n, max(n, size), n+f.allowed)}
	f.chunks = append(f.chunks, c)
	f.fillLocked(1, c, n)
}

// fillLocked lets up to n bytes of the present frame be read into c, and returns how many fit.
func (f *inflow) fillLocked(i int, c *chunk, n int) int {
	n = min(n, cap(c.buf.b)-c.end)
	if n > 0 {
		c.coming = n
		f.filling[i], f.spans[i] = c, c.buf.b[c.end:c.end+n]
	}
	return n
}

// room is where the next bytes of the present frame go. It is the reader's, as took is.
func (f *inflow) room() []byte {
	if len(f.spans[0]) > 0 {
		return f.spans[0]
	}
	return f.spans[1]
}

// took accounts for n bytes read into room.
func (f *inflow) took(n int) {
	if len(f.spans[0]) > 0 {
		f.spans[0] = f.spans[0][n:]
	} else {
		f.spans[1] = f.spans[1][n:]
	}
}

// arrivedLocked hands the frame that was read to the consumer.
func (f *inflow) arrivedLocked() {
	for i, c := range f.filling {
		if c == nil {
			continue
		}
		f.filling[i], f.spans[i] = nil, nil
		c.end, c.coming = c.end+c.coming, 0
		if f.dropped && c.begin == 0 {
			f.s.buffers.put(c.buf)
		}
	}
	if !f.dropped {
		f.s.end.wakeLocked(f.wait)
	}
}

// endLocked lets the consumer see the stream's end behind what has come. Only the first counts.
func (f *inflow) endLocked(err error) {
	if f.err == nil {
		f.err = err
	}
	f.s.end.wakeLocked(f.wait)
}

// dropLocked frees what has come: nobody consumes any more. A buffer that the consumer may have a part of, or that is being
// read into, is left alone.
func (f *inflow) dropLocked() {
	if f.dropped {
		return
	}
	f.dropped = true
	for _, c := range f.chunks {
		if c.coming == 0 && c.begin == 0 {
			f.s.buffers.put(c.buf)
		}
	}
	f.chunks = nil
	f.narrowLocked()
}

// narrowLocked gives the allowance back: no more credit is given.
func (f *inflow) narrowLocked() {
	f.s.allowance.give(f.window - wire.StreamWindow)
	f.window = wire.StreamWindow
}

// widenLocked lets the peer be ahead by more where the link's allowance lasts, and returns by how many bytes. A full window is
// for the few: half of the allowance is left to streams that have begun.
func (f *inflow) widenLocked() int {
	next, spare := wideWindow, 0
	if f.window >= wideWindow {
		next, spare = fullWindow, streamAllowance/2
	}
	n := next - f.window
	if n == 0 || !f.s.allowance.take(n, spare) {
		return 0
	}
	f.window = next
	return n
}

// more makes view hold something, waiting for it.
func (f *inflow) more() error {
	s := f.s
	s.mu.Lock()
	defer s.mu.Unlock()
	f.taken += f.viewed
	f.view, f.viewed = nil, 0
	for {
		if !s.livesLocked() {
			return s.quit
		}
		if f.dropped {
			return errOver
		}
		if n := f.dueLocked(); n > 0 {
			f.grantLocked(n)
			continue
		}
		if f.advanceLocked() {
			return nil
		}
		if f.err != nil {
			f.narrowLocked()
			return f.err
		}
		s.end.sleepLocked(s, f.wait)
	}
}

// advanceLocked puts the oldest bytes into view, and reports whether there are any.
func (f *inflow) advanceLocked() bool {
	for len(f.chunks) > 0 {
		c := f.chunks[0]
		if c.begin < c.end {
			f.view = c.buf.b[c.begin:c.end]
			f.viewed = len(f.view)
			c.begin = c.end
			return true
		}
		if c.coming > 0 {
			return false
		}
		f.s.buffers.put(c.buf)
		f.chunks[0] = nil
		f.chunks = f.chunks[1:]
	}
	return false
}

// dueLocked returns for how many bytes credit is to be given now: half a window at once, so that it costs little.
func (f *inflow) dueLocked() int {
	if !f.open || f.taken < f.window/2 {
		return 0
	}
	n := f.taken + f.widenLocked()
	f.taken = 0
	f.allowed += n
	return n
}

// grantLocked tells the peer of its credit. When the peer has gone, what it sent is still to be consumed, and its end comes behind
// that.
func (f *inflow) grantLocked(n int) {
	f.tellLocked(&wire.Header{Kind: wire.KindCredit, ID: f.s.id, Timeout: uint64(n)})
}

// tellLocked writes a frame that says something of this direction. mu is given back meanwhile.
func (f *inflow) tellLocked(h *wire.Header) {
	s := f.s
	f.telling++
	s.mu.Unlock()
	if err := s.conn.Write(s.stop, h, nil, nil); err != nil {
		s.end.unwritten(s, err)
	}
	s.mu.Lock()
	if f.telling--; f.telling == 0 {
		s.out.idle.Broadcast()
	}
}

// toldLocked waits until nothing more is told: a peer that has the reply hears nothing more of its call.
func (f *inflow) toldLocked() {
	for f.telling > 0 {
		f.s.out.idle.Wait()
	}
}

// Wait waits until something has come, or returns why nothing will.
func (s *Stream) Wait() error {
	if len(s.in.view) > 0 {
		return nil
	}
	return s.in.more()
}

// Read reads the stream as bytes. It returns io.EOF at its end.
func (s *Stream) Read(p []byte) (int, error) {
	if len(p) == 0 {
		return 0, nil
	}
	if err := s.Wait(); err != nil {
		return 0, err
	}
	f := &s.in
	n := copy(p, f.view)
	f.view = f.view[n:]
	return n, nil
}

// Next waits for bytes and returns all that lie in one piece, lent until the next call. It returns io.EOF at the
// stream's end.
func (s *Stream) Next() ([]byte, error) {
	if err := s.Wait(); err != nil {
		return nil, err
	}
	b := s.in.view
	s.in.view = nil
	return b, nil
}

// Recv waits for the next item, which is lent until the next call. It returns io.EOF at the stream's end: on a client that
// means that the call has ended, and [ClientStream.Finish] says how.
func (s *Stream) Recv() ([]byte, error) {
	if err := s.Wait(); err != nil {
		return nil, err
	}
	f := &s.in
	size, n := binary.Uvarint(f.view)
	if n <= 0 || size > uint64(len(f.view)-n) {
		return f.itemSlow()
	}
	if size > uint64(f.limit) {
		return nil, f.tooLarge(size)
	}
	item := f.view[n : n+int(size)]
	f.view = f.view[n+int(size):]
	return item, nil
}

// itemSlow puts an item together that lies in several chunks. Room is made as its bytes come, whatever it announces.
func (f *inflow) itemSlow() ([]byte, error) {
	part := f.part[:0]
	if cap(part) > wideWindow {
		part = nil
	}
	for want := 1; ; {
		for len(part) < want {
			if len(f.view) == 0 {
				if err := f.more(); err == io.EOF {
					return nil, fmt.Errorf("the stream ends within an item: %w", io.ErrUnexpectedEOF)
				} else if err != nil {
					return nil, err
				}
			}
			n := min(want-len(part), len(f.view))
			part = append(part, f.view[:n]...)
			f.view = f.view[n:]
		}
		f.part = part
		size, n := binary.Uvarint(part)
		switch {
		case n < 0 || size > uint64(f.limit):
			return nil, f.tooLarge(size)
		case n == 0:
			want++
		case want == n+int(size):
			return part[n:], nil
		default:
			want = n + int(size)
		}
	}
}

func (f *inflow) tooLarge(size uint64) error {
	return &TooLargeError{What: "one item", Size: int(min(size, 1<<62)), Limit: f.limit}
}
