package ratelimit

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"time"
)

// Rule is one limit of [Limiter.Middleware].
type Rule struct {
	Limit Limit
	// Key returns whom or what a request is counted for, or "" for a request that this limit does not
	// count. [ByAddress] and [ByRoute] are such functions, and for callers who have been identified
	// hallpass.BySubject and hallpass.BySession. Required.
	Key func(*http.Request) string
	// Cost returns how many requests this one counts as; one of less than 1 is not counted. Defaults
	// to 1.
	Cost func(*http.Request) int
}

// checkRules returns every mistake in rules.
func checkRules(rules []Rule) error {
	var mistakes []error
	names := map[string]bool{}
	for _, r := range rules {
		if err := r.Limit.check(); err != nil {
			mistakes = append(mistakes, err)
		}
		if r.Key == nil {
			mistakes = append(mistakes, fmt.Errorf("ratelimit: the rule %q has no Key", r.Limit.Name))
		}
		if r.Limit.Name != "" && names[r.Limit.Name] {
			mistakes = append(mistakes, fmt.Errorf("ratelimit: two limits are named %q", r.Limit.Name))
		}
		names[r.Limit.Name] = true
	}
	return errors.Join(mistakes...)
}

// Middleware applies [Config.Rules] to each request before it reaches next. All of them are charged,
// or none if one refuses.
func (l *Limiter) Middleware(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if err := l.Take(r.Context(), l.charges(r)...); err != nil {
			l.c.Refuse(w, r, err)
			return
		}
		next.ServeHTTP(w, r)
	})
}

// charges are those of the rules for a request.
func (l *Limiter) charges(r *http.Request) []Charge {
	charges := make([]Charge, 0, len(l.c.Rules))
	for i := range l.c.Rules {
		rule := &l.c.Rules[i]
		key, cost := rule.Key(r), 1
		if rule.Cost != nil {
			cost = rule.Cost(r)
		}
		if key != "" && cost > 0 {
			charges = append(charges, Charge{rule.Limit, key, cost})
		}
	}
	return charges
}

// SetFields sets the fields that tell a client about the limit: Retry-After in whole seconds, rounded
// up (RFC 9110 §10.2.3), if there is something to wait for, and RateLimit and RateLimit-Policy
// (draft-ietf-httpapi-ratelimit-headers).
func (d Decision) SetFields(h http.Header) {
	if d.RetryAfter > 0 {
		h.Set("Retry-After", seconds(d.RetryAfter))
	}
	h.Set("RateLimit-Policy", fmt.Sprintf("%q;q=%d;w=%s", d.Limit.Name, d.Limit.Burst, seconds(d.Limit.Per)))
	h.Set("RateLimit", fmt.Sprintf("%q;r=%d;t=%s", d.Limit.Name, d.Remaining, seconds(d.Reset)))
}

// seconds writes d in whole seconds, rounded up: a client that waits that long is not too early.
func seconds(d time.Duration) string {
	return strconv.FormatInt(int64((d+time.Second-1)/time.Second), 10)
}

// problem is a problem document (RFC 9457).
type problem struct {
	Type      string `json:"type"`
	Title     string `json:"title"`
	Status    int    `json:"status"`
	Code      string `json:"code"`
	Detail    string `json:"detail"`
	RequestID string `json:"request_id,omitempty"`
}

// WriteProblem answers a refused request with a problem document (RFC 9457): 429 with the code
// rate_limited and the fields of [Decision.SetFields], or 503 with the code store_unavailable for
// [ErrUnavailable]. If the response has an X-Request-Id, the document repeats it.
func WriteProblem(w http.ResponseWriter, _ *http.Request, err error) {
	h := w.Header()
	p := problem{Type: "about:blank", RequestID: h.Get("X-Request-Id")}
	if refused, ok := errors.AsType[*Refused](err); ok {
		refused.SetFields(h)
		p.Status, p.Code = http.StatusTooManyRequests, "rate_limited"
		p.Detail = "Too many requests. Wait as long as Retry-After says."
		if refused.RetryAfter == 0 {
			p.Detail = "This request counts as more than the limit ever allows."
		}
	} else {
		h.Set("Retry-After", "2")
		p.Status, p.Code = http.StatusServiceUnavailable, "store_unavailable"
		p.Detail = "The store of the limits cannot be reached. Wait as long as Retry-After says."
	}
	p.Title = http.StatusText(p.Status)
	h.Set("Content-Type", "application/problem+json")
	h.Set("Cache-Control", "no-store")
	h.Set("X-Content-Type-Options", "nosniff")
	w.WriteHeader(p.Status)
	_ = json.NewEncoder(w).Encode(p) // the client is gone; there is nobody to tell
}
