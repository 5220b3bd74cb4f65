package shm

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"time"

	"golang.org/x/sys/unix"

	"hotline/internal/unixsock"
	"hotline/internal/wire"
)

// Dial connects to the listener at path. ctx and Options.HandshakeTimeout bound the dialling, not the connection.
//
// The error is an fs.ErrNotExist when there is no socket at path, a syscall.ECONNREFUSED when its listener is dead, a
// [*RefusedError] when it says no, and a [*wire.ProtocolError] when it is something else.
func Dial(ctx context.Context, path string, opts *Options) (*Conn, error) {
	return dialFor(ctx, path, opts, false)
}

// dialFor connects for calls or for byte streams.
func dialFor(ctx context.Context, path string, opts *Options, stream bool) (*Conn, error) {
	s, err := opts.settings()
	if err != nil {
		return nil, fmt.Errorf("dial %s: %w", addr(path), err)
	}
	s.stream = stream
	ctx, cancel := context.WithTimeoutCause(ctx, s.handshake,
		fmt.Errorf("no answer within %v: %w", s.handshake, os.ErrDeadlineExceeded))
	defer cancel()
	c, err := dial(ctx, path, s)
	if err != nil {
		if ctx.Err() != nil {
			err = context.Cause(ctx) // rather than what the closed socket said
		}
		return nil, fmt.Errorf("dial %s: %w", addr(path), err)
	}
	return c, nil
}

func dial(ctx context.Context, path string, s settings) (*Conn, error) {
	sock, err := connect(ctx, path)
	if err != nil {
		return nil, err
	}
	stop := context.AfterFunc(ctx, func() { _ = sock.SetDeadline(longAgo) })
	p, err := meet(sock, s)
	if !stop() && err == nil { // the deadline may come at any time, and would hit the sentinel
		closeAll(p.fds...)
		err = ctx.Err()
	}
	if err != nil {
		_ = sock.Close()
		return nil, err
	}
	return newConn(path, p, s, func(in, out *window) error { return errors.Join(in.check(), out.check()) })
}

// connect opens the socket. A listener whose backlog is full is tried again.
func connect(ctx context.Context, path string) (*net.UnixConn, error) {
	if err := unixsock.CheckPath(path); err != nil {
		return nil, err
	}
	for pause := time.Millisecond; ; pause = min(2*pause, 50*time.Millisecond) {
		var d net.Dialer
		conn, err := d.DialContext(ctx, "unix", path)
		if err == nil {
			return conn.(*net.UnixConn), nil
		}
		if !errors.Is(err, unix.EAGAIN) {
			return nil, err
		}
		select {
		case <-ctx.Done():
			return nil, err
		case <-time.After(pause):
		}
	}
}

// meet is the client's part of the rendezvous. It checks everything that the listener sends, and closes what it
// doesn't return.
func meet(sock *net.UnixConn, s settings) (_ parts, err error) {
	peer, err := unixsock.PeerOf(sock)
	if err != nil {
		return parts{}, err
	}
	if s.allowUID != nil && !s.allowUID(peer.UID) {
		return parts{}, fmt.Errorf("the listener is a process of user %d, which Options.AllowUID doesn't allow", peer.UID)
	}
	want := ringSizes{uint64(s.ringSize), uint64(s.ringSize)}
	blocks := s.arenaSize > 0 && !s.stream && peer.Trusted()
	if _, err := sock.Write(request{want: want, stream: s.stream, blocks: blocks}.encode()); err != nil {
		return parts{}, err
	}
	b, fds, err := receive(sock)
	defer func() {
		if err != nil {
			closeAll(fds...)
		}
	}()
	if err != nil {
		return parts{}, err
	}
	r, err := parseReply(b)
	if err != nil {
		return parts{}, err
	}
	if r.reason != "" {
		return parts{}, &RefusedError{r.reason}
	}
	if r.stream != s.stream {
		return parts{}, wire.ProtocolErrorf("the listener's answer is about %s, %s were asked for", carries(r.stream), carries(s.stream))
	}
	if r.arena != 0 && !blocks {
		return parts{}, wire.ProtocolErrorf("the listener grants an arena of %d bytes that was not asked for", r.arena)
	}
	if len(fds) != rendezvousFDs {
		return parts{}, wire.ProtocolErrorf("the listener sent %d descriptors, should be %d", len(fds), rendezvousFDs)
	}
	if err := errors.Join(
		checkRing(fds[fdRingToServer], r.granted.toServer+r.arena), checkRing(fds[fdRingToClient], r.granted.toClient+r.arena),
		checkBell(fds[fdBellToServer]), checkBell(fds[fdBellToClient]),
	); err != nil {
		return parts{}, err
	}
	return parts{sock: sock, fds: fds, granted: r.granted, arena: r.arena, client: true, peer: peer}, nil
}

// receive reads a reply and the descriptors that come with it, which are the caller's to close in any case.
func receive(sock *net.UnixConn) (b []byte, fds []int, err error) {
	b = make([]byte, replySize)
	space := make([]byte, unix.CmsgSpace(4*4*rendezvousFDs)) // more than is allowed, so as to tell how many came
	for n := 0; n < len(b); {
		m, mSpace, flags, _, err := sock.ReadMsgUnix(b[n:], space)
		got, parseErr := parseRights(space[:mSpace])
		fds = append(fds, got...)
		switch {
		case errors.Is(err, io.EOF):
			return nil, fds, fmt.Errorf("the listener closed the connection before it answered: %w", io.ErrUnexpectedEOF)
		case err != nil:
			return nil, fds, err
		case parseErr != nil:
			return nil, fds, parseErr
		case flags&unix.MSG_CTRUNC != 0 || len(fds) > rendezvousFDs:
			return nil, fds, wire.ProtocolErrorf("the listener sent more than %d descriptors", rendezvousFDs)
		}
		n += m
	}
	return b, fds, nil
}

// parseRights returns the descriptors in a control message.
func parseRights(space []byte) (fds []int, err error) {
	messages, err := unix.ParseSocketControlMessage(space)
	if err != nil {
		return nil, os.NewSyscallError("recvmsg", err)
	}
	for _, m := range messages {
		if m.Header.Level != unix.SOL_SOCKET || m.Header.Type != unix.SCM_RIGHTS {
			continue
		}
		got, err := unix.ParseUnixRights(&m)
		if err != nil {
			return fds, os.NewSyscallError("recvmsg", err)
		}
		fds = append(fds, got...)
	}
	return fds, nil
}
