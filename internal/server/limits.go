package server

import (
	"context"
	"net/http"
	"net/netip"
	"strings"

	"github.com/hallpass-go/hallpass/ratelimit"
)

// The limits of requests. Those of logins, sign-ups and renames are in package users, which knows
// what counts as one.

// mayAsk counts a request for its client address, before anything else is done for it. It does not
// count probes, so that a flood makes no balancer give up on the server.
func (s *Server) mayAsk(r *http.Request, ip string) error {
	if s.c.Limits.Address == (ratelimit.Limit{}) || isProbe(r.URL.Path) || s.isForOthers(ip) {
		return nil
	}
	return s.limiter.Take(r.Context(), ratelimit.Charge{
		Limit: s.c.Limits.Address, Key: ratelimit.AddressKey(ip), Cost: 1,
	})
}

func isProbe(path string) bool { return path == "/healthz" || path == "/readyz" }

// isForOthers reports whether an address brings the requests of many: loopback, where there may be a
// proxy on this machine, and a trusted proxy that does not say for whom it asks, as one does that asks
// whether it may forward a request.
func (s *Server) isForOthers(ip string) bool {
	if strings.HasPrefix(ip, "127.") || ip == "::1" {
		return true
	}
	if len(s.c.TrustedProxies) == 0 {
		return false // saves reading the address
	}
	address, err := netip.ParseAddr(ip)
	return err == nil && s.trusts(address)
}

// mayCall counts a request for the user who sent it, as soon as the checks of its route have let it
// pass, and for the limit of its route.
func (s *Server) mayCall(ctx context.Context, user string, ofRoute ratelimit.Limit) error {
	if user == "" {
		return nil // a public route
	}
	all := ratelimit.Charge{Limit: s.c.Limits.User, Key: user, Cost: 1}
	if ofRoute == (ratelimit.Limit{}) {
		return s.limiter.Take(ctx, all)
	}
	return s.limiter.Take(ctx, all, ratelimit.Charge{Limit: ofRoute, Key: user, Cost: 1})
}

// mayRefresh counts a refresh of a session, before the store is asked, and a token of a machine client.
// Their IDs differ.
func (s *Server) mayRefresh(ctx context.Context, id string) error {
	return s.limiter.Take(ctx, ratelimit.Charge{Limit: s.c.Limits.Refresh, Key: id, Cost: 1})
}
