package jwk

import (
	"bytes"
	"crypto/ed25519"
	"crypto/rand"
	"fmt"
)

// eddsaFamily is EdDSA with Ed25519 (RFC 8037).
type eddsaFamily struct{}

type eddsaPublic struct{ key ed25519.PublicKey }

type eddsaPrivate struct {
	eddsaPublic
	key ed25519.PrivateKey
}

func (k eddsaPublic) verify(message, signature []byte) bool {
	return len(signature) == ed25519.SignatureSize && ed25519.Verify(k.key, message, signature)
}

func (k eddsaPrivate) public() public { return k.eddsaPublic }

func (k eddsaPrivate) sign(message []byte) ([]byte, error) { return ed25519.Sign(k.key, message), nil }

func newEdDSA(key ed25519.PrivateKey) eddsaPrivate {
	return eddsaPrivate{eddsaPublic{key.Public().(ed25519.PublicKey)}, key}
}

func (eddsaFamily) generate() (private, error) {
	_, key, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		return nil, err
	}
	return newEdDSA(key), nil
}

func (eddsaFamily) accepts(key any) (public, private, error) {
	switch k := key.(type) {
	case ed25519.PublicKey:
		return eddsaPublic{k}, nil, nil
	case ed25519.PrivateKey:
		return nil, newEdDSA(k), nil
	}
	return nil, nil, fmt.Errorf("%w: not an Ed25519 key", ErrInvalidKey)
}

func (eddsaFamily) parsePublic(d document) (public, error) {
	if d.Type != "OKP" || d.Curve != "Ed25519" || len(d.X) != ed25519.PublicKeySize {
		return nil, fmt.Errorf("%w: not an Ed25519 key", ErrInvalidKey)
	}
	return eddsaPublic{ed25519.PublicKey(d.X)}, nil
}

func (f eddsaFamily) parsePrivate(d document) (private, error) {
	if _, err := f.parsePublic(d); err != nil {
		return nil, err
	}
	if len(d.D) != ed25519.SeedSize {
		return nil, fmt.Errorf("%w: d of Ed25519 has %d bytes", ErrInvalidKey, ed25519.SeedSize)
	}
	key := newEdDSA(ed25519.NewKeyFromSeed(d.D))
	if !bytes.Equal(key.eddsaPublic.key, d.X) {
		return nil, fmt.Errorf("%w: d does not belong to x", ErrInvalidKey)
	}
	return key, nil
}

func (k eddsaPublic) describe(d *document) { d.Type, d.Curve, d.X = "OKP", "Ed25519", bytes64(k.key) }

func (k eddsaPrivate) reveal(d *document) { d.D = k.key.Seed() }

func (k eddsaPublic) thumbprintInput() string {
	return `{"crv":"Ed25519","kty":"OKP","x":"` + bytes64(k.key).String() + `"}`
}
