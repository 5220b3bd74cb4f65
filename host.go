package hotline

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"strconv"
	"strings"
	"sync"
	"time"

	"hotline/internal/link"
	"hotline/internal/spin"
	"hotline/internal/worker"
	"hotline/nettcp"
	"hotline/registry"
	"hotline/shm"
)

// host is one service being served: its place in the registry, its listeners and its links.
type host struct {
	server  *Server
	service *service
	shared  *link.Options
	spin    *spin.Group     // the server's, for all its links
	entry   *registry.Entry // nil for a server that is in no runtime directory
	id      string          // of the instance
	counter *counter        // nil where nobody reads how many calls there are

	listeners []listener
	accepting sync.WaitGroup // accept loops, and handshakes under way
	greeting  chan struct{}  // a place for each handshake under way over a listener
	stopping  chan struct{}  // closed when drain begins

	greetings    context.Context // ends when drain's does: handshakes under way are given up then
	endGreetings func()          // ends greetings

	mu       sync.Mutex
	links    map[*link.Server]struct{} // guarded by mu
	draining context.Context           // guarded by mu: nil before drain, whose context it is
}

// listener is what the transports' listeners have in common.
type listener interface {
	Accept() (link.Conn, error)
	Close() error
	Addr() string
}

// acceptor makes a transport's listener, which returns its own type of connection, a listener.
type acceptor[C link.Conn] struct {
	inner interface {
		Accept() (C, error)
		Close() error
		Addr() string
	}
}

func (a acceptor[C]) Accept() (link.Conn, error) { return a.inner.Accept() }
func (a acceptor[C]) Close() error               { return a.inner.Close() }
func (a acceptor[C]) Addr() string               { return a.inner.Addr() }

func newHost(s *Server, v *service, shared *link.Options, spinning *spin.Group) *host {
	h := &host{server: s, service: v, shared: shared, spin: spinning, greeting: make(chan struct{}, maxGreeting),
		stopping: make(chan struct{}), links: make(map[*link.Server]struct{})}
	h.greetings, h.endGreetings = context.WithCancel(context.Background())
	return h
}

// open claims the service's name and port, starts it, listens, and says that it is ready.
func (h *host) open(ctx context.Context, dir *registry.Dir, w *worker.Settings) (err error) {
	base := &h.service.base
	if err = h.register(dir); err != nil {
		return err
	}
	if err := h.start(ctx); err != nil {
		return errors.Join(err, h.unregister())
	}
	if err = h.listen(w); err == nil {
		err = h.tell(registry.Ready)
	}
	if err != nil {
		h.closeListeners()
		return errors.Join(err, h.stop(ctx), h.unregister())
	}
	for _, ln := range h.listeners {
		h.accepting.Go(func() { h.accept(ln) })
	}
	h.server.Logger.Info().Str("service", base.name).Str("version", base.version).Str("port", base.port).
		Int("methods", len(h.service.methods)).Strs("addresses", h.addresses()).Msg("serving")
	return nil
}

// register claims the service's name and port in dir, if there is one.
func (h *host) register(dir *registry.Dir) (err error) {
	base := &h.service.base
	if dir == nil {
		h.id = fmt.Sprintf("%s-inproc-%p", base.name, h)
		return nil
	}
	h.entry, err = dir.Register(registry.Instance{Name: base.name, Port: base.port, Version: base.version})
	if err == nil {
		h.id = h.entry.Instance().ID
	}
	return err
}

// tell says in the registry what the service is up to.
func (h *host) tell(state registry.State) error {
	if h.entry == nil {
		return nil
	}
	return h.entry.Update(state, h.addresses())
}

func (h *host) unregister() error {
	if h.entry == nil {
		return nil
	}
	return h.entry.Close()
}

func (h *host) start(ctx context.Context) error {
	if v, ok := h.service.value.(starter); ok {
		if err := v.Start(ctx); err != nil {
			return fmt.Errorf("start %s: %w", h.service.typ, err)
		}
	}
	return nil
}

func (h *host) stop(ctx context.Context) error {
	if v, ok := h.service.value.(stopper); ok {
		if err := v.Stop(ctx); err != nil {
			return fmt.Errorf("stop %s: %w", h.service.typ, err)
		}
	}
	return nil
}

// listen opens a listener for every transport that the service is to be reached by.
func (h *host) listen(w *worker.Settings) error {
	if h.entry == nil {
		return nil
	}
	shmListener, err := shm.Listen(h.entry.SocketPath("shm"),
		&shm.Options{ArenaSize: h.server.BufferMemory, MaxSpin: h.server.MaxSpin, Spin: h.spin})
	switch {
	case err == nil:
		h.listeners = append(h.listeners, acceptor[*shm.Conn]{shmListener})
	case errors.Is(err, shm.ErrNotSupported):
		h.server.Logger.Debug().Err(err).Msg("no shared memory")
	default:
		return err
	}
	options := h.socketOptions()
	unixListener, err := nettcp.Listen("unix", h.entry.SocketPath("unix"), options)
	if err != nil {
		return err
	}
	h.listeners = append(h.listeners, acceptor[*nettcp.Conn]{unixListener})
	if h.server.TCPBind == "" {
		return nil
	}
	tcpListener, err := h.listenTCP(w)
	if err != nil {
		return err
	}
	h.listeners = append(h.listeners, acceptor[*nettcp.Conn]{tcpListener})
	return nil
}

func (h *host) socketOptions() *nettcp.Options {
	return &nettcp.Options{HandshakeTimeout: h.server.HandshakeTimeout, MaxSpin: h.server.MaxSpin, Spin: h.spin}
}

// listenTCP listens itself, or takes the listener that the manager opened for all workers.
func (h *host) listenTCP(w *worker.Settings) (*nettcp.Listener, error) {
	base := &h.service.base
	options := h.socketOptions()
	options.TLS = h.server.TLS
	if w != nil {
		if fd, ok := w.Listeners[base.port]; ok {
			inherited, err := inheritListener(fd)
			if err != nil {
				return nil, err
			}
			return nettcp.NewListener(inherited, options)
		}
	}
	if !registry.IsNumber(base.port) {
		return nil, fmt.Errorf("port %q is a word, and TCP needs a number: change the port tag, or leave TCPBind (tcp_bind) empty", base.port)
	}
	return nettcp.Listen("tcp", joinPort(h.server.TCPBind, base.port), options)
}

// inheritListener takes over a listening socket that the parent process left open.
func inheritListener(fd int) (net.Listener, error) {
	f := os.NewFile(uintptr(fd), "listener")
	defer f.Close() // FileListener works on a copy
	ln, err := net.FileListener(f)
	if err != nil {
		return nil, fmt.Errorf("inherited listener, descriptor %d: %w", fd, err)
	}
	return ln, nil
}

// joinPort adds the port to an address that has none.
func joinPort(address, port string) string {
	if host, own, err := net.SplitHostPort(address); err == nil {
		if _, err := strconv.ParseUint(own, 10, 16); err == nil {
			return net.JoinHostPort(host, own)
		}
	}
	return net.JoinHostPort(strings.Trim(address, "[]"), port)
}

func (h *host) addresses() []string {
	var all []string
	for _, ln := range h.listeners {
		all = append(all, ln.Addr())
	}
	return all
}

// drain takes no more connections and calls, lets the handshakes under way and the calls in flight end until ctx does, and stops the
// service.
func (h *host) drain(ctx context.Context) error {
	defer context.AfterFunc(ctx, h.endGreetings)()
	err := h.tell(registry.Draining)
	close(h.stopping)
	h.closeListeners()
	h.mu.Lock()
	h.draining = ctx
	var links []*link.Server
	for l := range h.links {
		links = append(links, l)
	}
	h.mu.Unlock()
	var wg sync.WaitGroup
	cut := make([]int, len(links))
	for i, l := range links {
		wg.Go(func() {
			if l.Shutdown(ctx) != nil {
				cut[i] = l.Running()
			}
		})
	}
	wg.Wait()
	h.accepting.Wait()
	h.awaitHandlers(links)
	if n := sum(cut); n > 0 {
		err = errors.Join(err, fmt.Errorf("hotline: service %s: %d calls were still running and were cut off", h.service.base.name, n))
	}
	err = errors.Join(err, h.stop(ctx), h.unregister())
	h.server.Logger.Info().Str("service", h.service.base.name).Msg("stopped")
	return err
}

// handlerGrace is how long a method may go on after its context has ended before the service is stopped under it.
const handlerGrace = time.Second

// awaitHandlers waits until no method runs any more, so that Stop is not called under one. Methods that do not heed
// their context are not waited for long.
func (h *host) awaitHandlers(links []*link.Server) {
	idle := make(chan struct{})
	go func() {
		defer close(idle)
		for _, l := range links {
			l.Wait()
		}
	}()
	select {
	case <-idle:
	case <-time.After(handlerGrace):
		h.server.Logger.Warn().Str("service", h.service.base.name).Msg("methods still run though their context has ended")
	}
}

func (h *host) closeListeners() {
	for _, ln := range h.listeners {
		if err := ln.Close(); err != nil {
			h.server.Logger.Warn().Err(err).Str("listener", ln.Addr()).Msg("closing a listener")
		}
	}
}

func sum(all []int) (n int) {
	for _, v := range all {
		n += v
	}
	return n
}
