package jwk_test

import (
	"context"
	"crypto/x509"
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/hallpass-go/hallpass/jwk"
)

// publisher is an issuer that publishes keys over TLS on a real socket.
type publisher struct {
	*httptest.Server
	mu      sync.Mutex
	answer  http.HandlerFunc
	fetches atomic.Int64
	now     atomic.Int64 // the clock of the remote set, in seconds
}

func newPublisher(t *testing.T, keys ...any) *publisher {
	t.Helper()
	p := &publisher{}
	p.now.Store(1_800_000_000)
	p.publish(t, keys...)
	p.Server = httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		p.fetches.Add(1)
		p.mu.Lock()
		answer := p.answer
		p.mu.Unlock()
		answer(w, r)
	}))
	t.Cleanup(p.Close)
	return p
}

func (p *publisher) publish(t *testing.T, keys ...any) {
	text := setText(t, keys...)
	p.respond(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Cache-Control", "public, max-age=600")
		_, _ = w.Write(text)
	})
}

func (p *publisher) respond(answer http.HandlerFunc) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.answer = answer
}

func (p *publisher) advance(d time.Duration) { p.now.Add(int64(d / time.Second)) }

func (p *publisher) remote(t *testing.T, change func(*jwk.RemoteConfig)) *jwk.Remote {
	t.Helper()
	roots := x509.NewCertPool()
	roots.AddCert(p.Certificate())
	c := jwk.RemoteConfig{
		AllowPrivate: true,
		RootCAs:      roots,
		Now:          func() time.Time { return time.Unix(p.now.Load(), 0) },
	}
	if change != nil {
		change(&c)
	}
	r, err := jwk.NewRemote(p.URL, c)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// has reports whether the source currently has a key.
func has(t *testing.T, r *jwk.Remote, id string) bool {
	t.Helper()
	key, err := r.Key(t.Context(), id)
	if err != nil && !errors.Is(err, jwk.ErrUnknownKey) {
		t.Fatalf("%s: %v", id, err)
	}
	return err == nil && key.ID() == id
}

func TestRemote_fetchesWhenAsked(t *testing.T) {
	key := generate(t, jwk.ES256).Public()
	p := newPublisher(t)
	p.hold(t, 200*time.Millisecond, key)
	r := p.remote(t, nil)
	if p.fetches.Load() != 0 {
		t.Error("fetched before a key was asked for")
	}
	values, errs := askAtOnce(r, key.ID())
	if err := errors.Join(errs...); err != nil {
		t.Fatal(err)
	}
	if n := p.fetches.Load(); n != 1 {
		t.Errorf("%d fetches for 50 at once", n)
	}
	for _, v := range values {
		if v != values[0] {
			t.Error("the same key is not the same value")
		}
	}
}

// hold publishes the keys, but delays each answer.
func (p *publisher) hold(t *testing.T, d time.Duration, keys ...any) {
	text := setText(t, keys...)
	p.respond(func(w http.ResponseWriter, _ *http.Request) {
		time.Sleep(d)
		_, _ = w.Write(text)
	})
}

// askAtOnce asks for a key fifty times concurrently.
func askAtOnce(r *jwk.Remote, id string) ([]jwk.Key, []error) {
	values, errs := make([]jwk.Key, 50), make([]error, 50)
	var all sync.WaitGroup
	for i := range values {
		all.Go(func() { values[i], errs[i] = r.Key(context.Background(), id) })
	}
	all.Wait()
	return values, errs
}

func TestRemote_manyUnknownKeysAtOnceAreOneFetch(t *testing.T) {
	p := newPublisher(t, generate(t, jwk.ES256).Public())
	r := p.remote(t, nil)
	has(t, r, "any")
	p.advance(31 * time.Second)
	p.hold(t, 200*time.Millisecond)
	_, errs := askAtOnce(r, "forged")
	for _, err := range errs {
		if !errors.Is(err, jwk.ErrUnknownKey) || errors.Is(err, jwk.ErrUnavailable) {
			t.Fatalf("got %v", err)
		}
	}
	if n := p.fetches.Load(); n != 2 {
		t.Errorf("%d fetches, want the first and one more", n)
	}
}

func TestRemote_anUnknownKeyIsLookedForOnce(t *testing.T) {
	key, next := generate(t, jwk.ES256).Public(), generate(t, jwk.EdDSA).Public()
	p := newPublisher(t, key)
	r := p.remote(t, nil)
	if !has(t, r, key.ID()) {
		t.Fatal("not there")
	}
	before, _ := r.Key(t.Context(), key.ID())
	p.publish(t, key, next)
	if !has(t, r, next.ID()) {
		t.Error("the rotated-in key was not looked for")
	}
	if after, _ := r.Key(t.Context(), key.ID()); after != before {
		t.Error("a key that stayed is another value")
	}
	fetched := p.fetches.Load()
	for range 100 {
		if has(t, r, "forged") {
			t.Fatal("a forged ID was found")
		}
	}
	if n := p.fetches.Load() - fetched; n != 0 {
		t.Errorf("%d fetches for forged IDs within the cooldown", n)
	}
	p.advance(31 * time.Second)
	for range 100 {
		has(t, r, "forged")
	}
	if n := p.fetches.Load() - fetched; n != 1 {
		t.Errorf("%d fetches for forged IDs after the cooldown", n)
	}
}

func TestRemote_aRemovedKeyIsGoneAfterTheNextFetch(t *testing.T) {
	key, next := generate(t, jwk.ES256).Public(), generate(t, jwk.ES256).Public()
	p := newPublisher(t, key)
	r := p.remote(t, nil)
	has(t, r, key.ID())
	p.publish(t, next)
	p.advance(10*time.Minute + time.Second)
	if has(t, r, key.ID()) {
		t.Error("still there after its set was to be asked for again")
	}
	if !has(t, r, next.ID()) {
		t.Error("the next is not there")
	}
}

func TestRemote_keepsItsKeysWhileTheHostIsAway(t *testing.T) {
	key := generate(t, jwk.ES256).Public()
	p := newPublisher(t, key)
	r := p.remote(t, func(c *jwk.RemoteConfig) { c.MaxStale = 30 * time.Minute })
	has(t, r, key.ID())
	p.respond(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusBadGateway) })
	p.advance(11 * time.Minute)
	if !has(t, r, key.ID()) {
		t.Error("gone although the host is only away")
	}
	if _, err := r.Key(t.Context(), "other"); !errors.Is(err, jwk.ErrUnavailable) {
		t.Errorf("an unknown key while the host is away: %v", err)
	}
	fetched := p.fetches.Load()
	for range 50 {
		has(t, r, key.ID())
	}
	if n := p.fetches.Load() - fetched; n > 1 {
		t.Errorf("%d fetches from a host that is away", n)
	}
	p.advance(31 * time.Minute)
	if _, err := r.Key(t.Context(), key.ID()); !errors.Is(err, jwk.ErrUnavailable) {
		t.Errorf("after MaxStale: %v", err)
	}
	p.publish(t, key)
	p.advance(6 * time.Second)
	if !has(t, r, key.ID()) {
		t.Error("not back with the host")
	}
}

func TestRemote_boundsWhatCacheControlSays(t *testing.T) {
	key := generate(t, jwk.ES256).Public()
	text := setText(t, key)
	for header, c := range map[string]struct{ fresh, old time.Duration }{
		"max-age=1":                          {23 * time.Second, 31 * time.Second},
		"no-store":                           {23 * time.Second, 31 * time.Second},
		"max-age=100000000000000000000":      {47 * time.Minute, 61 * time.Minute},
		"public, max-age=120, must-validate": {95 * time.Second, 121 * time.Second},
		"":                                   {3 * time.Minute, 5*time.Minute + time.Second},
		"max-age=abc":                        {23 * time.Second, 31 * time.Second},
		"Max-Age=\"120\"":                    {95 * time.Second, 121 * time.Second},
		"no-cache, max-age=600":              {23 * time.Second, 31 * time.Second},
	} {
		p := newPublisher(t)
		p.respond(func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Cache-Control", header)
			_, _ = w.Write(text)
		})
		r := p.remote(t, nil)
		has(t, r, key.ID())
		p.advance(c.fresh)
		has(t, r, key.ID())
		if n := p.fetches.Load(); n != 1 {
			t.Errorf("%q: asked again after %v", header, c.fresh)
		}
		p.advance(c.old - c.fresh)
		has(t, r, key.ID())
		if n := p.fetches.Load(); n != 2 {
			t.Errorf("%q: %d fetches after %v", header, n, c.old)
		}
	}
}

// J23: no redirects, bounded answers, no secrets (RFC 8725bis §3.10).
func TestRemote_refusesAnswers(t *testing.T) {
	key := generate(t, jwk.ES256).Public()
	good := setText(t, key)
	elsewhere := newPublisher(t, key)
	for name, answer := range map[string]http.HandlerFunc{
		"not found": func(w http.ResponseWriter, _ *http.Request) {
			w.WriteHeader(http.StatusNotFound)
			_, _ = w.Write(good)
		},
		"a redirect": func(w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, elsewhere.URL, http.StatusFound)
		},
		"no JSON": func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte("<html>")) },
		"half":    func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write(good[:len(good)-1]) },
		"too much": func(w http.ResponseWriter, _ *http.Request) {
			_, _ = w.Write(append(good, strings.Repeat(" ", 256<<10)...))
		},
		"a cut connection": func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Length", "100000")
			_, _ = w.Write(good)
		},
		"long headers": func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("X-Long", strings.Repeat("x", 64<<10))
			_, _ = w.Write(good)
		},
		"a weak secret": func(w http.ResponseWriter, _ *http.Request) {
			_, _ = w.Write(setText(t, map[string]string{"kty": "oct"}, with(document(t, jwk.ES256), "kty", "XX")))
		},
		"a secret": func(w http.ResponseWriter, _ *http.Request) {
			_, _ = w.Write(setText(t, document(t, jwk.HS256)))
		},
		"a mixed set": func(w http.ResponseWriter, _ *http.Request) {
			_, _ = w.Write(setText(t, key, document(t, jwk.HS256)))
		},
	} {
		p := newPublisher(t)
		p.respond(answer)
		if found, err := p.remote(t, nil).Key(t.Context(), key.ID()); !errors.Is(err, jwk.ErrUnavailable) ||
			found != nil {
			t.Errorf("%s: %v, %v", name, found, err)
		}
	}
	if elsewhere.fetches.Load() != 0 {
		t.Error("the redirect was followed")
	}
}

func TestRemote_doesNotWaitLongerThanItsCaller(t *testing.T) {
	p := newPublisher(t)
	release := make(chan struct{})
	p.respond(func(http.ResponseWriter, *http.Request) { <-release })
	defer close(release)
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	begun := time.Now()
	if _, err := p.remote(t, nil).Key(ctx, "k"); !errors.Is(err, jwk.ErrUnavailable) ||
		!errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("got %v", err)
	}
	if took := time.Since(begun); took > 4*time.Second {
		t.Errorf("took %v", took)
	}
}

func TestRemote_trustsNoOtherCertificate(t *testing.T) {
	p := newPublisher(t)
	r := p.remote(t, func(c *jwk.RemoteConfig) { c.RootCAs = x509.NewCertPool() })
	if _, err := r.Key(t.Context(), "k"); !errors.Is(err, jwk.ErrUnavailable) {
		t.Errorf("got %v", err)
	}
}

func TestNewRemote_takesURLs(t *testing.T) {
	for _, url := range []string{
		"https://issuer.example/jwks", "https://issuer.example:8443", "https://8.8.8.8/jwks", "https://192.169.0.1/",
		"https://172.32.0.1/", "https://100.128.0.1/", "https://[2606:4700::1111]/jwks", "https://[::ffff:8.8.8.8]/",
	} {
		if _, err := jwk.NewRemote(url, jwk.RemoteConfig{MaxAge: 30 * time.Second}); err != nil {
			t.Errorf("%s: %v", url, err)
		}
	}
}

func TestNewRemote_refusesURLs(t *testing.T) {
	for url, private := range map[string]bool{
		"":                                   true,
		"::":                                 true,
		"jwks.json":                          true,
		"ftp://issuer.example/jwks":          true,
		"file:///etc/passwd":                 true,
		"https://":                           true,
		"http://issuer.example/jwks":         true,
		"https://user:pass@issuer.example/":  true,
		"https://issuer.example/#fragment":   true,
		"http://127.0.0.1/jwks":              false,
		"https://127.0.0.1/jwks":             false,
		"https://localhost/jwks":             false,
		"https://10.1.2.3/jwks":              false,
		"https://169.254.169.254/latest":     false,
		"https://[::1]/jwks":                 false,
		"https://[fd00::1]/jwks":             false,
		"https://[::ffff:127.0.0.1]/jwks":    false,
		"https://[64:ff9b::a9fe:a9fe]/jwks":  false,
		"https://100.64.0.1/jwks":            false,
		"https://0.0.0.0/jwks":               false,
		"https://[fe80::1%25eth0]/jwks":      false,
		"https://255.255.255.255/jwks":       false,
		"https://172.16.0.1/":                false,
		"https://192.0.0.8/":                 false,
		"https://192.0.2.1/":                 false,
		"https://192.88.99.1/":               false,
		"https://198.19.255.255/":            false,
		"https://198.51.100.1/":              false,
		"https://203.0.113.1/":               false,
		"https://224.0.0.1/":                 false,
		"https://240.0.0.1/":                 false,
		"https://[::]/":                      false,
		"https://[::7f00:1]/":                false,
		"https://[100::1]/":                  false,
		"https://[2001::1]/":                 false,
		"https://[2001:db8::1]/":             false,
		"https://[2002:7f00:1::]/":           false,
		"https://[3fff::1]/":                 false,
		"https://[4000::1]/":                 false,
		"https://[ff02::1]/":                 false,
		"https://192.168.0.1:8443/jwks.json": false,
	} {
		if r, err := jwk.NewRemote(url, jwk.RemoteConfig{AllowPrivate: private}); err == nil || r != nil {
			t.Errorf("%s was taken (private addresses allowed: %v)", url, private)
		}
	}
	for _, age := range []time.Duration{-time.Second, time.Nanosecond, 29 * time.Second} {
		if _, err := jwk.NewRemote("https://issuer.example", jwk.RemoteConfig{MaxAge: age}); err == nil {
			t.Errorf("MaxAge of %v was taken", age)
		}
	}
	_, err := jwk.NewRemote("http://issuer.example", jwk.RemoteConfig{MaxAge: time.Second})
	if err == nil || !strings.Contains(err.Error(), "https") || !strings.Contains(err.Error(), "MaxAge") {
		t.Errorf("not every mistake at once: %v", err)
	}
}

// J23: a public-looking name with a private address is refused when the address is dialled.
func TestRemote_refusesNamesOfPrivateAddresses(t *testing.T) {
	p := newPublisher(t, generate(t, jwk.ES256).Public())
	r, err := jwk.NewRemote("https://LOCALHOST"+p.URL[strings.LastIndexByte(p.URL, ':'):], jwk.RemoteConfig{})
	if err != nil {
		t.Fatal(err)
	}
	_, err = r.Key(t.Context(), "k")
	if !errors.Is(err, jwk.ErrUnavailable) || !strings.Contains(err.Error(), "AllowPrivate") {
		t.Errorf("got %v", err)
	}
	if p.fetches.Load() != 0 {
		t.Error("asked")
	}
}
