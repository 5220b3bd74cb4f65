package main

import (
	"time"

	"hotline/manager"
	"hotline/monitor"
)

// topView is what workers did between two looks at them, as top prints it for scripts.
type topView struct {
	Time     time.Time `json:"time"`
	Seconds  float64   `json:"seconds"` // between the two looks
	Sections []topRow  `json:"sections"`
}

// topRow is a line of the screen: a section, or a worker of one. Times are in nanoseconds.
type topRow struct {
	Name      string        `json:"name"`
	State     string        `json:"state"`
	Calls     float64       `json:"calls_per_second"`
	P50       time.Duration `json:"p50_ns"`
	P99       time.Duration `json:"p99_ns"`
	Errors    float64       `json:"errors_per_second"`
	InFlight  int           `json:"in_flight"`
	Oldest    string        `json:"oldest_method,omitempty"` // of the calls in flight
	OldestAge time.Duration `json:"oldest_age_ns,omitempty"`
	CPU       float64       `json:"cpu"` // cores
	Memory    int64         `json:"memory_bytes"`
	Unread    bool          `json:"unread,omitempty"` // there are no figures
	Workers   []topRow      `json:"workers,omitempty"`

	times manager.Histogram
}

// newTop compares two looks. What was not there before counts from its beginning.
func newTop(before, now *monitor.Figures) *topView {
	v := &topView{Time: now.Time, Seconds: now.Time.Sub(before.Time).Seconds(), Sections: []topRow{}}
	for i := range now.Sections {
		s := &now.Sections[i]
		row := topRow{Name: s.Name, State: string(s.State), Workers: []topRow{}}
		for _, w := range s.Workers {
			r := topRow{Name: workerName(w.Number), State: string(w.State)}
			if f := figuresOf(s, w); f != nil {
				r.fill(f, earlier(before, s.Name, f), v.Seconds)
			}
			row.add(&r)
			row.Workers = append(row.Workers, r)
		}
		row.P50, row.P99 = row.times.Quantile(0.5), row.times.Quantile(0.99)
		v.Sections = append(v.Sections, row)
	}
	return v
}

func figuresOf(s *monitor.SectionFigures, w monitor.Worker) *monitor.WorkerFigures {
	for i := range s.Figures {
		if f := &s.Figures[i]; f.Number == w.Number && f.PID == w.PID {
			return f
		}
	}
	return nil
}

// earlier returns the figures of the same process at the look before, or those of one that has done nothing.
func earlier(before *monitor.Figures, section string, now *monitor.WorkerFigures) *monitor.WorkerFigures {
	for i := range before.Sections {
		s := &before.Sections[i]
		if s.Name != section {
			continue
		}
		for j := range s.Figures {
			if f := &s.Figures[j]; f.Number == now.Number && f.PID == now.PID && f.Unread == "" {
				return f
			}
		}
	}
	return &monitor.WorkerFigures{}
}

// fill sets a worker's row.
func (r *topRow) fill(now, before *monitor.WorkerFigures, seconds float64) {
	if now.Unread != "" {
		r.Unread = true
		return
	}
	rate := func(now, before uint64) float64 {
		if seconds <= 0 || now < before {
			return 0
		}
		return float64(now-before) / seconds
	}
	was := map[[2]string]*monitor.MethodFigures{}
	for i := range before.Methods {
		m := &before.Methods[i]
		was[[2]string{m.Service, m.Method}] = m
	}
	for i := range now.Methods {
		m := &now.Methods[i]
		b := was[[2]string{m.Service, m.Method}]
		if b == nil {
			b = &monitor.MethodFigures{}
		}
		r.Calls += rate(m.Calls, b.Calls)
		r.Errors += rate(m.Errors, b.Errors)
		r.times = r.times.Add(m.Times.Sub(b.Times.Histogram))
	}
	r.InFlight, r.Memory = now.InFlight(), now.Memory
	r.CPU = rate(uint64(now.CPU), uint64(before.CPU)) / float64(time.Second)
	r.P50, r.P99 = r.times.Quantile(0.5), r.times.Quantile(0.99)
	if len(now.Running) > 0 {
		r.Oldest, r.OldestAge = now.Running[0].Method, now.Running[0].Age
	}
}

// add puts a worker into its section's row, all but the percentiles.
func (r *topRow) add(w *topRow) {
	r.Calls += w.Calls
	r.Errors += w.Errors
	r.InFlight += w.InFlight
	r.CPU += w.CPU
	r.Memory += w.Memory
	r.times = r.times.Add(w.times)
	if w.OldestAge > r.OldestAge {
		r.Oldest, r.OldestAge = w.Oldest, w.OldestAge
	}
}
