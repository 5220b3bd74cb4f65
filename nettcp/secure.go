package nettcp

import (
	"context"
	"crypto/tls"
	"errors"
	"net"
	"sync/atomic"
	"time"

	"hotline/internal/link"
	"hotline/internal/wire"
)

// plainPiece is the longest frame that is copied together before it is encrypted: what fits one TLS record.
const plainPiece = 16 << 10

// cipherSocket stands between a TLS session and its socket. During the handshake it is the socket. Afterwards what the
// session writes is queued like frames, because a TLS write can't be given up half-way, and the session must never
// wait for the peer.
type cipherSocket struct {
	net.Conn
	owner  *Conn
	queues atomic.Bool
}

func (s *cipherSocket) Write(p []byte) (int, error) {
	if s.queues.Load() {
		return s.owner.queueCipher(p)
	}
	return s.Conn.Write(p)
}

// SetWriteDeadline does nothing: the session would set one for its alerts, and the flusher has its own.
func (s *cipherSocket) SetWriteDeadline(time.Time) error { return nil }

// writeSecure is Write over TLS.
func (c *Conn) writeSecure(stop link.Stop, h *wire.Header, metadata, payload []byte) error {
	if c.handshake.running() && !await(c.handshake.done, stop) {
		return link.ErrInterrupted
	}
	w := &c.out
	size := wire.HeaderSize + len(metadata) + len(payload)
	w.mu.Lock()
	if err := w.reserveLocked(stop, size); err != nil {
		w.mu.Unlock()
		return err
	}
	w.corked++
	w.mu.Unlock()
	err := c.encrypt(h, metadata, payload)
	w.mu.Lock()
	w.corked--
	w.queued -= size // what it came to was counted by queueCipher
	w.grantLocked()
	lead := !w.busy && w.next != nil && !w.broken
	if lead {
		w.busy = true
	} else if !w.busy {
		w.leaveLocked()
	}
	w.mu.Unlock()
	if lead { // also where the session has failed: it may have said why
		c.drive()
	}
	if err == nil {
		return nil
	}
	if cause := c.failure(); cause != nil {
		return cause // and no end: what a peer sent before it went is still read
	}
	return c.fail(c.errorf("write: %w", err))
}

// encrypt hands one frame to the session. The session is locked against others meanwhile, because it may take two
// writes.
func (c *Conn) encrypt(h *wire.Header, metadata, payload []byte) error {
	b := c.cfg.buffer()
	defer c.cfg.release(b)
	c.encrypting.Lock()
	defer c.encrypting.Unlock()
	if wire.HeaderSize+len(metadata)+len(payload) <= plainPiece {
		b.add(h, metadata, payload)
		_, err := c.session.Write(b.b)
		return err
	}
	b.add(h, metadata, nil)
	if _, err := c.session.Write(b.b); err != nil {
		return err
	}
	_, err := c.session.Write(payload)
	return err
}

// queueCipher takes what the session writes: frames, for which writeSecure has reserved room and which it sends, or
// alerts and answers to the peer's TLS, which the flusher has to send.
func (c *Conn) queueCipher(p []byte) (int, error) {
	w := &c.out
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.broken {
		return 0, w.err
	}
	if w.queued > 4*smallQueue { // frames can't come to so much: the peer asks for new keys and takes none
		return 0, errors.New("the peer makes TLS answer and does not read")
	}
	if w.next == nil {
		w.next = c.cfg.buffer()
	}
	w.next.b = append(w.next.b, p...)
	w.queued += len(p)
	if w.corked == 0 && !w.busy {
		w.busy = true
		go w.flush()
	}
	return len(p), nil
}

// handshake is the TLS handshake of an accepted connection. It runs beside Accept, because a client may take its
// time, and apart from Next, because a handshake can't go on after an interrupt.
type handshake struct {
	done   chan struct{} // closed when it has ended; if it failed, so has the connection
	wake   chan struct{} // holds one token: Next is to look at the connection's state
	cancel context.CancelFunc
}

// startHandshake starts the handshake of s, which ends at in.handshakeBy at the latest.
func (c *Conn) startHandshake(s *tls.Conn) {
	ctx, cancel := context.WithDeadline(context.Background(), c.in.handshakeBy)
	c.handshake = &handshake{done: make(chan struct{}), wake: make(chan struct{}, 1), cancel: cancel}
	go func() {
		defer cancel()
		defer close(c.handshake.done)
		if err := s.HandshakeContext(ctx); err != nil {
			c.fail(c.errorf("tls handshake: %w", err))
			return
		}
		if under, ok := s.NetConn().(*cipherSocket); ok {
			under.queues.Store(true)
		}
	}()
}

// running reports whether h, which may be nil, has not ended.
func (h *handshake) running() bool {
	if h == nil {
		return false
	}
	select {
	case <-h.done:
		return false
	default:
		return true
	}
}

// interrupt makes a Next that waits for the handshake look at the connection's state.
func (h *handshake) interrupt() {
	select {
	case h.wake <- struct{}{}:
	default:
	}
}

// awaitHandshake makes Next wait for the handshake.
func (c *Conn) awaitHandshake() error {
	for c.handshake.running() {
		c.mu.Lock()
		cause, interrupted := c.cause, c.interrupted
		if cause == nil {
			c.interrupted = false
		}
		c.mu.Unlock()
		switch {
		case cause != nil:
			return cause
		case interrupted:
			return link.ErrInterrupted
		}
		select {
		case <-c.handshake.done:
		case <-c.handshake.wake:
		}
	}
	if c.over.Load() {
		return c.failure()
	}
	return nil
}
