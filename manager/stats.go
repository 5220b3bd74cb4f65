package manager

import (
	"context"
	"errors"
	"fmt"
	"time"

	"hotline/internal/board"
)

// ErrNoWorker is the error where a section has no worker of a number.
var ErrNoWorker = errors.New("there is no such worker")

// Stats is what a worker has done since its process began, and what it does now. It is read from memory that the worker
// shares with the manager, so there is an answer even where the worker hangs. What a worker writes there is not trusted: a
// program gone wrong may have wrong figures, but none that can't be.
type Stats struct {
	Methods []MethodStats // of all services of the section, in their order
	Running []RunningCall // under way now, oldest first; at most 1,024
	Waiting int           // calls under way beyond the first, now
	Busy    time.Duration // for how long at least one call was under way
	Waited  time.Duration // Waiting, added up over time: two readings give how many were waiting between them on average
	CPU     time.Duration // user and system time of the process
	Memory  int64         // proportional set size (PSS) of the process, in bytes, which was read 5 s ago at most; 0 if it can't be
}

// MethodStats counts the calls of a method.
type MethodStats struct {
	Service string // name
	Method  string // on the wire
	Calls   uint64 // that have ended
	Errors  uint64 // those of them that ended by an error
	Running int    // under way now
	Time    Histogram
}

// RunningCall is a call that is under way.
type RunningCall struct {
	Service string
	Method  string
	Age     time.Duration
}

// Stats returns what a worker, by its number in the section, has done. It takes some microseconds, and where the figure of the
// memory is too old, what the kernel needs to count it. It may be called by many at once. A worker that has no process now, or
// whose program counts nothing, is an error.
func (m *Manager) Stats(section string, worker int) (*Stats, error) {
	p, err := m.processOf(section, worker)
	if err == nil {
		var s *Stats
		if s, err = p.stats(); err == nil {
			return s, nil
		}
	}
	return nil, fmt.Errorf("figures of worker %d of section [%s]: %w", worker, section, err)
}

// Stacks returns the stacks of all goroutines of a worker, as package runtime writes them, or the first 2 MiB of them. It asks
// the worker, and a worker that does not answer before ctx ends is an error that says so. It may be called by many at once.
func (m *Manager) Stacks(ctx context.Context, section string, worker int) (string, error) {
	p, err := m.processOf(section, worker)
	if err == nil {
		var text string
		if text, err = p.control.Stacks(ctx); err == nil {
			return text, nil
		}
	}
	return "", fmt.Errorf("stacks of worker %d of section [%s]: %w", worker, section, err)
}

// processOf returns the present process of a worker.
func (m *Manager) processOf(section string, worker int) (*process, error) {
	p, err := m.poolOf(section)
	if err != nil {
		return nil, err
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, w := range p.slots {
		if w.number == worker {
			if w.process == nil {
				return nil, errNoProcess
			}
			return w.process, nil
		}
	}
	return nil, ErrNoWorker
}

// stats reads the figures of the process.
func (p *process) stats() (*Stats, error) {
	r, err := p.figures.read()
	if err != nil {
		return nil, err
	}
	s := statsOf(r, p.figures.methods)
	if s.CPU, err = p.cpuTime(); err != nil {
		return nil, err
	}
	if s.Memory, err = p.memory(); err != nil {
		s.Memory = 0 // the kernel does not tell everybody, and all else is known
	}
	return s, p.present()
}

// statsOf gives what a board says the names of its methods.
func statsOf(r *board.Reading, methods []methodName) *Stats {
	s := &Stats{Waiting: max(r.Running-1, 0), Busy: r.Busy, Waited: max(r.Spent-r.Busy, 0)}
	for i := range r.Methods {
		s.Methods = append(s.Methods, *methodStats(methods[i], &r.Methods[i]))
	}
	for _, c := range r.Calls {
		name := methods[c.Method]
		s.Running = append(s.Running, RunningCall{Service: name.service, Method: name.method, Age: c.Age})
	}
	return s
}

// methodStats gives what a board says of a method its name. The histogram is that of m.
func methodStats(name methodName, m *board.Method) *MethodStats {
	return &MethodStats{
		Service: name.service, Method: name.method, Calls: m.Calls, Errors: m.Errors, Running: m.Running,
		Time: Histogram{Counts: m.Buckets[:], Sum: m.Spent},
	}
}
