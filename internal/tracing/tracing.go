// Package tracing sends traces of requests to a collector (OpenTelemetry, OTLP over HTTP). It is a
// package of its own, so that only the program that wants traces has what sends them.
package tracing

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"os"
	"slices"

	"go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/exporters/otlp/otlptrace/otlptracehttp"
	"go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/sdk/resource"
	"go.opentelemetry.io/otel/sdk/trace"
	api "go.opentelemetry.io/otel/trace"
)

// Tracer makes a span of each request. A nil Tracer makes none.
type Tracer struct {
	provider *trace.TracerProvider
	tracer   api.Tracer
	context  propagation.TextMapPropagator
}

// Start returns a tracer, or nil if the environment names no collector. The environment is that of the
// OpenTelemetry specification: OTEL_EXPORTER_OTLP_ENDPOINT, or OTEL_EXPORTER_OTLP_TRACES_ENDPOINT, and
// further OTEL_ variables for headers, sampling and attributes. Failures to send go to log. The caller
// must call [Tracer.Stop].
func Start(ctx context.Context, log *slog.Logger) (*Tracer, error) {
	if os.Getenv("OTEL_EXPORTER_OTLP_ENDPOINT") == "" && os.Getenv("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT") == "" {
		return nil, nil
	}
	exporter, err := otlptracehttp.New(ctx)
	if err != nil {
		return nil, fmt.Errorf("starting traces: %w", err)
	}
	otel.SetErrorHandler(otel.ErrorHandlerFunc(func(err error) { log.Warn("traces were not sent", "err", err) }))
	about, err := resource.New(ctx, resource.WithTelemetrySDK(), resource.WithHost(),
		resource.WithAttributes(attribute.String("service.name", "hallpass")), resource.WithFromEnv())
	if err != nil && !errors.Is(err, resource.ErrPartialResource) {
		return nil, fmt.Errorf("starting traces: %w", err)
	}
	provider := trace.NewTracerProvider(trace.WithBatcher(exporter), trace.WithResource(about))
	return &Tracer{
		provider: provider, tracer: provider.Tracer("github.com/hallpass-go/hallpass"),
		context: propagation.TraceContext{},
	}, nil
}

// Stop sends what has not been sent.
func (t *Tracer) Stop(ctx context.Context) error {
	if t == nil {
		return nil
	}
	return t.provider.Shutdown(ctx)
}

// Request is what is known of a request once it is answered.
type Request struct {
	Route  string // the pattern; "" if no route took it
	Status int
	Code   string // of the refusal, if there was one
	ID     string
}

var methods = []string{"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"}

// Begin begins the span of a request, as a part of the client's trace if its header names one (W3C
// Trace Context). It returns the request with the span, and what ends it. A span holds neither the
// path nor the query: a client can write a secret there.
func (t *Tracer) Begin(r *http.Request) (*http.Request, func(Request)) {
	if t == nil {
		return r, func(Request) {}
	}
	ctx := t.context.Extract(r.Context(), propagation.HeaderCarrier(r.Header))
	method := r.Method
	if !slices.Contains(methods, method) {
		method = "_OTHER" // as the semantic conventions have it: a client can write anything
	}
	ctx, span := t.tracer.Start(ctx, method, api.WithSpanKind(api.SpanKindServer),
		api.WithAttributes(attribute.String("http.request.method", method)))
	return r.WithContext(ctx), func(q Request) {
		if q.Route != "" {
			span.SetName(q.Route)
			span.SetAttributes(attribute.String("http.route", q.Route))
		}
		span.SetAttributes(attribute.Int("http.response.status_code", q.Status), attribute.String("request_id", q.ID))
		if q.Code != "" {
			span.SetAttributes(attribute.String("error.type", q.Code))
		}
		if q.Status >= http.StatusInternalServerError {
			span.SetStatus(codes.Error, q.Code)
		}
		span.End()
	}
}
