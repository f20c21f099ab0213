package jwt

import (
	"context"
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/hallpass-go/hallpass/jwk"
)

// Published JWS examples have payloads that are no claims, and headers without kid and typ, so they
// run against the layer below Verify: form, header, key, algorithm, signature.

// readVectors reads a published file, or skips the test when there is none.
func readVectors(t *testing.T, name string, v any) {
	t.Helper()
	dir := os.Getenv("HALLPASS_VECTORS")
	if dir == "" {
		if slices.Contains(strings.Split(os.Getenv("HALLPASS_TEST_REQUIRE"), ","), "vectors") {
			t.Fatal("HALLPASS_VECTORS is not set, and HALLPASS_TEST_REQUIRE wants vectors")
		}
		t.Skip("HALLPASS_VECTORS is not set: no published vectors")
	}
	data, err := os.ReadFile(filepath.Join(dir, name))
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(data, v); err != nil {
		t.Fatal(err)
	}
}

// verifyJWS verifies a JWS with a set's keys. Without a kid the set's one key is meant.
func verifyJWS(keys *jwk.Set, token string) (string, error) {
	first, second, err := dots(token)
	if err != nil {
		return "", err
	}
	h, err := readHeader(token[:first])
	if err != nil {
		return "", err
	}
	key, err := keys.Key(context.Background(), h.keyID)
	if h.keyID == "" && len(keys.Keys()) == 1 {
		key, err = keys.Keys()[0], nil
	}
	if err != nil {
		return "", err
	}
	if string(key.Algorithm()) != h.algorithm {
		return "", errAlgorithm
	}
	if err := verifySegment(key, token[:second], token[second+1:]); err != nil {
		return "", err
	}
	payload, ok := decodeSegment(token[first+1 : second])
	if !ok {
		return "", errPayloadBase64
	}
	return payload, nil
}

// setOf reads a JWK or a JWK set. Of what this package has no place for, encryption keys above all,
// it makes an empty set.
func setOf(t *testing.T, text json.RawMessage) *jwk.Set {
	t.Helper()
	var set struct{ Keys json.RawMessage }
	if err := json.Unmarshal(text, &set); err != nil {
		t.Fatal(err)
	}
	if set.Keys == nil {
		text = slices.Concat([]byte(`{"keys":[`), text, []byte(`]}`))
	}
	keys, err := jwk.ParseSet(text)
	if err != nil {
		t.Logf("key set refused: %v", err)
		if keys, err = jwk.NewSet(); err != nil {
			t.Fatal(err)
		}
	}
	return keys
}

// wycheproof is a file of JOSE tests.
type wycheproof struct {
	NumberOfTests int
	TestGroups    []struct {
		Private, Public json.RawMessage
		Tests           []struct {
			TcID            int
			Comment, Result string
			JWS, JWE        serialization
		}
	}
}

// serialization is a token in compact form, or, in a few cases, an object that must be refused as
// what it is.
type serialization string

func (s *serialization) UnmarshalJSON(text []byte) error {
	if text[0] != '"' {
		*s = serialization(text)
		return nil
	}
	return json.Unmarshal(text, (*string)(s))
}

// stricter are cases that are valid by their labels, and whose keys this package does not take.
var stricter = map[string]map[int]string{"json_web_signature": {
	346: "the key's alg is PS256, the token's PS384", 350: "the key's alg is PS256, the token's PS384",
	347: "the key's alg is ES521, which is none", 351: "the key's alg is ES521, which is none",
	357: "the secret is 32 zeros", 358: "the secret is 32 zeros", 359: "the secret is 32 zeros",
	376: "the secret is 32 zeros", 377: "the secret is 32 zeros",
}}

type override struct {
	RunAs string `json:"run_as"`
}

func TestWycheproof(t *testing.T) {
	for _, name := range []string{"json_web_signature", "json_web_crypto", "json_web_key", "json_web_encryption"} {
		t.Run(name, func(t *testing.T) {
			var file wycheproof
			readVectors(t, "wycheproof/"+name+"_test.json", &file)
			overrides := readOverrides(t, name+"_test.json")
			run, overridden, skipped := 0, len(stricter[name]), 0
			for _, group := range file.TestGroups {
				text := group.Public
				if text == nil {
					text = group.Private
				}
				keys := setOf(t, text)
				for _, c := range group.Tests {
					want := c.Result
					if c.JWE != "" {
						want = "invalid" // there is no decryption here
					} else if as, ok := overrides[strconv.Itoa(c.TcID)]; ok {
						overridden++
						if as == "skip" {
							skipped++
							continue
						}
						want = as
					}
					if stricter[name][c.TcID] != "" {
						want = "invalid"
					}
					if _, err := verifyJWS(keys, string(c.JWS+c.JWE)); (err == nil) != (want == "valid") {
						t.Errorf("tcId %d (%s): want %s, got %v", c.TcID, c.Comment, want, err)
					}
					run++
				}
			}
			if run+skipped != file.NumberOfTests {
				t.Errorf("ran %d and skipped %d of %d", run, skipped, file.NumberOfTests)
			}
			t.Logf("%d run, %d overridden, of these %d skipped", run, overridden, skipped)
		})
	}
}

// readOverrides returns how the published labels of a file that are wrong are to be read.
func readOverrides(t *testing.T, file string) map[string]string {
	t.Helper()
	var files map[string]json.RawMessage
	readVectors(t, "wycheproof/overrides.json", &files)
	var cases map[string]json.RawMessage
	if files[file] != nil {
		if err := json.Unmarshal(files[file], &cases); err != nil {
			t.Fatal(err)
		}
	}
	runAs := map[string]string{}
	for id, text := range cases {
		var o override
		if json.Unmarshal(text, &o) == nil && o.RunAs != "" {
			runAs[id] = o.RunAs
		}
	}
	return runAs
}

func TestRFCExamples(t *testing.T) {
	var examples struct {
		Compact []struct {
			ID, Alg, Compact, Expect string
			Key                      map[string]any
		} `json:"jws_compact"`
		General []struct{ ID string } `json:"jws_json"`
	}
	readVectors(t, "rfc-examples/rfc-examples.json", &examples)
	for _, e := range examples.Compact {
		var keys json.RawMessage = []byte(`{"keys":[]}`)
		if e.Key != nil {
			e.Key["alg"] = e.Alg
			if e.Key["kid"] == nil {
				e.Key["kid"] = "example"
			}
			var err error
			if keys, err = json.Marshal(e.Key); err != nil {
				t.Fatal(err)
			}
		}
		if _, err := verifyJWS(setOf(t, keys), e.Compact); (err == nil) != (e.Expect == "valid") {
			t.Errorf("%s: want %s, got %v", e.ID, e.Expect, err)
		}
	}
}

// The JSON serializations (RFC 7515 §7.2) of the examples are refused whole.
func TestRFCExamples_noJSONSerialization(t *testing.T) {
	var examples struct {
		General []json.RawMessage `json:"jws_json"`
	}
	readVectors(t, "rfc-examples/rfc-examples.json", &examples)
	if len(examples.General) == 0 {
		t.Fatal("no examples")
	}
	for _, e := range examples.General {
		if _, err := verifyJWS(setOf(t, []byte(`{"keys":[]}`)), string(e)); err == nil {
			t.Errorf("accepted %s", e)
		}
	}
}

func TestCookbook(t *testing.T) {
	for name, alg := range map[string]string{
		"4_1.rsa_v15_signature": "RS256", "4_2.rsa-pss_signature": "PS384",
		"4_3.ecdsa_signature": "ES512", "4_4.hmac-sha2_integrity_protection": "HS256",
	} {
		var example struct {
			Input struct {
				Payload string
				Key     map[string]any
			}
			Output struct{ Compact string }
		}
		readVectors(t, "rfc7520-cookbook/jws/"+name+".json", &example)
		example.Input.Key["alg"] = alg
		keys, err := json.Marshal(example.Input.Key)
		if err != nil {
			t.Fatal(err)
		}
		payload, err := verifyJWS(setOf(t, keys), example.Output.Compact)
		if err != nil || payload != example.Input.Payload {
			t.Errorf("%s: %v", name, err)
		}
	}
}
