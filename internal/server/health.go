package server

import (
	"context"
	"errors"
	"time"

	"github.com/hallpass-go/hallpass"
)

var errDraining = errors.New("the server is stopping")

// healthz tells that the process answers.
func (s *Server) healthz(request) (answer, error) {
	return answer{Body: map[string]string{"status": "ok"}}, nil
}

// readyz tells that requests can be served: the database answers, and there is a key to sign with.
func (s *Server) readyz(r request) (answer, error) {
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
		return answer{}, hallpass.ErrStoreUnavailable.WithDetail("The server is not ready.").Because(err)
	}
	return answer{Body: map[string]string{"status": "ready"}}, nil
}
