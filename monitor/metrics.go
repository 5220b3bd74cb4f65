package monitor

import (
	"net/http"
	"runtime"
	"slices"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"hotline/manager"
)

// maxScrapes is how many scrapes are answered at once.
const maxScrapes = 4

func (s *Server) metricsHandler() http.Handler {
	r := prometheus.NewRegistry()
	r.MustRegister(newCollector(s.figures, &s.about), collectors.NewGoCollector(),
		collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	return promhttp.HandlerFor(r, promhttp.HandlerOpts{MaxRequestsInFlight: maxScrapes})
}

// collector makes metrics of a manager's state when it is asked, and keeps none.
type collector struct {
	figures *gatherer
	about   *About

	build, started, workers, wanted, failed, restarts, unread, dropped *prometheus.Desc
	cpu, busy, memory, calls, errors, inFlight, duration               *prometheus.Desc
}

func newCollector(g *gatherer, about *About) *collector {
	desc := func(name, help string, labels ...string) *prometheus.Desc {
		return prometheus.NewDesc("hotline_"+name, help, labels, nil)
	}
	perMethod := []string{"section", "service", "method"}
	return &collector{
		figures: g, about: about,
		build:    desc("build_info", "What the manager was built from; always 1.", "version", "goversion"),
		started:  desc("manager_start_time_seconds", "When the manager was started, since the epoch."),
		workers:  desc("workers", "Workers by state.", "section", "state"),
		wanted:   desc("workers_wanted", "Workers that the section should have.", "section"),
		failed:   desc("workers_failed", "Workers that have ended again and again, and are tried slowly.", "section"),
		restarts: desc("worker_restarts_total", "Processes that were started in place of one that had ended.", "section"),
		unread:   desc("workers_unread", "Workers with a process whose figures could not be read.", "section"),
		dropped:  desc("log_lines_dropped_total", "Lines of the workers' output that could not be written.", "section"),
		cpu:      desc("worker_cpu_seconds_total", "User and system time of the workers.", "section"),
		busy:     desc("worker_busy_seconds_total", "Time in which the workers had at least one call under way.", "section"),
		memory:   desc("worker_memory_bytes", "Memory of the workers, by their proportional set sizes.", "section"),
		calls:    desc("calls_total", "Calls that have ended.", perMethod...),
		errors:   desc("call_errors_total", "Calls that have ended by an error.", perMethod...),
		inFlight: desc("calls_in_flight", "Calls that are under way.", perMethod...),
		duration: desc("call_duration_seconds", "How long calls took.", perMethod...),
	}
}

// Describe implements [prometheus.Collector].
func (c *collector) Describe(to chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{c.build, c.started, c.workers, c.wanted, c.failed, c.restarts, c.unread, c.dropped,
		c.cpu, c.busy, c.memory, c.calls, c.errors, c.inFlight, c.duration} {
		to <- d
	}
}

// Collect implements [prometheus.Collector].
func (c *collector) Collect(to chan<- prometheus.Metric) {
	send := sender(to)
	send.gauge(c.build, 1, c.about.Version, runtime.Version())
	send.gauge(c.started, float64(c.about.Started.UnixNano())/1e9)
	sections, totals := c.figures.totals()
	for i := range totals {
		t := &totals[i]
		c.counters(send, t)
		if at := slices.IndexFunc(sections, func(s manager.SectionStatus) bool { return s.Section == t.Section }); at >= 0 {
			c.gauges(send, &sections[at], t)
		}
	}
}

// states are those that a worker can have; each has a series, so that none comes and goes.
var states = []manager.State{manager.Starting, manager.Ready, manager.Waiting, manager.Stopping, manager.Stopped}

// gauges sends what a section and its present workers do.
func (c *collector) gauges(send sender, s *manager.SectionStatus, t *manager.Totals) {
	count, failed := map[manager.State]int{}, 0
	for _, w := range s.Workers {
		count[w.State]++
		if w.Failed {
			failed++
		}
	}
	for _, state := range states {
		send.gauge(c.workers, float64(count[state]), s.Section, string(state))
	}
	send.gauge(c.wanted, float64(s.Wanted), s.Section)
	send.gauge(c.failed, float64(failed), s.Section)
	send.gauge(c.unread, float64(t.Unread), s.Section)
	send.gauge(c.memory, float64(t.Memory), s.Section)
	for i := range t.Methods {
		m := &t.Methods[i]
		send.gauge(c.inFlight, float64(m.Running), s.Section, m.Service, m.Method)
	}
}

// counters sends what was done in a section that there is or was.
func (c *collector) counters(send sender, t *manager.Totals) {
	send.counter(c.restarts, float64(t.Restarts), t.Section)
	send.counter(c.dropped, float64(t.LinesLost), t.Section)
	send.counter(c.cpu, t.CPU.Seconds(), t.Section)
	send.counter(c.busy, t.Busy.Seconds(), t.Section)
	for i := range t.Methods {
		m := &t.Methods[i]
		labels := []string{t.Section, m.Service, m.Method}
		send.counter(c.calls, float64(m.Calls), labels...)
		send.counter(c.errors, float64(m.Errors), labels...)
		send.histogram(c.duration, m.Time, labels...)
	}
}

// sender takes metrics for a scrape.
type sender chan<- prometheus.Metric

func (to sender) gauge(d *prometheus.Desc, v float64, labels ...string) {
	to.send(d, prometheus.GaugeValue, v, labels)
}

func (to sender) counter(d *prometheus.Desc, v float64, labels ...string) {
	to.send(d, prometheus.CounterValue, v, labels)
}

func (to sender) send(d *prometheus.Desc, kind prometheus.ValueType, v float64, labels []string) {
	m, err := prometheus.NewConstMetric(d, kind, v, valid(labels)...)
	if err != nil {
		m = prometheus.NewInvalidMetric(d, err)
	}
	to <- m
}

// durations are the bounds of the buckets of the metric, the same for all methods so that they can be summed: the powers of
// four from 1024 ns to 69 s, which are bounds of a [manager.Histogram].
var durations = func() (bounds []time.Duration) {
	for d := time.Duration(1 << 10); d <= 1<<36; d <<= 2 {
		bounds = append(bounds, d)
	}
	return bounds
}()

func (to sender) histogram(d *prometheus.Desc, times manager.Histogram, labels ...string) {
	buckets := make(map[float64]uint64, len(durations))
	count, at := uint64(0), 0
	for _, bound := range durations {
		for at < len(times.Counts) && manager.Bound(at) <= bound {
			count += times.Counts[at]
			at++
		}
		buckets[bound.Seconds()] = count
	}
	m, err := prometheus.NewConstHistogram(d, times.Count(), times.Sum.Seconds(), buckets, valid(labels)...)
	if err != nil {
		m = prometheus.NewInvalidMetric(d, err)
	}
	to <- m
}

// valid returns labels as they can be written.
func valid(labels []string) []string {
	for i := range labels {
		labels[i] = strings.ToValidUTF8(labels[i], "\uFFFD")
	}
	return labels
}
