// Package jwk holds the keys that sign and verify tokens (RFC 7517, 7518, 7638, 8037).
//
// A key carries its one algorithm: the header of a token is compared with it and never
// obeyed. Public keys and HMAC secrets are different types and never share a [Set].
//
// Most programs need [OpenFile] (a service that issues and verifies) or [ParseSet] (one that
// only verifies); the rest is for those who bring keys of their own.
package jwk

import (
	"context"
	"errors"
)

// Algorithm is a JWS algorithm name as registered by RFC 7518 §3.1 and RFC 8037 §3.1.
type Algorithm string

// The algorithms that a key can have.
const (
	HS256 Algorithm = "HS256"
	HS384 Algorithm = "HS384"
	HS512 Algorithm = "HS512"
	RS256 Algorithm = "RS256"
	RS384 Algorithm = "RS384"
	RS512 Algorithm = "RS512"
	PS256 Algorithm = "PS256"
	PS384 Algorithm = "PS384"
	PS512 Algorithm = "PS512"
	ES256 Algorithm = "ES256"
	ES384 Algorithm = "ES384"
	ES512 Algorithm = "ES512"
	EdDSA Algorithm = "EdDSA"
	// Ed25519 is EdDSA by the name of RFC 9864.
	Ed25519 Algorithm = "Ed25519"
)

// Errors that callers branch on.
var (
	// ErrUnknownKey says that the source is sound and holds no key of that ID.
	ErrUnknownKey = errors.New("jwk: unknown key")
	// ErrUnavailable says that the source could not be asked, so nothing is known of the key.
	ErrUnavailable = errors.New("jwk: keys unavailable")
	// ErrWeakKey says that the key is too short or otherwise known to be unsafe.
	ErrWeakKey = errors.New("jwk: weak key")
	// ErrInvalidKey says that the text or bytes are not a key that this package takes.
	ErrInvalidKey = errors.New("jwk: invalid key")
)

// Key verifies the signatures of exactly one algorithm. It is implemented by [*PublicKey],
// [*PrivateKey] and [*SecretKey] only, and immutable.
type Key interface {
	// ID is the key's "kid".
	ID() string
	// Algorithm is the one algorithm that the key is for.
	Algorithm() Algorithm
	// Verify reports whether signature is the key's over message.
	Verify(message, signature []byte) bool

	sealed()
}

// SigningKey is a [Key] that also signs: [*PrivateKey] or [*SecretKey].
type SigningKey interface {
	Key
	// Sign returns the JWS signature over message (RFC 7518 §3).
	Sign(message []byte) ([]byte, error)
}

// Source finds the key that a token names. [*Set] is one; so is every [Ring].
type Source interface {
	// Key returns the key with that ID. It is called for each verification and must be cheap and
	// safe for concurrent use. As long as a key stays in the source the same value is returned for
	// its ID. Errors wrap [ErrUnknownKey] or [ErrUnavailable].
	Key(ctx context.Context, id string) (Key, error)
}

// Ring is what an issuer needs of its keys: one to sign with, those to verify with, those to
// publish, and a secret for what is authenticated but not signed.
type Ring interface {
	Source
	// SigningKey returns the active key.
	SigningKey(ctx context.Context) (SigningKey, error)
	// Published returns the public keys that verifiers may need now. A ring of HMAC secrets returns
	// an empty set.
	Published(ctx context.Context) (*Set, error)
	// Secret derives 32 bytes for one purpose from the ring's own secret (HKDF, RFC 5869), apart
	// from every signing key.
	Secret(purpose string) [32]byte
}
