package shapes

import (
	"maps"
	"slices"
	"testing"

	"github.com/hallpass-go/hallpass"
	"github.com/hallpass-go/hallpass/jwk"
)

// FullHeader returns the header of a token that a key has signed.
func (s Shape) FullHeader(kid string) Members {
	header := maps.Clone(s.Header)
	header["alg"], header["kid"] = string(s.Algorithm), kid
	return header
}

// Verifier returns a verifier of the shape's tokens, whose keys are these.
func (s Shape) Verifier(tb testing.TB, keys jwk.Source) *hallpass.Verifier[struct{}] {
	tb.Helper()
	s.Trusted.Keys = keys
	v, err := hallpass.NewVerifier[struct{}](hallpass.VerifierConfig{
		Issuers: []hallpass.TrustedIssuer{s.Trusted},
	})
	if err != nil {
		tb.Fatal(err)
	}
	return v
}

// Check fails the test unless the verifier accepts a token and reads what the shape says, the first
// time and when it is seen again.
func (s Shape) Check(tb testing.TB, v *hallpass.Verifier[struct{}], token string) {
	tb.Helper()
	for range 2 {
		id, err := v.Verify(tb.Context(), token)
		if err != nil {
			tb.Errorf("%s: %v", s.Name, err)
			return
		}
		got := Want{id.Subject, id.ID, id.SessionID, id.ClientID, id.Scopes, id.Roles}
		if !got.equal(s.Want) {
			tb.Errorf("%s: read %+v, want %+v", s.Name, got, s.Want)
		}
		if id.Issuer != s.Claims["iss"] {
			tb.Errorf("%s: the issuer is %q", s.Name, id.Issuer)
		}
	}
}

func (w Want) equal(other Want) bool {
	return w.Subject == other.Subject && w.ID == other.ID && w.Session == other.Session &&
		w.Client == other.Client && slices.Equal(w.Scopes, other.Scopes) && slices.Equal(w.Roles, other.Roles)
}
