package jwt_test

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/hallpass-go/hallpass/jwk"
	"github.com/hallpass-go/hallpass/jwt"
)

func encode(s string) string { return base64.RawURLEncoding.EncodeToString([]byte(s)) }

// forge signs any header and any payload with a real key, as only its owner can: what is refused
// then is refused for what it says.
func forge(tb testing.TB, key jwk.SigningKey, header, payload string) string {
	tb.Helper()
	return forgeRaw(tb, key, encode(header), encode(payload))
}

func forgeRaw(tb testing.TB, key jwk.SigningKey, header, payload string) string {
	tb.Helper()
	signature, err := key.Sign([]byte(header + "." + payload))
	if err != nil {
		tb.Fatal(err)
	}
	return header + "." + payload + "." + base64.RawURLEncoding.EncodeToString(signature)
}

// bench is a key, its verifier, and a header and a payload that are accepted, to be changed.
type bench struct {
	key             jwk.SigningKey
	v               *jwt.Verifier
	header, payload string
}

func newBench(tb testing.TB, alg jwk.Algorithm) bench {
	tb.Helper()
	key, source := pair(tb, alg)
	v, err := jwt.NewVerifier(jwt.Config{Issuer: issuer, Audience: audience, Keys: source, Leeway: 30 * time.Second})
	if err != nil {
		tb.Fatal(err)
	}
	return bench{
		key, v, fmt.Sprintf(`{"alg":%q,"typ":"at+jwt","kid":%q}`, alg, key.ID()),
		`{"iss":"https://issuer.example","sub":"user-1","aud":"https://api.example",` +
			`"exp":1800000300,"iat":1800000000,"jti":"j1"}`,
	}
}

// with returns the payload with a member's text replaced, added, or, for "", taken out.
func with(object, member, value string) string {
	body := strings.TrimSuffix(strings.TrimPrefix(object, "{"), "}")
	var kept []string
	for part := range strings.SplitSeq(body, `,"`) {
		part = strings.TrimPrefix(part, `"`)
		if !strings.HasPrefix(part, member+`":`) {
			kept = append(kept, `"`+part)
		}
	}
	if value != "" {
		kept = append(kept, `"`+member+`":`+value)
	}
	return "{" + strings.Join(kept, ",") + "}"
}

func (b bench) verify(tb testing.TB, header, payload string) (jwt.Claims, error) {
	tb.Helper()
	return b.v.Verify(context.Background(), forge(tb, b.key, header, payload), at, nil)
}

func TestVerify_accepts(t *testing.T) {
	b := newBench(t, jwk.ES256)
	for name, c := range map[string]struct{ header, payload string }{
		"the usual": {b.header, b.payload},
		"blanks between": {strings.ReplaceAll(b.header, ",", " ,\r\n\t"),
			strings.ReplaceAll(b.payload, `":`, `" : `)},
		"application/ before the typ": {with(b.header, "typ", `"application/at+jwt"`), b.payload},
		"an unknown header parameter": {with(b.header, "x", `[{"y":1}]`), b.payload},
		"keys of its own, which are passed over": {with(with(b.header, "jku",
			`"http://127.0.0.1:1/"`), "x5c", `["x"]`), b.payload},
		"aud in an array": {b.header,
			with(b.payload, "aud", `["https://other.example","https://api.example"]`)},
		"a fraction":               {b.header, with(b.payload, "exp", `1800000300.5`)},
		"an exponent":              {b.header, with(b.payload, "exp", `1.8000003e9`)},
		"exp within the leeway":    {b.header, with(b.payload, "exp", `1799999971`)},
		"nbf within the leeway":    {b.header, with(b.payload, "nbf", `1800000030`)},
		"iat within the leeway":    {b.header, with(b.payload, "iat", `1800000030`)},
		"a claim in other letters": {b.header, with(b.payload, "SUB", `"admin"`)},
		"an escape in a value":     {b.header, with(b.payload, "sub", `"user\u002d1"`)},
		"claims that nobody knows": {b.header, with(b.payload, "x", `{"deep":[1,{"er":null}]}`)},
		"no scopes and no roles":   {b.header, with(with(b.payload, "scope", `""`), "roles", `[]`)},
		"a day of life":            {b.header, with(b.payload, "exp", `1800086400`)},
	} {
		claims, err := b.verify(t, c.header, c.payload)
		if err != nil || claims.Subject != "user-1" || claims.ID != "j1" {
			t.Errorf("%s: %+v, %v", name, claims, err)
		}
	}
}

func TestVerify_readsTheClaims(t *testing.T) {
	b := newBench(t, jwk.EdDSA)
	got, err := b.verify(
		t,
		b.header,
		`{"iss":"https://issuer.example","sub":"u","aud":["https://api.example","b"],"exp":1800000300.25,
		"nbf":1799999999,"iat":1800000000,"jti":"j","client_id":"c","sid":"s","auth_time":1799999000,
		"scope":"a b:c","roles":["x","y"]}`,
	)
	if err != nil {
		t.Fatal(err)
	}
	want := jwt.Claims{
		Issuer: issuer, Subject: "u", Audience: []string{audience, "b"}, ExpiresAt: time.Unix(1800000300, 25e7),
		NotBefore: time.Unix(1799999999, 0),
		IssuedAt:  at, ID: "j", ClientID: "c", SessionID: "s", AuthTime: time.Unix(1799999000, 0),
		Scopes: []string{"a", "b:c"}, Roles: []string{"x", "y"},
	}
	if fmt.Sprintf("%v", got) != fmt.Sprintf("%v", want) {
		t.Errorf("got  %+v\nwant %+v", got, want)
	}
	// What is appended to one list does not run over into the next.
	_ = append(got.Audience, "overrun")
	if got.Scopes[0] != "a" {
		t.Error("the lists share memory that one can write to")
	}
}

// SECURITY: each line is a demand of RFC 7515, 7519, 8725 or 9068, and most a vulnerability that
// somebody had.
func TestVerify_refusesHeaders(t *testing.T) {
	b := newBench(t, jwk.ES256)
	for name, c := range map[string]struct {
		header string
		want   error
	}{
		"J2 a duplicate":              {strings.Replace(b.header, "{", `{"kid":"x",`, 1), jwt.ErrMalformed},
		"J2 a duplicate by an escape": {strings.Replace(b.header, "{", `{"\u0061lg":"none",`, 1), jwt.ErrMalformed},
		"J2 ALG":                      {strings.Replace(b.header, "alg", "ALG", 1), jwt.ErrMalformed},
		"J2 a Kelvin sign":            {strings.Replace(b.header, "kid", "\u212aid", 1), jwt.ErrMalformed},
		"J3 crit":                     {with(b.header, "crit", `["x"]`), jwt.ErrMalformed},
		"J3 crit, empty":              {with(b.header, "crit", `[]`), jwt.ErrMalformed},
		"J3 crit, null":               {with(b.header, "crit", `null`), jwt.ErrMalformed},
		"J3 crit of what is there":    {with(with(b.header, "crit", `["exp"]`), "exp", `1`), jwt.ErrMalformed},
		"J3 b64":                      {with(b.header, "b64", `false`), jwt.ErrMalformed},
		"J4 no alg":                   {with(b.header, "alg", ""), jwt.ErrMalformed},
		"J4 alg null":                 {with(b.header, "alg", "null"), jwt.ErrMalformed},
		"J4 alg true":                 {with(b.header, "alg", "true"), jwt.ErrMalformed},
		"J4 alg in an array":          {with(b.header, "alg", `["ES256"]`), jwt.ErrMalformed},
		"J6 no kid":                   {with(b.header, "kid", ""), jwt.ErrMalformed},
		"J6 kid empty":                {with(b.header, "kid", `""`), jwt.ErrMalformed},
		"J6 kid a number":             {with(b.header, "kid", "1"), jwt.ErrMalformed},
		"J6 kid unknown":              {with(b.header, "kid", `"../../etc/passwd"`), jwt.ErrKey},
		"J6 kid with a blank":         {with(b.header, "kid", `"`+b.key.ID()+` "`), jwt.ErrKey},
		"J6 kid in other letters":     {with(b.header, "kid", `"`+strings.ToUpper(b.key.ID())+`"`), jwt.ErrKey},
		"J11 none":                    {with(b.header, "alg", `"none"`), jwt.ErrAlgorithm},
		"J11 NONE":                    {with(b.header, "alg", `"NONE"`), jwt.ErrAlgorithm},
		"J11 nOnE":                    {with(b.header, "alg", `"nOnE"`), jwt.ErrAlgorithm},
		"J11 none and a blank":        {with(b.header, "alg", `"none "`), jwt.ErrAlgorithm},
		"J17 another algorithm":       {with(b.header, "alg", `"ES384"`), jwt.ErrAlgorithm},
		"J17 HS256":                   {with(b.header, "alg", `"HS256"`), jwt.ErrAlgorithm},
		"J17 in other letters":        {with(b.header, "alg", `"es256"`), jwt.ErrAlgorithm},
		"J18 no typ":                  {with(b.header, "typ", ""), jwt.ErrMalformed},
		"J18 JWT":                     {with(b.header, "typ", `"JWT"`), jwt.ErrType},
		"J18 a refresh token":         {with(b.header, "typ", `"refresh+jwt"`), jwt.ErrType},
		"J18 an ID token":             {with(b.header, "typ", `"id_token+jwt"`), jwt.ErrType},
		"J18 another media type":      {with(b.header, "typ", `"text/at+jwt"`), jwt.ErrType},
		"J19 enc":                     {with(b.header, "enc", `"A256GCM"`), jwt.ErrMalformed},
		"J20 zip":                     {with(b.header, "zip", `"DEF"`), jwt.ErrMalformed},
		"not an object":               {`[]`, jwt.ErrMalformed},
		"null":                        {`null`, jwt.ErrMalformed},
		"empty":                       {``, jwt.ErrMalformed},
		"a byte order mark":           {"\ufeff" + b.header, jwt.ErrMalformed},
		"two values":                  {b.header + `{}`, jwt.ErrMalformed},
		"invalid UTF-8":               {with(b.header, "x", "\"\xff\""), jwt.ErrMalformed},
		"too deep": {with(b.header, "x",
			strings.Repeat("[", 40)+strings.Repeat("]", 40)), jwt.ErrMalformed},
	} {
		claims, err := b.verify(t, c.header, b.payload)
		if !errors.Is(err, c.want) || claims.Subject != "" {
			t.Errorf("%s: %v, %v", name, claims.Subject, err)
		}
	}
}

func TestVerify_refusesClaims(t *testing.T) {
	b := newBench(t, jwk.ES256)
	type change struct {
		payload string
		want    error
	}
	cases := map[string]change{
		"J13 a duplicate":           {strings.Replace(b.payload, "{", `{"sub":"admin",`, 1), jwt.ErrMalformed},
		"J13 a duplicate below":     {with(b.payload, "x", `{"a":1,"a":2}`), jwt.ErrMalformed},
		"J13 invalid UTF-8":         {with(b.payload, "x", "\"\xff\""), jwt.ErrMalformed},
		"J14 expired":               {with(b.payload, "exp", "1799999970"), jwt.ErrExpired},
		"J14 exp zero":              {with(b.payload, "exp", "0"), jwt.ErrExpired},
		"J14 exp beyond the int64":  {with(b.payload, "exp", "9223372036854775808"), jwt.ErrClaims},
		"J14 exp 1e400":             {with(b.payload, "exp", "1e400"), jwt.ErrClaims},
		"J14 exp 1e30":              {with(b.payload, "exp", "1e30"), jwt.ErrClaims},
		"J14 exp -1":                {with(b.payload, "exp", "-1"), jwt.ErrClaims},
		"J14 exp in the year 10000": {with(b.payload, "exp", "253402300800"), jwt.ErrClaims},
		"J14 too long a life":       {with(b.payload, "exp", "1800086401"), jwt.ErrClaims},
		"J14 not yet":               {with(b.payload, "nbf", "1800000031"), jwt.ErrNotYetValid},
		"J14 issued in the future":  {with(b.payload, "iat", "1800000031"), jwt.ErrNotYetValid},
		"J15 another audience":      {with(b.payload, "aud", `"https://other.example"`), jwt.ErrAudience},
		"J15 in a longer one":       {with(b.payload, "aud", `"https://api.example/"`), jwt.ErrAudience},
		"J15 in a list of one string": {
			with(b.payload, "aud", `"https://api.example https://other.example"`),
			jwt.ErrAudience,
		},
		"J15 none of them":           {with(b.payload, "aud", `["a","b"]`), jwt.ErrAudience},
		"J15 no audience in it":      {with(b.payload, "aud", `[]`), jwt.ErrClaims},
		"J15 a nested one":           {with(b.payload, "aud", `[["https://api.example"]]`), jwt.ErrClaims},
		"J15 one and a number":       {with(b.payload, "aud", `["https://api.example",1]`), jwt.ErrClaims},
		"J16 another issuer":         {with(b.payload, "iss", `"https://issuer.example.evil"`), jwt.ErrIssuer},
		"J16 a shorter one":          {with(b.payload, "iss", `"https://issuer.exampl"`), jwt.ErrIssuer},
		"J16 with a slash":           {with(b.payload, "iss", `"https://issuer.example/"`), jwt.ErrIssuer},
		"J16 in other letters":       {with(b.payload, "iss", `"https://ISSUER.example"`), jwt.ErrIssuer},
		"J16 in an array":            {with(b.payload, "iss", `["https://issuer.example"]`), jwt.ErrClaims},
		"J16 with a NUL":             {with(b.payload, "iss", `"https://issuer.example\u0000"`), jwt.ErrClaims},
		"a NUL in sub":               {with(b.payload, "sub", `"user-1\u0000"`), jwt.ErrClaims},
		"a line break in jti":        {with(b.payload, "jti", `"a\nb"`), jwt.ErrClaims},
		"a lone surrogate":           {with(b.payload, "sub", `"\ud800"`), jwt.ErrMalformed},
		"scopes with two blanks":     {with(b.payload, "scope", `"a  b"`), jwt.ErrClaims},
		"scopes with a blank behind": {with(b.payload, "scope", `"a "`), jwt.ErrClaims},
		"scopes with a quote":        {with(b.payload, "scope", `"a\"b"`), jwt.ErrClaims},
		"an empty role":              {with(b.payload, "roles", `[""]`), jwt.ErrClaims},
		"not an object":              {`[]`, jwt.ErrMalformed},
		"a string":                   {`"x"`, jwt.ErrMalformed},
		"a nested token":             {"eyJhbGciOiJub25lIn0.e30.", jwt.ErrMalformed},
		"empty":                      {``, jwt.ErrMalformed},
		"UTF-16":                     {"{\x00\"\x00", jwt.ErrMalformed},
		"two values":                 {b.payload + "{}", jwt.ErrMalformed},
		"too deep": {
			with(b.payload, "x", strings.Repeat(`{"a":`, 40)+"1"+strings.Repeat("}", 40)),
			jwt.ErrMalformed,
		},
	}
	// A claim that is there and of the wrong type is a failure, never "absent": CVE-2026-25537.
	for _, claim := range []string{"iss", "sub", "aud", "exp", "nbf", "iat", "jti", "client_id",
		"sid", "auth_time", "scope", "roles"} {
		for _, value := range []string{"null", "true", "false", "{}", "[]", "[1]", "7", `"7"`, `""`} {
			isTime := strings.Contains("exp nbf iat auth_time", claim)
			fits := isTime && value == "7" || !isTime && value == `"7"` && claim != "roles" ||
				claim == "roles" && value == "[]" ||
				claim == "scope" && value == `""`
			if !fits {
				cases[claim+" "+value] = change{with(b.payload, claim, value), jwt.ErrClaims}
			}
		}
	}
	for _, claim := range []string{"iss", "sub", "aud", "exp", "iat", "jti"} {
		cases["no "+claim] = change{with(b.payload, claim, ""), jwt.ErrClaims}
	}
	for name, c := range cases {
		claims, err := b.verify(t, b.header, c.payload)
		if !errors.Is(err, c.want) || claims.Subject != "" {
			t.Errorf("%s: %q, %v, want %v", name, claims.Subject, err, c.want)
		}
	}
}

// J1, J7: one spelling, compact form only.
func TestVerify_refusesForms(t *testing.T) {
	b := newBench(t, jwk.ES256)
	valid := forge(t, b.key, b.header, b.payload)
	s := strings.Split(valid, ".")
	spare := func(segment string) string { // changes a bit that decoding would drop
		const alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
		last := strings.IndexByte(alphabet, segment[len(segment)-1])
		return segment[:len(segment)-1] + string(alphabet[last|1])
	}
	cases := map[string]string{
		"nothing": "", "a dot": ".", "two dots": "..", "three dots": "...", "two segments": s[0] + "." + s[1],
		"no signature":             s[0] + "." + s[1] + ".",
		"no payload":               s[0] + ".." + s[2],
		"no header":                "." + s[1] + "." + s[2],
		"four segments":            valid + "." + s[2],
		"five segments":            valid + ".a.b",
		"a million dots":           strings.Repeat(".", 1_000_000),
		"too long":                 valid + strings.Repeat("A", 8192),
		"padding":                  s[0] + "." + s[1] + "." + s[2] + "==",
		"padding inside":           s[0] + "=." + s[1] + "." + s[2],
		"standard base64":          s[0] + "." + s[1] + "." + s[2][:40] + "+/" + s[2][42:],
		"a blank before":           " " + valid,
		"a blank behind":           valid + " ",
		"a line break behind":      valid + "\n",
		"a line break inside":      s[0] + "." + s[1] + "." + s[2][:10] + "\n" + s[2][10:],
		"a carriage return inside": s[0][:4] + "\r" + s[0][4:] + "." + s[1] + "." + s[2],
		"a NUL":                    valid + "\x00",
		"a wide dot":               s[0] + "\uff0e" + s[1] + "." + s[2],
		"Bearer":                   "Bearer " + valid,
		"JSON":                     `{"payload":"` + s[1] + `","protected":"` + s[0] + `","signature":"` + s[2] + `"}`,
		"a spare bit":              s[0] + "." + s[1] + "." + spare(s[2]),
		"a line break, signed":     forgeRaw(t, b.key, s[0], s[1][:8]+"\n"+s[1][8:]),
		"padding, signed":          forgeRaw(t, b.key, s[0], s[1]+"="),
		"a header split, signed":   forgeRaw(t, b.key, s[0][:8]+"\r\n"+s[0][8:], s[1]),
	}
	for n := range 9 { // wherever it stands, and however long the segment is
		for length := range 4 {
			payload := encode(with(b.payload, "pad", `"`+strings.Repeat("x", length)+`"`))
			cases[fmt.Sprintf("%d line breaks, signed, %d", n, length)] = forgeRaw(t, b.key, s[0],
				payload[:4]+strings.Repeat("\n", n+1)+payload[4:])
		}
	}
	if spared := spare(s[0]); spared != s[0] {
		cases["a spare bit, signed"] = forgeRaw(t, b.key, spared, s[1])
	}
	for name, token := range cases {
		if claims, err := b.v.Verify(t.Context(), token, at, nil); err == nil || claims.Subject != "" {
			t.Errorf("%s was accepted", name)
		}
	}
	if _, err := b.v.Verify(t.Context(), valid, at, nil); err != nil {
		t.Errorf("the genuine token afterwards: %v", err)
	}
}

func TestVerify_refusesSignatures(t *testing.T) {
	for _, alg := range algorithms {
		t.Run(string(alg), func(t *testing.T) {
			b := newBench(t, alg)
			valid := forge(t, b.key, b.header, b.payload)
			dot := strings.LastIndexByte(valid, '.')
			signature, err := base64.RawURLEncoding.DecodeString(valid[dot+1:])
			if err != nil {
				t.Fatal(err)
			}
			refuse := func(what string, s []byte) {
				t.Helper()
				token := valid[:dot+1] + base64.RawURLEncoding.EncodeToString(s)
				if _, err := b.v.Verify(t.Context(), token, at, nil); !errors.Is(err, jwt.ErrSignature) {
					t.Errorf("%s: %v", what, err)
				}
			}
			for bit := 0; bit < 8*len(signature); bit += 7 {
				changed := append([]byte(nil), signature...)
				changed[bit/8] ^= 1 << (bit % 8)
				refuse("a changed bit", changed)
			}
			refuse("a shorter one", signature[:len(signature)-1])
			refuse("a longer one", append(append([]byte(nil), signature...), 0))
			refuse("zeros", make([]byte, len(signature)))
			refuse("a leading zero", append([]byte{0}, signature...))
			refuse("another key's", mustSign(t, alg, valid[:dot]))
			swapped := forge(t, b.key, b.header, with(b.payload, "sub", `"admin"`))
			refuse("another payload's", mustDecode(t, swapped[strings.LastIndexByte(swapped, '.')+1:]))
			if _, err := b.v.Verify(t.Context(), valid, at, nil); err != nil {
				t.Errorf("the genuine token: %v", err)
			}
		})
	}
}

func mustSign(t *testing.T, alg jwk.Algorithm, message string) []byte {
	t.Helper()
	other, _ := pair(t, alg)
	signature, err := other.Sign([]byte(message))
	if err != nil {
		t.Fatal(err)
	}
	return signature
}

func mustDecode(t *testing.T, segment string) []byte {
	t.Helper()
	b, err := base64.RawURLEncoding.DecodeString(segment)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// CVE-2015-9235 and its kin: the public key as an HMAC secret, in every form that it is published
// in.
func TestVerify_refusesThePublicKeyAsASecret(t *testing.T) {
	for _, alg := range []jwk.Algorithm{jwk.ES256, jwk.EdDSA, jwk.RS256} {
		b := newBench(t, alg)
		public, err := b.key.(*jwk.PrivateKey).Public().MarshalJSON()
		if err != nil {
			t.Fatal(err)
		}
		for _, secret := range [][]byte{public, {}, make([]byte, 32), []byte(b.key.ID())} {
			signed := encode(with(b.header, "alg", `"HS256"`)) + "." + encode(b.payload)
			mac := hmac.New(sha256.New, secret)
			mac.Write([]byte(signed))
			token := signed + "." + base64.RawURLEncoding.EncodeToString(mac.Sum(nil))
			if _, err := b.v.Verify(t.Context(), token, at, nil); !errors.Is(err, jwt.ErrAlgorithm) {
				t.Errorf("%s: %v", alg, err)
			}
		}
	}
}

// CVE-2024-51744: of a forged token nothing is told but that it is forged, and nothing is returned.
func TestVerify_signatureBeforeContents(t *testing.T) {
	b := newBench(t, jwk.ES256)
	for _, payload := range []string{with(b.payload, "exp", "1"), with(b.payload, "iss", `"x"`), `{}`, `x`} {
		token := encode(b.header) + "." + encode(payload) + "." + encode(strings.Repeat("x", 64))
		custom := struct {
			Sub string `json:"sub"`
		}{"before"}
		claims, err := b.v.Verify(t.Context(), token, at, &custom)
		if !errors.Is(err, jwt.ErrSignature) || errors.Is(err, jwt.ErrExpired) || claims.Issuer != "" ||
			custom.Sub != "before" {
			t.Errorf("%s: %+v, %v", payload, claims, err)
		}
		if strings.Contains(err.Error(), "user-1") {
			t.Errorf("the error quotes the token: %v", err)
		}
	}
}

type plan struct {
	Plan  string `json:"plan"`
	Seats []int  `json:"seats"`
}

func TestVerify_customClaims(t *testing.T) {
	b := newBench(t, jwk.ES256)
	token := func(value string) string {
		return forge(t, b.key, b.header, with(with(b.payload, "plan", value), "seats", "[1,2]"))
	}
	var got plan
	if _, err := b.v.Verify(t.Context(), token(`"gold"`), at, &got); err != nil || got.Plan != "gold" ||
		len(got.Seats) != 2 {
		t.Errorf("got %+v, %v", got, err)
	}
	got = plan{Plan: "before"}
	for _, wrong := range []string{`7`, `null`, `["gold"]`} {
		if _, err := b.v.Verify(t.Context(), token(wrong), at, &got); !errors.Is(err, jwt.ErrClaims) ||
			got.Plan != "before" {
			t.Errorf("%s: %+v, %v", wrong, got, err)
		}
	}
	if _, err := b.v.Verify(t.Context(),
		forge(t, b.key, b.header, with(b.payload, "PLAN", `"gold"`)), at, &got); err != nil ||
		got.Plan != "before" {
		t.Errorf("a claim in other letters: %+v, %v", got, err)
	}
	if _, err := b.v.Verify(t.Context(),
		forge(t, b.key, b.header, with(with(b.payload, "plan", `"gold"`), "exp", "1")), at,
		&got); err == nil ||
		got.Plan != "before" {
		t.Errorf("an expired token wrote: %+v, %v", got, err)
	}
}

func TestVerify_withoutItsKeys(t *testing.T) {
	b := newBench(t, jwk.ES256)
	token := forge(t, b.key, b.header, b.payload)
	v := newVerifier(t, unavailable{})
	if _, err := v.Verify(t.Context(), token, at, nil); !errors.Is(err, jwk.ErrUnavailable) {
		t.Errorf("keys that cannot be had: %v", err)
	}
	empty, err := jwk.NewSet()
	if err != nil {
		t.Fatal(err)
	}
	if _, err := newVerifier(t, empty).Verify(t.Context(), token, at, nil); !errors.Is(err, jwt.ErrKey) {
		t.Errorf("no keys: %v", err)
	}
}

type unavailable struct{}

func (unavailable) Key(context.Context, string) (jwk.Key, error) { return nil, jwk.ErrUnavailable }

func TestNewVerifier_wantsAnIssuerAnAudienceAndKeys(t *testing.T) {
	_, err := jwt.NewVerifier(jwt.Config{Leeway: time.Hour, MaxLifetime: -1})
	for _, field := range []string{"Issuer", "Audience", "Keys", "Leeway", "MaxLifetime"} {
		if err == nil || !strings.Contains(err.Error(), field) {
			t.Errorf("%s is not named in %v", field, err)
		}
	}
}

// A header that has been accepted is remembered; only by its very text.
func TestVerify_rememberedHeaders(t *testing.T) {
	b := newBench(t, jwk.ES256)
	for range 3 {
		if _, err := b.verify(t, b.header, b.payload); err != nil {
			t.Fatal(err)
		}
		if _, err := b.verify(t, with(b.header, "typ", `"JWT"`), b.payload); !errors.Is(err, jwt.ErrType) {
			t.Error(err)
		}
	}
	for n := range 200 {
		if _, err := b.verify(t, with(b.header, "n", fmt.Sprint(n)), b.payload); err != nil {
			t.Fatal(err)
		}
	}
}
