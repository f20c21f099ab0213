package server

import (
	"context"
	"net/http"
)

// Routes is the whole table.
func (s *Server) Routes() *http.ServeMux { return s.routes() }

// Sweep is what Run does once a minute.
func (s *Server) Sweep(ctx context.Context) error { return s.sweep(ctx) }

// Follow does once what [Server.Run] does again and again: it reads what has been revoked.
func (s *Server) Follow(ctx context.Context) error {
	return s.revocations.Update(ctx, s.c.Store, s.c.Now())
}
