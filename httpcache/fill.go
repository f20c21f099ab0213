package httpcache

import (
	"bufio"
	"context"
	"errors"
	"maps"
	"net"
	"net/http"
	"slices"
	"strings"
	"sync"
)

// fill is the making of an answer: the [http.ResponseWriter] that its handler gets. It holds the
// answer back until it is complete, or until it is clear that it will not be kept. Then it passes on
// what comes.
type fill struct {
	w      http.ResponseWriter // nil in the background
	r      *http.Request       // as the client sent it
	header http.Header         // of w, which the handler uses
	before http.Header         // what it had before
	judge  func(status int, h http.Header) (because string)
	pass   func(because string) // is called before anything is passed on
	max    int

	sent    http.Header // the header as it was at WriteHeader
	status  int         // 0 before WriteHeader
	body    []byte
	passing bool
	dropped bool // the client has this body already

	mu   sync.Mutex
	tags []string // guarded by mu: a handler may use goroutines
}

// start prepares the header.
func (f *fill) start() {
	f.header = http.Header{}
	if f.w != nil {
		f.header = f.w.Header()
	}
	f.before = maps.Clone(f.header)
}

// Header implements [http.ResponseWriter].
func (f *fill) Header() http.Header { return f.header }

// WriteHeader implements [http.ResponseWriter].
func (f *fill) WriteHeader(status int) {
	if f.passing && f.w != nil {
		f.w.WriteHeader(status)
		return
	}
	if f.status != 0 {
		return
	}
	if status >= 100 && status < 200 && status != http.StatusSwitchingProtocols {
		if f.w != nil {
			f.w.WriteHeader(status) // early hints are for the client that caused them
		}
		return
	}
	f.status, f.sent = status, maps.Clone(f.header)
	if because := f.judge(status, f.header); because != "" {
		f.passOn(because)
	}
}

// Write implements [http.ResponseWriter].
func (f *fill) Write(b []byte) (int, error) {
	if f.status == 0 {
		f.WriteHeader(http.StatusOK)
	}
	if !f.passing && len(f.body)+len(b) > f.max {
		f.passOn("too-large")
	}
	switch {
	case !f.passing:
		f.body = append(f.body, b...)
	case f.w != nil && !f.dropped:
		return f.w.Write(b)
	}
	return len(b), nil
}

// passOn passes on what has been held back. The rest of the answer follows it.
func (f *fill) passOn(because string) {
	f.passing = true
	f.restoreHeader()
	f.pass(because)
	if f.w == nil {
		f.body = nil
		return
	}
	// The handler has not seen the condition of the request.
	if f.status == http.StatusOK && notModified(f.r, f.header) {
		writeNotModified(f.w)
		f.dropped = true
	} else {
		f.w.WriteHeader(f.status)
	}
	if len(f.body) > 0 && !f.dropped {
		_, _ = f.w.Write(f.body) // the client is gone; there is nobody to tell
	}
	f.body = nil
}

// restoreHeader undoes what the handler has changed since WriteHeader, which must have no effect,
// except trailers.
func (f *fill) restoreHeader() {
	maps.DeleteFunc(f.header, func(name string, _ []string) bool {
		return f.sent[name] == nil && !strings.HasPrefix(name, http.TrailerPrefix)
	})
	maps.Copy(f.header, f.sent)
}

// hasTrailers reports whether the handler has set fields that follow the body.
func (f *fill) hasTrailers() bool {
	for name := range f.header {
		if strings.HasPrefix(name, http.TrailerPrefix) {
			return true
		}
	}
	return false
}

// made returns the fields that the handler has set. It reports false if it has removed some that were
// there before: that cannot be repeated.
func (f *fill) made() (http.Header, bool) {
	fields := http.Header{}
	for name := range f.before {
		if _, left := f.sent[name]; !left {
			return nil, false
		}
	}
	for name, values := range f.sent {
		old, had := f.before[name]
		if !had || !slices.Equal(old, values) {
			fields[name] = slices.Clip(slices.Clone(values))
		}
	}
	return fields, true
}

// FlushError lets [http.ResponseController] flush. What is flushed is a stream, and not kept.
func (f *fill) FlushError() error {
	if f.status == 0 {
		f.WriteHeader(http.StatusOK)
	}
	if !f.passing {
		f.passOn("stream")
	}
	if f.w == nil {
		return nil
	}
	return http.NewResponseController(f.w).Flush()
}

// Flush implements [http.Flusher].
func (f *fill) Flush() { _ = f.FlushError() }

// Hijack implements [http.Hijacker].
func (f *fill) Hijack() (net.Conn, *bufio.ReadWriter, error) {
	if f.w == nil {
		return nil, nil, errors.ErrUnsupported
	}
	if !f.passing {
		f.passing = true
		f.pass("hijacked")
	}
	return http.NewResponseController(f.w).Hijack()
}

// Unwrap lets [http.ResponseController] reach the connection.
func (f *fill) Unwrap() http.ResponseWriter { return f.w }

// request returns the request that the handler gets: without the conditions, which are for this cache
// to decide, and with a context that outlives the client.
func (f *fill) request(ctx context.Context) *http.Request {
	r := f.r.WithContext(context.WithValue(ctx, fillKey{}, f))
	if r.Header["If-None-Match"] != nil || r.Header["If-Modified-Since"] != nil {
		r.Header = maps.Clone(r.Header)
		delete(r.Header, "If-None-Match")
		delete(r.Header, "If-Modified-Since")
	}
	return r
}
