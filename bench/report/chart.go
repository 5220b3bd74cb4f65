package report

import (
	"fmt"
	"image/color"
	"os"
	"slices"

	"gonum.org/v1/plot"
	"gonum.org/v1/plot/plotter"
	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"
	"gonum.org/v1/plot/vg/vgsvg"
)

// Chart is a picture of some cells of the grid, side by side: a point for each peer, with the spread over the rounds.
type Chart struct {
	File   string
	Panels []Panel
}

// Panel is one cell of the grid.
type Panel struct {
	Size, Callers int
	Rate          bool // calls a second; else the median time of a call
}

// Charts returns the pictures: the one for the front page, and those of all sizes.
func Charts() []Chart {
	sizes := []int{16, 1 << 10, 64 << 10, 1 << 20}
	charts := []Chart{{"bench.svg", []Panel{{16, 1, false}, {16, 64, true}}}}
	for _, callers := range []int{1, 8, 64} {
		c := Chart{File: fmt.Sprintf("bench-%d.svg", callers)}
		for _, size := range sizes {
			c.Panels = append(c.Panels, Panel{size, callers, callers > 1})
		}
		charts = append(charts, c)
	}
	return charts
}

const (
	panelWidth  = 12 * vg.Centimeter
	panelHeight = 11 * vg.Centimeter
)

// colours of a hotline peer and of the others; both can be told apart by people who see no red or no green.
var (
	ours   = color.RGBA{0xd5, 0x5e, 0x00, 0xff}
	others = color.RGBA{0x33, 0x66, 0x99, 0xff}
)

// Draw writes a chart as SVG to path. Panels without numbers are left out; without any, nothing is written, and drawn is
// false.
func Draw(path string, c Chart, r *Results) (drawn bool, err error) {
	var plots []*plot.Plot
	for _, p := range c.Panels {
		one, err := panel(p, r)
		if err != nil {
			return false, err
		}
		if one != nil {
			plots = append(plots, one)
		}
	}
	if len(plots) == 0 {
		return false, nil
	}
	columns := min(2, len(plots))
	rows := (len(plots) + 1) / 2
	canvas := vgsvg.New(panelWidth*vg.Length(columns), panelHeight*vg.Length(rows))
	tiles := draw.Tiles{Rows: rows, Cols: columns, PadX: vg.Millimeter * 3, PadY: vg.Millimeter * 3,
		PadTop: 2 * vg.Millimeter, PadBottom: 2 * vg.Millimeter, PadLeft: 2 * vg.Millimeter, PadRight: 4 * vg.Millimeter}
	area := draw.New(canvas)
	area.SetColor(color.White)
	area.Fill(area.Rectangle.Path())
	for i, p := range plots {
		p.Draw(tiles.At(area, i%2, i/2))
	}
	f, err := os.Create(path)
	if err != nil {
		return false, err
	}
	if _, err := canvas.WriteTo(f); err != nil {
		f.Close()
		return false, err
	}
	return true, f.Close()
}

// panel returns the plot of one cell, the best peer on top, or nil where nothing was measured.
func panel(p Panel, r *Results) (*plot.Plot, error) {
	number := func(row *Row) float64 { return float64(row.P50) / 1e3 }
	if p.Rate {
		number = perSec
	}
	type mark struct {
		name string
		f    Figure
	}
	var marks []mark
	for _, name := range r.peers(at("", p.Size, p.Callers)) {
		if f, ok := r.Of(at(name, p.Size, p.Callers), number); ok && f.Min > 0 {
			marks = append(marks, mark{name, f})
		}
	}
	if len(marks) == 0 {
		return nil, nil
	}
	slices.SortFunc(marks, func(a, b mark) int {
		if a.f.Median > b.f.Median == p.Rate {
			return 1
		}
		return -1
	})
	one := plot.New()
	one.Title.Text = fmt.Sprintf("%s, %s", bytesText(p.Size), callersText(p.Callers))
	one.X.Label.Text = "median time of a call, µs (less is better)"
	if p.Rate {
		one.X.Label.Text = "calls a second (more is better)"
	}
	one.X.Scale, one.X.Tick.Marker = plot.LogScale{}, plot.LogTicks{Prec: -1}
	grid := plotter.NewGrid()
	grid.Horizontal.Color, grid.Vertical.Color = color.Gray{0xe4}, color.Gray{0xe4}
	one.Add(grid)
	var names []string
	low, high := marks[0].f.Min, marks[0].f.Max
	for i, m := range marks {
		names = append(names, m.name)
		low, high = min(low, m.f.Min), max(high, m.f.Max)
		points, err := plotter.NewScatter(plotter.XYs{{X: m.f.Median, Y: float64(i)}})
		if err != nil {
			return nil, err
		}
		spread, err := plotter.NewLine(plotter.XYs{{X: m.f.Min, Y: float64(i)}, {X: m.f.Max, Y: float64(i)}})
		if err != nil {
			return nil, err
		}
		points.Shape, points.Radius, points.Color = draw.CircleGlyph{}, 3.5, others
		if isOurs(m.name) {
			points.Color = ours
		}
		spread.Color, spread.Width = points.Color, 1.5
		one.Add(spread, points)
	}
	one.NominalY(names...)
	one.X.Min, one.X.Max = low/2, high*1.5 // a dot is as wide as a name is high: it must not touch the names
	return one, nil
}

func isOurs(peer string) bool { return len(peer) > 7 && peer[:7] == "hotline" }
