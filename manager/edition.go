package manager

import (
	"context"
	"fmt"
	"os"
	"slices"
	"sync"
	"time"

	"hotline/internal/worker"
	"hotline/manager/internal/gobuild"
	"hotline/registry"
)

// edition is what the workers of a section are started with: a program, and what its section said when it was made. It does
// not change, but that its ports are closed while the section is stopped; a restart makes a new one.
type edition struct {
	number   int // in the section, from 1
	service  *Service
	program  *program    // may be another edition's, too
	log      *sectionLog // may be another edition's, too
	services []worker.Description
	grant    *registry.Grant // of the user that the workers run as; nil where that is the manager's

	portsMu sync.Mutex
	ports   map[string]*os.File // under portsMu: listening TCP sockets, by its services' ports; the edition's own copies
}

// command returns what a process of the edition is started with.
func (e *edition) command(m *Manager, mode worker.Mode, stdout, stderr func(line []byte, more bool)) *command {
	c := &command{
		path: e.program.path, dir: m.dirOf(), env: append(slices.Clip(m.env), "HOTLINE_DIR="+e.home(m)), mode: mode, service: e.service,
		stopTimeout: e.stopTimeout(m), listeners: e.listeners(), methods: methodNames(e.services), stdout: stdout, stderr: stderr,
	}
	if mode == worker.Describe && e.service.Binary == "" {
		c.args = []string{gobuild.DescribeArgument}
	}
	return c
}

// stopTimeout returns the edition's stop_timeout: what its workers were told when they were started holds for them.
func (e *edition) stopTimeout(m *Manager) time.Duration {
	t := m.timing(e.service)
	return t.stop
}

// home returns the runtime directory of the edition's workers.
func (e *edition) home(m *Manager) string {
	if e.grant != nil {
		return e.grant.Path()
	}
	return m.dir.Path()
}

// build returns the build of the edition, short, as people see it.
func (e *edition) build() string { return e.program.sum[:12] }

// share takes the program of an earlier edition in place of its own if they are the same, for the same users, and reports
// whether they are.
func (e *edition) share(earlier *edition) bool {
	mine, other := e.program, earlier.program
	if mine.sum != other.sum || mine.open != other.open || !mine.own && mine.path != other.path {
		return false
	}
	e.program.remove()
	e.program = earlier.program
	return true
}

// editions builds the programs of sections and learns what they serve. All errors are reported together.
func (m *Manager) editions(ctx context.Context, services []*Service) ([]*edition, error) {
	programs, err := m.buildAll(ctx, services)
	if err != nil {
		return nil, err
	}
	all := make([]*edition, len(services))
	for i, s := range services {
		all[i] = &edition{number: 1, service: s, program: programs[i]}
	}
	if err := m.describeAll(ctx, all); err != nil {
		for _, p := range programs {
			p.remove()
		}
		return nil, err
	}
	return all, nil
}

// checkClaims reports services that can't be served beside each other, or beside those that run already.
func checkClaims(editions []*edition, dir *registry.Dir) (errs []error) {
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
	for _, e := range editions {
		for _, s := range e.services {
			mine := claim{registry.Instance{Name: s.Name, Port: s.Port, Version: s.Version},
				fmt.Sprintf("section [%s] (line %d)", e.service.Section, e.service.line), false}
			for _, other := range claims {
				switch samePort, sameKey := mine.Port == other.Port, mine.Key() == other.Key(); {
				case samePort && !sameKey:
					errs = append(errs, e.service.errorAt("", fmt.Errorf("port %s of %s is that of %s, which %s serves: "+
						"change one of the port tags", s.Port, mine.Key(), other.Key(), other.holder)))
				case sameKey && !samePort:
					errs = append(errs, e.service.errorAt("", fmt.Errorf("%s on port %s is served on port %s by %s: "+
						"change the name, the version's first number or the port", mine.Key(), s.Port, other.Port, other.holder)))
				case sameKey && !other.running:
					errs = append(errs, e.service.errorAt("", fmt.Errorf("%s is already served by %s: remove one, and set "+
						"min_proc_num for more workers", mine.Key(), other.holder)))
				}
			}
			claims = append(claims, mine)
		}
	}
	return errs
}
