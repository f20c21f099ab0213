package server

import (
	"context"
	"errors"
	"net/http"
	"time"

	"github.com/hallpass-go/hallpass"
)

var errDraining = errors.New("the server is stopping")

// healthz tells that the process answers.
func (s *Server) healthz(w http.ResponseWriter, r *http.Request) {
	s.reply(w, r, http.StatusOK, map[string]string{"status": "ok"})
}

// readyz tells that requests can be served: the database answers, and there is a key to sign with.
func (s *Server) readyz(w http.ResponseWriter, r *http.Request) {
	ctx, cancel := context.WithTimeout(r.Context(), time.Second)
	defer cancel()
	err := s.c.Ping(ctx)
	if err == nil {
		_, err = s.c.Keys.SigningKey(ctx)
	}
	if s.draining.Load() {
		err = errDraining
	}
	if err != nil {
		s.fail(w, r, hallpass.ErrStoreUnavailable.WithDetail("The server is not ready.").Because(err))
		return
	}
	s.reply(w, r, http.StatusOK, map[string]string{"status": "ready"})
}
