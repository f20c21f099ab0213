package server

import (
	"context"
	"errors"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/hallpass-go/hallpass"
)

// introspectScope lets a service ask about tokens that are not its own.
const introspectScope = "introspect"

// introspection is the answer about an active token (RFC 7662 §2.2). About any other there is
// nothing to say but that.
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
func (s *Server) introspect(r request) (answer, error) {
	token, err := formToken(r)
	if err != nil {
		return answer{}, err
	}
	found, err := s.aboutToken(r.Context(), token)
	return answer{Body: found}, err
}

func (s *Server) aboutToken(ctx context.Context, token string) (introspection, error) {
	if id, err := s.auth.Verify(ctx, token); err == nil {
		return introspection{
			Active: true, TokenType: "Bearer", Issuer: id.Issuer, Subject: id.Subject, Audience: id.Audience,
			ExpiresAt: id.ExpiresAt.Unix(), IssuedAt: id.IssuedAt.Unix(),
			ID: id.ID, ClientID: id.ClientID, SessionID: id.SessionID, AuthTime: unix(id.AuthTime),
			Scope: strings.Join(id.Scopes, " "), Roles: id.Roles,
		}, nil
	}
	session, err := s.auth.SessionOf(ctx, token)
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

// unix returns a time for JSON; 0 if there is none.
func unix(t time.Time) int64 {
	if t.IsZero() {
		return 0
	}
	return t.Unix()
}

// revoke ends the session of a token, or of a token without a session that alone (RFC 7009 §2.1). A
// token that is none of ours has nothing to end, which is what was asked for. Whoever holds a token
// may do so. Who authenticates as a client may do so with the tokens of that client only.
func (s *Server) revoke(r request) (answer, error) {
	by, byClient, err := s.clientOfRequest(r)
	if err != nil {
		return answer{}, err
	}
	token, err := formToken(r)
	if err != nil {
		return answer{}, err
	}
	if byClient {
		err = s.revokeOwn(r.Context(), by.ID, token)
	} else {
		err = s.revokeToken(r.Context(), token)
	}
	return answer{Status: http.StatusOK}, err
}

// revokeOwn ends an access token that was issued to the client.
func (s *Server) revokeOwn(ctx context.Context, clientID, token string) error {
	id, err := s.auth.Verify(ctx, token)
	if err == nil && id.ClientID != clientID {
		return errInvalidGrant
	}
	if err != nil {
		if _, err := s.auth.SessionOf(ctx, token); err == nil {
			return errInvalidGrant // a refresh token: clients have none
		} else if !errors.Is(err, hallpass.ErrRefreshTokenInvalid) {
			return err
		}
		return nil
	}
	return s.auth.RevokeToken(hallpass.WithActor(ctx, clientID), id.ID, id.ExpiresAt)
}

func (s *Server) revokeToken(ctx context.Context, token string) error {
	id, err := s.auth.Verify(ctx, token)
	if err == nil && id.SessionID == "" {
		return s.auth.RevokeToken(hallpass.WithActor(ctx, id.Subject), id.ID, id.ExpiresAt)
	}
	sessionID := id.SessionID
	if err != nil {
		session, err := s.auth.SessionOf(ctx, token)
		if errors.Is(err, hallpass.ErrRefreshTokenInvalid) {
			return nil
		}
		if err != nil {
			return err
		}
		sessionID = session.ID
	}
	return s.auth.RevokeSession(ctx, sessionID)
}

// formToken reads the token of a form (RFC 7662 §2.1, RFC 7009 §2.1). Other members, like
// token_type_hint, are passed over.
func formToken(r request) (string, error) {
	form, err := r.ReadForm()
	if err != nil {
		return "", err
	}
	if len(form["token"]) != 1 || form["token"][0] == "" {
		return "", hallpass.ErrMalformedRequest.WithDetail("Send one token, in the form's token member.")
	}
	return form["token"][0], nil
}

// verifyRequest tells a proxy who sent the request that it asks about, by header fields of the
// answer. ?role= and ?scope= narrow it.
func (s *Server) verifyRequest(r request) (answer, error) {
	id, roles, scopes := r.Identity, r.Query["role"], r.Query["scope"]
	if slices.Contains(roles, "") || slices.Contains(scopes, "") {
		return answer{}, hallpass.ErrMalformedRequest.WithDetail("Name a role or a scope, or leave the parameter out.")
	}
	for _, role := range roles {
		if !id.HasRole(role) {
			return answer{}, hallpass.ErrInsufficientRole
		}
	}
	for _, scope := range scopes {
		if !id.HasScope(scope) {
			e := *hallpass.ErrInsufficientScope
			e.Scopes = scopes
			return answer{}, &e
		}
	}
	return answer{Header: http.Header{
		"X-Auth-Subject": {id.Subject}, "X-Auth-Roles": {strings.Join(id.Roles, ",")},
		"X-Auth-Scope": {strings.Join(id.Scopes, " ")}, "X-Auth-Session": {id.SessionID},
	}}, nil
}

// metadata describes the server to programs (RFC 8414 §2).
func (s *Server) metadata(request) (answer, error) {
	base := strings.TrimSuffix(s.c.Issuer, "/")
	secrets := []string{"client_secret_basic", "client_secret_post"}
	return answer{Header: http.Header{"Cache-Control": publicFor}, Body: map[string]any{
		"issuer": s.c.Issuer, "jwks_uri": base + "/.well-known/jwks.json",
		"token_endpoint":         base + tokenPath,
		"introspection_endpoint": base + "/v1/introspect", "revocation_endpoint": base + "/v1/revoke",
		"grant_types_supported": []string{"refresh_token", "client_credentials"},
		// There is no authorization endpoint. But the member is required, an empty array must be left
		// out, and Authlib refuses a document without it. "none" is the registered value for a response
		// that holds nothing.
		"response_types_supported":                      []string{"none"},
		"token_endpoint_auth_methods_supported":         append([]string{"none"}, secrets...),
		"introspection_endpoint_auth_methods_supported": append([]string{"Bearer"}, secrets...),
		"revocation_endpoint_auth_methods_supported":    append([]string{"none"}, secrets...),
	}}, nil
}
