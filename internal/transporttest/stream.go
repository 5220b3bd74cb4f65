package transporttest

import (
	"errors"
	"io"
	"sync"
	"time"

	"hotline/internal/link"
	"hotline/internal/wire"
)

// errBroken is what a stream whose other end has gone answers.
var errBroken = errors.New("pipe: the peer has gone")

// stream is one direction of a pipe: a bounded queue of bytes.
type stream struct {
	mu        sync.Mutex
	came      sync.Cond     // readers wait for bytes, an interrupt or an end
	queue     []byte        // guarded by mu: a ring
	first, n  int           // guarded by mu: the bytes in it
	end       error         // guarded by mu: what a reader gets after the last byte; nil while the writer lives
	broken    error         // guarded by mu: what a writer gets; nil while the reader lives
	interrupt bool          // guarded by mu: the next wait of the reader is to end
	room      chan struct{} // guarded by mu: closed when there is more room; nil while nobody waits
}

func newStream(capacity int) *stream {
	s := &stream{queue: make([]byte, capacity)}
	s.came.L = &s.mu
	return s
}

// ready reports whether a frame that follows has come whole, or an end.
func (s *stream) ready() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.end != nil {
		return true
	}
	var head [wire.HeaderSize]byte
	if s.n < len(head) {
		return false
	}
	s.peekLocked(head[:])
	return s.n-len(head) >= wire.FrameLength(head[:])
}

func (s *stream) peekLocked(p []byte) {
	k := copy(p, s.queue[s.first:])
	copy(p[k:], s.queue)
}

// read waits for want bytes at least, then takes at most len(p). At the stream's end it returns the end's error, or
// io.ErrUnexpectedEOF where some bytes, but fewer than want, are left.
func (s *stream) read(p []byte, want int) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for s.n < want {
		switch {
		case s.end == io.EOF && s.n > 0:
			return 0, io.ErrUnexpectedEOF
		case s.end != nil:
			return 0, s.end
		case s.interrupt:
			s.interrupt = false
			return 0, link.ErrInterrupted
		}
		s.came.Wait()
	}
	n := min(len(p), s.n)
	s.peekLocked(p[:n])
	s.first, s.n = (s.first+n)%len(s.queue), s.n-n
	s.roomLocked()
	return n, nil
}

// wake ends a wait of the reader, or its next one.
func (s *stream) wake() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.interrupt = true
	s.came.Broadcast()
}

// write waits until all of parts fit at once, and queues them.
func (s *stream) write(stop link.Stop, parts ...[]byte) error {
	size := 0
	for _, p := range parts {
		size += len(p)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := s.makeRoomLocked(stop, size); err != nil {
		return err
	}
	for _, p := range parts {
		s.pushLocked(p)
	}
	s.came.Broadcast()
	return nil
}

func (s *stream) makeRoomLocked(stop link.Stop, size int) error {
	var late <-chan time.Time
	for s.broken == nil && len(s.queue)-s.n < size {
		if late == nil && !stop.Deadline.IsZero() {
			timer := time.NewTimer(time.Until(stop.Deadline))
			defer timer.Stop()
			late = timer.C
		}
		if s.room == nil {
			s.room = make(chan struct{})
		}
		room, over := s.room, false
		s.mu.Unlock()
		select {
		case <-room:
		case <-stop.Done:
			over = true
		case <-late:
			over = true
		}
		s.mu.Lock()
		if over && s.broken == nil {
			return link.ErrInterrupted
		}
	}
	return s.broken
}

func (s *stream) pushLocked(p []byte) {
	at := (s.first + s.n) % len(s.queue)
	k := copy(s.queue[at:], p)
	copy(s.queue, p[k:])
	s.n += len(p)
}

// roomLocked wakes the writers that wait.
func (s *stream) roomLocked() {
	if s.room != nil {
		close(s.room)
		s.room = nil
	}
}

// finish is the writer's end: what was written before is still read, then comes err.
func (s *stream) finish(err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.end == nil {
		s.end = err
	}
	s.came.Broadcast()
}

// cut is the reader's end for itself: what has come is dropped, and every read gets err.
func (s *stream) cut(err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.end, s.n = err, 0
	s.came.Broadcast()
}

// abandon ends writing: writers, also those that wait, get err. This side's own end counts more than the other's.
func (s *stream) abandon(err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.broken == nil || err == link.ErrClosed {
		s.broken = err
	}
	s.roomLocked()
}
