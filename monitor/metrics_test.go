package monitor

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"

	"hotline/internal/managertest"
	"hotline/manager"
)

func newTestCollector(f *managertest.Fake) *collector {
	return newCollector(&gatherer{manager: f}, &About{Version: "1.2.3", Started: time.Unix(100, 5e8)})
}

func TestMetricsLint(t *testing.T) {
	f := managertest.New(2)
	f.Sections = append(f.Sections, manager.SectionStatus{Section: "odd \xff \"name\"\n"})
	problems, err := testutil.CollectAndLint(newTestCollector(f))
	for _, p := range problems {
		t.Errorf("%s: %s", p.Metric, p.Text)
	}
	if err != nil {
		t.Error(err)
	}
	if err := prometheus.NewPedanticRegistry().Register(newTestCollector(f)); err != nil {
		t.Error(err)
	}
}

// TestMetrics compares some of the metrics with what two workers did, one of which can't be read.
func TestMetrics(t *testing.T) {
	f := managertest.New(3)
	f.Sections[0].LogLost, f.Sections[0].Restarts, f.Sections[0].Workers[2].State = 7, 4, manager.Starting
	f.Sections[0].State, f.Sections[0].Workers[2].Failed = manager.Failed, true
	f.Figures["Lab"][1].Methods[0].Running = 2
	delete(f.Figures["Lab"], 3)
	want := `
# HELP hotline_build_info What the manager was built from; always 1.
# TYPE hotline_build_info gauge
hotline_build_info{goversion="GO",version="1.2.3"} 1
# HELP hotline_call_errors_total Calls that have ended by an error.
# TYPE hotline_call_errors_total counter
hotline_call_errors_total{method="Sum",section="Lab",service="lab"} 6
hotline_call_errors_total{method="Wait",section="Lab",service="lab"} 0
# HELP hotline_calls_in_flight Calls that are under way.
# TYPE hotline_calls_in_flight gauge
hotline_calls_in_flight{method="Sum",section="Lab",service="lab"} 2
hotline_calls_in_flight{method="Wait",section="Lab",service="lab"} 0
# HELP hotline_calls_total Calls that have ended.
# TYPE hotline_calls_total counter
hotline_calls_total{method="Sum",section="Lab",service="lab"} 200
hotline_calls_total{method="Wait",section="Lab",service="lab"} 0
# HELP hotline_log_lines_dropped_total Lines of the workers' output that could not be written.
# TYPE hotline_log_lines_dropped_total counter
hotline_log_lines_dropped_total{section="Lab"} 7
# HELP hotline_manager_start_time_seconds When the manager was started, since the epoch.
# TYPE hotline_manager_start_time_seconds gauge
hotline_manager_start_time_seconds 100.5
# HELP hotline_worker_busy_seconds_total Time in which the workers had at least one call under way.
# TYPE hotline_worker_busy_seconds_total counter
hotline_worker_busy_seconds_total{section="Lab"} 4
# HELP hotline_worker_cpu_seconds_total User and system time of the workers.
# TYPE hotline_worker_cpu_seconds_total counter
hotline_worker_cpu_seconds_total{section="Lab"} 2
# HELP hotline_worker_memory_bytes Memory of the workers, by their proportional set sizes.
# TYPE hotline_worker_memory_bytes gauge
hotline_worker_memory_bytes{section="Lab"} 2.097152e+07
# HELP hotline_worker_restarts_total Processes that were started in place of one that had ended.
# TYPE hotline_worker_restarts_total counter
hotline_worker_restarts_total{section="Lab"} 4
# HELP hotline_workers Workers by state.
# TYPE hotline_workers gauge
hotline_workers{section="Lab",state="ready"} 2
hotline_workers{section="Lab",state="starting"} 1
hotline_workers{section="Lab",state="stopped"} 0
hotline_workers{section="Lab",state="stopping"} 0
hotline_workers{section="Lab",state="waiting"} 0
# HELP hotline_workers_failed Workers that have ended again and again, and are tried slowly.
# TYPE hotline_workers_failed gauge
hotline_workers_failed{section="Lab"} 1
# HELP hotline_workers_unread Workers with a process whose figures could not be read.
# TYPE hotline_workers_unread gauge
hotline_workers_unread{section="Lab"} 1
# HELP hotline_workers_wanted Workers that the section should have.
# TYPE hotline_workers_wanted gauge
hotline_workers_wanted{section="Lab"} 3
`
	c := newTestCollector(f)
	var names []string
	for line := range strings.Lines(want) {
		if name, ok := strings.CutPrefix(line, "# TYPE "); ok {
			names = append(names, strings.Fields(name)[0])
		}
	}
	if err := testutil.CollectAndCompare(c, strings.NewReader(strings.Replace(want, "GO", goVersion(), 1)), names...); err != nil {
		t.Error(err)
	}
}

// TestMetricsHistogram looks at the buckets of one method.
func TestMetricsHistogram(t *testing.T) {
	f := managertest.New(1)
	counts := make([]uint64, manager.Buckets)
	counts[0], counts[8], counts[9], counts[121] = 60, 30, 5, 1 // up to 256 ns, 1024 ns, 1280 ns, and longer than all
	f.Figures["Lab"][1].Methods = []manager.MethodStats{{Service: "lab", Method: "Sum", Time: manager.Histogram{Counts: counts, Sum: 2 * time.Second}}}
	a := serve(t, f, nil)
	_, text := a.ask(t, "GET", "/metrics", "")
	const series = `hotline_call_duration_seconds_%s{method="Sum",section="Lab",service="lab"%s} %s` + "\n"
	for _, want := range []string{
		fmt.Sprintf(series, "bucket", `,le="1.024e-06"`, "90"), fmt.Sprintf(series, "bucket", `,le="4.096e-06"`, "95"),
		fmt.Sprintf(series, "bucket", `,le="68.719476736"`, "95"), fmt.Sprintf(series, "bucket", `,le="+Inf"`, "96"),
		fmt.Sprintf(series, "count", "", "96"), fmt.Sprintf(series, "sum", "", "2"), "\nprocess_open_fds ", "\ngo_goroutines ",
	} {
		if !strings.Contains(text, want) {
			t.Errorf("/metrics has no %s, but\n%s", want, text)
		}
	}
}

// TestMetricsOfTheGone removes a section: its counters stay, and its gauges go.
func TestMetricsOfTheGone(t *testing.T) {
	f := &goneSection{managertest.New(2)}
	a := serve(t, f, nil)
	_, text := a.ask(t, "GET", "/metrics", "")
	const labels = `{method="Sum",section="Lab",service="lab"} `
	if want := "\nhotline_calls_total" + labels + "200\n"; !strings.Contains(text, want) {
		t.Errorf("/metrics has no %s, but\n%s", want, text)
	}
	for _, gauge := range []string{"workers_wanted", "workers_failed", "worker_memory_bytes", "calls_in_flight"} {
		if strings.Contains(text, "\nhotline_"+gauge+"{") {
			t.Errorf("/metrics has %s of a section that is gone", gauge)
		}
	}
}

// goneSection is a manager of which a reload has removed the sections.
type goneSection struct{ *managertest.Fake }

func (*goneSection) Status() []manager.SectionStatus { return nil }
