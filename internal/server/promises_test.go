package server_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/hallpass-go/hallpass"
	"github.com/hallpass-go/hallpass/internal/server"
	"github.com/hallpass-go/hallpass/internal/users"
	"github.com/hallpass-go/hallpass/password"
)

// issuerOf is that of another process, whose own tokens live for ttl and whose clock is ahead.
func (f *fixture) issuerOf(ttl, ahead time.Duration) *hallpass.Issuer[struct{}] {
	f.t.Helper()
	issuer, err := hallpass.NewIssuer(hallpass.IssuerConfig[struct{}]{
		Issuer: "https://issuer.test", Audience: "https://issuer.test", Keys: f.keys, Store: f.store, AccessTTL: ttl,
		Authorize: users.Authorize(f.accounts),
		Now:       func() time.Time { return f.clock.Now().Add(ahead) },
	})
	if err != nil {
		f.t.Fatal(err)
	}
	return issuer
}

// usersOf changes users as that process does.
func (f *fixture) usersOf(ttl, ahead time.Duration) *users.Service {
	f.t.Helper()
	return users.New(users.Config{Accounts: f.accounts, Issuer: f.issuerOf(ttl, ahead)})
}

// follow lets the server learn what other processes have revoked, and forget what it need not know
// any more.
func (f *fixture) follow() {
	f.t.Helper()
	if err := f.server.Follow(f.t.Context()); err != nil {
		f.t.Fatal(err)
	}
}

// A token that lives for a day stays refused for a day, although whoever revoked it makes shorter
// ones.
func TestRevocation_outlivesWhatItRevokes(t *testing.T) {
	for name, revoke := range map[string]func(*users.Service, string) error{
		"disable": func(u *users.Service, id string) error { return second(u.Disable(context.Background(), id)) },
		"roles": func(u *users.Service, id string) error {
			return second(u.SetRoles(context.Background(), id, []string{"user", "editor"}))
		},
		"delete": func(u *users.Service, id string) error { return u.Delete(context.Background(), id) },
	} {
		t.Run(name, func(t *testing.T) {
			f := newFixture(t, options{config: func(c *server.Config) { c.AccessTTL = 24 * time.Hour }})
			f.admin("root")
			alice := f.join("alice")
			if err := revoke(f.usersOf(15*time.Minute, 0), alice.id); err != nil {
				t.Fatal(err)
			}
			for _, after := range []time.Duration{0, 21 * time.Minute, 23 * time.Hour} {
				f.clock.Advance(after)
				f.follow()
				f.do("GET /v1/verify", "", alice.bearer()).want(http.StatusUnauthorized, "token_revoked")
			}
		})
	}
}

func second[T any](_ T, err error) error { return err }

// A log-in with the old password that is under way while the password changes gets no session.
func TestChangePassword_putsOutALoginUnderWay(t *testing.T) {
	f := newFixture(t, options{})
	alice := f.join("alice")
	var changed answer
	looked := 0
	_, err := f.issuerOf(time.Hour, 0).LogIn(t.Context(), hallpass.Client{},
		func(context.Context) (string, *hallpass.Grant[struct{}], error) {
			if looked++; looked > 1 {
				return "", nil, users.ErrCredentials // as it is now
			}
			changed = f.do("PATCH /v1/users/"+alice.id, nthPassword("alice", 1), alice.bearer()).
				want(http.StatusOK, "")
			return alice.id, nil, nil
		})
	if !errors.Is(err, users.ErrCredentials) {
		t.Errorf("what was proved before the change: %v", err)
	}
	f.do("GET /v1/me", "", alice.bearer()).want(http.StatusOK, "") // the session that stays
	var tokens struct {
		Tokens struct {
			Access  string `json:"access_token"`
			Refresh string `json:"refresh_token"`
		} `json:"tokens"`
	}
	changed.object(&tokens)
	f.do("GET /v1/me", "", "Authorization: Bearer "+tokens.Tokens.Access).want(http.StatusOK, "")
	f.do("POST /v1/refresh", `{"refresh_token":"`+tokens.Tokens.Refresh+`"}`).want(http.StatusOK, "")
	f.clock.Advance(time.Minute)
	f.do("POST /v1/refresh", `{"refresh_token":"`+alice.refresh+`"}`).
		want(http.StatusUnauthorized, "refresh_token_reused")
}

// A new password refuses the tokens of every session at once, also of one that another process has ended a
// moment before, which this one has not heard of yet.
func TestChangePassword_refusesWhatAnotherProcessHasEnded(t *testing.T) {
	f := newFixture(t, options{})
	alice, root := f.join("alice"), f.admin("root")
	if err := f.issuerOf(time.Hour, 0).RevokeSession(t.Context(), alice.session); err != nil {
		t.Fatal(err)
	}
	f.do("PATCH /v1/users/"+alice.id, `{`+newPassword+`}`, root.bearer()).want(http.StatusOK, "")
	f.do("GET /v1/me", "", alice.bearer()).want(http.StatusUnauthorized, "token_revoked")
}

// Log-ins and changes of the password at once: afterwards no session lives but the one that made
// the last change.
func TestChangePassword_noLoginWithTheOldOneSurvives(t *testing.T) {
	f := newFixture(t, options{})
	alice := f.join("alice")
	for round := range 10 {
		old := passwordAfter("alice", round)
		var group sync.WaitGroup
		for range 4 {
			group.Go(func() { f.do("POST /v1/login", credentials("alice", old)) })
		}
		group.Go(func() {
			f.do("PATCH /v1/users/"+alice.id, nthPassword("alice", round+1), alice.bearer()).want(http.StatusOK, "")
		})
		group.Wait()
		live, err := f.store.Sessions(t.Context(), alice.id, f.clock.Now(), "", 10)
		if err != nil || len(live) != 1 || live[0].ID != alice.session {
			t.Fatalf("round %d: %d sessions live, %v", round, len(live), err)
		}
	}
}

// passwordAfter is the password of a user after n changes by nthPassword.
func passwordAfter(name string, n int) string {
	if n == 0 {
		return passwordOf(name)
	}
	return fmt.Sprintf("changed password number %d", n)
}

// nthPassword is the body of the nth change of a user's password.
func nthPassword(name string, n int) string {
	return fmt.Sprintf(`{"password":%q,"current_password":%q}`, passwordAfter(name, n), passwordAfter(name, n-1))
}

// Of any number of changes with one current password one is made.
func TestChangePassword_onceWithOneCurrentPassword(t *testing.T) {
	f := newFixture(t, options{})
	alice := f.join("alice")
	answers := make(chan answer, 8)
	var group sync.WaitGroup
	for i := range cap(answers) {
		group.Go(func() {
			body := fmt.Sprintf(`{"password":"one of many passwords %d","current_password":%q}`, i,
				passwordOf("alice"))
			answers <- f.do("PATCH /v1/users/"+alice.id, body, alice.bearer())
		})
	}
	group.Wait()
	close(answers)
	made := 0
	for a := range answers {
		if a.Status == http.StatusOK {
			made++
		} else if a.Status != http.StatusUnprocessableEntity || !strings.Contains(a.Body, `"wrong"`) {
			t.Errorf("answered %d %s", a.Status, a.Body)
		}
	}
	if made != 1 {
		t.Errorf("%d changes were made with one password, want 1", made)
	}
}

// However a client's hanging-up falls, a user who is gone or disabled has no token that works.
func TestUsers_deedsAreWholeThoughTheClientHangsUp(t *testing.T) {
	for name, deed := range map[string]func(context.Context, *users.Service, string) error{
		"delete":  func(ctx context.Context, u *users.Service, id string) error { return u.Delete(ctx, id) },
		"disable": func(ctx context.Context, u *users.Service, id string) error { return second(u.Disable(ctx, id)) },
	} {
		t.Run(name, func(t *testing.T) {
			f := newFixture(t, options{})
			users := f.usersOf(15*time.Minute, 0)
			for i := range 40 {
				p := f.join(fmt.Sprintf("user%d", i))
				ctx, cancel := context.WithCancel(t.Context())
				hangUp := time.AfterFunc(time.Duration(i)*50*time.Microsecond, cancel)
				_ = deed(ctx, users, p.id) // it may be told that it has not happened
				hangUp.Stop()
				cancel()
				f.follow()
				gone := !strings.Contains(f.stateOf(p.id), "enabled")
				revoked := f.do("GET /v1/verify", "", p.bearer()).Status == http.StatusUnauthorized
				if gone != revoked {
					t.Fatalf("%s: the user is gone or disabled: %v, the tokens refused: %v", p.name, gone, revoked)
				}
			}
		})
	}
}

func (f *fixture) stateOf(id string) string {
	user, err := f.accounts.User(context.Background(), id)
	switch {
	case err != nil:
		return err.Error()
	case user.Disabled:
		return "disabled"
	default:
		return "enabled"
	}
}

// A half that fails undoes the other: the last administrator stays one, with all sessions.
func TestUsers_aDeedThatFailsRevokesNothing(t *testing.T) {
	f := newFixture(t, options{})
	root := f.admin("root")
	for range 3 {
		f.do("DELETE /v1/users/"+root.id, "", root.bearer()).want(http.StatusConflict, "last_admin")
		f.do("PUT /v1/users/"+root.id+"/roles", `{"roles":["user"]}`, root.bearer()).
			want(http.StatusConflict, "last_admin")
	}
	f.follow()
	f.do("GET /v1/me", "", root.bearer()).want(http.StatusOK, "")
}

// Roles change twice in one second, by processes whose clocks are 2 s apart: no token from before
// the last change is taken, and every one from after it is.
func TestCut_isLaterThanEveryTokenItRefuses(t *testing.T) {
	f := newFixture(t, options{})
	f.admin("root")
	alice := f.join("alice")
	for round := range 6 {
		roles := []string{"user", "editor"}
		if round%2 == 1 {
			roles = []string{"user", users.AdminRole}
		}
		ahead := time.Duration((round+1)%3) * 2 * time.Second // the first token comes before any revocation
		minted, err := f.issuerOf(15*time.Minute, ahead).StartSession(t.Context(), alice.id, hallpass.Client{})
		if err != nil {
			t.Fatal(err)
		}
		users := f.usersOf(15*time.Minute, time.Duration(round%2)*2*time.Second)
		if _, err := users.SetRoles(t.Context(), alice.id, roles); err != nil {
			t.Fatal(err)
		}
		f.follow()
		f.do("GET /v1/me", "", alice.bearer()).want(http.StatusUnauthorized, "token_revoked")
		f.do("GET /v1/me", "", "Authorization: Bearer "+minted.AccessToken).
			want(http.StatusUnauthorized, "token_revoked")
		a := f.do("POST /v1/refresh", `{"refresh_token":"`+alice.refresh+`"}`).want(http.StatusOK, "")
		alice.access, alice.refresh = a.str("access_token"), a.str("refresh_token")
		f.do("GET /v1/me", "", alice.bearer()).want(http.StatusOK, "")
	}
}

// However many wrong guesses strangers make, the owner logs in from where they have before, steps
// up in a session, and is limited there like anybody; strangers gain no guess by it.
func TestLogin_strangersCannotLockOut(t *testing.T) {
	f := newFixture(
		t,
		options{config: func(c *server.Config) { c.Limits.LoginAccount = users.Limit{Burst: 4, Per: time.Hour} }},
	)
	alice := f.join("alice")
	guess := func(from string, want int) {
		t.Helper()
		f.do("POST /v1/login", credentials("alice", "wrong"), "From: "+from).wantStatus(want)
	}
	for i := range 4 {
		guess(fmt.Sprintf("198.51.100.%d:1", i), http.StatusUnauthorized)
	}
	guess("198.51.100.9:1", http.StatusTooManyRequests)
	f.login("alice") // from her own address
	f.do("POST /v1/reauthenticate", `{"password":"`+passwordOf("alice")+`"}`, alice.bearer(), "From: 203.0.113.5:1").
		want(http.StatusOK, "")
	guess("198.51.100.9:1", http.StatusTooManyRequests) // her success cleared nothing
	for range 4 {
		guess("192.0.2.7:1", http.StatusUnauthorized)
	}
	guess("192.0.2.7:1", http.StatusTooManyRequests)
}

// Nor does a stranger at the same address, by guessing at other accounts.
func TestLogin_strangersAtTheSameAddressCannotLockOut(t *testing.T) {
	f := newFixture(t, options{config: func(c *server.Config) {
		c.Limits.LoginAddress = users.Limit{Burst: 4, Per: time.Hour}
	}})
	f.join("alice")
	for i := range 4 {
		f.do("POST /v1/login", credentials(fmt.Sprint("nobody", i), "wrong")).wantStatus(http.StatusUnauthorized)
	}
	f.do("POST /v1/login", credentials("nobody", "wrong")).want(http.StatusTooManyRequests, "rate_limited")
	f.login("alice")
	for range 4 { // who is known there is limited, too
		f.do("POST /v1/login", credentials("alice", "wrong")).wantStatus(http.StatusUnauthorized)
	}
	a := f.do("POST /v1/login", credentials("alice", "wrong")).want(http.StatusTooManyRequests, "rate_limited")
	if !strings.HasPrefix(a.Header.Get("RateLimit"), `"address";`) {
		t.Errorf("fields %v", a.Header)
	}
}

func TestSignup_isLimitedByAddress(t *testing.T) {
	f := newFixture(
		t,
		options{config: func(c *server.Config) { c.Limits.Signup = users.Limit{Burst: 2, Per: time.Hour} }},
	)
	for i := range 2 {
		f.do("POST /v1/users", credentials(fmt.Sprint("user", i), passwordOf("user"))).want(http.StatusCreated, "")
	}
	a := f.do("POST /v1/users", credentials("user3", passwordOf("user"))).
		want(http.StatusTooManyRequests, "rate_limited")
	if a.Header.Get("Retry-After") == "" {
		t.Errorf("fields %v", a.Header)
	}
	f.do("POST /v1/users", credentials("user3", passwordOf("user")), "From: 198.51.100.1:1").
		want(http.StatusCreated, "")
	f.do("POST /v1/login", credentials("user0", passwordOf("user"))).want(http.StatusOK, "")
}

// Two addresses sign up and guess as fast as they can; a log-in from another waits for a hash or
// two, and is not refused.
func TestLogin_floodLeavesOthersTheirLogins(t *testing.T) {
	if raceEnabled {
		t.Skip("under the race detector a hash takes as long as a log-in may wait")
	}
	slow := password.Params{MemoryKiB: 8 << 10, Passes: 1, AllowWeak: true}
	f := newFixture(t, options{params: slow, governor: password.GovernorConfig{Workers: 1, MaxWait: 2 * time.Second}})
	f.do("POST /v1/users", credentials("honest", passwordOf("honest")), "From: 203.0.113.1:1").
		want(http.StatusCreated, "")
	ctx, stop := context.WithCancel(t.Context())
	var flood sync.WaitGroup
	var refused atomic.Int64
	for i := range 400 {
		flood.Go(func() {
			for n := 0; ctx.Err() == nil; n++ {
				from := fmt.Sprintf("From: 198.51.100.%d:1", i%2)
				request, name := "POST /v1/login", "honest"
				if i%4 < 2 {
					request, name = "POST /v1/users", fmt.Sprintf("flood-%d-%d", i, n)
				}
				if f.do(request, credentials(name, "a password of the flood"),
					from).Status == http.StatusServiceUnavailable {
					refused.Add(1)
					time.Sleep(50 * time.Millisecond)
				}
			}
		})
	}
	for refused.Load() == 0 {
		time.Sleep(time.Millisecond)
	}
	for range 20 {
		f.do("POST /v1/login", credentials("honest", passwordOf("honest")), "From: 203.0.113.1:1").
			want(http.StatusOK, "")
	}
	stop()
	flood.Wait()
}
