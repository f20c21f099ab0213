package jwk_test

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"flag"
	"os"
	"slices"
	"testing"

	"github.com/hallpass-go/hallpass/jwk"
)

var update = flag.Bool("update", false, "write published.bin from the published secrets")

func publishedSecrets(t *testing.T) [][]byte {
	text := vectorFile(t, "weak-hmac-secrets/known-jwt-secrets-ge32bytes.txt")
	return bytes.Split(bytes.TrimSuffix(text, []byte("\n")), []byte("\n"))
}

func TestNewSecret_publishedListIsWhole(t *testing.T) {
	var prefixes [][]byte
	for _, secret := range publishedSecrets(t) {
		sum := sha256.Sum256(secret)
		prefixes = append(prefixes, sum[:8])
	}
	slices.SortFunc(prefixes, bytes.Compare)
	want := bytes.Join(slices.CompactFunc(prefixes, bytes.Equal), nil)
	if *update {
		if err := os.WriteFile("published.bin", want, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if got, err := os.ReadFile("published.bin"); err != nil || !bytes.Equal(got, want) {
		t.Errorf("published.bin is not what the published secrets make (%v): run with -update", err)
	}
}

func TestNewSecret_refusesPublishedOnes(t *testing.T) {
	secrets := publishedSecrets(t)
	if len(secrets) != 1830 {
		t.Fatalf("%d secrets, want 1830", len(secrets))
	}
	for _, secret := range secrets {
		for _, presented := range [][]byte{secret, append(bytes.Clone(secret), '\n')} {
			if _, err := jwk.NewSecret(jwk.HS256, "k", presented); err == nil {
				t.Errorf("the published secret %q was taken", presented)
			} else if !errors.Is(err, jwk.ErrWeakKey) && !errors.Is(err, jwk.ErrInvalidKey) {
				t.Errorf("%q: %v", presented, err)
			}
		}
	}
}

func TestNewSecret_refusesAPublishedOneWithoutVectors(t *testing.T) {
	if _, err := jwk.NewSecret(jwk.HS256, "k", []byte("abcdefghijklmnopqrstuvwxyz1234567890")); !errors.Is(
		err,
		jwk.ErrWeakKey,
	) {
		t.Errorf("err = %v, want ErrWeakKey", err)
	}
}
