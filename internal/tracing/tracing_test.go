package tracing_test

import (
	"context"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"

	collector "go.opentelemetry.io/proto/otlp/collector/trace/v1"
	v1 "go.opentelemetry.io/proto/otlp/trace/v1"
	"google.golang.org/protobuf/proto"

	"github.com/hallpass-go/hallpass/internal/tracing"
)

// collect starts a collector, and returns what it has got.
func collect(t *testing.T) (spans func() []*v1.Span) {
	t.Helper()
	var mu sync.Mutex
	var got []*v1.Span
	s := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		var sent collector.ExportTraceServiceRequest
		if err == nil {
			err = proto.Unmarshal(body, &sent)
		}
		if err != nil {
			t.Error(err)
		}
		mu.Lock()
		defer mu.Unlock()
		for _, resource := range sent.ResourceSpans {
			for _, scope := range resource.ScopeSpans {
				got = append(got, scope.Spans...)
			}
		}
	}))
	t.Cleanup(s.Close)
	t.Setenv("OTEL_EXPORTER_OTLP_ENDPOINT", s.URL)
	return func() []*v1.Span { mu.Lock(); defer mu.Unlock(); return got }
}

func TestTracer_sendsSpansOfRequests(t *testing.T) {
	spans := collect(t)
	tracer, err := tracing.Start(t.Context(), slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	r := httptest.NewRequest("GET", "/v1/users/secret?token=secret", nil)
	r.Header.Set("Traceparent", "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01")
	r.Header.Set("Authorization", "Bearer secret")
	_, end := tracer.Begin(r)
	end(tracing.Request{Route: "GET /v1/users/{id}", Status: 403, Code: "not_owner", ID: "R1"})
	_, end = tracer.Begin(httptest.NewRequest("SECRET", "/", nil))
	end(tracing.Request{Status: 500, Code: "internal"})
	if err := tracer.Stop(context.Background()); err != nil {
		t.Fatal(err)
	}
	got := spans()
	if len(got) != 2 {
		t.Fatalf("%d spans", len(got))
	}
	first := got[0]
	if first.Name != "GET /v1/users/{id}" || first.Kind != v1.Span_SPAN_KIND_SERVER ||
		strings.ToLower(hexOf(first.TraceId)) != "0af7651916cd43dd8448eb211c80319c" ||
		hexOf(first.ParentSpanId) != "b7ad6b7169203331" {
		t.Errorf("the span %v is not a part of the client's trace", first)
	}
	if got[1].Name != "_OTHER" || got[1].Status.GetCode() != v1.Status_STATUS_CODE_ERROR {
		t.Errorf("a failed request has the span %v", got[1])
	}
	for _, span := range got {
		if strings.Contains(strings.ToLower(span.String()), "secret") {
			t.Errorf("a span holds what a client sent: %v", span)
		}
	}
}

func hexOf(b []byte) string {
	const digits = "0123456789abcdef"
	var s strings.Builder
	for _, c := range b {
		s.WriteByte(digits[c>>4])
		s.WriteByte(digits[c&15])
	}
	return s.String()
}

// Without a collector there is nothing to do, and nothing to stop.
func TestTracer_withoutACollector(t *testing.T) {
	t.Setenv("OTEL_EXPORTER_OTLP_ENDPOINT", "")
	t.Setenv("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "")
	tracer, err := tracing.Start(t.Context(), slog.New(slog.DiscardHandler))
	if tracer != nil || err != nil {
		t.Fatalf("%v, %v", tracer, err)
	}
	if err := tracer.Stop(t.Context()); err != nil {
		t.Error(err)
	}
}
