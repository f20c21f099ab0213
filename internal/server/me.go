package server

import (
	"errors"
	"net/http"
	"strings"
	"time"

	"github.com/hallpass-go/hallpass"
	"github.com/hallpass-go/hallpass/internal/account"
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

func (s *Server) me(w http.ResponseWriter, r *http.Request, id identity) {
	user, err := s.accounts.User(r.Context(), id.Subject)
	if errors.Is(err, account.ErrNotFound) {
		err = hallpass.ErrTokenRevoked.Because(err)
	}
	if err != nil {
		s.fail(w, r, err)
		return
	}
	roles := id.Roles
	if roles == nil {
		roles = []string{}
	}
	s.reply(w, r, http.StatusOK, meDocument{
		User: newUserDocument(user), SessionID: id.SessionID, Scope: strings.Join(id.Scopes, " "), Roles: roles,
		AuthTime: id.AuthTime.UTC(), ExpiresAt: id.ExpiresAt.UTC(),
	})
}
