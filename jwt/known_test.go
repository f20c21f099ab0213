package jwt_test

import (
	"fmt"
	"slices"
	"testing"

	"github.com/hallpass-go/hallpass/jwk"
)

// TestVerify_whatIsKnownIsNotShared: a verifier that has read a list before does not give two
// tokens the same memory.
func TestVerify_whatIsKnownIsNotShared(t *testing.T) {
	key, source := pair(t, jwk.HS256)
	v := newVerifier(t, source)
	c := usual()
	c.Roles = []string{"user", "editor"}
	token := sign(t, key, c)
	for range 3 {
		got, err := v.Verify(t.Context(), token, at, nil)
		if err != nil {
			t.Fatal(err)
		}
		if !slices.Equal(got.Roles, c.Roles) || !slices.Equal(got.Scopes, c.Scopes) ||
			!slices.Equal(got.Audience, c.Audience) {
			t.Fatalf("got %+v", got)
		}
		got.Roles[0], got.Scopes[0], got.Audience[0] = "admin", "everything", "https://other.example"
		_ = append(got.Audience, "https://evil.example")
		_ = append(got.Scopes, "everything")
	}
}

// TestVerify_aListIsKnownAsItsOwnClaim: what is known as a scope is no list of roles, and the other
// way round, and nothing may follow it.
func TestVerify_aListIsKnownAsItsOwnClaim(t *testing.T) {
	b := newBench(t, jwk.HS256)
	good := with(with(b.payload, "scope", `"read write"`), "roles", `["read","write"]`)
	for range 2 {
		if _, err := b.v.Verify(t.Context(), forge(t, b.key, b.header, good), at, nil); err != nil {
			t.Fatal(err)
		}
	}
	for _, payload := range []string{
		with(b.payload, "scope", `["read","write"]`), with(b.payload, "roles", `"read write"`),
		with(b.payload, "scope", `"read write"x`), with(b.payload, "roles", `["read","write"]]`),
		with(b.payload, "iss", `"`+issuer+`"1`), with(b.payload, "aud", `"`+audience+`","x"`),
		good[:len(good)-1] + `,"scope":"read write"}`, good[:len(good)-1] + `,"roles":["admin"]}`,
	} {
		if _, err := b.v.Verify(t.Context(), forge(t, b.key, b.header, payload), at, nil); err == nil {
			t.Errorf("accepted %s", payload)
		}
	}
}

// TestVerify_moreListsThanAreKept are all read right.
func TestVerify_moreListsThanAreKept(t *testing.T) {
	key, source := pair(t, jwk.HS256)
	v := newVerifier(t, source)
	for range 2 {
		for i := range 50 {
			c := usual()
			c.Roles, c.Scopes = []string{fmt.Sprint("role ", i), `with "quotes"`}[:1+i%2], []string{
				fmt.Sprint("scope", i),
			}
			got, err := v.Verify(t.Context(), sign(t, key, c), at, nil)
			if err != nil || !slices.Equal(got.Roles, c.Roles) || !slices.Equal(got.Scopes, c.Scopes) {
				t.Fatalf("%v, %v: got %+v, %v", c.Roles, c.Scopes, got, err)
			}
		}
	}
}
