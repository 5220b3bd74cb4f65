package hotline

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"sync"
	"syscall"
	"time"

	"github.com/rs/zerolog"
	"golang.org/x/term"

	"hotline/codec"
	"hotline/internal/link"
	"hotline/internal/spin"
	"hotline/internal/worker"
	"hotline/registry"
	"hotline/shm"
)

// Server serves one or more services from this process. Fields are read when [Server.Serve] begins and must not change
// afterwards; their zero values are the defaults. A Server serves once.
//
// Without a TCPBind a service is reached from its own machine only, over shared memory and a unix socket in the
// runtime directory that only this user can enter.
type Server struct {
	// TCPBind is the address to listen on for TCP: a host such as "127.0.0.1", "::1" or "0.0.0.0", to which the
	// service's port is added, or host:port. Empty means no TCP.
	TCPBind string

	// TLS makes the TCP listeners speak TLS only; clients use tls:// then.
	TLS *tls.Config

	// TCPAllowInsecureSerialisation lets codecs that need a trusted peer (gob) be used over TCP.
	TCPAllowInsecureSerialisation bool

	// Codecs are codecs of the user's own, beside the built-in ones.
	Codecs []codec.Codec

	// Errors are the errors that clients can tell apart when methods return them, beside those that are always known; see
	// [KnownError].
	Errors []KnownError

	// Interceptors are code around every call that the server answers, the outermost first; see [Interceptor].
	Interceptors []Interceptor

	// Docs gives methods, by "Type.Method", the doc comments that `hotline describe` shows.
	Docs map[string]string

	// InprocOnly makes this a server that clients in this process alone reach, by inproc://. It listens nowhere, is in no
	// runtime directory, and leaves ports and names to others. It excludes TCPBind and a manager.
	InprocOnly bool

	// Dir is the runtime directory; by default $HOTLINE_DIR, else $XDG_RUNTIME_DIR/hotline, else a directory of the
	// user's own in the system's temporary directory.
	Dir string

	// MaxMessage is the largest request taken, in bytes; 128 MiB by default.
	MaxMessage int

	// MaxInFlight is how many calls a client may have in flight on one link; 1,024 by default.
	MaxInFlight int

	// HandshakeTimeout is how long a client may take to say who it is; 10 s by default.
	HandshakeTimeout time.Duration

	// DrainTimeout is how long Serve waits for calls in flight when its context has ended; 10 s by default. A manager's
	// stop_timeout takes its place: the calls have five sixths of that.
	DrainTimeout time.Duration

	// MaxSpin is the longest that a link may poll for its peer before it sleeps: CPU time for speed. Zero is 100 µs,
	// which a link spends only while that pays; less than zero is never. A process that may run on one CPU only never
	// does.
	MaxSpin time.Duration

	// BufferMemory is how much shared memory each direction of a link has for [Buffer] values, in bytes; 16 MiB by
	// default, at most 1 GiB, less than zero is none. It is address space until Buffers use it, and is given back
	// when they have not for a while. Messages that find no room there are sent as others are.
	BufferMemory int

	// Logger takes the server's log; by default it goes to standard error, for people, and as JSON under a manager,
	// which keeps it. Handlers' panics, with their stacks, are there and nowhere else.
	Logger *zerolog.Logger

	mu       sync.Mutex
	services []*service
	serving  bool
	managed  *worker.Settings // nil where no manager started this process; set before anything is opened
	known    *knownErrors     // from Errors, when Serve has begun
	hosts    []*host          // while they take connections
	opened   chan struct{}    // closed when hosts was set, or Serve has failed; made by who asks first
	stop     chan struct{}    // closed to end Serve
	stopCtx  context.Context  // bounds the draining when Shutdown or Close asked for the end
	closing  context.Context  // bounds the draining whoever asked for the end: ended by Close
	endNow   func()           // ends closing
	done     chan struct{}    // closed when Serve has returned
}

// Register adds a service: a pointer to a struct that embeds [ServerMethodsBase]. The error names the type, the
// method and what to change.
func (s *Server) Register(value any) error {
	if err := codec.Check(s.Codecs); err != nil {
		return fmt.Errorf("hotline: Server.Codecs: %w", err)
	}
	v, err := newService(value, s.Codecs, s.Docs)
	if err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.serving {
		return fmt.Errorf("hotline: register %s: the server is serving already", v.typ)
	}
	s.services = append(s.services, v)
	return nil
}

// Serve makes the services known and answers calls until ctx ends, or Shutdown or Close is called. Then it takes no
// more calls, waits up to DrainTimeout for those in flight, and returns nil; calls that were cut off are an error. An
// error before that says which service could not be served and why.
//
// In a worker whose manager was killed it does what that would have done: it ends what else is in the process group before it
// returns, and ends the process if all this takes longer than the section's stop_timeout and a second.
func (s *Server) Serve(ctx context.Context) error {
	if err := s.begin(); err != nil {
		return err
	}
	defer close(s.done)
	settings, err := worker.FromEnv()
	if err != nil {
		return fmt.Errorf("hotline: %w", err)
	}
	if s.Logger == nil {
		s.Logger = defaultLogger(settings != nil)
	}
	if settings != nil {
		s.adopt(settings)
		if settings.Mode == worker.Describe {
			return settings.Describe(s.describe())
		}
	}
	if settings != nil {
		var stop func()
		ctx, stop = whileManaged(ctx, settings)
		defer stop()
	}
	hosts, err := s.open(ctx, settings)
	if err != nil {
		return err
	}
	if settings != nil {
		if err := settings.Ready(s.describe(), addresses(hosts)); err != nil {
			return errors.Join(fmt.Errorf("hotline: %w", err), s.drain(ctx, hosts))
		}
	}
	select {
	case <-ctx.Done():
	case <-s.stop:
	}
	return s.drain(ctx, hosts)
}

// whileManaged returns a context that ends with ctx, and when the manager asks for it or is gone: then a long Start is
// given up too. The manager asks by SIGTERM as well, which would end a program at once that does not take it; so would the
// SIGPIPE of a line that is written when the manager is gone, which reads the process's output.
func whileManaged(ctx context.Context, settings *worker.Settings) (context.Context, func()) {
	ctx, stop := signal.NotifyContext(ctx, syscall.SIGTERM)
	unread := make(chan os.Signal, 1)
	signal.Notify(unread, syscall.SIGPIPE)
	ctx, cancel := context.WithCancel(ctx)
	go func() {
		select {
		case <-settings.Done():
			cancel()
		case <-ctx.Done():
		}
	}()
	return ctx, func() {
		cancel()
		settings.EndGroup()
		signal.Stop(unread)
		stop() // not before the end: the signal may come after what the channel says
	}
}

// Shutdown ends Serve as its context's end does, and waits until it has returned. Calls in flight have until ctx
// ends; where the end had begun before, they keep the time that they had. A server that was never served is left as it is.
func (s *Server) Shutdown(ctx context.Context) error {
	s.mu.Lock()
	if !s.serving {
		s.mu.Unlock()
		return nil
	}
	if s.stopCtx == nil {
		s.stopCtx = ctx
		close(s.stop)
	}
	s.mu.Unlock()
	select {
	case <-s.done:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// Close ends Serve at once, also where it waits for calls in flight: the contexts of running methods are cancelled.
func (s *Server) Close() error {
	s.mu.Lock()
	serving := s.serving
	s.mu.Unlock()
	if serving {
		s.endNow()
		_ = s.Shutdown(s.closing) // its context has ended already: what it says is only that
		<-s.done
	}
	return nil
}

// begin checks the options and fills in the defaults.
func (s *Server) begin() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case s.serving:
		return errors.New("hotline: Serve was called before: a Server serves once")
	case len(s.services) == 0:
		return errors.New("hotline: no service to serve: call Register first")
	case s.MaxMessage < 0 || s.MaxInFlight < 0 || s.HandshakeTimeout < 0 || s.DrainTimeout < 0:
		return errors.New("hotline: MaxMessage, MaxInFlight, HandshakeTimeout and DrainTimeout must not be negative")
	case s.BufferMemory > shm.MaxArenaSize:
		return fmt.Errorf("hotline: BufferMemory is at most %d", shm.MaxArenaSize)
	case s.InprocOnly && s.TCPBind != "":
		return fmt.Errorf("hotline: InprocOnly excludes TCPBind, which is %q: leave one of them out", s.TCPBind)
	case int64(s.MaxMessage) > 1<<32-1 || s.MaxInFlight > link.MaxMaxInFlight:
		return fmt.Errorf("hotline: MaxMessage is at most 4 GiB - 1 and MaxInFlight at most %d", link.MaxMaxInFlight)
	}
	known, err := newKnownErrors(s.Errors, s.Codecs)
	if err != nil {
		return fmt.Errorf("hotline: Server.Errors: %w", err)
	}
	s.known = known
	s.MaxMessage = orDefault(s.MaxMessage, link.DefaultMaxMessage)
	s.MaxInFlight = orDefault(s.MaxInFlight, link.DefaultMaxInFlight)
	s.HandshakeTimeout = orDefault(s.HandshakeTimeout, 10*time.Second)
	s.DrainTimeout = orDefault(s.DrainTimeout, 10*time.Second)
	s.serving, s.stop, s.done = true, make(chan struct{}), make(chan struct{})
	s.closing, s.endNow = context.WithCancel(context.Background())
	return nil
}

// adopt takes what a manager wants of the server that it started.
func (s *Server) adopt(w *worker.Settings) {
	if w.TCPBind != "" {
		s.TCPBind = w.TCPBind
	}
	if w.TCPAllowInsecureSerialisation {
		s.TCPAllowInsecureSerialisation = true
	}
	if d := w.DrainTimeout(); d > 0 { // it is killed a little later, whatever it says itself
		s.DrainTimeout = d
	}
	s.managed = w
}

// open starts every service, or none.
func (s *Server) open(ctx context.Context, w *worker.Settings) ([]*host, error) {
	defer s.hasOpened()
	dir, err := s.directory(w)
	if err != nil {
		return nil, fmt.Errorf("hotline: %w", err)
	}
	shared := &link.Options{Sentry: new(link.Sentry), Buffers: new(link.Buffers), Identify: s.known.identify}
	spinning := spin.NewGroup(spin.CPUs())
	var hosts []*host
	counters := s.newCounters(w)
	for i, v := range s.services {
		v.learn(s.known)
		h := newHost(s, v, shared, spinning)
		h.counter = counters[i]
		if err := h.open(ctx, dir, w); err != nil {
			return nil, errors.Join(fmt.Errorf("hotline: serve %s: %w", v.base.name, err), s.drain(ctx, hosts))
		}
		hosts = append(hosts, h)
	}
	s.mu.Lock()
	s.hosts = hosts
	s.mu.Unlock()
	return hosts, nil
}

// directory opens the runtime directory; nil for a server that is in none.
func (s *Server) directory(w *worker.Settings) (*registry.Dir, error) {
	switch {
	case !s.InprocOnly:
		return registry.Open(s.Dir)
	case w != nil:
		return nil, errors.New("a manager can't run a server that is InprocOnly: nobody would reach it")
	}
	return nil, nil
}

// drain stops every service, side by side.
func (s *Server) drain(ctx context.Context, hosts []*host) error {
	s.mu.Lock()
	bound := s.stopCtx
	s.hosts = nil
	s.mu.Unlock()
	var cancel context.CancelFunc
	if bound == nil {
		bound, cancel = s.boundDrain(context.WithoutCancel(ctx))
	} else {
		bound, cancel = context.WithCancel(bound)
	}
	defer cancel()
	defer context.AfterFunc(s.closing, cancel)()
	failures := make([]error, len(hosts))
	var wg sync.WaitGroup
	for i, h := range hosts {
		wg.Go(func() { failures[i] = h.drain(bound) })
	}
	wg.Wait()
	return errors.Join(failures...)
}

// boundDrain returns a context that ends when the calls in flight have had their time: DrainTimeout from now, or from when
// the manager that asked for the end does not wait any longer.
func (s *Server) boundDrain(ctx context.Context) (context.Context, context.CancelFunc) {
	if s.managed == nil || !closed(s.managed.Done()) {
		return context.WithTimeout(ctx, s.DrainTimeout)
	}
	ctx, cancel := context.WithCancel(ctx)
	go func() { // ends with ctx
		select {
		case <-s.managed.Gone():
		case <-ctx.Done():
			return
		}
		timeout := time.NewTimer(s.DrainTimeout)
		defer timeout.Stop()
		select {
		case <-timeout.C:
			cancel()
		case <-ctx.Done():
		}
	}()
	return ctx, cancel
}

// closed reports whether a channel that nothing is sent on has been closed.
func closed(c <-chan struct{}) bool {
	select {
	case <-c:
		return true
	default:
		return false
	}
}

func (s *Server) describe() []worker.Description {
	var all []worker.Description
	for _, v := range s.services {
		d := worker.Description{Type: v.typ, Name: v.base.name, Port: v.base.port, Version: v.base.version}
		for _, m := range v.table {
			d.Methods = append(d.Methods, worker.Method{Name: m.Name, Signature: m.Signature, Codec: m.Codec, Doc: m.Doc,
				Arguments: m.Arguments, Results: m.Results})
		}
		all = append(all, d)
	}
	return all
}

func addresses(hosts []*host) []string {
	var all []string
	for _, h := range hosts {
		all = append(all, h.addresses()...)
	}
	return all
}

// defaultLogger writes to standard error: for people, or, where a manager reads it, as JSON, so that lines keep their level and
// fields. A manager gives each line its time itself.
func defaultLogger(managed bool) *zerolog.Logger {
	if managed {
		l := zerolog.New(os.Stderr).Level(zerolog.InfoLevel)
		return &l
	}
	w := zerolog.ConsoleWriter{Out: os.Stderr, TimeFormat: time.DateTime}
	w.NoColor = !term.IsTerminal(int(os.Stderr.Fd())) || os.Getenv("NO_COLOR") != "" // no colours in files
	l := zerolog.New(w).Level(zerolog.InfoLevel).With().Timestamp().Logger()
	return &l
}

func orDefault[T comparable](v, def T) T {
	var zero T
	if v == zero {
		return def
	}
	return v
}
