package manager

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"slices"
	"syscall"
	"time"

	"hotline/internal/worker"
	"hotline/manager/internal/systemd"
)

// leftoverSlack is how much longer a TCP port is waited for than what a manager that was killed has left should have it.
const leftoverSlack = 2 * time.Second

// openEdition opens what the workers of an edition need: their user's directory, its TCP ports and its log. That of an earlier
// edition of the section, which may be nil, is shared with it. After an error the edition is to be closed.
func (m *Manager) openEdition(ctx context.Context, e, earlier *edition) error {
	ports, err := m.openPorts(ctx, e)
	e.setPorts(ports)
	return errors.Join(m.openGrant(e), err, m.openLog(e, earlier))
}

// openPorts opens TCP ports for the edition and returns them, those that could be opened if there is an error, too.
func (m *Manager) openPorts(ctx context.Context, e *edition) (map[string]*os.File, error) {
	host := e.service.TCPBind
	if host == "" {
		return nil, nil
	}
	ports := map[string]*os.File{}
	var errs []error
	for _, s := range e.services {
		f, err := m.openPort(ctx, e.service, s.Port)
		if err != nil {
			errs = append(errs, e.service.errorAt("tcp_bind", fmt.Errorf("open the port of %s: %w", s.Name, err)))
			continue
		}
		ports[s.Port] = f
	}
	return ports, errors.Join(errs...)
}

// openPort opens a TCP port of a section, or returns another descriptor of one that is open at that address: for workers that
// are to be replaced or are not to serve it any more, or by systemd.
func (m *Manager) openPort(ctx context.Context, of *Service, port string) (*os.File, error) {
	host := of.TCPBind
	address, err := net.ResolveTCPAddr("tcp", net.JoinHostPort(host, port))
	if err != nil {
		return nil, err
	}
	f, other, err := m.shareOpen(address, port)
	if f != nil || err != nil {
		return f, err
	}
	if f, err := m.systemd.Take(host, port); err != nil {
		return nil, err
	} else if f != nil {
		return copyListener(f)
	}
	for said := false; ; said = true {
		f, err := listenTCP(host, port)
		left := m.leftoverTime(of)
		switch {
		case !errors.Is(err, syscall.EADDRINUSE):
			return f, err
		case other != nil:
			return nil, other.conflict(m, host)
		case left <= 0:
			return nil, fmt.Errorf("%w: if another program has it, stop that or change the service's port", err)
		}
		if !said {
			m.sayAs(m.log.Info(), of.Section, fmt.Sprintf("TCP port %s is in use: waiting, for %v at most, as the manager before was killed",
				port, roundTime(left)))
		}
		if err := sleep(ctx, 10*time.Millisecond); err != nil {
			return nil, err
		}
	}
}

// openElsewhere is a port that a section has open at another address than is wanted.
type openElsewhere struct {
	section string
	address *net.TCPAddr
}

// conflict says why the port can't be opened at a host. Even the manager's own socket is in the way of another one at an
// address that has both: the kernel would not know whose a connection is.
func (o *openElsewhere) conflict(m *Manager, host string) error {
	at := o.address.IP
	if f, err := m.systemd.Take(at.String(), fmt.Sprint(o.address.Port)); f != nil && err == nil {
		return fmt.Errorf("systemd has it open at %v, and it can't be opened at %s beside that: change ListenStream", at, host)
	}
	return fmt.Errorf("it is open at %v for the workers of section [%s], and can't be opened at %s beside that: stop that section, "+
		"reload, and start it again", at, o.section, host)
}

// shareOpen returns another descriptor of a TCP port that a section has open at the address, or where one has it open else.
func (m *Manager) shareOpen(address *net.TCPAddr, port string) (f *os.File, other *openElsewhere, err error) {
	for _, p := range m.allPools() {
		for _, e := range p.editions() {
			f, at, err := e.copyPort(port)
			switch {
			case err != nil:
				return nil, nil, err
			case f == nil:
			case systemd.SameAddress(at, address):
				return f, nil, nil
			default:
				f.Close()
				other = &openElsewhere{p.section, at}
			}
		}
	}
	return nil, other, nil
}

// editions returns the editions that are not closed.
func (p *pool) editions() []*edition {
	p.mu.Lock()
	defer p.mu.Unlock()
	return slices.Clone(p.kept)
}

// leftoverTime returns how long from now on a worker of the manager before, which was killed, or a child of it may still live.
// They end as soon as they have seen the end of the manager; where they don't, they kill themselves.
func (m *Manager) leftoverTime(s *Service) time.Duration {
	if m.inherited.IsZero() {
		return 0
	}
	return time.Until(m.inherited.Add(m.timing(s).stop + worker.KillGrace + leftoverSlack))
}

// listenTCP returns a listening socket for workers to inherit.
func listenTCP(host, port string) (*os.File, error) {
	l, err := net.Listen("tcp", net.JoinHostPort(host, port))
	if err != nil {
		return nil, err
	}
	defer l.Close() // File is a copy
	return l.(*net.TCPListener).File()
}

// copyListener returns another descriptor of the same socket.
func copyListener(f *os.File) (*os.File, error) {
	l, err := net.FileListener(f)
	if err != nil {
		return nil, err
	}
	defer l.Close()
	return l.(*net.TCPListener).File()
}

// setPorts gives the edition its TCP ports.
func (e *edition) setPorts(ports map[string]*os.File) {
	e.portsMu.Lock()
	defer e.portsMu.Unlock()
	e.ports = ports
}

// listeners returns the edition's TCP ports, which are open while its section is not stopped.
func (e *edition) listeners() map[string]*os.File {
	e.portsMu.Lock()
	defer e.portsMu.Unlock()
	return e.ports
}

// copyPort returns another descriptor of a TCP port and where it is open; nil where the edition does not have it open.
func (e *edition) copyPort(port string) (*os.File, *net.TCPAddr, error) {
	e.portsMu.Lock()
	defer e.portsMu.Unlock()
	if e.ports[port] == nil {
		return nil, nil, nil
	}
	l, err := net.FileListener(e.ports[port])
	if err != nil {
		return nil, nil, err
	}
	defer l.Close() // File is a copy
	f, err := l.(*net.TCPListener).File()
	return f, l.Addr().(*net.TCPAddr), err
}

// closePorts closes the edition's TCP ports; workers that have them keep them.
func (e *edition) closePorts() {
	e.portsMu.Lock()
	defer e.portsMu.Unlock()
	closeAll(e.ports)
	e.ports = nil
}

func closeAll(ports map[string]*os.File) {
	for _, f := range ports {
		f.Close()
	}
}

// closeEdition closes and removes what an edition does not share with others. No worker of it runs any more.
func (m *Manager) closeEdition(e *edition, others ...*edition) {
	m.withdraw(e)
	e.discard(others...)
}

// withdraw closes what the edition's services are reached by.
func (m *Manager) withdraw(e *edition) {
	e.closePorts()
	if e.grant == nil {
		return
	}
	if err := e.grant.Close(); err != nil {
		m.log.Warn().Err(err).Str("section", e.service.Section).Msg("a user's runtime directory is left")
	}
}

// discard removes the program and closes the log, unless others have them, too. The file system may make it wait.
func (e *edition) discard(others ...*edition) {
	program, log := true, e.log != nil
	for _, o := range others {
		program, log = program && o.program != e.program, log && o.log != e.log
	}
	if program {
		e.program.remove()
	}
	if log {
		e.log.close()
	}
}

// sleep waits, or returns ctx's error when that ends first.
func sleep(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
