package manager

import (
	"context"
	"errors"
	"fmt"
)

// Change is one step of what Reload does.
type Change struct {
	Section string // or "manager" for manager.log, which [defaults] is about
	Action  Action
	Why     string // which keys changed, from what to what, for people
}

// Action is what a Change does.
type Action string

// The actions of a Change.
const (
	Add      Action = "add"      // the section is new: its workers are started
	Remove   Action = "remove"   // the section is not there any more: its workers are drained
	Replace  Action = "restart"  // its workers are replaced, one after the other, as Restart does
	Rescale  Action = "scale"    // workers are added or drained
	Settings Action = "settings" // the manager heeds other values from now on
)

// Reload reads the configuration's file again and makes what runs as it says: what did not change is not touched. A section
// whose source has changed is restarted, too. The changes are returned in the order of the file, that of manager.log first and
// the removed sections at the end. A file that is not right, and a program that can't be built or can't serve, change
// nothing, and the error says why. A section whose new workers are not ready keeps the old ones, as Restart does; the others are
// as the file says then. A new section that waits for another which has failed or is stopped is an error, too: it starts when
// that has become ready. The workers of a section that is not in the file any more are drained, for drain_timeout at most, also when ctx
// has ended. Where another section is to serve what they serve, and is not ready, they are kept, which is an error: a reload removes
// them when that is ready. With dryRun it changes nothing and returns what it would do: programs are built and ports opened that
// it would need, to know whether they can be, and given up again.
func (m *Manager) Reload(ctx context.Context, dryRun bool, say Progress) ([]Change, error) {
	ctx, done, err := m.during(ctx)
	if err != nil {
		return nil, err
	}
	defer done()
	if !dryRun {
		defer m.systemd.Reloading(func() string { return statusLine(m.Status()) })()
	}
	unlock, err := m.change(ctx, say)
	if err != nil {
		return nil, err
	}
	defer unlock()
	p, err := m.plan(ctx)
	if err != nil {
		return nil, err
	}
	if dryRun {
		m.drop(p)
		return p.changes, nil
	}
	if err := m.openFiles(p); err != nil {
		m.drop(p)
		return nil, err
	}
	if !m.present().Monitor.Configured {
		m.noteVain(p.config)
	}
	if len(p.changes) == 0 {
		m.say("%s says what runs already", p.config.File)
	}
	for _, c := range p.changes {
		words := fmt.Sprintf("%s: %s", c.Action, c.Why)
		m.sayAs(m.log.Info(), c.Section, words)
		say.line(c.Section + ": " + words)
	}
	err = m.apply(ctx, p, say)
	return p.changes, errors.Join(err, m.noteLogs())
}

// apply does what a plan says. It goes on after an error.
func (m *Manager) apply(ctx context.Context, p *plan, say Progress) error {
	m.install(p, say)
	if p.own != nil {
		m.setOwnLog(p.own)
	}
	var errs []error
	for i := range p.steps {
		s := &p.steps[i]
		switch {
		case s.service == nil:
			continue
		case s.heard != nil:
			s.err = s.heard.until(ctx, func() (bool, error) { return s.pool.isReady(s.pool.service.MinProcNum) })
			s.heard.close()
		default:
			s.err = m.applyStep(ctx, s, say)
		}
		errs = append(errs, s.err)
	}
	return errors.Join(append(errs, m.remove(ctx, p, say))...)
}

// install makes the plan's sections those of the manager, those that are to be removed at the end, and lets the new ones run.
func (m *Manager) install(p *plan, say Progress) {
	var pools, added []*pool
	for i := range p.steps {
		s := &p.steps[i]
		if s.pool == nil {
			s.pool = m.newPool(s.edition)
			s.heard = s.pool.listen(say)
			added = append(added, s.pool)
		}
		pools = append(pools, s.pool)
	}
	m.mu.Lock()
	m.config, m.pools = p.config, pools
	running := m.running
	m.mu.Unlock()
	m.plans.Add(1)
	for _, o := range pools {
		o.update(func() {}) // who waits for it may not any more
	}
	for _, o := range added {
		m.launch(running, o)
	}
}

// applyStep gives a section that runs its new settings, number of workers and edition.
func (m *Manager) applyStep(ctx context.Context, s *step, say Progress) error {
	stopped, scaled := false, false
	s.pool.update(func() {
		before := s.pool.target
		s.pool.adopt(s.service)
		scaled = s.pool.target != before && s.pool.mode != pending // nobody knows when that begins
		stopped = !s.pool.isOn()
		if stopped && s.edition != nil {
			s.edition.closePorts() // until it is started
			s.pool.setCurrent(s.edition)
			s.edition.log.Trim()
		}
	})
	if stopped {
		return nil
	}
	if s.edition != nil {
		if err := m.roll(ctx, s.pool, s.edition, say); err != nil {
			return err
		}
	}
	if !scaled {
		return nil
	}
	return s.pool.await(ctx, say, nil, s.pool.isScaled)
}

// adopt takes the settings of a section that runs. The lock is held.
func (p *pool) adopt(s *Service) {
	if p.target == p.service.MinProcNum { // nobody asked for more
		p.target = s.MinProcNum
	}
	p.target = min(max(p.target, s.MinProcNum), s.MaxProcNum)
	p.service, p.byHand = s, false
	t := p.manager.timing(s)
	t.set(&p.patience)
	for _, w := range p.slots {
		t.set(&w.backoff)
		if w.startEnds != nil {
			w.startEnds.Reset(w.startsIn())
		}
		w.due = "" // by other limits, maybe: checkLimits says so again
	}
}

// present returns the edition that all workers are to have.
func (p *pool) present() *edition {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.current
}

// settings returns what the manager heeds of the section's keys.
func (p *pool) settings() *Service {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.service
}
