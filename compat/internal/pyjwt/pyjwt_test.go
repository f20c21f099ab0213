package pyjwt_test

import (
	"encoding/base64"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/hallpass-go/hallpass/compat/internal/pyjwt"
	"github.com/hallpass-go/hallpass/internal/attack"
	"github.com/hallpass-go/hallpass/jwk"
)

var now = time.Unix(1_800_000_000, 0)

type members = map[string]any

func secret(t *testing.T) *jwk.SecretKey {
	t.Helper()
	key, err := jwk.GenerateSecret(jwk.HS256)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

func mint(t *testing.T, key jwk.SigningKey, header, claims any) string {
	t.Helper()
	token, err := pyjwt.Encode(key, header, claims)
	if err != nil {
		t.Fatal(err)
	}
	return token
}

// signed signs texts unchanged.
func signed(t *testing.T, key jwk.SigningKey, header, payload string) string {
	t.Helper()
	input := base64.RawURLEncoding.EncodeToString(
		[]byte(header),
	) + "." + base64.RawURLEncoding.EncodeToString([]byte(payload))
	signature, err := key.Sign([]byte(input))
	if err != nil {
		t.Fatal(err)
	}
	return input + "." + base64.RawURLEncoding.EncodeToString(signature)
}

const head = `{"typ":"JWT","alg":"HS256"}`

// TestDecode_saysWhatIsWrongInItsWords goes through the checks in order. Each token passes all
// checks before its own.
func TestDecode_saysWhatIsWrongInItsWords(t *testing.T) {
	key := secret(t)
	good := signed(t, key, head, `{"identity":1,"exp":1800000300,"iat":1800000000,"nbf":1800000000}`)
	header, rest, _ := strings.Cut(good, ".")
	payload, signature, _ := strings.Cut(rest, ".")
	claims := func(text string) string { return signed(t, key, head, text) }
	for _, test := range []struct{ name, token, want string }{
		{"one segment", "abc", "Not enough segments"},
		{"two segments", header + "." + payload, "Not enough segments"},
		{"header encoding", "A." + payload + "." + signature, "Invalid header padding"},
		{"header is no JSON", signed(t, key, "abc", "{}"),
			"Invalid header string: Expecting value: line 1 column 1 (char 0)"},
		{"header is a list", signed(t, key, "[]", "{}"), "Invalid header string: must be a json object"},
		{"critical extension", signed(t, key, `{"alg":"HS256","crit":["x"],"x":1}`, "{}"),
			"Invalid header string: crit is not supported"},
		{"kid is a number", signed(t, key, `{"alg":"HS256","kid":1}`, "{}"),
			"Key ID header parameter must be a string"},
		{"payload encoding", header + ".A." + signature, "Invalid payload padding"},
		{"four segments", good + ".AAAA", "Invalid payload padding"},
		{"signature encoding", header + "." + payload + ".A", "Invalid crypto padding"},
		{"none", signed(t, key, `{"alg":"none"}`, "{}"), "The specified alg value is not allowed"},
		{"another algorithm", signed(t, key, `{"alg":"HS512"}`, "{}"), "The specified alg value is not allowed"},
		{"no algorithm", signed(t, key, `{}`, "{}"), "The specified alg value is not allowed"},
		{"another key", signed(t, secret(t), head, "{}"), "Signature verification failed"},
		{"no signature", header + "." + payload + ".", "Signature verification failed"},
		{"payload is no JSON", claims("abc"), "Invalid payload string: Expecting value: line 1 column 1 (char 0)"},
		{"payload is text", claims(`"abc"`), "Invalid payload string: must be a json object"},
		{"no exp", claims(`{}`), `Token is missing the "exp" claim`},
		{"exp null", claims(`{"exp":null}`), `Token is missing the "exp" claim`},
		{"no iat", claims(`{"exp":0}`), `Token is missing the "iat" claim`},
		{"no nbf", claims(`{"exp":0,"iat":9000000000}`), `Token is missing the "nbf" claim`},
		{"iat in words", claims(`{"exp":0,"iat":"now","nbf":"x"}`), "Issued At claim (iat) must be an integer."},
		{"iat in the future", claims(`{"exp":0,"iat":1800000011,"nbf":"x"}`),
			"Issued At claim (iat) cannot be in the future."},
		{"nbf a list", claims(`{"exp":[],"iat":0,"nbf":[]}`), "Not Before claim (nbf) must be an integer."},
		{"nbf in the future", claims(`{"exp":[],"iat":0,"nbf":1800000011}`), "The token is not yet valid (nbf)"},
		{"exp in words", claims(`{"exp":"never","iat":0,"nbf":0}`), "Expiration Time claim (exp) must be an integer."},
		{"exp endless", claims(`{"exp":1e300,"iat":0,"nbf":0}`), "Expiration Time claim (exp) must be an integer."},
		{"expired", claims(`{"exp":1799999989,"iat":0,"nbf":0}`), "Signature has expired"},
		{"an audience", claims(`{"exp":1800000300,"iat":0,"nbf":0,"aud":"x"}`), "Invalid audience"},
	} {
		t.Run(test.name, func(t *testing.T) {
			d := pyjwt.Decoder{
				Version:  pyjwt.V1,
				Key:      key,
				Leeway:   10 * time.Second,
				Required: []string{"exp", "iat", "nbf"},
			}
			if _, err := d.Decode(test.token, now); err == nil || err.Error() != test.want {
				t.Errorf("got %v, want %q", err, test.want)
			}
		})
	}
}

func TestDecode_timesAreWhatPythonTakesForIntegers(t *testing.T) {
	key := secret(t)
	for _, exp := range []string{"1800000300", "1800000300.9", `"1800000300"`, `" 1800000300 "`,
		"1.8000003e9", "1799999990"} {
		d := pyjwt.Decoder{Version: pyjwt.V1, Key: key, Leeway: 10 * time.Second}
		if _, err := d.Decode(signed(t, key, head, `{"exp":`+exp+`}`), now); err != nil {
			t.Errorf("exp %s: %v", exp, err)
		}
	}
}

// TestDecode_versionsDiffer checks the differences: the second of expiry, an iat in the future, and
// the words for an audience.
func TestDecode_versionsDiffer(t *testing.T) {
	key := secret(t)
	for _, test := range []struct{ claims, v1, v2 string }{
		{`{"exp":1800000000}`, "", "Signature has expired"},
		{`{"iat":1800000001}`, "Issued At claim (iat) cannot be in the future.", "The token is not yet valid (iat)"},
		{`{"aud":["a","b"],"iss":"i"}`, "Invalid audience", "Audience doesn't match"},
		{`{"aud":["a","c"],"iss":"i","sub":1}`, "", "Subject must be a string"},
		{`{"aud":["c",1],"iss":"i"}`, "Invalid audience", "Invalid claim format in token"},
		{`{"aud":{"c":1},"iss":"i"}`, "Invalid audience", "Invalid claim format in token"},
		{`{"aud":"c","iss":["i"]}`, "Invalid issuer", "Payload Issuer (iss) must be a string"},
		{`{"aud":"c","iss":"i","jti":1}`, "", "JWT ID must be a string"},
	} {
		for version, want := range map[pyjwt.Version]string{pyjwt.V1: test.v1, pyjwt.V2: test.v2} {
			d := pyjwt.Decoder{Version: version, Key: key, Subject: version == pyjwt.V2}
			if strings.Contains(test.claims, "aud") {
				d.Issuer, d.Audience = "i", "c"
			}
			_, err := d.Decode(signed(t, key, head, test.claims), now)
			if got := text(err); got != want {
				t.Errorf("version %d, %s: got %q, want %q", version, test.claims, got, want)
			}
		}
	}
}

// TestDecode_expiredToo checks that only the expiry is ignored.
func TestDecode_expiredToo(t *testing.T) {
	key := secret(t)
	d := pyjwt.Decoder{Version: pyjwt.V2, Key: key, Subject: true, ExpiredToo: true}
	for claims, want := range map[string]string{
		`{"exp":1}`:         "",
		`{"exp":"x"}`:       "Expiration Time claim (exp) must be an integer.",
		`{"exp":1,"sub":1}`: "Subject must be a string",
	} {
		if _, err := d.Decode(signed(t, key, head, claims), now); text(err) != want {
			t.Errorf("%s: got %v, want %q", claims, err, want)
		}
	}
	if _, err := d.Decode(signed(t, secret(t), head, `{"exp":1}`), now); !errors.Is(err, pyjwt.ErrSignature) {
		t.Errorf("of another key: %v", err)
	}
	if _, err := d.Decode(signed(t, key, `{"typ":"JWT"}`, `{"exp":1}`), now); text(err) != "Algorithm not specified" {
		t.Errorf("without an algorithm: %v", err)
	}
}

func text(err error) string {
	if err == nil {
		return ""
	}
	return err.Error()
}

func TestDecode_errorsHaveKinds(t *testing.T) {
	key := secret(t)
	d := pyjwt.Decoder{Version: pyjwt.V2, Key: key, Issuer: "i", Required: []string{"sub"}}
	for claims, want := range map[string]error{
		`{}`:                            pyjwt.ErrMissingClaim,
		`{"sub":"a"}`:                   pyjwt.ErrMissingClaim,
		`{"sub":"a","exp":1}`:           pyjwt.ErrExpired,
		`{"sub":"a","iss":"j"}`:         pyjwt.ErrIssuer,
		`{"sub":"a","nbf":99999999999}`: pyjwt.ErrImmature,
	} {
		if _, err := d.Decode(signed(t, key, head, claims), now); !errors.Is(err, want) {
			t.Errorf("%s: got %v, want %v", claims, err, want)
		}
	}
}

// TestDecode_takesWhatEncodeWrites also compares the members.
func TestDecode_takesWhatEncodeWrites(t *testing.T) {
	key := secret(t)
	token := mint(t, key, members{"typ": "JWT", "alg": "HS256"},
		members{"identity": 7, "name": "<a&b>", "exp": now.Unix() + 1})
	d := pyjwt.Decoder{Version: pyjwt.V2, Key: key}
	got, err := d.Decode(token, now)
	if err != nil {
		t.Fatal(err)
	}
	if name, _ := got.Claims.String("name"); got.Claims["identity"] != "7" || name != "<a&b>" ||
		got.Header["typ"] != `"JWT"` {
		t.Errorf("got %v", got)
	}
	if _, err := pyjwt.Encode(key, members{}, members{"x": strings.Repeat("x", pyjwt.MaxTokenSize)}); err == nil {
		t.Error("a token was made that nobody may send")
	}
	if _, err := d.Decode(strings.Repeat("x", pyjwt.MaxTokenSize+1), now); text(err) != "Token is too long" {
		t.Errorf("got %v", err)
	}
}

// TestDecode_refusesForgeries checks every class of forgery except those that PyJWT interprets
// differently or does not know.
func TestDecode_refusesForgeries(t *testing.T) {
	key := secret(t)
	target := attack.Target{
		Key: key, Issuer: "https://issuer.example", Audience: "api", Now: now,
		Header: members{"alg": "HS256", "typ": "JWT"},
		Claims: members{
			"iss": "https://issuer.example",
			"aud": "api",
			"sub": "1",
			"iat": now.Unix(),
			"nbf": now.Unix(),
			"exp": now.Unix() + 300,
		},
	}
	d := pyjwt.Decoder{
		Version: pyjwt.V2, Key: key, Issuer: target.Issuer, Audience: target.Audience, Subject: true,
		Required: []string{"exp", "iat", "nbf", "sub"},
	}
	if _, err := d.Decode(target.Valid(t), now); err != nil {
		t.Fatal(err)
	}
	refused := 0
	for forgery := range target.Forgeries(t) {
		if _, err := d.Decode(forgery.Token, now); err != nil {
			refused++
		} else if !readsOtherwise(forgery) {
			t.Errorf("%s: %q was taken", forgery.Class, forgery.Name)
		}
	}
	if refused < 900 {
		t.Errorf("only %d forgeries were refused", refused)
	}
}

// readsOtherwise reports forgeries that are valid in PyJWT. A token needs no kid and no typ. An
// integer may be written as text. Lifetimes have no bound. The forms of scopes and subjects are up
// to the application.
func readsOtherwise(f attack.Forgery) bool {
	switch f.Class {
	case "kid":
		return true
	case "typ":
		return f.Name == "<nil>" || strings.EqualFold(f.Name, "JWT")
	case "header text":
		return f.Name == `"Typ"`
	case "claim of a wrong type":
		name, _, _ := strings.Cut(f.Name, " ")
		return name != "exp" && name != "iss" && name != "aud"
	case "date":
		return strings.HasSuffix(f.Name, "in text") || strings.HasPrefix(f.Name, "lives for")
	case "audience":
		return strings.HasPrefix(f.Name, "[api")
	}
	return false
}
