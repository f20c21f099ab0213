package hallpass_test

import (
	"context"
	"crypto/x509"
	"encoding/json"
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/hallpass-go/hallpass"
	"github.com/hallpass-go/hallpass/jwk"
	"github.com/hallpass-go/hallpass/jwt"
	"github.com/hallpass-go/hallpass/sessions"
)

// issuer is one of several issuers of RFC 9068 tokens with the same audience.
type issuer struct {
	name string
	key  *jwk.PrivateKey
}

func newIssuer(t *testing.T, name string) issuer {
	t.Helper()
	key, err := jwk.Generate(jwk.ES256)
	if err != nil {
		t.Fatal(err)
	}
	return issuer{name, key}
}

func (i issuer) keys(t *testing.T) *jwk.Set {
	t.Helper()
	set, err := jwk.NewSet(i.key.Public())
	if err != nil {
		t.Fatal(err)
	}
	return set
}

func (i issuer) trusted(t *testing.T) hallpass.TrustedIssuer {
	return hallpass.TrustedIssuer{Issuer: i.name, Audience: "api", Keys: i.keys(t)}
}

// token returns a token with the name of any issuer, signed with this one's key.
func (i issuer) token(t *testing.T, iss, subject, session string) string {
	t.Helper()
	now := time.Now()
	token, err := jwt.Sign(i.key, jwt.TypeAccess, jwt.Claims{
		Issuer: iss, Subject: subject, Audience: []string{"api"}, ExpiresAt: now.Add(time.Minute),
		IssuedAt: now, ID: "t", SessionID: session,
	}, nil)
	if err != nil {
		t.Fatal(err)
	}
	return token
}

func newVerifier(t *testing.T, c hallpass.VerifierConfig) *hallpass.Verifier[struct{}] {
	t.Helper()
	v, err := hallpass.NewVerifier[struct{}](c)
	if err != nil {
		t.Fatal(err)
	}
	return v
}

// With several issuers "iss" chooses whose keys a token must be signed with, first and again.
func TestIssuers_setsNeverMix(t *testing.T) {
	a, b := newIssuer(t, "https://a.example"), newIssuer(t, "https://b.example")
	stranger := newIssuer(t, "https://c.example")
	v := newVerifier(t, hallpass.VerifierConfig{Issuers: []hallpass.TrustedIssuer{a.trusted(t), b.trusted(t)}})
	for range 2 {
		for _, i := range []issuer{a, b} {
			id, err := v.Verify(t.Context(), i.token(t, i.name, "alice", "s"))
			if err != nil || id.Issuer != i.name || id.Subject != "alice" {
				t.Errorf("%s: %s %s, %v", i.name, id.Issuer, id.Subject, err)
			}
		}
		for name, token := range map[string]string{
			"b's key under a's name":  b.token(t, a.name, "alice", "s"),
			"a's key under b's name":  a.token(t, b.name, "alice", "s"),
			"an issuer with a slash":  a.token(t, a.name+"/", "alice", "s"),
			"a stranger":              stranger.token(t, stranger.name, "alice", "s"),
			"a stranger under a name": stranger.token(t, a.name, "alice", "s"),
			"no token":                "a.b.c",
		} {
			if _, err := v.Verify(t.Context(), token); !errors.Is(err, hallpass.ErrTokenInvalid) {
				t.Errorf("%s: %v, want %v", name, err, hallpass.ErrTokenInvalid)
			}
		}
	}
}

// Revocations are those of one issuer: an ID or a subject of another means somebody else.
func TestIssuers_revocationsAreOfOneIssuer(t *testing.T) {
	a, b := newIssuer(t, "https://a.example"), newIssuer(t, "https://b.example")
	revoked := hallpass.NewRevocations()
	trusted := a.trusted(t)
	trusted.Revocations = revoked
	v := newVerifier(t, hallpass.VerifierConfig{Issuers: []hallpass.TrustedIssuer{trusted, b.trusted(t)}})
	ofA, ofB := a.token(t, a.name, "alice", "s1"), b.token(t, b.name, "alice", "s1")
	for _, token := range []string{ofA, ofB} {
		if _, err := v.Verify(t.Context(), token); err != nil {
			t.Fatal(err)
		}
	}
	until := time.Now().Add(time.Hour)
	revoked.Apply(sessions.Revocation{Kind: sessions.RevokedSession, ID: "s1", ExpiresAt: until})
	if _, err := v.Verify(t.Context(), ofA); !errors.Is(err, hallpass.ErrTokenRevoked) {
		t.Errorf("of a: %v", err)
	}
	for _, token := range []string{ofB, b.token(t, b.name, "bob", "s1")} {
		if _, err := v.Verify(t.Context(), token); err != nil {
			t.Errorf("of b: %v", err)
		}
	}
}

// A list of revocations that is too old refuses the tokens of its issuer, and no other's.
func TestIssuers_staleRevocationsAreOfOneIssuer(t *testing.T) {
	a, b := newIssuer(t, "https://a.example"), newIssuer(t, "https://b.example")
	feed, err := hallpass.NewRevocationFeed(hallpass.FeedConfig{
		URL: "https://a.example/feed", Issuer: a.name, Keys: a.keys(t),
	})
	if err != nil {
		t.Fatal(err)
	}
	trusted := a.trusted(t)
	trusted.Revocations = feed.Revocations()
	v := newVerifier(t, hallpass.VerifierConfig{Issuers: []hallpass.TrustedIssuer{trusted, b.trusted(t)}})
	_, err = v.Verify(t.Context(), a.token(t, a.name, "alice", "s"))
	if !errors.Is(err, hallpass.ErrStoreUnavailable) {
		t.Errorf("of a: %v", err)
	}
	if _, err := v.Verify(t.Context(), b.token(t, b.name, "alice", "s")); err != nil {
		t.Errorf("of b: %v", err)
	}
}

// The rule Self goes by the issuer whose IDs the application has, so that no other issuer can name
// its users.
func TestSelf_isOfOneIssuer(t *testing.T) {
	a, b := newIssuer(t, "https://a.example"), newIssuer(t, "https://b.example")
	status := func(c hallpass.VerifierConfig, token string) int {
		mux := http.NewServeMux()
		mux.Handle("GET /users/{id}", newVerifier(t, c).Func(
			func(http.ResponseWriter, *http.Request, hallpass.Identity[struct{}]) {}, hallpass.Self("id")))
		r := httptest.NewRequest("GET", "/users/alice", nil)
		r.Header.Set("Authorization", "Bearer "+token)
		w := httptest.NewRecorder()
		mux.ServeHTTP(w, r)
		return w.Code
	}
	own := hallpass.VerifierConfig{
		Issuer: a.name, Audience: "api", Keys: a.keys(t), Issuers: []hallpass.TrustedIssuer{b.trusted(t)},
	}
	none := hallpass.VerifierConfig{Issuers: []hallpass.TrustedIssuer{a.trusted(t), b.trusted(t)}}
	only := hallpass.VerifierConfig{Issuers: []hallpass.TrustedIssuer{b.trusted(t)}}
	for name, c := range map[string]struct {
		config hallpass.VerifierConfig
		token  string
		want   int
	}{
		"alice of the application's issuer": {own, a.token(t, a.name, "alice", "s"), 200},
		"bob of it":                         {own, a.token(t, a.name, "bob", "s"), 403},
		"alice of another":                  {own, b.token(t, b.name, "alice", "s"), 403},
		"two equal issuers, alice of one":   {none, a.token(t, a.name, "alice", "s"), 403},
		"two equal issuers, of the other":   {none, b.token(t, b.name, "alice", "s"), 403},
		"one issuer":                        {only, b.token(t, b.name, "alice", "s"), 200},
	} {
		if got := status(c.config, c.token); got != c.want {
			t.Errorf("%s: %d, want %d", name, got, c.want)
		}
	}
}

// Mistakes in the list of issuers are all told.
func TestNewVerifier_issuersMistakes(t *testing.T) {
	a := newIssuer(t, "https://a.example")
	_, err := hallpass.NewVerifier[struct {
		A string `claim:"/a"`
	}](hallpass.VerifierConfig{
		Revocations: hallpass.NewRevocations(),
		Issuers: []hallpass.TrustedIssuer{
			a.trusted(t), a.trusted(t), {}, {Issuer: "http://plain.example", Audience: "api"},
			{Issuer: "https://p.example", Tokens: &jwt.Profile{}},
		},
	})
	if err == nil {
		t.Fatal("accepted")
	}
	for _, want := range []string{
		"Revocations are those of Issuer", "https://a.example twice", `issuer "": jwt: Issuer is empty`,
		"Keys is nil", "http://plain.example", "use https", "Types", "Audience is empty", "claim tag",
	} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("%q is not told: %v", want, err)
		}
	}
}

// publish serves an issuer's metadata and keys as its URL, and returns what trusts it.
func publish(t *testing.T, keys func() string) (name string, remote jwk.RemoteConfig) {
	t.Helper()
	mux := http.NewServeMux()
	server := httptest.NewTLSServer(mux)
	t.Cleanup(server.Close)
	mux.HandleFunc("GET /.well-known/openid-configuration", func(w http.ResponseWriter, _ *http.Request) {
		_, _ = w.Write([]byte(`{"issuer":"` + server.URL + `","jwks_uri":"` + server.URL + `/keys"}`))
	})
	mux.HandleFunc("GET /keys", func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte(keys())) })
	roots := x509.NewCertPool()
	roots.AddCert(server.Certificate())
	return server.URL, jwk.RemoteConfig{AllowPrivate: true, RootCAs: roots}
}

// The issuer's URL is enough to find its keys. If the set has left a key out, the event says which set
// and why, and the client learns nothing of it.
func TestIssuers_keysAreFoundAndWhatIsLeftOutIsTold(t *testing.T) {
	good, bad := newIssuer(t, ""), newIssuer(t, "")
	name, remote := publish(t, func() string {
		usable, err := json.Marshal(good.key.Public())
		if err != nil {
			t.Error(err)
		}
		return `{"keys":[` + string(usable) + `,{"kty":"RSA","kid":"` + bad.key.ID() + `","n":"AQAB","e":"AQAB"}]}`
	})
	var told []error
	v := newVerifier(t, hallpass.VerifierConfig{
		Issuers: []hallpass.TrustedIssuer{{Issuer: name, Audience: "api", Remote: remote}},
		Observe: func(_ context.Context, e hallpass.Event) { told = append(told, e.Err) },
	})
	protected := v.Func(func(http.ResponseWriter, *http.Request, hallpass.Identity[struct{}]) {})
	get := func(token string) *httptest.ResponseRecorder {
		r := httptest.NewRequest("GET", "/", nil)
		r.Header.Set("Authorization", "Bearer "+token)
		w := httptest.NewRecorder()
		protected.ServeHTTP(w, r)
		return w
	}
	if w := get(good.token(t, name, "alice", "s")); w.Code != 200 {
		t.Errorf("%d %s", w.Code, w.Body)
	}
	w := get(bad.token(t, name, "alice", "s"))
	if w.Code != 401 || strings.Contains(w.Body.String(), "/keys") {
		t.Errorf("%d %s", w.Code, w.Body)
	}
	want := `the set at ` + name + `/keys has "` + bad.key.ID() + `", but `
	if len(told) != 1 || !strings.Contains(told[0].Error(), want) {
		t.Errorf("told %v, want %s", told, want)
	}
}
