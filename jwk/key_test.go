package jwk_test

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"encoding/asn1"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"math/big"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/hallpass-go/hallpass/jwk"
)

var secretAlgorithms = []jwk.Algorithm{jwk.HS256, jwk.HS384, jwk.HS512}

func TestSign_verifiesWithItsPublicHalfAndNothingElse(t *testing.T) {
	for _, alg := range append(secretAlgorithms, asymmetric...) {
		t.Run(string(alg), func(t *testing.T) {
			t.Parallel()
			key, other := signingKey(t, alg), signingKey(t, alg)
			message := []byte("header.payload")
			signature, err := key.Sign(message)
			if err != nil {
				t.Fatal(err)
			}
			verifying := jwk.Key(key)
			if private, ok := key.(*jwk.PrivateKey); ok {
				verifying = private.Public()
			}
			if !verifying.Verify(message, signature) {
				t.Fatal("its own signature does not verify")
			}
			if verifying.ID() != key.ID() || verifying.Algorithm() != alg || key.ID() == "" || key.ID() == other.ID() {
				t.Errorf("IDs %q, %q and %q, algorithm %s", key.ID(), verifying.ID(), other.ID(),
					verifying.Algorithm())
			}
			if other.Verify(message, signature) {
				t.Error("another key's signature verifies")
			}
			for i := range message {
				changed := bytes.Clone(message)
				changed[i] ^= 1
				if verifying.Verify(changed, signature) {
					t.Errorf("verifies with byte %d of the message changed", i)
				}
			}
			for i := range signature {
				changed := bytes.Clone(signature)
				changed[i] ^= 0x40
				if verifying.Verify(message, changed) {
					t.Errorf("verifies with byte %d of the signature changed", i)
				}
			}
			for _, wrong := range [][]byte{nil, {}, signature[:len(signature)-1],
				append(bytes.Clone(signature), 0), make([]byte, len(signature)),
				bytes.Repeat(signature, 20)} {
				if verifying.Verify(message, wrong) {
					t.Errorf("verifies a signature of %d bytes", len(wrong))
				}
			}
		})
	}
}

// An extra zero before a number would give the same signature a second encoding.
func TestVerify_refusesLongNumbersOfECDSA(t *testing.T) {
	for _, alg := range []jwk.Algorithm{jwk.ES256, jwk.ES384, jwk.ES512} {
		key := generate(t, alg)
		signature, err := key.Sign([]byte("m"))
		if err != nil {
			t.Fatal(err)
		}
		half := len(signature) / 2
		if key.Verify([]byte("m"), slices.Insert(bytes.Clone(signature), half, 0)) {
			t.Errorf("%s: a zero before s was taken", alg)
		}
		if key.Verify([]byte("m"), slices.Insert(slices.Insert(bytes.Clone(signature), half, 0), 0, 0)) {
			t.Errorf("%s: zeros before r and s were taken", alg)
		}
	}
}

// J10: an ECDSA signature is two numbers of full length (RFC 7518 §3.4), not ASN.1 as in most other
// protocols.
func TestVerify_refusesECDSAInASN1(t *testing.T) {
	for _, alg := range []jwk.Algorithm{jwk.ES256, jwk.ES384, jwk.ES512} {
		key := generate(t, alg)
		signature, err := key.Sign([]byte("m"))
		if err != nil {
			t.Fatal(err)
		}
		half := len(signature) / 2
		der, err := asn1.Marshal(
			[]*big.Int{new(big.Int).SetBytes(signature[:half]), new(big.Int).SetBytes(signature[half:])},
		)
		if err != nil {
			t.Fatal(err)
		}
		if key.Verify([]byte("m"), der) {
			t.Errorf("%s: ASN.1 was taken", alg)
		}
	}
}

// J21: RFC 8725bis §3.2.
func TestSign_ecdsaIsDeterministic(t *testing.T) {
	for _, alg := range []jwk.Algorithm{jwk.ES256, jwk.ES384, jwk.ES512} {
		key := generate(t, alg)
		first, err := key.Sign([]byte("m"))
		if err != nil {
			t.Fatal(err)
		}
		for range 3 {
			if again, err := key.Sign([]byte("m")); err != nil || !bytes.Equal(again, first) {
				t.Errorf("%s: another signature over the same message, %v", alg, err)
			}
		}
	}
}

// Leading zeros of coordinates and of the numbers in a signature are kept. Other implementations
// would refuse shorter ones.
func TestECDSA_fullLengths(t *testing.T) {
	key := generate(t, jwk.ES256)
	short := 0
	for i := range 2000 {
		message := fmt.Append(nil, i)
		signature, err := key.Sign(message)
		if err != nil || len(signature) != 64 || !key.Verify(message, signature) {
			t.Fatalf("signature of %d bytes, %v", len(signature), err)
		}
		if signature[0] == 0 || signature[32] == 0 {
			short++
		}
	}
	if short == 0 {
		t.Error("no number with a zero in front came up")
	}
}

func TestGenerate_rsaHas3072Bits(t *testing.T) {
	key, err := jwk.Generate(jwk.PS256)
	if err != nil {
		t.Fatal(err)
	}
	if n := decode64(t, unmarshal(t, marshal(t, key.Public()))["n"].(string)); len(n) != 384 {
		t.Errorf("%d bits", 8*len(n))
	}
}

func TestGenerate_refusesWhatIsNotAsymmetric(t *testing.T) {
	for _, alg := range []jwk.Algorithm{"", "none", "HS256", "es256", "ES256K", "RSA1_5", "dir"} {
		if key, err := jwk.Generate(alg); !errors.Is(err, jwk.ErrInvalidKey) || key != nil {
			t.Errorf("%q: %v, %v", alg, key, err)
		}
	}
	for _, alg := range []jwk.Algorithm{"", "none", "ES256", "hs256", "HS1"} {
		if key, err := jwk.GenerateSecret(alg); !errors.Is(err, jwk.ErrInvalidKey) || key != nil {
			t.Errorf("%q: %v, %v", alg, key, err)
		}
	}
}

// J8, J10: a secret must be random and at least as long as its hash (RFC 7518 §3.2).
func TestNewSecret_refusesWhatIsNoSecret(t *testing.T) {
	random := func(n int) []byte { b := make([]byte, n); rand.Read(b); return b }
	for name, c := range map[string]struct {
		alg    jwk.Algorithm
		id     string
		secret []byte
		want   error
	}{
		"nothing":                   {jwk.HS256, "k", nil, jwk.ErrWeakKey},
		"a password":                {jwk.HS256, "k", []byte("correct horse"), jwk.ErrWeakKey},
		"one byte short":            {jwk.HS256, "k", random(31), jwk.ErrWeakKey},
		"one byte short of SHA-384": {jwk.HS384, "k", random(47), jwk.ErrWeakKey},
		"one byte short of SHA-512": {jwk.HS512, "k", random(63), jwk.ErrWeakKey},
		"zeros":                     {jwk.HS256, "k", make([]byte, 64), jwk.ErrWeakKey},
		"one letter":                {jwk.HS256, "k", bytes.Repeat([]byte("a"), 64), jwk.ErrWeakKey},
		"a word again and again":    {jwk.HS256, "k", bytes.Repeat([]byte("secret"), 8), jwk.ErrWeakKey},
		"a secret of every tutorial": {jwk.HS256, "k",
			[]byte("your-256-bit-secret-your-256-bit-secret"), jwk.ErrWeakKey},
		"a public key": {jwk.HS256, "k",
			[]byte("-----BEGIN PUBLIC KEY-----\nMFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAE\n-----END " +
				"PUBLIC KEY-----"), jwk.ErrInvalidKey},
		"a public key after some text": {jwk.HS256, "k", append([]byte("Bag Attributes\n"),
			"-----BEGIN PUBLIC KEY-----\nMFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAE"...),
			jwk.ErrInvalidKey},
		"no ID":                          {jwk.HS256, "", random(32), jwk.ErrInvalidKey},
		"an ID with a line break":        {jwk.HS256, "a\nb", random(32), jwk.ErrInvalidKey},
		"an ID that is too long":         {jwk.HS256, strings.Repeat("k", 257), random(32), jwk.ErrInvalidKey},
		"an ID that is not UTF-8":        {jwk.HS256, "\xff", random(32), jwk.ErrInvalidKey},
		"an ID of a terminal's controls": {jwk.HS256, "a\u009b31m", random(32), jwk.ErrInvalidKey},
		"an ID with DEL":                 {jwk.HS256, "a\x7f", random(32), jwk.ErrInvalidKey},
		"an end that is the beginning": {jwk.HS256, "k",
			append([]byte("12345678"), append(random(40), "12345678"...)...), jwk.ErrWeakKey},
		"an asymmetric algorithm":   {jwk.ES256, "k", random(32), jwk.ErrInvalidKey},
		"an algorithm that is none": {"none", "k", random(32), jwk.ErrInvalidKey},
	} {
		if key, err := jwk.NewSecret(c.alg, c.id, c.secret); !errors.Is(err, c.want) || key != nil {
			t.Errorf("%s: %v, want %v", name, err, c.want)
		} else if len(c.secret) > 8 && bytes.Contains([]byte(err.Error()), c.secret) {
			t.Errorf("%s: the error tells the secret: %v", name, err)
		}
	}
	for name, secret := range map[string][]byte{
		"random":                          random(64),
		"hex":                             fmt.Appendf(nil, "%x", random(64)),
		"seven bytes that come back":      append([]byte("1234567"), append(random(60), "1234567"...)...),
		"eight bytes twice in the middle": append(append(random(30), "1234567812345678"...), random(30)...),
	} {
		if _, err := jwk.NewSecret(jwk.HS512, "a kid of many scripts: ключ 鍵", secret); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// The check also runs on secrets in remote sets, so it must not take quadratic time.
func TestNewSecret_looksAtALongOneInTime(t *testing.T) {
	secret := append(bytes.Repeat([]byte("a"), 4<<20), 'b')
	begun := time.Now()
	if _, err := jwk.NewSecret(jwk.HS256, "k", secret); err != nil {
		t.Error(err)
	}
	if took := time.Since(begun); took > 10*time.Second {
		t.Errorf("took %v", took)
	}
}

// NewSecret copies the secret: later changes to the caller's slice have no effect.
func TestNewSecret_keepsACopy(t *testing.T) {
	secret := make([]byte, 32)
	rand.Read(secret)
	key, err := jwk.NewSecret(jwk.HS256, "k", secret)
	if err != nil {
		t.Fatal(err)
	}
	twin, err := jwk.NewSecret(jwk.HS256, "k", bytes.Clone(secret))
	if err != nil {
		t.Fatal(err)
	}
	clear(secret) // before the first use, which may cache what it hashed
	if signature, err := key.Sign([]byte("m")); err != nil || !twin.Verify([]byte("m"), signature) {
		t.Errorf("the key changed with the slice that it was made from: %v", err)
	}
}

// However a program prints a key or a value that holds one, nothing private is printed.
func TestKeys_areNeverPrinted(t *testing.T) {
	for _, alg := range append(secretAlgorithms, asymmetric...) {
		key := signingKey(t, alg)
		whole, err := key.(interface{ MarshalPrivate() ([]byte, error) }).MarshalPrivate()
		if err != nil {
			t.Fatal(err)
		}
		var private []string
		for name, value := range unmarshal(t, whole) {
			if strings.Contains("d p q dp dq qi k", name) {
				raw := decode64(t, value.(string))
				private = append(private, value.(string), fmt.Sprintf("%x", raw),
					fmt.Sprintf("%X", raw), inner(fmt.Sprint(raw)),
					new(big.Int).SetBytes(raw).String())
			}
		}
		if private == nil {
			t.Fatalf("%s has nothing private", whole)
		}
		holder := struct {
			Key  jwk.SigningKey
			More []any
		}{key, []any{key}}
		hidden := hide(key)
		var printed strings.Builder
		for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%X", "%d"} {
			fmt.Fprintf(&printed, verb, key)
			fmt.Fprintf(&printed, verb, holder)
			fmt.Fprintf(&printed, verb, &holder)
			fmt.Fprintf(&printed, verb, hidden)
			switch k := key.(type) { // copies, which have no pointer methods
			case *jwk.PrivateKey:
				fmt.Fprintf(&printed, verb, *k)
			case *jwk.SecretKey:
				fmt.Fprintf(&printed, verb, *k)
			}
		}
		for _, handler := range []slog.Handler{slog.NewTextHandler(&printed, nil), slog.NewJSONHandler(&printed, nil)} {
			slog.New(handler).Info("m", "key", key, "holder", holder, "hidden", hidden)
		}
		for _, v := range []any{key, holder, &holder, map[string]any{"k": key}, embed(key)} {
			if text, err := json.Marshal(v); err == nil {
				t.Errorf("%s: %T became JSON: %s", alg, v, text)
			}
		}
		for _, secret := range private {
			if strings.Contains(printed.String(), secret) {
				t.Errorf("%s: printed its private half", alg)
			}
		}
		if !strings.Contains(fmt.Sprint(key), key.ID()) || !strings.Contains(fmt.Sprint(key), string(alg)) {
			t.Errorf("%s says %q of itself", alg, fmt.Sprint(key))
		}
	}
}

// inner returns a printed list without its brackets, to find it inside a longer list.
func inner(list string) string { return strings.Trim(list, "[]") }

// hide returns copies of a key, and a set with it, in unexported fields. fmt and slog call no
// methods of these.
func hide(key jwk.SigningKey) any {
	type hidden struct {
		key     jwk.SigningKey
		private jwk.PrivateKey
		secret  jwk.SecretKey
		set     jwk.Set
	}
	switch k := key.(type) {
	case *jwk.PrivateKey:
		set, _ := jwk.NewSet(k.Public())
		return hidden{key: key, private: *k, set: *set}
	case *jwk.SecretKey:
		set, _ := jwk.NewSecretSet(k)
		return hidden{key: key, secret: *k, set: *set}
	}
	return nil
}

// embed returns a struct that has a key's methods.
func embed(key jwk.SigningKey) any {
	if k, ok := key.(*jwk.PrivateKey); ok {
		return struct {
			jwk.PrivateKey
			Name string
		}{*k, "n"}
	}
	return struct {
		jwk.SecretKey
		Name string
	}{*key.(*jwk.SecretKey), "n"}
}

// A copy of a public key prints and marshals like the key.
func TestPublicKey_copies(t *testing.T) {
	key := generate(t, jwk.ES256).Public()
	if text := marshal(t, *key); !bytes.Equal(text, marshal(t, key)) {
		t.Errorf("a copy became %s", text)
	}
	var printed strings.Builder
	slog.New(slog.NewTextHandler(&printed, nil)).Info("m", "key", key)
	for _, text := range []string{fmt.Sprint(key), fmt.Sprintf("%+v", *key), printed.String()} {
		if !strings.Contains(text, "ES256 public key") || !strings.Contains(text, key.ID()) {
			t.Errorf("says %q of itself", text)
		}
	}
}

func TestMarshal_roundTrips(t *testing.T) {
	for _, alg := range asymmetric {
		key := generate(t, alg)
		whole, err := key.MarshalPrivate()
		if err != nil {
			t.Fatal(err)
		}
		again, err := jwk.ParsePrivate(whole)
		if err != nil {
			t.Fatalf("%s: %v", whole, err)
		}
		text := marshal(t, key.Public())
		public, err := jwk.ParsePublic(text)
		if err != nil {
			t.Fatalf("%s: %v", text, err)
		}
		signature, err := again.Sign([]byte("m"))
		if err != nil || !public.Verify([]byte("m"), signature) {
			t.Errorf("%s: what was read does not sign for what was read: %v", alg, err)
		}
		if public.ID() != key.ID() || again.ID() != key.ID() || public.Thumbprint() != key.ID() {
			t.Errorf("%s: IDs %q, %q, %q", alg, key.ID(), again.ID(), public.ID())
		}
		if !bytes.Equal(marshal(t, public), text) {
			t.Errorf("%s: written otherwise the second time", alg)
		}
		if members := unmarshal(t, text); members["use"] != "sig" || members["alg"] != string(alg) ||
			members["kid"] != key.ID() {
			t.Errorf("%s: published as %s", alg, text)
		}
		if ofWhole, err := jwk.ParsePublic(whole); err != nil || !bytes.Equal(marshal(t, ofWhole), text) {
			t.Errorf("%s: the public half of the whole is another: %v", alg, err)
		}
	}
	for _, alg := range secretAlgorithms {
		key := signingKey(t, alg).(*jwk.SecretKey)
		whole, err := key.MarshalPrivate()
		if err != nil {
			t.Fatal(err)
		}
		again, err := jwk.ParseSecret(whole)
		if err != nil {
			t.Fatal(err)
		}
		signature, _ := again.Sign([]byte("m"))
		if !key.Verify([]byte("m"), signature) || again.ID() != key.ID() {
			t.Errorf("%s: another key was read", alg)
		}
	}
}

// ECDSA keys on another curve, or with a point that is not on the curve, are refused.
func TestECDSA_refusesOtherCurves(t *testing.T) {
	key, err := ecdsa.GenerateKey(elliptic.P224(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	for _, alg := range []jwk.Algorithm{jwk.ES256, jwk.ES384, jwk.ES512} {
		if _, err := jwk.ParsePublicPEM(pemOf(t, &key.PublicKey), alg, "k"); !errors.Is(err, jwk.ErrInvalidKey) {
			t.Errorf("%s on P-224: %v", alg, err)
		}
	}
}
