package jwk

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
)

const maxSetKeys = 256

var errNilKey = fmt.Errorf("%w: a key is nil", ErrInvalidKey)

// Set is a fixed set of verification keys: either public keys or HMAC secrets, never both. It is a
// [Source].
type Set struct {
	keys    []Key
	byID    map[string]Key
	secrets bool
	skipped []Skipped
	single  bool   // the only key is what no ID means
	url     string // where it was fetched; empty if it was not
}

// NewSet returns the set of the public keys. It fails if two keys have the same ID.
func NewSet(keys ...*PublicKey) (*Set, error) {
	all := make([]Key, len(keys))
	for i, k := range keys {
		if k == nil {
			return nil, errNilKey
		}
		all[i] = k
	}
	return newSet(all, false, nil)
}

// NewSecretSet returns the set of the HMAC secrets. It fails if two keys have the same ID.
func NewSecretSet(keys ...*SecretKey) (*Set, error) {
	all := make([]Key, len(keys))
	for i, k := range keys {
		if k == nil {
			return nil, errNilKey
		}
		all[i] = k
	}
	return newSet(all, true, nil)
}

func newSet(keys []Key, secrets bool, skipped []Skipped) (*Set, error) {
	s := &Set{keys: keys, byID: make(map[string]Key, len(keys)), secrets: secrets, skipped: skipped}
	for _, k := range keys {
		if s.byID[k.ID()] != nil {
			return nil, fmt.Errorf("%w: two keys have the kid %q", ErrInvalidKey, k.ID())
		}
		s.byID[k.ID()] = k
	}
	s.single = len(keys) == 1 && !slices.ContainsFunc(skipped, func(k Skipped) bool {
		return !errors.As(k.Err, new(otherPurpose))
	})
	return s, nil
}

// Key implements [Source]. An empty ID, for issuers whose tokens have no "kid", means the only key:
// the set must have exactly one, and none may have been skipped that the issuer might sign with. A
// skipped key counts unless its "use" or "key_ops" say that it is for something else, or
// [SetOptions] excludes its algorithm or its issuer.
func (s *Set) Key(_ context.Context, id string) (Key, error) {
	if k := s.find(id); k != nil {
		return k, nil
	}
	return nil, s.unknown(id)
}

// find returns the key that an ID means, or nil.
func (s *Set) find(id string) Key {
	if id == "" && s.single {
		return s.keys[0]
	}
	return s.byID[id]
}

// unknown returns the error for an ID that has no key, with the reason if the key was skipped.
func (s *Set) unknown(id string) error {
	if id == "" {
		return fmt.Errorf(
			"%w: without a kid it must be the only one, and the set has %d and %d that were skipped",
			ErrUnknownKey, len(s.keys), len(s.skipped),
		)
	}
	for _, k := range s.skipped {
		if k.KeyID == id {
			at := ""
			if s.url != "" {
				at = " at " + s.url
			}
			return fmt.Errorf("%w: the set%s has %q, but %v", ErrUnknownKey, at, id, k.Err)
		}
	}
	return ErrUnknownKey
}

// Skipped returns the keys that were left out when the set was read, and why.
func (s *Set) Skipped() []Skipped { return append([]Skipped(nil), s.skipped...) }

// Keys returns the keys in their order. The caller may modify the slice.
func (s *Set) Keys() []Key { return append([]Key(nil), s.keys...) }

// MarshalJSON returns a JWK set with the public members only (RFC 7517 §5). It fails for a set of
// secrets, since no part of them is public.
func (s *Set) MarshalJSON() ([]byte, error) {
	if s.secrets && len(s.keys) > 0 {
		return nil, errors.New("jwk: a set of secrets cannot be published")
	}
	return json.Marshal(struct {
		Keys []Key `json:"keys"`
	}{append([]Key{}, s.keys...)})
}
