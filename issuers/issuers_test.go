package issuers_test

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/hmac"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"errors"
	"maps"
	"os"
	"os/exec"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/hallpass-go/hallpass"
	"github.com/hallpass-go/hallpass/internal/shapes"
	"github.com/hallpass-go/hallpass/issuers"
	"github.com/hallpass-go/hallpass/jwk"
)

// pair is a key of an issuer, for whatever signs with it.
type pair struct {
	*jwk.PrivateKey
	signer crypto.Signer
	pem    string
}

func newPair(tb testing.TB, alg jwk.Algorithm, kid string) pair {
	tb.Helper()
	var signer crypto.Signer
	var err error
	if alg == jwk.ES256 {
		signer, err = ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	} else {
		signer, err = rsa.GenerateKey(rand.Reader, 2048)
	}
	if err != nil {
		tb.Fatal(err)
	}
	der, err := x509.MarshalPKCS8PrivateKey(signer)
	if err != nil {
		tb.Fatal(err)
	}
	text := pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der})
	key, err := jwk.ParsePrivatePEM(text, alg, kid)
	if err != nil {
		tb.Fatal(err)
	}
	return pair{key, signer, string(text)}
}

// keyring holds the keys of the issuers, and of others.
type keyring struct{ own, other map[jwk.Algorithm]pair }

var keys = sync.OnceValue(func() keyring {
	var t testing.T // newPair fails only without randomness
	k := keyring{map[jwk.Algorithm]pair{}, map[jwk.Algorithm]pair{}}
	for _, alg := range []jwk.Algorithm{jwk.RS256, jwk.ES256} {
		k.own[alg], k.other[alg] = newPair(&t, alg, "own-"+string(alg)), newPair(&t, alg, "other-"+string(alg))
	}
	return k
})

// set returns the keys that the issuer of a shape publishes, read as its profile says.
func set(tb testing.TB, s shapes.Shape) *jwk.Set {
	tb.Helper()
	key := keys().own[s.Algorithm]
	text, err := json.Marshal(key.Public())
	if err != nil {
		tb.Fatal(err)
	}
	var members map[string]any
	if err := json.Unmarshal(text, &members); err != nil {
		tb.Fatal(err)
	}
	members["use"] = "sig"
	var options jwk.SetOptions
	if s.Trusted.Tokens != nil {
		options = s.Trusted.Tokens.Keys
		if s.Algorithm == jwk.RS256 {
			delete(members, "alg") // as Entra ID does; the profile says which it is
		}
	}
	text, err = json.Marshal(map[string]any{"keys": []any{members}})
	if err != nil {
		tb.Fatal(err)
	}
	set, err := options.Parse(text)
	if err != nil || len(set.Keys()) != 1 {
		tb.Fatal(err, set.Skipped())
	}
	return set
}

func segment(tb testing.TB, m shapes.Members) string {
	tb.Helper()
	text, err := json.Marshal(m)
	if err != nil {
		tb.Fatal(err)
	}
	return base64.RawURLEncoding.EncodeToString(text)
}

func sign(tb testing.TB, key jwk.SigningKey, header, claims shapes.Members) string {
	tb.Helper()
	signed := segment(tb, header) + "." + segment(tb, claims)
	signature, err := key.Sign([]byte(signed))
	if err != nil {
		tb.Fatal(err)
	}
	return signed + "." + base64.RawURLEncoding.EncodeToString(signature)
}

// token returns a token in the shape's form.
func token(tb testing.TB, s shapes.Shape) string {
	tb.Helper()
	key := keys().own[s.Algorithm]
	return sign(tb, key.PrivateKey, s.FullHeader(key.ID()), s.Claims)
}

// Each issuer's tokens are accepted, and read as it means them.
func TestIssuers_takeTheirTokens(t *testing.T) {
	for _, s := range shapes.All(time.Now()) {
		s.Check(t, s.Verifier(t, set(t, s)), token(t, s))
	}
}

// foreignTokens lets a program make a token for each shape.
func foreignTokens(t *testing.T, all []shapes.Shape, command *exec.Cmd) []string {
	t.Helper()
	type order struct {
		Header, Claims shapes.Members
		Key            string
	}
	var orders []order
	for _, s := range all {
		key := keys().own[s.Algorithm]
		orders = append(orders, order{s.FullHeader(key.ID()), s.Claims, key.pem})
	}
	input, err := json.Marshal(orders)
	if err != nil {
		t.Fatal(err)
	}
	var problem bytes.Buffer
	command.Stdin, command.Stderr = bytes.NewReader(input), &problem
	output, err := command.Output()
	if err != nil {
		t.Fatalf("%v\n%s", err, problem.String())
	}
	tokens := strings.Fields(string(output))
	if len(tokens) != len(all) {
		t.Fatalf("%d tokens for %d shapes", len(tokens), len(all))
	}
	return tokens
}

// missing skips a test without a program, or fails it if HALLPASS_TEST_REQUIRE lists its name.
func missing(t *testing.T, name string) {
	t.Helper()
	if slices.Contains(strings.Split(os.Getenv("HALLPASS_TEST_REQUIRE"), ","), name) {
		t.Fatal(name + " is required and not there")
	}
	t.Skip(name + " is not there")
}

const withJose = `
import { importPKCS8, SignJWT } from 'jose'
let input = ''
for await (const chunk of process.stdin) input += chunk
for (const { Header, Claims, Key } of JSON.parse(input)) {
	const key = await importPKCS8(Key, Header.alg)
	console.log(await new SignJWT(Claims).setProtectedHeader(Header).sign(key))
}`

// Tokens that panva's jose makes are accepted. HALLPASS_TEST_NPM is the folder that it is installed
// in.
func TestIssuers_takeTokensOfJose(t *testing.T) {
	command := exec.Command("node", "--input-type=module", "-e", withJose)
	command.Dir = os.Getenv("HALLPASS_TEST_NPM")
	if _, err := os.Stat(command.Dir + "/node_modules/jose"); command.Dir == "" || err != nil {
		missing(t, "npm-jose")
	}
	all := shapes.All(time.Now())
	for i, made := range foreignTokens(t, all, command) {
		all[i].Check(t, all[i].Verifier(t, set(t, all[i])), made)
	}
}

const withPyJWT = `
import json, sys
from jwt import PyJWT
for o in json.load(sys.stdin):
    header = dict(o["Header"])
    header.setdefault("typ", None)  # or PyJWT writes JWT
    token = PyJWT().encode(o["Claims"], o["Key"], algorithm=header["alg"], headers=header)
    print(token if isinstance(token, str) else token.decode())
`

// Tokens that PyJWT makes are accepted.
func TestIssuers_takeTokensOfPyJWT(t *testing.T) {
	python := "/usr/bin/python3"
	if exec.Command(python, "-c", "from jwt import PyJWT; import cryptography").Run() != nil {
		missing(t, "python3-jwt")
	}
	all := shapes.All(time.Now())
	for i, made := range foreignTokens(t, all, exec.Command(python, "-c", withPyJWT)) {
		all[i].Check(t, all[i].Verifier(t, set(t, all[i])), made)
	}
}

// miss is a change that makes a token one that must be refused.
type miss = func(header, claims shapes.Members)

// generalMisses are what no issuer's profile may accept. Each changes what the payload or the
// header says, and is signed with the issuer's key.
func generalMisses(s shapes.Shape) map[string]miss {
	now := time.Now().Unix()
	set := func(name string, value any) miss { return func(_, c shapes.Members) { c[name] = value } }
	head := func(name string, value any) miss { return func(h, _ shapes.Members) { h[name] = value } }
	iss := s.Claims["iss"].(string)
	audience := "aud"
	if s.Trusted.Tokens != nil && s.Trusted.Tokens.Audience != "" {
		audience = s.Trusted.Tokens.Audience
	}
	misses := map[string]miss{
		"issuer with a slash more": set("iss", iss+"/"),
		"issuer without a slash":   set("iss", strings.Replace(strings.TrimSuffix(iss, "/"), "://", ":/", 1)),
		"issuer in capitals":       set("iss", strings.ToUpper(iss)),
		"issuer as a list":         set("iss", []string{iss}),
		"no issuer":                func(_, c shapes.Members) { delete(c, "iss") },
		"audience only in azp": func(_, c shapes.Members) {
			c["azp"] = s.Trusted.Audience
			c[audience] = "somebody else"
		},
		"no audience":           func(_, c shapes.Members) { delete(c, audience) },
		"an audience within":    set(audience, "x"+s.Trusted.Audience+"x"),
		"eternal":               func(_, c shapes.Members) { delete(c, "exp") },
		"an end that is null":   set("exp", nil),
		"an end as text":        set("exp", "4102444800"),
		"ended a minute ago":    set("exp", now-60),
		"a month of life":       set("exp", now+30*86400),
		"no beginning":          func(_, c shapes.Members) { delete(c, "iat") },
		"made in an hour":       set("iat", now+3600),
		"not valid yet":         set("nbf", now+3600),
		"no subject":            func(_, c shapes.Members) { delete(c, "sub") },
		"an empty subject":      set("sub", ""),
		"a number as subject":   set("sub", 1),
		"a NUL in the subject":  set("sub", "ada\x00"),
		"an extension":          head("crit", []string{"exp"}),
		"an unencoded payload":  head("b64", false),
		"another type":          head("typ", "logout+jwt"),
		"a type that is a list": head("typ", []string{"JWT"}),
		"no kid":                func(h, _ shapes.Members) { delete(h, "kid") },
		"an unknown kid":        head("kid", "unknown"),
		"a number as kid":       head("kid", 7),
		"alg of another hash":   head("alg", strings.Replace(string(s.Algorithm), "256", "384", 1)),
		"alg of another family": head("alg", "PS256"),
		"alg in small letters":  head("alg", strings.ToLower(string(s.Algorithm))),
	}
	if strings.HasSuffix(iss, "/") {
		misses["issuer without a slash"] = set("iss", strings.TrimSuffix(iss, "/"))
	}
	return misses
}

// Each token that is nearly an issuer's own is refused.
func TestIssuers_refuseNearMisses(t *testing.T) {
	for _, s := range shapes.All(time.Now()) {
		key, v := keys().own[s.Algorithm], s.Verifier(t, set(t, s))
		s.Check(t, v, token(t, s)) // so that a miss is refused because of its change
		misses := generalMisses(s)
		for name, change := range s.Misses {
			misses[s.Name+": "+name] = change
		}
		for name, change := range misses {
			header, claims := s.FullHeader(key.ID()), maps.Clone(s.Claims)
			change(header, claims)
			refuse(t, v, s.Name+": "+name, sign(t, key.PrivateKey, header, claims))
		}
		forged := forgeries(t, s)
		for name, made := range forged {
			refuse(t, v, s.Name+": "+name, made)
		}
		t.Logf("%s: %d near misses refused", s.Name, len(misses)+len(forged))
		if len(misses)+len(forged) < 25 {
			t.Errorf("%s has only %d near misses", s.Name, len(misses)+len(forged))
		}
	}
}

func refuse(t *testing.T, v *hallpass.Verifier[struct{}], name, made string) {
	t.Helper()
	id, err := v.Verify(t.Context(), made)
	if !errors.Is(err, hallpass.ErrTokenInvalid) && !errors.Is(err, hallpass.ErrTokenExpired) || id.Subject != "" {
		t.Errorf("%s: %v, %q", name, err, id.Subject)
	}
}

// forgeries are tokens with the right contents that the issuer has not signed, or not so.
func forgeries(t *testing.T, s shapes.Shape) map[string]string {
	t.Helper()
	own, other := keys().own[s.Algorithm], keys().other[s.Algorithm]
	header := s.FullHeader(own.ID())
	with := func(name string, value any) shapes.Members {
		h := maps.Clone(header)
		h[name] = value
		return h
	}
	signed := segment(t, with("alg", "HS256")) + "." + segment(t, s.Claims)
	der, err := x509.MarshalPKIXPublicKey(own.signer.Public())
	if err != nil {
		t.Fatal(err)
	}
	mac := hmac.New(sha256.New, pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der}))
	mac.Write([]byte(signed))
	all := map[string]string{
		"the public key as a secret": signed + "." + base64.RawURLEncoding.EncodeToString(mac.Sum(nil)),
		"none":                       segment(t, with("alg", "none")) + "." + segment(t, s.Claims) + ".",
		"another issuer's key":       sign(t, other.PrivateKey, header, s.Claims),
		"another issuer's kid":       sign(t, other.PrivateKey, with("kid", other.ID()), s.Claims),
		"a key of its own":           sign(t, other.PrivateKey, with("jwk", other.Public()), s.Claims),
		"an address of keys":         sign(t, other.PrivateKey, with("jku", "https://evil.example/keys"), s.Claims),
	}
	if s.Algorithm == jwk.RS256 {
		// The key has no alg in its set: it is the profile that fixes it.
		pss, err := jwk.ParsePrivatePEM([]byte(own.pem), jwk.PS256, own.ID())
		if err != nil {
			t.Fatal(err)
		}
		all["signed with PS256"] = sign(t, pss, with("alg", "PS256"), s.Claims)
		all["signed with PS256 as RS256"] = sign(t, pss, header, s.Claims)
	}
	return all
}

// In a verifier of all issuers each accepts its own tokens, and no key is good for another's name.
func TestIssuers_together(t *testing.T) {
	type member struct {
		shapes.Shape
		key pair
	}
	var trusted []hallpass.TrustedIssuer
	members := map[string]member{}
	for _, s := range shapes.All(time.Now()) {
		if _, known := members[s.Trusted.Issuer]; known {
			continue
		}
		m := member{s, keys().own[s.Algorithm]}
		s.Trusted.Keys = set(t, s)
		if len(members)%2 == 1 {
			m.key = keys().other[s.Algorithm]
			published, err := jwk.NewSet(m.key.Public())
			if err != nil {
				t.Fatal(err)
			}
			s.Trusted.Keys = published
		}
		members[s.Trusted.Issuer] = m
		trusted = append(trusted, s.Trusted)
	}
	v, err := hallpass.NewVerifier[struct{}](hallpass.VerifierConfig{Issuers: trusted})
	if err != nil {
		t.Fatal(err)
	}
	mixed := 0
	for _, m := range members {
		m.Check(t, v, sign(t, m.key.PrivateKey, m.FullHeader(m.key.ID()), m.Claims))
		for _, other := range members {
			if other.key.PrivateKey == m.key.PrivateKey {
				continue
			}
			mixed++
			header := m.FullHeader(other.key.ID())
			header["alg"] = string(other.key.Algorithm())
			refuse(t, v, m.Name+" with the key of "+other.Name, sign(t, other.key.PrivateKey, header, m.Claims))
		}
	}
	if len(trusted) < 12 || mixed < 100 {
		t.Errorf("only %d issuers, and %d tokens with another's key", len(trusted), mixed)
	}
}

// Of the keys that Entra ID publishes, those of personal accounts verify nothing.
func TestEntra_leavesOutTheKeysOfPersonalAccounts(t *testing.T) {
	key, err := json.Marshal(keys().own[jwk.RS256].Public())
	if err != nil {
		t.Fatal(err)
	}
	const host = "https://login.microsoftonline.com/"
	var members []string
	for i, tenant := range []string{"{tenantid}", "9188040d-6c67-4c5b-b112-36a304b66dad"} {
		text := strings.Replace(string(key), `"own-RS256"`, `"`+string(rune('a'+i))+`"`, 1)
		members = append(members, strings.Replace(text, "{", `{"issuer":"`+host+tenant+`/v2.0",`, 1))
	}
	published := []byte(`{"keys":[` + strings.Join(members, ",") + `]}`)
	for name, trusted := range map[string]hallpass.TrustedIssuer{
		"one tenant": issuers.Entra(shapes.Tenant, "api"), "any tenant": issuers.EntraAnyTenant("api"),
	} {
		set, err := trusted.Tokens.Keys.Parse(published)
		if err != nil || len(set.Keys()) != 1 || set.Keys()[0].ID() != "a" {
			t.Errorf("%s: %v, %v", name, set, err)
		}
	}
}
