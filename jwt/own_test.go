package jwt_test

import (
	"errors"
	"reflect"
	"strings"
	"testing"

	"github.com/hallpass-go/hallpass/jwk"
	"github.com/hallpass-go/hallpass/jwt"
)

// TestVerify_ownClaimsOfARegisteredName: a member of the application's struct that has a registered
// claim's name gets its value, and the registered claim has it as well, wherever in the payload
// they stand.
func TestVerify_ownClaimsOfARegisteredName(t *testing.T) {
	b := newBench(t, jwk.HS256)
	type claims struct {
		Plan string   `json:"plan"`
		Sub  string   `json:"sub"`
		Exp  float64  `json:"exp"`
		Role []string `json:"roles"`
	}
	for _, payload := range []string{
		with(with(b.payload, "roles", `["admin"]`), "plan", `"gold"`),
		`{"plan":"gold","roles":["admin"],` + b.payload[1:],
		strings.ReplaceAll(with(with(b.payload, "plan", `"gold"`), "roles", `["admin"]`), `,"`, ` , "`),
	} {
		var got claims
		registered, err := b.v.Verify(t.Context(), forge(t, b.key, b.header, payload), at, &got)
		if err != nil {
			t.Fatalf("%s: %v", payload, err)
		}
		if want := (claims{"gold", "user-1", 1800000300, []string{"admin"}}); !reflect.DeepEqual(got, want) {
			t.Errorf("%s: got %+v", payload, got)
		}
		if registered.Subject != "user-1" || registered.ExpiresAt.Unix() != 1800000300 ||
			registered.Roles[0] != "admin" {
			t.Errorf("%s: got %+v", payload, registered)
		}
	}
	var wrong struct {
		Sub int `json:"sub"`
	}
	if _, err := b.v.Verify(t.Context(), forge(t, b.key, b.header, b.payload), at, &wrong); !errors.Is(
		err,
		jwt.ErrClaims,
	) {
		t.Errorf("a string was taken for a number: %v", err)
	}
}

// TestVerify_ownClaimsAreWrittenOnlyIfAllHolds, into a struct that was empty and into one that was
// not.
func TestVerify_ownClaimsAreWrittenOnlyIfAllHolds(t *testing.T) {
	b := newBench(t, jwk.HS256)
	type claims struct {
		Plan  string   `json:"plan"`
		Seats int8     `json:"seats"`
		List  []string `json:"list"`
		Kept  string   `json:"kept"`
	}
	good := `{"plan":"gold","seats":3,"list":["a"],` + b.payload[1:]
	for _, before := range []claims{{}, {Plan: "before", Kept: "kept"}} {
		for name, c := range map[string]struct {
			payload string
			want    error
		}{
			"one that does not fit":     {with(good, "seats", "300"), jwt.ErrClaims},
			"a list of another kind":    {strings.Replace(good, `["a"]`, `["a",1]`, 1), jwt.ErrClaims},
			"a registered one, neither": {with(good, "sub", "1"), jwt.ErrClaims},
			"an expired token":          {with(good, "exp", "1700000300"), jwt.ErrExpired},
			"another issuer's":          {with(good, "iss", `"other"`), jwt.ErrIssuer},
			"one twice":                 {good[:len(good)-1] + `,"plan":"other"}`, jwt.ErrMalformed},
			"one twice, late": {b.payload[:len(b.payload)-1] +
				`,"plan":"a","seats":1,"plan":"b"}`, jwt.ErrMalformed},
			"no JSON in the end": {good[:len(good)-1] + `,}`, jwt.ErrMalformed},
		} {
			got := before
			if _, err := b.v.Verify(t.Context(), forge(t, b.key, b.header, c.payload), at, &got); !errors.Is(
				err,
				c.want,
			) {
				t.Errorf("%s: %v, want %v", name, err, c.want)
			}
			if !reflect.DeepEqual(got, before) {
				t.Errorf("%s: something was written: %+v", name, got)
			}
		}
		got := before
		if _, err := b.v.Verify(t.Context(), forge(t, b.key, b.header, good), at, &got); err != nil {
			t.Fatal(err)
		}
		if want := (claims{"gold", 3, []string{"a"}, before.Kept}); !reflect.DeepEqual(got, want) {
			t.Errorf("got %+v, want %+v", got, want)
		}
	}
}

// TestVerify_allocations: what a token costs in memory is bounded, with own claims too.
func TestVerify_allocations(t *testing.T) {
	key, source := pair(t, jwk.HS256)
	v := newVerifier(t, source)
	type claims struct {
		Plan  string   `json:"plan"`
		Seats int      `json:"seats"`
		List  []string `json:"list"`
	}
	token, err := jwt.Sign(key, jwt.TypeAccess, usual(), claims{"gold", 25, []string{"read", "write", "more"}})
	if err != nil {
		t.Fatal(err)
	}
	n := testing.AllocsPerRun(200, func() {
		var c claims
		if _, err := v.Verify(t.Context(), token, at, &c); err != nil || c.Seats != 25 || len(c.List) != 3 {
			t.Fatal(c, err)
		}
	})
	if n > 6 {
		t.Errorf("%v allocations", n)
	}
}
