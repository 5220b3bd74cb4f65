package hotline_test

import (
	"context"
	"fmt"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/rs/zerolog"

	"hotline"
	"hotline/internal/link"
	"hotline/internal/wait"
	"hotline/nettcp"
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
