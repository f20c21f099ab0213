package keyring

import (
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"

	"github.com/hallpass-go/hallpass/jwk"
	"golang.org/x/crypto/chacha20poly1305"
)

// Keys are sealed with XChaCha20-Poly1305, whose nonces are long enough to be random, under a key
// derived from the secret in the data folder. The seal covers the key's ID and algorithm, so rows
// cannot be swapped. Each use of the secret derives its own bytes with HKDF-SHA-256 (RFC 5869) and
// a label. No label is a prefix of another.
const (
	labelSeal        = "hallpass keyring/seal/1"
	labelFingerprint = "hallpass keyring/fingerprint/1"
	labelPurpose     = "hallpass keyring/purpose/1/"
)

var errSeal = errors.New("the seal is broken")

// sealer encrypts keys under one secret.
type sealer struct {
	aead        cipher.AEAD
	fingerprint string // identifies the secret without revealing anything about it
}

func newSealer(secret []byte) (*sealer, error) {
	key := derive(secret, labelSeal)
	defer clear(key[:])
	aead, err := chacha20poly1305.NewX(key[:])
	if err != nil {
		return nil, err
	}
	fingerprint := derive(secret, labelFingerprint)
	return &sealer{aead: aead, fingerprint: hex.EncodeToString(fingerprint[:8])}, nil
}

func (s *sealer) seal(id string, algorithm jwk.Algorithm, plain []byte) []byte {
	nonce := make([]byte, chacha20poly1305.NonceSizeX, chacha20poly1305.NonceSizeX+len(plain)+chacha20poly1305.Overhead)
	rand.Read(nonce) // never fails: crypto/rand ends the program instead
	return s.aead.Seal(nonce, nonce, plain, sealContext(id, algorithm))
}

func (s *sealer) open(id string, algorithm jwk.Algorithm, sealed []byte) ([]byte, error) {
	if len(sealed) < chacha20poly1305.NonceSizeX {
		return nil, errSeal
	}
	nonce, box := sealed[:chacha20poly1305.NonceSizeX], sealed[chacha20poly1305.NonceSizeX:]
	plain, err := s.aead.Open(nil, nonce, box, sealContext(id, algorithm))
	if err != nil {
		return nil, errSeal
	}
	return plain, nil
}

// sealContext returns the data that the seal covers in addition to the key. Without the length, the
// end of an ID could be read as the start of the algorithm.
func sealContext(id string, algorithm jwk.Algorithm) []byte {
	return fmt.Appendf(nil, "%d:%s%s", len(id), id, algorithm)
}

// derive returns 32 bytes for the use that label names.
func derive(secret []byte, label string) (out [32]byte) {
	b, err := hkdf.Key(sha256.New, secret, nil, label, len(out))
	if err != nil {
		panic("keyring: " + err.Error()) // only for a length over 8,160 bytes, or FIPS mode and a secret under 14
	}
	copy(out[:], b)
	return out
}
