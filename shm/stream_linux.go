package shm

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"hotline/internal/link"
	"hotline/internal/wire"
)

var _ net.Conn = (*Stream)(nil)

// kindData is the kind of the frames that carry a byte stream. The rendezvous has agreed that there are no calls on this
// connection, so a frame says nothing but how many bytes it holds.
const kindData = wire.KindCall

// streamPiece is the most that a Write puts into one frame, which is then 16 KiB of the ring, the longest that the
// smallest ring takes. The reader copies one piece while the writer copies the next; with pieces of 64 KiB or 8 KiB a 64 KiB Write
// was slower.
const streamPiece = MinRingSize/4 - wire.HeaderSize

// errBroken is what a Write finds when the peer has gone, as one on a unix socket does: a broken pipe.
var errBroken = fmt.Errorf("%w (%w)", ErrPeerGone, syscall.EPIPE)

// Stream is one end of a connection through shared memory that carries bytes: a [net.Conn]. It is made by
// [DialStream] or [StreamListener.Accept], and behaves as a unix stream socket does.
//
// All its methods may be called by any goroutine at any time. Reads take turns, and so do writes: the bytes of one Write stay
// together. The caller owns p before and after Read and Write; neither keeps it.
//
// Errors are io.EOF or a [*net.OpError]. Within that, errors.Is finds os.ErrDeadlineExceeded after a deadline,
// net.ErrClosed after Close, syscall.EPIPE and [ErrPeerGone] for a Write to a peer that has gone, syscall.EPIPE for one
// after CloseWrite, and syscall.ECONNRESET where bytes were lost; errors.As finds a [*wire.ProtocolError] for a peer
// that broke the rules.
//
// A peer that has closed and one that was killed look alike, as the kernel closes for the dead. What it wrote is
// read to its end, whole Writes and the part of the last one that had come. Then Read returns io.EOF,
// or syscall.ECONNRESET if the peer has left something unread that was written here and has not called CloseWrite.
type Stream struct {
	conn          *Conn
	local, remote Addr

	reading sync.Mutex
	left    int // bytes of the present frame; guarded by reading
	readBy  deadline

	writing sync.Mutex
	header  wire.Header // of the frame that is written; guarded by writing
	told    bool        // the peer knows of our CloseWrite; guarded by writing
	writeBy deadline

	closed atomic.Bool // by Close
	shut   atomic.Bool // by CloseWrite
}

// DialStream connects to the [StreamListener] at path. ctx and Options.HandshakeTimeout bound the dialling, not
// the connection, which is the caller's to close. Errors are those of [Dial]; a listener of the other kind
// answers with a [*RefusedError].
func DialStream(ctx context.Context, path string, opts *Options) (*Stream, error) {
	c, err := dialFor(ctx, path, opts, true)
	if err != nil {
		return nil, err
	}
	return newStream(c, "", Addr(path)), nil
}

func newStream(c *Conn, local, remote Addr) *Stream {
	s := &Stream{conn: c, local: local, remote: remote}
	s.readBy.wake = c.Interrupt
	return s
}

// Read copies what has come into p, as much as there is and p can hold. It waits while there is nothing, and returns
// io.EOF after the last byte that the peer has written before its Close or CloseWrite. With an empty p it returns 0 at once.
func (s *Stream) Read(p []byte) (n int, err error) {
	if len(p) == 0 && !s.closed.Load() {
		return 0, nil
	}
	s.reading.Lock()
	defer s.reading.Unlock()
	if err := s.readError(); err != nil {
		return 0, s.opError("read", err)
	}
	if s.left == 0 {
		if err := s.await(); err != nil {
			return 0, s.opError("read", err)
		}
	}
	for {
		m, err := s.conn.Read(p[n:])
		if err != nil {
			return n, s.opError("read", err)
		}
		n += m
		s.left -= m
		if n == len(p) || !s.conn.in.ready() {
			return n, nil
		}
		if err := s.begin(); err != nil {
			return n, nil // the next Read has it
		}
	}
}

// Write sends p, in pieces that the ring can hold. It returns when all of p is in the shared memory, or with the
// number of bytes that are: those reach the peer.
func (s *Stream) Write(p []byte) (n int, err error) {
	s.writing.Lock()
	defer s.writing.Unlock()
	for {
		late := s.writeBy.passed() // before writeError: whoever makes that an error closes late after it
		if err := s.writeError(late); err != nil {
			return n, s.opError("write", err)
		}
		if n == len(p) {
			return n, nil
		}
		piece := p[n:min(len(p), n+streamPiece)]
		s.header = wire.Header{Kind: kindData, Length: uint32(len(piece)), Total: uint32(len(piece))}
		err := s.conn.Write(link.Stop{Done: late}, &s.header, nil, piece)
		switch {
		case err == nil:
			if s.closed.Load() { // by then the memory may not have been shared any more
				return n, s.opError("write", net.ErrClosed)
			}
			if n += len(piece); n == len(p) {
				return n, nil
			}
		case err != link.ErrInterrupted:
			return n, s.opError("write", err)
		}
	}
}

// CloseWrite ends what is written here: the peer reads all of it and then io.EOF. Reading goes on. A Write that waits for
// room ends with what it has sent by then, and later ones fail; CloseWrite itself never waits for the peer.
func (s *Stream) CloseWrite() error {
	if s.closed.Load() {
		return s.opError("close", net.ErrClosed)
	}
	s.shut.Store(true)
	s.writeBy.pass()
	s.writing.Lock()
	defer s.writing.Unlock()
	if s.told {
		return nil
	}
	if err := s.conn.sendEnd(); err != nil {
		return s.opError("close", err)
	}
	s.told = true
	return nil
}

// Close ends the connection: all calls that wait, and all later ones, fail with net.ErrClosed. What was written stays
// readable for the peer. Closing again does nothing and returns nil.
func (s *Stream) Close() error {
	s.closed.Store(true)
	s.readBy.close()
	s.writeBy.close()
	return s.conn.Close()
}

// LocalAddr returns the rendezvous of a connection that was accepted, "@" of one that was dialled. It is an [Addr].
func (s *Stream) LocalAddr() net.Addr { return s.local }

// RemoteAddr returns the rendezvous of a connection that was dialled, "@" of one that was accepted. It is an [Addr].
func (s *Stream) RemoteAddr() net.Addr { return s.remote }

// SetDeadline is SetReadDeadline and SetWriteDeadline.
func (s *Stream) SetDeadline(t time.Time) error {
	if err := s.SetReadDeadline(t); err != nil {
		return err
	}
	return s.SetWriteDeadline(t)
}

// SetReadDeadline sets when Reads fail, those included that wait already; the zero time is never.
func (s *Stream) SetReadDeadline(t time.Time) error {
	if !s.readBy.set(t) {
		return s.opError("set", net.ErrClosed)
	}
	return nil
}

// SetWriteDeadline sets when Writes fail, those included that wait already; the zero time is never. A Write that
// fails returns how much of it was sent.
func (s *Stream) SetWriteDeadline(t time.Time) error {
	if !s.writeBy.set(t) {
		return s.opError("set", net.ErrClosed)
	}
	return nil
}

// Trusted reports whether the peer's process was of this user or root when it met us.
func (s *Stream) Trusted() bool { return s.conn.Trusted() }

// await waits for bytes. s.reading is held, and all frames so far are read.
func (s *Stream) await() error {
	for {
		ended := s.conn.ended.Load() // before the ring: what the peer wrote before is seen
		if err := s.readError(); err != nil {
			return err
		}
		if ended && !s.conn.in.ready() {
			return io.EOF
		}
		s.conn.Ready() // spins
		switch err := s.begin(); {
		case err == io.EOF && !s.conn.ended.Load() && s.conn.unread():
			return syscall.ECONNRESET
		case err != link.ErrInterrupted:
			return err
		}
	}
}

// begin takes the next frame's header.
func (s *Stream) begin() error {
	h, err := s.conn.Next()
	if err != nil {
		return err
	}
	if h.Length == 0 || h != (wire.Header{Kind: kindData, Length: h.Length, Total: h.Length}) {
		return s.conn.fail(wire.ProtocolErrorf("%s frame of %d bytes in a byte stream", h.Kind, h.Length))
	}
	s.left = int(h.Length)
	return nil
}

// readError is why nothing can be read at present, whatever is there.
func (s *Stream) readError() error {
	switch {
	case s.closed.Load():
		return net.ErrClosed
	case isClosed(s.readBy.passed()):
		return os.ErrDeadlineExceeded
	}
	return nil
}

// writeError is why nothing can be written at present. late is what writeBy.passed has returned.
func (s *Stream) writeError(late <-chan struct{}) error {
	switch {
	case s.closed.Load():
		return net.ErrClosed
	case s.shut.Load():
		return syscall.EPIPE
	case isClosed(late):
		return os.ErrDeadlineExceeded
	}
	return nil
}

// opError puts an error of the connection into the words of package net.
func (s *Stream) opError(op string, err error) error {
	switch {
	case s.closed.Load():
		err = net.ErrClosed // rather than what it made of others
	case err == io.EOF:
		return err
	case errors.Is(err, ErrPeerGone):
		err = errBroken
	}
	return &net.OpError{Op: op, Net: network, Source: s.local, Addr: s.remote, Err: err}
}

// streamEnded notes that the peer writes no more, and wakes the reader.
func (c *Conn) streamEnded() {
	c.ended.Store(true)
	c.Interrupt()
}

// sendEnd tells the peer that what the ring holds now is the last. It doesn't wait; a peer that has gone need not know.
func (c *Conn) sendEnd() error {
	var sent error
	err := c.rawSock.Control(func(fd uintptr) {
		sent = unix.Sendto(int(fd), []byte{bellEnd}, unix.MSG_DONTWAIT|unix.MSG_NOSIGNAL, nil)
	})
	if err == nil && sent != unix.EPIPE && sent != unix.ECONNRESET {
		err = os.NewSyscallError("sendto", sent)
	}
	return err
}

// unread reports whether the peer, which has gone, has left something that we wrote in the ring.
func (c *Conn) unread() bool {
	c.out.mu.Lock()
	defer c.out.mu.Unlock()
	return c.out.win.head.Load() != c.out.tail
}

// carries says what a connection is for.
func carries(stream bool) string {
	if stream {
		return "byte streams"
	}
	return "calls"
}

// mixed is what a listener tells a client of the other kind. It fits a reply.
func mixed(stream bool) error {
	if stream {
		return errors.New("byte streams are served here, not calls: dial with shm.DialStream")
	}
	return errors.New("calls are served here, not byte streams: dial with shm.Dial")
}
