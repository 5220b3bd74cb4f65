package manager

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"hotline/internal/logs"
)

// plan is what a reload is to do.
type plan struct {
	config  *Config
	steps   []step
	changes []Change
	moveOwn bool      // the manager's own log has other settings
	own     *logs.Log // that it is to have, open; nil where it keeps its log
}

// step is what a reload does with one section.
type step struct {
	service *Service // as the file has it now; nil where it is not there any more
	pool    *pool    // nil where it is new
	edition *edition // that its workers are to have; nil where they keep theirs

	heard *listener // to what is said of one that is new, when it has been added
	err   error     // what came of it
}

// earlier returns the edition whose place that of the step is to take, or nil.
func (s *step) earlier() *edition {
	if s.pool == nil {
		return nil
	}
	return s.pool.present()
}

// plan compares the file with what runs, and makes ready all that the changes need but files, which are checked: a plan that is
// dropped has left the disk as it was.
func (m *Manager) plan(ctx context.Context) (*plan, error) {
	old := m.present()
	config, err := Load(old.File)
	if err != nil {
		return nil, err
	}
	p := &plan{config: config}
	pools := m.allPools()
	for i := range config.Services {
		s := step{service: &config.Services[i]}
		if at := slices.IndexFunc(pools, func(p *pool) bool { return p.section == s.service.Section }); at >= 0 {
			s.pool = pools[at]
		}
		p.steps = append(p.steps, s)
	}
	err = m.makeEditions(ctx, p)
	if err = errors.Join(err, m.compareOwnLog(p, old)); err != nil {
		m.drop(p)
		return nil, err
	}
	for i := range p.steps {
		p.compare(&p.steps[i])
	}
	for _, o := range pools {
		if !config.has(o.section) {
			p.steps = append(p.steps, step{pool: o})
			p.changes = append(p.changes, Change{o.section, Remove, p.removal(o)})
		}
	}
	return p, nil
}

// compareOwnLog adds the change of the manager's own log, and checks whether it can have another one.
func (m *Manager) compareOwnLog(p *plan, old *Config) error {
	from, to := old.ownLog(), p.config.ownLog()
	why := slices.DeleteFunc(differences(from, to, onRestart), func(change string) bool { return !strings.HasPrefix(change, "log_") })
	if len(why) == 0 {
		return nil
	}
	p.moveOwn = true
	p.changes = append(p.changes, Change{logs.Manager, Settings, strings.Join(why, ", ")})
	if err := logs.Check(to.logPlace(m.dir), logs.Manager); err != nil {
		return to.errorAt("log_dir", err)
	}
	return nil
}

// present returns the configuration that runs.
func (m *Manager) present() *Config {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.config
}

// makeEditions builds what the new sections need, and those whose program or settings of workers are others now.
func (m *Manager) makeEditions(ctx context.Context, p *plan) error {
	var services []*Service
	for _, s := range p.steps {
		services = append(services, s.service)
	}
	programs, err := m.buildAll(ctx, services)
	if err != nil {
		return err
	}
	var made []*edition
	for i := range p.steps {
		s := &p.steps[i]
		s.edition = &edition{service: s.service, program: programs[i]}
		if s.pool == nil {
			made = append(made, s.edition)
			continue
		}
		old := s.pool.present()
		if s.edition.share(old) && len(differences(old.service, s.service, onRestart)) == 0 {
			s.edition = nil
			continue
		}
		made = append(made, s.edition)
	}
	if err := m.describeAll(ctx, made); err != nil {
		return err
	}
	return m.openPlan(ctx, p)
}

// openPlan checks whether the editions can live beside each other, and opens their ports.
func (m *Manager) openPlan(ctx context.Context, p *plan) error {
	var all []*edition
	var errs []error
	for _, s := range p.steps {
		switch {
		case s.edition == nil:
			all = append(all, s.pool.present())
		default:
			all = append(all, s.edition)
			if s.pool != nil {
				errs = append(errs, checkPlace(s.edition, s.pool.present()))
			}
		}
	}
	if err := errors.Join(append(errs, checkClaims(all, m.dir)...)...); err != nil {
		return err
	}
	for _, s := range p.steps {
		if s.edition == nil {
			continue
		}
		ports, err := m.openPorts(ctx, s.edition)
		s.edition.setPorts(ports)
		errs = append(errs, err, m.checkLog(s.edition, s.earlier()))
	}
	return errors.Join(errs...)
}

// openFiles opens the files that the plan's editions need. After an error the plan is to be dropped.
func (m *Manager) openFiles(p *plan) error {
	var errs []error
	for _, s := range p.steps {
		if s.edition != nil {
			errs = append(errs, m.openGrant(s.edition), m.openLog(s.edition, s.earlier()))
		}
	}
	if p.moveOwn {
		log, err := m.openOwnLog(p.config)
		if p.own = log; err != nil {
			errs = append(errs, err)
		}
	}
	return errors.Join(errs...)
}

// drop closes what a plan has opened, in place of doing it.
func (m *Manager) drop(p *plan) {
	if p.own != nil {
		p.own.Close() // nothing was written
	}
	for _, s := range p.steps {
		switch {
		case s.edition == nil:
		case s.pool == nil:
			m.closeEdition(s.edition)
		default:
			m.closeEdition(s.edition, s.pool.present())
		}
	}
}

// compare adds the changes of a section.
func (p *plan) compare(s *step) {
	if s.pool == nil {
		p.changes = append(p.changes, Change{s.service.Section, Add, "the section is new"})
		return
	}
	old := s.pool.present()
	add := func(a Action, why []string) {
		if len(why) > 0 {
			p.changes = append(p.changes, Change{s.service.Section, a, strings.Join(why, ", ")})
		}
	}
	if s.edition != nil {
		why := differences(old.service, s.service, onRestart)
		if s.edition.program.sum != old.program.sum {
			why = append(why, "the program has changed")
		}
		add(Replace, why)
	}
	has := s.pool.settings()
	add(Rescale, differences(has, s.service, onScale))
	add(Settings, differences(has, s.service, onSettings))
}

// differences says which keys of an effect have other values, from what to what.
func differences(old, new *Service, e effect) (all []string) {
	for _, k := range new.keys(old) {
		from, to := old.valueOf(k.name), new.valueOf(k.name)
		switch {
		case k.effect != e || from == to:
		case k.secret:
			all = append(all, k.name)
		default:
			all = append(all, fmt.Sprintf("%s from %s to %s", k.name, from, to))
		}
	}
	return all
}

// valueOf returns what the section, or [defaults], says for a key, for people and to be compared.
func (s *Service) valueOf(key string) string {
	v, ok := s.values[key]
	if !ok {
		return "its default"
	}
	return fmt.Sprintf("%q", v.value)
}
