package monitor

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	stdlog "log"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"time"

	"github.com/rs/zerolog"

	"hotline/internal/unixsock"
	"hotline/manager"
	"hotline/registry"
)

// Socket is the name of the API's socket in the runtime directory.
const Socket = "control.sock"

// The limits that the package comment names.
const (
	headerWait  = 5 * time.Second
	requestWait = 10 * time.Second
	answerWait  = 10 * time.Second
	idleWait    = time.Minute
	stacksWait  = 10 * time.Second // for a worker that may hang
	maxHeader   = 8 << 10
	maxBody     = 4 << 10
	maxConns    = 64
	maxJobs     = 32
)

// farewell is how long requests that are under way may take when the server stops.
const farewell = 2 * time.Second

// Options are what a Server may be told. Nil and zero fields mean the defaults that they name.
type Options struct {
	Logger  *zerolog.Logger // takes who was refused, who gave which command, and how it ended; default: none
	File    string          // the manager's service.ini, for those who ask; default: unknown
	Version string          // of the program, likewise
}

// Server is the API of a manager.
type Server struct {
	manager Manager
	about   About
	log     zerolog.Logger
	ln      *gate
	remove  func() // the socket's file
	http    *http.Server
	figures *gatherer
	metrics http.Handler

	slots    chan struct{}      // holds one for each command that is under way
	life     context.Context    // of commands
	end      context.CancelFunc // of life
	answered time.Duration      // answerWait; tests are less patient
}

// Listen makes the API's socket in a runtime directory, which is found and made as by [registry.Open]. A socket that a dead
// manager left is replaced; where a living one answers, the error is a [*manager.RunningError]. [Server.Serve] must follow.
func Listen(dir string, m Manager, o *Options) (*Server, error) {
	if o == nil {
		o = &Options{}
	}
	d, err := registry.Open(dir)
	if err != nil {
		return nil, err
	}
	path := filepath.Join(d.Path(), Socket)
	ln, remove, err := unixsock.Listen(path, 0o600)
	if err != nil {
		if other := askAnother(d.Path()); other != nil {
			return nil, other
		}
		return nil, fmt.Errorf("monitor: listen at %s: %w", path, err)
	}
	log := zerolog.Nop()
	if o.Logger != nil {
		log = *o.Logger
	}
	s := &Server{manager: m, log: log, remove: remove, slots: make(chan struct{}, maxJobs), answered: answerWait,
		about: About{PID: os.Getpid(), Started: time.Now().Round(0), File: o.File, Version: cmp.Or(o.Version, ownVersion())}}
	quiet := log.Sample(&zerolog.BurstSampler{Burst: 10, Period: time.Minute}) // a peer shall not fill the log
	s.ln = &gate{UnixListener: ln, most: maxConns, trusted: unixsock.Peer.Trusted, log: quiet}
	s.life, s.end = context.WithCancel(context.Background())
	s.figures = &gatherer{manager: m}
	s.metrics = s.metricsHandler()
	s.http = &http.Server{
		Handler: s.routes(), ErrorLog: stdlog.New(&quiet, "", 0),
		ReadHeaderTimeout: headerWait, ReadTimeout: requestWait, IdleTimeout: idleWait, MaxHeaderBytes: maxHeader,
		ConnContext: func(ctx context.Context, c net.Conn) context.Context {
			return context.WithValue(ctx, peerKey{}, c.(*visitor).peer)
		},
	}
	return s, nil
}

// peerKey is of the [unixsock.Peer] in a request's context.
type peerKey struct{}

// askAnother returns who answers in dir, nil if nobody does.
func askAnother(dir string) error {
	ctx, cancel := context.WithTimeout(context.Background(), requestWait)
	defer cancel()
	c, err := Dial(dir)
	if err != nil {
		return nil
	}
	defer c.Close()
	status, err := c.Status(ctx, "")
	if err != nil {
		return nil
	}
	return &manager.RunningError{Dir: dir, PID: status.Manager.PID, Started: status.Manager.Started, File: status.Manager.File}
}

// Serve serves until ctx ends. Then it removes the socket, ends the contexts of the commands that are under way, waits
// for them and for the answers, and returns nil. It must be called once. A socket that can't be listened at any more ends it
// likewise, with an error.
func (s *Server) Serve(ctx context.Context) error {
	served := make(chan error, 1)
	go func() { served <- s.http.Serve(s.ln) }()
	var err error
	select {
	case <-ctx.Done():
	case err = <-served:
		served <- err
	}
	s.remove()
	s.end()
	for range maxJobs { // when all are taken no command is under way, and none begins
		s.slots <- struct{}{}
	}
	patience, cancel := context.WithTimeout(context.WithoutCancel(ctx), farewell)
	defer cancel()
	if s.http.Shutdown(patience) != nil {
		s.http.Close() // of those who don't take their answers
	}
	<-served
	s.ln.refusals.Wait()
	if err != nil && !errors.Is(err, http.ErrServerClosed) {
		return fmt.Errorf("monitor: %w", err)
	}
	return nil
}
