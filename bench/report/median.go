package report

import (
	"cmp"
	"slices"
)

// Key tells cells apart.
type Key struct {
	Scenario string
	Peer     string
	Size     int
	Callers  int
	Quiet    int64
}

// Figure is the median of a number over the rounds, with the smallest and the largest.
type Figure struct {
	Median, Min, Max float64
}

// Spread is half of what lies between the smallest and the largest, as a part of the median.
func (f Figure) Spread() float64 {
	if f.Median == 0 {
		return 0
	}
	return (f.Max - f.Min) / 2 / f.Median
}

// Results are the rows of all rounds, by cell.
type Results struct {
	rows map[Key][]Row
	keys []Key // in the order of their first rows
}

// Collect sorts rows into cells.
func Collect(rows []Row) *Results {
	r := &Results{rows: make(map[Key][]Row)}
	for _, row := range rows {
		k := Key{row.Scenario, row.Peer, row.Size, row.Callers, row.Quiet}
		if _, ok := r.rows[k]; !ok {
			r.keys = append(r.keys, k)
		}
		r.rows[k] = append(r.rows[k], row)
	}
	return r
}

// Of returns the figure of a number of a cell; ok is false where no round has numbers.
func (r *Results) Of(k Key, number func(*Row) float64) (f Figure, ok bool) {
	var all []float64
	for i := range r.rows[k] {
		if row := &r.rows[k][i]; row.Error == "" {
			all = append(all, number(row))
		}
	}
	if len(all) == 0 {
		return f, false
	}
	slices.Sort(all)
	middle := all[len(all)/2]
	if len(all)%2 == 0 {
		middle = (middle + all[len(all)/2-1]) / 2
	}
	return Figure{middle, all[0], all[len(all)-1]}, true
}

// failure returns why a cell has no numbers.
func (r *Results) failure(k Key) string {
	for _, row := range r.rows[k] {
		if row.Error != "" {
			return row.Error
		}
	}
	return ""
}

// cells returns the different cells of a scenario, without the peers, by size, callers and quiet.
func (r *Results) cells(scenario string) []Key {
	var cells []Key
	for _, k := range r.keys {
		k.Peer = ""
		if k.Scenario == scenario && !slices.Contains(cells, k) {
			cells = append(cells, k)
		}
	}
	slices.SortFunc(cells, func(a, b Key) int {
		return cmp.Or(cmp.Compare(a.Size, b.Size), cmp.Compare(a.Callers, b.Callers), cmp.Compare(a.Quiet, b.Quiet))
	})
	return cells
}

// peers returns who was measured in a cell, in order.
func (r *Results) peers(cell Key) []string {
	var peers []string
	for _, k := range r.keys {
		peer := k.Peer
		k.Peer = ""
		if k == cell {
			peers = append(peers, peer)
		}
	}
	return peers
}

// The numbers of a row that figures are made of. A ratio is to the cache line's round trip of the same round.
func p50(r *Row) float64    { return float64(r.P50) }
func p90(r *Row) float64    { return float64(r.P90) }
func p99(r *Row) float64    { return float64(r.P99) }
func p999(r *Row) float64   { return float64(r.P999) }
func perSec(r *Row) float64 { return r.PerSec }
func line(r *Row) float64   { return r.Line }

// net is a time without the read of the clock that is in it, in round trips of the cache line.
func net(of func(*Row) float64) func(*Row) float64 {
	return func(r *Row) float64 { return (of(r) - r.Clock) / r.Line }
}

// each is the time in which one call of all is done, in round trips of the cache line.
func each(r *Row) float64 { return 1e9 / r.PerSec / r.Line }

// Calibration returns what the machine needed itself, over all rows, and how many rounds there were.
func (r *Results) Calibration() (trip, clock Figure, rounds int) {
	all := &Results{rows: make(map[Key][]Row)}
	for _, rows := range r.rows {
		for _, row := range rows {
			row.Error = ""
			rounds = max(rounds, row.Round)
			all.rows[Key{}] = append(all.rows[Key{}], row)
		}
	}
	trip, _ = all.Of(Key{}, line)
	clock, _ = all.Of(Key{}, func(r *Row) float64 { return r.Clock })
	return trip, clock, rounds
}
