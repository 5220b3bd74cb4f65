package nettcp

import (
	"context"
	"errors"
	"fmt"
	"net"
	"path/filepath"
	"strings"

	"hotline/internal/unixsock"
)

// Listener accepts connections. Its methods may be called by many goroutines at once.
type Listener struct {
	cfg    *config
	inner  net.Listener
	addr   string
	remove func() // takes the socket file away, nil where it is not ours
}

// Listen listens on address: "host:port" with network "tcp" (an empty host means every interface, an IPv6 address goes
// in brackets, port 0 picks a free one), or the path of a socket file with network "unix". With
// Options.TLS tcp connections are encrypted.
//
// A socket file that was left behind by a dead listener is replaced; one whose listener answers, or a file of
// another kind, is an error. The file gets Options.SocketMode before anyone can connect.
func Listen(network, address string, o *Options) (*Listener, error) {
	cfg, err := o.config()
	if err != nil {
		return nil, err
	}
	switch network {
	case "tcp":
		if err := cfg.serverTLS(); err != nil {
			return nil, err
		}
		lc := net.ListenConfig{KeepAliveConfig: cfg.KeepAlive}
		inner, err := lc.Listen(context.Background(), "tcp", address)
		if err != nil {
			return nil, fmt.Errorf("nettcp: listen on tcp://%s: %w", address, withMend(address, err))
		}
		return newListener(inner, cfg), nil
	case "unix":
		inner, remove, err := unixsock.Listen(address, cfg.SocketMode)
		if err != nil {
			return nil, fmt.Errorf("nettcp: listen on unix://%s: %w", address, err)
		}
		l := newListener(inner, cfg)
		l.remove = remove
		return l, nil
	}
	return nil, networkError(network)
}

// NewListener accepts from a listener that stands already, for example one inherited from the process that started
// this one, and owns it from now on. TCP connections get keep-alive and, with Options.TLS, encryption. A unix
// socket's file stays when the Listener closes: it belongs to who made it.
//
// Connections other than *net.TCPConn and *net.UnixConn work too; each write to them goes through a goroutine.
func NewListener(inner net.Listener, o *Options) (*Listener, error) {
	cfg, err := o.config()
	if err != nil {
		return nil, err
	}
	if inner.Addr().Network() != "unix" {
		if err := cfg.serverTLS(); err != nil {
			return nil, err
		}
	}
	return newListener(inner, cfg), nil
}

func newListener(inner net.Listener, cfg *config) *Listener {
	return &Listener{cfg: cfg, inner: inner, addr: addrURL(inner.Addr(), cfg)}
}

// Accept waits for the next connection. A TLS handshake is not waited for: it runs beside, under
// Options.HandshakeTimeout, and its failure is what the connection's Next returns. The error wraps [net.ErrClosed] after
// Close; others, like too many open files, may pass, and Accept may be called again after a while.
func (l *Listener) Accept() (*Conn, error) {
	sock, err := l.inner.Accept()
	if err != nil {
		return nil, fmt.Errorf("nettcp: accept on %s: %w", l.addr, err)
	}
	return acceptConn(sock, l), nil
}

// Close stops listening and takes the socket file away if Listen made it and it is still the same. Connections that
// were accepted live on. It is idempotent.
func (l *Listener) Close() error {
	if l.remove != nil {
		l.remove()
	}
	if err := l.inner.Close(); err != nil && !errors.Is(err, net.ErrClosed) {
		return fmt.Errorf("nettcp: close %s: %w", l.addr, err)
	}
	return nil
}

// Addr returns the address in URL form, with the port that was picked: "tcp://127.0.0.1:5555", "tls://[::1]:5555",
// "unix:///run/user/1000/hotline/x.sock". Nothing is escaped.
func (l *Listener) Addr() string { return l.addr }

// addrURL writes an address of a connection made with cfg in URL form.
func addrURL(a net.Addr, cfg *config) string {
	switch {
	case a.Network() == "unix":
		path := a.String()
		if abs, err := filepath.Abs(path); err == nil && path != "" {
			path = abs
		}
		return "unix://" + path
	case cfg.TLS != nil:
		return "tls://" + a.String()
	}
	return a.Network() + "://" + a.String()
}

func networkError(network string) error {
	return fmt.Errorf(`nettcp: network %q is not known, use "tcp" or "unix"`, network)
}

// withMend adds what to do to an error about an IPv6 address without brackets.
func withMend(address string, err error) error {
	var bad *net.AddrError
	if errors.As(err, &bad) && strings.Count(address, ":") > 1 && !strings.HasPrefix(address, "[") {
		return fmt.Errorf("%w: write an IPv6 address in brackets, like [::1]:5555", err)
	}
	return err
}
