package jwt_test

import (
	"encoding/base64"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/hallpass-go/hallpass/jwk"
	"github.com/hallpass-go/hallpass/jwt"
)

// foreign is an issuer whose tokens are written as a profile says.
type foreign struct {
	profile jwt.Profile
	issuer  string
	key     *jwk.PrivateKey
	keys    []*jwk.PublicKey
}

const tenant = "11111111-2222-3333-4444-555555555555"

func newForeign(t *testing.T) *foreign {
	t.Helper()
	key, err := jwk.Generate(jwk.ES256)
	if err != nil {
		t.Fatal(err)
	}
	return &foreign{
		profile: jwt.Profile{
			Types: []string{"JWT"}, Keys: jwk.SetOptions{Algorithms: []jwk.Algorithm{jwk.ES256}},
			ID: "uti", Session: "session_id", Client: []string{"azp", "cid"}, Scopes: []string{"scp"},
			Roles:  []string{"/realm_access/roles", "cognito:groups"},
			Values: map[string][]string{"token_use": {"access"}}, Required: []string{"azp"},
			Forbidden: []string{"nonce"},
		},
		issuer: "https://login.example/x", key: key, keys: []*jwk.PublicKey{key.Public()},
	}
}

// token returns a token signed by the issuer, whatever is in it.
func (f *foreign) token(t *testing.T, header, payload string) string {
	t.Helper()
	encode := base64.RawURLEncoding.EncodeToString
	signed := encode([]byte(header)) + "." + encode([]byte(payload))
	signature, err := f.key.Sign([]byte(signed))
	if err != nil {
		t.Fatal(err)
	}
	return signed + "." + encode(signature)
}

func (f *foreign) verify(t *testing.T, token string, own any) (jwt.Claims, error) {
	t.Helper()
	set, err := jwk.NewSet(f.keys...)
	if err != nil {
		t.Fatal(err)
	}
	v, err := jwt.NewVerifier(jwt.Config{Issuer: f.issuer, Audience: "api", Keys: set, Profile: &f.profile})
	if err != nil {
		t.Fatal(err)
	}
	return v.Verify(t.Context(), token, time.Unix(1_800_000_010, 0), own)
}

func (f *foreign) header() string {
	return fmt.Sprintf(`{"alg":"ES256","typ":"JWT","kid":%q}`, f.key.ID())
}

const foreignPayload = `{"iss":"https://login.example/x","sub":"u1","aud":["other","api"],"exp":1800000900,` +
	`"iat":1800000000,"uti":"t1","session_id":"s1","azp":"c1","scp":["a","b"],"token_use":"access",` +
	`"realm_access":{"x":[{}],"roles":["r1","r2"]},"cognito:groups":"g1","roles":"not mapped","jti":7}`

// A profile says where the claims are, and what it does not name has no meaning.
func TestProfile_findsTheClaims(t *testing.T) {
	f := newForeign(t)
	c, err := f.verify(t, f.token(t, f.header(), foreignPayload), nil)
	if err != nil {
		t.Fatal(err)
	}
	want := jwt.Claims{
		Issuer: "https://login.example/x", Subject: "u1", Audience: []string{"other", "api"},
		ExpiresAt: time.Unix(1800000900, 0), IssuedAt: time.Unix(1800000000, 0), ID: "t1", SessionID: "s1",
		ClientID: "c1", Scopes: []string{"a", "b"}, Roles: []string{"r1", "r2", "g1"},
	}
	if !reflect.DeepEqual(c, want) {
		t.Errorf("got %+v\nwant %+v", c, want)
	}
}

// Each near miss of a profile's tokens is refused for its own reason.
func TestProfile_refusesNearMisses(t *testing.T) {
	f := newForeign(t)
	replaced := func(old, new string) string {
		if !strings.Contains(foreignPayload, old) {
			t.Fatalf("%s is not there", old)
		}
		return strings.Replace(foreignPayload, old, new, 1)
	}
	for name, c := range map[string]struct {
		payload string
		want    error
	}{
		"another value":            {replaced(`"token_use":"access"`, `"token_use":"id"`), jwt.ErrClaims},
		"no value":                 {replaced(`"token_use":"access",`, ``), jwt.ErrClaims},
		"a value in an array":      {replaced(`"token_use":"access"`, `"token_use":["access"]`), jwt.ErrClaims},
		"a required claim missing": {replaced(`"azp":"c1",`, ``), jwt.ErrClaims},
		"a required claim null":    {replaced(`"azp":"c1"`, `"azp":null`), jwt.ErrClaims},
		"a forbidden claim":        {replaced(`"azp":`, `"nonce":null,"azp":`), jwt.ErrClaims},
		"two clients":              {replaced(`"azp":`, `"cid":"c2","azp":`), jwt.ErrClaims},
		"audience only in azp":     {replaced(`["other","api"],`, `"other",`), jwt.ErrAudience},
		"no audience":              {replaced(`"aud":["other","api"],`, ``), jwt.ErrClaims},
		"no end":                   {replaced(`"exp":1800000900,`, ``), jwt.ErrClaims},
		"no beginning":             {replaced(`"iat":1800000000,`, ``), jwt.ErrClaims},
		"no subject":               {replaced(`"sub":"u1",`, ``), jwt.ErrClaims},
		"another issuer":           {replaced(`example/x"`, `example/x/"`), jwt.ErrIssuer},
		"an ID that is no string":  {replaced(`"uti":"t1"`, `"uti":1`), jwt.ErrClaims},
		"a session twice":          {replaced(`"azp":`, `"session_id":"s2","azp":`), jwt.ErrMalformed},
		"a role twice by name":     {replaced(`"roles":["r1"`, `"roles":[],"roles":["r1"`), jwt.ErrMalformed},
		"a role that is a number":  {replaced(`["r1","r2"]`, `["r1",2]`), jwt.ErrClaims},
		"roles null":               {replaced(`["r1","r2"]`, `null`), jwt.ErrClaims},
		"a scope with a blank":     {replaced(`["a","b"]`, `["a b"]`), jwt.ErrClaims},
		"scopes with two blanks":   {replaced(`["a","b"]`, `"a  b"`), jwt.ErrClaims},
		"broken behind a role":     {replaced(`"r2"]}`, `"r2"],"y":tru}`), jwt.ErrMalformed},
		"too long a life":          {replaced(`1800000900`, `1800086401`), jwt.ErrClaims},
		"expired":                  {replaced(`1800000900`, `1800000010`), jwt.ErrExpired},
	} {
		if _, err := f.verify(t, f.token(t, f.header(), c.payload), nil); !errors.Is(err, c.want) {
			t.Errorf("%s: %v, want %v", name, err, c.want)
		}
	}
}

// What may be missing or different in a header is only what the profile says.
func TestProfile_headers(t *testing.T) {
	for name, c := range map[string]struct {
		header string
		change func(*foreign)
		want   error
	}{
		"as the profile says": {`{"alg":"ES256","typ":"JWT","kid":"KID"}`, func(*foreign) {}, nil},
		"a long type":         {`{"alg":"ES256","typ":"application/JWT","kid":"KID"}`, func(*foreign) {}, nil},
		"type of RFC 9068":    {`{"alg":"ES256","typ":"at+jwt","kid":"KID"}`, func(*foreign) {}, jwt.ErrType},
		"no type":             {`{"alg":"ES256","kid":"KID"}`, func(*foreign) {}, jwt.ErrType},
		"no type where it may be missing": {
			`{"alg":"ES256","kid":"KID"}`, func(f *foreign) { f.profile.Types = []string{""} }, nil,
		},
		"a type where none is": {
			`{"alg":"ES256","typ":"JWT","kid":"KID"}`, func(f *foreign) { f.profile.Types = []string{""} }, jwt.ErrType,
		},
		"an empty type where none is": {
			`{"alg":"ES256","typ":"","kid":"KID"}`,
			func(f *foreign) { f.profile.Types = []string{""} }, jwt.ErrMalformed,
		},
		"a type that ends after its slash": {
			`{"alg":"ES256","typ":"application/","kid":"KID"}`,
			func(f *foreign) { f.profile.Types = []string{""} }, jwt.ErrType,
		},
		"a numeric type where none is": {
			`{"alg":"ES256","typ":1,"kid":"KID"}`,
			func(f *foreign) { f.profile.Types = []string{""} }, jwt.ErrMalformed,
		},
		"no kid": {`{"alg":"ES256","typ":"JWT"}`, func(*foreign) {}, jwt.ErrMalformed},
		"a numeric kid where it may be missing": {
			`{"alg":"ES256","typ":"JWT","kid":1}`, func(f *foreign) { f.profile.NoKeyID = true }, jwt.ErrMalformed,
		},
		"another kid where it may be missing": {
			`{"alg":"ES256","typ":"JWT","kid":"x"}`, func(f *foreign) { f.profile.NoKeyID = true }, jwt.ErrKey,
		},
		"an algorithm of another issuer": {
			`{"alg":"ES256","typ":"JWT","kid":"KID"}`,
			func(f *foreign) { f.profile.Keys.Algorithms = []jwk.Algorithm{jwk.RS256} }, jwt.ErrAlgorithm,
		},
		"another algorithm": {`{"alg":"RS256","typ":"JWT","kid":"KID"}`, func(*foreign) {}, jwt.ErrAlgorithm},
		"none":              {`{"alg":"none","typ":"JWT","kid":"KID"}`, func(*foreign) {}, jwt.ErrAlgorithm},
	} {
		f := newForeign(t)
		c.change(f)
		header := strings.Replace(c.header, "KID", f.key.ID(), 1)
		if _, err := f.verify(t, f.token(t, header, foreignPayload), nil); !errors.Is(err, c.want) {
			t.Errorf("%s: %v, want %v", name, err, c.want)
		}
	}
}

// An issuer with a name for each tenant is trusted for the tenant that the token names, and no
// other.
func TestProfile_tenants(t *testing.T) {
	f := newForeign(t)
	f.issuer, f.profile.Tenant = "https://login.example/{tenantid}/v2.0", "tid"
	with := func(iss, tid string) string {
		p := strings.Replace(foreignPayload, "https://login.example/x", iss, 1)
		return strings.Replace(p, `"sub"`, `"tid":`+tid+`,"sub"`, 1)
	}
	issuer := "https://login.example/" + tenant + "/v2.0"
	c, err := f.verify(t, f.token(t, f.header(), with(issuer, `"`+tenant+`"`)), nil)
	if err != nil || c.Issuer != issuer {
		t.Errorf("%q, %v", c.Issuer, err)
	}
	other, upper := strings.ReplaceAll(tenant, "1", "9"), strings.ReplaceAll(tenant, "1", "A")
	for name, payload := range map[string]string{
		"another tenant":     with(issuer, `"`+other+`"`),
		"no tenant":          with(issuer, `""`),
		"a number":           with(issuer, `1`),
		"the template":       with("https://login.example/{tenantid}/v2.0", `"{tenantid}"`),
		"a path as tenant":   with("https://login.example/a/../b/v2.0", `"a/../b"`),
		"upper case":         with("https://login.example/"+upper+"/v2.0", `"`+upper+`"`),
		"a slash more":       with(issuer+"/", `"`+tenant+`"`),
		"another host":       with("https://login.example.evil/"+tenant+"/v2.0", `"`+tenant+`"`),
		"no tenant at all":   strings.Replace(foreignPayload, "https://login.example/x", issuer, 1),
		"another v":          with("https://login.example/"+tenant+"/v1.0", `"`+tenant+`"`),
		"tenant not in path": with("https://login.example//v2.0", `"`+tenant+`"`),
	} {
		if _, err := f.verify(t, f.token(t, f.header(), payload), nil); err == nil {
			t.Errorf("%s was accepted", name)
		}
	}
}

// With one key a token needs no kid, and with two it does.
func TestProfile_noKeyID(t *testing.T) {
	f := newForeign(t)
	f.profile.NoKeyID = true
	token := f.token(t, `{"alg":"ES256","typ":"JWT"}`, foreignPayload)
	if _, err := f.verify(t, token, nil); err != nil {
		t.Error("with one key:", err)
	}
	f.keys = append(f.keys, newForeign(t).key.Public())
	if _, err := f.verify(t, token, nil); !errors.Is(err, jwt.ErrKey) {
		t.Errorf("with two keys: %v, want %v", err, jwt.ErrKey)
	}
}

// Own claims may be inside other claims, in foreign tokens and in those of RFC 9068.
func TestVerify_ownClaimsByPath(t *testing.T) {
	type own struct {
		Roles []string `json:"-" claim:"/resource_access/my~1api/roles"`
		Deep  int      `json:"-" claim:"/a/b/c"`
		Name  string   `json:"name"`
		None  string   `json:"-" claim:"/a/x"`
	}
	f := newForeign(t)
	const members = `"resource_access":{"other":{"roles":["x"]},"my/api":{"roles":["y","z"]}},` +
		`"a":{"b":{"c":7}},"name":"n","sub"`
	want := own{Roles: []string{"y", "z"}, Deep: 7, Name: "n"}
	var got own
	token := f.token(t, f.header(), strings.Replace(foreignPayload, `"sub"`, members, 1))
	if _, err := f.verify(t, token, &got); err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("foreign: %+v, %v", got, err)
	}
	wrong := f.token(t, f.header(), strings.Replace(foreignPayload, `"sub"`, `"a":{"b":{"c":"7"}},"sub"`, 1))
	if _, err := f.verify(t, wrong, &got); !errors.Is(err, jwt.ErrClaims) {
		t.Errorf("a claim of the wrong type: %v", err)
	}

	set, _ := jwk.NewSet(f.key.Public())
	v, err := jwt.NewVerifier(jwt.Config{Issuer: "i", Audience: "a", Keys: set})
	if err != nil {
		t.Fatal(err)
	}
	payload := `{"iss":"i",` + members + `:"u","aud":"a","exp":1800000900,"iat":1800000000,"jti":"t",` +
		`"rev_seq":5,"scope":"s"}`
	token = f.token(t, fmt.Sprintf(`{"alg":"ES256","typ":"at+jwt","kid":%q}`, f.key.ID()), payload)
	got = own{}
	c, err := v.Verify(t.Context(), token, time.Unix(1_800_000_010, 0), &got)
	if err != nil || !reflect.DeepEqual(got, want) || c.Sequence != 5 || !slices.Equal(c.Scopes, []string{"s"}) {
		t.Errorf("RFC 9068: %+v, %+v, %v", got, c, err)
	}
	for name, bad := range map[string]string{
		"no jti":        strings.Replace(payload, `"jti":"t",`, ``, 1),
		"scope a list":  strings.Replace(payload, `"scope":"s"`, `"scope":["s"]`, 1),
		"roles a text":  strings.Replace(payload, `"scope":"s"`, `"roles":"s"`, 1),
		"rev_seq wrong": strings.Replace(payload, `"rev_seq":5`, `"rev_seq":"5"`, 1),
	} {
		token := f.token(t, fmt.Sprintf(`{"alg":"ES256","typ":"at+jwt","kid":%q}`, f.key.ID()), bad)
		if _, err := v.Verify(t.Context(), token, time.Unix(1_800_000_010, 0), &got); !errors.Is(err, jwt.ErrClaims) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestCheckOwn(t *testing.T) {
	for _, bad := range []any{
		struct {
			A string `claim:"/a"`
		}{},
		struct {
			A string `json:"a" claim:"/a"`
		}{},
		struct {
			A string `json:"-" claim:"/a~2"`
		}{},
		struct {
			A string `json:"-" claim:""`
		}{},
	} {
		if jwt.CheckOwn(reflect.TypeOf(bad)) == nil {
			t.Errorf("%T passed", bad)
		}
	}
}

// Mistakes of a profile are all told.
func TestNewVerifier_profileMistakes(t *testing.T) {
	set, _ := jwk.NewSet()
	_, err := jwt.NewVerifier(jwt.Config{
		Issuer: "https://x.example/{tenantid}", Audience: "a", Keys: set,
		Profile: &jwt.Profile{
			MaxLifetime: -1, Roles: []string{"/a~"}, Scopes: []string{""}, Values: map[string][]string{"a": nil},
		},
	})
	if err == nil {
		t.Fatal("accepted")
	}
	for _, want := range []string{
		"Types", "Algorithms", "MaxLifetime", `"/a~"`, "no name", `no value of "a"`, "{tenantid}",
	} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("%q is not told: %v", want, err)
		}
	}
}

// A token chooses whose keys and profile it must satisfy, and nothing else.
func TestChoose(t *testing.T) {
	f := newForeign(t)
	set, _ := jwk.NewSet(f.keys...)
	verifier := func(issuer, tenant string) *jwt.Verifier {
		p := f.profile
		p.Tenant = tenant
		v, err := jwt.NewVerifier(jwt.Config{Issuer: issuer, Audience: "api", Keys: set, Profile: &p})
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
	exact := "https://login.example/" + tenant
	among := []*jwt.Verifier{
		verifier("https://login.example/{tenantid}", "tid"), verifier("https://b.example", ""), verifier(exact, ""),
	}
	for iss, want := range map[string]int{
		`"https://b.example"`: 1, `"` + exact + `"`: 2,
		`"https://login.example/99999999-2222-3333-4444-555555555555"`: 0,
		`"https://b.example/"`: -1, `"https://login.example/x"`: -1, `""`: -1, `["https://b.example"]`: -1, `null`: -1,
		`"https://login.example/{tenantid}"`: -1,
	} {
		got, err := jwt.Choose(f.token(t, "{}", `{"a":[1],"iss":`+iss+`}`), among)
		if err != nil {
			got = -1
		}
		if got != want || want < 0 && !errors.Is(err, jwt.ErrIssuer) {
			t.Errorf("%s: %d, %v; want %d", iss, got, err, want)
		}
	}
	for _, bad := range []string{"", "a.b", "a.!.c", "a.e30.", strings.Repeat("a", 9000)} {
		if _, err := jwt.Choose(bad, among); err == nil {
			t.Errorf("%.10q chose one", bad)
		}
	}
}
