package manager

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"hotline/internal/nearest"
	"hotline/internal/plural"
	"hotline/internal/worker"
	"hotline/registry"
)

// Errors of commands.
var (
	ErrNoSection  = errors.New("there is no such section")
	ErrNotRunning = errors.New("the manager does not run yet")
	ErrStopped    = errors.New("it is stopped: start it first")
)

// Start starts the workers of a section that was stopped, and returns when as many as min_proc_num are ready. Where the
// section runs it only waits for that.
func (m *Manager) Start(ctx context.Context, section string, say Progress) error {
	return m.command(ctx, section, func(ctx context.Context, p *pool) error {
		l := p.listen(say)
		defer l.close()
		for begun := false; !begun; {
			err := l.until(ctx, func() (bool, error) {
				begun = p.isOn()
				return begun || p.isEmpty() || p.closing, nil
			})
			if err == nil && !begun {
				begun, err = m.reopen(ctx, p, say)
			}
			if err != nil {
				return err
			}
		}
		return l.until(ctx, func() (bool, error) { return p.isReady(p.service.MinProcNum) })
	})
}

// reopen sets a section that was stopped going again. begun is false where it has workers that still end: for them nothing
// is kept waiting that others may want to change.
func (m *Manager) reopen(ctx context.Context, p *pool, say Progress) (begun bool, err error) {
	unlock, err := m.change(ctx, say)
	if err != nil {
		return false, err
	}
	defer unlock()
	p.mu.Lock()
	running, empty, gone, e := p.isOn(), p.isEmpty(), p.closing, p.current
	p.mu.Unlock()
	switch {
	case gone:
		return false, p.errGone()
	case running || !empty:
		return running, nil
	}
	ports, err := m.openPorts(ctx, e)
	if err != nil {
		closeAll(ports)
		return false, err
	}
	p.update(func() { // at once: while it is stopped its ports are closed
		e.setPorts(ports)
		p.setOn()
		p.served = false
		p.say("starting %s", plural.Of(p.target, "worker"))
	})
	return true, nil
}

// Stop stops the workers of a section, which have stop_timeout to finish their calls and are killed then. It stays
// stopped until Start.
func (m *Manager) Stop(ctx context.Context, section string, say Progress) error {
	return m.end(ctx, section, off, say)
}

// Drain stops the workers of a section as Stop does, but gives them all the time that their calls need; those that are not
// ready have none. If ctx ends before they have stopped they go on draining; Stop ends that within stop_timeout.
func (m *Manager) Drain(ctx context.Context, section string, say Progress) error {
	return m.end(ctx, section, draining, say)
}

func (m *Manager) end(ctx context.Context, section string, how mode, say Progress) error {
	return m.command(ctx, section, func(ctx context.Context, p *pool) error {
		stop := func() {
			if p.mode != off { // which is the sharper one
				p.mode = how
			}
			words := "stopping %s"
			if how == draining {
				words = "draining %s"
			}
			p.say(words, plural.Of(len(p.slots), "worker"))
		}
		err := p.await(ctx, say, stop, func() (bool, error) {
			if p.isOn() {
				return false, fmt.Errorf("section [%s] was started again meanwhile", section)
			}
			return p.isEmpty(), nil
		})
		if err == nil {
			say.line(section + ": stopped")
		}
		return err
	})
}

// Restart replaces the workers of a section one after the other: it builds the program again where its source has
// changed, starts a new worker, waits until it is ready, drains the old one, for as long as drain_timeout, and goes on with
// the next. If a new one fails, which one does that ends meanwhile before it was ready for restart_stable, too, or ctx ends before
// all are replaced, the old ones are kept, those that were replaced are replaced back, and the error says why. A ready-made
// program is started from its path each time, so there is no going back to one that was overwritten.
func (m *Manager) Restart(ctx context.Context, section string, say Progress) error {
	return m.command(ctx, section, func(ctx context.Context, p *pool) error {
		unlock, err := m.change(ctx, say)
		if err != nil {
			return err
		}
		defer unlock()
		p.mu.Lock()
		running, gone, service := p.isOn(), p.closing, p.service
		p.mu.Unlock()
		switch {
		case gone:
			return p.errGone()
		case !running:
			return p.errStopped()
		}
		say.line(section + ": looking for changes of the program")
		e, changed, err := m.next(ctx, p, service)
		if err != nil {
			return err
		}
		if !changed {
			say.line(section + ": the program has not changed")
		}
		return m.roll(ctx, p, e, say)
	})
}

// next returns a new edition of a section, open, and whether its program differs from that of the one before.
func (m *Manager) next(ctx context.Context, p *pool, s *Service) (e *edition, changed bool, err error) {
	made, err := m.editions(ctx, []*Service{s})
	if err != nil {
		return nil, false, err
	}
	e = made[0]
	old := p.present()
	changed = !e.share(old)
	if err = m.checkNext(e, old); err == nil {
		err = m.openEdition(ctx, e, old)
	}
	if err != nil {
		m.closeEdition(e, old)
		return nil, false, err
	}
	return e, changed, nil
}

// checkNext reports an edition that can't live beside what runs.
func (m *Manager) checkNext(e, old *edition) error {
	if err := checkPlace(e, old); err != nil {
		return err
	}
	editions := []*edition{e}
	config := m.present()
	for _, p := range m.allPools() {
		if p.section != e.service.Section && config.has(p.section) { // not one that is kept until e's workers serve
			editions = append(editions, p.present())
		}
	}
	return errors.Join(checkClaims(editions, m.dir)...)
}

// checkPlace reports an edition of a section that can't take another's place while that runs, as a name and a port belong
// together for as long as an instance lives.
func checkPlace(e, old *edition) error {
	for _, s := range e.services {
		for _, o := range old.services {
			if (keyOf(&s) == keyOf(&o)) != (s.Port == o.Port) {
				return e.service.errorAt("", fmt.Errorf("it serves %s on port %s now, and its workers serve %s on port %s, so it can't "+
					"take their place while they run: stop the manager and start it again", keyOf(&s), s.Port, keyOf(&o), o.Port))
			}
		}
	}
	return nil
}

func keyOf(d *worker.Description) string {
	i := registry.Instance{Name: d.Name, Version: d.Version}
	return i.Key()
}

// roll replaces the workers of a section by those of another edition, which is open and no longer the caller's.
func (m *Manager) roll(ctx context.Context, p *pool, e *edition, say Progress) error {
	var r *roll
	err := p.await(ctx, say, func() { r = p.rollTo(e) }, func() (bool, error) { return closed(r.done), nil })
	if err != nil {
		p.update(func() {
			if p.roll == r {
				p.failRoll(fmt.Errorf("section [%s]: the restart was given up: %w", p.section, err))
			}
		})
	}
	return r.err // done is closed
}

func closed(c <-chan struct{}) bool {
	select {
	case <-c:
		return true
	default:
		return false
	}
}

// Scale sets the number of workers of a section that is not stopped, from min_proc_num to max_proc_num, and returns when they
// are ready and those that are too many have ended.
func (m *Manager) Scale(ctx context.Context, section string, workers int, say Progress) error {
	return m.command(ctx, section, func(ctx context.Context, p *pool) error {
		var refused error
		return p.await(ctx, say, func() { refused = p.setTarget(workers) }, func() (bool, error) {
			switch {
			case p.closing:
				return false, p.errGone()
			case refused != nil:
				return false, refused
			}
			if p.target != workers {
				return false, fmt.Errorf("section [%s]: the number of workers was set to %d meanwhile", section, p.target)
			}
			return p.isScaled()
		})
	})
}

// command finds a section and does something with it, for as long as the manager runs.
func (m *Manager) command(ctx context.Context, section string, do func(context.Context, *pool) error) error {
	ctx, done, err := m.during(ctx)
	if err != nil {
		return err
	}
	defer done()
	p, err := m.poolOf(section)
	if err != nil {
		return err
	}
	return do(ctx, p)
}

// poolOf finds a section.
func (m *Manager) poolOf(section string) (*pool, error) {
	var names []string
	for _, p := range m.allPools() {
		if p.section == section {
			return p, nil
		}
		names = append(names, p.section)
	}
	if len(names) == 0 {
		return nil, ErrNotRunning
	}
	if near := nearest.Word(section, names); near != "" {
		return nil, fmt.Errorf("section [%s]: %w: did you mean %s?", section, ErrNoSection, near)
	}
	return nil, fmt.Errorf("section [%s]: %w: there are %s", section, ErrNoSection, strings.Join(names, ", "))
}

// during returns a context that ends with ctx, and when the manager stops; done is to be called when the command has ended.
func (m *Manager) during(ctx context.Context) (_ context.Context, done func(), err error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.running == nil {
		return nil, nil, ErrNotRunning
	}
	if m.running.Err() != nil {
		return nil, nil, ErrStopping
	}
	m.commands.Add(1)
	ctx, cancel := context.WithCancelCause(ctx)
	stop := context.AfterFunc(m.running, func() { cancel(ErrStopping) })
	return ctx, func() {
		stop()
		cancel(nil)
		m.commands.Done()
	}, nil
}

// change waits until no other command builds or changes what runs, and keeps others from it until unlock is called.
func (m *Manager) change(ctx context.Context, say Progress) (unlock func(), err error) {
	unlock = func() { <-m.changing }
	select {
	case m.changing <- struct{}{}:
		return unlock, nil
	default:
		say.line("waiting for another command to end")
	}
	select {
	case m.changing <- struct{}{}:
		return unlock, nil
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
}
