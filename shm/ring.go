package shm

import (
	"encoding/binary"

	"hotline/internal/wire"
)

// frameAlign is where frames start in a ring: on a cache line, so that a header is never split by the ring's end, and a
// small call is one line.
const frameAlign = 64

// longestFrame is the most payload that a frame may have, whatever the ring's size. The reader copies one piece of a
// long message while the writer copies the next, both in the CPU's cache; and what a call may have of metadata fits
// half of it.
const longestFrame = 2 * wire.MaxMetadata

// lapSize is how far a writer goes into the ring before it begins at its front again, if the reader has kept up. So a
// ring takes no more memory, and no more of a CPU's cache, than its traffic needs, however large it may become.
const lapSize = 64 << 10

// rewindMark stands where a frame's header would begin, and says that the rest of the ring is left out: a frame follows
// at the ring's front. As a header it would be of kind 255, which no frame has.
const rewindMark = 0xff << 32

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

// maxFrame is the most payload that a frame in w may have: with its header a quarter of the ring at most, so that the
// writer can go on while the reader copies.
func (w *window) maxFrame() int { return int(min(w.size/4-wire.HeaderSize, longestFrame)) }

// offset is where a position lies in the ring.
func (w *window) offset(position uint64) uint64 { return position & (w.size - 1) }

// frameSpan is what a frame with n bytes of payload takes up in a ring.
func frameSpan(n int) uint64 {
	return (uint64(n) + wire.HeaderSize + frameAlign - 1) &^ (frameAlign - 1)
}

// sink is the writing end of a ring. Its user holds a lock.
//
// It uses as much of the ring as it needs. At rest it goes one short lap after another, each from the ring's front. It goes
// on beyond the lap when the reader is behind, and its laps get longer when it has to wait for room, up to the whole ring.
type sink struct {
	win    *window
	tail   uint64 // bytes ever published: the word in memory is only written from here
	head   uint64 // what the reader had taken when we last looked, checked
	skip   uint64 // bytes that the next frame leaves out before it, which are the rest of the ring; 0 for none
	first  uint64 // how long a lap is at rest; immutable
	lap    uint64 // how long it is now: first at least, at most the ring
	high   uint64 // how far into the ring frames have come since settle
	waited bool   // a frame had to wait for room since settle
}

func newSink(w *window, lap uint64) sink {
	lap = min(lap, w.size)
	return sink{win: w, first: lap, lap: lap}
}

// grown reports whether the ring may hold more memory than it needs at rest: more than two laps, as a lap ends somewhat
// behind its length.
func (s *sink) grown() bool { return s.high > 2*s.first }

// grow makes laps longer, because a frame has to wait for room.
func (s *sink) grow() { s.lap, s.waited = min(2*s.lap, s.win.size), true }

// settle makes laps short again if no frame has had to wait for room since it was called last, and reports whether the
// ring is at rest: what lies behind the first lap has not been used since either, and all was read. The error is a
// [*wire.ProtocolError].
func (s *sink) settle() (rests bool, err error) {
	rests = !s.waited && !s.grown()
	if !s.waited {
		s.lap = s.first
	}
	s.waited, s.high = false, 0
	err = s.look()
	return rests && s.head == s.tail, err
}

// fits reports whether a frame of span bytes has room. If it has, put and publish are next. The error is a
// [*wire.ProtocolError]: the peer's word is wrong.
func (s *sink) fits(span uint64) (bool, error) {
	if s.win.offset(s.tail) < s.lap && s.tail+span-s.head <= s.win.size {
		return true, nil
	}
	return s.fitsSlow(span)
}

// fitsAtOnce reports whether fits says so, and leaves what else it may say for later.
func (s *sink) fitsAtOnce(span uint64) bool {
	fits, err := s.fits(span)
	return fits && err == nil
}

// fitsSlow looks at the reader's word, which costs a cache line from the other CPU. After a lap, if little of it is
// unread, the frame goes to the ring's front. What was written of the lap is then all the room until the reader has
// followed, so half of it must be free.
func (s *sink) fitsSlow(span uint64) (bool, error) {
	if err := s.look(); err != nil {
		return false, err
	}
	at, needed := s.win.offset(s.tail), s.tail-s.head+span
	if at >= s.lap && needed <= at/2 {
		s.skip = s.win.size - at
		return true, nil
	}
	return needed <= s.win.size, nil
}

// look takes over the reader's word.
func (s *sink) look() error {
	head := s.win.head.Load()
	if head-s.head > s.tail-s.head || head%frameAlign != 0 {
		return wire.ProtocolErrorf("the ring's head went from %d to %d, its tail is %d", s.head, head, s.tail)
	}
	s.head = head
	return nil
}

// roomAt returns the head at which a frame of span bytes has room. It is only asked when there is none now, and is not 0.
func (s *sink) roomAt(span uint64) uint64 { return s.tail + span - s.win.size }

// wanted returns the head at which a writer with a frame of span bytes is to be woken. Waking costs as much as copying
// a good part of the ring, so it is to be worth it. A reader that has taken all there is has come that far.
func (s *sink) wanted(span uint64) uint64 { return s.roomAt(max(span, s.win.size/4)) }

// put copies a frame to the tail, where fits has found room for it. Nobody sees it before publish.
func (s *sink) put(h *wire.Header, metadata, payload []byte) {
	if s.skip != 0 {
		s.rewind()
	}
	at := s.win.offset(s.tail)
	h.Put(s.win.data[at : at+wire.HeaderSize])
	at = s.copyIn(at+wire.HeaderSize, metadata)
	s.copyIn(at, payload)
}

// rewind leaves out the rest of the ring. It is published with the frame that follows, so that a reader never finds
// it alone.
func (s *sink) rewind() {
	binary.LittleEndian.PutUint64(s.win.data[s.win.offset(s.tail):], rewindMark)
	s.tail += s.skip
	s.skip = 0
}

// copyIn copies p to the ring from offset at on, round its end, and returns the offset behind it, which may be the
// ring's size.
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
// What is set before a look is set by Swap and not by Store. Go makes no difference between the two, and on amd64
// they are one instruction; but the race detector's Store is a release only, which the look may overtake.
func (s *sink) publish(span uint64) bool {
	s.high = max(s.high, s.win.offset(s.tail)+span) // over the ring's size if the frame goes round its end
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
	at := s.win.offset(s.head)
	copy(b[:], s.win.data[at:]) // parsed from our own copy: the peer may be changing it
	if binary.LittleEndian.Uint64(b[:]) == rewindMark {
		skip := s.win.size - at
		if skip >= published {
			return wire.Header{}, wire.ProtocolErrorf("the ring is left at %d of %d with %d bytes published", at, s.win.size, published)
		}
		s.head, at, published = s.head+skip, 0, published-skip
		copy(b[:], s.win.data)
	}
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
