package monitor

import (
	"encoding/json"
	"reflect"
	"runtime"
	"testing"
	"time"

	"hotline/internal/managertest"
	"hotline/manager"
)

func goVersion() string { return runtime.Version() }

func TestHistogramJSON(t *testing.T) {
	counts := make([]uint64, manager.Buckets)
	counts[0], counts[8], counts[manager.Buckets-1] = 60, 5, 1
	h := Histogram{manager.Histogram{Counts: counts, Sum: 1234}}
	text, err := json.Marshal(h)
	want := `{"sum_ns":1234,"buckets":[{"lt_ns":256,"calls":60},{"lt_ns":1024,"calls":5},{"lt_ns":9223372036854775807,"calls":1}]}`
	if err != nil || string(text) != want {
		t.Errorf("Marshal: got %s, %v, want %s", text, err, want)
	}
	var back Histogram
	if err := json.Unmarshal(text, &back); err != nil || !reflect.DeepEqual(back, h) {
		t.Errorf("Unmarshal: got %v, %v, want %v", back, err, h)
	}
	for _, bad := range []string{`7`, `{"buckets":[{"lt_ns":255,"calls":1}]}`, `{"buckets":[{"lt_ns":1024},{"lt_ns":256}]}`, `{"buckets":[{"lt_ns":-1}]}`} {
		if err := json.Unmarshal([]byte(bad), &back); err == nil {
			t.Errorf("Unmarshal(%s): no error", bad)
		}
	}
}

// TestFigures reads what workers do, one of which has no process and one no figures.
func TestFigures(t *testing.T) {
	f := managertest.New(3)
	f.Sections[0].Workers[1].PID = 0
	delete(f.Figures["Lab"], 3)
	f.Figures["Lab"][1].Running = []manager.RunningCall{{Service: "lab", Method: "Sum", Age: time.Second}, {Service: "lab", Method: "Wait", Age: time.Hour}}
	f.Figures["Lab"][1].Methods[0].Running, f.Figures["Lab"][1].Methods[1].Running = 4, 1
	a := serve(t, f, nil)
	got, err := a.client(t).Figures(t.Context(), "lab")
	if err != nil {
		t.Fatal(err)
	}
	figures := got.Sections[0].Figures
	if len(figures) != 2 || figures[1].Number != 3 || figures[1].Unread != "manager: worker 3 of Lab has no board" {
		t.Fatalf("got the figures %+v", figures)
	}
	first := figures[0]
	if first.CPU != time.Second || first.Memory != 10<<20 || first.Busy != 2*time.Second || first.InFlight() != 5 ||
		!reflect.DeepEqual(first.Methods[0].Times.Histogram, f.Figures["Lab"][1].Methods[0].Time) {
		t.Errorf("got the figures %+v", first)
	}
	calls, more := got.Calls()
	want := []Call{{"Lab", 1, 1001, RunningCall{"lab", "Wait", time.Hour}}, {"Lab", 1, 1001, RunningCall{"lab", "Sum", time.Second}}}
	if !reflect.DeepEqual(calls, want) || more != 3 {
		t.Errorf("Calls: got %+v, %d, want %+v, 3", calls, more, want)
	}
	stacks, err := a.client(t).Stacks(t.Context(), "lab", 1)
	if err != nil || *stacks != (Stacks{"Lab", 1, f.Dumps["Lab"][1]}) {
		t.Errorf("Stacks: got %+v, %v", stacks, err)
	}
}
