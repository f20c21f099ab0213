package flaskjwtextended

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"unicode/utf16"
)

// Kind says which of the original's loaders answers a failure.
type Kind string

// The kinds.
const (
	Unauthorized        Kind = "unauthorized"              // no token, or no valid CSRF value
	InvalidToken        Kind = "invalid_token"             // not a token that this route accepts
	ExpiredToken        Kind = "expired_token"             //
	FreshTokenNeeded    Kind = "needs_fresh_token"         //
	RevokedToken        Kind = "revoked_token"             //
	ClaimsNotVerified   Kind = "token_verification_failed" // VerifyClaims returned false
	UserNotFound        Kind = "user_lookup_error"         // Lookup found no user
	InternalServerError Kind = "internal"                  // a function of Config failed
)

// Failure says why a request is refused.
type Failure struct {
	Kind    Kind
	Message string // the original's words
	Status  int    // the original's HTTP status

	absent bool // there is no token at all, which an optional route accepts
}

func absent(message string) *Failure {
	return &Failure{Kind: Unauthorized, Message: message, Status: http.StatusUnauthorized, absent: true}
}

func unauthorized(message string) *Failure {
	return &Failure{Kind: Unauthorized, Message: message, Status: http.StatusUnauthorized}
}

func invalid(message string) *Failure {
	return &Failure{Kind: InvalidToken, Message: message, Status: http.StatusUnprocessableEntity}
}

func userNotFound(subject string) *Failure {
	return &Failure{Kind: UserNotFound, Message: "Error loading the user " + subject, Status: http.StatusUnauthorized}
}

var (
	expiredToken     = &Failure{Kind: ExpiredToken, Message: "Token has expired", Status: http.StatusUnauthorized}
	freshTokenNeeded = &Failure{
		Kind:    FreshTokenNeeded,
		Message: "Fresh token required",
		Status:  http.StatusUnauthorized,
	}
	revokedToken = &Failure{
		Kind:    RevokedToken,
		Message: "Token has been revoked",
		Status:  http.StatusUnauthorized,
	}
	claimsNotVerified = &Failure{
		Kind:    ClaimsNotVerified,
		Message: "User claims verification failed",
		Status:  http.StatusBadRequest,
	}
	internal = &Failure{
		Kind:    InternalServerError,
		Message: "Internal Server Error",
		Status:  http.StatusInternalServerError,
	}
)

// write is the default of Config.Answer.
func (a *Auth[U]) write(w http.ResponseWriter, _ *http.Request, f Failure) {
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(f.Status)
	_, _ = w.Write(jsonify(map[string]string{a.c.MessageKey: f.Message}))
}

// jsonify writes JSON like Flask's function of that name outside of debug mode: one line, in ASCII.
func jsonify(members map[string]string) []byte {
	var text, ascii bytes.Buffer
	encoder := json.NewEncoder(&text)
	encoder.SetEscapeHTML(false)
	_ = encoder.Encode(members) // strings can always be encoded
	for _, r := range text.String() {
		switch {
		case r < 0x80:
			ascii.WriteByte(byte(r))
		case r < 0x10000:
			fmt.Fprintf(&ascii, `\u%04x`, r)
		default:
			high, low := utf16.EncodeRune(r)
			fmt.Fprintf(&ascii, `\u%04x\u%04x`, high, low)
		}
	}
	return ascii.Bytes()
}
