package httpcache

import (
	"crypto/sha256"
	"encoding/binary"
	"net/http"
	"net/url"
	"slices"
	"strings"
)

// ask is what a request wants of the cache.
type ask struct {
	base Key // of the request and the identity
	key  Key // of the answer: base, or that and the fields of Vary

	vary     []string // the fields that base is known to depend on
	private  bool     // the identity is a part of base
	stranger bool     // there are credentials, but no identity

	renew  bool // the client wants a new answer
	onlyIf bool // the client wants an answer from the cache or none
}

// Why a request passes by the cache: details of Cache-Status.
const (
	becauseMethod      = "method"
	becauseIdentity    = "no-identity"
	becauseCredentials = "credentials"
	becauseRange       = "range"
	becauseCondition   = "condition"
	becauseBody        = "body"
	becauseUpgrade     = "upgrade"
	becauseNoStore     = "no-store"
)

// read returns what a request wants, or why it passes by the cache.
func (m *middleware) read(r *http.Request) (a ask, because string) {
	if r.Method != http.MethodGet && r.Method != http.MethodHead {
		return a, becauseMethod
	}
	h := r.Header
	switch {
	case h["Range"] != nil:
		return a, becauseRange
	case h["If-Match"] != nil || h["If-Unmodified-Since"] != nil:
		return a, becauseCondition
	case r.ContentLength != 0 || len(r.TransferEncoding) > 0:
		return a, becauseBody
	case h["Upgrade"] != nil:
		return a, becauseUpgrade
	}
	if field := h["Cache-Control"]; field != nil {
		d := parseDirectives(field)
		if d.has("no-store") {
			return a, becauseNoStore
		}
		a.renew = d.has("no-cache") || d["max-age"] == "0"
		a.onlyIf = d.has("only-if-cached")
	}
	identity := m.route.Identity(r)
	a.private = identity != "" && !m.route.Shared
	if identity == "" {
		a.stranger = m.cache.hasCredentials(r)
		if !m.route.Shared {
			if a.stranger {
				return a, becauseCredentials
			}
			return a, becauseIdentity
		}
	}
	a.base = m.baseKey(r, identity)
	a.key = a.base
	return a, ""
}

// hasCredentials reports whether a request says who sent it.
func (c *Cache) hasCredentials(r *http.Request) bool {
	if r.TLS != nil && len(r.TLS.PeerCertificates) > 0 || r.URL.User != nil {
		return true
	}
	for _, name := range c.c.Credentials {
		if r.Header[name] != nil {
			return true
		}
	}
	return false
}

// baseKey is a hash of the route, the identity, and what the request asks for. The target as it was
// sent is a part of it beside the path, which a middleware may have changed: a handler can see both.
func (m *middleware) baseKey(r *http.Request, identity string) Key {
	var few [512]byte // on the stack
	b := appendText(few[:0], m.route.Name)
	if m.route.Shared {
		b = append(b, 's')
	} else {
		b = appendText(append(b, 'p'), identity)
	}
	if r.TLS != nil {
		b = append(b, 't')
	}
	b = appendText(b, r.Host)
	target, query := r.RequestURI, r.URL.RawQuery
	if m.route.AnyOrder {
		target, _, _ = strings.Cut(target, "?")
		query = canonicalQuery(query)
	}
	b = appendText(b, target)
	b = appendText(b, r.URL.Path)
	b = appendText(b, r.URL.RawPath)
	b = appendText(b, query)
	return sha256.Sum256(b)
}

// appendText appends a text and its length, which keeps "a b", "c" and "a", "b c" apart.
func appendText(b []byte, text string) []byte {
	b = binary.AppendUvarint(b, uint64(len(text)))
	return append(b, text...)
}

// canonicalQuery sorts the parameters of a query by name. Several with one name stay in their order,
// which [url.Values] shows. A query that does not parse stays as it is.
func canonicalQuery(query string) string {
	if !strings.ContainsAny(query, "&%+;") {
		return query
	}
	values, err := url.ParseQuery(query)
	if err != nil {
		return "?" + query // no canonical query begins like this
	}
	return values.Encode()
}

// variant sets the fields of Vary, and the key that belongs to them. It reports false if no answer
// can be kept for the request.
func (a *ask) variant(r *http.Request, fields []string) bool {
	a.vary = fields
	if len(fields) == 0 {
		return true
	}
	b := append(make([]byte, 0, 256), a.base[:]...)
	for _, name := range fields {
		if name == "Authorization" {
			if a.private {
				continue // the identity stands for it
			}
			if r.Header[name] != nil {
				return false // one token's answer would not be shared
			}
		}
		b = appendText(b, name)
		values := r.Header[name]
		b = binary.AppendUvarint(b, uint64(len(values)))
		for _, v := range values {
			b = appendText(b, v)
		}
	}
	a.key = sha256.Sum256(b)
	return true
}

// maxVary is how many fields may choose among answers.
const maxVary = 16

// varyFields returns the fields of Vary, sorted, with those that are known already. It reports false
// if no answer can be kept.
func varyFields(h http.Header, known []string) ([]string, bool) {
	fields := slices.Clone(known)
	for _, line := range h["Vary"] {
		for name := range strings.SplitSeq(line, ",") {
			name = http.CanonicalHeaderKey(strings.TrimSpace(name))
			if name == "*" {
				return nil, false
			}
			if name != "" && !slices.Contains(fields, name) {
				fields = append(fields, name)
			}
		}
	}
	slices.Sort(fields)
	return fields, len(fields) <= maxVary
}

// directives are those of Cache-Control, in lower case.
type directives map[string]string

// parseDirectives reads Cache-Control. Quotes are removed; a comma within them only makes more
// directives, and those that forbid something are obeyed wherever they stand.
func parseDirectives(lines []string) directives {
	d := directives{}
	for _, line := range lines {
		for part := range strings.SplitSeq(line, ",") {
			name, value, _ := strings.Cut(part, "=")
			name = strings.ToLower(strings.TrimSpace(name))
			if _, twice := d[name]; name != "" && !twice {
				d[name] = strings.Trim(strings.TrimSpace(value), `"`)
			}
		}
	}
	return d
}

func (d directives) has(name string) bool { _, ok := d[name]; return ok }
