package jwk

import (
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"fmt"
	"math/big"
)

// The bounds of RSA keys in bits. RFC 7518 §3.3 requires 2048. Generated keys have a strength of
// 128 bits. Above the maximum, a signature costs more than it is worth.
const (
	minRSABits       = 2048
	generatedRSABits = 3072
	maxRSABits       = 8192
)

var errPrimes = fmt.Errorf("%w: an RSA private key has d and two primes, p and q", ErrInvalidKey)

// rsaFamily is RS* (PKCS #1 v1.5) or PS* (PSS), with one hash.
type rsaFamily struct {
	hash crypto.Hash
	pss  bool
}

type rsaPublic struct {
	rsaFamily
	key *rsa.PublicKey
}

type rsaPrivate struct {
	rsaPublic
	key *rsa.PrivateKey
}

func (f rsaFamily) pssOptions() *rsa.PSSOptions {
	return &rsa.PSSOptions{SaltLength: rsa.PSSSaltLengthEqualsHash, Hash: f.hash} // RFC 7518 §3.5
}

func (k rsaPublic) verify(message, signature []byte) bool {
	var buffer [maxDigest]byte
	sum := digest(&buffer, k.hash, message)
	if k.pss {
		return rsa.VerifyPSS(k.key, k.hash, sum, signature, k.pssOptions()) == nil
	}
	return rsa.VerifyPKCS1v15(k.key, k.hash, sum, signature) == nil
}

func (k rsaPrivate) public() public { return k.rsaPublic }

func (k rsaPrivate) sign(message []byte) ([]byte, error) {
	var buffer [maxDigest]byte
	sum := digest(&buffer, k.hash, message)
	if k.pss {
		return rsa.SignPSS(rand.Reader, k.key, k.hash, sum, k.pssOptions())
	}
	return rsa.SignPKCS1v15(rand.Reader, k.key, k.hash, sum)
}

func (f rsaFamily) generate() (private, error) {
	key, err := rsa.GenerateKey(rand.Reader, generatedRSABits)
	if err != nil {
		return nil, err
	}
	return rsaPrivate{rsaPublic{f, &key.PublicKey}, key}, nil
}

func (f rsaFamily) accepts(key any) (public, private, error) {
	switch k := key.(type) {
	case *rsa.PublicKey:
		return rsaPublic{f, k}, nil, checkRSA(k)
	case *rsa.PrivateKey:
		if len(k.Primes) != 2 {
			return nil, nil, errPrimes
		}
		if err := k.Validate(); err != nil {
			return nil, nil, fmt.Errorf("%w: %v", ErrInvalidKey, err)
		}
		return nil, rsaPrivate{rsaPublic{f, &k.PublicKey}, k}, checkRSA(&k.PublicKey)
	}
	return nil, nil, fmt.Errorf("%w: not an RSA key", ErrInvalidKey)
}

func checkRSA(k *rsa.PublicKey) error {
	switch bits := k.N.BitLen(); {
	case bits < minRSABits:
		return fmt.Errorf("%w: RSA of %d bits; at least %d are needed", ErrWeakKey, bits, minRSABits)
	case bits > maxRSABits:
		return fmt.Errorf("%w: RSA of %d bits; at most %d are taken", ErrInvalidKey, bits, maxRSABits)
	case k.E < 3 || k.E%2 == 0 || k.E > 1<<31-1:
		return fmt.Errorf("%w: RSA exponent", ErrInvalidKey)
	case k.N.Bit(0) == 0:
		return fmt.Errorf("%w: RSA modulus", ErrInvalidKey)
	case isROCA(k.N):
		return fmt.Errorf("%w: RSA key of a broken generator (CVE-2017-15361)", ErrWeakKey)
	}
	return nil
}

// rocaPrimes are the primes that reveal the moduli of CVE-2017-15361. Modulo each of these primes,
// such a modulus is a power of 65537. A random modulus has this property for all of them about once
// in 2^27.
var rocaPrimes = []int64{11, 13, 17, 19, 37, 53, 61, 71, 73, 79, 97, 103, 107, 109, 127, 151, 157}

func isROCA(n *big.Int) bool {
	var remainder big.Int
	for _, p := range rocaPrimes {
		r := remainder.Mod(n, big.NewInt(p)).Int64()
		power, found := int64(1), false
		for range p {
			found = found || power == r
			power = power * 65537 % p
		}
		if !found {
			return false
		}
	}
	return true
}

func (f rsaFamily) parsePublic(d document) (public, error) {
	key, err := d.rsaPublicKey()
	if err != nil {
		return nil, err
	}
	return rsaPublic{f, key}, checkRSA(key)
}

func (d document) rsaPublicKey() (*rsa.PublicKey, error) {
	if d.Type != "RSA" {
		return nil, fmt.Errorf("%w: kty is not RSA", ErrInvalidKey)
	}
	// RFC 7518 §6.3.1 allows no leading zero.
	if len(d.N) == 0 || d.N[0] == 0 || len(d.E) == 0 || d.E[0] == 0 || len(d.E) > 4 {
		return nil, fmt.Errorf("%w: RSA modulus or exponent", ErrInvalidKey)
	}
	e := 0
	for _, b := range d.E {
		e = e<<8 | int(b)
	}
	return &rsa.PublicKey{N: new(big.Int).SetBytes(d.N), E: e}, nil
}

func (f rsaFamily) parsePrivate(d document) (private, error) {
	pub, err := d.rsaPublicKey()
	if err != nil {
		return nil, err
	}
	if err := checkRSA(pub); err != nil {
		return nil, err
	}
	if len(d.D) == 0 || len(d.P) == 0 || len(d.Q) == 0 || d.OtherPrimes != nil {
		return nil, errPrimes
	}
	key := &rsa.PrivateKey{PublicKey: *pub, D: new(big.Int).SetBytes(d.D), Primes: []*big.Int{
		new(big.Int).SetBytes(d.P), new(big.Int).SetBytes(d.Q),
	}}
	key.Precompute()
	if err := key.Validate(); err != nil {
		return nil, fmt.Errorf("%w: %v", ErrInvalidKey, err)
	}
	if !precomputedAs(d.DP, key.Precomputed.Dp) || !precomputedAs(d.DQ, key.Precomputed.Dq) ||
		!precomputedAs(d.QI, key.Precomputed.Qinv) {
		return nil, fmt.Errorf("%w: dp, dq or qi does not follow from d, p and q", ErrInvalidKey)
	}
	return rsaPrivate{rsaPublic{f, &key.PublicKey}, key}, nil
}

// precomputedAs reports whether an optional member is absent or has the computed value.
func precomputedAs(member []byte, value *big.Int) bool {
	return member == nil || value != nil && new(big.Int).SetBytes(member).Cmp(value) == 0
}

func (k rsaPublic) describe(d *document) {
	d.Type, d.N, d.E = "RSA", k.key.N.Bytes(), big.NewInt(int64(k.key.E)).Bytes()
}

func (k rsaPrivate) reveal(d *document) {
	d.D, d.P, d.Q = k.key.D.Bytes(), k.key.Primes[0].Bytes(), k.key.Primes[1].Bytes()
	d.DP, d.DQ, d.QI = k.key.Precomputed.Dp.Bytes(), k.key.Precomputed.Dq.Bytes(), k.key.Precomputed.Qinv.Bytes()
}

func (k rsaPublic) thumbprintInput() string {
	var d document
	k.describe(&d)
	return `{"e":"` + d.E.String() + `","kty":"RSA","n":"` + d.N.String() + `"}`
}
