package shm

import "net"

var _ net.Listener = (*StreamListener)(nil)

// StreamListener accepts connections that carry bytes: a [net.Listener]. Its methods may be called by any goroutine at any time.
type StreamListener struct{ ln *Listener }

// ListenStream makes the rendezvous at path, and waits there for [DialStream]. All that [Listen] says holds; clients that
// come for calls, with [Dial], are refused.
func ListenStream(path string, opts *Options) (*StreamListener, error) {
	ln, err := listenFor(path, opts, true)
	if err != nil {
		return nil, err
	}
	return &StreamListener{ln}, nil
}

// Accept waits for the next connection, which is the caller's to close. It is a [*Stream]. After Close the error is a
// net.ErrClosed.
func (l *StreamListener) Accept() (net.Conn, error) {
	c, err := l.ln.Accept()
	if err != nil {
		return nil, &net.OpError{Op: "accept", Net: network, Addr: l.Addr(), Err: err}
	}
	return newStream(c, Addr(l.ln.path), ""), nil
}

// Addr returns the rendezvous. It is an [Addr].
func (l *StreamListener) Addr() net.Addr { return Addr(l.ln.path) }

// Close ends the listener and removes its socket file, unless another has taken that place. Connections that were
// accepted live on. Closing again does nothing and returns nil.
func (l *StreamListener) Close() error { return l.ln.Close() }
