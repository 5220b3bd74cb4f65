package manager

import (
	"cmp"
	"math/rand/v2"
	"time"
)

// timing is what a section's keys, or else the manager's options, say of time.
type timing struct {
	start, stop, drain, restartMin, restartMax, stable time.Duration
}

func (m *Manager) timing(s *Service) timing {
	o := &m.options
	t := timing{
		start: cmp.Or(s.StartTimeout, o.StartTimeout), stop: cmp.Or(s.StopTimeout, o.StopTimeout), drain: cmp.Or(s.DrainTimeout, o.DrainTimeout),
		restartMin: cmp.Or(s.RestartMin, o.RestartMin), restartMax: cmp.Or(s.RestartMax, o.RestartMax),
		stable: cmp.Or(s.RestartStable, o.RestartStable),
	}
	t.restartMin = min(t.restartMin, cmp.Or(s.RestartMax, t.restartMin)) // a key goes before the other's default
	t.restartMax = max(t.restartMax, t.restartMin)
	return t
}

// set gives a back-off the section's times; how far it has come it keeps.
func (t *timing) set(b *backoff) {
	b.min, b.max, b.stable, b.random = t.restartMin, t.restartMax, t.stable, rand.Float64
}
