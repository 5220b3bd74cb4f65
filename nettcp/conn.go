package nettcp

import (
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"hotline/internal/link"
	"hotline/internal/unixsock"
)

var _ link.Conn = (*Conn)(nil)

// Conn is one connection. Ready, Next and Read are called by one goroutine at a time; all other methods by any, at any
// time. It ends as a whole: the first failure is what every later call returns, with one exception that [Conn.Next]
// names.
type Conn struct {
	cfg     *config         // immutable after newConn, like the next five
	name    string          // what String returns
	sock    net.Conn        // the socket: deadlines and closing, and writing that may wait
	raw     syscall.RawConn // reading and writing that does not wait; nil where the system or the socket can't
	session *tls.Conn       // nil without TLS
	stream  io.Reader       // where bytes come from when raw is nil or session is not
	peer    *unixsock.Peer  // of a unix socket, where the system tells

	handshake  *handshake // of an accepted TLS connection; nil for others
	encrypting sync.Mutex // keeps the two writes of one frame to session together

	mu          sync.Mutex  // guards the next five; never held together with out.mu
	cause       error       // why the connection failed
	closing     bool        // Close has begun
	interrupted bool        // an Interrupt that has not ended a wait yet
	armed       time.Time   // the read deadline that the socket has; zero for none
	over        atomic.Bool // set under mu: nothing is read any more

	closed chan struct{} // closed when Close is through

	in  reader
	out writer
}

// unixWriteBuffer is what the kernel is asked to hold of what a unix socket's peer has not read: twice the usual, so
// that a long frame goes in one piece while the peer is busy with the one before. Linux grants what net.core.wmem_max
// allows.
const unixWriteBuffer = 400 << 10

// newConn makes a connection of a socket that is ready for frames.
func newConn(sock net.Conn, cfg *config, name string) *Conn {
	c := &Conn{cfg: cfg, name: name, sock: sock, stream: sock, closed: make(chan struct{})}
	switch s := sock.(type) {
	case *net.TCPConn:
		// Both are what the kernel was asked for already, except on an inherited listener's connections. An error
		// means that the peer is gone, and the first read says so.
		s.SetNoDelay(true)
		s.SetKeepAliveConfig(cfg.KeepAlive)
		setSendTimeout(s, 2*cfg.FrameTimeout) // ours comes first, and has better words
		c.raw = rawConn(s)
	case *net.UnixConn:
		s.SetWriteBuffer(unixWriteBuffer)
		if p, err := unixsock.PeerOf(s); err == nil {
			c.peer = &p
		}
		c.raw = rawConn(s)
	}
	c.in.init(c)
	c.out.init(c)
	return c
}

// acceptConn makes the server's side of a connection.
func acceptConn(sock net.Conn, l *Listener) *Conn {
	name := l.addr
	if a := sock.RemoteAddr(); a.Network() != "unix" {
		name = addrURL(a, l.cfg)
	}
	c := newConn(sock, l.cfg, name)
	c.in.handshakeBy = time.Now().Add(l.cfg.HandshakeTimeout)
	if s, ok := sock.(*tls.Conn); ok { // of a listener that encrypts by itself
		c.startHandshake(s)
	} else if l.cfg.TLS != nil && sock.LocalAddr().Network() != "unix" {
		session := tls.Server(&cipherSocket{Conn: sock, owner: c}, l.cfg.TLS)
		c.session, c.stream = session, session
		c.startHandshake(session)
	}
	return c
}

// MaxFrame is Options.MaxFrame.
func (c *Conn) MaxFrame() int { return c.cfg.MaxFrame }

// Trusted reports whether the peer is a process on this machine that runs as this user or as root: true only for unix
// sockets on systems that tell the peer's credentials. They are those of the moment when the peer connected, or began
// to listen.
func (c *Conn) Trusted() bool { return c.peer != nil && c.peer.Trusted() }

// Peer returns the user and the process at the other end of a unix socket, as they were when the peer connected, or began
// to listen. ok is false for other sockets, and where the system doesn't say; pid is 0 where it says only the user.
func (c *Conn) Peer() (uid, pid int, ok bool) {
	if c.peer == nil {
		return 0, 0, false
	}
	return int(c.peer.UID), c.peer.PID, true
}

// TLS returns what is known of the session, or nil without TLS. Of a connection that was accepted it is complete once a
// frame has come.
func (c *Conn) TLS() *tls.ConnectionState {
	if c.session == nil {
		return nil
	}
	state := c.session.ConnectionState()
	return &state
}

// String returns the peer's address in URL form; for an accepted unix connection, whose peer has none, the listener's.
func (c *Conn) String() string { return c.name }

// fail ends the connection at once. The first cause counts, and is returned. Nothing is waited for. While Close is at work
// what is left to be sent is its business: the reader that it wakes comes here too.
func (c *Conn) fail(cause error) error {
	c.mu.Lock()
	if c.cause == nil {
		c.cause = cause
	}
	cause = c.cause
	c.over.Store(true)
	c.wakeReaderLocked()
	closing := c.closing
	c.mu.Unlock()
	if !closing {
		c.stopWriting(cause)
	}
	return cause
}

// lose ends the writing side, because the peer takes nothing any more. What it sent before it went is still read:
// those may be replies, or the reason why it went.
func (c *Conn) lose(cause error) error {
	c.mu.Lock()
	if c.cause == nil {
		c.cause = cause
	}
	cause = c.cause
	c.wakeReaderLocked()
	c.mu.Unlock()
	c.stopWriting(cause)
	return cause
}

// failure returns why the connection failed, or nil.
func (c *Conn) failure() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.cause
}

// errorf makes an error of this connection.
func (c *Conn) errorf(format string, args ...any) error {
	return fmt.Errorf("%s: "+format, append([]any{c.name}, args...)...)
}
