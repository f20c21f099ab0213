package server

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
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

// record is what is known of a request by its end: the handlers fill it in, and one line of the log says it.
type record struct {
	id      string
	client  hallpass.Client
	subject string
	code    string // of the refusal, if there was one
	cause   error
}

type recordKey struct{}

func recordOf(ctx context.Context) *record {
	if r, ok := ctx.Value(recordKey{}).(*record); ok {
		return r
	}
	return &record{}
}

// wrap is what every request passes through: an ID, the client's address, one line in the log, and an answer whatever happens.
func (s *Server) wrap(mux *http.ServeMux) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		started := time.Now()
		rec := &record{id: rand.Text(), client: s.clientOf(r)}
		r = r.WithContext(context.WithValue(r.Context(), recordKey{}, rec))
		answer := &answerWriter{ResponseWriter: w}
		w.Header().Set(hallpass.RequestIDHeader, rec.id)
		w.Header().Set("X-Content-Type-Options", "nosniff")
		w.Header().Set("Content-Security-Policy", "default-src 'none'; frame-ancestors 'none'")
		w.Header().Set("Referrer-Policy", "no-referrer")
		defer func() {
			if p := recover(); p != nil {
				s.recovered(answer, r, p)
			}
			s.logRequest(r, rec, answer, time.Since(started))
		}()
		s.serve(answer, r, mux)
	})
}

// serve hands the request to its route. What has none is refused in the same form as everything else.
func (s *Server) serve(w http.ResponseWriter, r *http.Request, mux *http.ServeMux) {
	// The mux would redirect a path with // or .. in it, and a client would send its password along to wherever that is.
	if clean := path.Clean(r.URL.Path); clean != r.URL.Path {
		s.auth.WriteError(w, r, hallpass.ErrNotFound)
		return
	}
	if handler, pattern := mux.Handler(r); pattern == "" {
		probe := &headerProbe{header: http.Header{}}
		handler.ServeHTTP(probe, r)
		switch probe.status {
		case http.StatusMethodNotAllowed:
			w.Header().Set("Allow", probe.header.Get("Allow"))
			s.auth.WriteError(w, r, errMethodNotAllowed)
		default:
			s.auth.WriteError(w, r, hallpass.ErrNotFound)
		}
		return
	}
	mux.ServeHTTP(w, r)
}

// headerProbe takes what the mux would have answered, for its status and its Allow field.
type headerProbe struct {
	header http.Header
	status int
}

func (p *headerProbe) Header() http.Header         { return p.header }
func (p *headerProbe) Write(b []byte) (int, error) { return len(b), nil }
func (p *headerProbe) WriteHeader(status int)      { p.status = status }

// recovered answers a request whose handler panicked.
func (s *Server) recovered(w *answerWriter, r *http.Request, p any) {
	if err, ok := p.(error); ok && errors.Is(err, http.ErrAbortHandler) {
		panic(p)
	}
	s.c.Log.ErrorContext(r.Context(), "handler panicked", "request_id", recordOf(r.Context()).id, "panic", fmt.Sprintf("%T", p), "stack", string(debug.Stack()))
	if w.status == 0 {
		s.auth.WriteError(w, r, hallpass.ErrInternal)
	}
}

func (s *Server) logRequest(r *http.Request, rec *record, w *answerWriter, took time.Duration) {
	level := slog.LevelInfo
	hungUp := r.Context().Err() != nil && errors.Is(rec.cause, context.Canceled) // the client did; nothing is wrong here
	if w.status >= 500 && !hungUp {
		level = slog.LevelError
	}
	shown := r.URL.Path
	if len(shown) > 200 {
		shown = strings.ToValidUTF8(shown[:200], "") + "…"
	}
	attributes := []any{
		"method", r.Method, "path", shown, "status", w.status, "bytes", w.bytes, "ms", float64(took.Microseconds()) / 1000,
		"ip", rec.client.IP, "request_id", rec.id,
	}
	if rec.subject != "" {
		attributes = append(attributes, "user_id", rec.subject)
	}
	if rec.code != "" {
		attributes = append(attributes, "code", rec.code)
	}
	if rec.cause != nil {
		attributes = append(attributes, "err", rec.cause)
	}
	s.c.Log.Log(r.Context(), level, "request", attributes...)
}

// client tells where a request comes from, as [Server.clientOf] has found out.
func client(r *http.Request) hallpass.Client { return recordOf(r.Context()).client }

// clientOf tells where a request comes from. The connection's peer is believed, and X-Forwarded-For only when the peer is a trusted proxy: from the
// right, each hop that a trusted proxy named, up to the first that is none of ours. What a client wrote there itself stands further left.
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

// parseHop reads an address, which some proxies write with a port.
func parseHop(hop string) (netip.Addr, error) {
	if host, _, err := net.SplitHostPort(hop); err == nil {
		hop = host
	}
	address, err := netip.ParseAddr(strings.Trim(hop, "[]"))
	return address.Unmap().WithZone(""), err
}

// answerWriter notes the status and the size of an answer.
type answerWriter struct {
	http.ResponseWriter
	status int
	bytes  int
}

// WriteHeader implements [http.ResponseWriter].
func (w *answerWriter) WriteHeader(status int) {
	if w.status == 0 {
		w.status = status
	}
	w.ResponseWriter.WriteHeader(status)
}

// Write implements [http.ResponseWriter].
func (w *answerWriter) Write(b []byte) (int, error) {
	if w.status == 0 {
		w.status = http.StatusOK
	}
	n, err := w.ResponseWriter.Write(b)
	w.bytes += n
	return n, err
}

// Unwrap lets [http.ResponseController] reach the connection.
func (w *answerWriter) Unwrap() http.ResponseWriter { return w.ResponseWriter }
