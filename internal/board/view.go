package board

import (
	"cmp"
	"errors"
	"fmt"
	"math"
	"os"
	"slices"
	"sync"
	"time"
)

// ErrClosed is returned by a View that was closed.
var ErrClosed = errors.New("the board is closed")

// View is the manager's side of a board. Its methods may be called at once.
type View struct {
	memory
	epoch int64
	mem   []byte

	mu     sync.RWMutex // held for reading while the memory is
	closed bool         // under mu
}

// Load is how much a worker has to do.
type Load struct {
	Attached bool          // the worker has opened the board: without that there are no figures
	Age      time.Duration // of the board, which is a little older than the process
	Running  int           // calls under way
	Busy     time.Duration // for how long at least one call was under way
	Spent    time.Duration // by all calls together, those under way included
}

// Reading is all that a board says.
type Reading struct {
	Load
	Methods []Method
	Calls   []Running // under way, oldest first; at most Places
}

// Method is what the calls of one method were.
type Method struct {
	Calls   uint64 // that have ended
	Errors  uint64 // those of them that ended by an error
	Running int
	Spent   time.Duration   // by the calls that have ended
	Buckets [Buckets]uint64 // calls that have ended, by the time that they took
}

// Running is a call that is under way.
type Running struct {
	Method int
	Age    time.Duration
}

// New makes a board for a worker with that many methods, in all its services, on a machine with that many CPUs for it.
// The file is to be inherited by the worker, and closed by the caller when that has been started. On a system that has
// no such memory the error is errors.ErrUnsupported.
func New(methods, cpus int) (*View, *os.File, error) {
	methods = min(max(methods, 0), MaxMethods)
	shards := min(max(cpus, 1), maxShards)
	f, err := createFile(size(methods, shards))
	if err != nil {
		return nil, nil, fmt.Errorf("make a board: %w", err)
	}
	v, err := newView(f, methods, shards)
	if err != nil {
		f.Close()
		return nil, nil, fmt.Errorf("make a board: %w", err)
	}
	return v, f, nil
}

// newView writes the head of a new board and maps it.
func newView(f *os.File, methods, shards int) (*View, error) {
	epoch := monotonic()
	mem, err := mapFile(f)
	if err != nil {
		return nil, err
	}
	h := lay(mem, 0, 0).header
	h.magic.Store(magic)
	h.methods.Store(uint64(methods))
	h.shards.Store(uint64(shards))
	h.epoch.Store(uint64(epoch))
	if err := protect(mem); err != nil {
		return nil, errors.Join(err, unmap(mem))
	}
	return &View{memory: *lay(mem, methods, shards), epoch: epoch, mem: mem}, nil
}

// Close gives the memory back. It may be called more than once.
func (v *View) Close() error {
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.closed {
		return nil
	}
	v.closed = true
	return unmap(v.mem)
}

// Load reads how much the worker has to do. It is quick: it leaves the histograms alone.
func (v *View) Load() (Load, error) {
	v.mu.RLock()
	defer v.mu.RUnlock()
	if v.closed {
		return Load{}, ErrClosed
	}
	l := v.beat()
	v.eachRow(func(_ int, from *row) { l.Spent = add(l.Spent, from.spent.Load()) })
	v.eachCall(l.Age, func(c Running) { l.Spent = add(l.Spent, uint64(c.Age)) })
	return l, nil
}

// Read reads the whole board.
func (v *View) Read() (*Reading, error) {
	v.mu.RLock()
	defer v.mu.RUnlock()
	if v.closed {
		return nil, ErrClosed
	}
	r := &Reading{Load: v.beat(), Methods: make([]Method, v.methods())}
	v.eachRow(func(method int, from *row) {
		spent := from.spent.Load()
		r.Methods[method].add(from, spent)
		r.Spent = add(r.Spent, spent)
	})
	v.eachCall(r.Age, func(c Running) {
		r.Methods[c.Method].Running++
		r.Spent = add(r.Spent, uint64(c.Age))
		r.Calls = append(r.Calls, c)
	})
	slices.SortFunc(r.Calls, func(a, b Running) int { return cmp.Compare(b.Age, a.Age) })
	return r, nil
}

// methods is how many the board was made for, whatever its head says by now.
func (v *View) methods() int { return len(v.rows[0]) }

// beat reads the pulse.
func (v *View) beat() Load {
	word := v.header.pulse.word.Load()
	age := max(monotonic()-v.epoch, 0) // read after the pulse, so that nothing in it is later
	busy, running := beat(word, tick(age))
	l := Load{Attached: v.header.attached.Load() == 1, Age: time.Duration(age), Running: running}
	l.Busy = min(time.Duration(busy<<tickShift), l.Age)
	return l
}

// eachRow calls f with the rows that have been used.
func (v *View) eachRow(f func(method int, from *row)) {
	for shard := range v.rows {
		for i := range v.rows[shard] {
			if v.marks[shard][i/64].Load()>>(i%64)&1 != 0 {
				f(i, &v.rows[shard][i])
			}
		}
	}
}

// eachCall calls f with the calls that are under way, at an age of the board. A worker may have written anything: a
// call of no method is left out, and one of the future has just begun.
func (v *View) eachCall(age time.Duration, f func(Running)) {
	for i := range v.places {
		w := v.places[i].Load()
		if w == 0 {
			continue
		}
		if method, began := placed(w); method < v.methods() {
			f(Running{Method: method, Age: max(age-time.Duration(began), 0)})
		}
	}
}

// maxCalls is more than a worker can do: a row that says more is taken for that, so that no sum over rows turns over.
const maxCalls = 1 << 52

// add adds what a row says.
func (m *Method) add(from *row, spent uint64) {
	m.Spent = add(m.Spent, spent)
	m.Errors += min(from.errors.Load(), maxCalls)
	m.Running += int(min(from.unlisted.Load(), pulseMask)) // more is no number of calls
	for i := range from.buckets {
		n := min(from.buckets[i].Load(), maxCalls)
		m.Buckets[i] += n
		m.Calls += n
	}
}

// add adds nanoseconds to a duration, up to the longest one.
func add(d time.Duration, ns uint64) time.Duration {
	if ns > uint64(math.MaxInt64-d) {
		return math.MaxInt64
	}
	return d + time.Duration(ns)
}
