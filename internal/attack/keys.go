package attack

import (
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rsa"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"math/big"
	"strings"
	"testing"

	"github.com/hallpass-go/hallpass/jwk"
)

// standardPublic returns a key's public half as a type of the standard library.
func standardPublic(tb testing.TB, key *jwk.PrivateKey) any {
	tb.Helper()
	document, err := json.Marshal(key.Public())
	if err != nil {
		tb.Fatal(err)
	}
	var parts struct{ Kty, Crv, X, Y, N, E string }
	if err := json.Unmarshal(document, &parts); err != nil {
		tb.Fatal(err)
	}
	raw := func(s string) []byte {
		b, err := base64.RawURLEncoding.DecodeString(s)
		if err != nil {
			tb.Fatal(err)
		}
		return b
	}
	switch parts.Kty {
	case "OKP":
		return ed25519.PublicKey(raw(parts.X))
	case "RSA":
		return &rsa.PublicKey{
			N: new(big.Int).SetBytes(raw(parts.N)),
			E: int(new(big.Int).SetBytes(raw(parts.E)).Int64()),
		}
	}
	curve := map[string]elliptic.Curve{"P-256": elliptic.P256(), "P-384": elliptic.P384(),
		"P-521": elliptic.P521()}[parts.Crv]
	public, err := ecdsa.ParseUncompressedPublicKey(curve, append(append([]byte{4}, raw(parts.X)...), raw(parts.Y)...))
	if err != nil {
		tb.Fatal(err)
	}
	return public
}

// injectedKeys: the token contains the key that it is signed with. CVE-2018-0114, CVE-2025-24976.
func (f *forger) injectedKeys() {
	own, err := jwk.Generate(jwk.ES256)
	if err != nil {
		f.tb.Fatal(err)
	}
	document, err := json.Marshal(own.Public())
	if err != nil {
		f.tb.Fatal(err)
	}
	theirs := *f
	theirs.Key = own
	for name, value := range map[string]any{
		"jwk": json.RawMessage(document), "jku": "http://127.0.0.1:1/jwks.json",
		"x5u": "http://127.0.0.1:1/cert.pem", "x5c": []string{"MIIB"}, "x5t": "AAAA",
		"x5t#S256": "AAAA", "keys": []json.RawMessage{document},
	} {
		for _, id := range []any{f.Key.ID(), own.ID(), nil} {
			header := with(with(theirs.header(), "kid", id), name, value)
			f.add("injected key", fmt.Sprintf("%s, kid %v", name, id), theirs.signed(header, f.claims()))
		}
	}
	f.add("another key", "of the same kid", theirs.signed(with(theirs.header(), "kid", f.Key.ID()), f.claims()))
	f.add("another key", "of its own kid", theirs.signed(theirs.header(), f.claims()))
}

// keyIDs: the kid does not name the key. CVE-2025-65945; RFC 8725 §3.10.
func (f *forger) keyIDs() {
	id := f.Key.ID()
	for _, kid := range []any{
		nil, "", " ", "none", "0", id + " ", " " + id, id + "\x00", id + "\n", strings.ToUpper(id) + "x",
		id[:len(id)-1], id + id, "../../../../dev/null", "/dev/null",
		"file:///etc/passwd", "x' UNION SELECT 'secret", "$(sleep 5)", "|/bin/sleep 5",
		"http://127.0.0.1:1/key", strings.Repeat("k", 7000), "\u0000", "ａ",
		json.RawMessage("null"), 0, true, []string{id}, members{"kid": id},
	} {
		f.add("kid", fmt.Sprintf("%.20v", kid), f.signed(with(f.header(), "kid", kid), f.claims()))
	}
}

// types: a token of another kind. CVE-2026-41164; RFC 8725 §3.11, RFC 9068 §4.
func (f *forger) types() {
	for _, typ := range []any{
		nil, "", "JWT", "jwt", "at", "AT+JWT", "At+Jwt", "at+jwt ", " at+jwt", "at+jwt\x00", "at+JWT",
		"application/AT+JWT", "application/jwt", "Application/at+jwt",
		"application/ at+jwt", "text/at+jwt", "application/application/at+jwt", "id_token+jwt", "refresh+jwt",
		"rt+jwt", "dpop+jwt", "logout+jwt", "secevent+jwt", "reset+jwt",
		"revocations+jwt", "JOSE", "at+jwt;x=y", json.RawMessage("null"), 0, true, []string{"at+jwt"},
		members{"typ": "at+jwt"},
	} {
		f.add("typ", fmt.Sprintf("%v", typ), f.signed(with(f.header(), "typ", typ), f.claims()))
	}
}

// extensions: parameters that change what a token means and that this verifier does not understand.
// CVE-2026-32597, CVE-2025-59420.
func (f *forger) extensions() {
	for _, crit := range []any{
		[]string{}, []string{"x"}, []string{"exp"}, []string{"alg"}, []string{"crit"}, []string{"b64"},
		[]string{""}, []string{"x", "x"}, "x", "", json.RawMessage("null"), 0, true,
		[]any{1}, []any{nil}, members{"x": 1},
	} {
		f.add("crit", fmt.Sprintf("%v", crit), f.signed(with(f.header(), "crit", crit), f.claims()))
		f.add("crit", fmt.Sprintf("%v, which is there", crit),
			f.signed(with(with(f.header(), "crit", crit), "x", 1), f.claims()))
	}
	for _, b64 := range []any{true, false, "false", json.RawMessage("null")} {
		f.add("b64", fmt.Sprint(b64), f.signed(with(f.header(), "b64", b64), f.claims()))
	}
	unencoded := text(f.claims())
	f.add(
		"b64",
		"payload as it is",
		f.sign(encode(text(with(with(f.header(), "b64", false), "crit", []string{"b64"}))), unencoded),
	)
	f.add("zip", "DEF", f.signed(with(f.header(), "zip", "DEF"), f.claims()))
	for _, enc := range []string{"A256GCM", "A128CBC-HS256", ""} {
		f.add("enc", enc, f.signed(with(f.header(), "enc", enc), f.claims()))
	}
}
