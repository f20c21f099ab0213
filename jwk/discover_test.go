package jwk_test

import (
	"bytes"
	"errors"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/hallpass-go/hallpass/jwk"
)

// site answers by path, and counts what was asked for.
type site struct {
	*publisher
	mu    sync.Mutex
	pages map[string]http.HandlerFunc
	asked []string
}

func newSite(t *testing.T) *site {
	t.Helper()
	s := &site{publisher: newPublisher(t), pages: map[string]http.HandlerFunc{}}
	s.respond(func(w http.ResponseWriter, r *http.Request) {
		s.mu.Lock()
		s.asked = append(s.asked, r.URL.Path)
		page := s.pages[r.URL.Path]
		s.mu.Unlock()
		if page == nil {
			http.NotFound(w, r)
			return
		}
		page(w, r)
	})
	return s
}

func (s *site) serve(path string, page http.HandlerFunc) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.pages[path] = page
}

func text(body []byte) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write(body) }
}

// metadata serves the metadata of an issuer whose keys are at a path of this site.
func (s *site) metadata(t *testing.T, path, issuer, keysPath string) {
	s.serve(path, text(marshal(t, map[string]any{
		"issuer": issuer, "jwks_uri": s.URL + keysPath, "claims_supported": []string{"sub"}, "policy": nil,
	})))
}

// paths returns what was asked for since the last call.
func (s *site) paths() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	asked := s.asked
	s.asked = nil
	return asked
}

func (s *site) discover(t *testing.T, issuer string, change func(*jwk.RemoteConfig)) *jwk.Remote {
	t.Helper()
	var c jwk.RemoteConfig
	s.remote(t, func(with *jwk.RemoteConfig) {
		if change != nil {
			change(with)
		}
		c, with.MetadataURL, with.File = *with, "", ""
	})
	r, err := jwk.Discover(issuer, c)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

const (
	openID = "/.well-known/openid-configuration"
	oauth  = "/.well-known/oauth-authorization-server"
)

// OpenID Connect Discovery 1.0 §4 comes first, then RFC 8414 §3.1.
func TestDiscover_findsTheKeysFromTheIssuerAlone(t *testing.T) {
	key := generate(t, jwk.ES256).Public()
	for issuer, c := range map[string]struct {
		metadata string
		asked    []string
	}{
		"":             {openID, []string{openID}},
		"/":            {openID, []string{openID}},
		"/realms/demo": {"/realms/demo" + openID, []string{"/realms/demo" + openID}},
		"/tenant/":     {"/tenant" + openID, []string{"/tenant" + openID}},
		"/auth":        {oauth + "/auth", []string{"/auth" + openID, oauth + "/auth"}},
		"/auth/":       {oauth + "/auth", []string{"/auth" + openID, oauth + "/auth"}},
		"/a%2Fb":       {"/a/b" + openID, []string{"/a/b" + openID}},
		"//":           {"/" + openID, []string{"/" + openID}},
	} {
		s := newSite(t)
		s.metadata(t, c.metadata, s.URL+issuer, "/keys")
		s.serve("/keys", text(setText(t, key)))
		r := s.discover(t, s.URL+issuer, nil)
		if s.fetches.Load() != 0 || r.Origin() != (jwk.Origin{}) {
			t.Errorf("%q: fetched before a key was asked for", issuer)
		}
		if _, err := r.Key(t.Context(), key.ID()); err != nil {
			t.Errorf("%q: %v", issuer, err)
		}
		if asked := s.paths(); !slices.Equal(asked, append(c.asked, "/keys")) {
			t.Errorf("%q: asked for %v", issuer, asked)
		}
		want := jwk.Origin{
			Issuer: s.URL + issuer, MetadataURL: s.URL + c.metadata, KeysURL: s.URL + "/keys",
			FetchedAt: time.Unix(s.now.Load(), 0),
		}
		if origin := r.Origin(); !strings.Contains(issuer, "%") && origin != want {
			t.Errorf("%q: came from %+v, want %+v", issuer, origin, want)
		}
	}
}

func TestDiscover_followsTheAddressOfTheKeys(t *testing.T) {
	first, second := generate(t, jwk.ES256).Public(), generate(t, jwk.ES256).Public()
	s := newSite(t)
	s.metadata(t, openID, s.URL, "/first")
	s.serve("/first", text(setText(t, first)))
	s.serve("/second", text(setText(t, first, second)))
	r := s.discover(t, s.URL, nil)
	before, err := r.Key(t.Context(), first.ID())
	if err != nil {
		t.Fatal(err)
	}
	s.metadata(t, openID, s.URL, "/second")
	if !has(t, r, second.ID()) {
		t.Error("the keys at the new address are not there")
	}
	if after, err := r.Key(t.Context(), first.ID()); err != nil || after != before {
		t.Errorf("a key that stayed is another value: %v", err)
	}
	if at := r.Origin().KeysURL; at != s.URL+"/second" {
		t.Errorf("came from %s", at)
	}
}

// Some issuers are not where their name says: those of Entra ID's v1 tokens, and of many tenants.
func TestDiscover_metadataElsewhere(t *testing.T) {
	key := generate(t, jwk.ES256).Public()
	for _, issuer := range []string{
		"https://sts.windows.net/tenant/", "https://login.microsoftonline.com/{tenantid}/v2.0", "accounts.example",
	} {
		s := newSite(t)
		s.metadata(t, "/tenant/metadata", issuer, "/keys")
		s.serve("/keys", text(setText(t, key)))
		r := s.discover(t, issuer, func(c *jwk.RemoteConfig) { c.MetadataURL = s.URL + "/tenant/metadata" })
		if !has(t, r, key.ID()) {
			t.Errorf("%s: not found", issuer)
		}
		if asked := s.paths(); !slices.Equal(asked, []string{"/tenant/metadata", "/keys"}) {
			t.Errorf("%s: asked for %v", issuer, asked)
		}
		other := s.discover(t, issuer+"/", func(c *jwk.RemoteConfig) { c.MetadataURL = s.URL + "/tenant/metadata" })
		if _, err := other.Key(t.Context(), key.ID()); !errors.Is(err, jwk.ErrUnavailable) {
			t.Errorf("%s: taken for another issuer: %v", issuer, err)
		}
	}
}

// In the documents ISSUER and KEYS stand for the right URLs.
func TestDiscover_refusesMetadata(t *testing.T) {
	key := generate(t, jwk.ES256).Public()
	megabyte := strings.Repeat(" ", 1<<20)
	for name, c := range map[string]struct{ document, says string }{
		"a slash more": {`{"issuer":"ISSUER/","jwks_uri":"KEYS"}`, "use exactly that"},
		"a space more": {`{"issuer":"ISSUER ","jwks_uri":"KEYS"}`, "use exactly that"},
		"of another issuer": {
			`{"issuer":"https://evil.example","jwks_uri":"KEYS"}`, `issuer is "https://evil.example"`,
		},
		"of a long issuer": {
			`{"issuer":"` + strings.Repeat("x", 99_999) + `","jwks_uri":"KEYS"}`, "use exactly that",
		},
		"no issuer":           {`{"jwks_uri":"KEYS"}`, `issuer is ""`},
		"an issuer of null":   {`{"issuer":null,"jwks_uri":"KEYS"}`, "issuer"},
		"a list of issuers":   {`{"issuer":["ISSUER"],"jwks_uri":"KEYS"}`, "issuer"},
		"issuer twice":        {`{"issuer":"ISSUER","issuer":"ISSUER","jwks_uri":"KEYS"}`, "twice"},
		"jwks_uri twice":      {`{"issuer":"ISSUER","jwks_uri":"KEYS","jwks_uri":"KEYS"}`, "twice"},
		"other members twice": {`{"issuer":"ISSUER","a":1,"a":2,"jwks_uri":"KEYS"}`, "twice"},
		"no jwks_uri":         {`{"issuer":"ISSUER"}`, "jwks_uri"},
		"http":                {`{"issuer":"ISSUER","jwks_uri":"http://keys.example/"}`, "the URL is http"},
		"a file":              {`{"issuer":"ISSUER","jwks_uri":"file:///etc/passwd"}`, "https"},
		"a path":              {`{"issuer":"ISSUER","jwks_uri":"/keys"}`, "https"},
		"a user":              {`{"issuer":"ISSUER","jwks_uri":"https://u:p@keys.example"}`, "user"},
		"not a URL":           {`{"issuer":"ISSUER","jwks_uri":"https://%zz"}`, "jwks_uri"},
		"a page":              {"<html>", "metadata at"},
		"two documents":       {`{"issuer":"ISSUER","jwks_uri":"KEYS"}{}`, "metadata at"},
		"cut short":           {`{"issuer":"ISSUER","jwks_uri":"KEYS"`, "metadata at"},
		"1 MB":                {`{"issuer":"ISSUER","jwks_uri":"KEYS"` + megabyte + "}", "more than 262144 bytes"},
	} {
		s := newSite(t)
		s.serve("/keys", text(setText(t, key)))
		s.serve(openID, text([]byte(strings.NewReplacer("ISSUER", s.URL, "KEYS", s.URL+"/keys").Replace(c.document))))
		found, err := s.discover(t, s.URL, nil).Key(t.Context(), key.ID())
		if !errors.Is(err, jwk.ErrUnavailable) || found != nil {
			t.Errorf("%s: %v, %v", name, found, err)
		} else if !strings.Contains(err.Error(), c.says) || len(err.Error()) > 2000 {
			t.Errorf("%s: says %.3000v, want %q", name, err, c.says)
		}
		if asked := s.paths(); !slices.Equal(asked, []string{openID}) {
			t.Errorf("%s: asked for %v", name, asked)
		}
	}
}

// Only an answer that there is no metadata leads to the other place, and nothing leads further.
func TestDiscover_metadataThatIsNotThere(t *testing.T) {
	for status, c := range map[int]struct {
		both bool
		says string
	}{
		http.StatusNotFound:     {true, "set MetadataURL"},
		http.StatusForbidden:    {true, "answered 403"},
		http.StatusFound:        {false, "answered 302, and redirects are not followed"},
		http.StatusBadGateway:   {false, "answered 502"},
		http.StatusNoContent:    {false, "answered 204"},
		http.StatusNotModified:  {false, "answered 304"},
		http.StatusUnauthorized: {true, "answered 401"},
	} {
		s := newSite(t)
		s.metadata(t, "/moved", s.URL, "/keys")
		s.serve(openID, func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Location", "/moved")
			w.WriteHeader(status)
		})
		_, err := s.discover(t, s.URL, nil).Key(t.Context(), "k")
		if !errors.Is(err, jwk.ErrUnavailable) || !strings.Contains(err.Error(), c.says) {
			t.Errorf("%d: %v, want %q", status, err, c.says)
		}
		want := []string{openID}
		if c.both {
			want = append(want, oauth)
		}
		if asked := s.paths(); !slices.Equal(asked, want) {
			t.Errorf("%d: asked for %v", status, asked)
		}
	}
}

// The keys themselves are got as strictly as from a URL that was given.
func TestDiscover_followsNoRedirectToKeys(t *testing.T) {
	key := generate(t, jwk.ES256).Public()
	s := newSite(t)
	s.metadata(t, openID, s.URL, "/keys")
	s.serve("/keys", func(w http.ResponseWriter, r *http.Request) {
		http.Redirect(w, r, "/real", http.StatusMovedPermanently)
	})
	s.serve("/real", text(setText(t, key)))
	if _, err := s.discover(t, s.URL, nil).Key(t.Context(), key.ID()); !errors.Is(err, jwk.ErrUnavailable) {
		t.Errorf("got %v", err)
	}
	if asked := s.paths(); slices.Contains(asked, "/real") {
		t.Error("the redirect was followed")
	}
}

// All answers of a fetch together get five seconds.
func TestDiscover_givesUpAHostThatTakesItsTime(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	document := marshal(t, map[string]any{"issuer": s.URL, "jwks_uri": s.URL + "/keys"})
	s.serve(openID, func(w http.ResponseWriter, _ *http.Request) {
		time.Sleep(3 * time.Second)
		_, _ = w.Write(document)
	})
	s.serve("/keys", func(w http.ResponseWriter, r *http.Request) {
		for r.Context().Err() == nil {
			_, _ = w.Write([]byte(" "))
			_ = http.NewResponseController(w).Flush()
			time.Sleep(100 * time.Millisecond)
		}
	})
	begun := time.Now()
	if _, err := s.discover(t, s.URL, nil).Key(t.Context(), "k"); !errors.Is(err, jwk.ErrUnavailable) {
		t.Errorf("got %v", err)
	}
	if took := time.Since(begun); took < 4*time.Second || took > 7*time.Second {
		t.Errorf("took %v", took)
	}
}

// The bounds on fetches hold for discovery too: one at a time, a pause after a failure, and keys that
// outlast an outage.
func TestDiscover_fetchesNoMoreThanARemote(t *testing.T) {
	key := generate(t, jwk.ES256).Public()
	s := newSite(t)
	s.metadata(t, openID, s.URL, "/keys")
	keys := setText(t, key)
	s.serve("/keys", func(w http.ResponseWriter, _ *http.Request) {
		time.Sleep(200 * time.Millisecond)
		w.Header().Set("Cache-Control", "max-age=600")
		_, _ = w.Write(keys)
	})
	var failures failureList
	r := s.discover(t, s.URL, func(c *jwk.RemoteConfig) { c.MaxStale, c.Failed = 30*time.Minute, failures.add })
	if _, errs := askAtOnce(r, key.ID()); errors.Join(errs...) != nil {
		t.Fatal(errors.Join(errs...))
	}
	if asked := s.paths(); !slices.Equal(asked, []string{openID, "/keys"}) {
		t.Errorf("50 at once asked for %v", asked)
	}
	s.serve(openID, func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusBadGateway) })
	s.advance(11 * time.Minute)
	for range 20 {
		if !has(t, r, key.ID()) {
			t.Fatal("gone although the host is only away")
		}
	}
	if asked := s.paths(); len(asked) != 1 {
		t.Errorf("a host that is away was asked for %v", asked)
	}
	failures.want(t, "answered 502")
	s.advance(30 * time.Minute)
	if _, err := r.Key(t.Context(), key.ID()); !errors.Is(err, jwk.ErrUnavailable) {
		t.Errorf("after MaxStale: %v", err)
	}
}

func TestDiscover_refusesConfigurations(t *testing.T) {
	for issuer, c := range map[string]struct {
		config jwk.RemoteConfig
		says   string
	}{
		"":                              {jwk.RemoteConfig{}, "empty"},
		"issuer.example":                {jwk.RemoteConfig{}, "https"},
		"http://issuer.example":         {jwk.RemoteConfig{AllowPrivate: true}, "http"},
		"http://localhost":              {jwk.RemoteConfig{}, "AllowPrivate"},
		"https://127.0.0.1":             {jwk.RemoteConfig{}, "AllowPrivate"},
		"https://issuer.example?a=b":    {jwk.RemoteConfig{}, "query"},
		"https://issuer.example?":       {jwk.RemoteConfig{}, "query"},
		"https://issuer.example#":       {jwk.RemoteConfig{MaxAge: time.Second}, "MaxAge"},
		"https://user@issuer.example":   {jwk.RemoteConfig{}, "user"},
		"https://%zz":                   {jwk.RemoteConfig{}, "URL"},
		"https://elsewhere.example":     {jwk.RemoteConfig{MetadataURL: "http://metadata.example"}, "http"},
		"https://elsewhere.example/":    {jwk.RemoteConfig{MetadataURL: "https://10.0.0.1/"}, "AllowPrivate"},
		"https://issuer.example/file":   {jwk.RemoteConfig{File: "keys"}, "Failed"},
		"https://issuer.example/folder": {jwk.RemoteConfig{File: "no/such/file", Failed: func(error) {}}, "folder"},
	} {
		r, err := jwk.Discover(issuer, c.config)
		if err == nil || r != nil || !strings.Contains(err.Error(), c.says) {
			t.Errorf("%q: %v, want %q", issuer, err, c.says)
		}
	}
	config := jwk.RemoteConfig{MetadataURL: "https://issuer.example/metadata"}
	_, err := jwk.NewRemote("https://issuer.example/keys", config)
	if err == nil || !strings.Contains(err.Error(), "Discover") {
		t.Errorf("a MetadataURL for keys at a URL: %v", err)
	}
}

func TestDiscover_takesMetadataOfTheLongestLength(t *testing.T) {
	key := generate(t, jwk.ES256).Public()
	s := newSite(t)
	document := marshal(t, map[string]any{"issuer": s.URL, "jwks_uri": s.URL + "/keys"})
	s.serve(openID, text(append(document, bytes.Repeat([]byte(" "), 256<<10-len(document))...)))
	s.serve("/keys", text(setText(t, key)))
	if !has(t, s.discover(t, s.URL, nil), key.ID()) {
		t.Error("not taken")
	}
}
