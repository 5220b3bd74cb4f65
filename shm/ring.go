package shm

import (
	"hotline/internal/wire"
)

// frameAlign is where frames start in a ring: on a cache line, so that a header is never split by the ring's end, and a
// small call is one line.
const frameAlign = 64

// window is one direction's memory: a header and a ring. It is shared with the peer.
type window struct {
	*header
	data []byte // the ring; its contents change under our hands
	size uint64 // len(data), a power of two; immutable, unlike the word of that name in the header
}

// initialise writes what stays the same in a new window of zeroed memory.
func (w *window) initialise() {
	w.header.magic.Store(ringMagic)
	w.header.version.Store(ringVersion)
	w.header.size.Store(w.size)
}

// check reports whether a window made by the peer is what it was said to be.
func (w *window) check() error {
	magic, version, size := w.header.magic.Load(), w.header.version.Load(), w.header.size.Load()
	if magic != ringMagic || version != ringVersion || size != w.size {
		return wire.ProtocolErrorf("window with magic %#x, version %d and size %d, should be %#x, %d and %d",
			magic, version, size, uint32(ringMagic), ringVersion, w.size)
	}
	return nil
}

// maxFrame is the most payload that a frame in w may have: a quarter of the ring with its header, so that the
// writer can go on while the reader copies.
func (w *window) maxFrame() int {
	return int(min(w.size/4, wire.MaxFramePayload)) - wire.HeaderSize
}

// frameSpan is what a frame with n bytes of payload takes up in a ring.
func frameSpan(n int) uint64 {
	return (uint64(n) + wire.HeaderSize + frameAlign - 1) &^ (frameAlign - 1)
}

// sink is the writing end of a ring. Its user holds a lock.
type sink struct {
	win  *window
	tail uint64 // bytes ever published: the word in memory is only written from here
	head uint64 // what the reader had taken when we last looked, checked
}

// fits reports whether a frame of span bytes has room. The error is a [*wire.ProtocolError]: the peer's word is wrong.
func (s *sink) fits(span uint64) (bool, error) {
	if s.tail+span-s.head <= s.win.size {
		return true, nil
	}
	return s.fitsSlow(span)
}

// fitsSlow looks at the reader's word, which costs a cache line from the other CPU.
func (s *sink) fitsSlow(span uint64) (bool, error) {
	head := s.win.head.Load()
	if head-s.head > s.tail-s.head || head%frameAlign != 0 {
		return false, wire.ProtocolErrorf("the ring's head went from %d to %d, its tail is %d", s.head, head, s.tail)
	}
	s.head = head
	return s.tail+span-head <= s.win.size, nil
}

// wanted returns the head at which a frame of span bytes has room. It is only asked when there is none now, and is not 0.
func (s *sink) wanted(span uint64) uint64 { return s.tail + span - s.win.size }

// put copies a frame to the tail, where fits has found room for it. Nobody sees it before publish.
func (s *sink) put(h *wire.Header, metadata, payload []byte) {
	at := s.tail & (s.win.size - 1)
	h.Put(s.win.data[at : at+wire.HeaderSize])
	at = s.copyIn(at+wire.HeaderSize, metadata)
	s.copyIn(at, payload)
}

// copyIn copies p to the ring from offset at on, round its end, and returns the offset behind it, which may be the ring's size.
func (s *sink) copyIn(at uint64, p []byte) uint64 {
	n := copy(s.win.data[at:], p)
	if n == len(p) {
		return at + uint64(n)
	}
	return uint64(copy(s.win.data, p[n:]))
}

// publish shows the reader the frame of span bytes that was put, whole, and reports whether the reader sleeps and is
// ours to wake.
//
// No wake-up is lost: the reader sets asleep and then looks at tail, we set tail and then look at asleep. All four are
// sequentially consistent, so that at least one of the two sees what the other did. Several writers may find asleep set;
// the swap leaves the doorbell to one.
//
// What is set before a look is set by Swap and not by Store. Go makes no difference between the two, and on amd64 they are one
// instruction; but the race detector's Store is a release only, which the look may overtake.
func (s *sink) publish(span uint64) bool {
	s.tail += span
	s.win.tail.Swap(s.tail)
	return s.win.asleep.Load() != 0 && s.win.asleep.Swap(0) != 0
}

// source is the reading end of a ring. One goroutine at a time uses it.
type source struct {
	win  *window
	head uint64 // bytes ever taken: the word in memory is only written from here
	end  uint64 // head after the present frame
	at   uint64 // offset in data of the payload that is left; may be the ring's size
	left uint64 // bytes of it
	open bool   // a frame was begun and not yet taken
}

// ready reports whether anything is published behind the present frame.
func (s *source) ready() bool { return s.win.tail.Load() != s.head }

// next begins the frame at the head, once ready was true. The error is a [*wire.ProtocolError].
func (s *source) next() (wire.Header, error) {
	tail := s.win.tail.Load()
	published := tail - s.head
	if published > s.win.size || tail%frameAlign != 0 || published == 0 {
		return wire.Header{}, wire.ProtocolErrorf("the ring's tail is %d, its head %d, its size %d", tail, s.head, s.win.size)
	}
	var b [wire.HeaderSize]byte
	at := s.head & (s.win.size - 1)
	copy(b[:], s.win.data[at:]) // parsed from our own copy: the peer may be changing it
	h, err := wire.ParseHeader(b[:])
	if err != nil {
		return wire.Header{}, err
	}
	span := frameSpan(int(h.Length))
	if int(h.Length) > s.win.maxFrame() || span > published {
		return wire.Header{}, wire.ProtocolErrorf("%s frame of %d bytes in a ring of %d with %d bytes published",
			h.Kind, h.Length, s.win.size, published)
	}
	s.end, s.at, s.left, s.open = s.head+span, at+wire.HeaderSize, uint64(h.Length), true
	return h, nil
}

// read copies what is left of the present frame to p, as far as p goes.
func (s *source) read(p []byte) int {
	p = p[:min(uint64(len(p)), s.left)]
	n := copy(p, s.win.data[s.at:])
	s.at += uint64(n)
	if n < len(p) {
		s.at = uint64(copy(p[n:], s.win.data))
	}
	s.left -= uint64(len(p))
	return len(p)
}

// cut takes the last bytes of the present frame's payload off it, as many as p has.
func (s *source) cut(p []byte) {
	s.left -= uint64(len(p))
	at := s.at + s.left
	if at >= s.win.size {
		at -= s.win.size
	}
	n := copy(p, s.win.data[at:])
	copy(p[n:], s.win.data)
}

// finish gives the present frame's room back to the writer, and reports whether a writer waits for it and is ours to wake.
//
// The same argument as for publish holds: the writer sets want and then looks at head, we set head and then look
// at want.
func (s *source) finish() bool {
	s.head, s.left, s.open = s.end, 0, false
	s.win.head.Swap(s.head)
	want := s.win.want.Load()
	return want != 0 && s.head >= want && s.win.want.Swap(0) != 0
}

// sleep says that the reader is about to sleep. Look at ready once more after it.
func (s *source) sleep() { s.win.asleep.Swap(1) }

// wake says that it no longer does.
func (s *source) wake() { s.win.asleep.Store(0) }
