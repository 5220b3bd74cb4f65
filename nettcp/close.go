package nettcp

import (
	"errors"
	"net"
	"os"
	"time"

	"hotline/internal/link"
)

// Close ends the connection: waits end with an error that wraps [net.ErrClosed], and the peer reads what Write accepted
// before, if it takes it within Options.Linger, and then io.EOF. It is idempotent, and returns when the
// goroutines that the connection started have ended.
func (c *Conn) Close() error {
	c.mu.Lock()
	if c.closing {
		c.mu.Unlock()
		<-c.closed
		return nil
	}
	whole := c.cause == nil && !c.handshake.running()
	if c.cause == nil {
		c.cause = c.errorf("%w", net.ErrClosed)
	}
	cause := c.cause
	c.over.Store(true)
	c.wakeReaderLocked()
	c.closing = true
	c.mu.Unlock()
	defer close(c.closed)

	if c.handshake != nil {
		c.handshake.cancel()
		<-c.handshake.done
	}
	by := time.Now().Add(c.cfg.Linger)
	if whole {
		c.finishWriting(cause, by)
	}
	c.stopWriting(cause)
	if whole {
		c.linger(by)
	}
	err := c.sock.Close()
	c.awaitIdle(link.Stop{})
	if err != nil && whole {
		return c.errorf("close: %w", err)
	}
	return nil
}

// finishWriting takes no more frames, and gives those that were taken time to go.
func (c *Conn) finishWriting(cause error, by time.Time) {
	w := &c.out
	w.mu.Lock()
	if w.err == nil {
		w.err = cause
	}
	w.by = by
	if w.timed {
		c.sock.SetWriteDeadline(by)
	}
	w.dismissLocked()
	w.mu.Unlock()
	c.awaitIdle(link.Stop{Deadline: by})
	if c.session != nil && c.session.CloseWrite() == nil {
		c.awaitIdle(link.Stop{Deadline: by})
	}
}

// awaitIdle waits until nobody is in charge of writing, or about to be. Only Close calls it.
func (c *Conn) awaitIdle(stop link.Stop) {
	w := &c.out
	w.mu.Lock()
	if !w.busy && w.corked == 0 {
		w.mu.Unlock()
		return
	}
	idle := make(chan struct{})
	w.idle = idle
	w.mu.Unlock()
	await(idle, stop)
}

// linger tells the peer that no more comes, and waits until everything was sent. Closing a TCP socket at once would
// drop what was not sent yet if the peer still sends, because the answer to that is a reset. For the same reason
// what has come is read away.
func (c *Conn) linger(by time.Time) {
	half, ok := c.sock.(interface{ CloseWrite() error })
	if !ok || c.raw == nil && !c.isTCP() {
		return
	}
	c.in.reading.Lock() // the reader was woken and leaves
	defer c.in.reading.Unlock()
	if half.CloseWrite() != nil {
		return
	}
	buf := make([]byte, 16<<10)
	for pause := time.Millisecond; ; pause = min(2*pause, 20*time.Millisecond) {
		c.sock.SetReadDeadline(time.Time{}) // discard does not wait
		if c.discard(buf) || c.delivered() || !time.Now().Before(by) {
			return
		}
		c.sock.SetReadDeadline(earlier(by, time.Now().Add(pause)))
		if _, err := c.sock.Read(buf); err != nil && !errors.Is(err, os.ErrDeadlineExceeded) {
			return
		}
	}
}

func (c *Conn) isTCP() bool {
	_, ok := c.sock.(*net.TCPConn)
	return ok
}

// delivered reports whether closing the socket drops nothing. A unix socket's bytes are with the peer at once.
func (c *Conn) delivered() bool {
	s, ok := c.sock.(*net.TCPConn)
	return !ok || allSent(s)
}

func earlier(a, b time.Time) time.Time {
	if a.Before(b) {
		return a
	}
	return b
}
