package server

import (
	"errors"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/hallpass-go/hallpass"
)

// introspectScope lets a service ask about tokens that are not its own.
const introspectScope = "introspect"

// introspection is the answer about an active token (RFC 7662 §2.2). About any other there is nothing to say but that.
type introspection struct {
	Active    bool     `json:"active"`
	TokenType string   `json:"token_type,omitempty"`
	Issuer    string   `json:"iss,omitempty"`
	Subject   string   `json:"sub,omitempty"`
	Audience  []string `json:"aud,omitempty"`
	ExpiresAt int64    `json:"exp,omitempty"`
	IssuedAt  int64    `json:"iat,omitempty"`
	ID        string   `json:"jti,omitempty"`
	ClientID  string   `json:"client_id,omitempty"`
	SessionID string   `json:"sid,omitempty"`
	AuthTime  int64    `json:"auth_time,omitempty"`
	Scope     string   `json:"scope,omitempty"`
	Roles     []string `json:"roles,omitempty"`
}

// introspect tells whether a token would be taken now.
func (s *Server) introspect(w http.ResponseWriter, r *http.Request, _ identity) {
	token, err := formToken(w, r)
	if err != nil {
		s.fail(w, r, err)
		return
	}
	answer, err := s.aboutToken(r, token)
	if err != nil {
		s.fail(w, r, err)
		return
	}
	s.reply(w, r, http.StatusOK, answer)
}

func (s *Server) aboutToken(r *http.Request, token string) (introspection, error) {
	if id, err := s.auth.Verify(r.Context(), token); err == nil {
		return introspection{
			Active: true, TokenType: "Bearer", Issuer: id.Issuer, Subject: id.Subject, Audience: id.Audience, ExpiresAt: id.ExpiresAt.Unix(), IssuedAt: id.IssuedAt.Unix(),
			ID: id.ID, ClientID: id.ClientID, SessionID: id.SessionID, AuthTime: id.AuthTime.Unix(), Scope: strings.Join(id.Scopes, " "), Roles: id.Roles,
		}, nil
	}
	session, err := s.auth.SessionOf(r.Context(), token)
	switch {
	case errors.Is(err, hallpass.ErrRefreshTokenInvalid) || err == nil && session.Ended(s.c.Now()):
		return introspection{}, nil
	case err != nil:
		return introspection{}, err
	}
	return introspection{
		Active: true, TokenType: "refresh_token", Issuer: s.c.Issuer, Subject: session.Subject, SessionID: session.ID,
		ExpiresAt: session.ExpiresAt().Unix(), IssuedAt: session.RotatedAt.Unix(), AuthTime: session.AuthTime.Unix(),
	}, nil
}

// revoke ends the session of a token, or of a token without a session that alone (RFC 7009 §2.1). A token that is none of ours has
// nothing to end, which is what was asked for.
func (s *Server) revoke(w http.ResponseWriter, r *http.Request) {
	token, err := formToken(w, r)
	if err != nil {
		s.fail(w, r, err)
		return
	}
	if err := s.revokeToken(r, token); err != nil {
		s.fail(w, r, err)
		return
	}
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(http.StatusOK)
}

func (s *Server) revokeToken(r *http.Request, token string) error {
	id, err := s.auth.Verify(r.Context(), token)
	if err == nil && id.SessionID == "" {
		return s.auth.RevokeToken(r.Context(), id.ID, id.ExpiresAt)
	}
	sessionID := id.SessionID
	if err != nil {
		session, err := s.auth.SessionOf(r.Context(), token)
		if errors.Is(err, hallpass.ErrRefreshTokenInvalid) {
			return nil
		}
		if err != nil {
			return err
		}
		sessionID = session.ID
	}
	return s.auth.RevokeSession(r.Context(), sessionID)
}

// formToken reads the token of a form (RFC 7662 §2.1, RFC 7009 §2.1). Other parameters, like token_type_hint, are passed over.
func formToken(w http.ResponseWriter, r *http.Request) (string, error) {
	if media, _, _ := strings.Cut(r.Header.Get("Content-Type"), ";"); strings.TrimSpace(media) != "application/x-www-form-urlencoded" {
		return "", hallpass.ErrUnsupportedMediaType.WithDetail("Send a form: Content-Type: application/x-www-form-urlencoded.")
	}
	r.Body = http.MaxBytesReader(w, r.Body, hallpass.MaxBody)
	if err := r.ParseForm(); err != nil {
		if _, tooLarge := errors.AsType[*http.MaxBytesError](err); tooLarge {
			return "", hallpass.ErrTooLarge
		}
		return "", hallpass.ErrMalformedRequest.WithDetail("The body is not a form.")
	}
	return oneToken(r.PostForm)
}

func oneToken(form url.Values) (string, error) {
	if len(form["token"]) != 1 || form["token"][0] == "" {
		return "", hallpass.ErrMalformedRequest.WithDetail("Send one token, in the form's token member.")
	}
	return form["token"][0], nil
}

// verifyRequest tells a proxy who sent the request that it asks about, by header fields of the answer. ?role= and ?scope= narrow it.
func (s *Server) verifyRequest(w http.ResponseWriter, r *http.Request, id identity) {
	query := r.URL.Query() // without another parameter, and well-formed: see routes.go
	if slices.Contains(query["role"], "") || slices.Contains(query["scope"], "") {
		s.fail(w, r, hallpass.ErrMalformedRequest.WithDetail("Name a role or a scope, or leave the parameter out."))
		return
	}
	for _, role := range query["role"] {
		if !id.HasRole(role) {
			s.fail(w, r, hallpass.ErrInsufficientRole)
			return
		}
	}
	for _, scope := range query["scope"] {
		if !id.HasScope(scope) {
			e := *hallpass.ErrInsufficientScope
			e.Scopes = query["scope"]
			s.fail(w, r, &e)
			return
		}
	}
	h := w.Header()
	h.Set("X-Auth-Subject", id.Subject)
	h.Set("X-Auth-Roles", strings.Join(id.Roles, ","))
	h.Set("X-Auth-Scope", strings.Join(id.Scopes, " "))
	h.Set("X-Auth-Session", id.SessionID)
	h.Set("Cache-Control", "no-store")
	w.WriteHeader(http.StatusNoContent)
}

// metadata describes the server to programs (RFC 8414 §2).
func (s *Server) metadata(w http.ResponseWriter, r *http.Request) {
	base := strings.TrimSuffix(s.c.Issuer, "/")
	s.reply(w, r, http.StatusOK, map[string]any{
		"issuer": s.c.Issuer, "jwks_uri": base + "/.well-known/jwks.json",
		"introspection_endpoint": base + "/v1/introspect", "revocation_endpoint": base + "/v1/revoke",
		"response_types_supported": []string{}, "grant_types_supported": []string{}, "token_endpoint_auth_methods_supported": []string{},
		"introspection_endpoint_auth_methods_supported": []string{"bearer"}, "revocation_endpoint_auth_methods_supported": []string{"none"},
	})
}
