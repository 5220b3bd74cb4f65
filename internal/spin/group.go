package spin

import (
	"sync/atomic"
	"time"
)

// DefaultMax is the longest spin where nothing else is asked for. It is a little under what putting a thread to sleep
// and waking it costs both sides.
const DefaultMax = 20 * time.Microsecond

// Group bounds the spinning of all waiters that share it. Its methods may be called at once.
type Group struct {
	limit    int32 // immutable: waiters in the long phase at once; 0 for no spinning at all
	spinning atomic.Int32
}

// NewGroup returns a group for a process with the given number of usable CPUs, normally [CPUs](). One of them is left
// to goroutines that have work, and to Go's poller, which spinning goroutines would keep waiting.
func NewGroup(cpus float64) *Group {
	if cpus < 2 {
		return new(Group)
	}
	return &Group{limit: int32(cpus) - 1}
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
