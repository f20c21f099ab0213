package server

import (
	"net/http"
	"strings"
)

// Cross-origin requests of browsers, by the Fetch standard (CORS). Pages of the origins that were
// allowed may send every request. The documents that everybody may read, pages of all origins may
// read too, but without credentials.

// What a page may send and read beside what it always may. The slices are shared and never changed.
var (
	allowedMethods = []string{"GET, POST, PUT, PATCH, DELETE"}
	allowedFields  = []string{"Authorization, Content-Type, If-None-Match, " + sessionMode}
	exposedFields  = []string{
		"ETag, Location, Retry-After, RateLimit, RateLimit-Policy, WWW-Authenticate, X-Request-Id",
	}
	preflightAge = []string{"7200"} // seconds; the longest that Chromium takes
)

// sharing is what the answer to a request says of other origins.
type sharing struct {
	origin string // that may read the answer; "*" for every one, "" for none
	varies bool   // another origin would get another answer
}

func (s *Server) sharingOf(r *http.Request) sharing {
	if s.open[r.URL.Path] {
		return sharing{origin: "*"}
	}
	if len(s.origins) == 0 {
		return sharing{}
	}
	origin := r.Header["Origin"]
	if len(origin) != 1 || !s.origins[origin[0]] {
		return sharing{varies: true}
	}
	return sharing{origin: origin[0], varies: true}
}

// setFields adds the fields to an answer.
func (c sharing) setFields(h http.Header) {
	if c.varies {
		h.Add("Vary", "Origin")
	}
	if c.origin == "" {
		return
	}
	h["Access-Control-Allow-Origin"] = []string{c.origin}
	h["Access-Control-Expose-Headers"] = exposedFields
	if c.origin != "*" {
		h.Set("Access-Control-Allow-Credentials", "true")
	}
}

// preflight answers a browser that asks whether a page may send a request, and reports whether it has.
// That request comes without a token, so this does too.
func (w *record) preflight(r *http.Request) bool {
	if w.origin == "" || r.Method != http.MethodOptions || r.Header.Get("Access-Control-Request-Method") == "" {
		return false
	}
	h := w.Header()
	h["Access-Control-Allow-Methods"] = allowedMethods
	h["Access-Control-Allow-Headers"] = allowedFields
	h["Access-Control-Max-Age"] = preflightAge
	w.routed = true
	w.WriteHeader(http.StatusNoContent)
	return true
}

// originSet returns the origins as they are looked for.
func originSet(origins []string) map[string]bool {
	set := map[string]bool{}
	for _, origin := range origins {
		set[strings.ToLower(origin)] = true
	}
	return set
}
