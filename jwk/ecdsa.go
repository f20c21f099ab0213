package jwk

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"encoding/asn1"
	"errors"
	"fmt"
)

// ecdsaFamily is ES256, ES384 or ES512: one curve with one hash (RFC 7518 §3.4).
type ecdsaFamily struct {
	curve elliptic.Curve
	name  string // "crv"
	hash  crypto.Hash
	size  int // of a coordinate, in bytes
}

type ecdsaPublic struct {
	ecdsaFamily
	key *ecdsa.PublicKey
}

type ecdsaPrivate struct {
	ecdsaPublic
	key *ecdsa.PrivateKey
}

// maxDER is the length of the longest ASN.1 signature, which is that of P-521.
const maxDER = 3 + 2*(2+1+66)

func (k ecdsaPublic) verify(message, signature []byte) bool {
	if len(signature) != 2*k.size {
		return false
	}
	var sum [maxDigest]byte
	var der [maxDER]byte
	return ecdsa.VerifyASN1(k.key, digest(&sum, k.hash, message),
		appendDER(der[:0], signature[:k.size], signature[k.size:]))
}

// appendDER appends SEQUENCE { INTEGER r, INTEGER s }, the form that the standard library verifies.
func appendDER(dst, r, s []byte) []byte {
	r, s = trimZeros(r), trimZeros(s)
	length := integerLen(r) + integerLen(s)
	dst = append(dst, 0x30)
	if length >= 0x80 {
		dst = append(dst, 0x81)
	}
	dst = append(dst, byte(length))
	return appendInteger(appendInteger(dst, r), s)
}

func trimZeros(b []byte) []byte {
	for len(b) > 1 && b[0] == 0 {
		b = b[1:]
	}
	return b
}

func integerLen(b []byte) int { return 2 + len(b) + int(b[0]>>7) }

func appendInteger(dst, b []byte) []byte {
	dst = append(dst, 0x02, byte(len(b))+b[0]>>7)
	if b[0]&0x80 != 0 {
		dst = append(dst, 0) // a positive number
	}
	return append(dst, b...)
}

func (k ecdsaPrivate) public() public { return k.ecdsaPublic }

func (k ecdsaPrivate) sign(message []byte) ([]byte, error) {
	var sum [maxDigest]byte
	// Without a source of randomness the nonce is that of RFC 6979, so a broken generator cannot
	// reveal the key (RFC 8725bis §3.2).
	der, err := k.key.Sign(nil, digest(&sum, k.hash, message), k.hash)
	if err != nil {
		return nil, err
	}
	signature := make([]byte, 2*k.size)
	if !readDER(der, signature[:k.size], signature[k.size:]) {
		return nil, errors.New("jwk: an ECDSA signature that is not one")
	}
	return signature, nil
}

// readDER is the inverse of appendDER. It writes both numbers at full length.
func readDER(der, r, s []byte) bool {
	var sequence, first, second asn1.RawValue
	if rest, err := asn1.Unmarshal(der, &sequence); err != nil || len(rest) != 0 {
		return false
	}
	rest, err := asn1.Unmarshal(sequence.Bytes, &first)
	if err != nil {
		return false
	}
	if rest, err = asn1.Unmarshal(rest, &second); err != nil || len(rest) != 0 {
		return false
	}
	return fill(r, first.Bytes) && fill(s, second.Bytes)
}

func fill(dst, number []byte) bool {
	number = trimZeros(number)
	if len(number) > len(dst) {
		return false
	}
	copy(dst[len(dst)-len(number):], number)
	return true
}

func (f ecdsaFamily) generate() (private, error) {
	key, err := ecdsa.GenerateKey(f.curve, rand.Reader)
	if err != nil {
		return nil, err
	}
	return ecdsaPrivate{ecdsaPublic{f, &key.PublicKey}, key}, nil
}

func (f ecdsaFamily) accepts(key any) (public, private, error) {
	switch k := key.(type) {
	case *ecdsa.PublicKey:
		if k.Curve == f.curve {
			return ecdsaPublic{f, k}, nil, nil
		}
	case *ecdsa.PrivateKey:
		if k.Curve == f.curve {
			return nil, ecdsaPrivate{ecdsaPublic{f, &k.PublicKey}, k}, nil
		}
	}
	return nil, nil, fmt.Errorf("%w: not a key on %s", ErrInvalidKey, f.name)
}

func (f ecdsaFamily) parsePublic(d document) (public, error) {
	if d.Type != "EC" || d.Curve != f.name {
		return nil, fmt.Errorf("%w: not a key on %s", ErrInvalidKey, f.name)
	}
	// RFC 7518 §6.2.1 requires coordinates of full length. The parser checks that the point is on
	// the curve.
	if len(d.X) != f.size || len(d.Y) != f.size {
		return nil, fmt.Errorf("%w: a coordinate of %s has %d bytes", ErrInvalidKey, f.name, f.size)
	}
	point := append(append([]byte{4}, d.X...), d.Y...)
	key, err := ecdsa.ParseUncompressedPublicKey(f.curve, point)
	if err != nil {
		return nil, fmt.Errorf("%w: %v", ErrInvalidKey, err)
	}
	return ecdsaPublic{f, key}, nil
}

func (f ecdsaFamily) parsePrivate(d document) (private, error) {
	pub, err := f.parsePublic(d)
	if err != nil {
		return nil, err
	}
	if len(d.D) != f.size {
		return nil, fmt.Errorf("%w: d of %s has %d bytes", ErrInvalidKey, f.name, f.size)
	}
	key, err := ecdsa.ParseRawPrivateKey(f.curve, d.D)
	if err != nil {
		return nil, fmt.Errorf("%w: %v", ErrInvalidKey, err)
	}
	if !key.PublicKey.Equal(pub.(ecdsaPublic).key) {
		return nil, fmt.Errorf("%w: d does not belong to x and y", ErrInvalidKey)
	}
	return ecdsaPrivate{ecdsaPublic{f, &key.PublicKey}, key}, nil
}

func (k ecdsaPublic) describe(d *document) {
	point, err := k.key.Bytes()
	if err != nil {
		panic(err) // every key was checked to be on its curve
	}
	d.Type, d.Curve, d.X, d.Y = "EC", k.name, point[1:1+k.size], point[1+k.size:]
}

func (k ecdsaPrivate) reveal(d *document) {
	raw, err := k.key.Bytes()
	if err != nil {
		panic(err) // every key was checked to be on its curve
	}
	d.D = raw
}

func (k ecdsaPublic) thumbprintInput() string {
	var d document
	k.describe(&d)
	return `{"crv":"` + k.name + `","kty":"EC","x":"` + d.X.String() + `","y":"` + d.Y.String() + `"}`
}
