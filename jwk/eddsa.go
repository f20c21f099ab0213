package jwk

import (
	"bytes"
	"crypto/ed25519"
	"crypto/rand"
	"fmt"
	"math/big"
)

// eddsaFamily is EdDSA with Ed25519 (RFC 8037).
type eddsaFamily struct{}

type eddsaPublic struct{ key ed25519.PublicKey }

type eddsaPrivate struct {
	eddsaPublic
	key hidden // an ed25519.PrivateKey
}

var (
	fieldPrime     = new(big.Int).Sub(new(big.Int).Lsh(big.NewInt(1), 255), big.NewInt(19)) // RFC 8032 §5.1
	curveConstantD = fraction(big.NewInt(-121665), big.NewInt(121666))
)

// fraction returns a/b in the field.
func fraction(a, b *big.Int) *big.Int {
	inverse := new(big.Int).ModInverse(b, fieldPrime)
	return inverse.Mod(inverse.Mul(inverse, a), fieldPrime)
}

// checkPoint refuses encodings that are not a point on the curve, which no signature matches, and
// points of small order, for which anyone can make a signature. It looks only at the y coordinate,
// since y determines x².
func checkPoint(encoded []byte) error {
	y := make([]byte, len(encoded))
	for i, b := range encoded {
		y[len(y)-1-i] = b
	}
	y[0] &= 0x7f // the sign of x
	one, v := big.NewInt(1), new(big.Int).SetBytes(y)
	if v.Cmp(fieldPrime) >= 0 {
		return fmt.Errorf("%w: x is not a point of Ed25519", ErrInvalidKey)
	}
	for range 3 { // a point of order 1, 2, 4 or 8, doubled three times, has y = 1
		square := new(big.Int).Mul(v, v)
		divisor := new(big.Int).Mul(square, curveConstantD)
		x2 := fraction(new(big.Int).Sub(square, one), divisor.Add(divisor, one))
		if big.Jacobi(x2, fieldPrime) < 0 {
			return fmt.Errorf("%w: x is not a point of Ed25519", ErrInvalidKey)
		}
		v = fraction(new(big.Int).Add(square, x2), new(big.Int).Add(big.NewInt(2), x2.Sub(x2, square)))
	}
	if v.Cmp(one) == 0 {
		return fmt.Errorf("%w: x is a point of small order", ErrWeakKey)
	}
	return nil
}

func (k eddsaPublic) verify(message, signature []byte) bool {
	return len(signature) == ed25519.SignatureSize && ed25519.Verify(k.key, message, signature)
}

func (k eddsaPrivate) public() public { return k.eddsaPublic }

func (k eddsaPrivate) sign(message []byte) ([]byte, error) {
	return ed25519.Sign(k.key(), message), nil
}

func newEdDSA(key ed25519.PrivateKey) eddsaPrivate {
	return eddsaPrivate{eddsaPublic{key.Public().(ed25519.PublicKey)}, hide(key)}
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
		return eddsaPublic{k}, nil, checkPoint(k)
	case ed25519.PrivateKey:
		return nil, newEdDSA(k), nil
	}
	return nil, nil, fmt.Errorf("%w: not an Ed25519 key", ErrInvalidKey)
}

func (eddsaFamily) parsePublic(d document) (public, error) {
	if d.Type != "OKP" || d.Curve != "Ed25519" || len(d.X) != ed25519.PublicKeySize {
		return nil, fmt.Errorf("%w: not an Ed25519 key", ErrInvalidKey)
	}
	return eddsaPublic{ed25519.PublicKey(d.X)}, checkPoint(d.X)
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

func (k eddsaPrivate) reveal(d *document) { d.D = ed25519.PrivateKey(k.key()).Seed() }

func (k eddsaPublic) thumbprintInput() string {
	return `{"crv":"Ed25519","kty":"OKP","x":"` + bytes64(k.key).String() + `"}`
}
