package hallpass_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/hallpass-go/hallpass"
	"github.com/hallpass-go/hallpass/ratelimit"
)

var twoAnHour = ratelimit.Limit{Name: "mine", Burst: 2, Per: time.Hour}

// A limit by subject, and one by session, of requests that the middleware has identified; and the
// same where a handler takes the identity as an argument.
func TestRateLimit_bySubjectAndSession(t *testing.T) {
	a := newAPI(t, nil)
	tokens := []string{}
	for _, name := range []string{"alice", "alice", "bob"} {
		tokens = append(tokens, a.login(name).String(t, "access_token"))
	}
	ok := http.HandlerFunc(func(http.ResponseWriter, *http.Request) {})
	limited := func(key func(*http.Request) string) http.Handler {
		l, err := ratelimit.New(ratelimit.Config{
			Rules:  []ratelimit.Rule{{Limit: twoAnHour, Key: key}},
			Refuse: a.WriteError,
		})
		if err != nil {
			t.Fatal(err)
		}
		return a.Require()(l.Middleware(ok))
	}
	inRule, err := ratelimit.New(ratelimit.Config{})
	if err != nil {
		t.Fatal(err)
	}
	rule := hallpass.Check(func(r *http.Request, id identity) error {
		return inRule.Take(r.Context(), ratelimit.Charge{Limit: twoAnHour, Key: id.Subject, Cost: 1})
	})
	for name, c := range map[string]struct {
		handler http.Handler
		want    []int // for alice, alice again, alice elsewhere, bob, alice elsewhere, alice
	}{
		"subject": {limited(hallpass.BySubject[appClaims]), []int{200, 200, 429, 200, 429, 429}},
		"session": {limited(hallpass.BySession[appClaims]), []int{200, 200, 200, 200, 200, 429}},
		"rule": {
			a.Func(func(http.ResponseWriter, *http.Request, identity) {}, rule),
			[]int{200, 200, 429, 200, 429, 429},
		},
	} {
		for i, who := range []int{0, 0, 1, 2, 1, 0} {
			r := httptest.NewRequest("GET", "/", nil)
			r.Header.Set("Authorization", "Bearer "+tokens[who])
			w := httptest.NewRecorder()
			c.handler.ServeHTTP(w, r)
			if w.Code != c.want[i] {
				t.Errorf("%s, request %d: %d, want %d: %s", name, i, w.Code, c.want[i], w.Body)
			}
			if w.Code == 429 && (!strings.Contains(w.Body.String(), `"code":"rate_limited"`) ||
				w.Header().Get("RateLimit") == "" || w.Header().Get("Retry-After") != "1800") {
				t.Errorf("%s: %v %s", name, w.Header(), w.Body)
			}
		}
	}
	if k := hallpass.BySubject[appClaims](httptest.NewRequest("GET", "/", nil)); k != "" {
		t.Errorf("nobody has the key %q", k)
	}
}

// The same subject of two issuers is two people.
func TestBySubject_tellsIssuersApart(t *testing.T) {
	a := newAPI(t, nil)
	b := newAPI(t, func(c *hallpass.Config[appClaims]) { c.Issuer = "https://other.example" })
	keys := map[string]bool{}
	for _, api := range []*api{a, b} {
		token := api.login("alice").String(t, "access_token")
		r := httptest.NewRequest("GET", "/", nil)
		r.Header.Set("Authorization", "Bearer "+token)
		api.Require()(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
			keys[hallpass.BySubject[appClaims](r)] = true
			keys[hallpass.BySession[appClaims](r)] = true
		})).ServeHTTP(httptest.NewRecorder(), r)
	}
	if len(keys) != 4 {
		t.Errorf("%v", keys)
	}
}

func TestMayRefresh_refusesBeforeTheStoreIsAsked(t *testing.T) {
	limiter, err := ratelimit.New(ratelimit.Config{})
	if err != nil {
		t.Fatal(err)
	}
	var asked []string
	a := newAPI(t, func(c *hallpass.Config[appClaims]) {
		c.MayRefresh = func(ctx context.Context, sessionID string) error {
			asked = append(asked, sessionID)
			return limiter.Take(ctx, ratelimit.Charge{Limit: twoAnHour, Key: sessionID, Cost: 1})
		}
	})
	login := a.login("alice")
	token := login.String(t, "refresh_token")
	a.refresh("not a token at all").want(t, 401, "refresh_token_invalid")
	for range 2 {
		got := a.refresh(token)
		got.want(t, 200, "")
		token = got.String(t, "refresh_token")
	}
	a.refresh(token).want(t, 429, "rate_limited")
	session := login.String(t, "session_id")
	if !slices.Equal(asked, []string{session, session, session}) {
		t.Errorf("asked about %q", asked)
	}
}

// A store of limits that is away is 503, whoever writes the refusal.
func TestWriteError_whenTheStoreOfLimitsIsAway(t *testing.T) {
	a := newAPI(t, nil)
	w := httptest.NewRecorder()
	away := fmt.Errorf("%w: %w", ratelimit.ErrUnavailable, errors.New("connection refused"))
	a.WriteError(w, httptest.NewRequest("GET", "/", nil), away)
	if w.Code != 503 || !strings.Contains(w.Body.String(), `"store_unavailable"`) ||
		w.Header().Get("Retry-After") == "" {
		t.Errorf("%d %s", w.Code, w.Body)
	}
}
