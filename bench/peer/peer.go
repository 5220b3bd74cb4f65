// Package peer holds the ways to echo bytes between two processes that are measured side by side: hotline's own,
// what a careful programmer writes by hand, and the libraries that Go programs use today. Each is a [Peer] in a file of
// its own, used as its documentation recommends; what a code generator would have written is written out by hand.
package peer

import (
	"context"
	"net"
	"os"
	"path/filepath"
	"time"
)

// Peer is one way to echo bytes. Its server and its client are in two processes that share nothing but a directory.
type Peer struct {
	Name   string // as the tables show it
	Way    string // what carries the bytes: shm, unix, tcp or pipe
	Kind   Kind
	Module string // the Go module that is measured; empty for the standard library and for code by hand
	Note   string // how it is used, where that needs a word

	// Serve serves in dir until ctx ends or the process does. It calls ready when a client may dial.
	Serve func(ctx context.Context, dir string, ready func()) error

	// Dial makes what one client process holds. The load is a hint.
	Dial func(ctx context.Context, dir string, load Load) (Client, error)
}

// Load is what a client is going to do.
type Load struct {
	Size    int // bytes of an echo
	Callers int
}

// Kind says what a peer is, for the comparisons.
type Kind int

const (
	Hotline Kind = iota
	Hand         // written by hand for this purpose alone
	Library      // remote procedure calls
	Memory       // shared memory
)

// Client is the connection of a client process. Caller is called for each of its calling goroutines in turn, before any
// of them calls.
type Client interface {
	Caller() (Call, error)
	Close() error
}

// Call sends data and returns the echo. One goroutine uses it at a time; the echo is valid until its next call.
type Call func(data []byte) ([]byte, error)

// All returns the peers in the order of the tables.
func All() []Peer {
	return []Peer{
		hotlineBy("shm"), hotlineBuffers("hotline shm in place", "shm"),
		hotlineBy("unix"), hotlineBuffers("hotline unix Buffer", "unix"),
		hotlineBy("tcp"), hotlineBuffers("hotline tcp Buffer", "tcp"),
		lockStepBy("unix"), lockStepBy("tcp"), lockStepBy("pipe"),
		muxBy("unix"), muxBy("tcp"), muxBy("pipe"),
		netRPC(), gRPC(), connectRPC(), dRPC(), rpcX(), kitexMux(), aRPC(),
		shmIPC(false), shmIPC(true),
	}
}

// Find returns the peer of that name.
func Find(name string) (Peer, bool) {
	for _, p := range All() {
		if p.Name == name {
			return p, true
		}
	}
	return Peer{}, false
}

// socket is where a peer's server listens, in its directory.
func socket(dir string) string { return filepath.Join(dir, "peer.sock") }

// addressFile holds the TCP address of a server that listens on a free port.
func addressFile(dir string) string { return filepath.Join(dir, "peer.addr") }

// listen opens the server's socket: a unix socket, or TCP on the loopback.
func listen(dir, way string) (net.Listener, error) {
	if way != "tcp" {
		return net.Listen("unix", socket(dir))
	}
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	if err := os.WriteFile(addressFile(dir), []byte(ln.Addr().String()), 0o600); err != nil {
		ln.Close()
		return nil, err
	}
	return ln, nil
}

// dial connects to what listen opened.
func dial(ctx context.Context, dir, way string) (net.Conn, error) {
	d := net.Dialer{Timeout: 10 * time.Second}
	if way != "tcp" {
		return d.DialContext(ctx, "unix", socket(dir))
	}
	address, err := os.ReadFile(addressFile(dir))
	if err != nil {
		return nil, err
	}
	return d.DialContext(ctx, "tcp", string(address))
}

// unixListen is the Serve of a peer whose library serves a listener until it is closed.
func unixListen(serve func(net.Listener) error) func(context.Context, string, func()) error {
	return func(ctx context.Context, dir string, ready func()) error {
		ln, err := listen(dir, "unix")
		if err != nil {
			return err
		}
		defer ln.Close()
		ended := make(chan error, 1)
		go func() { ended <- serve(ln) }()
		ready()
		select {
		case err := <-ended:
			return err
		case <-ctx.Done():
			return nil // the process ends, and what the library still runs with it
		}
	}
}

// shared is a Client whose callers all use the same function.
type shared struct {
	call  Call
	close func() error
}

func (s *shared) Caller() (Call, error) { return s.call, nil }
func (s *shared) Close() error          { return s.close() }
