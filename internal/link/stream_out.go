package link

import (
	"encoding/binary"
	"sync"
	"time"

	"hotline/internal/wire"
)

// How items are put together in frames. An item that comes quick behind the one before, or while a frame is being
// written, is left for the flusher, a goroutine that writes what there is until nothing is left; any other is written
// by its producer at once. So the items of a slow producer wait for nobody, those of a quick one share frames as long
// as the link is busy with the one before, and none waits for a timer.
const (
	quickItem  = 10 * time.Microsecond // about what a goroutine's start costs, or a write on a socket
	maxBatch   = 16 << 10              // bytes that may lie there until the producer writes itself
	smallBatch = 2 << 10               // likewise, while other streams have the link's allowance
)

// How many bytes are best written at once, by who copies from elsewhere.
const (
	maxCopy   = 64 << 10
	smallCopy = 4 << 10
)

// maxCredit bounds the credit that a peer gives, in bytes.
const maxCredit = 1<<31 - 1

// outflow is the sending direction of a stream. What is not marked otherwise is guarded by the link's mu.
type outflow struct {
	s       *Stream
	wait    *call     // the producer's, when it waits for credit
	credit  int       // bytes that may be sent
	pending []byte    // what is to be sent
	lent    *buffer   // what pending began in
	spare   []byte    // what is being sent; of who writes
	writing bool      // somebody writes: the producer, or the flusher
	idle    sync.Cond // broadcast when nobody writes, or tells of the other direction, any more
	given   int64     // bytes that were given to be sent
	closed  bool      // the end was sent, or is being sent
	err     error     // why nothing more can be sent
	batch   int       // bytes that may be pending until the producer writes itself
	limit   int       // of an item, in bytes; immutable
	last    int64     // when the last item was given; the producer's
	prefix  [binary.MaxVarintLen64]byte
}

// Send sends one item. It waits while the other side has not consumed enough; when it returns, item belongs to the caller
// again and will arrive if the stream is ended well. Its errors are [ErrStopped], or why the call has ended.
func (s *Stream) Send(item []byte) error {
	f := &s.out
	if len(item) > f.limit {
		return &TooLargeError{What: "one item", Size: len(item), Limit: f.limit}
	}
	return f.send(binary.AppendUvarint(f.prefix[:0], uint64(len(item))), item)
}

// Write sends bytes, for [Stream.Read] to read.
func (s *Stream) Write(p []byte) (int, error) {
	if err := s.out.send(nil, p); err != nil {
		return 0, err
	}
	return len(p), nil
}

func (f *outflow) send(prefix, b []byte) error {
	now := f.s.clock.now()
	quick := now-f.last < int64(quickItem)
	f.last = now
	f.s.mu.Lock()
	defer f.s.mu.Unlock()
	if !f.s.livesLocked() || f.err != nil {
		return f.err
	}
	f.given += int64(len(prefix) + len(b))
	if len(f.pending)+len(b) > f.batch {
		f.widenLocked()
	}
	f.addLocked(prefix)
	large := len(b) > f.batch
	if !large {
		f.addLocked(b)
		b = nil
	}
	if large || !quick && !f.writing || len(f.pending) > f.batch {
		err := f.flushLocked(b)
		f.last = f.s.clock.now() // the time that it took says nothing of the producer
		return err
	}
	f.rouseLocked()
	return nil
}

// widenLocked lets more be pending, where the link's allowance lasts.
func (f *outflow) widenLocked() {
	if f.batch < maxBatch && f.err == nil && f.s.allowance.take(batchShare, 0) {
		f.batch = maxBatch
	}
}

// narrowLocked gives the allowance back: nothing more is sent.
func (f *outflow) narrowLocked() {
	if f.batch == maxBatch {
		f.batch = smallBatch
		f.s.allowance.give(batchShare)
	}
}

// Batch returns how many bytes are best given to Write at once by who copies them from elsewhere.
func (s *Stream) Batch() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.out.widenLocked(); s.out.batch == maxBatch {
		return maxCopy
	}
	return smallCopy
}

func (f *outflow) addLocked(b []byte) {
	if f.lent == nil {
		f.lent = f.s.buffers.get(len(b))
		f.pending = f.lent.b
	}
	f.pending = append(f.pending, b...)
}

// rouseLocked starts the flusher where there is something for it to do.
func (f *outflow) rouseLocked() {
	if f.writing || f.err != nil || f.credit == 0 || len(f.pending) == 0 {
		return
	}
	f.writing = true
	f.s.end.spawnLocked(f.flusher)
}

// flusher writes what is pending as far as credit goes.
func (f *outflow) flusher() {
	f.s.mu.Lock()
	defer f.s.mu.Unlock()
	for len(f.pending) > 0 && f.credit > 0 && f.err == nil {
		f.writePendingLocked()
	}
	f.releaseLocked()
}

// flushLocked writes what is pending and then b, waiting for credit.
func (f *outflow) flushLocked(b []byte) error {
	for f.writing {
		f.idle.Wait()
	}
	f.writing = true
	for len(f.pending) > 0 && f.creditLocked() {
		f.writePendingLocked()
	}
	for len(b) > 0 && f.creditLocked() {
		n := min(len(b), f.credit, f.s.conn.MaxFrame())
		f.writeLocked(b[:n])
		b = b[n:]
	}
	f.releaseLocked()
	return f.err
}

// creditLocked waits for credit, and reports whether there is any.
func (f *outflow) creditLocked() bool {
	for f.credit == 0 && f.err == nil {
		f.s.end.sleepLocked(f.s, f.wait)
	}
	return f.err == nil
}

func (f *outflow) writePendingLocked() {
	n := min(len(f.pending), f.credit, f.s.conn.MaxFrame())
	f.spare = append(f.spare[:0], f.pending[:n]...)
	f.pending = f.pending[:copy(f.pending, f.pending[n:])]
	f.writeLocked(f.spare)
}

// writeLocked writes one frame, with mu given back meanwhile.
func (f *outflow) writeLocked(b []byte) {
	f.credit -= len(b)
	h := wire.Header{Kind: wire.KindItem, ID: f.s.id, Length: uint32(len(b)), Total: uint32(len(b))}
	f.framedLocked(&h, b)
}

func (f *outflow) framedLocked(h *wire.Header, b []byte) {
	f.s.mu.Unlock()
	err := f.s.conn.Write(f.s.stop, h, nil, b)
	if err != nil {
		err = f.s.end.unwritten(f.s, err)
	}
	f.s.mu.Lock()
	if err != nil && f.err == nil {
		f.err = err
	}
}

// releaseLocked lets others write.
func (f *outflow) releaseLocked() {
	f.writing = false
	if f.batch == smallBatch && cap(f.spare) > smallBatch {
		f.spare = nil // one of many
	}
	f.idle.Broadcast()
}

// failLocked lets nothing more be sent. Only the first cause counts.
func (f *outflow) failLocked(err error) {
	if f.err == nil {
		f.err = err
	}
	f.s.end.wakeLocked(f.wait)
}

// grantLocked takes credit that the peer gave.
func (f *outflow) grantLocked(n uint64) error {
	if n == 0 || n > uint64(maxCredit-f.credit) {
		return wire.ProtocolErrorf("a credit of %d bytes for a stream that has %d", n, f.credit)
	}
	f.credit += int(n)
	f.s.end.wakeLocked(f.wait)
	f.rouseLocked()
	return nil
}

// shutLocked ends the direction: what is being written is written first, and nothing after it.
func (f *outflow) shutLocked(why error) {
	f.failLocked(why)
	for f.writing {
		f.idle.Wait()
	}
	if f.lent != nil {
		f.lent.b = f.pending
		f.s.buffers.put(f.lent)
		f.lent, f.pending = nil, nil
	}
	f.narrowLocked()
}
