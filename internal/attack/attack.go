// Package attack forges access tokens for tests, of every kind that a standard forbids or that some
// product once accepted. A verifier must refuse all of them.
package attack

import (
	"crypto/hmac"
	"crypto/sha256"
	"crypto/sha512"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"hash"
	"iter"
	"maps"
	"strings"
	"testing"
	"time"

	"github.com/hallpass-go/hallpass/jwk"
)

// Target is a verifier that forged tokens are made for.
type Target struct {
	Key      jwk.SigningKey // the issuer's own; tokens signed with it have forged contents
	Issuer   string
	Audience string
	Now      time.Time

	// Header and Claims are those of the target's own tokens if they differ from RFC 9068. Such a
	// target may accept forged claims that it does not know. Its test says which classes it leaves
	// out.
	Header, Claims map[string]any
}

// Forgery is one forged token.
type Forgery struct {
	Class string // what is wrong, as in the catalogue of attacks
	Name  string // of this forgery
	Token string
}

// forger yields the forgeries for one target.
type forger struct {
	Target
	tb    testing.TB
	yield func(Forgery) bool
	done  bool
}

// Forgeries yields all forgeries. Those that involve randomness differ from run to run.
func (t Target) Forgeries(tb testing.TB) iter.Seq[Forgery] {
	return func(yield func(Forgery) bool) {
		f := &forger{Target: t, tb: tb, yield: yield}
		for _, class := range []func(){
			f.none, f.confusion, f.otherAlgorithms, f.injectedKeys, f.keyIDs, f.types, f.extensions,
			f.headerText, f.claimText, f.claimTypes,
			f.dates, f.issuers, f.audiences, f.spellings, f.signatures, f.otherForms, f.sizes,
		} {
			if !f.done {
				class()
			}
		}
	}
}

func (f *forger) add(class, name, token string) {
	if !f.done && !f.yield(Forgery{class, name, token}) {
		f.done = true
	}
}

// Valid returns a token that the target accepts, for comparison.
func (t Target) Valid(tb testing.TB) string {
	f := &forger{Target: t, tb: tb}
	return f.signed(f.header(), f.claims())
}

type members = map[string]any

func (f *forger) header() members {
	if f.Header != nil {
		return maps.Clone(f.Header)
	}
	return members{"alg": f.Key.Algorithm(), "typ": "at+jwt", "kid": f.Key.ID()}
}

func (f *forger) claims() members {
	if f.Claims != nil {
		return maps.Clone(f.Claims)
	}
	now := f.Now.Unix()
	return members{
		"iss": f.Issuer, "sub": "user-1", "aud": f.Audience, "exp": now + 300, "iat": now, "jti": "token-1",
		"client_id": "app", "sid": "session-1",
		"auth_time": now, "scope": "read", "roles": []string{"user"},
	}
}

// with returns a copy of the members with one of them set, or removed if value is nil.
func with(m members, name string, value any) members {
	changed := members{}
	for n, v := range m {
		changed[n] = v
	}
	if changed[name] = value; value == nil {
		delete(changed, name)
	}
	return changed
}

func text(m members) string {
	b, err := json.Marshal(m)
	if err != nil {
		panic(err) // all values are texts and numbers
	}
	return string(b)
}

func encode(s string) string { return base64.RawURLEncoding.EncodeToString([]byte(s)) }

// sign appends a signature with the issuer's key to two segments.
func (f *forger) sign(header, payload string) string {
	signature, err := f.Key.Sign([]byte(header + "." + payload))
	if err != nil {
		f.tb.Fatal(err)
	}
	return header + "." + payload + "." + encode(string(signature))
}

func (f *forger) signed(header, claims members) string {
	return f.sign(encode(text(header)), encode(text(claims)))
}

// raw signs texts unchanged.
func (f *forger) raw(header, claims string) string { return f.sign(encode(header), encode(claims)) }

// none: CVE-2015-2951, CVE-2022-23540; RFC 7518 §3.6.
func (f *forger) none() {
	signature := f.signed(f.header(), f.claims())
	signature = signature[strings.LastIndexByte(signature, '.')+1:]
	for _, alg := range []any{"none", "None", "NONE", "nOnE", "none ", " none", "none\x00", "",
		"null", json.RawMessage("null"), false, 0, []string{"none"}, members{"alg": "none"}, nil} {
		unsigned := encode(text(with(f.header(), "alg", alg))) + "." + encode(text(f.claims()))
		for _, end := range []string{"", ".", "." + signature, ".AA", "." + encode("none")} {
			f.add("alg none", fmt.Sprintf("%v%.4s", alg, end), unsigned+end)
		}
		f.add("alg none", fmt.Sprintf("%v without kid", alg),
			encode(text(members{"alg": alg, "typ": "at+jwt"}))+"."+encode(text(f.claims()))+".")
	}
}

// confusion: the public key as an HMAC secret, in every form in which it is published.
// CVE-2015-9235, CVE-2016-10555, CVE-2022-29217, CVE-2024-33663, CVE-2026-34950.
func (f *forger) confusion() {
	secrets := map[string][]byte{
		"an empty secret": {},
		"the kid":         []byte(f.Key.ID()),
		"the issuer":      []byte(f.Issuer),
		"a zero":          {0},
	}
	if private, ok := f.Key.(*jwk.PrivateKey); ok {
		public, err := json.Marshal(private.Public())
		if err != nil {
			f.tb.Fatal(err)
		}
		secrets["the JWK"] = public
		secrets["the set"] = []byte(`{"keys":[` + string(public) + `]}`)
		secrets["the thumbprint"] = []byte(private.Public().Thumbprint())
		var parts members
		if err := json.Unmarshal(public, &parts); err != nil {
			f.tb.Fatal(err)
		}
		for _, name := range []string{"n", "x", "y"} {
			if value, ok := parts[name].(string); ok {
				raw, _ := base64.RawURLEncoding.DecodeString(value)
				secrets[name], secrets[name+" in base64url"] = raw, []byte(value)
			}
		}
		for name, form := range PublicForms(f.tb, private) {
			secrets[name] = form
		}
	}
	hashes := map[string]func() hash.Hash{"HS256": sha256.New, "HS384": sha512.New384, "HS512": sha512.New}
	for name, secret := range secrets {
		for alg, newHash := range hashes {
			signed := encode(text(with(f.header(), "alg", alg))) + "." + encode(text(f.claims()))
			mac := hmac.New(newHash, secret)
			mac.Write([]byte(signed))
			f.add("key confusion", alg+" with "+name, signed+"."+encode(string(mac.Sum(nil))))
		}
	}
}

// PublicForms returns a key's public half in the forms that programs exchange: DER and PEM, with
// the white space that editors leave.
func PublicForms(tb testing.TB, key *jwk.PrivateKey) map[string][]byte {
	tb.Helper()
	standard := standardPublic(tb, key)
	der, err := x509.MarshalPKIXPublicKey(standard)
	if err != nil {
		tb.Fatal(err)
	}
	forms := map[string][]byte{"DER": der}
	text := string(pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der}))
	for name, form := range map[string]string{
		"PEM": text, "PEM without the last line break": strings.TrimSpace(text),
		"PEM with CRLF":     strings.ReplaceAll(text, "\n", "\r\n"),
		"PEM after a blank": " " + text, "PEM after a line break": "\n" + text,
		"PEM before a blank line": text + "\n", "PEM's body": strings.Split(text, "-----")[2],
		"DER in base64": base64.StdEncoding.EncodeToString(der),
	} {
		forms[name] = []byte(form)
	}
	return forms
}

// otherAlgorithms: the alg of the header is not the key's. CVE-2022-23541; RFC 8725 §3.1.
func (f *forger) otherAlgorithms() {
	for _, alg := range []string{
		"HS256", "HS384", "HS512", "RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384",
		"ES512", "EdDSA",
		"Ed25519", "Ed448", "ES256K", "RS1", "HS1", "HS224", "RSA1_5", "dir", "A256KW", "ML-DSA-44", "es256",
		"RS256 ", "https://www.w3.org/2001/04/xmldsig-more#rsa-sha256",
	} {
		if alg != string(f.Key.Algorithm()) {
			f.add("algorithm", alg, f.signed(with(f.header(), "alg", alg), f.claims()))
		}
	}
}
