package hallpass

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"time"
)

// Profile is how tokens and refusals look on the wire.
type Profile interface {
	// WriteError writes a refusal, with its status and its challenge.
	WriteError(w http.ResponseWriter, r *http.Request, e *Error)
	// WriteTokens writes the answer to a login or a refresh. It must not be cached (RFC 6749 §5.1).
	WriteTokens(w http.ResponseWriter, r *http.Request, t Tokens)
}

// RequestIDHeader is a response field. If the handler has set it, a problem document repeats its
// value as request_id.
const RequestIDHeader = "X-Request-Id"

// Problem is the default [Profile]: problem documents (RFC 9457), bearer challenges (RFC 6750, RFC
// 9470) and RFC 6749 §5.1 tokens.
type Problem struct {
	// Realm names the protected space in challenges. Defaults to "api".
	Realm string
}

type problemDocument struct {
	Type      string       `json:"type"`
	Title     string       `json:"title"`
	Status    int          `json:"status"`
	Code      string       `json:"code"`
	Detail    string       `json:"detail"`
	RequestID string       `json:"request_id,omitempty"`
	Errors    []FieldError `json:"errors,omitempty"`
}

// WriteError implements [Profile].
func (p Problem) WriteError(w http.ResponseWriter, _ *http.Request, e *Error) {
	h := w.Header()
	if challenge := p.challenge(e); challenge != "" {
		h.Set("WWW-Authenticate", challenge)
	}
	if e.RetryAfter > 0 {
		h.Set("Retry-After", seconds(e.RetryAfter))
	}
	if e.Limit != nil {
		e.Limit.SetFields(h)
	}
	writeJSON(w, e.Status, "application/problem+json", problemDocument{
		Type: "about:blank", Title: http.StatusText(e.Status), Status: e.Status, Code: e.Code, Detail: e.Detail,
		RequestID: h.Get(RequestIDHeader), Errors: e.Fields,
	})
}

// challenge returns the WWW-Authenticate field of a 401, or of a 403 that another token would
// avoid.
func (p Problem) challenge(e *Error) string {
	bearer := fmt.Sprintf("Bearer realm=%q", defaultTo(p.Realm, "api"))
	withError := func(code string) string {
		return fmt.Sprintf("%s, error=%q, error_description=%q", bearer, code, e.Detail)
	}
	switch e.Code {
	case ErrTokenInvalid.Code, ErrTokenExpired.Code, ErrTokenRevoked.Code:
		return withError("invalid_token")
	case ErrFreshTokenRequired.Code:
		return fmt.Sprintf("%s, max_age=%q", withError("insufficient_user_authentication"), seconds(e.MaxAge))
	case ErrInsufficientScope.Code:
		return fmt.Sprintf("%s, scope=%q", withError("insufficient_scope"), strings.Join(e.Scopes, " "))
	case ErrInsufficientRole.Code, ErrNotOwner.Code:
		return withError("insufficient_scope")
	}
	if e.Status == http.StatusUnauthorized {
		return bearer
	}
	return ""
}

type tokensDocument struct {
	AccessToken      string `json:"access_token"`
	TokenType        string `json:"token_type"`
	ExpiresIn        int64  `json:"expires_in"`
	RefreshToken     string `json:"refresh_token,omitempty"`
	RefreshExpiresIn int64  `json:"refresh_expires_in"`
	Scope            string `json:"scope"`
	SessionID        string `json:"session_id"`
}

// WriteTokens implements [Profile].
func (Problem) WriteTokens(w http.ResponseWriter, _ *http.Request, t Tokens) {
	writeJSON(w, http.StatusOK, "application/json", t)
}

// MarshalJSON returns the tokens in the form of RFC 6749 §5.1, with the session's ID.
func (t Tokens) MarshalJSON() ([]byte, error) {
	return json.Marshal(tokensDocument{
		AccessToken: t.AccessToken, TokenType: "Bearer", ExpiresIn: int64(t.ExpiresIn / time.Second),
		RefreshToken: t.RefreshToken, RefreshExpiresIn: int64(t.RefreshExpiresIn / time.Second),
		Scope: strings.Join(t.Scopes, " "), SessionID: t.SessionID,
	})
}

// seconds writes d in whole seconds, rounded up: a client that waits that long is not too early.
func seconds(d time.Duration) string {
	return fmt.Sprint(int64((d + time.Second - 1) / time.Second))
}

// writeJSON writes a body that must not be stored: tokens and refusals.
func writeJSON(w http.ResponseWriter, status int, contentType string, body any) {
	text, _, err := encode(body)
	if err != nil {
		status, text = http.StatusInternalServerError, nil // no document of this package can fail
	}
	w.Header()["Cache-Control"] = noStore
	writeBody(w, status, contentType, text)
}
