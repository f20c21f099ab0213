package jwk

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
)

const maxSetKeys = 256

var errNilKey = fmt.Errorf("%w: a key is nil", ErrInvalidKey)

// Set is a fixed set of keys to verify with: public ones, or HMAC secrets, never both. It is a
// [Source].
type Set struct {
	keys    []Key
	byID    map[string]Key
	secrets bool
	skipped []Skipped
}

// NewSet returns the set of public keys. Two keys of one ID are an error.
func NewSet(keys ...*PublicKey) (*Set, error) {
	all := make([]Key, len(keys))
	for i, k := range keys {
		if k == nil {
			return nil, errNilKey
		}
		all[i] = k
	}
	return newSet(all, false)
}

// NewSecretSet returns the set of HMAC secrets. Two keys of one ID are an error.
func NewSecretSet(keys ...*SecretKey) (*Set, error) {
	all := make([]Key, len(keys))
	for i, k := range keys {
		if k == nil {
			return nil, errNilKey
		}
		all[i] = k
	}
	return newSet(all, true)
}

func newSet(keys []Key, secrets bool) (*Set, error) {
	s := &Set{keys: keys, byID: make(map[string]Key, len(keys)), secrets: secrets}
	for _, k := range keys {
		if s.byID[k.ID()] != nil {
			return nil, fmt.Errorf("%w: two keys have the kid %q", ErrInvalidKey, k.ID())
		}
		s.byID[k.ID()] = k
	}
	return s, nil
}

// Key implements [Source].
func (s *Set) Key(_ context.Context, id string) (Key, error) {
	if k := s.byID[id]; k != nil {
		return k, nil
	}
	return nil, s.unknown(id)
}

// unknown returns why there is no key of that ID.
func (s *Set) unknown(id string) error {
	for _, k := range s.skipped {
		if k.KeyID == id && id != "" {
			return fmt.Errorf("%w: the set has %q, but %v", ErrUnknownKey, id, k.Err)
		}
	}
	return ErrUnknownKey
}

// Skipped returns the keys of the set that was read that are not used, and why.
func (s *Set) Skipped() []Skipped { return append([]Skipped(nil), s.skipped...) }

// Keys returns the keys in their order. The slice is the caller's.
func (s *Set) Keys() []Key { return append([]Key(nil), s.keys...) }

// MarshalJSON writes a JWK set of public members (RFC 7517 §5). Secrets are refused: nothing of
// them is public.
func (s *Set) MarshalJSON() ([]byte, error) {
	if s.secrets && len(s.keys) > 0 {
		return nil, errors.New("jwk: a set of secrets cannot be published")
	}
	return json.Marshal(struct {
		Keys []Key `json:"keys"`
	}{append([]Key{}, s.keys...)})
}
