package jwk

import (
	"bytes"
	"crypto/hmac"
	"crypto/sha256"
	"crypto/sha512"
	"fmt"
	"hash"
	"sync"
)

// macSizes holds the hash sizes of the HMAC algorithms, which are also the minimum lengths of their
// secrets (RFC 7518 §3.2).
var macSizes = map[Algorithm]int{HS256: sha256.Size, HS384: sha512.Size384, HS512: sha512.Size}

// mac computes HMACs with one key. It keeps the states in which the key has already been hashed, so
// that a token only costs the hashing of its own bytes.
type mac struct {
	secret hidden
	states sync.Pool // of *macState
}

// macState includes room for the result, which would be allocated if the caller provided it.
type macState struct {
	hash hash.Hash
	sum  [maxDigest]byte
}

func newMAC(alg Algorithm, secret []byte) (*mac, error) {
	size, ok := macSizes[alg]
	switch {
	case !ok:
		return nil, fmt.Errorf("%w: %q is not an HMAC algorithm", ErrInvalidKey, alg)
	case bytes.Contains(secret, []byte("-----BEGIN")):
		return nil, fmt.Errorf("%w: a PEM text is not an HMAC secret", ErrInvalidKey)
	case len(secret) < size:
		return nil, fmt.Errorf("%w: an %s secret has at least %d bytes", ErrWeakKey, alg, size)
	case repeats(secret):
		return nil, fmt.Errorf("%w: the secret repeats itself", ErrWeakKey)
	case isPublished(secret):
		return nil, fmt.Errorf(
			"%w: the secret is on a published list; use openssl rand -base64 48, or GenerateSecret",
			ErrWeakKey,
		)
	}
	m := &mac{secret: hide(bytes.Clone(secret))}
	newHash := map[Algorithm]func() hash.Hash{HS256: sha256.New, HS384: sha512.New384, HS512: sha512.New}[alg]
	m.states.New = func() any { return &macState{hash: hmac.New(newHash, m.secret())} }
	return m, nil
}

// repeats reports whether b repeats its beginning for its last eight bytes or more, which random
// bytes never do.
func repeats(b []byte) bool {
	// borders holds the length of the longest border of each prefix: a proper suffix that is also a
	// prefix. Comparing directly would take quadratic time, and remote sets control the length.
	borders := make([]int, len(b))
	border := 0
	for i := 1; i < len(b); i++ {
		for border > 0 && b[i] != b[border] {
			border = borders[border-1]
		}
		if b[i] == b[border] {
			border++
		}
		borders[i] = border
	}
	return border >= 8
}

// compute appends the HMAC of a message to room.
func (s *macState) compute(room, message []byte) []byte {
	s.hash.Reset()
	s.hash.Write(message)
	return s.hash.Sum(room)
}

func (m *mac) sign(message []byte) []byte {
	s := m.states.Get().(*macState)
	sum := s.compute(nil, message)
	m.states.Put(s)
	return sum
}

func (m *mac) verify(message, signature []byte) bool {
	s := m.states.Get().(*macState)
	holds := hmac.Equal(s.compute(s.sum[:0], message), signature)
	m.states.Put(s)
	return holds
}
