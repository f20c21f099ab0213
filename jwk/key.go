package jwk

import (
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"unicode"
)

// family implements one kind of key: HMAC, RSA, ECDSA or EdDSA. The table of algorithms assigns one
// to each algorithm.
type family interface {
	generate() (private, error) // asymmetric families
	parsePublic(document) (public, error)
	parsePrivate(document) (private, error)
	accepts(key any) (public, private, error) // a key of the standard library, from PEM
}

// public is the public half of an asymmetric key. It verifies.
type public interface {
	verify(message, signature []byte) bool
	describe(*document)      // fills in the public members
	thumbprintInput() string // RFC 7638 §3.2
}

// private is the private half of an asymmetric key. It signs.
type private interface {
	public() public
	sign(message []byte) ([]byte, error)
	reveal(*document) // fills in the private members
}

// PublicKey is the public half of an asymmetric key.
type PublicKey struct {
	id        string
	algorithm Algorithm
	public
}

// PrivateKey is an asymmetric key that signs. Only [PrivateKey.MarshalPrivate] reveals its private
// half.
type PrivateKey struct {
	verifying *PublicKey
	private   private
}

// SecretKey is an HMAC secret, which signs and verifies. Only [SecretKey.MarshalPrivate] reveals
// it.
type SecretKey struct {
	id        string
	algorithm Algorithm
	mac       *mac
}

// hidden returns private bytes. If a key is copied into an unexported field, fmt prints all data
// that it can reach and calls no method that could prevent this. But it does not look into
// functions.
type hidden func() []byte

func hide(b []byte) hidden { return func() []byte { return b } }

// Generate returns a new asymmetric key whose ID is its thumbprint. RSA keys have 3072 bits.
func Generate(alg Algorithm) (*PrivateKey, error) {
	f, ok := asymmetric[alg]
	if !ok {
		return nil, fmt.Errorf("%w: %q is not an asymmetric algorithm", ErrInvalidKey, alg)
	}
	p, err := f.generate()
	if err != nil {
		return nil, fmt.Errorf("generating %s key: %w", alg, err)
	}
	return newPrivateKey("", alg, p), nil
}

// GenerateSecret returns a new HMAC secret that is as long as the hash, with a random ID.
func GenerateSecret(alg Algorithm) (*SecretKey, error) {
	size, ok := macSizes[alg]
	if !ok {
		return nil, fmt.Errorf("%w: %q is not an HMAC algorithm", ErrInvalidKey, alg)
	}
	secret := make([]byte, size)
	rand.Read(secret)
	return NewSecret(alg, rand.Text(), secret)
}

// NewSecret returns an HMAC key. The secret must be random and at least as long as the algorithm's
// hash, or the error is [ErrWeakKey]. A password or a PEM text is not a secret. The ID must not be
// empty or derived from the secret.
func NewSecret(alg Algorithm, id string, secret []byte) (*SecretKey, error) {
	if err := checkID(id); err != nil {
		return nil, err
	}
	m, err := newMAC(alg, secret)
	if err != nil {
		return nil, err
	}
	return &SecretKey{id: id, algorithm: alg, mac: m}, nil
}

func newPublicKey(id string, alg Algorithm, p public) *PublicKey {
	k := &PublicKey{id: id, algorithm: alg, public: p}
	if id == "" {
		k.id = k.Thumbprint()
	}
	return k
}

func newPrivateKey(id string, alg Algorithm, p private) *PrivateKey {
	return &PrivateKey{verifying: newPublicKey(id, alg, p.public()), private: p}
}

// checkID refuses IDs that are not fit to be a "kid". IDs are compared, logged and sent, but never
// interpreted.
func checkID(id string) error {
	if id == "" || len(id) > 256 {
		return fmt.Errorf("%w: a kid has 1 to 256 bytes", ErrInvalidKey)
	}
	for _, c := range id {
		if unicode.IsControl(c) || c == '\uFFFD' {
			return fmt.Errorf("%w: a kid holds no control characters", ErrInvalidKey)
		}
	}
	return nil
}

// ID implements [Key].
func (k *PublicKey) ID() string { return k.id }

// Algorithm implements [Key].
func (k *PublicKey) Algorithm() Algorithm { return k.algorithm }

// Verify implements [Key]. It never panics, whatever the signature holds.
func (k *PublicKey) Verify(message, signature []byte) bool { return k.verify(message, signature) }

func (k *PublicKey) sealed() {}

// ID implements [Key].
func (k *PrivateKey) ID() string { return k.verifying.id }

// Algorithm implements [Key].
func (k *PrivateKey) Algorithm() Algorithm { return k.verifying.algorithm }

// Verify implements [Key].
func (k *PrivateKey) Verify(message, signature []byte) bool {
	return k.verifying.Verify(message, signature)
}

// Sign implements [SigningKey].
func (k *PrivateKey) Sign(message []byte) ([]byte, error) { return k.private.sign(message) }

// Public returns the public half.
func (k *PrivateKey) Public() *PublicKey { return k.verifying }

// MarshalPrivate returns the whole key as a JWK, including the private half. Encrypt it, or keep it
// in a file of mode 0600.
func (k *PrivateKey) MarshalPrivate() ([]byte, error) {
	d := document{KeyID: filled(k.ID()), Algorithm: filled(k.Algorithm()), Use: "sig"}
	k.private.public().describe(&d)
	k.private.reveal(&d)
	return json.Marshal(d)
}

func (k *PrivateKey) sealed() {}

// ID implements [Key].
func (k *SecretKey) ID() string { return k.id }

// Algorithm implements [Key].
func (k *SecretKey) Algorithm() Algorithm { return k.algorithm }

// Verify implements [Key]. It compares in constant time.
func (k *SecretKey) Verify(message, signature []byte) bool { return k.mac.verify(message, signature) }

// Sign implements [SigningKey].
func (k *SecretKey) Sign(message []byte) ([]byte, error) { return k.mac.sign(message), nil }

// MarshalPrivate returns the secret as a JWK. Encrypt it, or keep it in a file of mode 0600.
func (k *SecretKey) MarshalPrivate() ([]byte, error) {
	return json.Marshal(
		document{Type: "oct", KeyID: filled(k.id), Algorithm: filled(k.algorithm), Use: "sig", K: k.mac.secret()},
	)
}

func (k *SecretKey) sealed() {}

var errPrivate = errors.New("jwk: a private key is written by MarshalPrivate alone")

// The methods below have value receivers, so that a copy of a key protects its secrets too.

// MarshalJSON returns the key as a JWK (RFC 7517 §4), with "use":"sig".
func (k PublicKey) MarshalJSON() ([]byte, error) {
	d := document{KeyID: filled(k.id), Algorithm: filled(k.algorithm), Use: "sig"}
	k.describe(&d)
	return json.Marshal(d)
}

// MarshalJSON fails, so that no private key is published by mistake.
func (k PrivateKey) MarshalJSON() ([]byte, error) { return nil, errPrivate }

// MarshalJSON fails, so that no secret is published by mistake.
func (k SecretKey) MarshalJSON() ([]byte, error) { return nil, errPrivate }

// Format implements [fmt.Formatter]. It prints the key's algorithm and ID for every verb.
func (k PublicKey) Format(f fmt.State, _ rune) {
	fmt.Fprintf(f, "%s public key %q", k.algorithm, k.id)
}

// Format implements [fmt.Formatter]. It prints the key's algorithm and ID for every verb.
func (k PrivateKey) Format(f fmt.State, _ rune) {
	fmt.Fprintf(f, "%s private key %q", k.verifying.algorithm, k.verifying.id)
}

// Format implements [fmt.Formatter]. It prints the key's algorithm and ID for every verb.
func (k SecretKey) Format(f fmt.State, _ rune) {
	fmt.Fprintf(f, "%s secret key %q", k.algorithm, k.id)
}

// LogValue implements [slog.LogValuer]. It returns the algorithm and the ID.
func (k PublicKey) LogValue() slog.Value { return slog.StringValue(fmt.Sprint(k)) }

// LogValue implements [slog.LogValuer]. It returns the algorithm and the ID, never the private
// half.
func (k PrivateKey) LogValue() slog.Value { return slog.StringValue(fmt.Sprint(k)) }

// LogValue implements [slog.LogValuer]. It returns the algorithm and the ID, never the secret.
func (k SecretKey) LogValue() slog.Value { return slog.StringValue(fmt.Sprint(k)) }
