package jwk_test

import (
	"bytes"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"math/big"
	"slices"
	"strings"
	"testing"

	"github.com/hallpass-go/hallpass/jwk"
)

// with returns a copy of members in which name has the value, or is absent if the value is nil.
func with(members map[string]any, name string, value any) map[string]any {
	changed := maps.Clone(members)
	if value == nil {
		delete(changed, name)
	} else {
		changed[name] = value
	}
	return changed
}

func document(t testing.TB, alg jwk.Algorithm) map[string]any {
	t.Helper()
	whole, err := signingKey(t, alg).(interface{ MarshalPrivate() ([]byte, error) }).MarshalPrivate()
	if err != nil {
		t.Fatal(err)
	}
	return unmarshal(t, whole)
}

func TestParse_takesWhatIsLeftOut(t *testing.T) {
	for _, alg := range asymmetric {
		members := document(t, alg)
		delete(members, "use")
		delete(members, "kid")
		if !strings.HasPrefix(string(alg), "RS") && !strings.HasPrefix(string(alg), "PS") {
			delete(members, "alg") // the curve implies it
		}
		key, err := jwk.ParsePrivate(marshal(t, members))
		if err != nil {
			t.Errorf("%s: %v", alg, err)
			continue
		}
		if key.Algorithm() != alg || key.ID() != key.Public().Thumbprint() {
			t.Errorf("%s: read as %v", alg, key)
		}
		members["x-own"], members["x5t"] = map[string]any{"a": 1}, "ignored"
		if _, err := jwk.ParsePrivate(marshal(t, members)); err != nil {
			t.Errorf("%s: unknown members: %v", alg, err)
		}
	}
}

// J9: use, key_ops and alg are enforced (RFC 7517 §4.2–4.4). J12: coordinates have full length,
// points are on their curve, moduli are sound (RFC 7518 §6).
func TestParsePublic_refuses(t *testing.T) {
	ec, ed, rs, oct := document(t, jwk.ES256), document(t, jwk.EdDSA), document(t, jwk.RS256), document(t, jwk.HS256)
	coordinate := ec["x"].(string)
	x, y := decode64(t, coordinate), decode64(t, ec["y"].(string))
	for name, members := range map[string]map[string]any{
		"use enc":                  with(ec, "use", "enc"),
		"use of no kind":           with(ec, "use", ""),
		"use that is a number":     with(ec, "use", 1),
		"key_ops for nothing":      with(ec, "key_ops", []string{}),
		"key_ops for encryption":   with(ec, "key_ops", []string{"encrypt"}),
		"key_ops twice":            with(ec, "key_ops", []string{"verify", "verify"}),
		"key_ops that is a string": with(ec, "key_ops", "verify"),
		"alg none":                 with(ec, "alg", "none"),
		"alg of another curve":     with(ec, "alg", "ES384"),
		"alg of HMAC":              with(ec, "alg", "HS256"),
		"alg of RSA":               with(ec, "alg", "RS256"),
		"alg in small letters":     with(ec, "alg", "es256"),
		"alg that is null":         with(ec, "alg", json.RawMessage("null")),
		"alg that is a list":       with(ec, "alg", []string{"ES256"}),
		"no alg with RSA":          with(rs, "alg", nil),
		"no kty":                   with(ec, "kty", nil),
		"kty of no kind":           with(ec, "kty", "XX"),
		"kty in small letters":     with(ec, "kty", "ec"),
		"kty of a secret":          oct,
		"an empty kid":             with(ec, "kid", ""),
		"a kid that is a number":   with(ec, "kid", 7),
		"a kid that is null":       with(ec, "kid", json.RawMessage("null")),
		"a kid with a line break":  with(ec, "kid", "a\nb"),
		"no crv":                   with(ec, "crv", nil),
		"another crv":              with(ec, "crv", "P-384"),
		"crv of Bitcoin":           with(ec, "crv", "secp256k1"),
		"no x":                     with(ec, "x", nil),
		"no y":                     with(ec, "y", nil),
		"y that is x":              with(ec, "y", coordinate),
		"coordinates beyond the prime": with(with(ec, "x",
			encode64(bytes.Repeat([]byte{0xff}, 32))), "y",
			encode64(bytes.Repeat([]byte{0xff}, 32))),
		"the point at infinity": with(with(ec, "x", encode64(make([]byte, 32))), "y",
			encode64(make([]byte, 32))),
		"a byte of x in y":            with(with(ec, "x", encode64(x[:31])), "y", encode64(append(x[31:32:32], y...))),
		"a short coordinate":          with(ec, "x", encode64(decode64(t, coordinate)[1:])),
		"a zero before a coordinate":  with(ec, "x", encode64(append([]byte{0}, decode64(t, coordinate)...))),
		"padding":                     with(ec, "x", coordinate+"="),
		"a line break":                with(ec, "x", coordinate+"\n"),
		"the other alphabet":          with(ec, "x", strings.Repeat("+", 43)),
		"x that is a number":          with(ec, "x", 5),
		"Ed25519 as EC":               with(ed, "kty", "EC"),
		"X25519":                      with(ed, "crv", "X25519"),
		"Ed448":                       with(ed, "crv", "Ed448"),
		"a short x of Ed25519":        with(ed, "x", encode64(make([]byte, 31))),
		"a neutral point of Ed25519":  with(ed, "x", encode64(append([]byte{1}, make([]byte, 31)...))),
		"an even exponent":            with(rs, "e", "Ag"),
		"exponent one":                with(rs, "e", "AQ"),
		"a long exponent":             with(rs, "e", encode64([]byte{1, 0, 0, 0, 1})),
		"a zero before the exponent":  with(rs, "e", encode64([]byte{0, 1, 0, 1})),
		"a zero before the modulus":   with(rs, "n", encode64(append([]byte{0}, decode64(t, rs["n"].(string))...))),
		"an even modulus":             with(rs, "n", encode64(new(big.Int).Lsh(big.NewInt(1), 2047).Bytes())),
		"a modulus of 2040 bits":      with(rs, "n", encode64(decode64(t, rs["n"].(string))[:255])),
		"a modulus of 16384 bits":     with(rs, "n", encode64(bytes.Repeat([]byte{0xff}, 2048))),
		"no modulus":                  with(rs, "n", nil),
		"a modulus of the ROCA kind":  with(rs, "n", encode64(roca().Bytes())),
		"RSA with the alg of ECDSA":   with(rs, "alg", "ES256"),
		"RSA with the alg of JWE":     with(rs, "alg", "RSA-OAEP-256"),
		"EdDSA with the alg of ECDSA": with(ed, "alg", "ES256"),
	} {
		text := marshal(t, members)
		if key, err := jwk.ParsePublic(text); key != nil ||
			!errors.Is(err, jwk.ErrInvalidKey) && !errors.Is(err, jwk.ErrWeakKey) {
			t.Errorf("%s: %v, %v", name, key, err)
		}
	}
}

// roca returns a modulus like those of the broken generator of CVE-2017-15361: modulo each small
// prime it is a power of 65537.
func roca() *big.Int {
	primorial := big.NewInt(1)
	for _, p := range []int64{2, 3, 5, 7, 11, 13, 17, 19, 23, 29, 31, 37, 41, 43, 47, 53, 59, 61,
		67, 71, 73, 79, 83, 89, 97, 101, 103, 107, 109, 113, 127, 131, 137, 139, 149, 151, 157, 163,
		167} {
		primorial.Mul(primorial, big.NewInt(p))
	}
	n := new(big.Int).Exp(big.NewInt(65537), big.NewInt(12345), primorial)
	k, _ := rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), uint(2047-primorial.BitLen())))
	k.SetBit(k, 2047-primorial.BitLen(), 1)
	return n.Add(n, k.Mul(k, primorial))
}

func TestParse_refusesTextThatIsNoDocument(t *testing.T) {
	valid := string(marshal(t, generate(t, jwk.ES256).Public()))
	for name, text := range map[string]string{
		"nothing":               "",
		"an array":              "[" + valid + "]",
		"null":                  "null",
		"two":                   valid + valid,
		"a duplicate":           strings.Replace(valid, "{", `{"alg":"ES256",`, 1),
		"a duplicate by escape": strings.Replace(valid, "{", `{"\u006bid":"other",`, 1),
		"other letters":         strings.Replace(valid, `"kty"`, `"KTY"`, 1),
		"not UTF-8":             strings.Replace(valid, `"kid":"`, "\"kid\":\"\xff", 1),
		"too deep": strings.Replace(valid, "{", `{"deep":`+strings.Repeat("[",
			40)+strings.Repeat("]", 40)+",", 1),
		"a comma too many":        strings.Replace(valid, "}", ",}", 1),
		"a comment":               "/* */" + valid,
		"a byte order mark":       "\ufeff" + valid,
		"something that is a set": `{"keys":[` + valid + `]}`,
	} {
		if key, err := jwk.ParsePublic([]byte(text)); !errors.Is(err, jwk.ErrInvalidKey) || key != nil {
			t.Errorf("%s: %v, %v", name, key, err)
		}
	}
}

func TestParsePrivate_refusesHalvesThatDoNotBelongTogether(t *testing.T) {
	ec, ed, rs := document(t, jwk.ES256), document(t, jwk.EdDSA), document(t, jwk.PS256)
	otherEC, otherEd, otherRSA := document(t, jwk.ES256), document(t, jwk.EdDSA), document(t, jwk.PS256)
	for name, members := range map[string]map[string]any{
		"no d":                 with(ec, "d", nil),
		"another d":            with(ec, "d", otherEC["d"]),
		"d of zero":            with(ec, "d", encode64(make([]byte, 32))),
		"a short d":            with(ec, "d", encode64(decode64(t, ec["d"].(string))[1:])),
		"another d of Ed25519": with(ed, "d", otherEd["d"]),
		"a long d of Ed25519":  with(ed, "d", encode64(make([]byte, 64))),
		"another d of RSA":     with(rs, "d", otherRSA["d"]),
		"another prime":        with(rs, "p", otherRSA["p"]),
		"no primes":            with(with(rs, "p", nil), "q", nil),
		"another dp":           with(rs, "dp", otherRSA["dp"]),
		"another dq":           with(rs, "dq", otherRSA["dq"]),
		"another d and nothing that follows from it":     with(bare(rs), "d", otherRSA["d"]),
		"another prime and nothing that follows from it": with(bare(rs), "q", otherRSA["q"]),
		"a prime of one":            with(bare(rs), "p", "AQ"),
		"a prime of zero":           with(bare(rs), "p", "AA"),
		"d of RSA that is zero":     with(bare(rs), "d", "AA"),
		"another qi":                with(rs, "qi", otherRSA["qi"]),
		"more than two primes":      with(rs, "oth", []any{map[string]string{"r": "AQ"}}),
		"key_ops without sign":      with(ec, "key_ops", []string{"verify"}),
		"a secret":                  document(t, jwk.HS256),
		"a modulus of another pair": with(rs, "n", otherRSA["n"]),
	} {
		key, err := jwk.ParsePrivate(marshal(t, members))
		if !errors.Is(err, jwk.ErrInvalidKey) && !errors.Is(err, jwk.ErrWeakKey) || key != nil {
			t.Errorf("%s: %v, %v", name, key, err)
		}
	}
	for _, left := range []string{"dp", "dq", "qi"} {
		if _, err := jwk.ParsePrivate(marshal(t, with(rs, left, nil))); err != nil {
			t.Errorf("without %s, which follows from the rest: %v", left, err)
		}
	}
	if _, err := jwk.ParsePrivate(marshal(t, with(ec, "key_ops", []string{"sign"}))); err != nil {
		t.Errorf("key_ops sign: %v", err)
	}
}

// bare returns a private RSA key without the members that can be computed from the others.
func bare(rs map[string]any) map[string]any {
	return with(with(with(rs, "dp", nil), "dq", nil), "qi", nil)
}

func TestParseSecret_refuses(t *testing.T) {
	oct := document(t, jwk.HS256)
	for name, members := range map[string]map[string]any{
		"no kid":                with(oct, "kid", nil),
		"no alg":                with(oct, "alg", nil),
		"no kty":                with(oct, "kty", nil),
		"another kty":           with(oct, "kty", "EC"),
		"alg of a public key":   with(oct, "alg", "ES256"),
		"alg of a longer hash":  with(oct, "alg", "HS512"),
		"alg of a wrapping":     with(oct, "alg", "A256KW"),
		"no k":                  with(oct, "k", nil),
		"a short k":             with(oct, "k", encode64([]byte("short"))),
		"a public key":          document(t, jwk.ES256),
		"for encryption":        with(oct, "use", "enc"),
		"key_ops of encryption": with(oct, "key_ops", []string{"encrypt", "decrypt"}),
		"key_ops of one half":   with(oct, "key_ops", []string{"verify"}),
	} {
		if key, err := jwk.ParseSecret(marshal(t, members)); err == nil || key != nil {
			t.Errorf("%s: taken", name)
		}
	}
}

func setText(t testing.TB, keys ...any) []byte {
	t.Helper()
	return marshal(t, map[string]any{"keys": append([]any{}, keys...)})
}

// J9: an unknown or unsound key is skipped, and the set is kept (RFC 7517 §5).
func TestParseSet_skipsWhatItDoesNotKnow(t *testing.T) {
	good, other := document(t, jwk.ES256), document(t, jwk.EdDSA)
	set, err := jwk.ParseSet(setText(
		t,
		with(good, "kid", "a"),
		with(good, "use", "enc"),
		map[string]any{"kty": "AKP", "alg": "ML-DSA-44", "kid": "pq"},
		map[string]any{},
		with(with(good, "kid", "weak"), "crv", "secp256k1"),
		with(other, "kid", "b"),
		5,
		"x",
		nil,
		[]int{},
	))
	if err != nil {
		t.Fatal(err)
	}
	if keys := set.Keys(); len(keys) != 2 || keys[0].ID() != "a" || keys[1].ID() != "b" {
		t.Errorf("kept %v", keys)
	}
	if _, err := set.Key(t.Context(), "weak"); !errors.Is(err, jwk.ErrUnknownKey) {
		t.Errorf("a key that was skipped: %v", err)
	}
}

// What a set leaves out it tells, key by key, and whoever asks for such a key is told why there is none.
func TestSetOptions_tellWhatIsLeftOut(t *testing.T) {
	ec, rsa := with(document(t, jwk.ES256), "kid", "ec"), with(document(t, jwk.RS256), "kid", "rsa")
	bare := with(with(rsa, "alg", nil), "kid", "bare")
	other := with(document(t, jwk.ES256), "kid", "ec")
	enc := with(document(t, jwk.ES256), "use", "enc")
	for name, c := range map[string]struct {
		options jwk.SetOptions
		keys    []any
		kept    string // kid and algorithm of each
		skipped string
	}{
		"no alg":                  {jwk.SetOptions{}, []any{ec, bare}, "ec ES256", "bare"},
		"no alg, with a default":  {jwk.SetOptions{Default: jwk.RS256}, []any{ec, bare}, "ec ES256, bare RS256", ""},
		"a default of no RSA key": {jwk.SetOptions{Default: jwk.ES256}, []any{bare}, "", "bare"},
		"other algorithms": {jwk.SetOptions{Algorithms: []jwk.Algorithm{jwk.RS256}},
			[]any{ec, rsa}, "rsa RS256", "ec"},
		"one key twice":       {jwk.SetOptions{}, []any{ec, rsa, ec}, "ec ES256, rsa RS256", ""},
		"two keys of one kid": {jwk.SetOptions{}, []any{ec, other, rsa}, "rsa RS256", "ec, ec"},
		"one for encryption":  {jwk.SetOptions{}, []any{ec, with(enc, "kid", "ec")}, "ec ES256", "ec"},
		"of two types": {
			jwk.SetOptions{Algorithms: []jwk.Algorithm{jwk.RS256}}, []any{ec, with(rsa, "kid", "ec")}, "ec RS256", "ec",
		},
		"numbers for names": {jwk.SetOptions{}, []any{with(ec, "kid", 7), rsa}, "rsa RS256", ""},
	} {
		c.options.AllowSameID = true
		set, err := c.options.Parse(setText(t, c.keys...))
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		var kept, skipped []string
		for _, k := range set.Keys() {
			kept = append(kept, k.ID()+" "+string(k.Algorithm()))
		}
		for _, k := range set.Skipped() {
			skipped = append(skipped, k.KeyID)
			if !errors.Is(k.Err, jwk.ErrInvalidKey) && !errors.Is(k.Err, jwk.ErrWeakKey) {
				t.Errorf("%s: %v", name, k.Err)
			}
		}
		if strings.Join(kept, ", ") != c.kept || strings.Join(skipped, ", ") != c.skipped {
			t.Errorf("%s: kept %q, left out %q", name, kept, skipped)
		}
		if strings.Contains(c.kept, c.skipped) || c.skipped == "" {
			continue
		}
		if _, err := set.Key(t.Context(), set.Skipped()[0].KeyID); !errors.Is(err, jwk.ErrUnknownKey) ||
			!strings.Contains(err.Error(), "the set has") {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestParseSet_refusesTheWhole(t *testing.T) {
	ec, oct := document(t, jwk.ES256), document(t, jwk.HS256)
	var many []any
	for i := range 257 {
		many = append(many, with(ec, "kid", fmt.Sprint(i)))
	}
	for name, text := range map[string][]byte{
		"no keys":                       []byte(`{}`),
		"keys that is null":             []byte(`{"keys":null}`),
		"keys that is an object":        []byte(`{"keys":{}}`),
		"keys in other letters":         []byte(`{"KEYS":[]}`),
		"keys twice":                    []byte(`{"keys":[],"keys":[]}`),
		"a key by itself":               marshal(t, ec),
		"a secret and a public key":     setText(t, ec, oct),
		"a public key and a bad secret": setText(t, ec, with(oct, "k", "AA")),
		"more than it holds":            setText(t, many...),
	} {
		if set, err := jwk.ParseSet(text); !errors.Is(err, jwk.ErrInvalidKey) || set != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// J9: private members are never published (RFC 7517 §9.2).
func TestSet_publishesNothingPrivate(t *testing.T) {
	set, err := jwk.ParseSet(setText(t, document(t, jwk.ES256), document(t, jwk.RS256), document(t, jwk.EdDSA)))
	if err != nil {
		t.Fatal(err)
	}
	sameSet(t, set, marshal(t, set))
	secrets, err := jwk.ParseSet(setText(t, document(t, jwk.HS256)))
	if err != nil {
		t.Fatal(err)
	}
	if text, err := json.Marshal(secrets); err == nil {
		t.Errorf("secrets were published: %s", text)
	}
	empty, err := jwk.NewSet()
	if err != nil || string(marshal(t, empty)) != `{"keys":[]}` {
		t.Errorf("an empty set: %s, %v", marshal(t, empty), err)
	}
}

func TestNewSet_refusesTwoOfOneID(t *testing.T) {
	key := generate(t, jwk.ES256).Public()
	if _, err := jwk.NewSet(key, key); !errors.Is(err, jwk.ErrInvalidKey) {
		t.Errorf("public keys: %v", err)
	}
	if _, err := jwk.NewSet(key, nil); !errors.Is(err, jwk.ErrInvalidKey) {
		t.Errorf("a nil key: %v", err)
	}
	secret := signingKey(t, jwk.HS256).(*jwk.SecretKey)
	if _, err := jwk.NewSecretSet(secret, secret); !errors.Is(err, jwk.ErrInvalidKey) {
		t.Errorf("secrets: %v", err)
	}
	if _, err := jwk.NewSecretSet(nil); !errors.Is(err, jwk.ErrInvalidKey) {
		t.Errorf("a nil secret: %v", err)
	}
	set, err := jwk.NewSet(key)
	if err != nil {
		t.Fatal(err)
	}
	set.Keys()[0] = nil
	if found, err := set.Key(t.Context(), key.ID()); err != nil || found != jwk.Key(key) || set.Keys()[0] == nil {
		t.Errorf("the caller's slice is the set's: %v, %v", found, err)
	}
}

// refusePrivateMembers fails if a JWK has a member that RFC 7518 §6 or RFC 8037 §2 call private, or
// any other member that is not meant to be published.
func refusePrivateMembers(t testing.TB, text []byte) {
	t.Helper()
	for name := range unmarshal(t, text) {
		if !slices.Contains([]string{"kty", "kid", "use", "alg", "crv", "x", "y", "n", "e"}, name) {
			t.Errorf("%q was published: %s", name, text)
		}
	}
}

func FuzzParsePublic(f *testing.F) {
	for _, alg := range append([]jwk.Algorithm{jwk.HS256}, asymmetric...) {
		f.Add(marshal(f, document(f, alg)))
	}
	f.Add([]byte(`{"kty":"RSA","alg":"RS256","n":"AQ","e":"AQAB"}`))
	f.Fuzz(func(t *testing.T, text []byte) {
		key, err := jwk.ParsePublic(text)
		if err != nil {
			if !errors.Is(err, jwk.ErrInvalidKey) && !errors.Is(err, jwk.ErrWeakKey) {
				t.Errorf("an error of no kind: %v", err)
			}
			return
		}
		published := marshal(t, key)
		refusePrivateMembers(t, published)
		again, err := jwk.ParsePublic(published)
		if err != nil || again.ID() != key.ID() || again.Thumbprint() != key.Thumbprint() ||
			again.Algorithm() != key.Algorithm() {
			t.Fatalf("%s was read as %v, and that as %v: %v", text, key, again, err)
		}
		if second := marshal(t, again); !bytes.Equal(second, published) {
			t.Errorf("%s became %s, and that %s", text, published, second)
		}
		key.Verify([]byte("m"), make([]byte, 64))
	})
}

// sameSet fails unless the published text parses to the same set and contains nothing private.
func sameSet(t *testing.T, set *jwk.Set, published []byte) {
	t.Helper()
	again, err := jwk.ParseSet(published)
	if err != nil || len(again.Keys()) != len(set.Keys()) || !bytes.Equal(marshal(t, again), published) {
		t.Fatalf("published %s, which was read as %v, %v", published, again, err)
	}
	for i, key := range set.Keys() {
		if other := again.Keys()[i]; other.ID() != key.ID() || other.Algorithm() != key.Algorithm() {
			t.Errorf("%v was read as %v", key, other)
		}
		refusePrivateMembers(t, marshal(t, key))
	}
}

func FuzzParseSet(f *testing.F) {
	f.Add(setText(f, document(f, jwk.ES256), document(f, jwk.EdDSA), document(f, jwk.RS256)))
	f.Add(setText(f, document(f, jwk.HS256)))
	f.Add([]byte(`{"keys":[{"kty":"EC"},{"kty":"oct"}]}`))
	f.Fuzz(func(t *testing.T, text []byte) {
		set, err := jwk.ParseSet(text)
		if err != nil {
			if !errors.Is(err, jwk.ErrInvalidKey) {
				t.Errorf("an error of no kind: %v", err)
			}
			return
		}
		secrets, publics := 0, 0
		for _, key := range set.Keys() {
			if found, err := set.Key(t.Context(), key.ID()); err != nil || found != key {
				t.Errorf("%q is not found under its ID", key.ID())
			}
			if _, ok := key.(*jwk.PublicKey); ok {
				publics++
			} else {
				secrets++
			}
		}
		if secrets > 0 && publics > 0 {
			t.Errorf("a mixed set was taken: %s", text)
		}
		published, err := json.Marshal(set)
		if (err == nil) != (secrets == 0) {
			t.Errorf("published %s, %v", published, err)
		}
		if err == nil {
			sameSet(t, set, published)
		}
	})
}
