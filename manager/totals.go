package manager

import (
	"slices"
	"time"
)

// Totals is what all workers of a section have done since the manager began, those that have ended included to their last
// call, and what the present ones do. No figure goes down, but for those that say so. A call in which a worker died has not
// ended: it is counted nowhere.
type Totals struct {
	Section   string
	Methods   []MethodStats // in the order of their names; MethodStats.Running goes up and down
	Busy      time.Duration // of all workers: for how long each had at least one call under way
	CPU       time.Duration // user and system time
	Restarts  int           // as of SectionStatus, but of all sections with that name
	LinesLost int           // of output, that could not be written to any of the section's logs

	// Of the present workers; these go up and down.
	Memory int64 // as of Stats
	Unread int   // how many have a process whose calls can't be read
}

// Totals returns what was done in all sections that there have been since Run began, in the order in which they came. A
// section that a reload has removed stays, and one that comes again by its name goes on from there: so who adds up
// differences loses nothing. It is empty before the programs are built. It takes some microseconds for each worker, and
// where the figure of its memory is too old, what the kernel needs to count it. It may be called at any time.
func (m *Manager) Totals() []Totals {
	m.mu.Lock()
	tallies := slices.Clone(m.tallies)
	m.mu.Unlock()
	all := make([]Totals, len(tallies))
	for i, t := range tallies {
		memory := t.memory()
		all[i] = t.totals()
		all[i].Memory = memory
	}
	return all
}

// tallyOf returns the tally of a section, a new one where there was none of its name.
func (m *Manager) tallyOf(section string) *tally {
	m.mu.Lock()
	defer m.mu.Unlock()
	if at := slices.IndexFunc(m.tallies, func(t *tally) bool { return t.section == section }); at >= 0 {
		return m.tallies[at]
	}
	t := &tally{section: section}
	m.tallies = append(m.tallies, t)
	return t
}
