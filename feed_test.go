package hallpass_test

import (
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/hallpass-go/hallpass"
	"github.com/hallpass-go/hallpass/jwk"
	"github.com/hallpass-go/hallpass/jwt"
	"github.com/hallpass-go/hallpass/sessions"
)

// follower is a service that verifies by itself, with published keys and the feed.
type follower struct {
	*hallpass.Verifier[appClaims]
	feed *hallpass.RevocationFeed
}

func (a *api) follower(change func(*hallpass.FeedConfig)) follower {
	a.t.Helper()
	keys, err := jwk.NewRemote(a.URL+"/auth/jwks.json", jwk.RemoteConfig{AllowPrivate: true, Now: a.clock.Now})
	if err != nil {
		a.t.Fatal(err)
	}
	c := hallpass.FeedConfig{URL: a.URL + "/auth/revocations", Issuer: a.kit.Issuer, Keys: keys, Now: a.clock.Now}
	if change != nil {
		change(&c)
	}
	feed, err := hallpass.NewRevocationFeed(c)
	if err != nil {
		a.t.Fatal(err)
	}
	v, err := hallpass.NewVerifier[appClaims](hallpass.VerifierConfig{
		Issuer: a.kit.Issuer, Audience: a.kit.Audience, Keys: keys, Revocations: feed.Revocations(), Now: a.clock.Now,
	})
	if err != nil {
		a.t.Fatal(err)
	}
	return follower{v, feed}
}

func (f follower) update(t *testing.T) {
	t.Helper()
	if err := f.feed.Update(t.Context()); err != nil {
		t.Fatal(err)
	}
}

func TestRevocationFeed_whatTheIssuerRevokesIsRefused(t *testing.T) {
	a := newAPI(t, nil)
	f := a.follower(nil)
	alice, other, bob := a.login("alice"), a.login("alice"), a.login("bob")
	f.update(t)
	for _, token := range []string{alice.String(t, "access_token"), other.String(t, "access_token"),
		bob.String(t, "access_token")} {
		for range 2 {
			if _, err := f.Verify(t.Context(), token); err != nil {
				t.Fatal(err)
			}
		}
	}
	a.do("POST /auth/logout", "", bearer(alice.String(t, "access_token"))).want(t, 204, "")
	if err := a.RevokeSubject(t.Context(), "bob"); err != nil {
		t.Fatal(err)
	}
	f.update(t)
	for token, want := range map[string]error{
		alice.String(t, "access_token"): hallpass.ErrTokenRevoked,
		bob.String(t, "access_token"):   hallpass.ErrTokenRevoked, other.String(t, "access_token"): nil,
	} {
		if _, err := f.Verify(t.Context(), token); !errors.Is(err, want) {
			t.Errorf("got %v, want %v", err, want)
		}
	}
}

func TestRevocationFeed_manyPages(t *testing.T) {
	a := newAPI(t, nil)
	f := a.follower(nil)
	var tokens []string
	for range 130 {
		login := a.login("alice")
		tokens = append(tokens, login.String(t, "access_token"))
		a.do("POST /auth/logout", "", bearer(tokens[len(tokens)-1])).want(t, 204, "")
	}
	f.update(t)
	for i, token := range tokens {
		if _, err := f.Verify(t.Context(), token); !errors.Is(err, hallpass.ErrTokenRevoked) {
			t.Fatalf("session %d: %v", i, err)
		}
	}
}

// A verifier that does not know what has been revoked lets nobody in, unless it was told to.
func TestRevocationFeed_stale(t *testing.T) {
	a := newAPI(t, nil)
	var away atomic.Bool
	proxy := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if away.Load() {
			w.WriteHeader(http.StatusBadGateway)
			return
		}
		answer, err := http.Get(a.URL + r.URL.String())
		if err != nil {
			t.Error(err)
			return
		}
		defer answer.Body.Close()
		w.WriteHeader(answer.StatusCode)
		_, _ = io.Copy(w, answer.Body)
	}))
	defer proxy.Close()
	closed := a.follower(func(c *hallpass.FeedConfig) { c.URL = proxy.URL + "/auth/revocations" })
	open := a.follower(func(c *hallpass.FeedConfig) {
		c.URL, c.OnStale = proxy.URL+"/auth/revocations", hallpass.FailOpen
	})
	login := a.login("alice")
	token := login.String(t, "access_token")
	check := func(when string, f follower, want error) {
		t.Helper()
		if id, err := f.Verify(t.Context(), token); !errors.Is(err, want) || want != nil && id.Subject != "" {
			t.Errorf("%s: %v, want %v", when, err, want)
		}
	}
	check("before the first answer", closed, hallpass.ErrStoreUnavailable)
	check("before the first answer, open", open, nil)
	closed.update(t)
	check("after it", closed, nil)
	away.Store(true)
	a.clock.Advance(29 * time.Second)
	if err := closed.feed.Update(t.Context()); err == nil {
		t.Error("a feed that answers 502 was taken")
	}
	check("29 seconds later", closed, nil)
	a.clock.Advance(2 * time.Second)
	check("31 seconds later", closed, hallpass.ErrStoreUnavailable)
	check("31 seconds later, open", open, nil)
	away.Store(false)
	closed.update(t)
	check("when it is back", closed, nil)
}

// What is not signed, or not recent, makes nothing fresh: a 304, and a page that somebody has kept.
func TestRevocationFeed_trustsOnlyWhatIsSignedAndRecent(t *testing.T) {
	a := newAPI(t, nil)
	token := a.login("alice").String(t, "access_token")
	kept := a.do("GET /auth/revocations", "").Text
	status := http.StatusOK
	proxy := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(status)
		if status == http.StatusOK {
			_, _ = io.WriteString(w, kept)
		}
	}))
	defer proxy.Close()
	f := a.follower(func(c *hallpass.FeedConfig) { c.URL = proxy.URL })
	status = http.StatusNotModified
	if err := f.feed.Update(t.Context()); err == nil {
		t.Error("a 304 was taken")
	}
	if _, err := f.Verify(t.Context(), token); !errors.Is(err, hallpass.ErrStoreUnavailable) {
		t.Errorf("after a 304: %v", err)
	}
	status = http.StatusOK
	a.clock.Advance(20 * time.Second)
	f.update(t)
	if _, err := f.Verify(t.Context(), token); err != nil {
		t.Errorf("with a page of 20 seconds ago: %v", err)
	}
	a.clock.Advance(11 * time.Second) // 31 since it was made, 11 since it came
	if _, err := f.Verify(t.Context(), token); !errors.Is(err, hallpass.ErrStoreUnavailable) {
		t.Errorf("with a page of 31 seconds ago: %v", err)
	}
	_ = f.feed.Update(t.Context()) // the same page once more
	if _, err := f.Verify(t.Context(), token); !errors.Is(err, hallpass.ErrStoreUnavailable) {
		t.Errorf("with that page taken again: %v", err)
	}
}

// A record that was lost, as a memory store's is at a restart, or a database's that was restored:
// the follower begins again, and misses nothing that is revoked from then on.
func TestRevocationFeed_beginsAgainWithAnotherRecord(t *testing.T) {
	store := &replaceable{Store: sessions.NewMemory()}
	a := newAPI(t, func(c *hallpass.Config[appClaims]) { c.Store = store })
	go a.Run(t.Context())
	a.wait(func() bool {
		return a.do("GET /func", "", bearer(a.login("bob").String(t, "access_token"))).Status == 200
	})
	f := a.follower(nil)
	a.do("POST /auth/logout", "", bearer(a.login("alice").String(t, "access_token"))).want(t, 204, "")
	f.update(t)
	store.mu.Lock()
	store.Store = sessions.NewMemory()
	store.mu.Unlock()
	login := a.login("alice")
	a.do("POST /auth/logout", "", bearer(login.String(t, "access_token"))).want(t, 204, "")
	a.clock.Advance(time.Second)
	f.update(t)
	if _, err := f.Verify(t.Context(), login.String(t, "access_token")); !errors.Is(err, hallpass.ErrTokenRevoked) {
		t.Errorf("what was revoked after the restart: %v", err)
	}
}

// replaceable is a store that forgets all when it is replaced.
type replaceable struct {
	sessions.Store
	mu sync.Mutex
}

// The feed is for everybody, and names no user.
func TestRevocationPages_nameNoUser(t *testing.T) {
	a := newAPI(t, nil)
	if err := a.RevokeSubject(t.Context(), "alice"); err != nil {
		t.Fatal(err)
	}
	if err := a.RevokeOtherSessions(t.Context(), "alice", ""); err != nil {
		t.Fatal(err)
	}
	parts := strings.Split(a.do("GET /auth/revocations", "").Text, ".")
	page, err := base64.RawURLEncoding.DecodeString(parts[1])
	if err != nil || !strings.Contains(string(page), `"kind":"subject"`) {
		t.Fatalf("%v: %s", err, page)
	}
	for _, word := range []string{"alice", "credentials"} {
		if strings.Contains(string(page), word) {
			t.Errorf("it says %q: %s", word, page)
		}
	}
}

// What is not a page of the issuer's changes nothing, not even the age of what is known.
func TestRevocationFeed_refusesOtherPages(t *testing.T) {
	a := newAPI(t, nil)
	login := a.login("alice")
	token := login.String(t, "access_token")
	key, err := a.kit.Keys.SigningKey(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	stranger, err := jwk.Generate(jwk.ES256)
	if err != nil {
		t.Fatal(err)
	}
	now := a.clock.Now()
	page := func(key jwk.SigningKey, typ, issuer string, since int64) string {
		text, err := jwt.Sign(key, typ, jwt.Claims{
			Issuer: issuer, Subject: "revocations", Audience: []string{issuer}, ExpiresAt: now.Add(time.Minute),
			IssuedAt: now, ID: "1",
		}, map[string]any{
			"epoch": "e", "highest": since + 1, "since": since, "next": since + 1, "more": false,
			"entries": []map[string]any{
				{
					"seq":  since + 1,
					"kind": "session",
					"id":   login.String(t, "session_id"),
					"exp":  now.Add(time.Hour).Unix(),
				},
			},
		})
		if err != nil {
			t.Fatal(err)
		}
		return text
	}
	for name, c := range map[string]struct {
		answer string
		taken  bool
	}{
		"the issuer's":        {page(key, "revocations+jwt", a.kit.Issuer, 0), true},
		"of another key":      {page(stranger, "revocations+jwt", a.kit.Issuer, 0), false},
		"of another type":     {page(key, jwt.TypeAccess, a.kit.Issuer, 0), false},
		"of another issuer":   {page(key, "revocations+jwt", "https://other.test", 0), false},
		"another page":        {page(key, "revocations+jwt", a.kit.Issuer, 7), false},
		"an access token":     {token, false},
		"no token":            {"{}", false},
		"more than fits":      {strings.Repeat("x", 100_000), false},
		"with a bad ending":   {page(key, "revocations+jwt", a.kit.Issuer, 0) + "x", false},
		"nothing whatsoever":  {"", false},
		"of a page that ends": {strings.TrimSuffix(page(key, "revocations+jwt", a.kit.Issuer, 0), "A") + ".", false},
	} {
		server := httptest.NewServer(
			http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, c.answer) }),
		)
		f := a.follower(func(fc *hallpass.FeedConfig) { fc.URL = server.URL })
		err := f.feed.Update(t.Context())
		_, verifyErr := f.Verify(t.Context(), token)
		if c.taken && (err != nil || !errors.Is(verifyErr, hallpass.ErrTokenRevoked)) ||
			!c.taken && (err == nil || !errors.Is(verifyErr, hallpass.ErrStoreUnavailable)) {
			t.Errorf("%s: %v, then %v", name, err, verifyErr)
		}
		server.Close()
	}
}

func TestRevocationPages_answers(t *testing.T) {
	a := newAPI(t, nil)
	for _, since := range []string{"x", "-1", "1.5", "99999999999999999999"} {
		a.do("GET /auth/revocations?since="+since, "").want(t, 422, "validation_failed")
	}
	first := a.do("GET /auth/revocations", "")
	tag := first.Header.Get("ETag")
	if first.Status != 200 || len(tag) < 10 || first.Header.Get("Content-Type") != "application/jwt" {
		t.Errorf("fields %v", first.Header)
	}
	if again := a.do("GET /auth/revocations?since=0", "", "If-None-Match: "+tag); again.Status != 304 {
		t.Errorf("nothing new was answered %d", again.Status)
	}
	a.clock.Advance(time.Second) // a page says how recent it is, so the next one is another
	next := a.do("GET /auth/revocations?since=0", "", "If-None-Match: "+tag)
	if next.Status != 200 || next.Header.Get("ETag") == tag {
		t.Errorf("a second later: %d with ETag %s, which was that of another answer", next.Status,
			next.Header.Get("ETag"))
	}
	tag = next.Header.Get("ETag")
	login := a.login("alice")
	a.do("POST /auth/logout", "", bearer(login.String(t, "access_token"))).want(t, 204, "")
	if news := a.do("GET /auth/revocations?since=0", "", "If-None-Match: "+tag); news.Status != 200 {
		t.Errorf("news were answered %d", news.Status)
	}
}

// From the answer to a logout to the first refusal in a service that polls.
func TestRevocationFeed_inTime(t *testing.T) {
	a := newAPI(t, func(c *hallpass.Config[appClaims]) { c.Now = time.Now })
	const interval = 100 * time.Millisecond
	f := a.follower(func(c *hallpass.FeedConfig) { c.Interval, c.Now = interval, time.Now })
	service, err := hallpass.NewVerifier[appClaims](hallpass.VerifierConfig{
		Issuer: a.kit.Issuer, Audience: a.kit.Audience, Keys: a.kit.Keys, Revocations: f.feed.Revocations(),
	})
	if err != nil {
		t.Fatal(err)
	}
	go f.feed.Run(t.Context(), func(err error) { t.Error(err) })
	var slowest time.Duration
	for range 20 {
		login := a.login("alice")
		token := login.String(t, "access_token")
		a.do("POST /auth/logout", "", bearer(token)).want(t, 204, "")
		revoked := time.Now()
		for {
			if _, err := service.Verify(t.Context(), token); errors.Is(err, hallpass.ErrTokenRevoked) {
				break
			}
			if time.Since(revoked) > 10*time.Second {
				t.Fatal("still let in")
			}
			time.Sleep(time.Millisecond)
		}
		slowest = max(slowest, time.Since(revoked))
	}
	t.Logf("slowest of 20: %v at an interval of %v", slowest, interval)
	if slowest > interval+time.Second {
		t.Errorf("took %v", slowest)
	}
}

func TestNewRevocationFeed_reportsEveryMistake(t *testing.T) {
	_, err := hallpass.NewRevocationFeed(hallpass.FeedConfig{URL: "feed", Interval: -1})
	for _, word := range []string{"Issuer", "Keys", "URL", "Interval"} {
		if err == nil || !strings.Contains(fmt.Sprint(err), word) {
			t.Errorf("no %s in %v", word, err)
		}
	}
}

// A change of roles reaches a service that verifies by itself: the old access token is refused, the
// next one taken.
func TestRevocationFeed_cutOfASubject(t *testing.T) {
	a := newAPI(t, nil)
	f := a.follower(nil)
	old, other := a.login("alice"), a.login("bob")
	if err := a.RevokeAccess(t.Context(), "alice"); err != nil {
		t.Fatal(err)
	}
	next := a.refresh(old.String(t, "refresh_token"))
	f.update(t)
	for _, c := range []struct {
		of   answer
		want error
	}{{old, hallpass.ErrTokenRevoked}, {next, nil}, {other, nil}} {
		if _, err := f.Verify(t.Context(), c.of.String(t, "access_token")); !errors.Is(err, c.want) {
			t.Errorf("got %v, want %v", err, c.want)
		}
	}
	if _, err := a.RevokeAll(t.Context()); err != nil {
		t.Fatal(err)
	}
	a.clock.Advance(time.Second)
	f.update(t)
	for _, s := range []answer{next, other} {
		if _, err := f.Verify(t.Context(), s.String(t, "access_token")); !errors.Is(err, hallpass.ErrTokenRevoked) {
			t.Errorf("after RevokeAll: %v", err)
		}
		a.do("GET /func", "", bearer(s.String(t, "access_token"))).want(t, 401, "token_revoked")
	}
	f2 := a.login("bob")
	a.do("GET /func", "", bearer(f2.String(t, "access_token"))).want(t, 200, "")
}

// A page of another epoch says nothing about what the follower has read: it begins again, although
// the numbers go on.
func TestRevocationFeed_anotherEpochIsReadFromItsBeginning(t *testing.T) {
	a := newAPI(t, nil)
	login := a.login("alice")
	key, err := a.kit.Keys.SigningKey(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	epoch := "first"
	feed := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		since, err := strconv.ParseInt(r.URL.Query().Get("since"), 10, 64)
		if err != nil {
			t.Error(err)
		}
		entries := []map[string]any{}
		if epoch == "second" && since < 50 {
			entries = append(entries, map[string]any{
				"seq": 50, "kind": "session", "id": login.String(t, "session_id"),
				"exp": a.clock.Now().Add(time.Hour).Unix(),
			})
		}
		text, err := jwt.Sign(key, "revocations+jwt", jwt.Claims{
			Issuer: a.kit.Issuer, Subject: "revocations", Audience: []string{a.kit.Issuer}, ID: "1",
			ExpiresAt: a.clock.Now().Add(time.Minute), IssuedAt: a.clock.Now(),
		}, map[string]any{"epoch": epoch, "highest": 100, "since": since, "next": 100,
			"more": false, "entries": entries})
		if err != nil {
			t.Error(err)
		}
		_, _ = io.WriteString(w, text)
	}))
	defer feed.Close()
	f := a.follower(func(c *hallpass.FeedConfig) { c.URL = feed.URL })
	f.update(t)
	if _, err := f.Verify(t.Context(), login.String(t, "access_token")); err != nil {
		t.Fatal(err)
	}
	epoch = "second"
	f.update(t)
	if _, err := f.Verify(t.Context(), login.String(t, "access_token")); !errors.Is(err, hallpass.ErrTokenRevoked) {
		t.Errorf("what the other record had below the number reached: %v", err)
	}
}
