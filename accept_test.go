package hotline_test

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"runtime"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/rs/zerolog"

	"hotline"
	"hotline/internal/link"
	"hotline/internal/wait"
	"hotline/internal/wire"
	"hotline/nettcp"
	"hotline/shm"
)

// TestAcceptAfterTooManyOpenFiles: a listener that could not take a connection for a while takes those that come later.
func TestAcceptAfterTooManyOpenFiles(t *testing.T) {
	t.Parallel()
	srv := &hotline.Server{InprocOnly: true}
	serveOpened(t, srv)
	ln, err := nettcp.Listen("tcp", "127.0.0.1:0", nil)
	if err != nil {
		t.Fatal(err)
	}
	failures := 2
	hotline.AcceptFrom(srv, func() (link.Conn, error) {
		if failures > 0 {
			failures--
			return nil, fmt.Errorf("accept: %w", syscall.EMFILE)
		}
		return ln.Accept()
	}, ln.Close)
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	var c echoClient
	if err := new(hotline.Dialer).Connect(ctx, &c, ln.Addr()); err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if sum, err := c.Sum(ctx, 2, 3); err != nil || sum != 5 {
		t.Errorf("Sum(2, 3): got %d, %v", sum, err)
	}
}

// TestAcceptRestsWhileItFails: a listener that fails all the time costs little, of CPU time and of the log, and does not hold up the
// server's end.
func TestAcceptRestsWhileItFails(t *testing.T) {
	wait.Bubble(t, func(t *testing.T) {
		var log wait.Output
		logger := zerolog.New(&log)
		srv := &hotline.Server{InprocOnly: true, Logger: &logger}
		serveOpened(t, srv)
		var tries atomic.Int32
		hotline.AcceptFrom(srv, func() (link.Conn, error) {
			tries.Add(1)
			return nil, fmt.Errorf("accept: %w", syscall.EMFILE)
		}, func() error { return nil })
		time.Sleep(10*time.Minute - 100*time.Millisecond)
		if n := tries.Load(); n < 600 || n > 620 { // once a second, and more often at first
			t.Errorf("%d tries in 10 minutes, want about 610", n)
		}
		if n := strings.Count(log.String(), syscall.EMFILE.Error()); n != 10 {
			t.Errorf("%d lines in the log in 10 minutes, want 10", n)
		}
		began := time.Now()
		srv.Close()
		if d := time.Since(began); d != 0 {
			t.Errorf("Close took %v", d)
		}
	})
}

// TestSilentConnectionHoldsUpNoEnd: a connection on which nothing is said is closed when the time of a drain is over.
func TestSilentConnectionHoldsUpNoEnd(t *testing.T) {
	for _, scheme := range []string{"shm", "unix", "tcp", "tls"} {
		if scheme == "shm" && runtime.GOOS != "linux" {
			continue // there is no shared memory
		}
		for _, end := range []struct {
			by string
			do func(t *testing.T, srv *hotline.Server)
		}{
			{"Close", func(t *testing.T, srv *hotline.Server) {
				wait.Return(t, "the end of Close", func() { srv.Close() })
			}},
			{"Shutdown", func(t *testing.T, srv *hotline.Server) {
				ctx, cancel := context.WithCancel(t.Context())
				first := make(chan error, 1)
				go func() { first <- srv.Shutdown(ctx) }()
				wait.Until(t, "a drain", func() bool { return hotline.Draining(srv) })
				cancel()
				wait.Receive(t, "the end of Shutdown", first)
				wait.Return(t, "the end of the drain", func() { _ = srv.Shutdown(context.Background()) })
			}},
		} {
			t.Run(scheme+"/"+end.by, func(t *testing.T) {
				t.Parallel()
				srv := &hotline.Server{TCPBind: "127.0.0.1:0", HandshakeTimeout: time.Hour}
				if scheme == "tls" {
					srv.TLS = &tls.Config{GetCertificate: func(*tls.ClientHelloInfo) (*tls.Certificate, error) {
						return nil, errors.New("a client has spoken")
					}}
				}
				dir := serve(t, srv, new(echoServer))
				defer connectSilently(t, addressOf(t, dir, scheme)).Close()
				wait.Until(t, "a connection that is being greeted", func() bool { return hotline.Greetings(srv) == 1 })
				end.do(t, srv)
			})
		}
	}
}

// TestManySilentConnections: where there are more connections on which nothing is said than are greeted at once, a client in the
// server's process does not wait for them, and those that are not being greeted when a drain begins are closed.
func TestManySilentConnections(t *testing.T) {
	t.Parallel()
	srv := &hotline.Server{TCPBind: "127.0.0.1:0", HandshakeTimeout: time.Hour}
	dir := serve(t, srv, new(echoServer))
	address := strings.TrimPrefix(addressOf(t, dir, "tcp"), "tcp://")
	var silent []net.Conn
	for range hotline.MaxGreeting + 10 {
		conn, err := net.Dial("tcp", address)
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		silent = append(silent, conn)
	}
	wait.Until(t, "as many handshakes as there may be", func() bool { return hotline.Greetings(srv) == hotline.MaxGreeting })
	var c echoClient
	connected := make(chan error, 1)
	go func() { connected <- (&hotline.Dialer{Server: srv}).Connect(t.Context(), &c, "inproc://") }()
	if err := wait.Receive(t, "the end of Connect", connected); err != nil {
		t.Fatal(err)
	}
	if sum, err := c.Sum(t.Context(), 2, 3); err != nil || sum != 5 {
		t.Errorf("Sum(2, 3): got %d, %v", sum, err)
	}
	c.Close()
	down := make(chan error, 1)
	go func() { down <- srv.Shutdown(context.Background()) }()
	for _, conn := range silent[hotline.MaxGreeting:] {
		wait.Return(t, "the end of a connection", func() {
			if n, err := conn.Read(make([]byte, 1)); err == nil {
				t.Errorf("%d bytes came", n)
			}
		})
	}
	wait.Return(t, "the end of Close", func() { srv.Close() })
	wait.Receive(t, "the end of Shutdown", down)
}

// TestGreetingDuringDrainSucceeds: a client that connected before a drain and speaks during it is welcome, and told of the drain.
func TestGreetingDuringDrainSucceeds(t *testing.T) {
	t.Parallel()
	srv := new(hotline.Server)
	dir := serve(t, srv, new(echoServer))
	conn, err := nettcp.Dial(t.Context(), "unix", strings.TrimPrefix(addressOf(t, dir, "unix"), "unix://"), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	wait.Until(t, "a connection that is being greeted", func() bool { return hotline.Greetings(srv) == 1 })
	down := make(chan error, 1)
	go func() { down <- srv.Shutdown(context.Background()) }()
	wait.Until(t, "a drain", func() bool { return hotline.Draining(srv) })
	if _, err := link.Greet(t.Context(), conn, &wire.Hello{Oldest: wire.Version, Newest: wire.Version, MaxMessage: 1 << 20}); err != nil {
		t.Fatal(err)
	}
	for _, want := range []wire.Kind{wire.KindGoaway, wire.KindBye} {
		if h, err := conn.Next(); err != nil || h.Kind != want {
			t.Errorf("the next frame: got %v, %v, want %v", h.Kind, err, want)
		}
	}
	conn.Close()
	if err := wait.Receive(t, "the end of Shutdown", down); err != nil {
		t.Errorf("Shutdown: %v", err)
	}
}

// connectSilently connects to a server and says nothing.
func connectSilently(t *testing.T, address string) io.Closer {
	t.Helper()
	scheme, where, _ := strings.Cut(address, "://")
	var conn io.Closer
	var err error
	switch scheme {
	case "shm":
		conn, err = shm.Dial(t.Context(), where, nil)
	case "unix":
		conn, err = net.Dial("unix", where)
	default:
		conn, err = net.Dial("tcp", where)
	}
	if err != nil {
		t.Fatal(err)
	}
	return conn
}

// serveOpened serves an echo service, and returns when clients in this process reach it.
func serveOpened(t *testing.T, srv *hotline.Server) {
	t.Helper()
	serve(t, srv, new(echoServer))
	c, err := (&hotline.Dialer{Server: srv}).Dial(t.Context(), "echo_serv", "inproc://")
	if err != nil {
		t.Fatal(err)
	}
	c.Close()
}
