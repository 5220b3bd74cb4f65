package manager

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"sync"

	"hotline/internal/worker"
	"hotline/registry"
)

// pool is the workers of a section and what they share. All but what is under mu is set before the first is started.
type pool struct {
	manager  *Manager
	service  *Service
	path     string   // of the program
	dir      string   // that it runs in
	env      []string // without the settings
	services []worker.Description
	ports    map[string]*os.File // TCP listeners, by port
	log      *logFile
	slots    []*slot
	ready    chan struct{} // closed when all workers have been ready

	mu       sync.Mutex
	complete int // under mu: workers that have been ready
}

// command returns what a process of the section is started with.
func (p *pool) command(mode worker.Mode, stdout, stderr func(line []byte, more bool)) *command {
	c := &command{
		path: p.path, dir: p.dir, env: p.env, mode: mode, service: p.service, listeners: p.ports, stdout: stdout, stderr: stderr,
	}
	if mode == worker.Describe && p.service.Binary == "" {
		c.args = []string{describeArgument}
	}
	return c
}

// openListeners opens a TCP port for each service of the section, if it is to be reached by TCP.
func (p *pool) openListeners() error {
	host := p.service.TCPBind
	if host == "" {
		return nil
	}
	p.ports = map[string]*os.File{}
	var errs []error
	for _, s := range p.services {
		f, err := listenTCP(host, s.Port)
		if err != nil {
			errs = append(errs, p.service.errorAt("tcp_bind", fmt.Errorf("open the port of %s: %w: if another program has "+
				"it, stop that or change the service's port", s.Name, err)))
			continue
		}
		p.ports[s.Port] = f
	}
	return errors.Join(errs...)
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

func (p *pool) openLog(defaultDir string) (err error) {
	dir := p.service.LogDir
	if dir == "" {
		dir = defaultDir
	}
	section := p.service.Section
	p.log, err = openLog(dir, section, func(err error) {
		p.manager.say("%s: output is lost: %v", section, err)
		p.manager.log.Error().Err(err).Str("section", section).Msg("worker output is lost")
	})
	if err != nil {
		return p.service.errorAt("log_dir", err)
	}
	return nil
}

// close closes what the open functions opened. No worker runs any more.
func (p *pool) close() {
	for _, f := range p.ports {
		f.Close()
	}
	if p.log != nil {
		p.log.close()
	}
}

// firstReady is called by each worker when it is ready for the first time.
func (p *pool) firstReady() {
	p.mu.Lock()
	p.complete++
	all := p.complete == len(p.slots)
	p.mu.Unlock()
	if all {
		p.manager.say("%s", p.report())
		close(p.ready)
	}
}

// awaitReady waits until all workers have been ready, or ctx has ended.
func (p *pool) awaitReady(ctx context.Context) {
	select {
	case <-p.ready:
	case <-ctx.Done():
	}
}

func (p *pool) status() SectionStatus {
	s := SectionStatus{Section: p.service.Section, LogFile: p.log.path, LogLost: p.log.droppedLines()}
	for i := range p.services {
		s.Services = append(s.Services, serviceStatus(&p.services[i]))
	}
	for _, w := range p.slots {
		s.Workers = append(s.Workers, w.status())
	}
	return s
}

// checkClaims reports services that can't be served beside each other, or beside those that run already.
func checkClaims(pools []*pool, dir *registry.Dir) (errs []error) {
	running, err := dir.List()
	if err != nil {
		return []error{err}
	}
	type claim struct {
		registry.Instance
		holder  string
		running bool
	}
	var claims []claim
	for _, i := range running {
		claims = append(claims, claim{i, fmt.Sprintf("a running instance (pid %d)", i.PID), true})
	}
	for _, p := range pools {
		for _, s := range p.services {
			mine := claim{registry.Instance{Name: s.Name, Port: s.Port, Version: s.Version},
				fmt.Sprintf("section [%s] (line %d)", p.service.Section, p.service.line), false}
			for _, other := range claims {
				switch samePort, sameKey := mine.Port == other.Port, mine.Key() == other.Key(); {
				case samePort && !sameKey:
					errs = append(errs, p.service.errorAt("", fmt.Errorf("port %s of %s is that of %s, which %s serves: "+
						"change one of the port tags", s.Port, mine.Key(), other.Key(), other.holder)))
				case sameKey && !samePort:
					errs = append(errs, p.service.errorAt("", fmt.Errorf("%s on port %s is served on port %s by %s: "+
						"change the name, the version's first number or the port", mine.Key(), s.Port, other.Port, other.holder)))
				case sameKey && !other.running:
					errs = append(errs, p.service.errorAt("", fmt.Errorf("%s is already served by %s: remove one, and set "+
						"min_proc_num for more workers", mine.Key(), other.holder)))
				}
			}
			claims = append(claims, mine)
		}
	}
	return errs
}
