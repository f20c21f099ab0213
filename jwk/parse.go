package jwk

import (
	"crypto"
	"crypto/elliptic"
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"github.com/hallpass-go/hallpass/internal/jose"
)

// asymmetric maps each asymmetric algorithm to its family; macSizes lists the HMAC algorithms.
var asymmetric = map[Algorithm]family{
	RS256: rsaFamily{crypto.SHA256, false},
	RS384: rsaFamily{crypto.SHA384, false},
	RS512: rsaFamily{crypto.SHA512, false},
	PS256: rsaFamily{crypto.SHA256, true},
	PS384: rsaFamily{crypto.SHA384, true},
	PS512: rsaFamily{crypto.SHA512, true},
	ES256: ecdsaFamily{elliptic.P256(), "P-256", crypto.SHA256, 32},
	ES384: ecdsaFamily{elliptic.P384(), "P-384", crypto.SHA384, 48},
	ES512: ecdsaFamily{elliptic.P521(), "P-521", crypto.SHA512, 66},
	EdDSA: eddsaFamily{},

	Ed25519: eddsaFamily{},
}

// impliedByCurve maps each curve to the only algorithm that its keys can have.
var impliedByCurve = map[string]Algorithm{"P-256": ES256, "P-384": ES384, "P-521": ES512, "Ed25519": EdDSA}

// document is a JWK in its JSON form (RFC 7517 §4, RFC 7518 §6, RFC 8037 §2).
type document struct {
	Type          string   `json:"kty"`
	KeyID         filled   `json:"kid,omitempty"`
	Use           filled   `json:"use,omitempty"`
	KeyOperations []string `json:"key_ops,omitempty"`
	Algorithm     filled   `json:"alg,omitempty"`
	Curve         string   `json:"crv,omitempty"`
	X             bytes64  `json:"x,omitempty"`
	Y             bytes64  `json:"y,omitempty"`
	N             bytes64  `json:"n,omitempty"`
	E             bytes64  `json:"e,omitempty"`
	D             bytes64  `json:"d,omitempty"`
	P             bytes64  `json:"p,omitempty"`
	Q             bytes64  `json:"q,omitempty"`
	DP            bytes64  `json:"dp,omitempty"`
	DQ            bytes64  `json:"dq,omitempty"`
	QI            bytes64  `json:"qi,omitempty"`
	K             bytes64  `json:"k,omitempty"`
	// OtherPrimes is set for RSA keys of more than two primes, which are refused.
	OtherPrimes json.RawMessage `json:"oth,omitempty"`
}

// filled is a string member that is either absent or not empty.
type filled string

// UnmarshalJSON implements [json.Unmarshaler].
func (f *filled) UnmarshalJSON(text []byte) error {
	s, err := readString(text)
	if err == nil && s == "" {
		err = fmt.Errorf("%w: an empty member", ErrInvalidKey)
	}
	*f = filled(s)
	return err
}

// readString reads a string. Unlike [json.Unmarshal], it refuses null.
func readString(text []byte) (string, error) {
	var s *string
	if err := json.Unmarshal(text, &s); err != nil || s == nil {
		return "", fmt.Errorf("%w: not a string", ErrInvalidKey)
	}
	return *s, nil
}

// bytes64 is a byte string that is written in unpadded base64url, in its one canonical form.
type bytes64 []byte

// String returns the bytes in base64url.
func (b bytes64) String() string { return jose.EncodeBase64(b) }

// MarshalText implements [encoding.TextMarshaler].
func (b bytes64) MarshalText() ([]byte, error) { return []byte(b.String()), nil }

// UnmarshalJSON implements [json.Unmarshaler].
func (b *bytes64) UnmarshalJSON(text []byte) error {
	s, err := readString(text)
	if err != nil {
		return err
	}
	raw, ok := jose.DecodeBase64(s)
	if !ok {
		return fmt.Errorf("%w: not base64url", ErrInvalidKey)
	}
	*b = raw
	return nil
}

// ParsePublic reads one public key (RFC 7517 §4). From a private key it takes the public half. A
// key without an ID gets its thumbprint as its ID. Errors wrap [ErrInvalidKey] or [ErrWeakKey].
func ParsePublic(data []byte) (*PublicKey, error) {
	d, err := readDocument(data)
	if err != nil {
		return nil, err
	}
	return d.publicKey()
}

// ParsePrivate reads one asymmetric key with its private half (RFC 7517 §4). A key without an ID
// gets its thumbprint as its ID. Errors wrap [ErrInvalidKey] or [ErrWeakKey].
func ParsePrivate(data []byte) (*PrivateKey, error) {
	d, err := readDocument(data)
	if err != nil {
		return nil, err
	}
	if !d.allows("sign") {
		return nil, errKeyOperations
	}
	alg, f, err := d.family()
	if err != nil {
		return nil, err
	}
	p, err := f.parsePrivate(d)
	if err != nil {
		return nil, err
	}
	return newPrivateKey(string(d.KeyID), alg, p), nil
}

// ParseSecret reads one HMAC secret, which must have a "kid" and an "alg". It refuses the same
// secrets as [NewSecret].
func ParseSecret(data []byte) (*SecretKey, error) {
	d, err := readDocument(data)
	if err != nil {
		return nil, err
	}
	if !d.allows("sign") {
		return nil, errKeyOperations
	}
	return d.secretKey()
}

func readDocument(data []byte) (document, error) {
	var d document
	if err := jose.DecodeKnownJSON(string(data), &d); err != nil {
		return document{}, fmt.Errorf("%w: %v", ErrInvalidKey, err)
	}
	return d, d.check()
}

// check finds errors that a JWK of any type can have.
func (d document) check() error {
	if d.KeyID != "" {
		if err := checkID(string(d.KeyID)); err != nil {
			return err
		}
	}
	if d.Use != "" && d.Use != "sig" {
		return otherPurpose{fmt.Errorf("%w: its use is not sig", ErrInvalidKey)}
	}
	if d.KeyOperations != nil {
		operations := slices.Sorted(slices.Values(d.KeyOperations))
		if len(slices.Compact(operations)) != len(d.KeyOperations) { // RFC 7517 §4.3
			return fmt.Errorf("%w: key_ops names an operation twice", ErrInvalidKey)
		}
	}
	return nil
}

var errKeyOperations = otherPurpose{fmt.Errorf("%w: its key_ops do not allow this", ErrInvalidKey)}

// otherPurpose is the error for a key that is meant for something else than this issuer's signatures.
type otherPurpose struct{ error }

func (e otherPurpose) Unwrap() error { return e.error }

// allows reports whether key_ops is absent or names the operation (RFC 7517 §4.3).
func (d document) allows(operation string) bool {
	return d.KeyOperations == nil || slices.Contains(d.KeyOperations, operation)
}

// algorithm returns the key's one algorithm: "alg", or the one that its curve implies. A token must
// never decide it.
func (d document) algorithm() (Algorithm, error) {
	if d.Algorithm != "" {
		return Algorithm(d.Algorithm), nil
	}
	if alg, ok := impliedByCurve[d.Curve]; ok {
		return alg, nil
	}
	return "", fmt.Errorf("%w: a key of type %q needs an alg", ErrInvalidKey, d.Type)
}

// family returns the algorithm of an asymmetric key and its family.
func (d document) family() (Algorithm, family, error) {
	alg, err := d.algorithm()
	if err != nil {
		return "", nil, err
	}
	f, ok := asymmetric[alg]
	if !ok {
		return "", nil, fmt.Errorf("%w: %q is not an asymmetric algorithm", ErrInvalidKey, alg)
	}
	return alg, f, nil
}

func (d document) publicKey() (*PublicKey, error) {
	whole := d.D != nil // a key that signs can also verify, with its public half
	if !d.allows("verify") && !(whole && d.allows("sign")) {
		return nil, errKeyOperations
	}
	alg, f, err := d.family()
	if err != nil {
		return nil, err
	}
	p, err := f.parsePublic(d)
	if err != nil {
		return nil, err
	}
	return newPublicKey(string(d.KeyID), alg, p), nil
}

func (d document) secretKey() (*SecretKey, error) {
	if d.Type != "oct" {
		return nil, fmt.Errorf("%w: kty is not oct", ErrInvalidKey)
	}
	if !d.allows("verify") {
		return nil, errKeyOperations
	}
	alg, err := d.algorithm()
	if err != nil {
		return nil, err
	}
	return NewSecret(alg, string(d.KeyID), d.K)
}

// asymmetricTypes are the values of "kty" that this package supports, except "oct".
var asymmetricTypes = []string{"EC", "OKP", "RSA"}

// SetOptions configures how a JWK set is read. The zero value accepts keys for every algorithm of this
// package.
type SetOptions struct {
	// Algorithms are the algorithms that the issuer signs with. Keys for others are skipped. Defaults
	// to all.
	Algorithms []Algorithm
	// Default is the algorithm of a key without "alg" whose type allows several, such as RSA. (A token
	// never decides that.) Defaults to none: such a key is skipped.
	Default Algorithm
	// Issuer is the one whose keys are wanted, for sets in which a key may have an "issuer" member, as
	// Entra ID's do. Keys of others are skipped. In a key's member, "{tenantid}" stands for any tenant:
	// a key of "https://login.microsoftonline.com/{tenantid}/v2.0" is used for the issuer
	// "https://login.microsoftonline.com/11111111-2222-3333-4444-555555555555/v2.0", but not the other
	// way round. Defaults to not looking at the member.
	Issuer string
	// AllowSameID accepts a set in which keys have the same ID, as some issuers publish: identical keys
	// count once, and of different ones none is used. Otherwise the set is refused.
	AllowSameID bool
}

// Skipped is a key that was left out of a set.
type Skipped struct {
	KeyID string // empty if the key has no readable ID
	Err   error  // the reason, which wraps [ErrInvalidKey] or [ErrWeakKey]
}

// ParseSet reads a JWK set (RFC 7517 §5) with the zero [SetOptions].
func ParseSet(data []byte) (*Set, error) { return SetOptions{}.Parse(data) }

// Parse reads a JWK set (RFC 7517 §5). It skips keys that are unknown or unsound, as that section
// says, and keys for other algorithms: [Set.Skipped] lists them. It keeps only the public half of a
// private key. It refuses a set with [ErrInvalidKey] if the set mixes secrets with public keys, has two
// keys with the same ID (but see AllowSameID), or has more than 256 keys.
func (o SetOptions) Parse(data []byte) (*Set, error) {
	var set struct {
		Keys *[]json.RawMessage `json:"keys"`
	}
	if err := jose.DecodeKnownJSON(string(data), &set); err != nil {
		return nil, fmt.Errorf("%w: %v", ErrInvalidKey, err)
	}
	if set.Keys == nil || len(*set.Keys) > maxSetKeys {
		return nil, fmt.Errorf("%w: a set has keys, at most %d", ErrInvalidKey, maxSetKeys)
	}
	var r setReader
	for _, raw := range *set.Keys {
		r.read(raw, o)
	}
	if r.repeated != "" && !o.AllowSameID {
		return nil, fmt.Errorf("%w: two keys have the kid %q", ErrInvalidKey, r.repeated)
	}
	if r.secrets && r.publics {
		return nil, fmt.Errorf("%w: a set holds secrets or public keys, not both", ErrInvalidKey)
	}
	keys := r.keys
	if o.AllowSameID {
		keys = r.unambiguous()
	}
	return newSet(keys, r.secrets, r.skipped)
}

// setReader collects the keys of a set.
type setReader struct {
	keys             []Key
	skipped          []Skipped
	secrets, publics bool // whether there are any, sound or not
	seen             []filled
	repeated         filled // an ID that two keys have, sound or not
}

// read takes one key, or says why it is left out.
func (r *setReader) read(raw []byte, o SetOptions) {
	var named struct {
		Type  string `json:"kty"`
		KeyID filled `json:"kid"`
	}
	if err := jose.DecodeKnownJSON(string(raw), &named); err != nil {
		r.skipped = append(r.skipped, Skipped{Err: fmt.Errorf("%w: %v", ErrInvalidKey, err)})
		return
	}
	if named.KeyID != "" && slices.Contains(r.seen, named.KeyID) {
		r.repeated = named.KeyID
	}
	r.seen = append(r.seen, named.KeyID)
	r.secrets = r.secrets || named.Type == "oct"
	r.publics = r.publics || slices.Contains(asymmetricTypes, named.Type)
	key, err := o.parse(raw)
	if err != nil {
		r.skipped = append(r.skipped, Skipped{string(named.KeyID), err})
		return
	}
	r.keys = append(r.keys, key)
}

// unambiguous returns each key once, and skips different keys with the same ID.
func (r *setReader) unambiguous() []Key {
	first := map[string]Key{}
	ambiguous := map[string]bool{}
	var order []Key
	for _, k := range r.keys {
		if known := first[k.ID()]; known == nil {
			first[k.ID()] = k
			order = append(order, k)
		} else if !equalKeys(known, k) {
			ambiguous[k.ID()] = true
		}
	}
	for _, k := range r.keys {
		if ambiguous[k.ID()] {
			err := fmt.Errorf("%w: another key has the same kid", ErrInvalidKey)
			r.skipped = append(r.skipped, Skipped{k.ID(), err})
		}
	}
	return slices.DeleteFunc(order, func(k Key) bool { return ambiguous[k.ID()] })
}

// equalKeys reports whether two keys are the same public key for the same algorithm.
func equalKeys(a, b Key) bool {
	x, ok := a.(*PublicKey)
	y, too := b.(*PublicKey)
	return ok && too && x.algorithm == y.algorithm && x.thumbprintInput() == y.thumbprintInput()
}

func (o SetOptions) parse(raw []byte) (Key, error) {
	if err := o.checkIssuer(raw); err != nil {
		return nil, err
	}
	d, err := readDocument(raw)
	if err != nil {
		return nil, err
	}
	if d.Algorithm == "" && impliedByCurve[d.Curve] == "" {
		d.Algorithm = filled(o.Default)
	}
	key, err := d.verifying()
	if err != nil {
		return nil, err
	}
	if o.Algorithms != nil && !slices.Contains(o.Algorithms, key.Algorithm()) {
		return nil, otherPurpose{
			fmt.Errorf("%w: %s is none of the issuer's algorithms", ErrInvalidKey, key.Algorithm()),
		}
	}
	return key, nil
}

// checkIssuer refuses the keys of other issuers.
func (o SetOptions) checkIssuer(raw []byte) error {
	var of struct {
		Issuer *string `json:"issuer"`
	}
	if o.Issuer == "" {
		return nil
	}
	if err := jose.DecodeKnownJSON(string(raw), &of); err != nil {
		return fmt.Errorf("%w: %v", ErrInvalidKey, err)
	}
	if of.Issuer == nil || isIssuer(o.Issuer, *of.Issuer) {
		return nil
	}
	return otherPurpose{fmt.Errorf("%w: it is a key of the issuer %.200q", ErrInvalidKey, *of.Issuer)}
}

// isIssuer reports whether a key's "issuer" is the wanted one, or a template of it.
func isIssuer(wanted, named string) bool {
	before, after, isTemplate := strings.Cut(named, "{tenantid}")
	if wanted == named || !isTemplate {
		return wanted == named
	}
	tenant, hasPrefix := strings.CutPrefix(wanted, before)
	tenant, hasSuffix := strings.CutSuffix(tenant, after)
	return hasPrefix && hasSuffix && tenant != "" && !strings.Contains(tenant, "/")
}

// verifying returns what of a key verifies: a secret, or the public half.
func (d document) verifying() (Key, error) {
	if d.Type == "oct" {
		return d.secretKey()
	}
	return d.publicKey()
}
