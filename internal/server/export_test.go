package server

import "net/http"

// Routes is the whole table.
func (s *Server) Routes() *http.ServeMux { return s.routes() }
