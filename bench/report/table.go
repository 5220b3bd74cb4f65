package report

import (
	"fmt"
	"io"
	"strings"
	"time"
)

// Markdown writes the tables of all that was measured.
func Markdown(w io.Writer, r *Results) error {
	t := &tables{w: w, r: r}
	for _, c := range r.cells(Grid) {
		t.printf("### %s, %s\n\n", bytesText(c.Size), callersText(c.Callers))
		t.calls(c)
	}
	for _, s := range []struct{ scenario, title string }{
		{Sum, "A typed call: `Sum(ctx, a, b int) (int, error)` by msgpack"},
		{Clients, "Three client processes, one caller each (rates added up, the worst percentiles)"},
		{Paced, "After quiet"},
		{Hogs, "With two processes that keep the CPU busy"},
		{OneProc, "With GOMAXPROCS=1"},
		{Quota, "Under a CPU quota of one core for all processes"},
	} {
		for _, c := range r.cells(s.scenario) {
			title := s.title
			switch {
			case c.Quiet > 0:
				title = fmt.Sprintf("After %v of quiet", time.Duration(c.Quiet))
			case s.scenario != Sum && s.scenario != Clients:
				title += ", " + callersText(c.Callers)
			}
			t.printf("### %s\n\n", title)
			t.calls(c)
		}
	}
	t.idle()
	return t.err
}

type tables struct {
	w   io.Writer
	r   *Results
	err error
}

func (t *tables) printf(format string, args ...any) {
	if t.err == nil {
		_, t.err = fmt.Fprintf(t.w, format, args...)
	}
}

// calls writes the table of a cell in which calls were made.
func (t *tables) calls(cell Key) {
	t.printf("| peer | calls/s | ± | p50 | ± | p90 | p99 | p99.9 | p50 / line | slowest / mean | CPU client + server | allocs |\n")
	t.printf("| --- |%s\n", strings.Repeat(" ---: |", 11))
	for _, name := range t.r.peers(cell) {
		k := cell
		k.Peer = name
		rate, ok := t.r.Of(k, perSec)
		if !ok {
			t.printf("| %s | failed: %s |%s\n", name, oneLine(t.r.failure(k)), strings.Repeat(" |", 10))
			continue
		}
		of := func(number func(*Row) float64) float64 {
			f, _ := t.r.Of(k, number)
			return f.Median
		}
		half, _ := t.r.Of(k, p50)
		t.printf("| %s | %s | %.0f%% | %s | %.0f%% | %s | %s | %s | %s | %.2f | %s + %s | %.1f |\n", name,
			rateText(rate.Median), 100*rate.Spread(), timeText(half.Median), 100*half.Spread(), timeText(of(p90)), timeText(of(p99)),
			timeText(of(p999)), digits(of(func(r *Row) float64 { return float64(r.P50) / r.Line })),
			of(func(r *Row) float64 { return r.Slowest }),
			timeText(of(func(r *Row) float64 { return r.Client })), timeText(of(func(r *Row) float64 { return r.Server })),
			of(func(r *Row) float64 { return r.Allocs }))
	}
	t.printf("\n")
}

// idle writes the table of the idle links.
func (t *tables) idle() {
	cells := append(t.r.cells(Idle), t.r.cells(Heap)...)
	if len(cells) == 0 {
		return
	}
	t.printf("### Idle links\n\n| peer | links | CPU of both sides | server's heap and stacks, a link | server's open files |\n")
	t.printf("| --- | ---: | ---: | ---: | ---: |\n")
	for _, c := range cells {
		for _, name := range t.r.peers(c) {
			k := c
			k.Peer = name
			kib, ok := t.r.Of(k, func(r *Row) float64 { return r.KiB })
			if !ok {
				t.printf("| %s | failed: %s | | | |\n", name, oneLine(t.r.failure(k)))
				continue
			}
			row := t.r.rows[k][len(t.r.rows[k])-1]
			cpu := "not measured"
			if c.Scenario == Idle {
				cpu = fmt.Sprintf("%d ticks in %.3g s", row.Ticks, row.Seconds)
			}
			t.printf("| %s | %d | %s | %.1f KiB | %d |\n", name, row.Links, cpu, kib.Median, row.Files)
		}
	}
	t.printf("\n")
}

func oneLine(s string) string {
	return strings.NewReplacer("\n", " ", "|", "/").Replace(s)
}

func bytesText(n int) string {
	switch {
	case n >= 1<<20 && n%(1<<20) == 0:
		return fmt.Sprintf("%d MiB", n>>20)
	case n >= 1<<10 && n%(1<<10) == 0:
		return fmt.Sprintf("%d KiB", n>>10)
	}
	return fmt.Sprintf("%d bytes", n)
}

func callersText(n int) string {
	if n == 1 {
		return "1 caller"
	}
	return fmt.Sprintf("%d callers", n)
}

// digits returns v with three digits.
func digits(v float64) string {
	switch {
	case v >= 100:
		return fmt.Sprintf("%.0f", v)
	case v >= 10:
		return fmt.Sprintf("%.1f", v)
	}
	return fmt.Sprintf("%.2f", v)
}

// timeText returns nanoseconds with three digits and a unit.
func timeText(ns float64) string {
	switch {
	case ns >= 1e9:
		return digits(ns/1e9) + " s"
	case ns >= 1e6:
		return digits(ns/1e6) + " ms"
	case ns >= 1e3:
		return digits(ns/1e3) + " µs"
	}
	return fmt.Sprintf("%.0f ns", ns)
}

// rateText returns calls a second with three digits.
func rateText(v float64) string {
	switch {
	case v >= 1e6:
		return digits(v/1e6) + " M"
	case v >= 1e3:
		return digits(v/1e3) + " k"
	}
	return fmt.Sprintf("%.0f", v)
}
