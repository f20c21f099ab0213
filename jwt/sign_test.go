package jwt_test

import (
	"encoding/json"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/hallpass-go/hallpass/jwk"
	"github.com/hallpass-go/hallpass/jwt"
)

func TestSign_verifiesInEveryAlgorithm(t *testing.T) {
	for _, alg := range algorithms {
		t.Run(string(alg), func(t *testing.T) {
			t.Parallel()
			key, source := pair(t, alg)
			want := usual()
			got, err := newVerifier(t, source).Verify(t.Context(), sign(t, key, want), at, nil)
			if err != nil {
				t.Fatal(err)
			}
			if !reflect.DeepEqual(got, want) {
				t.Errorf("got  %+v\nwant %+v", got, want)
			}
		})
	}
}

func TestSign_writesTheHeaderAndTheClaims(t *testing.T) {
	key, _ := pair(t, jwk.ES256)
	c := usual()
	c.Audience = []string{"a", "b"}
	c.Roles = []string{"admin", `a "quoted" \ one`}
	c.NotBefore = at.Add(time.Minute)
	token, err := jwt.Sign(key, "other+jwt", c, struct {
		Plan string `json:"plan"`
	}{"gold"})
	if err != nil {
		t.Fatal(err)
	}
	segments := strings.Split(token, ".")
	for i, want := range []string{
		`{"alg":"ES256","typ":"other+jwt","kid":"` + key.ID() + `"}`,
		`{"iss":"https://issuer.example","sub":"06h0co5862doud16l5g4egmsfg","aud":["a","b"],` +
			`"exp":1800000900,"nbf":1800000060,` +
			`"iat":1800000000,"jti":"06h0co58f06l9q6lloq20opqt8","client_id":"app",` +
			`"sid":"06h0co58f06l9q6lloq20opqt8",` +
			`"auth_time":1800000000,"scope":"read write","roles":["admin","a \"quoted\" \\ one"],"plan":"gold"}`,
	} {
		got := string(mustDecode(t, segments[i]))
		if got != want {
			t.Errorf("segment %d\n got %s\nwant %s", i, got, want)
		}
		if !json.Valid([]byte(got)) {
			t.Errorf("segment %d is not JSON", i)
		}
	}
}

func TestSign_refusesWhatNoVerifierTakes(t *testing.T) {
	key, _ := pair(t, jwk.HS256)
	for name, change := range map[string]func(*jwt.Claims){
		"no issuer":                  func(c *jwt.Claims) { c.Issuer = "" },
		"no subject":                 func(c *jwt.Claims) { c.Subject = "" },
		"no ID":                      func(c *jwt.Claims) { c.ID = "" },
		"no audience":                func(c *jwt.Claims) { c.Audience = nil },
		"an empty audience":          func(c *jwt.Claims) { c.Audience = []string{"a", ""} },
		"an empty role":              func(c *jwt.Claims) { c.Roles = []string{""} },
		"no expiry":                  func(c *jwt.Claims) { c.ExpiresAt = time.Time{} },
		"no time of issue":           func(c *jwt.Claims) { c.IssuedAt = time.Time{} },
		"an expiry after 9999":       func(c *jwt.Claims) { c.ExpiresAt = time.Unix(253402300800, 0) },
		"a newline in the subject":   func(c *jwt.Claims) { c.Subject = "a\nb" },
		"invalid UTF-8":              func(c *jwt.Claims) { c.Subject = "a\xff" },
		"invalid UTF-8 in a role":    func(c *jwt.Claims) { c.Roles = []string{"a\xff"} },
		"NUL in the session":         func(c *jwt.Claims) { c.SessionID = "a\x00" },
		"a space in a scope":         func(c *jwt.Claims) { c.Scopes = []string{"read write"} },
		"an empty scope":             func(c *jwt.Claims) { c.Scopes = []string{""} },
		"a quote in a scope":         func(c *jwt.Claims) { c.Scopes = []string{`"`} },
		"more than a token can hold": func(c *jwt.Claims) { c.ClientID = strings.Repeat("x", 8192) },
	} {
		c := usual()
		change(&c)
		if token, err := jwt.Sign(key, jwt.TypeAccess, c, nil); err == nil || token != "" {
			t.Errorf("%s: signed", name)
		}
	}
}

func TestSign_customClaimsTakeNoRegisteredName(t *testing.T) {
	key, source := pair(t, jwk.HS256)
	for name, custom := range map[string]any{
		"sub": struct {
			Sub string `json:"sub"`
		}{"admin"},
		"exp":       map[string]int{"exp": 9999999999},
		"an array":  []int{1},
		"a channel": make(chan int),
	} {
		if _, err := jwt.Sign(key, jwt.TypeAccess, usual(), custom); err == nil {
			t.Errorf("%s: signed", name)
		}
	}
	for _, empty := range []any{nil, struct{}{}, &struct{}{}, map[string]string{}} {
		token, err := jwt.Sign(key, jwt.TypeAccess, usual(), empty)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := newVerifier(t, source).Verify(t.Context(), token, at, nil); err != nil {
			t.Errorf("%T: %v", empty, err)
		}
	}
}
