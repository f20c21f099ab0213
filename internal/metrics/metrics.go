// Package metrics counts what the server does, for Prometheus. The values of labels are names of the
// program, never a client's text, so their number is bounded.
package metrics

import (
	"bytes"
	"context"
	"errors"
	"strconv"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/common/expfmt"

	"github.com/hallpass-go/hallpass"
)

// Metrics are those of one server. It is safe for concurrent use.
type Metrics struct {
	registry *prometheus.Registry
	requests *prometheus.CounterVec   // by route and status
	seconds  *prometheus.HistogramVec // by route
	events   *prometheus.CounterVec   // by name and reason
	limited  *prometheus.CounterVec   // by limit
	store    *prometheus.HistogramVec // by operation
}

// New returns metrics in which nothing has been counted.
func New() *Metrics {
	m := &Metrics{
		registry: prometheus.NewRegistry(),
		requests: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "hallpass_http_requests_total",
			Help: "Requests by route and status. The route is empty if no route took the request.",
		}, []string{"route", "status"}),
		seconds: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: "hallpass_http_request_duration_seconds", Help: "How long requests took, by route.",
			Buckets: []float64{.0001, .0005, .001, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 10},
		}, []string{"route"}),
		events: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "hallpass_events_total",
			Help: "Events of users, sessions, tokens and keys, as in the audit. The reason is that of a refusal.",
		}, []string{"event", "reason"}),
		limited: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "hallpass_limited_total", Help: "Requests that a limit refused, by limit.",
		}, []string{"limit"}),
		store: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name:    "hallpass_store_duration_seconds",
			Help:    "How long the database took: a read, or a write until it is durable.",
			Buckets: []float64{.00005, .0001, .0005, .001, .005, .01, .025, .05, .1, .5, 1, 5, 30},
		}, []string{"operation"}),
	}
	m.registry.MustRegister(m.requests, m.seconds, m.events, m.limited, m.store,
		collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	return m
}

// Request counts a request that a route took, or none if route is empty.
func (m *Metrics) Request(route string, status int, took time.Duration) {
	m.requests.WithLabelValues(route, strconv.Itoa(status)).Inc()
	m.seconds.WithLabelValues(route).Observe(took.Seconds())
}

// Event counts an event. It is a listener for [hallpass.Config.Observe].
func (m *Metrics) Event(_ context.Context, e hallpass.Event) {
	if refusal, ok := errors.AsType[*hallpass.Error](e.Err); ok && refusal.Limit != nil {
		m.limited.WithLabelValues(refusal.Limit.Limit.Name).Inc()
	}
	if e.Name == hallpass.EventRequestRefused {
		return // its status is counted with the request
	}
	m.events.WithLabelValues(e.Name, e.Code()).Inc()
}

// Store counts an operation of the database, "read" or "write".
func (m *Metrics) Store(operation string, took time.Duration) {
	m.store.WithLabelValues(operation).Observe(took.Seconds())
}

// Gauge adds a value that is read whenever somebody asks for the metrics.
func (m *Metrics) Gauge(name, help string, value func() float64) {
	m.registry.MustRegister(prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: name, Help: help}, value))
}

// Counter is [Metrics.Gauge] for a value that only grows.
func (m *Metrics) Counter(name, help string, value func() float64) {
	m.registry.MustRegister(prometheus.NewCounterFunc(prometheus.CounterOpts{Name: name, Help: help}, value))
}

// ContentType is the type of [Metrics.Text].
const ContentType = "text/plain; version=0.0.4; charset=utf-8"

// Text returns all metrics in the text format of Prometheus.
func (m *Metrics) Text() ([]byte, error) {
	families, err := m.registry.Gather()
	if err != nil {
		return nil, err
	}
	var b bytes.Buffer
	for _, family := range families {
		if _, err := expfmt.MetricFamilyToText(&b, family); err != nil {
			return nil, err
		}
	}
	return b.Bytes(), nil
}
