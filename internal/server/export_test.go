package server

import (
	"context"
	"net/http"

	"github.com/hallpass-go/hallpass/internal/openapi"
	"github.com/hallpass-go/hallpass/internal/users"
)

// Patterns are those of the whole table.
func (s *Server) Patterns() []string {
	var patterns []string
	for _, r := range s.routes() {
		patterns = append(patterns, r.Pattern)
	}
	return patterns
}

// Mux serves the table.
func (s *Server) Mux() *http.ServeMux { return s.mux() }

// Sweep is what Run does once a minute.
func (s *Server) Sweep(ctx context.Context) error { return s.sweep(ctx) }

// Follow does once what [Server.Run] does again and again: it reads what has been revoked.
func (s *Server) Follow(ctx context.Context) error {
	return s.revocations.Update(ctx, s.c.Store, s.c.Now())
}

// API is what the document is made from.
func (s *Server) API() (openapi.API, error) { return s.api() }

// Undescribed is the error for a route of which nothing is said.
func Undescribed() error {
	_, err := row{Pattern: "GET /new", Who: anyone}.described(users.Limits{})
	return err
}

// MayAsk is the limit of all requests of an address.
func (s *Server) MayAsk(r *http.Request, ip string) error { return s.mayAsk(r, ip) }

// MayCall returns a function that is the limit of all requests of a user.
func (s *Server) MayCall(r *http.Request, user string) func() error {
	return func() error { return s.mayCall(r.Context(), user, users.Limit{}) }
}
