package jwk_test

import (
	"encoding/hex"
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/hallpass-go/hallpass/jwk"
)

// vectorFile returns the text of a published vector, or skips the test if there are none.
func vectorFile(t testing.TB, name string) []byte {
	t.Helper()
	dir := os.Getenv("HALLPASS_VECTORS")
	if dir == "" {
		if slices.Contains(strings.Split(os.Getenv("HALLPASS_TEST_REQUIRE"), ","), "vectors") {
			t.Fatal("HALLPASS_VECTORS is not set, and HALLPASS_TEST_REQUIRE wants vectors")
		}
		t.Skip("HALLPASS_VECTORS is not set: no published vectors")
	}
	text, err := os.ReadFile(filepath.Join(dir, name))
	if err != nil {
		t.Fatal(err)
	}
	return text
}

func readVectors(t testing.TB, name string, v any) {
	t.Helper()
	if err := json.Unmarshal(vectorFile(t, name), v); err != nil {
		t.Fatal(err)
	}
}

type hexBytes []byte

func (h *hexBytes) UnmarshalText(text []byte) error {
	raw, err := hex.DecodeString(string(text))
	*h = raw
	return err
}

// signatureVectors is a Wycheproof file of signatures, R‖S ones for ECDSA.
type signatureVectors struct {
	NumberOfTests int
	TestGroups    []struct {
		Sha          string
		PublicKeyJWK map[string]any `json:"publicKeyJwk"`
		KeyJWK       map[string]any `json:"keyJwk"`
		PublicKeyPEM string         `json:"publicKeyPem"`
		Tests        []struct {
			TcID    int
			Comment string
			Msg     hexBytes
			Sig     hexBytes
			Result  string
		}
	}
}

func TestVerify_publishedSignatures(t *testing.T) {
	for file, alg := range map[string]jwk.Algorithm{
		"ecdsa_secp256r1_sha256_p1363": jwk.ES256,
		"ecdsa_secp384r1_sha384_p1363": jwk.ES384,
		"ecdsa_secp521r1_sha512_p1363": jwk.ES512,
		"ed25519":                      jwk.EdDSA,
		"rsa_signature_2048_sha256":    jwk.RS256,
		"rsa_signature_3072_sha384":    jwk.RS384,
		"rsa_signature_4096_sha512":    jwk.RS512,
		"rsa_pss_2048_sha256_mgf1_32":  jwk.PS256,
		"rsa_pss_4096_sha384_mgf1_48":  jwk.PS384,
		"rsa_pss_4096_sha512_mgf1_64":  jwk.PS512,
	} {
		t.Run(file, func(t *testing.T) {
			t.Parallel()
			var vectors signatureVectors
			readVectors(t, "wycheproof/"+file+"_test.json", &vectors)
			run := 0
			for _, group := range vectors.TestGroups {
				key, err := jwk.ParsePublicPEM([]byte(group.PublicKeyPEM), alg, "k")
				if err != nil {
					t.Fatalf("%s: %v", group.PublicKeyPEM, err)
				}
				for _, members := range []map[string]any{group.PublicKeyJWK, group.KeyJWK} {
					if members == nil {
						continue
					}
					members["alg"] = alg
					if key, err = jwk.ParsePublic(marshal(t, members)); err != nil {
						t.Fatalf("%v: %v", members, err)
					}
				}
				for _, c := range group.Tests {
					// "acceptable" signatures lack the NULL in DigestInfo. Signers no longer make
					// them.
					if got, want := key.Verify(c.Msg, c.Sig), c.Result == "valid"; got != want {
						t.Errorf("tcId %d (%s): Verify = %v, want %v", c.TcID, c.Comment, got, want)
					}
					run++
				}
			}
			if run != vectors.NumberOfTests {
				t.Errorf("ran %d of %d", run, vectors.NumberOfTests)
			}
		})
	}
}

func TestVerify_publishedMACs(t *testing.T) {
	for file, alg := range map[string]jwk.Algorithm{"hmac_sha256": jwk.HS256,
		"hmac_sha384": jwk.HS384, "hmac_sha512": jwk.HS512} {
		t.Run(file, func(t *testing.T) {
			var vectors struct {
				NumberOfTests int
				TestGroups    []struct {
					KeySize, TagSize int
					Tests            []struct {
						TcID     int
						Key      hexBytes
						Msg, Tag hexBytes
						Result   string
					}
				}
			}
			readVectors(t, "wycheproof/"+file+"_test.json", &vectors)
			size := map[jwk.Algorithm]int{jwk.HS256: 256, jwk.HS384: 384, jwk.HS512: 512}[alg]
			verified, refused := 0, 0
			for _, group := range vectors.TestGroups {
				for _, c := range group.Tests {
					key, err := jwk.NewSecret(alg, "k", c.Key)
					if group.KeySize < size {
						if err == nil {
							t.Errorf("tcId %d: a secret of %d bits was taken", c.TcID, group.KeySize)
						}
						refused++
						continue
					}
					if err != nil {
						t.Fatalf("tcId %d: %v", c.TcID, err)
					}
					// Truncated tags are never accepted, even where the file calls them valid.
					want := c.Result == "valid" && group.TagSize == size
					if got := key.Verify(c.Msg, c.Tag); got != want {
						t.Errorf("tcId %d: Verify = %v, want %v", c.TcID, got, want)
					}
					verified++
				}
			}
			if verified+refused != vectors.NumberOfTests || verified < 100 {
				t.Errorf("verified %d, refused %d secrets", verified, refused)
			}
		})
	}
}

// TestParseSet_publishedKeySets runs the key sets of Wycheproof. Each comes with a token that must
// verify or must not verify.
func TestParseSet_publishedKeySets(t *testing.T) {
	var vectors struct {
		NumberOfTests int
		TestGroups    []struct {
			Comment         string
			Private, Public json.RawMessage
			Tests           []struct {
				TcID                 int
				Comment, JWS, Result string
			}
		}
	}
	readVectors(t, "wycheproof/json_web_key_test.json", &vectors)
	run := 0
	for _, group := range vectors.TestGroups {
		text := group.Public
		if text == nil {
			text = group.Private
		}
		set, err := jwk.ParseSet(text)
		for _, c := range group.Tests {
			run++
			got := err == nil && verifyJWS(t, set, c.JWS)
			if want := c.Result == "valid"; got != want {
				t.Errorf("tcId %d (%s, %s): verified = %v, want %v (%v)", c.TcID, group.Comment,
					c.Comment, got, want, err)
			}
		}
	}
	if run != vectors.NumberOfTests {
		t.Errorf("ran %d of %d", run, vectors.NumberOfTests)
	}
}

// TestKeys_cookbook signs with the keys of RFC 7520 and RFC 8037, and verifies the signatures
// printed there.
func TestKeys_cookbook(t *testing.T) {
	for file, alg := range map[string]jwk.Algorithm{
		"jws/4_1.rsa_v15_signature.json":              jwk.RS256,
		"jws/4_2.rsa-pss_signature.json":              jwk.PS384,
		"jws/4_3.ecdsa_signature.json":                jwk.ES512,
		"jws/4_4.hmac-sha2_integrity_protection.json": jwk.HS256,
		"curve25519/jws.json":                         jwk.EdDSA,
	} {
		t.Run(file, func(t *testing.T) {
			var example struct {
				Input   struct{ Key map[string]any }
				Output  struct{ Compact string }
				Signing struct {
					SigInput string `json:"sig-input"`
					Sig      string
				}
			}
			readVectors(t, "rfc7520-cookbook/"+file, &example)
			text := example.Input.Key
			text["alg"] = alg
			if text["kid"] == nil {
				text["kid"] = "cookbook"
			}
			key := parseSigning(t, marshal(t, text))
			signed, signature, ok := cutLast(example.Output.Compact)
			if !ok || !key.Verify([]byte(signed), decode64(t, signature)) {
				t.Fatalf("the printed signature of %q does not verify", example.Output.Compact)
			}
			own, err := key.Sign([]byte(signed))
			if err != nil {
				t.Fatal(err)
			}
			if alg == jwk.RS256 || alg == jwk.HS256 || alg == jwk.EdDSA {
				if encode64(own) != signature {
					t.Errorf("Sign = %s, want %s", encode64(own), signature)
				}
			} else if !key.Verify([]byte(signed), own) {
				t.Error("its own signature does not verify")
			}
		})
	}
}

// J22: RFC 7638 §3.
func TestThumbprint_publishedExamples(t *testing.T) {
	var examples struct {
		Thumbprints []struct {
			ID     string
			JWK    map[string]any
			SHA256 string
		} `json:"jwk_thumbprint"`
	}
	readVectors(t, "rfc-examples/rfc-examples.json", &examples)
	if len(examples.Thumbprints) != 3 {
		t.Fatalf("%d examples, want 3", len(examples.Thumbprints))
	}
	for _, e := range examples.Thumbprints {
		key, err := jwk.ParsePublic(marshal(t, e.JWK))
		if err != nil {
			t.Fatalf("%s: %v", e.ID, err)
		}
		if key.Thumbprint() != e.SHA256 {
			t.Errorf("%s: Thumbprint = %s, want %s", e.ID, key.Thumbprint(), e.SHA256)
		}
		if _, named := e.JWK["kid"]; !named && key.ID() != e.SHA256 {
			t.Errorf("%s: ID = %s, want the thumbprint", e.ID, key.ID())
		}
	}
}

// TestVerify_exampleTokens verifies the tokens printed in RFC 7515, 8037 and 9449.
func TestVerify_exampleTokens(t *testing.T) {
	var examples struct {
		Tokens []struct {
			ID, Alg, Compact, Expect string
			Key                      map[string]any
		} `json:"jws_compact"`
	}
	readVectors(t, "rfc-examples/rfc-examples.json", &examples)
	verified := 0
	for _, e := range examples.Tokens {
		if e.Expect != "valid" {
			continue
		}
		e.Key["alg"], e.Key["kid"] = e.Alg, "example"
		set, err := jwk.ParseSet(marshal(t, map[string]any{"keys": []any{e.Key}}))
		if err != nil {
			t.Fatalf("%s: %v", e.ID, err)
		}
		key, err := set.Key(t.Context(), "example")
		if err != nil {
			t.Fatalf("%s: %v", e.ID, err)
		}
		signed, signature, _ := cutLast(e.Compact)
		if !key.Verify([]byte(signed), decode64(t, signature)) {
			t.Errorf("%s does not verify", e.ID)
		}
		if key.Verify([]byte(signed+"x"), decode64(t, signature)) {
			t.Errorf("%s verifies over another message", e.ID)
		}
		verified++
	}
	if verified != 6 {
		t.Errorf("verified %d, want 6", verified)
	}
}
