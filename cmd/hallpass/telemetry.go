package main

import (
	"context"
	"log/slog"
	"net/http"
	"time"

	"github.com/hallpass-go/hallpass/internal/metrics"
	"github.com/hallpass-go/hallpass/internal/server"
	"github.com/hallpass-go/hallpass/internal/tracing"
)

// metrics returns what counts for the server, and how to stop answering on --metrics-addr.
func (c *serveCommand) metrics(in *installation, log *slog.Logger) (*metrics.Metrics, func(), error) {
	m := metrics.New()
	in.db.Observe(m.Store)
	m.Gauge("hallpass_password_hashes_running", "Passwords being hashed.",
		func() float64 { return float64(in.governor.Stats().Running) })
	m.Gauge("hallpass_password_hashes_queued", "Passwords waiting to be hashed.",
		func() float64 { return float64(in.governor.Stats().Queued) })
	m.Counter("hallpass_password_hashes_shed_total", "Passwords turned away, since too many were waiting.",
		func() float64 { return float64(in.governor.Stats().Shed) })
	m.Gauge("hallpass_password_hash_seconds", "How long one password took to hash lately, without waiting.",
		func() float64 { return in.governor.Stats().Mean.Seconds() })
	if c.MetricsAddr == "" {
		return m, func() {}, nil
	}
	address, stop, err := servePlain("--metrics-addr", c.MetricsAddr, metricsHandler(m), log)
	if err != nil {
		return nil, nil, err
	}
	log.Info("metrics", "url", "http://"+address+"/metrics")
	return m, stop, nil
}

// metricsHandler answers GET /metrics and nothing else.
func metricsHandler(m *metrics.Metrics) http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /metrics", func(w http.ResponseWriter, _ *http.Request) {
		text, err := m.Text()
		if err != nil {
			http.Error(w, "collecting the metrics failed", http.StatusInternalServerError)
			return
		}
		w.Header().Set("Content-Type", metrics.ContentType)
		_, _ = w.Write(text) // the client is gone; there is nobody to tell
	})
	return mux
}

// traceBy returns what traces requests, or nil without a tracer.
func traceBy(t *tracing.Tracer) func(*http.Request) (*http.Request, func(server.Answered)) {
	if t == nil {
		return nil
	}
	return func(r *http.Request) (*http.Request, func(server.Answered)) {
		r, end := t.Begin(r)
		return r, func(a server.Answered) { end(tracing.Request(a)) }
	}
}

func stopTracing(t *tracing.Tracer, log *slog.Logger) {
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	if err := t.Stop(ctx); err != nil {
		log.Warn("the last traces were not sent", "err", err)
	}
}
