package manager

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
)

// heir is the step of a section that is to serve what one served that is not in the file any more.
type heir struct {
	*step
	key string // of such a service
}

// heirs returns who is to serve what a section serves that is to be removed; none where that serves nothing.
func (p *plan) heirs(o *pool) (all []heir) {
	if !o.serves() {
		return nil
	}
	for i := range p.steps {
		s := &p.steps[i]
		if s.service == nil {
			continue
		}
		for _, d := range o.present().services {
			if key := keyOf(&d); s.wanted().has(key) {
				all = append(all, heir{s, key})
			}
		}
	}
	return all
}

// removal says why a section is to be removed, and when, for people.
func (p *plan) removal(o *pool) string {
	why := "the section is not in the file any more"
	var when []string
	for _, h := range p.heirs(o) {
		when = append(when, fmt.Sprintf("[%s] serves %s", h.service.Section, h.key))
	}
	if len(when) > 0 {
		why += ": it ends when " + strings.Join(when, ", and ")
	}
	return why
}

// remove drains the sections that are not in the file any more, when all else is done of a plan, and returns when they are gone. One
// whose services would be gone with it, as the section that is to serve them is not ready, is kept until another reload. Those
// that drain go on where ctx ends.
func (m *Manager) remove(ctx context.Context, p *plan, say Progress) error {
	var errs []error
	var leaving []*listener
	for _, s := range p.steps {
		if s.service != nil {
			continue
		}
		if err := p.inherited(ctx, s.pool, say); err != nil {
			m.sayAs(m.log.Warn(), s.pool.section, err.Error())
			errs = append(errs, fmt.Errorf("section [%s]: %w", s.pool.section, err))
			continue
		}
		say.line(s.pool.section + ": draining")
		leaving = append(leaving, s.pool.listen(say))
		s.pool.leave()
	}
	for _, l := range leaving {
		m.removed(l, say)
	}
	return errors.Join(errs...)
}

// inherited waits until what a section served is served by others, or returns why it is not.
func (p *plan) inherited(ctx context.Context, o *pool, say Progress) error {
	for _, h := range p.heirs(o) {
		ready := errors.New("its workers could not be replaced")
		if h.pool.present().has(h.key) {
			ready = h.pool.await(ctx, say, nil, func() (bool, error) { return h.pool.isReady(h.pool.service.MinProcNum) })
		}
		if ready == nil {
			continue
		}
		err := fmt.Errorf("it is kept, as section [%s], which is to serve %s, is not ready: a reload removes it when that is", h.service.Section, h.key)
		if h.err == nil { // else that says why
			err = fmt.Errorf("%w: %w", err, ready)
		}
		return err
	}
	return nil
}

// removed returns when a section that leaves is gone. When the manager stops it is stopped.
func (m *Manager) removed(l *listener, say Progress) {
	p := l.pool
	m.mu.Lock()
	running := m.running
	m.mu.Unlock()
	if err := l.until(running, func() (bool, error) { return closed(p.ended), nil }); err != nil {
		p.shut()
	}
	l.close()
	m.mu.Lock()
	m.pools = slices.DeleteFunc(slices.Clone(m.pools), func(o *pool) bool { return o == p })
	m.mu.Unlock()
	p.close()
	say.line(p.section + ": stopped")
}

// leave has all workers drain for good, for drain_timeout at most. The section is gone when run has returned.
func (p *pool) leave() {
	p.update(func() {
		p.closing = true
		if p.isOn() {
			p.mode = draining
		}
	})
}

// serves reports whether the section runs, and was ready.
func (p *pool) serves() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.isOn() && p.hasBeenReady()
}

// isLeaving reports whether the section is not to run any more, or the manager stops.
func (p *pool) isLeaving() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.closing
}

// wanted returns the edition that the section's workers are to have when the plan is done.
func (s *step) wanted() *edition {
	if s.edition != nil {
		return s.edition
	}
	return s.pool.present()
}

// has reports whether the edition's workers serve a service, by its key.
func (e *edition) has(key string) bool {
	for i := range e.services {
		if keyOf(&e.services[i]) == key {
			return true
		}
	}
	return false
}

// has reports whether the file has a service's section of the name.
func (c *Config) has(section string) bool {
	return slices.ContainsFunc(c.Services, func(s Service) bool { return s.Section == section })
}
