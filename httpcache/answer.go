package httpcache

import (
	"crypto/sha256"
	"encoding/base64"
	"maps"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"
)

// judge returns why an answer is not kept, as far as its header tells.
func (m *middleware) judge(a *ask, r *http.Request, status int, h http.Header) (because string) {
	d := parseDirectives(h["Cache-Control"])
	switch {
	case status != http.StatusOK:
		return "status"
	case h["Set-Cookie"] != nil:
		return "set-cookie"
	case h["Content-Range"] != nil:
		return "partial"
	case h["Trailer"] != nil:
		return "trailer"
	case d.has("no-store"):
		return "no-store"
	case d.has("no-cache") && !m.route.KeepNoCache:
		return "no-cache"
	case m.route.Shared && d.has("private"):
		return "private"
	case a.stranger && !isPublic(d):
		return becauseCredentials
	}
	if fields, ok := varyFields(h, a.vary); !ok || !new(*a).variant(r, fields) {
		return "vary"
	}
	if n, err := strconv.Atoi(h.Get("Content-Length")); err == nil && n > m.cache.c.MaxBody {
		return "too-large"
	}
	if m.ttl(d, h, m.cache.c.Now()) <= 0 {
		return "expired"
	}
	return ""
}

// isPublic reports whether an answer may be given to requests with credentials (RFC 9111 §3.5).
func isPublic(d directives) bool {
	return d.has("public") || d.has("s-maxage") || d.has("must-revalidate")
}

// ttl is how long an answer is used: as long as it says itself, but no longer than the route does. A
// number that cannot be read is 0 (RFC 9111 §4.2.1).
func (m *middleware) ttl(d directives, h http.Header, now time.Time) time.Duration {
	says := func(directive string) (time.Duration, bool) {
		text, ok := d[directive]
		seconds, err := strconv.ParseUint(text, 10, 31)
		if err != nil {
			seconds = 0
		}
		return time.Duration(seconds) * time.Second, ok
	}
	if m.route.Shared {
		if ttl, ok := says("s-maxage"); ok {
			return min(ttl, m.route.TTL)
		}
	}
	if ttl, ok := says("max-age"); ok {
		return min(ttl, m.route.TTL)
	}
	if field := h["Expires"]; field != nil {
		at, _ := http.ParseTime(field[0]) // what is no time is in the past
		return min(at.Sub(now), m.route.TTL)
	}
	return m.route.TTL
}

// hopByHop are fields of one connection (RFC 9110 §7.6.1), and those that each answer gets anew.
var hopByHop = []string{"Connection", "Keep-Alive", "Proxy-Connection", "Te", "Transfer-Encoding", "Upgrade", "Age"}

// entry makes an entry of a complete answer, or says why it is not kept. The key of a becomes that of
// the answer.
func (m *middleware) entry(a *ask, f *fill, mark Mark, made time.Time) (e *Entry, because string) {
	header, ok := f.made()
	if !ok || f.hasTrailers() {
		return nil, "header"
	}
	if n := f.sent.Get("Content-Length"); n != "" && n != strconv.Itoa(len(f.body)) {
		return nil, "incomplete"
	}
	fields, ok := varyFields(f.sent, a.vary)
	if !ok || !a.variant(f.r, fields) {
		return nil, "vary"
	}
	d := parseDirectives(f.sent["Cache-Control"])
	e = &Entry{Header: header, Body: slices.Clip(f.body), Public: isPublic(d), Mark: mark, Made: made}
	e.Fresh = made.Add(m.ttl(d, f.sent, made))
	e.Ends = e.Fresh
	if !d.has("must-revalidate") && !d.has("proxy-revalidate") {
		e.Ends = e.Fresh.Add(m.route.StaleFor)
	}
	f.mu.Lock()
	e.Tags = append(m.route.Tags(f.r), f.tags...)
	f.mu.Unlock()
	for _, name := range hopByHop {
		delete(header, name)
	}
	m.complete(header, f, d)
	return e, ""
}

// complete adds the fields that the handler has left to the cache.
func (m *middleware) complete(header http.Header, f *fill, d directives) {
	header["Content-Length"] = []string{strconv.Itoa(len(f.body))}
	if _, set := f.sent["Content-Type"]; !set && f.sent["Content-Encoding"] == nil && len(f.body) > 0 {
		header["Content-Type"] = []string{http.DetectContentType(f.body)} // as net/http does
	}
	if f.sent["Etag"] == nil {
		header["Etag"] = []string{entityTag(f.body, f.sent)}
	}
	if f.sent["Date"] == nil {
		header["Date"] = []string{m.cache.c.Now().UTC().Format(http.TimeFormat)}
	}
	header["Cache-Control"] = []string{m.cacheControl(f.sent["Cache-Control"], d)}
}

// cacheControl is what clients are told. If the handler says nothing, they ask each time, and so see
// each write; and what is private says so.
func (m *middleware) cacheControl(said []string, d directives) string {
	if len(said) == 0 {
		if m.route.Shared {
			return "no-cache"
		}
		return "private, no-cache"
	}
	text := strings.Join(said, ", ")
	switch {
	case m.route.Shared:
		return text
	case d.has("public") || d.has("s-maxage"): // the route knows better: it is private
		return privately(d)
	case d.has("private"):
		return text
	}
	return "private, " + text
}

// privately writes directives as those of a private answer.
func privately(d directives) string {
	parts := []string{"private"}
	for _, name := range slices.Sorted(maps.Keys(d)) {
		if name == "private" || name == "public" || name == "s-maxage" {
			continue
		}
		if d[name] != "" {
			name += "=" + d[name]
		}
		parts = append(parts, name)
	}
	return strings.Join(parts, ", ")
}

// entityTag is a strong one (RFC 9110 §8.8.1): it differs if the bytes, or what they are, differ.
func entityTag(body []byte, h http.Header) string {
	sum := sha256.New()
	var b []byte
	for _, name := range []string{"Content-Type", "Content-Encoding", "Content-Language"} {
		b = appendText(b, strings.Join(h[name], ","))
	}
	sum.Write(b)
	sum.Write(body)
	return `"` + base64.RawURLEncoding.EncodeToString(sum.Sum(nil)[:16]) + `"`
}
