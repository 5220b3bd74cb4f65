package manager

import (
	"cmp"
	"maps"
	"math"
	"slices"
	"strings"
	"sync"
	"time"

	"hotline/internal/board"
)

// tally adds up what the workers of a section have done. What a process had done is read once more when it has ended, however
// it did: its board outlives it. The manager keeps a tally by the section's name for as long as it runs, so that nothing
// is lost or goes back where processes, editions or the section itself come and go. Its methods may be called at once.
type tally struct {
	section string

	mu       sync.Mutex
	past     sums               // of the processes that have ended; under mu, as are those below
	present  map[*process]*sums // what has been seen of the others
	restarts int
	logs     map[*sectionLog]bool // that are open
	lost     int                  // lines, of the logs that were closed
}

// sums is what one process, or many, did. No figure goes down, but the calls under way.
type sums struct {
	cpu, busy time.Duration
	methods   []*MethodStats              // of a process in the order of its board
	byName    map[methodName]*MethodStats // of many: the same, to be found again
}

// begin counts a process from now on.
func (t *tally) begin(p *process) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.present == nil {
		t.present = map[*process]*sums{}
	}
	t.present[p] = &sums{}
}

// end counts what a process, which has ended, has done in all.
func (t *tally) end(p *process) {
	t.mu.Lock()
	defer t.mu.Unlock()
	seen := t.present[p]
	p.look(seen)
	t.past.add(seen)
	delete(t.present, p)
}

// restarted counts a worker that was started again.
func (t *tally) restarted() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.restarts++
}

// open counts the lines that a log loses, from its beginning to its end.
func (t *tally) open(l *sectionLog) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.logs == nil {
		t.logs = map[*sectionLog]bool{}
	}
	t.logs[l], l.tally = true, t
}

// close counts what a log, which has been closed, has lost in all.
func (t *tally) close(l *sectionLog) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.logs[l] {
		delete(t.logs, l)
		t.lost += int(l.Lost())
	}
}

// totals returns what all processes have done and do.
func (t *tally) totals() Totals {
	t.mu.Lock()
	defer t.mu.Unlock()
	all := Totals{Section: t.section, Restarts: t.restarts, LinesLost: t.lost}
	for l := range t.logs {
		all.LinesLost += int(l.Lost())
	}
	var sum sums
	sum.add(&t.past)
	for p, seen := range t.present {
		if p.look(seen) != nil && p.present() == nil {
			all.Unread++
		}
		sum.add(seen)
	}
	all.Busy, all.CPU = sum.busy, sum.cpu
	for _, name := range slices.SortedFunc(maps.Keys(sum.byName), methodName.compare) {
		all.Methods = append(all.Methods, *sum.byName[name])
	}
	return all
}

// memory returns the memory of the present processes, as far as the kernel tells it. It may take the kernel a while.
func (t *tally) memory() (bytes int64) {
	t.mu.Lock()
	all := slices.Collect(maps.Keys(t.present))
	t.mu.Unlock()
	for _, p := range all {
		if n, err := p.memory(); err == nil {
			bytes += n
		}
	}
	return bytes
}

func (n methodName) compare(o methodName) int {
	return cmp.Or(strings.Compare(n.service, o.service), strings.Compare(n.method, o.method))
}

// look raises what was seen of the process to what it has done by now. The error says why its calls are not known.
func (p *process) look(seen *sums) error {
	if end := p.figures.end.Load(); end != nil {
		seen.cpu = max(seen.cpu, end.cpu)
		seen.raise(end.reading, p.figures.methods)
		for _, m := range seen.methods {
			m.Running = 0 // whatever the board says
		}
		return nil
	}
	if cpu, err := p.cpuTime(); err == nil {
		seen.cpu = max(seen.cpu, cpu)
	}
	r, err := p.figures.read()
	if err == nil {
		seen.raise(r, p.figures.methods)
	}
	return err
}

// raise takes what the board of a process says. A worker may write anything there: no figure goes down of it.
func (s *sums) raise(r *board.Reading, names []methodName) {
	s.busy = max(s.busy, r.Busy)
	for i := range r.Methods {
		if i == len(s.methods) {
			s.methods = append(s.methods, newMethodStats(names[i]))
		}
		m, now := s.methods[i], &r.Methods[i]
		m.Calls, m.Errors, m.Running = max(m.Calls, now.Calls), max(m.Errors, now.Errors), now.Running
		m.Time.Sum = max(m.Time.Sum, now.Spent)
		for k, n := range now.Buckets {
			m.Time.Counts[k] = max(m.Time.Counts[k], n)
		}
	}
}

// add adds what others did to what many did.
func (s *sums) add(o *sums) {
	s.cpu, s.busy = plus(s.cpu, o.cpu, maxTime), plus(s.busy, o.busy, maxTime)
	if s.byName == nil {
		s.byName = map[methodName]*MethodStats{}
	}
	for _, m := range o.methods {
		name := methodName{m.Service, m.Method}
		sum := s.byName[name]
		if sum == nil {
			sum = newMethodStats(name)
			s.methods, s.byName[name] = append(s.methods, sum), sum
		}
		sum.Calls, sum.Errors, sum.Running = plus(sum.Calls, m.Calls, maxCalls), plus(sum.Errors, m.Errors, maxCalls), sum.Running+m.Running
		sum.Time.add(m.Time)
	}
}

// newMethodStats returns the figures of a method that has not been called, with a histogram of their own.
func newMethodStats(name methodName) *MethodStats {
	return &MethodStats{Service: name.service, Method: name.method, Time: Histogram{Counts: make([]uint64, Buckets)}}
}

// The most that figures come to. A worker may have written anything, and no sum may turn over.
const (
	maxCalls = 1 << 55 // in each bucket, so that all of them together are still a number
	maxTime  = time.Duration(math.MaxInt64)
)

// plus adds two figures, up to the most.
func plus[T uint64 | time.Duration](a, b, most T) T {
	if b > most || a > most-b {
		return most
	}
	return a + b
}
