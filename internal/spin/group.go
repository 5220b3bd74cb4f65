package spin

import (
	"runtime"
	"sync/atomic"
	"time"
)

// DefaultMax is the longest spin where nothing else is asked for. It is about what putting a goroutine and its thread
// to sleep and waking both costs: 40 µs where nothing else is going on, 100 µs and more on a virtual machine whose
// timers and interrupts are slow. A wait that gives up sooner costs more than it saves: the peer was only held up, by
// a thread of its own that had a moment's work, and is then held up again by waking us.
const DefaultMax = 100 * time.Microsecond

// Group bounds the spinning of all waiters that share it. Its methods may be called at once.
type Group struct {
	limit     int32         // immutable: waiters in the long phase at once; 0 for no spinning at all
	lone      bool          // immutable: goroutines have one processor of Go's, so one that spins keeps all others waiting
	yieldCost time.Duration // immutable: of a yield on a CPU that nobody else wants
	spinning  atomic.Int32
	places    atomic.Uint32 // waiting places that there were so far
	last      atomic.Uint32 // the number of the one that had a slow wait last
}

// NewGroup returns a group for a process that counts on so many CPUs, normally [CPUs](). One of them is left to
// goroutines that have work, and to Go's poller, which spinning goroutines would keep waiting. With fewer than two
// nothing spins.
func NewGroup(cpus float64) *Group {
	if cpus < 2 {
		return new(Group)
	}
	g := &Group{limit: int32(cpus) - 1, lone: runtime.GOMAXPROCS(0) == 1, yieldCost: time.Second}
	for range 4 {
		start := time.Now()
		yield()
		g.yieldCost = min(g.yieldCost, time.Since(start))
	}
	return g
}

// Enabled reports whether waiters of g spin at all.
func (g *Group) Enabled() bool { return g != nil && g.limit > 0 }

// enter asks for leave to spin on. The answer true needs a later leave.
func (g *Group) enter() bool {
	if g.spinning.Add(1) <= g.limit {
		return true
	}
	g.spinning.Add(-1)
	return false
}

func (g *Group) leave() { g.spinning.Add(-1) }
