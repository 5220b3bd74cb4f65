package monitor

import (
	"cmp"
	"slices"
	"sync"
	"time"

	"hotline/manager"
)

// gatherer reads the figures of workers, for one caller at a time: it may take a while for each worker.
type gatherer struct {
	manager Manager
	mu      sync.Mutex // held while figures are read
}

// gather reads the figures of the sections that a name asks for.
func (g *gatherer) gather(name string) (*Figures, error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	found, err := find(sectionsOf(g.manager.Status()), name)
	if err != nil {
		return nil, err
	}
	f := &Figures{Sections: make([]SectionFigures, len(found))}
	for i := range found {
		s := &f.Sections[i]
		s.Section, s.Figures = found[i], []WorkerFigures{}
		for _, w := range s.Workers {
			if w.PID != 0 {
				s.Figures = append(s.Figures, g.read(s.Name, w))
			}
		}
	}
	f.Time = time.Now()
	return f, nil
}

// totals returns what all sections do, and what they have done in all.
func (g *gatherer) totals() ([]manager.SectionStatus, []manager.Totals) {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.manager.Status(), g.manager.Totals()
}

func (g *gatherer) read(section string, w Worker) WorkerFigures {
	f := WorkerFigures{Number: w.Number, PID: w.PID, Methods: []MethodFigures{}, Running: []RunningCall{}}
	s, err := g.manager.Stats(section, w.Number)
	if err != nil {
		f.Unread = err.Error()
		return f
	}
	f.Waiting, f.Busy, f.CPU, f.Memory = s.Waiting, s.Busy, s.CPU, s.Memory
	for _, m := range s.Methods {
		f.Methods = append(f.Methods, methodOf(m))
	}
	for _, r := range s.Running {
		f.Running = append(f.Running, RunningCall(r))
	}
	slices.SortStableFunc(f.Running, func(a, b RunningCall) int { return cmp.Compare(b.Age, a.Age) })
	return f
}

func methodOf(m manager.MethodStats) MethodFigures {
	return MethodFigures{m.Service, m.Method, m.Calls, m.Errors, m.Running, Histogram{m.Time}}
}

// Calls returns the calls that are under way, the oldest first, and how many there are beyond those: a worker tells of so many
// only.
func (f *Figures) Calls() (calls []Call, more int) {
	calls = []Call{}
	for i := range f.Sections {
		s := &f.Sections[i]
		for _, w := range s.Figures {
			for _, r := range w.Running {
				calls = append(calls, Call{s.Name, w.Number, w.PID, r})
			}
			more += max(0, w.InFlight()-len(w.Running))
		}
	}
	slices.SortStableFunc(calls, func(a, b Call) int { return cmp.Compare(b.Age, a.Age) })
	return calls, more
}

// InFlight returns how many calls are under way.
func (w *WorkerFigures) InFlight() (n int) {
	for i := range w.Methods {
		n += w.Methods[i].Running
	}
	return n
}
