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

// macSizes are the hash sizes of the HMAC algorithms, which are also the least lengths of their secrets (RFC 7518 §3.2).
var macSizes = map[Algorithm]int{HS256: sha256.Size, HS384: sha512.Size384, HS512: sha512.Size}

// mac computes one key's HMACs. The state after the key has been hashed in is kept, so that a token costs its own bytes only.
type mac struct {
	secret bytes64
	states sync.Pool // of hash.Hash, ready for a message
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
	}
	m := &mac{secret: bytes.Clone(secret)}
	newHash := map[Algorithm]func() hash.Hash{HS256: sha256.New, HS384: sha512.New384, HS512: sha512.New}[alg]
	m.states.New = func() any { return hmac.New(newHash, m.secret) }
	return m, nil
}

// repeats reports whether b is a run of at most half its length over and over: no generator makes that.
func repeats(b []byte) bool {
	for period := 1; period <= len(b)/2; period++ {
		if bytes.Equal(b[period:], b[:len(b)-period]) {
			return true
		}
	}
	return false
}

func (m *mac) sum(dst, message []byte) []byte {
	h := m.states.Get().(hash.Hash)
	h.Reset()
	h.Write(message)
	dst = h.Sum(dst)
	m.states.Put(h)
	return dst
}

func (m *mac) sign(message []byte) []byte { return m.sum(nil, message) }

func (m *mac) verify(message, signature []byte) bool {
	var buffer [sha512.Size]byte
	return hmac.Equal(m.sum(buffer[:0], message), signature)
}
