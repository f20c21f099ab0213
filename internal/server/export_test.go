package server

import "context"

// Follow does once what [Server.Run] does again and again: it reads what has been revoked.
func (s *Server) Follow(ctx context.Context) error {
	return s.revocations.Update(ctx, s.c.Store, s.c.Now())
}
