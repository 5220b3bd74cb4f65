package otel_test

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"testing"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/sdk/metric"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"
	"go.opentelemetry.io/otel/trace"
	"go.uber.org/goleak"

	"hotline"
	"hotline/hotlinetest"
	"hotline/interceptor/otel"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

type methods struct {
	Outer func(ctx context.Context) (int, error)
	Inner func(ctx context.Context) (int, error)
	Fail  func(ctx context.Context) error
	Count func(ctx context.Context, to int) iter.Seq2[int, error]
}

type server struct {
	hotline.ServerMethodsBase `port:"5555" name:"nest"`
	methods
	self client
}

type client struct {
	hotline.ClientMethodsBase `name:"nest"`
	methods
}

func (s *server) Outer(ctx context.Context) (int, error) { return s.self.Inner(ctx) }
func (s *server) Inner(context.Context) (int, error)     { return 7, nil }
func (s *server) Fail(context.Context) error             { return errors.New("as asked") }
func (s *server) Count(_ context.Context, to int) iter.Seq2[int, error] {
	return func(yield func(int, error) bool) {
		for i := 0; i < to && yield(i, nil); i++ {
		}
	}
}

// world is a service, a client, and what was recorded of both.
type world struct {
	client
	spans   *tracetest.InMemoryExporter
	metrics *metric.ManualReader
}

func newWorld(t *testing.T) *world {
	t.Helper()
	w := &world{spans: tracetest.NewInMemoryExporter(), metrics: metric.NewManualReader()}
	i, err := otel.New(&otel.Options{
		TracerProvider: sdktrace.NewTracerProvider(sdktrace.WithSyncer(w.spans)),
		MeterProvider:  metric.NewMeterProvider(metric.WithReader(w.metrics)),
	})
	if err != nil {
		t.Fatal(err)
	}
	service := new(server)
	p := hotlinetest.Pair{
		Server: &hotline.Server{Interceptors: []hotline.Interceptor{i}}, Dialer: &hotline.Dialer{Interceptors: []hotline.Interceptor{i}},
	}
	p.Serve(t, service)
	p.Connect(t, &service.self)
	p.Connect(t, &w.client)
	return w
}

// span returns the span of a method and kind.
func (w *world) span(t *testing.T, name string, kind trace.SpanKind) tracetest.SpanStub {
	t.Helper()
	for _, s := range w.spans.GetSpans() {
		if s.Name == name && s.SpanKind == kind {
			return s
		}
	}
	t.Fatalf("there is no span %s of kind %s", name, kind)
	return tracetest.SpanStub{}
}

// One trace goes through client, server, and the call that the method makes.
func TestNestedCallsAreOneTrace(t *testing.T) {
	w := newWorld(t)
	if n, err := w.Outer(t.Context()); n != 7 || err != nil {
		t.Fatal(n, err)
	}
	chain := []tracetest.SpanStub{
		w.span(t, "nest/Outer", trace.SpanKindClient), w.span(t, "nest/Outer", trace.SpanKindServer),
		w.span(t, "nest/Inner", trace.SpanKindClient), w.span(t, "nest/Inner", trace.SpanKindServer),
	}
	for i, s := range chain[1:] {
		if s.Parent.SpanID() != chain[i].SpanContext.SpanID() || s.SpanContext.TraceID() != chain[0].SpanContext.TraceID() {
			t.Errorf("%s of kind %s has the parent %s in trace %s, want %s in %s", s.Name, s.SpanKind,
				s.Parent.SpanID(), s.SpanContext.TraceID(), chain[i].SpanContext.SpanID(), chain[0].SpanContext.TraceID())
		}
	}
}

func TestAttributesAndStatus(t *testing.T) {
	w := newWorld(t)
	if w.Fail(t.Context()) == nil {
		t.Fatal("no error")
	}
	for range w.Count(t.Context(), 1000) {
	}
	for _, kind := range []trace.SpanKind{trace.SpanKindClient, trace.SpanKindServer} {
		failed, stream := w.span(t, "nest/Fail", kind), w.span(t, "nest/Count", kind)
		if failed.Status.Code != codes.Error || failed.Status.Description != "as asked" || stream.Status.Code != codes.Unset {
			t.Errorf("%s: status %v, and of the stream %v", kind, failed.Status, stream.Status)
		}
		want := map[attribute.Key]string{"rpc.system": "hotline", "rpc.service": "nest", "rpc.method": "Count",
			"hotline.kind": "server stream", "hotline.outcome": "ok"}
		for _, a := range stream.Attributes {
			if v, ok := want[a.Key]; ok && v != a.Value.Emit() {
				t.Errorf("%s: %s is %s, want %s", kind, a.Key, a.Value.Emit(), v)
			}
			if a.Key == "hotline.reply.size" && a.Value.AsInt64() < 1000 {
				t.Errorf("%s: the stream had %d bytes", kind, a.Value.AsInt64())
			}
			delete(want, a.Key)
		}
		if len(want) > 0 {
			t.Errorf("%s: without %v", kind, want)
		}
	}
}

func TestDurations(t *testing.T) {
	w := newWorld(t)
	for range 3 {
		if _, err := w.Inner(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	var all metricdata.ResourceMetrics
	if err := w.metrics.Collect(t.Context(), &all); err != nil {
		t.Fatal(err)
	}
	counts := make(map[string]uint64)
	for _, scope := range all.ScopeMetrics {
		for _, m := range scope.Metrics {
			for _, p := range m.Data.(metricdata.Histogram[float64]).DataPoints {
				counts[m.Name] += p.Count
			}
		}
	}
	if fmt.Sprint(counts) != "map[rpc.client.duration:3 rpc.server.duration:3]" {
		t.Errorf("got %v", counts)
	}
}
