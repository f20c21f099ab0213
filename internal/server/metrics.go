package server

import (
	"net"
	"net/http"
	"net/netip"
	"strings"

	"github.com/hallpass-go/hallpass"
	"github.com/hallpass-go/hallpass/internal/metrics"
)

// measure adds what is known only when somebody asks for the metrics.
func (s *Server) measure() {
	m := s.c.Metrics
	m.Counter("hallpass_tokens_remembered_total", "Access tokens accepted without checking their signature again.",
		func() float64 { return float64(s.auth.Remembered().Hits) })
	m.Counter("hallpass_tokens_verified_total", "Access tokens whose signature was checked and accepted.",
		func() float64 { return float64(s.auth.Remembered().Misses) })
	m.Gauge("hallpass_revocations_held", "Revoked sessions, tokens and subjects that are kept in memory.",
		func() float64 { return float64(s.revocations.Stats().Held) })
	m.Gauge("hallpass_revocations_age_seconds", "How long ago the revocations were last read from the database.",
		func() float64 { return s.c.Now().Sub(s.revocations.Stats().UpdatedAt).Seconds() })
}

// showMetrics answers programs on this machine. What a proxy on it passes on comes from elsewhere, and
// a page in a browser on it can only ask by a name, which its owner lets stand for this machine (DNS
// rebinding).
func (s *Server) showMetrics(r request) (answer, error) {
	peer, err := netip.ParseAddr(hallpass.ClientOf(r.Request).IP)
	here := err == nil && peer.Unmap().IsLoopback()
	passedOn := r.Header.Get("X-Forwarded-For") != "" || r.Header.Get("Forwarded") != ""
	if !s.c.ShowMetrics || passedOn || !here || !namesThisMachine(r.Host) {
		return answer{}, hallpass.ErrNotFound
	}
	text, err := s.c.Metrics.Text()
	header := http.Header{"Cache-Control": {"no-store"}}
	return answer{Header: header, Body: hallpass.Raw{ContentType: metrics.ContentType, Text: text}}, err
}

// namesThisMachine reports whether the host of a request is an address or localhost.
func namesThisMachine(host string) bool {
	if name, _, err := net.SplitHostPort(host); err == nil {
		host = name
	}
	_, err := netip.ParseAddr(strings.Trim(host, "[]"))
	return err == nil || strings.EqualFold(host, "localhost")
}
