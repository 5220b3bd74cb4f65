package report

import (
	"fmt"
	"io"
	"strings"
	"time"

	"hotline/bench/peer"
)

// inPlace is the peer that echoes 1 MiB without a copy on either side, where there is one.
const inPlace = "hotline shm in place"

// reused is at the end of the names of peers over sockets whose messages are in memory that is used again, as the echoes by
// hand use theirs.
const reused = " Buffer"

// goal is one line of the comparison with what was asked for.
type goal struct {
	number, what string
	limit        float64
	atLeast      bool // the measured value is to be at least the limit; else at most
	measured     float64
	ok           bool // it was measured
	note         string
}

// Goals writes the comparison with the goals. kinds tells what each peer is.
func Goals(w io.Writer, r *Results, kinds map[string]peer.Kind) error {
	t := &tables{w: w, r: r}
	t.printf("| goal | what | wanted | measured | |\n| --- | --- | ---: | ---: | --- |\n")
	for _, g := range append(append(r.callGoals(), r.conditionGoals()...), append(r.idleGoals(), r.peerGoals(kinds)...)...) {
		sign, verdict := "at most", "**missed**"
		if g.atLeast {
			sign = "at least"
		}
		measured := digits(g.measured)
		switch {
		case !g.ok:
			measured, verdict = "not measured", ""
		case g.atLeast && g.measured >= g.limit || !g.atLeast && g.measured <= g.limit:
			verdict = "met"
		case g.limit == 0:
			verdict += fmt.Sprintf(" by %s", digits(g.measured))
		case g.atLeast:
			verdict += fmt.Sprintf(" by %s%%", digits(100*(1-g.measured/g.limit)))
		default:
			verdict += fmt.Sprintf(" by %s%%", digits(100*(g.measured/g.limit-1)))
		}
		if g.note != "" {
			verdict = strings.TrimPrefix(verdict+"; "+g.note, "; ")
		}
		t.printf("| %s | %s | %s %s | %s | %s |\n", g.number, g.what, sign, digits(g.limit), measured, verdict)
	}
	return t.err
}

// at returns the key of a peer in a cell of the grid.
func at(name string, size, callers int) Key {
	return Key{Scenario: Grid, Peer: name, Size: size, Callers: callers}
}

const shm, unix, tcp, handUnix = "hotline shm", "hotline unix", "hotline tcp", "lock-step unix"

// atMost makes a goal of a number of one cell.
func (r *Results) atMost(number, what string, limit float64, k Key, of func(*Row) float64) goal {
	f, ok := r.Of(k, of)
	return goal{number: number, what: what, limit: limit, measured: f.Median, ok: ok}
}

// atLeast is atMost for a number that is to be large.
func (r *Results) atLeast(number, what string, limit float64, k Key, of func(*Row) float64) goal {
	g := r.atMost(number, what, limit, k, of)
	g.atLeast = true
	return g
}

// ratio makes a goal of the ratio of a number in two cells.
func (r *Results) ratio(number, what string, limit float64, a, b Key, of func(*Row) float64) goal {
	x, ok1 := r.Of(a, of)
	y, ok2 := r.Of(b, of)
	return goal{number: number, what: what, limit: limit, measured: x.Median / y.Median, ok: ok1 && ok2 && y.Median != 0}
}

func (r *Results) callGoals() []goal {
	one, slow := at(shm, 16, 1), func(r *Row) float64 { return r.Slowest }
	sum := Key{Scenario: Sum, Peer: shm, Size: 16, Callers: 1}
	goals := []goal{
		r.atMost("1", "16 bytes, one caller: median, in cache-line round trips", 2.5, one, net(p50)),
		r.atMost("1", "the same, 99th percentile", 6, one, net(p99)),
		r.atMost("1", "the same, allocations in the client (the result is one)", 1.05, one, func(r *Row) float64 { return r.Allocs }),
		r.atMost("2", "`Sum` by msgpack: median, in round trips", 8, sum, net(p50)),
	}
	for _, c := range []struct {
		callers int
		limit   float64
	}{{8, 2.2}, {64, 3.2}} {
		what := callersText(c.callers)
		goals = append(goals, r.atMost("3", what+": a call of all, in round trips", c.limit, at(shm, 16, c.callers), each))
		if c.callers == 64 {
			goals = append(goals, r.atMost("3", what+": p99.9, in ms", 2, at(shm, 16, c.callers),
				func(r *Row) float64 { return float64(r.P999) / 1e6 }))
		}
		goals = append(goals, r.atLeast("3", what+": calls of the slowest, over the mean", 1.0/3, at(shm, 16, c.callers), slow))
	}
	return goals
}

func (r *Results) conditionGoals() []goal {
	var goals []goal
	for _, p := range []struct {
		quiet time.Duration
		limit float64
	}{{time.Millisecond, 0.6}, {50 * time.Millisecond, 0.9}} {
		k := Key{Scenario: Paced, Peer: shm, Size: 16, Callers: 1, Quiet: int64(p.quiet)}
		by := k
		by.Peer = handUnix
		goals = append(goals, r.ratio("5", fmt.Sprintf("after %v of quiet: median, over that of a plain unix socket", p.quiet), p.limit, k, by, p50))
	}
	three := Key{Scenario: Clients, Peer: shm, Size: 16, Callers: 1}
	goals = append(goals,
		r.atMost("6", "three client processes: a call of all, in round trips", 2.8, three, each),
		r.atLeast("6", "three client processes: the slowest, over the fastest", 1.0/3, three, func(r *Row) float64 { return r.Slowest }))
	for _, s := range []struct{ scenario, what string }{
		{Hogs, "with two CPU hogs"}, {OneProc, "with GOMAXPROCS=1"}, {Quota, "under a quota of one core"},
	} {
		for _, callers := range []int{1, 8} {
			k := Key{Scenario: s.scenario, Peer: shm, Size: 16, Callers: callers}
			by := k
			by.Peer = unix
			g := r.ratio("6", fmt.Sprintf("%s, %s: calls/s, over those of unix://", s.what, callersText(callers)), 1, k, by, perSec)
			g.atLeast = true
			goals = append(goals, g)
		}
	}
	return goals
}

func (r *Results) idleGoals() []goal {
	idle := Key{Scenario: Idle, Peer: shm, Size: 16, Callers: 1}
	heap := Key{Scenario: Heap, Peer: shm, Size: 16, Callers: 1}
	goals := []goal{
		r.atMost("7", "100 idle links: CPU ticks of both sides in 5 s", 0, idle, func(r *Row) float64 { return float64(r.Ticks) }),
		r.atMost("7", "idle links: KiB of heap and stacks each, at the server", 40, heap, func(r *Row) float64 { return r.KiB }),
	}
	if rows := r.rows[heap]; len(rows) > 0 {
		goals[1].note = fmt.Sprintf("with %d links", rows[0].Links)
	}
	return goals
}

// peerGoals are those that compare with the peers: 4 and 8.
func (r *Results) peerGoals(kinds map[string]peer.Kind) []goal {
	const mib, kib64 = 1 << 20, 64 << 10
	best, name := r.best(at("", mib, 1), kinds, peer.Library, peer.Hand, peer.Memory)
	first := r.ratio("4", "1 MiB, one caller: median, over that of the quickest peer", 1, at(shm, mib, 1), best, p50)
	first.note = name
	goals := []goal{
		first,
		r.ratio("4", "1 MiB in place: median, over that of the copying call", 0.5, at(inPlace, mib, 1), at(shm, mib, 1), p50),
		r.ratio("4", "64 KiB in place: median, over that of the copying call", 0.6, at(inPlace, kib64, 1), at(shm, kib64, 1), p50),
	}
	for _, ours := range []string{unix, tcp} {
		goals = append(goals, r.ahead(ours, kinds))
		hand := "lock-step " + strings.TrimPrefix(ours, "hotline ")
		for _, c := range r.cells(Grid) {
			if c.Callers != 1 {
				continue
			}
			for _, name := range []string{ours, ours + reused} {
				if name == ours || c.Size >= kib64 {
					what := fmt.Sprintf("%s, %s, one caller: median, over a lock-step echo by hand", name, bytesText(c.Size))
					goals = append(goals, r.ratio("8", what, 1.15, at(name, c.Size, 1), at(hand, c.Size, 1), p50))
				}
			}
		}
	}
	return goals
}

// best returns the cell of the quickest peer, by its median, of those of some kinds.
func (r *Results) best(cell Key, kinds map[string]peer.Kind, among ...peer.Kind) (Key, string) {
	var best Key
	lowest := 0.0
	cell.Peer = ""
	for _, name := range r.peers(cell) {
		k := cell
		k.Peer = name
		f, ok := r.Of(k, p50)
		for _, s := range among {
			if ok && kinds[name] == s && (lowest == 0 || f.Median < lowest) {
				best, lowest = k, f.Median
			}
		}
	}
	return best, best.Peer
}

// ahead counts the cells in which a library for calls answers more calls a second.
func (r *Results) ahead(ours string, kinds map[string]peer.Kind) goal {
	g := goal{number: "8", what: ours + ": cells of the grid in which a library for calls is ahead, by calls/s"}
	var lost []string
	for _, c := range r.cells(Grid) {
		k := c
		k.Peer = ours
		mine, ok := r.Of(k, perSec)
		if !ok {
			continue
		}
		g.ok = true
		ahead := ""
		for _, name := range r.peers(c) {
			k.Peer = name
			if f, ok := r.Of(k, perSec); ok && kinds[name] == peer.Library && f.Median > mine.Median {
				ahead += fmt.Sprintf(" %s ×%.2f", name, f.Median/mine.Median)
			}
		}
		if ahead != "" {
			g.measured++
			lost = append(lost, fmt.Sprintf("%s/%d:%s", bytesText(c.Size), c.Callers, ahead))
		}
	}
	g.note = strings.Join(lost, ", ")
	return g
}
