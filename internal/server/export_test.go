package server

import (
	"context"
	"net/http"
)

// Routes is the whole table.
func (s *Server) Routes() *http.ServeMux { return s.routes() }

// Sweep is what Run does once a minute.
func (s *Server) Sweep(ctx context.Context) error { return s.sweep(ctx) }
