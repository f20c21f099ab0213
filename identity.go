package hallpass

import (
	"context"
	"encoding/json"
	"net/http"
	"slices"

	"github.com/hallpass-go/hallpass/jwt"
)

// Identity is the caller: the verified claims of their access token, and your own claims decoded
// into T. Requests share no part of it.
type Identity[T any] struct {
	jwt.Claims   // Subject, SessionID, ID (of the token), Scopes, Roles, AuthTime, ExpiresAt, …
	Custom     T // the application's claims, matched by exact name; unknown ones are ignored
}

// HasScope reports whether the token was granted the scope.
func (id Identity[T]) HasScope(scope string) bool { return slices.Contains(id.Scopes, scope) }

// HasRole reports whether the subject had the role when the token was issued.
func (id Identity[T]) HasRole(role string) bool { return slices.Contains(id.Roles, role) }

type identityKey struct{}

func withIdentity[T any](ctx context.Context, id Identity[T]) context.Context {
	return context.WithValue(ctx, identityKey{}, id)
}

// IdentityFrom returns the identity that [Verifier.Require] or [Verifier.Optional] put into a
// request's context. It reports false when there is none or its T is another. Handlers mounted with
// [Verifier.Func] take the identity as an argument instead and cannot be mounted without it.
func IdentityFrom[T any](ctx context.Context) (Identity[T], bool) {
	id, ok := ctx.Value(identityKey{}).(Identity[T])
	return id, ok
}

// BySubject is a key for the rules of package ratelimit: the issuer and the subject of the request's
// identity. It is empty, and the rule does not count the request, if [IdentityFrom] finds none, so
// the limiter's middleware goes inside that of [Verifier.Require]. T must be the verifier's.
func BySubject[T any](r *http.Request) string {
	id, ok := IdentityFrom[T](r.Context())
	if !ok {
		return ""
	}
	return id.Issuer + " " + id.Subject
}

// BySession is [BySubject] for the session of the identity, or for its subject if the token has no
// session.
func BySession[T any](r *http.Request) string {
	id, ok := IdentityFrom[T](r.Context())
	if !ok || id.SessionID == "" {
		return BySubject[T](r)
	}
	return id.Issuer + " session " + id.SessionID
}

// ByToken is an identity for package httpcache: the issuer and the ID of the request's token. Answers
// to it may depend on all that the token says. It is empty if [IdentityFrom] finds no identity, or the
// token has no ID. T must be the verifier's.
func ByToken[T any](r *http.Request) string {
	id, ok := IdentityFrom[T](r.Context())
	if !ok || id.ID == "" {
		return ""
	}
	return id.Issuer + " token " + id.ID
}

// ByGrant is an identity for package httpcache: the issuer, the subject, and what they were granted,
// which are scopes, roles and [Identity.Custom]. So it stays the same when a token is refreshed, and
// changes with the roles. Answers to it must not depend on the session or the token. It is empty if
// [IdentityFrom] finds no identity. T must be the verifier's.
func ByGrant[T any](r *http.Request) string {
	id, ok := IdentityFrom[T](r.Context())
	if !ok || id.Subject == "" {
		return ""
	}
	grant, err := json.Marshal([]any{id.Issuer, id.Subject, id.ClientID, id.Scopes, id.Roles, id.Custom})
	if err != nil {
		return "" // T does not say what it holds
	}
	return string(grant)
}
