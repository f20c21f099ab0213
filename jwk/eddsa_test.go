package jwk_test

import (
	"bytes"
	"crypto/ed25519"
	"encoding/hex"
	"errors"
	"testing"

	"github.com/hallpass-go/hallpass/jwk"
)

// The points of Ed25519 whose order divides 8. If a key is one of them, anyone can make signatures
// for it.
var smallOrderPoints = map[string]string{
	"order 1":                 "0100000000000000000000000000000000000000000000000000000000000000",
	"order 2":                 "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
	"order 4":                 "0000000000000000000000000000000000000000000000000000000000000000",
	"order 4, the other x":    "0000000000000000000000000000000000000000000000000000000000000080",
	"order 8":                 "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05",
	"order 8, the other x":    "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc85",
	"order 8, the other y":    "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a",
	"order 8, both the other": "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac03fa",
	"order 1, x of minus 0":   "0100000000000000000000000000000000000000000000000000000000000080",
	"order 2, x of minus 0":   "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff",
}

func TestEdDSA_refusesPointsOfSmallOrder(t *testing.T) {
	for name, text := range smallOrderPoints {
		point, err := hex.DecodeString(text)
		if err != nil {
			t.Fatal(err)
		}
		members := map[string]string{"kty": "OKP", "crv": "Ed25519", "x": encode64(point)}
		if key, err := jwk.ParsePublic(marshal(t, members)); !errors.Is(err, jwk.ErrWeakKey) || key != nil {
			t.Errorf("%s as JWK: %v, %v", name, key, err)
		}
		if key, err := jwk.ParsePublicPEM(pemOf(t, ed25519.PublicKey(point)), jwk.EdDSA, "k"); !errors.Is(
			err,
			jwk.ErrWeakKey,
		) ||
			key != nil {
			t.Errorf("%s as PEM: %v, %v", name, key, err)
		}
	}
}

// A y coordinate at or above the field's prime is a second encoding of a point. Half of all values
// of y belong to no point.
func TestEdDSA_refusesWhatIsNoPoint(t *testing.T) {
	prime, _ := hex.DecodeString("edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f")
	ones := bytes.Repeat([]byte{0xff}, 32)
	two := append([]byte{2}, make([]byte, 31)...) // (y² - 1) / (dy² + 1) is no square
	for name, point := range map[string][]byte{"the prime": prime, "2^255 - 1": ones, "y = 2": two} {
		members := map[string]string{"kty": "OKP", "crv": "Ed25519", "x": encode64(point)}
		if key, err := jwk.ParsePublic(marshal(t, members)); !errors.Is(err, jwk.ErrInvalidKey) || key != nil {
			t.Errorf("%s: %v, %v", name, key, err)
		}
	}
}

// The check must accept every key that generators produce.
func TestEdDSA_takesWhatIsGenerated(t *testing.T) {
	for range 100 {
		if _, err := jwk.ParsePublic(marshal(t, generate(t, jwk.EdDSA).Public())); err != nil {
			t.Fatal(err)
		}
	}
}
