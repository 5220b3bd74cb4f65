// Package otel traces and measures calls for OpenTelemetry, by an interceptor for clients and servers. It is a module of
// its own, so that only programs that use it have OpenTelemetry's packages.
//
//	i, err := otel.New(nil)
//	server := &hotline.Server{Interceptors: []hotline.Interceptor{i}}
//	dialer := &hotline.Dialer{Interceptors: []hotline.Interceptor{i}}
//
// Each call is a span of kind client where it is made and one of kind server where it is answered, a child of it: what a
// propagator needs travels as the call's metadata, by default as W3C Trace Context. The spans' names and attributes are
// those of the semantic conventions for RPC (rpc.system, rpc.service, rpc.method), with
// hotline.kind, hotline.outcome, hotline.peer, hotline.request.size and hotline.reply.size beside them. The durations of
// calls go to the histograms rpc.client.duration and rpc.server.duration, in seconds.
package otel

import (
	"context"
	"errors"
	"time"

	"go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/metric"
	"go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/trace"

	"hotline"
)

// name is what OpenTelemetry knows this package by.
const name = "hotline/interceptor/otel"

// Options say where spans and measurements go. Nil fields mean the process's own, as package otel has them, but for the
// propagator; nil options mean that for all.
type Options struct {
	TracerProvider trace.TracerProvider
	MeterProvider  metric.MeterProvider
	Propagator     propagation.TextMapPropagator // propagation.TraceContext by default
}

// tracing is the interceptor.
type tracing struct {
	tracer     trace.Tracer
	propagator propagation.TextMapPropagator
	client     metric.Float64Histogram
	server     metric.Float64Histogram
}

// New makes an interceptor, which any number of clients and servers may share. The error is the meter's.
func New(o *Options) (hotline.Interceptor, error) {
	v := Options{}
	if o != nil {
		v = *o
	}
	if v.TracerProvider == nil {
		v.TracerProvider = otel.GetTracerProvider()
	}
	if v.MeterProvider == nil {
		v.MeterProvider = otel.GetMeterProvider()
	}
	if v.Propagator == nil {
		v.Propagator = propagation.TraceContext{}
	}
	meter := v.MeterProvider.Meter(name)
	client, errClient := histogram(meter, "rpc.client.duration")
	server, errServer := histogram(meter, "rpc.server.duration")
	t := &tracing{v.TracerProvider.Tracer(name), v.Propagator, client, server}
	return t.intercept, errors.Join(errClient, errServer)
}

func histogram(meter metric.Meter, name string) (metric.Float64Histogram, error) {
	return meter.Float64Histogram(name, metric.WithUnit("s"), metric.WithDescription("How long calls took."))
}

func (t *tracing) intercept(ctx context.Context, call *hotline.Call, next func(context.Context) error) error {
	kind, seconds := trace.SpanKindClient, t.client
	if call.Incoming {
		kind, seconds = trace.SpanKindServer, t.server
		ctx = t.propagator.Extract(ctx, propagation.MapCarrier(hotline.IncomingMetadata(ctx)))
	}
	method := []attribute.KeyValue{
		attribute.String("rpc.system", "hotline"), attribute.String("rpc.service", call.Service), attribute.String("rpc.method", call.Method),
	}
	ctx, span := t.tracer.Start(ctx, call.Service+"/"+call.Method, trace.WithSpanKind(kind), trace.WithTimestamp(call.Began),
		trace.WithAttributes(method...), trace.WithAttributes(attribute.Stringer("hotline.kind", call.Kind)))
	defer span.End() // where the method's or the loop's panic goes through, too
	err := next(t.inject(ctx))
	outcome := attribute.String("hotline.outcome", call.Outcome(err))
	span.SetAttributes(outcome, attribute.String("hotline.peer", call.Peer.Address),
		attribute.Int64("hotline.request.size", call.RequestSize), attribute.Int64("hotline.reply.size", call.ReplySize))
	if err != nil {
		span.SetStatus(codes.Error, err.Error())
	}
	seconds.Record(ctx, time.Since(call.Began).Seconds(), metric.WithAttributes(append(method, outcome)...))
	return err
}

// inject puts what tells of ctx's span into the metadata of the calls that are made with the context that it returns: the
// call itself at the client, those that the method makes at the server.
func (t *tracing) inject(ctx context.Context) context.Context {
	carrier := make(propagation.MapCarrier)
	t.propagator.Inject(ctx, carrier)
	for key, value := range carrier {
		ctx = hotline.WithMetadata(ctx, key, value)
	}
	return ctx
}
