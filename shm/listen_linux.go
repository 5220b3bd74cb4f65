package shm

import (
	"errors"
	"fmt"
	"io"
	"net"
	"slices"
	"sync"
	"time"

	"golang.org/x/sys/unix"

	"hotline/internal/unixsock"
)

const (
	// maxMeetings is how many rendezvous a listener holds at once, connections included that nobody has accepted yet.
	maxMeetings = 128

	// crowdPatience is how long a rendezvous may last while others have to wait for its place.
	crowdPatience = 500 * time.Millisecond
)

// Listener accepts connections at a unix socket. Its methods may be called at once.
type Listener struct {
	path   string
	s      settings
	sock   *net.UnixListener
	remove func() // takes the socket's file away

	accepted chan *Conn
	slots    chan struct{} // one for each rendezvous
	done     chan struct{} // closed by Close, or when sock fails
	all      sync.WaitGroup

	mu       sync.Mutex
	err      error     // guarded by mu: why done is closed
	meetings []meeting // guarded by mu: those that have not come to terms, oldest first
}

// meeting is a rendezvous under way.
type meeting struct {
	sock  *net.UnixConn
	began time.Time
}

// Listen makes the rendezvous at path, and waits there for [Dial]. The socket that a dead listener has left is
// replaced; where a living one is, or anything but a socket, Listen fails. The directory of path must be one that
// only trusted users can write to.
func Listen(path string, opts *Options) (*Listener, error) {
	return listenFor(path, opts, false)
}

// listenFor waits for connections for calls, or for byte streams.
func listenFor(path string, opts *Options, stream bool) (*Listener, error) {
	s, err := opts.settings()
	if err != nil {
		return nil, fmt.Errorf("listen on %s: %w", addr(path), err)
	}
	s.stream = stream
	if s.ringSize == 0 {
		s.ringSize = DefaultRingSize
	}
	if s.allowUID == nil && s.mode&^0o600 == 0 {
		s.allowUID = func(uid uint32) bool { return unixsock.Peer{UID: uid}.Trusted() }
	}
	sock, remove, err := unixsock.Listen(path, s.mode)
	if err != nil {
		return nil, fmt.Errorf("listen on %s: %w", addr(path), err)
	}
	l := &Listener{
		path: path, s: s, sock: sock, remove: remove,
		accepted: make(chan *Conn), slots: make(chan struct{}, maxMeetings), done: make(chan struct{}),
	}
	l.all.Add(1)
	go l.run()
	return l, nil
}

// Accept waits for the next connection, which is the caller's to close. After Close its error is a net.ErrClosed.
func (l *Listener) Accept() (*Conn, error) {
	select {
	case c := <-l.accepted:
		return c, nil
	case <-l.done:
		l.mu.Lock()
		defer l.mu.Unlock()
		return nil, l.err
	}
}

// Addr returns the rendezvous as a URL: "shm:///run/…".
func (l *Listener) Addr() string { return addr(l.path) }

// Close ends the listener and removes its socket file, unless another has taken that place. Connections that were
// accepted live on; those that were not are closed.
func (l *Listener) Close() error {
	l.end(closedError(l.Addr()))
	l.all.Wait()
	return nil
}

// end stops everything, once.
func (l *Listener) end(err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.err != nil {
		return
	}
	l.err = err
	close(l.done)
	l.remove() // before the socket is closed: until then nobody takes it for a dead one's
	_ = l.sock.Close()
	for _, m := range l.meetings {
		_ = m.sock.Close()
	}
}

// run takes connections from the socket and starts a rendezvous for each.
func (l *Listener) run() {
	defer l.all.Done()
	for pause := time.Millisecond; ; {
		if !l.takeSlot() {
			return
		}
		sock, err := l.sock.AcceptUnix()
		if err == nil {
			pause = time.Millisecond
			if !l.admit(sock) {
				_ = sock.Close()
				return
			}
			l.all.Add(1)
			go l.meet(sock)
			continue
		}
		<-l.slots
		if !temporary(err) {
			l.end(fmt.Errorf("%s: accept: %w", l.Addr(), err))
			return
		}
		select { // out of descriptors or memory, which others may give back
		case <-time.After(pause):
			pause = min(2*pause, time.Second)
		case <-l.done:
			return
		}
	}
}

// takeSlot waits for leave to start a rendezvous. While there are too many, those that take long are given up, the oldest
// first, so that silent clients can't keep others out.
func (l *Listener) takeSlot() bool {
	for {
		select {
		case l.slots <- struct{}{}:
			return true
		case <-l.done:
			return false
		case <-time.After(crowdPatience / 10):
			l.giveUpOldest()
		}
	}
}

// giveUpOldest closes the oldest rendezvous, and all that have lasted as long, if it has had its time.
func (l *Listener) giveUpOldest() {
	l.mu.Lock()
	defer l.mu.Unlock()
	for len(l.meetings) != 0 && time.Since(l.meetings[0].began) > crowdPatience {
		_ = l.meetings[0].sock.Close()
		l.meetings = l.meetings[1:]
	}
}

// meet is one rendezvous and the handing over of its connection.
func (l *Listener) meet(sock *net.UnixConn) {
	defer l.all.Done()
	defer func() { <-l.slots }()
	c, err := l.agree(sock)
	l.forget(sock)
	if err != nil {
		_ = sock.Close()
		return
	}
	select {
	case l.accepted <- c:
	case <-l.done:
		_ = c.Close()
	}
}

// admit notes a rendezvous that begins, unless the listener has ended.
func (l *Listener) admit(sock *net.UnixConn) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.err != nil {
		return false
	}
	l.meetings = append(l.meetings, meeting{sock, time.Now()})
	return true
}

// forget is for a rendezvous that has come to terms or has failed.
func (l *Listener) forget(sock *net.UnixConn) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.meetings = slices.DeleteFunc(l.meetings, func(m meeting) bool { return m.sock == sock })
}

// agree is the listener's part of the rendezvous.
func (l *Listener) agree(sock *net.UnixConn) (*Conn, error) {
	if err := sock.SetDeadline(time.Now().Add(l.s.handshake)); err != nil {
		return nil, err
	}
	var b [requestSize]byte
	if _, err := io.ReadFull(sock, b[:]); err != nil { // descriptors that a client sends are dropped by the kernel
		return nil, err
	}
	peer, err := unixsock.PeerOf(sock)
	if err != nil {
		return nil, err
	}
	if l.s.allowUID != nil && !l.s.allowUID(peer.UID) {
		return nil, refuse(sock, fmt.Errorf("user %d is not allowed here", peer.UID))
	}
	r, err := parseRequest(b[:])
	var version *versionError
	if errors.As(err, &version) {
		return nil, refuse(sock, err)
	}
	if err != nil {
		return nil, err
	}
	if r.stream != l.s.stream {
		return nil, refuse(sock, mixed(l.s.stream))
	}
	p := parts{sock: sock, granted: r.want.grant(uint64(l.s.ringSize)), peer: peer}
	if r.blocks && peer.Trusted() && !r.stream {
		p.arena = l.s.arenaSize
	}
	if p.fds, err = createFDs(p.granted, p.arena); err != nil {
		return nil, refuse(sock, err)
	}
	return newConn(l.path, p, l.s, func(in, out *window) error {
		in.initialise()
		out.initialise()
		_, _, err := sock.WriteMsgUnix(reply{granted: p.granted, arena: p.arena, stream: l.s.stream}.encode(), unix.UnixRights(p.fds...), nil)
		return err
	})
}

// refuse tells the client why there will be no connection, and returns that reason.
func refuse(sock *net.UnixConn, reason error) error {
	_, _ = sock.Write(reply{reason: reason.Error()}.encode())
	return &RefusedError{reason.Error()}
}

// createFDs makes the descriptors of a connection, in their order.
func createFDs(sizes ringSizes, arena uint64) (fds []int, err error) {
	fds = []int{-1, -1, -1, -1}
	defer func() {
		if err != nil {
			closeAll(fds...)
		}
	}()
	if fds[fdRingToServer], err = createRing(sizes.toServer + arena); err != nil {
		return nil, err
	}
	if fds[fdRingToClient], err = createRing(sizes.toClient + arena); err != nil {
		return nil, err
	}
	if fds[fdBellToServer], err = createBell(); err != nil {
		return nil, err
	}
	if fds[fdBellToClient], err = createBell(); err != nil {
		return nil, err
	}
	return fds, nil
}

// temporary reports whether accepting can go on after err, once others have given something back.
func temporary(err error) bool {
	for _, e := range []error{unix.EMFILE, unix.ENFILE, unix.ENOBUFS, unix.ENOMEM, unix.ECONNABORTED, unix.EAGAIN} {
		if errors.Is(err, e) {
			return true
		}
	}
	return false
}
