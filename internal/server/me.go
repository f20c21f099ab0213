package server

import (
	"errors"
	"strings"
	"time"

	"github.com/hallpass-go/hallpass"
	"github.com/hallpass-go/hallpass/internal/users"
)

// meDocument is who is calling: the user as they are now, and what the token says.
type meDocument struct {
	User      userDocument `json:"user"`
	SessionID string       `json:"session_id"`
	Scope     string       `json:"scope"`
	Roles     []string     `json:"roles"`
	AuthTime  time.Time    `json:"auth_time"`
	ExpiresAt time.Time    `json:"expires_at"`
}

func (s *Server) me(r request) (answer, error) {
	user, err := s.c.Accounts.User(r.Context(), r.Identity.Subject)
	if errors.Is(err, users.ErrNotFound) {
		err = hallpass.ErrTokenRevoked.Because(err)
	}
	return answer{Body: meDocument{
		User: newUserDocument(user), SessionID: r.Identity.SessionID, Scope: strings.Join(r.Identity.Scopes, " "),
		Roles: append([]string{}, r.Identity.Roles...), AuthTime: r.Identity.AuthTime.UTC(),
		ExpiresAt: r.Identity.ExpiresAt.UTC(),
	}}, err
}
