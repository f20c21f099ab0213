//go:build !race

package jwt_test

import (
	"errors"
	"testing"

	"github.com/hallpass-go/hallpass/jwk"
	"github.com/hallpass-go/hallpass/jwt"
)

// TestVerify_forgedTakesNoMemory: a forged MAC is refused before there is memory for what it says. The
// race detector makes variables escape that otherwise do not.
func TestVerify_forgedTakesNoMemory(t *testing.T) {
	key, source := pair(t, jwk.HS256)
	v, token := newVerifier(t, source), sign(t, key, usual())
	if _, err := v.Verify(t.Context(), token, at, nil); err != nil {
		t.Fatal(err)
	}
	forged := token[:len(token)-8] + "AAAAAAAA"
	n := testing.AllocsPerRun(200, func() {
		if _, err := v.Verify(t.Context(), forged, at, nil); !errors.Is(err, jwt.ErrSignature) {
			t.Fatal(err)
		}
	})
	if n > 0 {
		t.Errorf("%v allocations", n)
	}
}
