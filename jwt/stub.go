package jwt

import (
	"context"
	"errors"
	"time"

	"github.com/hallpass-go/hallpass/jwk"
)

// The signatures that other packages build on. The owner of this package replaces this file.

// What is wrong with a token: the sentinels that errors of Verify wrap.
var (
	ErrMalformed   = errors.New("jwt: malformed token")
	ErrSignature   = errors.New("jwt: signature does not verify")
	ErrKey         = errors.New("jwt: no such key")
	ErrAlgorithm   = errors.New("jwt: algorithm is not the key's")
	ErrType        = errors.New("jwt: wrong type of token")
	ErrClaims      = errors.New("jwt: claims missing or of the wrong type")
	ErrExpired     = errors.New("jwt: expired")
	ErrNotYetValid = errors.New("jwt: not valid yet")
	ErrIssuer      = errors.New("jwt: wrong issuer")
	ErrAudience    = errors.New("jwt: wrong audience")
)

// Config says what a Verifier expects of a token.
type Config struct {
	Issuer      string        // required, compared exactly
	Audience    string        // required, must be among the token's
	Keys        jwk.Source    // required
	Type        string        // Defaults to TypeAccess. "application/" before it is accepted too (RFC 9068 §4).
	Leeway      time.Duration // for exp, nbf and iat. Defaults to none.
	MaxLifetime time.Duration // exp - iat at most. Defaults to 24 h.
}

type Verifier struct{}

func NewVerifier(c Config) (*Verifier, error) { panic("stub") }

// Verify checks everything and returns the claims. custom, when not nil, is a pointer to the
// caller's own struct, decoded strictly by exact name. Nothing is returned or written unless all held.
// Errors wrap one of the sentinels, or jwk.ErrUnavailable; they never hold the token's text.
func (v *Verifier) Verify(ctx context.Context, token string, now time.Time, custom any) (Claims, error) {
	panic("stub")
}

// Sign returns the token in compact form. The members of custom (a struct, or nil) are added to the claims; one that is
// a registered claim's name is an error.
func Sign(key jwk.SigningKey, typ string, c Claims, custom any) (string, error) { panic("stub") }
