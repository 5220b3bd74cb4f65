package manager

import (
	"cmp"
	"fmt"
	"slices"
	"time"
)

// reconcile makes one step from what is there to what is wanted, and returns when to look again if nothing happens before;
// zero for never. The lock is held.
func (p *pool) reconcile(now time.Time) (next time.Time) {
	if !p.isOn() {
		p.endAll()
		return p.endDrains(now)
	}
	p.settle(now)
	p.resize()
	if p.mode == pending {
		return next
	}
	p.surge(now)
	soon := func(t time.Time) {
		if t.After(now) && (next.IsZero() || t.Before(next)) {
			next = t
		}
	}
	for _, w := range slices.Clone(p.slots) {
		switch {
		case w.state == Waiting && !w.againAt.After(now):
			w.begin()
		case w.state == Waiting:
			soon(w.againAt)
		case w.state == Ready && w.backoff.looping():
			soon(w.readySince.Add(w.backoff.stable))
		}
	}
	soon(p.endDrains(now))
	soon(p.notBefore)
	soon(p.noteLate(now))
	return next
}

// endDrains stops the workers that have drained for long enough, and returns when the next one will have; zero for none.
func (p *pool) endDrains(now time.Time) (next time.Time) {
	for _, w := range slices.Clone(p.slots) {
		end := w.drainsUntil()
		switch {
		case end.IsZero():
		case !end.After(now):
			w.say("has not finished its calls within drain_timeout: it is stopped")
			w.retire(orderStop)
		case next.IsZero() || end.Before(next):
			next = end
		}
	}
	return next
}

// lateSlack is how much longer than start_timeout a section has when none of its workers has ended: one that hung is killed then, and
// the cause is known a moment later.
const lateSlack = time.Minute

// noteLate takes note that the section was not ready in time, or returns when that is to be looked at.
func (p *pool) noteLate(now time.Time) (at time.Time) {
	if p.late || p.hasBeenReady() || p.mode != on {
		return at
	}
	at = p.begunAt.Add(p.manager.timing(p.service).start)
	if p.endedAt.Before(p.begunAt) {
		at = at.Add(lateSlack)
	}
	p.late = !at.After(now)
	return at
}

// endAll asks all workers to end, in the way of the mode.
func (p *pool) endAll() {
	p.failRoll(p.errStopped())
	for _, w := range slices.Clone(p.slots) {
		if p.mode == draining {
			w.release()
		} else {
			w.retire(orderStop)
		}
	}
	if len(p.slots) == 0 {
		p.current.closePorts() // else connections would wait for nobody
	}
}

// settle takes note of what has come to its end by itself.
func (p *pool) settle(now time.Time) {
	for _, w := range p.slots {
		if w.state == Ready && w.backoff.looping() && now.Sub(w.readySince) >= w.backoff.stable {
			w.backoff.reset()
			w.say("is stable again")
		}
		if w.state == Ready && w.replaces != nil {
			old := w.replaces
			w.replaces = nil
			old.release()
			break // the rest at the next step; release may have changed the slots
		}
	}
	standing := p.standing()
	if p.mode == on && !p.served && p.ready() >= max(1, p.target) && len(standing) == p.target {
		p.served = true
		p.said = append(p.said, func() {
			s := p.status()
			p.manager.speaker.say(p.report(&s))
			p.manager.log.Info().Str("section", p.section).Msg(summary(&s))
		})
	}
	if p.roll == nil || len(standing) != len(p.slots) { // some are on their way
		return
	}
	for _, w := range standing {
		if w.edition != p.current || p.mode == on && w.state != Ready {
			return
		}
	}
	p.endRoll(nil)
}

// resize adds workers, or asks some to end, until as many are to stay as are wanted.
func (p *pool) resize() {
	standing := p.standing()
	for n := len(standing); n < p.target; n++ {
		p.add(p.current, nil)
	}
	if len(standing) <= p.target {
		return
	}
	doing := make(map[*slot]int, len(standing))
	for _, w := range standing {
		doing[w] = w.doing()
	}
	slices.SortFunc(standing, func(a, b *slot) int { // those first that do least, then the last
		return cmp.Or(doing[a]-doing[b], b.number-a.number)
	})
	for _, w := range standing[:len(standing)-p.target] {
		for _, o := range slices.Clone(p.slots) {
			if o.replaces == w {
				o.release()
			}
		}
		w.say("is one too many: it ends when its calls have")
		w.release()
	}
}

// surge adds a worker that is to take the place of one that has another edition than is wanted, or whose time has come. There
// is one at a time: from the start of the new one until the old one has ended.
func (p *pool) surge(now time.Time) {
	standing := p.standing()
	if len(standing) != len(p.slots) || len(standing) != p.target || now.Before(p.notBefore) && p.roll == nil {
		return
	}
	p.notBefore = time.Time{}
	var old *slot
	for _, w := range standing {
		switch {
		case p.roll != nil && w.edition == p.current && w.state != Ready:
			return // a roll goes on when those that have taken a place serve
		case w.edition != p.current && (old == nil || old.state == Ready && w.state != Ready):
			old = w
		case w.due == "" || w.state != Ready || anyOnItsWay(standing) || w.edition != p.current:
		case old == nil || old.edition == p.current && w.readySince.Before(old.readySince): // so that none waits for ever
			old = w
		}
	}
	if old == nil {
		return
	}
	w := p.add(p.current, old)
	if old.edition == p.current {
		p.say("worker %d is replaced by worker %d: %s", old.number, w.number, old.due)
		p.notBefore = now.Add(p.patience.after(now.Sub(old.readySince)))
	} else {
		p.say("worker %d is replaced by worker %d", old.number, w.number)
	}
}

// surgeFailed takes note that a worker has ended that was to take another's place and has not. The other stays.
func (p *pool) surgeFailed(w *slot, err error) {
	old := w.replaces
	p.remove(w)
	p.warn("worker %d, which was to replace worker %d, %v; worker %d is kept", w.number, old.number, err, old.number)
	if p.roll != nil {
		p.failRoll(fmt.Errorf("section [%s]: the new worker %w; the old ones are kept", p.section, err))
		return
	}
	p.notBefore = time.Now().Add(p.patience.after(0))
}

// sweep closes the editions that nothing needs any more, soon. Nothing of it is done under the lock, which is held here, and what
// waits for a file system is done aside: a log does for as long as that takes nothing.
func (p *pool) sweep() {
	needed := map[*edition]bool{p.current: true}
	if p.roll != nil {
		needed[p.roll.from] = true
	}
	for _, w := range p.slots {
		needed[w.edition] = true
	}
	var over []*edition
	p.kept = slices.DeleteFunc(p.kept, func(e *edition) bool {
		if !needed[e] {
			over = append(over, e)
		}
		return !needed[e]
	})
	if len(over) == 0 {
		return
	}
	kept := slices.Clone(p.kept)
	p.said = append(p.said, func() {
		for _, e := range over {
			p.manager.withdraw(e)
		}
		p.sweeps.Go(func() {
			for _, e := range over {
				e.discard(kept...)
			}
		})
	})
}

// rollTo begins to replace all workers by those of an edition.
func (p *pool) rollTo(e *edition) *roll {
	r := &roll{from: p.current, done: make(chan struct{})}
	p.setCurrent(e)
	p.roll = r
	p.late, p.begunAt = false, time.Now()
	if p.mode == pending { // none has begun
		for _, w := range p.slots {
			w.edition = e
		}
		p.say("has not been started yet: its workers will be of the new ones")
	}
	return r
}

// failRoll goes back to the edition before the one on the way, if there is one.
func (p *pool) failRoll(err error) {
	if p.roll == nil {
		return
	}
	failed := p.current
	p.current = p.roll.from
	for _, w := range slices.Clone(p.slots) {
		switch {
		case w.edition == failed && w.replaces != nil:
			w.release()
		case w.edition == failed && w.state == Waiting: // what has not begun, begins with the old one
			w.edition = p.current
		}
	}
	p.endRoll(err)
}

func (p *pool) endRoll(err error) {
	r := p.roll
	p.roll = nil
	if err == nil {
		p.current.log.Trim() // a roll that fails has cost no older file
	}
	r.err = err
	close(r.done)
}
