package shm

import (
	"encoding/binary"
	"runtime"

	"hotline/internal/link"
	"hotline/internal/wire"
)

var _ link.Witness = (*Conn)(nil)

// Untaken calls each with the header of every frame that was written here and that the peer had not taken whole when
// it went. The reader's word stays when its process dies, and a frame is taken before anything is done because of it:
// so what a dead server has left was not executed. It is asked when Next has returned io.EOF, and before Close.
func (c *Conn) Untaken(each func(wire.Header)) {
	o := &c.out
	o.mu.Lock()
	defer o.mu.Unlock()
	o.untaken(each)
	runtime.KeepAlive(c)
}

// untaken walks over what is published and not taken. The peer could write to it, as to the word that says where it
// begins: where that is not what a writer leaves there, the walk ends.
func (s *sink) untaken(each func(wire.Header)) {
	if s.look() != nil {
		return
	}
	for at := s.head; at != s.tail; {
		var b [wire.HeaderSize]byte
		copy(b[:], s.win.data[s.win.offset(at):])
		span := s.win.size - s.win.offset(at) // what a rewind leaves out
		if binary.LittleEndian.Uint64(b[:]) != rewindMark {
			h, err := wire.ParseHeader(b[:])
			if span = frameSpan(int(h.Length)); err != nil || span > s.tail-at {
				return
			}
			each(h)
		}
		if span > s.tail-at {
			return
		}
		at += span
	}
}
