// Package managertest has a manager for tests that starts no process: it shows what a test says, and notes what it is told
// to do.
package managertest

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"time"

	"hotline"
	"hotline/manager"
)

// Fake has the methods of a manager. Its fields are set before it is used; later [Fake.Change] changes them.
type Fake struct {
	Sections []manager.SectionStatus
	Figures  map[string]map[int]*manager.Stats // by section and worker
	Dumps    map[string]map[int]string         // what Stacks returns, likewise
	Changes  []manager.Change                  // what Reload returns

	// Act does what a command asks for, which is written like "scale Lab 3". Nil does nothing.
	Act func(ctx context.Context, command string, say manager.Progress) error

	mu       sync.Mutex
	commands []string // under mu
}

// Change changes the fake while it is in use.
func (f *Fake) Change(change func()) {
	f.mu.Lock()
	defer f.mu.Unlock()
	change()
}

// Commands returns what the fake was told to do, in that order.
func (f *Fake) Commands() []string {
	f.mu.Lock()
	defer f.mu.Unlock()
	return slices.Clone(f.commands)
}

// Status returns Sections.
func (f *Fake) Status() []manager.SectionStatus {
	f.mu.Lock()
	defer f.mu.Unlock()
	all := slices.Clone(f.Sections)
	for i := range all {
		all[i].Workers = slices.Clone(all[i].Workers)
	}
	return all
}

// Stats returns a copy of a worker's Figures.
func (f *Fake) Stats(section string, worker int) (*manager.Stats, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	s := f.Figures[section][worker]
	if s == nil {
		return nil, fmt.Errorf("manager: worker %d of %s has no board", worker, section)
	}
	v := *s
	v.Methods, v.Running = slices.Clone(s.Methods), slices.Clone(s.Running)
	return &v, nil
}

// Totals returns the sums of the workers' Figures.
func (f *Fake) Totals() []manager.Totals {
	f.mu.Lock()
	defer f.mu.Unlock()
	all := make([]manager.Totals, len(f.Sections))
	for i := range f.Sections {
		s, t := &f.Sections[i], &all[i]
		t.Section, t.Restarts, t.LinesLost = s.Section, s.Restarts, s.LogLost
		for _, w := range s.Workers {
			if w.PID == 0 {
				continue
			}
			figures := f.Figures[s.Section][w.Number]
			if figures == nil {
				t.Unread++
				continue
			}
			t.CPU, t.Busy, t.Memory = t.CPU+figures.CPU, t.Busy+figures.Busy, t.Memory+figures.Memory
			addMethods(t, figures.Methods)
		}
	}
	return all
}

func addMethods(t *manager.Totals, methods []manager.MethodStats) {
	for _, m := range methods {
		at := slices.IndexFunc(t.Methods, func(o manager.MethodStats) bool { return o.Service == m.Service && o.Method == m.Method })
		if at < 0 {
			t.Methods = append(t.Methods, m)
			continue
		}
		o := &t.Methods[at]
		o.Calls, o.Errors, o.Running, o.Time = o.Calls+m.Calls, o.Errors+m.Errors, o.Running+m.Running, o.Time.Add(m.Time)
	}
}

// Stacks returns a worker's Dumps.
func (f *Fake) Stacks(_ context.Context, section string, worker int) (string, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if text, ok := f.Dumps[section][worker]; ok {
		return text, nil
	}
	return "", fmt.Errorf("manager: worker %d of %s does not answer", worker, section)
}

// Start notes "start SECTION".
func (f *Fake) Start(ctx context.Context, section string, say manager.Progress) error {
	return f.act(ctx, say, "start %s", section)
}

// Stop notes "stop SECTION".
func (f *Fake) Stop(ctx context.Context, section string, say manager.Progress) error {
	return f.act(ctx, say, "stop %s", section)
}

// Drain notes "drain SECTION".
func (f *Fake) Drain(ctx context.Context, section string, say manager.Progress) error {
	return f.act(ctx, say, "drain %s", section)
}

// Restart notes "restart SECTION".
func (f *Fake) Restart(ctx context.Context, section string, say manager.Progress) error {
	return f.act(ctx, say, "restart %s", section)
}

// Scale notes "scale SECTION WORKERS".
func (f *Fake) Scale(ctx context.Context, section string, workers int, say manager.Progress) error {
	return f.act(ctx, say, "scale %s %d", section, workers)
}

// Reload notes "reload", or "reload dry", and returns Changes.
func (f *Fake) Reload(ctx context.Context, dryRun bool, say manager.Progress) ([]manager.Change, error) {
	command := "reload"
	if dryRun {
		command = "reload dry"
	}
	err := f.act(ctx, say, "%s", command)
	f.mu.Lock()
	defer f.mu.Unlock()
	return slices.Clone(f.Changes), err
}

func (f *Fake) act(ctx context.Context, say manager.Progress, format string, args ...any) error {
	command := fmt.Sprintf(format, args...)
	f.mu.Lock()
	f.commands = append(f.commands, command)
	act := f.Act
	f.mu.Unlock()
	if act == nil {
		return nil
	}
	return act(ctx, command, say)
}

// Begun is when the processes of [New]'s workers were started.
var Begun = time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)

// New returns a fake with a section [Lab] of service lab on port 7411, and so many ready workers, with pids from 1001.
func New(workers int) *Fake {
	f := &Fake{Figures: map[string]map[int]*manager.Stats{"Lab": {}}, Dumps: map[string]map[int]string{"Lab": {}}}
	lab := manager.SectionStatus{Section: "Lab", State: manager.Ready, Wanted: workers, LogFile: "/var/log/lab.log", Services: []manager.ServiceStatus{{
		Type: "Lab", Name: "lab", Port: "7411", Version: "1.2.0", Methods: []hotline.MethodInfo{{Name: "Sum"}, {Name: "Wait"}}}}}
	counts := make([]uint64, manager.Buckets)
	counts[0], counts[1], counts[2] = 60, 30, 10
	for n := 1; n <= workers; n++ {
		lab.Workers = append(lab.Workers, manager.WorkerStatus{Number: n, State: manager.Ready, PID: 1000 + n, Started: Begun,
			Addresses: []string{fmt.Sprintf("unix:///run/lab-%d.unix", n)}})
		f.Figures["Lab"][n] = &manager.Stats{CPU: time.Second, Memory: 10 << 20, Busy: 2 * time.Second, Methods: []manager.MethodStats{
			{Service: "lab", Method: "Sum", Calls: 100, Errors: 3, Time: manager.Histogram{Counts: counts, Sum: 30 * time.Microsecond}},
			{Service: "lab", Method: "Wait"}}}
		f.Dumps["Lab"][n] = fmt.Sprintf("goroutine 1 [running]:\nmain.main()\n\tworker%d.go:1\n", n)
	}
	f.Sections = []manager.SectionStatus{lab}
	return f
}
