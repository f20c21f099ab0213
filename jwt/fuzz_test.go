package jwt_test

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/hallpass-go/hallpass/jwk"
	"github.com/hallpass-go/hallpass/jwt"
)

// FuzzVerify is given whole tokens. One that is accepted is the one spelling of what it says.
func FuzzVerify(f *testing.F) {
	b := newBench(f, jwk.HS256)
	valid := forge(f, b.key, b.header, b.payload)
	for _, seed := range []string{
		valid, "", ".", "..", "...", valid + "=", valid + "\n", strings.ToLower(valid), "Bearer " + valid,
		forge(f, b.key, `{"alg":"none","typ":"at+jwt","kid":"k"}`, b.payload),
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, token string) {
		claims, err := b.v.Verify(t.Context(), token, at, nil)
		if err != nil {
			var detailed *jwt.Error
			if !errors.As(err, &detailed) {
				t.Errorf("an error of another kind: %v", err)
			}
			if claims.Subject != "" {
				t.Error("claims beside an error")
			}
			return
		}
		for segment := range strings.SplitSeq(token, ".") {
			text, err := base64.RawURLEncoding.DecodeString(segment)
			if err != nil || base64.RawURLEncoding.EncodeToString(text) != segment {
				t.Errorf("a segment with another spelling: %q", segment)
			}
		}
	})
}

// FuzzHeader is given headers that the real key signs. One that is accepted says what the key and
// the type are, once.
func FuzzHeader(f *testing.F) {
	b := newBench(f, jwk.HS256)
	for _, seed := range []string{
		b.header, `{}`, `[]`, ``, with(b.header, "typ", `"application/at+jwt"`),
		with(b.header, "crit", `["x"]`), with(b.header, "alg", `"none"`),
		strings.Replace(b.header, "{", `{"kid":"x",`, 1), strings.Replace(b.header, "alg", "ALG", 1),
		strings.Replace(b.header, "alg", `\u0061lg`, 1),
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, header []byte) {
		if _, err := b.v.Verify(t.Context(), forge(t, b.key, string(header), b.payload), at, nil); err != nil {
			return
		}
		var members map[string]any
		if err := json.Unmarshal(header, &members); err != nil {
			t.Fatalf("accepted %q: %v", header, err)
		}
		if members["alg"] != "HS256" || members["kid"] != b.key.ID() ||
			members["typ"] != "at+jwt" && members["typ"] != "application/at+jwt" {
			t.Errorf("accepted %s", header)
		}
		for _, extension := range []string{"crit", "b64", "zip", "enc"} {
			if _, there := members[extension]; there {
				t.Errorf("accepted with %s: %s", extension, header)
			}
		}
	})
}

// FuzzClaims is given payloads that the real key signs, so that every one is read.
func FuzzClaims(f *testing.F) {
	b := newBench(f, jwk.HS256)
	for _, seed := range []string{
		b.payload, `{}`, `[]`, `null`, ``, with(b.payload, "aud", `["a","https://api.example"]`),
		with(b.payload, "exp", "1.8e9"), with(b.payload, "exp", "18000002995e-1"),
		with(b.payload, "scope", `"read write"`),
		with(b.payload, "roles", `["admin"]`), with(b.payload, "roles", `"read write"`),
		with(b.payload, "scope", `["admin"]`),
		with(b.payload, "roles", `["admin" ]`), with(b.payload, "scope", `"read write",1`),
		with(b.payload, "aud", `"https://api.example"x`),
		with(b.payload, "sub", `"\u0061\ud83d\ude00"`), with(b.payload, "nbf", "1799999999"),
		b.payload[:len(b.payload)-1] + `,"iss":"x"}`,
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, payload []byte) {
		token := forge(t, b.key, b.header, string(payload))
		claims, err := b.v.Verify(t.Context(), token, at, nil)
		if err != nil {
			return
		}
		want, ok := referenceClaims(payload)
		if !ok {
			t.Fatalf("accepted: %s", payload)
		}
		if claims.Issuer != issuer || claims.Subject != want.Subject || claims.ID != want.ID ||
			!slices.Equal(claims.Roles, want.Roles) || strings.Join(claims.Scopes, " ") != want.Scope {
			t.Errorf("%s was read as %+v", payload, claims)
		}
		for date, seconds := range map[time.Time]float64{claims.ExpiresAt: want.ExpiresAt,
			claims.IssuedAt: want.IssuedAt} {
			if difference := float64(date.UnixMicro())/1e6 - seconds; difference > 1e-3 || difference < -1e-3 {
				t.Errorf("%s: a date was read as %v", payload, date)
			}
		}
		if again, err := jwt.Sign(b.key, jwt.TypeAccess, claims, nil); err != nil {
			t.Errorf("%s: what was accepted cannot be signed: %v", payload, err)
		} else if _, err := b.v.Verify(t.Context(), again, at.Add(-time.Second), nil); err != nil &&
			claims.NotBefore.IsZero() && claims.IssuedAt.Before(at) {
			t.Errorf("%s: signed again it is refused: %v", payload, err)
		}
	})
}

type referenceClaim struct {
	Issuer    string  `json:"iss"`
	Subject   string  `json:"sub"`
	ID        string  `json:"jti"`
	ExpiresAt float64 `json:"exp"`
	IssuedAt  float64 `json:"iat"`

	Scope string   `json:"scope"`
	Roles []string `json:"roles"`
}

// referenceClaims reads a payload with the standard library, whose laxness in names is made up for
// by looking for them.
func referenceClaims(payload []byte) (c referenceClaim, ok bool) {
	var members map[string]json.RawMessage
	if json.Unmarshal(payload, &members) != nil {
		return c, false
	}
	exact := map[string]json.RawMessage{}
	for _, name := range []string{"iss", "sub", "jti", "exp", "iat"} {
		if members[name] == nil || bytes.Equal(members[name], []byte("null")) {
			return c, false
		}
		exact[name] = members[name]
	}
	for _, name := range []string{"scope", "roles"} {
		if members[name] != nil {
			exact[name] = members[name]
		}
	}
	text, err := json.Marshal(exact)
	return c, err == nil && json.Unmarshal(text, &c) == nil
}

// FuzzProfile is given payloads that the real key signs, for a verifier with a profile. One that is
// accepted has no member twice, and says what was read in it where the profile looks for it.
func FuzzProfile(f *testing.F) {
	b := newBench(f, jwk.HS256)
	set, err := jwk.NewSecretSet(b.key.(*jwk.SecretKey))
	if err != nil {
		f.Fatal(err)
	}
	v, err := jwt.NewVerifier(jwt.Config{Issuer: issuer, Audience: audience, Keys: set, Profile: &jwt.Profile{
		Types: []string{jwt.TypeAccess}, Keys: jwk.SetOptions{Algorithms: []jwk.Algorithm{jwk.HS256}},
		Session: "sid", Scopes: []string{"scope", "scp"}, Roles: []string{"/a/roles", "roles"},
		Required: []string{"/a/b"}, Forbidden: []string{"nonce"}, Values: map[string][]string{"use": {"access"}},
	}})
	if err != nil {
		f.Fatal(err)
	}
	valid := strings.Replace(b.payload, "{", `{"use":"access","a":{"b":1,"roles":["r"]},"scp":["x"],`, 1)
	for _, seed := range []string{
		valid, `{}`, `[]`, ``, b.payload, strings.Replace(valid, "access", "id", 1),
		strings.Replace(valid, "{", `{"nonce":1,`, 1), strings.Replace(valid, `["r"]`, `"r"`, 1),
		strings.Replace(valid, `{"b":1,`, `{"b":1,"b":2,`, 1), strings.Replace(valid, `{"b"`, `[{"b"`, 1),
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, payload []byte) {
		claims, err := v.Verify(t.Context(), forge(t, b.key, b.header, string(payload)), at, nil)
		if err != nil {
			return
		}
		var members map[string]any
		if err := json.Unmarshal(payload, &members); err != nil {
			t.Fatalf("accepted %q: %v", payload, err)
		}
		a, _ := members["a"].(map[string]any)
		_, forbidden := members["nonce"]
		if members["iss"] != issuer || members["sub"] != claims.Subject || members["use"] != "access" ||
			a["b"] == nil || forbidden || members["exp"] == nil || members["iat"] == nil {
			t.Errorf("accepted %s as %+v", payload, claims)
		}
		if sid, _ := members["sid"].(string); sid != claims.SessionID {
			t.Errorf("the session of %s was read as %q", payload, claims.SessionID)
		}
	})
}
