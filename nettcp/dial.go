package nettcp

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"syscall"
	"time"

	"hotline/internal/unixsock"
)

// Dial connects to address: "host:port" with network "tcp", the path of a socket file with network "unix". With
// Options.TLS a tcp connection is encrypted, and the handshake is done when Dial returns. ctx bounds Dial alone, not the
// connection.
func Dial(ctx context.Context, network, address string, o *Options) (*Conn, error) {
	cfg, err := o.config()
	if err != nil {
		return nil, err
	}
	switch network {
	case "tcp":
		if cfg.TLS != nil {
			return dialTLS(ctx, address, cfg)
		}
		return dialPlain(ctx, "tcp", address, cfg)
	case "unix":
		if err := unixsock.CheckPath(address); err != nil {
			return nil, fmt.Errorf("nettcp: dial unix://: %w", err)
		}
		return dialPlain(ctx, "unix", address, cfg)
	}
	return nil, networkError(network)
}

func dialPlain(ctx context.Context, network, address string, cfg *config) (*Conn, error) {
	sock, err := dialSocket(ctx, network, address, cfg)
	if err != nil {
		return nil, fmt.Errorf("nettcp: dial %s://%s: %w", network, address, withMend(address, err))
	}
	return newConn(sock, cfg, addrURL(sock.RemoteAddr(), cfg)), nil
}

func dialTLS(ctx context.Context, address string, cfg *config) (*Conn, error) {
	settings := cfg.TLS
	if settings.ServerName == "" && !settings.InsecureSkipVerify {
		host, _, err := net.SplitHostPort(address)
		if err != nil {
			return nil, fmt.Errorf("nettcp: dial tls://%s: %w", address, withMend(address, err))
		}
		settings = settings.Clone()
		settings.ServerName = host
	}
	sock, err := dialSocket(ctx, "tcp", address, cfg)
	if err != nil {
		return nil, fmt.Errorf("nettcp: dial tls://%s: %w", address, withMend(address, err))
	}
	ctx, cancel := context.WithTimeout(ctx, cfg.HandshakeTimeout)
	defer cancel()
	c := newConn(sock, cfg, addrURL(sock.RemoteAddr(), cfg))
	under := &cipherSocket{Conn: sock, owner: c}
	session := tls.Client(under, settings)
	if err := session.HandshakeContext(ctx); err != nil {
		sock.Close()
		return nil, fmt.Errorf("nettcp: dial tls://%s: tls handshake: %w", address, err)
	}
	under.queues.Store(true)
	c.session, c.stream = session, session
	return c, nil
}

// dialSocket connects. A unix socket whose backlog is full for the moment is tried again until ctx ends: unlike TCP,
// the kernel does not wait.
func dialSocket(ctx context.Context, network, address string, cfg *config) (net.Conn, error) {
	dialer := net.Dialer{KeepAliveConfig: cfg.KeepAlive}
	for pause := time.Millisecond; ; pause = min(2*pause, 50*time.Millisecond) {
		sock, err := dialer.DialContext(ctx, network, address)
		if err == nil || network != "unix" || !errors.Is(err, syscall.EAGAIN) {
			return sock, err
		}
		timer := time.NewTimer(pause)
		select {
		case <-timer.C:
		case <-ctx.Done():
			timer.Stop()
			return nil, err
		}
	}
}
