package jwk

import (
	"crypto"
	"crypto/elliptic"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"slices"

	"github.com/hallpass-go/hallpass/internal/strictjson"
)

// asymmetric is the table of algorithms with a public half; macSizes is the one of those without.
var asymmetric = map[Algorithm]family{
	RS256: rsaFamily{crypto.SHA256, false},
	RS384: rsaFamily{crypto.SHA384, false},
	RS512: rsaFamily{crypto.SHA512, false},
	PS256: rsaFamily{crypto.SHA256, true},
	PS384: rsaFamily{crypto.SHA384, true},
	PS512: rsaFamily{crypto.SHA512, true},
	ES256: ecdsaFamily{elliptic.P256(), "P-256", crypto.SHA256, 32},
	ES384: ecdsaFamily{elliptic.P384(), "P-384", crypto.SHA384, 48},
	ES512: ecdsaFamily{elliptic.P521(), "P-521", crypto.SHA512, 66},
	EdDSA: eddsaFamily{},
}

// impliedByCurve are the algorithms of keys that could have no other.
var impliedByCurve = map[string]Algorithm{"P-256": ES256, "P-384": ES384, "P-521": ES512, "Ed25519": EdDSA}

// document is a JWK as it is written (RFC 7517 §4, RFC 7518 §6, RFC 8037 §2).
type document struct {
	Type          string    `json:"kty"`
	KeyID         string    `json:"kid,omitempty"`
	Use           string    `json:"use,omitempty"`
	KeyOperations *[]string `json:"key_ops,omitempty"`
	Algorithm     string    `json:"alg,omitempty"`
	Curve         string    `json:"crv,omitempty"`
	X             bytes64   `json:"x,omitempty"`
	Y             bytes64   `json:"y,omitempty"`
	N             bytes64   `json:"n,omitempty"`
	E             bytes64   `json:"e,omitempty"`
	D             bytes64   `json:"d,omitempty"`
	P             bytes64   `json:"p,omitempty"`
	Q             bytes64   `json:"q,omitempty"`
	DP            bytes64   `json:"dp,omitempty"`
	DQ            bytes64   `json:"dq,omitempty"`
	QI            bytes64   `json:"qi,omitempty"`
	K             bytes64   `json:"k,omitempty"`
}

// bytes64 are bytes that are written in base64url, without padding and in one way only.
type bytes64 []byte

// String returns the bytes as they are written.
func (b bytes64) String() string { return base64.RawURLEncoding.EncodeToString(b) }

// MarshalText implements [encoding.TextMarshaler].
func (b bytes64) MarshalText() ([]byte, error) { return []byte(b.String()), nil }

// UnmarshalText implements [encoding.TextUnmarshaler].
func (b *bytes64) UnmarshalText(text []byte) error {
	raw, err := base64.RawURLEncoding.Strict().DecodeString(string(text))
	if err != nil || bytes64(raw).String() != string(text) { // the decoder skips line breaks
		return fmt.Errorf("%w: not base64url", ErrInvalidKey)
	}
	*b = raw
	return nil
}

// ParsePublic reads one public key. A private key gives its public half. The ID of a key without one is its thumbprint.
func ParsePublic(data []byte) (*PublicKey, error) {
	d, err := readDocument(data)
	if err != nil {
		return nil, err
	}
	return d.publicKey()
}

// ParsePrivate reads one asymmetric key with its private half. The ID of a key without one is its thumbprint.
func ParsePrivate(data []byte) (*PrivateKey, error) {
	d, err := readDocument(data)
	if err != nil {
		return nil, err
	}
	alg, err := d.algorithm("sign", "verify")
	if err != nil {
		return nil, err
	}
	f, ok := asymmetric[alg]
	if !ok {
		return nil, fmt.Errorf("%w: %s is not an asymmetric algorithm", ErrInvalidKey, alg)
	}
	p, err := f.parsePrivate(d)
	if err != nil {
		return nil, err
	}
	return newPrivateKey(d.KeyID, alg, p), nil
}

// ParseSecret reads one HMAC secret, which must have a "kid" and an "alg".
func ParseSecret(data []byte) (*SecretKey, error) {
	d, err := readDocument(data)
	if err != nil {
		return nil, err
	}
	return d.secretKey()
}

func readDocument(data []byte) (document, error) {
	var d document
	if err := strictjson.DecodeKnown(string(data), &d); err != nil {
		return document{}, fmt.Errorf("%w: %v", ErrInvalidKey, err)
	}
	return d, d.check()
}

// check refuses what is wrong with a JWK of any type.
func (d document) check() error {
	if d.KeyID != "" {
		if err := checkID(d.KeyID); err != nil {
			return err
		}
	}
	if d.Use != "" && d.Use != "sig" {
		return fmt.Errorf("%w: its use is not sig", ErrInvalidKey)
	}
	if d.KeyOperations != nil {
		operations := slices.Sorted(slices.Values(*d.KeyOperations))
		if len(slices.Compact(operations)) != len(*d.KeyOperations) { // RFC 7517 §4.3
			return fmt.Errorf("%w: key_ops names an operation twice", ErrInvalidKey)
		}
	}
	return nil
}

// algorithm returns the key's one algorithm: "alg", or what its curve implies. A token must never get to decide it.
// key_ops, when it is there, must name one of the operations.
func (d document) algorithm(operations ...string) (Algorithm, error) {
	if d.KeyOperations != nil && !slices.ContainsFunc(operations, func(o string) bool { return slices.Contains(*d.KeyOperations, o) }) {
		return "", fmt.Errorf("%w: its key_ops do not allow this", ErrInvalidKey)
	}
	if d.Algorithm != "" {
		return Algorithm(d.Algorithm), nil
	}
	if alg, ok := impliedByCurve[d.Curve]; ok {
		return alg, nil
	}
	return "", fmt.Errorf("%w: a key of type %q needs an alg", ErrInvalidKey, d.Type)
}

func (d document) publicKey() (*PublicKey, error) {
	alg, err := d.algorithm("verify", "sign")
	if err != nil {
		return nil, err
	}
	f, ok := asymmetric[alg]
	if !ok {
		return nil, fmt.Errorf("%w: %q is not an asymmetric algorithm", ErrInvalidKey, alg)
	}
	p, err := f.parsePublic(d)
	if err != nil {
		return nil, err
	}
	return newPublicKey(d.KeyID, alg, p), nil
}

func (d document) secretKey() (*SecretKey, error) {
	alg, err := d.algorithm("verify", "sign")
	if err != nil {
		return nil, err
	}
	if d.Type != "oct" {
		return nil, fmt.Errorf("%w: kty is not oct", ErrInvalidKey)
	}
	return NewSecret(alg, d.KeyID, d.K)
}

// ParseSet reads a JWK set (RFC 7517 §5). A key that this package does not know or that is unsound is skipped, as that section says. A set that
// mixes secrets with public keys, holds two keys of one ID, or more than 256, is refused.
func ParseSet(data []byte) (*Set, error) {
	var set struct {
		Keys *[]json.RawMessage `json:"keys"`
	}
	if err := strictjson.DecodeKnown(string(data), &set); err != nil {
		return nil, fmt.Errorf("%w: %v", ErrInvalidKey, err)
	}
	if set.Keys == nil || len(*set.Keys) > maxSetKeys {
		return nil, fmt.Errorf("%w: a set has keys, at most %d", ErrInvalidKey, maxSetKeys)
	}
	var keys []Key
	seen := map[string]bool{}
	secrets, publics := false, false
	for _, raw := range *set.Keys {
		var d document
		if err := strictjson.DecodeKnown(string(raw), &d); err != nil {
			continue
		}
		if d.KeyID != "" && seen[d.KeyID] {
			return nil, fmt.Errorf("%w: two keys have the kid %q", ErrInvalidKey, d.KeyID)
		}
		seen[d.KeyID] = true
		secrets, publics = secrets || d.Type == "oct", publics || d.Type != "oct"
		if key, err := d.key(); err == nil {
			keys = append(keys, key)
		}
	}
	if secrets && publics {
		return nil, fmt.Errorf("%w: a set holds secrets or public keys, not both", ErrInvalidKey)
	}
	return newSet(keys, secrets)
}

func (d document) key() (Key, error) {
	if err := d.check(); err != nil {
		return nil, err
	}
	if d.Type == "oct" {
		return d.secretKey()
	}
	return d.publicKey()
}
