package manager

import (
	"context"
	"errors"
	"fmt"
	"syscall"
	"time"
)

// watchLimits looks at the workers of all sections every now and then, until ctx ends, and marks those that are to be
// replaced: by age, by the calls that they have done, and by their private memory. A worker is replaced in the way of a
// rolling restart, one at a time, so nobody notices.
func (m *Manager) watchLimits(ctx context.Context) {
	for sleep(ctx, m.checkEvery) == nil {
		for _, p := range m.allPools() {
			p.checkLimits(time.Now())
		}
	}
}

// limited is a worker that is looked at.
type limited struct {
	slot    *slot
	process *process
	ready   time.Time
}

// checkLimits marks the workers whose time has come.
func (p *pool) checkLimits(now time.Time) {
	p.mu.Lock()
	s := p.service
	var all []limited
	if s.MaxProcAge > 0 || s.MaxProcCalls > 0 || s.MaxProcMemBytes > 0 {
		for _, w := range p.standing() {
			if w.state == Ready && w.due == "" && w.process != nil {
				all = append(all, limited{w, w.process, w.readySince})
			}
		}
	}
	p.mu.Unlock()
	for _, l := range all { // without the lock: to count a large process's memory takes the kernel a while
		if due := p.due(s, l, now); due != "" {
			p.update(func() {
				if l.slot.process == l.process && p.service == s { // else it is looked at again, by what is heeded now
					l.slot.due = due
				}
			})
		}
	}
}

// due says why a worker is to be replaced, or "".
func (p *pool) due(s *Service, l limited, now time.Time) string {
	if age := now.Sub(l.ready); s.MaxProcAge > 0 && age >= s.MaxProcAge {
		return fmt.Sprintf("it has been ready for %v, max_proc_age is %v", roundTime(age), s.MaxProcAge)
	}
	if s.MaxProcCalls > 0 {
		if calls, err := l.process.calls(); err == nil && calls >= uint64(s.MaxProcCalls) {
			return fmt.Sprintf("it has done %d calls, max_proc_calls is %d", calls, s.MaxProcCalls)
		}
	}
	if s.MaxProcMemBytes > 0 {
		bytes, err := p.manager.memoryOf(l.process)
		switch {
		case errors.Is(err, errNoProcess) || errors.Is(err, syscall.ESRCH): // it has ended, or ends and has no memory any more
		case err != nil:
			p.memoryUnread.Do(func() {
				p.manager.log.Warn().Err(err).Str("section", p.section).
					Msg("max_proc_mem_bytes is not heeded: the private memory (PSS) of a worker can't be read")
			})
		case bytes > s.MaxProcMemBytes:
			return fmt.Sprintf("it has %d bytes of memory (PSS), max_proc_mem_bytes is %d", bytes, s.MaxProcMemBytes)
		}
	}
	return ""
}
