// Package jwk holds the keys that sign and verify tokens (RFC 7517, 7518, 7638, 8037).
//
// Each key has exactly one algorithm. The algorithm in the header of a token is compared with it
// and never obeyed. Public keys and HMAC secrets are different types and never share a [Set].
//
// Most programs need [OpenFile] (for a service that issues and verifies tokens), [Discover] (for one
// that only verifies an issuer's tokens) or [ParseSet] (for one that has the keys). The rest is for
// programs that bring their own keys.
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
	// ErrUnknownKey says that the source was reached and has no key with that ID.
	ErrUnknownKey = errors.New("jwk: unknown key")
	// ErrUnavailable says that the source could not be reached, so nothing is known about the key.
	ErrUnavailable = errors.New("jwk: keys unavailable")
	// ErrWeakKey says that the key is too short or known to be unsafe for another reason.
	ErrWeakKey = errors.New("jwk: weak key")
	// ErrInvalidKey says that the data is not a key that this package accepts.
	ErrInvalidKey = errors.New("jwk: invalid key")
)

// Key verifies the signatures of exactly one algorithm. It is immutable. Only [*PublicKey],
// [*PrivateKey] and [*SecretKey] implement it.
type Key interface {
	// ID returns the key's "kid".
	ID() string
	// Algorithm returns the one algorithm that the key is for.
	Algorithm() Algorithm
	// Verify reports whether signature is this key's signature over message.
	Verify(message, signature []byte) bool

	sealed()
}

// SigningKey is a [Key] that also signs: [*PrivateKey] or [*SecretKey].
type SigningKey interface {
	Key
	// Sign returns the JWS signature over message (RFC 7518 §3).
	Sign(message []byte) ([]byte, error)
}

// Source finds the key that a token names. [*Set] and every [Ring] are sources.
type Source interface {
	// Key returns the key with that ID. It is called for every verification, so it must be cheap
	// and safe for concurrent use. While a key stays in the source, the same value is returned for
	// its ID. Errors wrap [ErrUnknownKey] or [ErrUnavailable].
	Key(ctx context.Context, id string) (Key, error)
}

// Ring holds the keys of an issuer: one key to sign with, the keys to verify with, the keys to
// publish, and a secret for data that is authenticated but not signed.
type Ring interface {
	Source
	// SigningKey returns the active key.
	SigningKey(ctx context.Context) (SigningKey, error)
	// Published returns the public keys that verifiers may need now. A ring of HMAC secrets returns
	// an empty set.
	Published(ctx context.Context) (*Set, error)
	// Secret derives 32 bytes for one purpose from the ring's own secret (HKDF, RFC 5869), which is
	// independent of every signing key.
	Secret(purpose string) [32]byte
}
