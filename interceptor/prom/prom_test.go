package prom_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
	"go.uber.org/goleak"

	"hotline"
	"hotline/interceptor/prom"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// play plays a call whose method returns err.
func play(m *prom.Metrics, call hotline.Call, err error) error {
	return m.Intercept(context.Background(), &call, func(context.Context) error { return err })
}

func TestMetrics(t *testing.T) {
	registry := prometheus.NewPedanticRegistry()
	m, err := prom.New(registry, &prom.Options{Buckets: []float64{1}})
	if err != nil {
		t.Fatal(err)
	}
	add := hotline.Call{Service: "adder", Method: "Add", Codec: "json"}
	for range 3 {
		play(m, add, nil)
	}
	play(m, add, &hotline.Error{Code: hotline.CodeApplication, Message: "no"})
	play(m, add, hotline.ErrMaybeExecuted)
	play(m, hotline.Call{Service: "adder", Method: "whatever"}, hotline.ErrNotExecuted)
	add.Incoming = true
	err = m.Intercept(t.Context(), &add, func(context.Context) error {
		if n := value(t, registry, "hotline_server_calls_in_flight"); n != 1 {
			t.Errorf("%v in flight, want 1", n)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	func() {
		defer func() { recover() }()
		m.Intercept(t.Context(), &add, func(context.Context) error { panic("as asked") })
	}()
	want := `
# HELP hotline_client_calls_total Calls that have ended.
# TYPE hotline_client_calls_total counter
hotline_client_calls_total{method="Add",outcome="application error",service="adder"} 1
hotline_client_calls_total{method="Add",outcome="maybe executed",service="adder"} 1
hotline_client_calls_total{method="Add",outcome="ok",service="adder"} 3
hotline_client_calls_total{method="unknown",outcome="not executed",service="adder"} 1
# HELP hotline_server_calls_total Calls that have ended.
# TYPE hotline_server_calls_total counter
hotline_server_calls_total{method="Add",outcome="ok",service="adder"} 1
hotline_server_calls_total{method="Add",outcome="panic",service="adder"} 1
# HELP hotline_server_calls_in_flight Calls under way.
# TYPE hotline_server_calls_in_flight gauge
hotline_server_calls_in_flight{method="Add",service="adder"} 0
`
	err = testutil.GatherAndCompare(registry, strings.NewReader(want), "hotline_client_calls_total", "hotline_server_calls_total",
		"hotline_server_calls_in_flight")
	if err != nil {
		t.Error(err)
	}
	if problems, err := testutil.GatherAndLint(registry); err != nil || len(problems) > 0 {
		t.Errorf("lint: %v, %v", problems, err)
	}
	if _, err := prom.New(registry, nil); err == nil {
		t.Error("a second registration: no error")
	} else if _, ok := errors.AsType[prometheus.AlreadyRegisteredError](err); !ok {
		t.Errorf("a second registration: %v", err)
	}
}

// value returns the value of a metric that has one.
func value(t *testing.T, from prometheus.Gatherer, name string) float64 {
	t.Helper()
	all, err := from.Gather()
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range all {
		if f.GetName() == name {
			return f.GetMetric()[0].GetGauge().GetValue()
		}
	}
	t.Fatalf("there is no %s", name)
	return 0
}

// The interceptor goes into a server, or a dialer, or both.
func ExampleMetrics() {
	registry := prometheus.NewRegistry()
	metrics, err := prom.New(registry, nil)
	if err != nil {
		fmt.Println(err)
		return
	}
	server := &hotline.Server{Interceptors: []hotline.Interceptor{metrics.Intercept}}
	dialer := &hotline.Dialer{Interceptors: []hotline.Interceptor{metrics.Intercept}}
	_, _ = server, dialer

	// What it counts, shown by two calls that are made up.
	call := hotline.Call{Service: "adder", Method: "Add", Codec: "msgpack"}
	play(metrics, call, nil)
	play(metrics, call, fmt.Errorf("%w: %w", hotline.ErrMaybeExecuted, io.EOF))
	all, err := registry.Gather()
	if err != nil {
		fmt.Println(err)
		return
	}
	for _, f := range all {
		if f.GetName() == "hotline_client_calls_total" {
			for _, m := range f.GetMetric() {
				fmt.Println(m.GetLabel()[1].GetValue(), m.GetCounter().GetValue())
			}
		}
	}
	// Output:
	// maybe executed 1
	// ok 1
}
