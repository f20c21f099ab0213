package keyring

import (
	"bytes"
	"errors"
	"testing"

	"github.com/hallpass-go/hallpass/jwk"
)

// The seal is tested from inside the package. From outside, the checks against the key's own ID and
// algorithm would hide a missing check of the seal.

func testSealer(t *testing.T, fill byte) *sealer {
	t.Helper()
	s, err := newSealer(bytes.Repeat([]byte{fill, 7}, SecretSize/2))
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestSeal_opensOnlyAsWhatItWasMadeFor(t *testing.T) {
	s := testSealer(t, 1)
	plain := []byte("a private key")
	sealed := s.seal("ab", "ES256", plain)
	if got, err := s.open("ab", "ES256", sealed); err != nil || !bytes.Equal(got, plain) {
		t.Fatalf("%q, %v", got, err)
	}
	for _, as := range []struct {
		id        string
		algorithm jwk.Algorithm
	}{{"a", "ES256"}, {"b", "ES256"}, {"", "ES256"}, {"ab", "ES384"}, {"ab", ""}, {"abE", "S256"}, {"a", "bES256"}} {
		if _, err := s.open(as.id, as.algorithm, sealed); err == nil {
			t.Errorf("opened as key %q of %q", as.id, as.algorithm)
		}
	}
	if _, err := testSealer(t, 2).open("ab", "ES256", sealed); err == nil {
		t.Error("opened under another secret")
	}
	for i := range sealed {
		changed := bytes.Clone(sealed)
		changed[i] ^= 1
		if _, err := s.open("ab", "ES256", changed); err == nil {
			t.Errorf("opened with byte %d changed", i)
		}
		if _, err := s.open("ab", "ES256", sealed[:i]); err == nil {
			t.Errorf("opened with %d of %d bytes", i, len(sealed))
		}
	}
}

func TestUnseal_refusesAKeyThatIsNotWhatItsRowSays(t *testing.T) {
	r := &Ring{sealer: testSealer(t, 1)}
	key, err := jwk.Generate(jwk.ES256)
	if err != nil {
		t.Fatal(err)
	}
	plain, err := key.MarshalPrivate()
	if err != nil {
		t.Fatal(err)
	}
	for _, as := range []KeyInfo{{ID: key.ID(), Algorithm: jwk.ES256},
		{ID: "another", Algorithm: jwk.ES256}, {ID: key.ID(), Algorithm: jwk.ES384}} {
		sealed := r.sealer.seal(as.ID, as.Algorithm, plain)
		_, err := r.unseal(row{KeyInfo: as, sealed: sealed, sealedBy: r.sealer.fingerprint})
		if right := as.ID == key.ID() && as.Algorithm == jwk.ES256; right != (err == nil) ||
			!right && !errors.Is(err, ErrDamagedKey) {
			t.Errorf("as %q of %s: %v", as.ID, as.Algorithm, err)
		}
	}
}

func TestSeal_isNeverTheSame(t *testing.T) {
	s := testSealer(t, 1)
	if bytes.Equal(s.seal("a", "ES256", []byte("x")), s.seal("a", "ES256", []byte("x"))) {
		t.Error("one key was sealed twice to the same bytes")
	}
}

func TestDerive_keepsUsesApart(t *testing.T) {
	secret := bytes.Repeat([]byte{3, 9}, SecretSize/2)
	r := &Ring{secret: secret}
	for _, purpose := range []string{"", "/", labelSeal, "../seal/1"} {
		if got := r.Secret(purpose); got == derive(secret, labelSeal) || got == derive(secret, labelFingerprint) {
			t.Errorf("purpose %q gives away a key of the keyring's own", purpose)
		}
	}
}
