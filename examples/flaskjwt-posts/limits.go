package main

import (
	"errors"
	"net/http"
	"time"

	"github.com/hallpass-go/hallpass/ratelimit"
)

// newLimiter lets each address send 600 requests at once, and then ten a second. The chapter has no
// limit. Guesses of passwords are limited beside it, by package flaskjwt.
func newLimiter() (*ratelimit.Limiter, error) {
	return ratelimit.New(ratelimit.Config{
		Rules: []ratelimit.Rule{{
			Limit: ratelimit.Limit{Name: "requests", Burst: 600, Per: time.Minute},
			Key:   ratelimit.ByAddress,
		}},
		Refuse: refuse,
	})
}

// refuse answers in the form of the other errors.
func refuse(w http.ResponseWriter, _ *http.Request, err error) {
	if refused, ok := errors.AsType[*ratelimit.Refused](err); ok {
		refused.SetFields(w.Header())
	}
	writeJSON(w, http.StatusTooManyRequests, message{"Too many requests. Wait as long as Retry-After says."})
}
