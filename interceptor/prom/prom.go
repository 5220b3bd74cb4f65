// Package prom counts calls for Prometheus, by an interceptor for clients and servers.
//
//	metrics, err := prom.New(prometheus.DefaultRegisterer, nil)
//	server := &hotline.Server{Interceptors: []hotline.Interceptor{metrics.Intercept}}
//
// The metrics, each with the labels service and method, are
//
//	hotline_server_calls_total         calls that have ended, with the label outcome (see hotline.Call.Outcome)
//	hotline_server_call_seconds        histogram of how long they took; streams from begin to end
//	hotline_server_calls_in_flight     calls under way
//
// and the same with client in the place of server. An error is an outcome that is not "ok". Labels have few values: the
// methods of the services and the outcomes; what a client calls by a name that the service does not have is method
// "unknown".
package prom

import (
	"context"
	"errors"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"hotline"
)

// Options are what may be told about the metrics. Zero fields mean the defaults, nil options too.
type Options struct {
	// Buckets are the bounds of the histograms' buckets in seconds, rising; by default 1 µs to 16 s in steps of four.
	Buckets []float64
}

// Metrics counts calls. It may be used by any number of clients and servers at once.
type Metrics struct {
	client, server side
}

// side is the metrics of calls that are made, or of those that are answered.
type side struct {
	calls    *prometheus.CounterVec
	seconds  *prometheus.HistogramVec
	inFlight *prometheus.GaugeVec
}

// New makes the metrics and registers them. The error is that of a metric that is registered already: one Metrics is to
// be shared.
func New(to prometheus.Registerer, o *Options) (*Metrics, error) {
	buckets := prometheus.ExponentialBuckets(1e-6, 4, 13)
	if o != nil && o.Buckets != nil {
		buckets = o.Buckets
	}
	m := &Metrics{newSide("client", buckets), newSide("server", buckets)}
	return m, errors.Join(m.client.register(to), m.server.register(to))
}

func newSide(name string, buckets []float64) side {
	labels := []string{"service", "method"}
	return side{
		calls: prometheus.NewCounterVec(prometheus.CounterOpts{
			Namespace: "hotline", Subsystem: name, Name: "calls_total", Help: "Calls that have ended.",
		}, append(labels, "outcome")),
		seconds: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Namespace: "hotline", Subsystem: name, Name: "call_seconds", Help: "How long calls took.", Buckets: buckets,
		}, labels),
		inFlight: prometheus.NewGaugeVec(prometheus.GaugeOpts{
			Namespace: "hotline", Subsystem: name, Name: "calls_in_flight", Help: "Calls under way.",
		}, labels),
	}
}

func (s *side) register(to prometheus.Registerer) error {
	return errors.Join(to.Register(s.calls), to.Register(s.seconds), to.Register(s.inFlight))
}

// Intercept is the interceptor.
func (m *Metrics) Intercept(ctx context.Context, call *hotline.Call, next func(context.Context) error) error {
	s := &m.client
	if call.Incoming {
		s = &m.server
	}
	service, method := call.Service, call.Method // as it began: a client may be answered by another service in the end
	if call.Codec == "" {
		method = "unknown"
	}
	running := s.inFlight.WithLabelValues(service, method)
	running.Inc()
	outcome := hotline.CodePanic.String() // of an interceptor that panics, or of a loop's body
	defer func() {
		running.Dec()
		s.calls.WithLabelValues(service, method, outcome).Inc()
		s.seconds.WithLabelValues(service, method).Observe(time.Since(call.Began).Seconds())
	}()
	err := next(ctx)
	outcome = call.Outcome(err)
	return err
}
