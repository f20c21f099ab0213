package server_test

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/hallpass-go/hallpass/internal/server"
	"github.com/hallpass-go/hallpass/internal/users"
)

var twoAnHour = users.Limit{Burst: 2, Per: time.Hour}

// limited is a server with one limit.
func limited(t testing.TB, set func(*users.Limits)) *fixture {
	t.Helper()
	return newFixture(t, options{config: func(c *server.Config) { set(&c.Limits) }})
}

// wantLimited checks that an answer is the refusal of the limit with that name.
func (a answer) wantLimited(name string) {
	a.t.Helper()
	a.want(http.StatusTooManyRequests, "rate_limited")
	for field, want := range map[string]string{
		"RateLimit-Policy": `"` + name + `";q=2;w=3600`, "RateLimit": `"` + name + `";r=0;t=3600`,
		"Retry-After": "1800",
	} {
		if got := a.Header.Get(field); got != want {
			a.t.Errorf("%s: %s, want %s", field, got, want)
		}
	}
}

// Each limit of the table refuses the third request of two, for that key alone, and lets one pass
// when its time has come.
func TestLimits_eachOfTheTable(t *testing.T) {
	elsewhere := "From: 198.51.100.1:1"
	for name, c := range map[string]struct {
		limit func(*users.Limits) *users.Limit
		ask   func(f *fixture, by person) answer
		other func(f *fixture, by person) answer // the same with another key
	}{
		"account": {
			func(l *users.Limits) *users.Limit { return &l.LoginAccount },
			func(f *fixture, by person) answer {
				return f.do("POST /v1/login", credentials(by.name, "wrong"), elsewhere)
			},
			func(f *fixture, _ person) answer {
				return f.do("POST /v1/login", credentials("zoe", "wrong"), elsewhere)
			},
		},
		"account of a session": {
			func(l *users.Limits) *users.Limit { return &l.LoginAccount },
			func(f *fixture, by person) answer {
				return f.do("POST /v1/reauthenticate", `{"password":"wrong"}`, f.login(by.name).bearer(), elsewhere)
			},
			func(f *fixture, by person) answer {
				return f.do("POST /v1/login", credentials(by.name, passwordOf(by.name)))
			},
		},
		"address": {
			func(l *users.Limits) *users.Limit { return &l.LoginAddress },
			func(f *fixture, _ person) answer { return f.do("POST /v1/login", credentials("zoe", "wrong")) },
			func(f *fixture, _ person) answer {
				return f.do("POST /v1/login", credentials("zoe", "wrong"), elsewhere)
			},
		},
		"rename": {
			func(l *users.Limits) *users.Limit { return &l.Rename },
			func(f *fixture, by person) answer {
				return f.do("PATCH /v1/users/"+by.id, `{"username":"bob"}`, f.login(by.name).bearer())
			},
			func(f *fixture, by person) answer {
				return f.do("PATCH /v1/users/"+by.id, `{"email":"a@b.example"}`, f.login(by.name).bearer())
			},
		},
		"refresh": {
			func(l *users.Limits) *users.Limit { return &l.Refresh },
			func(f *fixture, by person) answer {
				return f.do("POST /v1/refresh", `{"refresh_token":"`+by.refresh+`"}`)
			},
			func(f *fixture, by person) answer {
				return f.do("POST /v1/refresh", `{"refresh_token":"`+f.login(by.name).refresh+`"}`)
			},
		},
		"introspection": {
			func(l *users.Limits) *users.Limit { return &l.Introspection },
			func(f *fixture, _ person) answer { return f.introspectAs("root") },
			func(f *fixture, _ person) answer { return f.introspectAs("other root") },
		},
		"requests-user": {
			func(l *users.Limits) *users.Limit { return &l.User },
			func(f *fixture, by person) answer { return f.do("GET /v1/me", "", f.login(by.name).bearer()) },
			func(f *fixture, _ person) answer { return f.do("GET /v1/me", "", f.login("bob").bearer()) },
		},
		"requests-address": {
			func(l *users.Limits) *users.Limit { return &l.Address },
			func(f *fixture, _ person) answer { return f.do("GET /v1/nothing", "", elsewhere) },
			func(f *fixture, _ person) answer { return f.do("GET /v1/nothing", "", "From: 198.51.100.2:1") },
		},
	} {
		t.Run(name, func(t *testing.T) {
			// Set once the people are there, who make requests, too.
			f := limited(t, func(l *users.Limits) { *c.limit(l) = users.Limit{Burst: 2, Per: time.Hour} })
			alice := f.people()
			for range 2 {
				if a := c.ask(f, alice); a.Status == http.StatusTooManyRequests {
					t.Fatalf("refused within the limit: %v %s", a.Header, a.Body)
				}
			}
			shown, _, _ := strings.Cut(name, " ")
			c.ask(f, alice).wantLimited(shown)
			if a := c.other(f, alice); a.Status == http.StatusTooManyRequests {
				t.Errorf("another key is refused, too: %v", a.Header)
			}
			f.clock.Advance(30*time.Minute - time.Second)
			if a := c.ask(f, alice); a.Status != http.StatusTooManyRequests {
				t.Errorf("answered %d before its time", a.Status)
			}
			f.clock.Advance(time.Second)
			if a := c.ask(f, alice); a.Status == http.StatusTooManyRequests {
				t.Error("refused when its time had come")
			}
		})
	}
}

// people makes users without a request, and logs the first of them in.
func (f *fixture) people() person {
	f.t.Helper()
	var alice person
	for _, name := range []string{"bob", "root", "other root", "alice"} {
		n := users.NewUser{Username: strings.ReplaceAll(name, " ", "-"), Password: passwordOf(name)}
		if strings.Contains(name, "root") {
			n.Roles = []string{users.AdminRole}
		}
		u, err := f.accounts.Create(context.Background(), n)
		if err != nil {
			f.t.Fatal(err)
		}
		alice.id, alice.name = u.ID, u.Username
	}
	logged := f.login("alice")
	logged.id = alice.id
	return logged
}

// introspectAs asks about a token as an administrator.
func (f *fixture) introspectAs(name string) answer {
	f.t.Helper()
	login := f.do("POST /v1/login", credentials(strings.ReplaceAll(name, " ", "-"), passwordOf(name))).
		want(http.StatusOK, "")
	return f.do("POST /v1/introspect", url.Values{"token": {"x"}}.Encode(),
		"Authorization: Bearer "+login.str("access_token"), "Content-Type: application/x-www-form-urlencoded")
}

// Every route is counted, but for the two that balancers ask.
func TestLimits_ofAnAddressHoldForEveryRoute(t *testing.T) {
	f := limited(t, func(l *users.Limits) { l.Address = twoAnHour })
	flood := "From: 198.51.100.1:1"
	for range 2 {
		f.do("GET /v1/me", "", flood).want(http.StatusUnauthorized, "token_missing")
	}
	for _, pattern := range append(f.server.Patterns(), "GET /", "GET //", "TRACE /v1/me") {
		a := f.do(strings.ReplaceAll(pattern, "{id}", "x"), "", flood)
		if strings.HasSuffix(pattern, "healthz") || strings.HasSuffix(pattern, "readyz") {
			a.want(http.StatusOK, "")
			continue
		}
		if a.Status != http.StatusTooManyRequests || a.code() != "rate_limited" || a.Header.Get("RateLimit") == "" {
			t.Errorf("%s: answered %d %s %v", pattern, a.Status, a.Body, a.Header)
		}
	}
}

// Who brings the requests of others is not counted for them; and those others are.
func TestLimits_ofAnAddressLeaveProxiesAlone(t *testing.T) {
	f := newFixture(t, options{config: func(c *server.Config) {
		c.Limits.Address, c.TrustedProxies = twoAnHour, proxies
	}})
	for i := range 5 {
		for _, proxy := range []string{"127.0.0.1:1", "[::1]:1", "10.0.0.1:1"} {
			f.do("GET /v1/me", "", "From: "+proxy).want(http.StatusUnauthorized, "token_missing")
		}
		want := http.StatusUnauthorized
		if i >= 2 {
			want = http.StatusTooManyRequests
		}
		f.do("GET /v1/me", "", "From: 10.0.0.1:1", "X-Forwarded-For: 127.0.0.1, 198.51.100.1").wantStatus(want)
	}
}

// Every route that wants a token is counted for its user.
func TestLimits_ofAUserHoldForEveryRoute(t *testing.T) {
	f := limited(t, func(l *users.Limits) { l.User = twoAnHour })
	alice := f.people()
	root := f.login("root")
	for _, p := range []person{alice, root} {
		for range 2 {
			f.do("GET /v1/me", "", p.bearer()).want(http.StatusOK, "")
		}
	}
	n := 0
	for _, c := range freshness {
		if c.by == "" || c.pattern == closedSignup || strings.HasSuffix(c.pattern, "/logout") {
			continue // logout ends a session by either token, so it is public
		}
		n++
		path := strings.ReplaceAll(c.pattern, "{id}", root.session)
		for _, p := range []person{alice, root} {
			a := f.do(path, "", p.bearer())
			if a.Status != http.StatusTooManyRequests && a.Status != http.StatusForbidden {
				t.Errorf("%s by %s: %d %s", path, p.name, a.Status, a.Body)
			}
		}
	}
	if n < 10 {
		t.Errorf("only %d routes", n)
	}
}

// A refusal does not reach the database, which is away here.
func TestLimits_refuseBeforeTheDatabase(t *testing.T) {
	f := limited(t, func(l *users.Limits) { l.Address, l.Refresh = twoAnHour, twoAnHour })
	alice := f.people()
	refresh := func(from string) answer {
		return f.do("POST /v1/refresh", `{"refresh_token":"`+alice.refresh+`"}`, "From: "+from)
	}
	refresh("198.51.100.1:1").want(http.StatusOK, "")
	refresh("198.51.100.1:1").want(http.StatusOK, "")
	if err := f.db.Close(); err != nil {
		t.Fatal(err)
	}
	refresh("198.51.100.1:1").wantLimited("requests-address")
	refresh("198.51.100.2:1").wantLimited("refresh")
	f.clock.Advance(time.Hour)
	refresh("198.51.100.2:1").want(http.StatusServiceUnavailable, "store_unavailable")
}

// Two hundred guesses at once at one account: no more reach the hash than the limit says, and the
// owner gets in from where they have logged in before.
func TestLogin_parallelGuesses(t *testing.T) {
	f := limited(t, func(l *users.Limits) { l.LoginAccount = users.Limit{Burst: 10, Per: time.Hour} })
	alice := f.people()
	var wrong, refused, other atomic.Int64
	var wg sync.WaitGroup
	for i := range 200 {
		wg.Go(func() {
			a := f.do("POST /v1/login", credentials("alice", "wrong"), fmt.Sprintf("From: 198.51.100.%d:1", i))
			switch a.Status {
			case http.StatusUnauthorized:
				wrong.Add(1)
			case http.StatusTooManyRequests:
				refused.Add(1)
			default:
				other.Add(1)
			}
		})
	}
	wg.Wait()
	if wrong.Load() != 10 || refused.Load() != 190 {
		t.Errorf("%d reached the hash, %d were refused, %d neither", wrong.Load(), refused.Load(), other.Load())
	}
	f.login(alice.name)
	f.do("POST /v1/login", credentials("alice", "wrong"), "From: 198.51.100.1:1").
		want(http.StatusTooManyRequests, "rate_limited") // her success cleared nothing
}

// BenchmarkLimits is what the limits of requests add to GET /v1/verify.
func BenchmarkLimits(b *testing.B) {
	for _, c := range []struct {
		name  string
		limit users.Limit
	}{{"without", users.Limit{}}, {"with", users.Limit{Burst: 1e9, Per: time.Second}}} {
		f := newFixture(b, options{config: func(s *server.Config) {
			s.Limits.User, s.Limits.Address = c.limit, c.limit
			s.Log = slog.New(slog.DiscardHandler)
			s.Now = time.Now
		}})
		alice := f.join("alice")
		b.Run(c.name, func(b *testing.B) {
			r := httptest.NewRequest(http.MethodGet, "/v1/verify", nil)
			r.Header.Set("Authorization", "Bearer "+alice.access)
			b.ReportAllocs()
			for b.Loop() {
				f.server.Handler().ServeHTTP(discard{http.Header{}}, r)
			}
		})
	}
}

// BenchmarkLimit is each of them alone.
func BenchmarkLimit(b *testing.B) {
	f := newFixture(b, options{config: func(s *server.Config) {
		s.Limits.User = users.Limit{Burst: 1e9, Per: time.Second}
		s.Limits.Address, s.Now = s.Limits.User, time.Now
	}})
	r := httptest.NewRequest(http.MethodGet, "/v1/verify", nil)
	for name, limit := range map[string]func() error{
		"address, IPv4": func() error { return f.server.MayAsk(r, "203.0.113.9") },
		"address, IPv6": func() error { return f.server.MayAsk(r, "2001:db8:1:2:3:4:5:6") },
		"user":          f.server.MayCall(r, "06h0co5862doud16l5g4egmsfg"),
	} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if err := limit(); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
