// Package report keeps what was measured, and makes tables, charts and a comparison with the goals of it.
package report

import (
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"os"
	"strconv"

	"hotline/bench/load"
)

// The scenarios.
const (
	Grid    = "grid"
	Sum     = "sum"     // a typed call
	Paced   = "paced"   // after a time of quiet
	Clients = "clients" // three client processes
	Hogs    = "hogs"    // while two processes keep the CPU busy
	OneProc = "oneproc" // GOMAXPROCS=1
	Quota   = "quota"   // a CPU quota of one core
	Idle    = "idle"    // 100 idle links
	Heap    = "heap"    // as many idle links as the limit of open files allows, up to 10,000
)

// Row is one peer in one cell and round, as it is in a line of the CSV file.
type Row struct {
	Scenario string
	Round    int
	Peer     string
	Way      string
	Size     int   // bytes
	Callers  int   // goroutines, of each client process
	Quiet    int64 // before each call, in nanoseconds
	load.Result
	Line  float64 // a cache line there and back between two processes, around this round, in nanoseconds
	Clock float64 // a read of the clock, in nanoseconds

	Links int     // idle links
	Ticks int64   // of CPU time of both processes, while Links were idle for Seconds; a tick is 10 ms
	KiB   float64 // of heap and stacks of the server, for each link
	Files int     // open files of the server

	Error string // why there are no numbers
}

// column is one field of a row, as text.
type column struct {
	name string
	get  func(*Row) string
	set  func(*Row, string) error
}

func text(name string, field func(*Row) *string) column {
	return column{name, func(r *Row) string { return *field(r) }, func(r *Row, s string) error { *field(r) = s; return nil }}
}

func integer[T int | int64](name string, field func(*Row) *T) column {
	return column{name,
		func(r *Row) string { return strconv.FormatInt(int64(*field(r)), 10) },
		func(r *Row, s string) error {
			n, err := strconv.ParseInt(s, 10, 64)
			*field(r) = T(n)
			return err
		}}
}

func float(name string, field func(*Row) *float64) column {
	return column{name,
		func(r *Row) string { return strconv.FormatFloat(*field(r), 'g', 6, 64) },
		func(r *Row, s string) (err error) { *field(r), err = strconv.ParseFloat(s, 64); return err }}
}

// columns are the columns of the CSV file. A name ends with the unit where there is one.
func columns() []column {
	return []column{
		text("scenario", func(r *Row) *string { return &r.Scenario }),
		integer("round", func(r *Row) *int { return &r.Round }),
		text("peer", func(r *Row) *string { return &r.Peer }),
		text("way", func(r *Row) *string { return &r.Way }),
		integer("size_bytes", func(r *Row) *int { return &r.Size }),
		integer("callers", func(r *Row) *int { return &r.Callers }),
		integer("quiet_ns", func(r *Row) *int64 { return &r.Quiet }),
		integer("calls", func(r *Row) *int64 { return &r.Calls }),
		integer("timed_calls", func(r *Row) *int64 { return &r.Timed }),
		float("seconds", func(r *Row) *float64 { return &r.Seconds }),
		float("calls_per_s", func(r *Row) *float64 { return &r.PerSec }),
		integer("p50_ns", func(r *Row) *int64 { return &r.P50 }),
		integer("p90_ns", func(r *Row) *int64 { return &r.P90 }),
		integer("p99_ns", func(r *Row) *int64 { return &r.P99 }),
		integer("p99.9_ns", func(r *Row) *int64 { return &r.P999 }),
		integer("max_ns", func(r *Row) *int64 { return &r.Max }),
		float("slowest_share", func(r *Row) *float64 { return &r.Slowest }),
		float("client_cpu_ns", func(r *Row) *float64 { return &r.Client }),
		float("server_cpu_ns", func(r *Row) *float64 { return &r.Server }),
		float("client_allocs", func(r *Row) *float64 { return &r.Allocs }),
		float("line_ns", func(r *Row) *float64 { return &r.Line }),
		float("clock_ns", func(r *Row) *float64 { return &r.Clock }),
		integer("links", func(r *Row) *int { return &r.Links }),
		integer("cpu_ticks", func(r *Row) *int64 { return &r.Ticks }),
		float("kib_per_link", func(r *Row) *float64 { return &r.KiB }),
		integer("server_files", func(r *Row) *int { return &r.Files }),
		text("error", func(r *Row) *string { return &r.Error }),
	}
}

// Writer appends rows to a CSV file, each at once, so that an end at any time loses none.
type Writer struct {
	f *os.File
	w *csv.Writer
}

// NewWriter opens the file at path: a new one, or with add one that is kept.
func NewWriter(path string, add bool) (*Writer, error) {
	mode := os.O_WRONLY | os.O_CREATE | os.O_APPEND
	if !add {
		mode |= os.O_TRUNC
	}
	f, err := os.OpenFile(path, mode, 0o644)
	if err != nil {
		return nil, err
	}
	w := &Writer{f, csv.NewWriter(f)}
	if info, err := f.Stat(); err != nil || info.Size() > 0 {
		return w, err
	}
	var names []string
	for _, c := range columns() {
		names = append(names, c.name)
	}
	return w, w.write(names)
}

func (w *Writer) write(record []string) error {
	w.w.Write(record)
	w.w.Flush()
	return w.w.Error()
}

// Write appends a row.
func (w *Writer) Write(r *Row) error {
	var record []string
	for _, c := range columns() {
		record = append(record, c.get(r))
	}
	return w.write(record)
}

// Close closes the file.
func (w *Writer) Close() error { return w.f.Close() }

// Read reads what a Writer wrote.
func Read(r io.Reader) ([]Row, error) {
	in := csv.NewReader(r)
	names, err := in.Read()
	if err != nil {
		return nil, err
	}
	cs := columns()
	if len(names) != len(cs) {
		return nil, fmt.Errorf("a table of %d columns, want %d: it was made by another version", len(names), len(cs))
	}
	var rows []Row
	for {
		record, err := in.Read()
		if errors.Is(err, io.EOF) {
			return rows, nil
		}
		if err != nil {
			return nil, err
		}
		var row Row
		for i, c := range cs {
			if names[i] != c.name {
				return nil, fmt.Errorf("column %d is %q, want %q: it was made by another version", i+1, names[i], c.name)
			}
			if err := c.set(&row, record[i]); err != nil {
				return nil, fmt.Errorf("column %s: %w", c.name, err)
			}
		}
		rows = append(rows, row)
	}
}
