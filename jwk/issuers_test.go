package jwk_test

import (
	"crypto/rand"
	"crypto/sha1"
	"crypto/sha256"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/base64"
	"encoding/pem"
	"errors"
	"fmt"
	"math/big"
	"strings"
	"testing"
	"time"

	"github.com/hallpass-go/hallpass/jwk"
)

// issuerKey is a key that an issuer publishes: its members as the issuer writes them, in the issuer's
// order, where {kid}, {n}, {e}, {x}, {y}, {x5c}, {x5t} and {x5t#S256} stand for values of our own keys.
type issuerKey struct {
	kid     string
	alg     jwk.Algorithm // of the private key
	members string
	skipped string // why, or empty
}

// publish returns the private key, and the public one as it is published.
func (k issuerKey) publish(t *testing.T) (jwk.SigningKey, string) {
	t.Helper()
	private := generate(t, k.alg)
	certificate := newCertificate(t)
	short, long := sha1.Sum(certificate), sha256.Sum256(certificate)
	values := []string{
		"{kid}", k.kid, "{x5c}", base64.StdEncoding.EncodeToString(certificate),
		"{x5t}", encode64(short[:]), "{x5t#S256}", encode64(long[:]),
	}
	for name, value := range unmarshal(t, marshal(t, private.Public())) {
		values = append(values, "{"+name+"}", fmt.Sprint(value))
	}
	return private, strings.NewReplacer(values...).Replace(k.members)
}

// newCertificate returns a certificate, as issuers publish one beside a key. Nothing reads it.
func newCertificate(t *testing.T) []byte {
	t.Helper()
	block, _ := pem.Decode(rsaKeys()[0])
	key, err := x509.ParsePKCS1PrivateKey(block.Bytes)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1),
		Subject:      pkix.Name{CommonName: "issuer.example"},
		NotAfter:     time.Now().Add(time.Hour),
	}
	certificate, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	return certificate
}

const (
	tenant   = "11111111-2222-3333-4444-555555555555"
	auth0Key = `{"kty":"RSA","use":"sig","n":"{n}","e":"{e}","kid":"{kid}","x5t":"{x5t}",` +
		`"x5c":["{x5c}"],"alg":"RS256"}`
	entra1Key = `{"kty":"RSA","use":"sig","kid":"{kid}","x5t":"{kid}","n":"{n}","e":"{e}","x5c":["{x5c}"]}`
	entra2Key = `{"kty":"RSA","use":"sig","kid":"{kid}","x5t":"{kid}","n":"{n}","e":"{e}","x5c":["{x5c}"],` +
		`"cloud_instance_name":"microsoftonline.com","issuer":"https://login.microsoftonline.com/{tenantid}/v2.0"}`
	cognitoKey  = `{"alg":"RS256","e":"{e}","kid":"{kid}","kty":"RSA","n":"{n}","use":"sig"}`
	googleKey   = `{"kid":"{kid}","n":"{n}","e":"{e}","kty":"RSA","use":"sig","alg":"RS256"}`
	oktaKey     = `{"kty":"RSA","alg":"RS256","kid":"{kid}","use":"sig","e":"{e}","n":"{n}"}`
	keycloakKey = `"n":"{n}","e":"{e}","x5c":["{x5c}"],"x5t":"{x5t}","x5t#S256":"{x5t#S256}"}`
	noAlg       = `a key of type "RSA" needs an alg`
)

// issuers are the sets of the issuers that people use most: every key is read, but for those that
// cannot or must not verify.
var issuers = map[string]struct {
	options jwk.SetOptions
	keys    []issuerKey
}{
	"Auth0": {keys: []issuerKey{
		{"aa0aa0aa0aa0aa0aa0aa0", "RS256", auth0Key, ""}, {"bb1bb1bb1bb1bb1bb1bb1", "RS256", auth0Key, ""},
	}},
	"Entra ID, v1 without a default": {keys: []issuerKey{{"rsa", "RS256", entra1Key, noAlg}}},
	"Entra ID, v1": {
		options: jwk.SetOptions{Default: jwk.RS256, Algorithms: []jwk.Algorithm{jwk.RS256}},
		keys: []issuerKey{
			{"aAaAaAaAaAaAaAaAaAaAaAaAaAa", "RS256", entra1Key, ""},
			{"bBbBbBbBbBbBbBbBbBbBbBbBbBb", "RS256", entra1Key, ""},
		},
	},
	"Entra ID, v2": {
		options: jwk.SetOptions{Default: jwk.RS256, Issuer: "https://login.microsoftonline.com/" + tenant + "/v2.0"},
		keys: []issuerKey{
			{"aAaAaAaAaAaAaAaAaAaAaAaAaAa", "RS256", entra2Key, ""},
			{"its-own", "RS256", strings.Replace(entra2Key, "{tenantid}", tenant, 1), ""},
			{
				"consumers", "RS256",
				strings.Replace(entra2Key, "{tenantid}", "9188040d-6c67-4c5b-b112-36a304b66dad", 1),
				`a key of the issuer "https://login.microsoftonline.com/9188040d-6c67-4c5b-b112-36a304b66dad/v2.0"`,
			},
		},
	},
	"Entra ID, v2 of all tenants": {
		options: jwk.SetOptions{Default: jwk.RS256, Issuer: "https://login.microsoftonline.com/{tenantid}/v2.0"},
		keys: []issuerKey{
			{"aAaAaAaAaAaAaAaAaAaAaAaAaAa", "RS256", entra2Key, ""},
			{"of-one", "RS256", strings.Replace(entra2Key, "{tenantid}", tenant, 1), "a key of the issuer"},
		},
	},
	"Cognito": {keys: []issuerKey{
		{"1example/AAA+9a8b7c6d5e4f=", "RS256", cognitoKey, ""},
		{"2example/BBB+9a8b7c6d5e4f=", "RS256", cognitoKey, ""},
	}},
	"Keycloak": {keys: []issuerKey{
		{"sig", "RS256", `{"kid":"{kid}","kty":"RSA","alg":"RS256","use":"sig",` + keycloakKey, ""},
		{
			"enc", "RS256", `{"kid":"{kid}","kty":"RSA","alg":"RSA-OAEP","use":"enc",` + keycloakKey,
			"its use is not sig",
		},
		{
			"ec", "ES256",
			`{"kid":"{kid}","kty":"EC","alg":"ES256","use":"sig","crv":"P-256","x":"{x}","y":"{y}"}`, "",
		},
		{
			"ed", "EdDSA",
			`{"kid":"{kid}","kty":"OKP","alg":"EdDSA","use":"sig","crv":"Ed25519","x":"{x}"}`, "",
		},
	}},
	"Okta": {keys: []issuerKey{
		{"current", "RS256", oktaKey, ""}, {"next", "RS256", oktaKey, ""},
	}},
	"Firebase": {keys: []issuerKey{
		{
			"00112233445566778899aabbccddeeff00112233", "RS256",
			`{"e":"{e}","alg":"RS256","kty":"RSA","n":"{n}","kid":"{kid}","use":"sig"}`, "",
		},
		{
			"ffeeddccbbaa99887766554433221100ffeeddcc", "RS256",
			`{"use":"sig","n":"{n}","kid":"{kid}","alg":"RS256","kty":"RSA","e":"{e}"}`, "",
		},
	}},
	"Google": {keys: []issuerKey{
		{"00112233445566778899aabbccddeeff00112233", "RS256", googleKey, ""},
		{"ffeeddccbbaa99887766554433221100ffeeddcc", "RS256", googleKey, ""},
	}},
	"Supabase": {keys: []issuerKey{
		{
			"11111111-2222-3333-4444-555555555555", "ES256",
			`{"alg":"ES256","crv":"P-256","ext":true,"key_ops":["verify"],"kid":"{kid}","kty":"EC",` +
				`"use":"sig","x":"{x}","y":"{y}"}`, "",
		},
		{
			"66666666-7777-8888-9999-000000000000", "RS256",
			`{"alg":"RS256","e":"{e}","ext":true,"key_ops":["verify"],"kid":"{kid}","kty":"RSA","n":"{n}",` +
				`"use":"sig"}`, "",
		},
	}},
	"GitHub Actions": {keys: []issuerKey{
		{
			"11111111-2222-3333-4444-555555555555", "RS256",
			`{"n":"{n}","kty":"RSA","kid":"{kid}","alg":"RS256","e":"{e}","use":"sig",` +
				`"x5c":["{x5c}"],"x5t":"{x5t}"}`, "",
		},
		{
			"66666666-7777-8888-9999-000000000000", "RS256",
			`{"kty":"RSA","alg":"RS256","use":"sig","kid":"{kid}","n":"{n}","e":"{e}"}`, "",
		},
	}},
	"Kubernetes": {keys: []issuerKey{
		{
			"rsa", "RS256",
			`{"use":"sig","kty":"RSA","kid":"{kid}","alg":"RS256","n":"{n}","e":"{e}"}`, "",
		},
		{
			"ec", "ES256",
			`{"use":"sig","kty":"EC","kid":"{kid}","crv":"P-256","alg":"ES256","x":"{x}","y":"{y}"}`, "",
		},
	}},
	"Hallpass": {keys: []issuerKey{
		{
			"ec", "ES256",
			`{"kty":"EC","kid":"{kid}","use":"sig","alg":"ES256","crv":"P-256","x":"{x}","y":"{y}"}`, "",
		},
		{
			"ed", "EdDSA",
			`{"kty":"OKP","kid":"{kid}","use":"sig","alg":"EdDSA","crv":"Ed25519","x":"{x}"}`, "",
		},
	}},
}

func TestSetOptions_readSetsAsIssuersPublishThem(t *testing.T) {
	for name, issuer := range issuers {
		var private []jwk.SigningKey
		var published []string
		for _, k := range issuer.keys {
			key, text := k.publish(t)
			private, published = append(private, key), append(published, text)
		}
		set, err := issuer.options.Parse([]byte(`{"keys":[` + strings.Join(published, ",\n") + `]}`))
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		skipped := map[string]error{}
		for _, k := range set.Skipped() {
			skipped[k.KeyID] = k.Err
		}
		if n := len(set.Keys()) + len(set.Skipped()); n != len(issuer.keys) {
			t.Errorf("%s: %d keys, want %d", name, n, len(issuer.keys))
		}
		for i, k := range issuer.keys {
			if reason := fmt.Sprint(skipped[k.kid]); k.skipped != "" {
				if !strings.Contains(reason, k.skipped) {
					t.Errorf("%s: %s was skipped because of %s, want %s", name, k.kid, reason, k.skipped)
				}
				continue
			}
			signature, err := private[i].Sign([]byte("m"))
			if err != nil {
				t.Fatal(err)
			}
			found, err := set.Key(t.Context(), k.kid)
			if err != nil || found.Algorithm() != k.alg || !found.Verify([]byte("m"), signature) {
				t.Errorf("%s: %s: %v, %v", name, k.kid, found, err)
			}
		}
	}
}

// One bad key is refused alone. The set and its other keys stay.
func TestSetOptions_refuseKeysOneByOne(t *testing.T) {
	good := with(document(t, jwk.ES256), "kid", "good")
	ec, rs, ed := document(t, jwk.ES256), document(t, jwk.RS256), document(t, jwk.EdDSA)
	for _, key := range []map[string]any{ec, rs, ed} {
		key["kid"] = "bad"
		for _, private := range []string{"d", "p", "q", "dp", "dq", "qi"} {
			delete(key, private)
		}
	}
	zeroLed := func(m map[string]any, name string) map[string]any {
		return with(m, name, encode64(append([]byte{0}, decode64(t, m[name].(string))...)))
	}
	padded := func(m map[string]any, name string) map[string]any {
		value := m[name].(string)
		return with(m, name, value+strings.Repeat("=", (4-len(value)%4)%4))
	}
	for name, bad := range map[string][]any{
		"a padded modulus":             {padded(rs, "n")},
		"a padded coordinate":          {padded(ec, "x")},
		"a padded key":                 {padded(ed, "x")},
		"a modulus led by zero":        {zeroLed(rs, "n")},
		"an exponent led by zero":      {zeroLed(rs, "e")},
		"a coordinate led by zero":     {zeroLed(ec, "y")},
		"a key led by zero":            {zeroLed(ed, "x")},
		"the alphabet of plain base64": {with(rs, "n", strings.Map(plain, rs["n"].(string))+"+")},
		"a kid that is a number":       {with(ec, "kid", 7)},
		"a kid that is null":           {`{"kty":"EC","kid":null}`},
		"Ed25519 for another curve":    {with(ec, "alg", "Ed25519")},
		"Ed448":                        {with(with(ed, "alg", "Ed448"), "crv", "Ed448")},
		"two of one kid":               {ec, rs},
		"two of one kid and type":      {ec, with(document(t, jwk.ES256), "kid", "bad")},
	} {
		set, err := jwk.SetOptions{AllowSameID: true}.Parse(setText(t, append([]any{good}, bad...)...))
		if err != nil {
			t.Errorf("%s: the set was refused: %v", name, err)
			continue
		}
		if keys := set.Keys(); len(keys) != 1 || keys[0].ID() != "good" || len(set.Skipped()) != len(bad) {
			t.Errorf("%s: kept %v, skipped %v", name, keys, set.Skipped())
		}
		if _, err := set.Key(t.Context(), "bad"); !errors.Is(err, jwk.ErrUnknownKey) {
			t.Errorf("%s: %v", name, err)
		}
	}
	for _, alg := range []jwk.Algorithm{"Ed25519", "EdDSA"} {
		set, err := jwk.ParseSet(setText(t, with(ed, "alg", string(alg))))
		if err != nil || len(set.Keys()) != 1 || set.Keys()[0].Algorithm() != alg {
			t.Errorf("%s: %v", alg, err)
		}
	}
}

// plain writes base64url in the alphabet of base64.
func plain(r rune) rune {
	switch r {
	case '-':
		return '+'
	case '_':
		return '/'
	}
	return r
}

func TestSetOptions_issuerOfAKey(t *testing.T) {
	base := with(document(t, jwk.ES256), "kid", "k")
	const template, tenant1 = "https://login.example/{tenantid}/v2.0", "https://login.example/1/v2.0"
	for _, c := range []struct {
		wanted string
		named  any
		used   bool
	}{
		{"", template, true}, {"", 5, true}, {"", "https://other.example", true},
		{tenant1, nil, true}, {tenant1, tenant1, true}, {tenant1, template, true}, {template, template, true},
		{template, tenant1, false}, {tenant1, "https://login.example/2/v2.0", false}, {tenant1, tenant1 + "/", false},
		{tenant1, "", false}, {tenant1, 5, false}, {tenant1, []string{tenant1}, false},
		{tenant1, "https://other.example/{tenantid}/v2.0", false},
		{tenant1, "https://login.example/{tenantid}/v1.0", false},
		{"https://login.example/1/2/v2.0", template, false}, {"https://login.example//v2.0", template, false},
		{"https://login.example/v2.0", "https://login.example/{tenantid}/v2.0", false},
		{"https://login.example/v2.0", "https://login.example/v2{tenantid}2.0", false},
		{"aba", "ab{tenantid}ba", false}, {tenant1, "https://login.example/{TENANTID}/v2.0", false},
		{"https://login.example/1/1", "https://login.example/{tenantid}/{tenantid}", false},
	} {
		set, err := jwk.SetOptions{Issuer: c.wanted}.Parse(setText(t, with(base, "issuer", c.named)))
		if err != nil {
			t.Fatal(err)
		}
		if used := len(set.Keys()) == 1; used != c.used || len(set.Skipped()) == len(set.Keys()) {
			t.Errorf("wanted %q, key of %v: used is %v; %v", c.wanted, c.named, used, set.Skipped())
		}
	}
}

// Tokens without a kid are for issuers with one key. Whether another key could have signed is decided
// by what the set says, and in doubt it could.
func TestSet_noIDMeansTheOnlyKey(t *testing.T) {
	ec, other, rs := with(document(t, jwk.ES256), "kid", "ec"), document(t, jwk.ES384), document(t, jwk.RS256)
	unnamed, wrapping := with(ec, "kid", nil), with(with(rs, "key_ops", []string{"wrapKey"}), "use", nil)
	for name, c := range map[string]struct {
		options jwk.SetOptions
		keys    []any
		found   bool
	}{
		"one":                      {keys: []any{ec}, found: true},
		"one without a kid":        {keys: []any{unnamed}, found: true},
		"one twice":                {jwk.SetOptions{AllowSameID: true}, []any{ec, ec}, true},
		"none":                     {keys: []any{}},
		"two":                      {keys: []any{ec, other}},
		"one, and one to encrypt":  {keys: []any{ec, with(rs, "use", "enc")}, found: true},
		"one, and one to wrap":     {keys: []any{ec, wrapping}, found: true},
		"one of the algorithms":    {jwk.SetOptions{Algorithms: []jwk.Algorithm{jwk.ES256}}, []any{ec, other}, true},
		"one of the issuer":        {jwk.SetOptions{Issuer: "i"}, []any{ec, with(other, "issuer", "o")}, true},
		"one, and a weak one":      {keys: []any{ec, with(rs, "n", "AQAB")}},
		"one, and one without alg": {keys: []any{ec, with(rs, "alg", nil)}},
		"one, and one of no type":  {keys: []any{ec, map[string]any{"kty": "AKP", "alg": "ML-DSA-44"}}},
		"one, and one with kid 7":  {keys: []any{ec, with(other, "kid", 7)}},
		"one, and two of one kid": {
			jwk.SetOptions{AllowSameID: true}, []any{ec, with(other, "kid", "k"), with(rs, "kid", "k")}, false,
		},
	} {
		p := newPublisher(t, c.keys...)
		set, err := c.options.Parse(setText(t, c.keys...))
		if err != nil {
			t.Fatal(err)
		}
		r := p.remote(t, func(with *jwk.RemoteConfig) { with.Set = c.options })
		for kind, source := range map[string]jwk.Source{"set": set, "remote": r} {
			key, err := source.Key(t.Context(), "")
			if c.found && (err != nil || key.Algorithm() != jwk.ES256) {
				t.Errorf("%s, %s: %v", name, kind, err)
			}
			if !c.found && (!errors.Is(err, jwk.ErrUnknownKey) || key != nil) {
				t.Errorf("%s, %s: %v, %v", name, kind, key, err)
			}
		}
		if n := p.fetches.Load(); n != 1 {
			t.Errorf("%s: %d fetches", name, n)
		}
	}
}

// A second key ends the rule at the next fetch.
func TestRemote_noIDMeansTheOnlyKeyOfTheCurrentSet(t *testing.T) {
	first, second := generate(t, jwk.ES256).Public(), generate(t, jwk.ES256).Public()
	p := newPublisher(t, first)
	r := p.remote(t, nil)
	before, err := r.Key(t.Context(), "")
	if err != nil {
		t.Fatal(err)
	}
	p.publish(t, first, second)
	if !has(t, r, second.ID()) {
		t.Fatal("the second key is not there")
	}
	if key, err := r.Key(t.Context(), ""); !errors.Is(err, jwk.ErrUnknownKey) {
		t.Errorf("two keys: %v, %v", key, err)
	}
	p.publish(t, first)
	p.advance(31 * time.Second)
	if after, err := r.Key(t.Context(), ""); err != nil || after != before {
		t.Errorf("one key again: %v, %v", after, err)
	}
}
