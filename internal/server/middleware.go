package server

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"net"
	"net/http"
	"net/netip"
	"path"
	"runtime/debug"
	"slices"
	"strings"
	"time"

	"github.com/hallpass-go/hallpass"
)

// record collects what is known about a request. The handlers fill it in, and one line of the log
// shows it at the end. Answers are written through it.
type record struct {
	http.ResponseWriter
	status int
	bytes  int
	sharing
	routed bool // a route has the request; what the mux answers to any other is held back

	id      string
	client  hallpass.Client
	subject string
	code    string // of the refusal, if there was one
	cause   error

	byClient bool // a client of RFC 6749 has authenticated, or tried to
}

// Answered is what is known of a request once it is answered.
type Answered struct {
	Route  string // the pattern; "" if no route took it
	Status int
	Code   string // of the refusal, if there was one
	ID     string
}

type recordKey struct{}

func recordOf(ctx context.Context) *record {
	if r, ok := ctx.Value(recordKey{}).(*record); ok {
		return r
	}
	return &record{}
}

// constantFields are header fields of every answer. The slices are shared and never changed.
var constantFields = http.Header{
	"X-Content-Type-Options":  {"nosniff"},
	"Content-Security-Policy": {"default-src 'none'; frame-ancestors 'none'"},
	"Referrer-Policy":         {"no-referrer"},
}

// wrap surrounds every request.
func (s *Server) wrap(mux *http.ServeMux) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s.answer(w, r, func(rec *record, r *http.Request) { s.serve(rec, r, mux) })
	})
}

// answer gives a request an ID, finds the client's address, logs one line, and answers even if serve
// panics.
func (s *Server) answer(w http.ResponseWriter, r *http.Request, serve func(*record, *http.Request)) {
	started := time.Now()
	rec := &record{ResponseWriter: w, id: rand.Text(), client: s.clientOf(r)}
	r = r.WithContext(context.WithValue(r.Context(), recordKey{}, rec))
	end := func(Answered) {}
	if s.c.Trace != nil {
		r, end = s.c.Trace(r)
	}
	h := w.Header()
	maps.Copy(h, constantFields)
	h[requestIDKey] = []string{rec.id}
	defer func() {
		if p := recover(); p != nil {
			s.recovered(rec, r, p)
		}
		took := time.Since(started)
		s.c.Metrics.Request(r.Pattern, rec.status, took)
		s.logRequest(r, rec, took)
		end(Answered{Route: r.Pattern, Status: rec.status, Code: rec.code, ID: rec.id})
	}()
	serve(rec, r)
}

var requestIDKey = http.CanonicalHeaderKey(hallpass.RequestIDHeader)

// serve passes the request to its route. If there is none, the mux's own answer is held back, and
// the refusal has the same form as every other.
func (s *Server) serve(rec *record, r *http.Request, mux *http.ServeMux) {
	if len(r.TransferEncoding) > 0 {
		// There may have been a Content-Length too, which net/http drops: then somebody before us may
		// have read the bytes that follow as another request, or not (RFC 9112 §6.1).
		rec.Header().Set("Connection", "close")
	}
	rec.sharing = s.sharingOf(r)
	// Before the limit: if the browser's question were refused, the page could not read the 429 and its
	// Retry-After.
	if rec.preflight(r) {
		return
	}
	if err := s.mayAsk(r, rec.client.IP); err != nil {
		s.refuse(rec, r, err)
		return
	}
	if headerSize(r) > maxHeader {
		s.refuse(rec, r, errHeaderTooLarge)
		return
	}
	// The mux would redirect a path that contains // or .., and the client would send its password
	// along.
	if clean := path.Clean(r.URL.Path); clean != r.URL.Path {
		s.refuse(rec, r, hallpass.ErrNotFound)
		return
	}
	mux.ServeHTTP(rec, r)
	if rec.routed {
		return
	}
	refusal := hallpass.ErrNotFound
	if rec.status == http.StatusMethodNotAllowed {
		refusal = errMethodNotAllowed // the mux has set Allow
	}
	s.refuse(rec, r, refusal)
}

// maxHeader is how large the header of a request may be, in bytes. To one that is much larger net/http
// answers by itself.
const maxHeader = 16 << 10

func headerSize(r *http.Request) int {
	size := len(r.RequestURI)
	for name, values := range r.Header {
		for _, value := range values {
			size += len(name) + len(value) + len(": \r\n")
		}
	}
	return size
}

// refuse answers a request that no route has answered.
func (s *Server) refuse(rec *record, r *http.Request, err error) {
	rec.routed, rec.status = true, 0
	s.auth.WriteError(rec, r, err)
}

// recovered answers a request whose handler has panicked.
func (s *Server) recovered(rec *record, r *http.Request, p any) {
	if err, ok := p.(error); ok && errors.Is(err, http.ErrAbortHandler) {
		panic(p)
	}
	s.c.Log.ErrorContext(r.Context(), "handler panicked", "request_id", rec.id,
		"panic", fmt.Sprintf("%T", p), "stack", string(debug.Stack()))
	if rec.status == 0 {
		s.refuse(rec, r, hallpass.ErrInternal)
	}
}

func (s *Server) logRequest(r *http.Request, rec *record, took time.Duration) {
	level := slog.LevelInfo
	// If the client hung up or sent what is no request, nothing is wrong here.
	hungUp := r.Context().Err() != nil && errors.Is(rec.cause, context.Canceled)
	if rec.status >= 500 && !hungUp && r.Method != "" {
		level = slog.LevelError
	}
	if !s.c.Log.Enabled(r.Context(), level) {
		return
	}
	shown := r.URL.Path
	if len(shown) > 200 {
		shown = strings.ToValidUTF8(shown[:200], "") + "…"
	}
	attributes := append(make([]slog.Attr, 0, 10),
		slog.String("method", r.Method), slog.String("path", shown), slog.Int("status", rec.status),
		slog.Int("bytes", rec.bytes), slog.Float64("ms", float64(took.Microseconds())/1000),
		slog.String("ip", rec.client.IP), slog.String("request_id", rec.id))
	if rec.subject != "" {
		attributes = append(attributes, slog.String("user_id", rec.subject))
	}
	if rec.code != "" {
		attributes = append(attributes, slog.String("code", rec.code))
	}
	if rec.cause != nil {
		attributes = append(attributes, slog.Any("err", rec.cause))
	}
	s.c.Log.LogAttrs(r.Context(), level, "request", attributes...)
}

// client returns where a request comes from, which wrap has found out with clientOf.
func client(r *http.Request) hallpass.Client { return recordOf(r.Context()).client }

// clientOf finds out where a request comes from. That is the peer of the connection or, if the peer
// is a trusted proxy, an address in X-Forwarded-For: read from the right, the first that is not a
// trusted proxy. What the client itself wrote stands further left and is not used.
func (s *Server) clientOf(r *http.Request) hallpass.Client {
	client := hallpass.ClientOf(r)
	peer, err := netip.ParseAddr(client.IP)
	if err != nil || !s.trusts(peer) {
		return client
	}
	hops := strings.Split(strings.Join(r.Header.Values("X-Forwarded-For"), ","), ",")
	for _, hop := range slices.Backward(hops) {
		address, err := parseHop(strings.TrimSpace(hop))
		if err != nil {
			break
		}
		client.IP = address.String()
		if !s.trusts(address) {
			break
		}
	}
	return client
}

func (s *Server) trusts(address netip.Addr) bool {
	return slices.ContainsFunc(s.c.TrustedProxies, func(p netip.Prefix) bool { return p.Contains(address.Unmap()) })
}

// parseHop reads an address of X-Forwarded-For. Some proxies add a port.
func parseHop(hop string) (netip.Addr, error) {
	if host, _, err := net.SplitHostPort(hop); err == nil {
		hop = host
	}
	address, err := netip.ParseAddr(strings.Trim(hop, "[]"))
	return address.Unmap().WithZone(""), err
}

// WriteHeader implements [http.ResponseWriter].
func (w *record) WriteHeader(status int) {
	first := w.status == 0
	if first {
		w.status = status
	}
	if w.routed {
		if first {
			w.setFields(w.Header())
		}
		w.ResponseWriter.WriteHeader(status)
	}
}

// Write implements [http.ResponseWriter].
func (w *record) Write(b []byte) (int, error) {
	if w.status == 0 {
		w.WriteHeader(http.StatusOK)
	}
	if !w.routed {
		return len(b), nil
	}
	n, err := w.ResponseWriter.Write(b)
	w.bytes += n
	return n, err
}

// Unwrap lets [http.ResponseController] reach the connection.
func (w *record) Unwrap() http.ResponseWriter { return w.ResponseWriter }
