package server_test

import (
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/hallpass-go/hallpass"
	"github.com/hallpass-go/hallpass/internal/server"
	"github.com/hallpass-go/hallpass/internal/users"
)

const userCache = 500 * time.Millisecond

func newCached(t testing.TB, change ...func(*server.Config)) *fixture {
	t.Helper()
	return newFixture(t, options{config: func(c *server.Config) {
		c.UserCache = userCache
		for _, change := range change {
			change(c)
		}
	}})
}

// What is kept is answered without the database: it is closed.
func TestUserCache_needsNoDatabase(t *testing.T) {
	for name, cache := range map[string]time.Duration{"on": userCache, "off": 0} {
		f := newCached(t, func(c *server.Config) { c.UserCache = cache })
		alice, root := f.join("alice"), f.admin("root")
		var reads atomic.Int64
		f.db.Observe(func(string, time.Duration) { reads.Add(1) })
		requests := [][2]string{
			{"/v1/users/" + alice.id, alice.bearer()}, {"/v1/users/" + alice.id, root.bearer()},
			{"/v1/me", alice.bearer()}, {"/v1/me", root.bearer()},
		}
		first := make([]answer, len(requests))
		for i, r := range requests {
			first[i] = f.do("GET "+r[0], "", r[1]).want(http.StatusOK, "")
		}
		if n := reads.Load(); n != 4 {
			t.Errorf("%s: the first answers took %d database calls, want 4", name, n)
		}
		if cache == 0 {
			f.do("GET "+requests[0][0], "", requests[0][1]).want(http.StatusOK, "")
			if n := reads.Load(); n != 5 || first[0].Header.Get("Cache-Status") != "" {
				t.Errorf("without the cache: %d calls, %v", n, first[0].Header)
			}
			continue
		}
		if err := f.db.Close(); err != nil {
			t.Fatal(err)
		}
		for i, r := range requests {
			again := f.do("GET "+r[0], "", r[1]).want(http.StatusOK, "")
			if again.Body != first[i].Body || !strings.Contains(again.Header.Get("Cache-Status"), "hit") {
				t.Errorf("%v, after %v", again, first[i])
			}
			if c := again.Header.Get("Cache-Control"); c != "private, no-cache" {
				t.Errorf("Cache-Control is %s", c)
			}
			unchanged := f.do("GET "+r[0], "", r[1], "If-None-Match: "+first[i].Header.Get("ETag"))
			unchanged.want(http.StatusNotModified, "")
			if again.Header.Get("X-Request-Id") == first[i].Header.Get("X-Request-Id") {
				t.Error("two requests have one ID")
			}
		}
		if n := reads.Load(); n != 4 {
			t.Errorf("what is kept took %d database calls", n-4)
		}
		f.clock.Advance(userCache)
		f.do("GET "+requests[0][0], "", requests[0][1]).want(http.StatusServiceUnavailable, "store_unavailable")
	}
}

// The checks of token, revocation, rules and limits come before what is kept.
func TestUserCache_comesAfterAllChecks(t *testing.T) {
	f := newCached(t, func(c *server.Config) { c.Limits.User = users.Limit{Burst: 5, Per: time.Hour} })
	alice, bob := f.join("alice"), f.join("bob")
	path := "GET /v1/users/" + alice.id
	f.do(path, "", alice.bearer()).want(http.StatusOK, "")
	f.do(path, "", alice.bearer()).want(http.StatusOK, "")
	f.do(path, "", bob.bearer()).want(http.StatusForbidden, "not_owner")
	f.do(path, "").want(http.StatusUnauthorized, "token_missing")
	f.do(path, "", alice.bearer()[:len(alice.bearer())-2]).want(http.StatusUnauthorized, "token_invalid")
	f.do(path+"?other=1", "", alice.bearer()).want(http.StatusBadRequest, "malformed_request")
	for range 3 {
		f.do("GET /v1/me", "", alice.bearer()).want(http.StatusOK, "")
	}
	f.do("GET /v1/me", "", alice.bearer()).want(http.StatusTooManyRequests, "rate_limited")
	f.clock.Advance(time.Hour)

	carol := f.join("carol")
	f.do("GET /v1/me", "", carol.bearer()).want(http.StatusOK, "")
	f.do("POST /v1/logout", "", carol.bearer()).want(http.StatusNoContent, "")
	f.do("GET /v1/me", "", carol.bearer()).want(http.StatusUnauthorized, "token_revoked")
	if !strings.Contains(f.log.String(), `"user_id":"`+carol.id) {
		t.Error("the log does not say whose request it was")
	}
}

// Whatever changes a user, the next answer shows it.
func TestUserCache_seesEachWrite(t *testing.T) {
	f := newCached(t)
	alice, root := f.join("alice"), f.admin("root")
	path := "/v1/users/" + alice.id
	see := func(want string) {
		t.Helper()
		for range 2 {
			if got := f.do("GET "+path, "", root.bearer()).want(http.StatusOK, ""); !strings.Contains(got.Body, want) {
				t.Errorf("%s, want %s", got.Body, want)
			}
		}
	}
	see(`"email":null`)
	f.do("GET /v1/me", "", alice.bearer()).want(http.StatusOK, "")
	f.do("PATCH "+path, `{"email":"a@b.example"}`, alice.bearer()).want(http.StatusOK, "")
	see(`"email":"a@b.example"`)
	if me := f.do("GET /v1/me", "", alice.bearer()); !strings.Contains(me.Body, "a@b.example") {
		t.Error(me.Body)
	}
	f.do("PATCH "+path, `{"username":"alison"}`, root.bearer()).want(http.StatusOK, "")
	see(`"username":"alison"`)
	f.do("PATCH "+path, `{"username":"alicia",`+newPassword+`}`, root.bearer()).want(http.StatusOK, "")
	see(`"username":"alicia"`)
	f.do("PUT "+path+"/roles", `{"roles":["user","editor"]}`, root.bearer()).want(http.StatusOK, "")
	see(`"editor"`)
	f.do("POST "+path+"/disable", "", root.bearer()).want(http.StatusOK, "")
	see(`"disabled":true`)
	f.do("POST "+path+"/enable", "", root.bearer()).want(http.StatusOK, "")
	see(`"disabled":false`)
	f.do("DELETE "+path, "", root.bearer()).want(http.StatusNoContent, "")
	f.do("GET "+path, "", root.bearer()).want(http.StatusNotFound, "not_found")
}

// What another process changes can be seen within [server.Config.UserCache].
func TestUserCache_seesWhatAnotherProcessWrites(t *testing.T) {
	f := newCached(t)
	alice := f.join("alice")
	see := func() string { return f.do("GET /v1/me", "", alice.bearer()).want(http.StatusOK, "").Body }
	see()
	email := "a@b.example"
	others, changes := f.usersOf(time.Hour, 0), users.Changes{Email: &email}
	if _, err := others.Change(t.Context(), alice.id, changes, hallpass.Client{}); err != nil {
		t.Fatal(err)
	}
	f.clock.Advance(userCache - 1)
	_ = see() // old or new
	f.clock.Advance(1)
	if got := see(); !strings.Contains(got, email) {
		t.Errorf("%v later: %s", userCache, got)
	}
}

// Each read sees the last write that was answered before it, while several write and read.
func TestUserCache_aWriteIsVisibleToTheNextRead(t *testing.T) {
	f := newCached(t)
	alice, root := f.join("alice"), f.admin("root")
	path := "/v1/users/" + alice.id
	var answered atomic.Int64
	var writing sync.Mutex
	written := int64(0)
	var all sync.WaitGroup
	for worker := range 6 {
		all.Go(func() {
			who := []person{alice, root}[worker%2]
			for i := range 150 {
				if i%10 == worker {
					writing.Lock()
					written++
					email := fmt.Sprintf(`{"email":"%d@b.example"}`, written)
					f.do("PATCH "+path, email, root.bearer()).want(http.StatusOK, "")
					answered.Store(written)
					writing.Unlock()
					continue
				}
				least := answered.Load()
				got := int64(0)
				email := f.do("GET "+path, "", who.bearer()).str("email")
				_, _ = fmt.Sscanf(email, "%d@", &got)
				if got < least {
					t.Errorf("read %d after the write of %d was answered", got, least)
				}
			}
		})
	}
	all.Wait()
}

// BenchmarkShowUser is a user's document from the database and from the cache, beside GET /v1/verify,
// which makes the same checks and has no document.
func BenchmarkShowUser(b *testing.B) {
	for name, cache := range map[string]time.Duration{"database": 0, "cache": time.Hour} {
		f := newCached(b, func(c *server.Config) { c.UserCache, c.Log = cache, slog.New(slog.DiscardHandler) })
		alice := f.join("alice")
		for _, path := range []string{"/v1/users/" + alice.id, "/v1/me", "/v1/verify"} {
			b.Run(name+strings.Replace(path, alice.id, "id", 1), func(b *testing.B) {
				r := httptest.NewRequest(http.MethodGet, path, nil)
				r.Header.Set("Authorization", "Bearer "+alice.access)
				b.ReportAllocs()
				for b.Loop() {
					f.server.Handler().ServeHTTP(discard{http.Header{}}, r)
				}
			})
		}
	}
}

// What is kept says of other origins what belongs to the request, not to the one that it was made for.
func TestUserCache_knowsOriginsByTheRequest(t *testing.T) {
	f := newCached(t, forBrowsers)
	alice := f.join("alice")
	pages := map[string]string{ourPage: "https://app.issuer.test", otherPage: "", "Accept: */*": ""}
	for range 2 {
		for page, allowed := range pages {
			a := f.do("GET /v1/me", "", alice.bearer(), page).want(http.StatusOK, "")
			if got := a.Header.Get("Access-Control-Allow-Origin"); got != allowed {
				t.Errorf("%s: allowed %q, want %q", page, got, allowed)
			}
			if vary := strings.Join(a.Header["Vary"], ", "); strings.Count(vary, "Origin") != 1 {
				t.Errorf("%s: Vary is %s", page, vary)
			}
		}
	}
	if a := f.do("GET /v1/me", "", alice.bearer(), otherPage); !strings.Contains(a.Header.Get("Cache-Status"), "hit") {
		t.Errorf("not kept: %v", a.Header)
	}
}
