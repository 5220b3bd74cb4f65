package hotline

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"hotline/internal/link"
	"hotline/internal/pipe"
)

// inprocEnd is either end of a connection within this process. Unlike those over sockets its ends can know each other.
type inprocEnd struct {
	*pipe.Conn
	*meeting
}

// meeting is where the client of such a connection learns who its server is.
type meeting struct {
	server  *link.Server
	service *service
	done    chan struct{} // closed when both are set
}

// met tells the client.
func (m *meeting) met(l *link.Server, v *service) {
	m.server, m.service = l, v
	close(m.done)
}

// dialInproc connects to a service of this server, in this process. It waits for a server that does not serve yet.
func (s *Server) dialInproc(ctx context.Context, t *target) (*inprocEnd, error) {
	if !s.has(t) {
		return nil, fmt.Errorf("service %s is not one of Dialer.Server's: Register it there", t)
	}
	select {
	case <-s.opening():
	case <-ctx.Done():
		return nil, fmt.Errorf("service %s of Dialer.Server is not served yet: call Serve beside Connect: %w", t, ctx.Err())
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	i := slices.IndexFunc(s.hosts, func(h *host) bool { return h.service.isFor(t) })
	if i < 0 {
		return nil, fmt.Errorf("service %s is not served by Dialer.Server any more", t)
	}
	h, m := s.hosts[i], &meeting{done: make(chan struct{})}
	near, far := pipe.New("inproc://" + h.service.base.name)
	h.accepting.Go(func() { h.greet(&inprocEnd{far, m}) }) // under the lock: once hosts is empty, there are no more
	return &inprocEnd{near, m}, nil
}

// has reports whether the service is registered.
func (s *Server) has(t *target) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.ContainsFunc(s.services, func(v *service) bool { return v.isFor(t) })
}

// opening returns what is closed when Serve has opened every service, or has failed to.
func (s *Server) opening() chan struct{} {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.opened == nil {
		s.opened = make(chan struct{})
	}
	return s.opened
}

// hasOpened says so. It is called once.
func (s *Server) hasOpened() { close(s.opening()) }

// errNotMet says that the other end of a connection in this process went away after its handshake.
var errNotMet = errors.New("the server closed the connection")
