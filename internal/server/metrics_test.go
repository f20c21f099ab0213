package server_test

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/hallpass-go/hallpass"
	"github.com/hallpass-go/hallpass/internal/server"
	"github.com/hallpass-go/hallpass/internal/users"
)

const here = "From: 127.0.0.1:1"

// metrics returns the values by name and labels, as Prometheus writes them.
func (f *fixture) metrics() map[string]string {
	f.t.Helper()
	values := map[string]string{}
	for line := range strings.Lines(f.do("GET /metrics", "", here).want(http.StatusOK, "").Body) {
		if name, value, ok := strings.Cut(strings.TrimSpace(line), "} "); ok {
			values[name+"}"] = value
		} else if name, value, ok := strings.Cut(strings.TrimSpace(line), " "); ok && name != "#" {
			values[name] = value
		}
	}
	return values
}

func TestMetrics_countWhatHappens(t *testing.T) {
	limited := func(c *server.Config) { c.Limits.LoginAccount = users.Limit{Burst: 2, Per: time.Minute} }
	f := newFixture(t, options{config: limited})
	alice := f.join("alice")
	for range 3 {
		f.do("POST /v1/login", credentials("alice", "a wrong password"), "From: 192.0.2.8:1")
	}
	refresh := func() answer { return f.do("POST /v1/refresh", `{"refresh_token":"`+alice.refresh+`"}`) }
	refresh().want(http.StatusOK, "")
	refresh().want(http.StatusOK, "")
	f.clock.Advance(time.Minute)
	refresh().want(http.StatusUnauthorized, "refresh_token_reused")
	f.do("GET /v1/me", "", f.login("alice").bearer()).wantStatus(http.StatusOK)
	f.do("GET /"+alice.id, "").wantStatus(http.StatusNotFound)
	f.clock.Advance(3 * time.Second)
	values := f.metrics()
	for name, want := range map[string]string{
		`hallpass_http_requests_total{route="POST /v1/login",status="200"}`:                 "2",
		`hallpass_http_requests_total{route="POST /v1/login",status="401"}`:                 "2",
		`hallpass_http_requests_total{route="POST /v1/login",status="429"}`:                 "1",
		`hallpass_http_requests_total{route="",status="404"}`:                               "1",
		`hallpass_http_request_duration_seconds_count{route="POST /v1/login"}`:              "5",
		`hallpass_events_total{event="session_started",reason=""}`:                          "2",
		`hallpass_events_total{event="login_failed",reason="invalid_credentials"}`:          "2",
		`hallpass_events_total{event="login_failed",reason="rate_limited"}`:                 "1",
		`hallpass_events_total{event="session_refreshed",reason=""}`:                        "1",
		`hallpass_events_total{event="refresh_token_replayed",reason=""}`:                   "1",
		`hallpass_events_total{event="refresh_token_reused",reason="refresh_token_reused"}`: "1",
		`hallpass_limited_total{limit="account"}`:                                           "1",
		`hallpass_tokens_verified_total`:                                                    "1",
		`hallpass_revocations_held`:                                                         "1",
	} {
		if values[name] != want {
			t.Errorf("%s is %q, want %s", name, values[name], want)
		}
	}
	if age := values["hallpass_revocations_age_seconds"]; !strings.HasPrefix(age, "63.") && age != "63" {
		t.Errorf("the revocations are %s s old, want 63: they were read at the start", age)
	}
	for name := range values {
		if strings.Contains(name, "alice") || strings.Contains(name, alice.id) {
			t.Errorf("a label holds what a client wrote: %s", name)
		}
	}
}

// Whoever is not on this machine, or comes through a proxy on it, is told that there is nothing.
func TestMetrics_areForThisMachineOnly(t *testing.T) {
	f := newFixture(t, options{})
	for _, from := range []string{"From: 127.0.0.1:1", "From: [::1]:1"} {
		f.do("GET /metrics", "", from).wantStatus(http.StatusOK)
	}
	for _, host := range []string{"localhost", "LOCALHOST:8080", "[::1]:8080", "127.0.0.1"} {
		a := f.do("GET /metrics", "", here, "Host: "+host, "If-None-Match: *")
		a.wantStatus(http.StatusOK) // they are never the same twice
		if a.Header.Get("ETag") != "" {
			t.Errorf("a tag of what may not be kept: %v", a.Header)
		}
	}
	for _, headers := range [][]string{
		{here, "Host: evil.example"}, {here, "Host: localhost.evil.example:80"}, {here, "Host: "},
		{"From: 192.0.2.7:1"}, {"From: [2001:db8::1]:1"}, {"From: 127.0.0.1.evil.example:1"},
		{here, "X-Forwarded-For: 127.0.0.1"}, {here, "Forwarded: for=127.0.0.1"},
	} {
		f.do("GET /metrics", "", headers...).want(http.StatusNotFound, "not_found")
	}
	off := newFixture(t, options{config: func(c *server.Config) { c.ShowMetrics = false }})
	off.do("GET /metrics", "", here).want(http.StatusNotFound, "not_found")
}

func TestTrace_isToldWhatWasAnswered(t *testing.T) {
	type key struct{}
	var told []string
	f := newFixture(t, options{config: func(c *server.Config) {
		c.Trace = func(r *http.Request) (*http.Request, func(server.Answered)) {
			r = r.WithContext(context.WithValue(r.Context(), key{}, true))
			return r, func(a server.Answered) {
				if a.ID == "" {
					t.Error("the ID of the request is missing")
				}
				told = append(told, fmt.Sprintf("%s|%d|%s", a.Route, a.Status, a.Code))
			}
		}
		observe := server.LogEvents(c.Log)
		c.Observe = func(ctx context.Context, e hallpass.Event) {
			if ctx.Value(key{}) == nil {
				t.Errorf("%s has the context of another request than the traced one", e.Name)
			}
			observe(ctx, e)
		}
	}})
	f.do("GET /readyz", "").wantStatus(http.StatusOK)
	told = nil // where traffic is recorded, the first request brings one of the recorder's
	f.do("GET /v1/me", "").wantStatus(http.StatusUnauthorized)
	f.do("POST /v1/login", credentials("alice", "a wrong password")).wantStatus(http.StatusUnauthorized)
	f.do("GET /nothing", "").wantStatus(http.StatusNotFound)
	f.do("GET /readyz", "").wantStatus(http.StatusOK)
	want := []string{
		"GET /v1/me|401|token_missing", "POST /v1/login|401|invalid_credentials", "|404|not_found", "GET /readyz|200|",
	}
	if !slices.Equal(told, want) {
		t.Errorf("told %q, want %q", told, want)
	}
}
