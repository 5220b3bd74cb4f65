package manager

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"

	"hotline/internal/plural"
)

// prepare builds the programs, learns what they serve, and opens all that their workers need.
func (m *Manager) prepare(ctx context.Context) ([]*pool, error) {
	if _, err := m.dir.Sweep(); err != nil {
		return nil, err
	}
	var services []*Service
	for i := range m.config.Services {
		services = append(services, &m.config.Services[i])
	}
	editions, err := m.editions(ctx, services)
	if err != nil {
		return nil, err
	}
	if err := errors.Join(checkClaims(editions, m.dir)...); err != nil {
		return nil, err
	}
	if err := m.openAll(ctx, editions); err != nil {
		return nil, err
	}
	var pools []*pool
	for _, e := range editions {
		pools = append(pools, m.newPool(e))
	}
	return pools, nil
}

// openAll opens what the workers of new editions need, or nothing.
func (m *Manager) openAll(ctx context.Context, editions []*edition) error {
	var errs []error
	for _, e := range editions {
		errs = append(errs, m.openEdition(ctx, e, nil))
	}
	err := errors.Join(append(errs, m.unmatched(editions))...)
	if err != nil {
		for _, e := range editions {
			m.closeEdition(e)
		}
	}
	return err
}

// serve runs the sections, each when those that it waits for are ready, until ctx ends. Then it stops them the other way
// round. It calls launched when all may run.
func (m *Manager) serve(ctx context.Context, launched func()) {
	var aside sync.WaitGroup
	aside.Go(func() { m.watchLimits(ctx) })
	aside.Go(func() { m.watchLoads(ctx) })
	for _, p := range m.allPools() {
		m.launch(ctx, p)
	}
	launched()
	aside.Go(func() { m.announce(ctx) })
	<-ctx.Done()
	m.say("stopping ...")
	aside.Wait()
	m.quiesce()
	m.systemd.Stopping() // a reload, which says that all is ready, has ended
	m.stopAll()
	m.launched.Wait()
	m.say("stopped")
}

// launch lets a section run, and start when those that it waits for are ready.
func (m *Manager) launch(ctx context.Context, p *pool) {
	m.launched.Go(p.run)
	m.launched.Go(func() {
		for {
			plans := m.plans.Load()
			waits := m.waitsFor(p.section)
			if len(waits) == 0 {
				break
			}
			if p.awaitOther(ctx, waits[0], plans) != nil {
				return
			}
		}
		p.begin()
	})
}

// awaitOther waits until another section has been ready, or is gone, or a reload has changed what is waited for since so many
// plans. Who waits for p learns meanwhile why that may never be. It returns an error where p is not to begin any more.
func (p *pool) awaitOther(ctx context.Context, o *pool, plans uint64) error {
	for {
		known, over := fmt.Sprint(p.blocked), false // nobody else writes it
		var why error
		err := o.await(ctx, nil, nil, func() (bool, error) {
			why, over = o.stuck(), o.hasBeenReady() || o.closing || p.manager.plans.Load() != plans
			return over || fmt.Sprint(why) != known, nil
		})
		if err != nil {
			return err
		}
		if over {
			why = nil
		}
		gone := false
		p.update(func() { p.blocked, gone = why, p.closing })
		switch {
		case gone:
			return p.errGone()
		case over:
			return nil
		}
	}
}

// waitsFor returns the sections that must be ready before one starts and are not.
func (m *Manager) waitsFor(section string) (all []*pool) {
	for _, p := range m.neighbours(section, true) {
		p.mu.Lock()
		if !p.hasBeenReady() && !p.closing {
			all = append(all, p)
		}
		p.mu.Unlock()
	}
	return all
}

// neighbours returns the sections that one waits for when it starts, or else those that wait for it, and stop before it.
func (m *Manager) neighbours(section string, before bool) (all []*pool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	edges := m.config.before()
	for i := range m.config.Services {
		for _, j := range edges[i] {
			from, to := m.config.Services[i].Section, m.config.Services[j].Section
			if !before {
				from, to = to, from
			}
			if at := slices.IndexFunc(m.pools, func(p *pool) bool { return p.section == to }); from == section && at >= 0 {
				all = append(all, m.pools[at])
			}
		}
	}
	return all
}

// announce says that the sections are ready, when each of them is or can't be waited for, and which are not.
func (m *Manager) announce(ctx context.Context) {
	settled := map[*pool]bool{}
	for again := true; again; { // a reload may add sections meanwhile
		again = false
		for _, p := range m.allPools() {
			if settled[p] {
				continue
			}
			again = true
			if m.settle(ctx, p, settled) != nil {
				return
			}
		}
	}
	services, lacking := 0, []string(nil)
	for _, p := range m.allPools() {
		if p.isLeaving() {
			continue
		}
		if why := m.lacks(p); why != "" {
			lacking = append(lacking, why)
			continue
		}
		services += len(p.present().services)
	}
	line := "ready: " + plural.Of(services, "service")
	if len(lacking) > 0 {
		line += ", but for " + strings.Join(lacking, ", and for ")
	}
	m.say("%s; stop with Ctrl-C", line)
	m.systemd.Ready("%s", statusLine(m.Status()))
}

// settle waits until a section is ready or can't be waited for: it has failed, was not ready in its start_timeout, is stopped,
// or waits for one of those. Nobody who waits for the manager, such as systemd, may wait for such a section: it would take the
// others down with it.
func (m *Manager) settle(ctx context.Context, p *pool, settled map[*pool]bool) error {
	if settled[p] {
		return nil
	}
	settled[p] = true // there are no rings
	for _, o := range m.neighbours(p.section, true) {
		if err := m.settle(ctx, o, settled); err != nil {
			return err
		}
	}
	if len(m.waitsFor(p.section)) > 0 {
		return nil
	}
	return p.await(ctx, nil, nil, func() (bool, error) { return p.hasSettled(), nil })
}

// lacks says why a section is not ready, for people; "" if it is.
func (m *Manager) lacks(p *pool) string {
	waits := m.waitsFor(p.section)
	p.mu.Lock()
	defer p.mu.Unlock()
	switch {
	case p.hasBeenReady() && p.isOn() && p.failing() == nil:
		return ""
	case p.mode == draining:
		return p.section + ", which is drained"
	case !p.isOn():
		return p.section + ", which is stopped"
	case p.failing() != nil:
		return p.section + ", which failed: " + firstLine(p.lastEnd)
	case len(waits) > 0:
		return p.section + ", which waits for " + waits[0].section
	}
	return p.section + ", which is not ready yet: " + firstLine(p.lastEndOrNone())
}

// stopAll stops the sections, each when those that wait for it have stopped.
func (m *Manager) stopAll() {
	var stopping sync.WaitGroup
	for _, p := range m.allPools() {
		stopping.Go(func() {
			for _, o := range m.neighbours(p.section, false) {
				<-o.ended
			}
			p.shut()
		})
	}
	stopping.Wait()
}
