package hallpass_test

import (
	"context"
	"errors"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/hallpass-go/hallpass"
	"github.com/hallpass-go/hallpass/sessions"
)

func TestRefresh_rotates(t *testing.T) {
	a := newAPI(t, nil)
	login := a.login("alice")
	a.clock.Advance(time.Minute)
	first := a.refresh(login.String(t, "refresh_token"))
	first.want(t, 200, "")
	if first.String(t, "refresh_token") == login.String(t, "refresh_token") {
		t.Error("the refresh token did not change")
	}
	if first.String(t, "session_id") != login.String(t, "session_id") {
		t.Error("the session changed")
	}
	id, err := a.Verify(t.Context(), first.String(t, "access_token"))
	if err != nil {
		t.Fatal(err)
	}
	if want := a.clock.Now().Add(-time.Minute).Truncate(time.Second); !id.AuthTime.Equal(want) {
		t.Errorf("auth_time %v, want that of the login, %v: a refresh proves nothing anew", id.AuthTime, want)
	}
	a.do("GET /func", "", bearer(login.String(t, "access_token"))).
		want(t, 200, "")
	// requests in flight are not cut off
}

// Two tabs, a lost answer, a retry: one rotation, and everybody holds the same successor.
func TestRefresh_inParallelGivesOneSuccessor(t *testing.T) {
	a := newAPI(t, nil)
	token := a.login("alice").String(t, "refresh_token")
	const uses = 20
	successors := make([]string, uses)
	var wg sync.WaitGroup
	for n := range uses {
		wg.Go(func() {
			tokens, err := a.Refresh(context.Background(), token, hallpass.Client{})
			if err != nil {
				t.Error(err)
			}
			successors[n] = tokens.RefreshToken
		})
	}
	wg.Wait()
	for _, s := range successors {
		if s != successors[0] || s == token {
			t.Fatalf("successors differ: %q", successors)
		}
	}
	rotations := 0
	for _, name := range a.eventNames() {
		if name == hallpass.EventSessionRefreshed {
			rotations++
		}
	}
	if rotations != 1 {
		t.Errorf("%d rotations", rotations)
	}
	a.refresh(successors[0]).want(t, 200, "")
}

func TestRefresh_reusedTokenEndsTheSession(t *testing.T) {
	for name, reuse := range map[string]func(a *api, used string) answer{
		"after the grace": func(a *api, used string) answer {
			a.clock.Advance(30*time.Second + time.Microsecond)
			return a.refresh(used)
		},
		"older than the predecessor": func(a *api, used string) answer {
			next := a.refresh(used)
			a.refresh(next.JSON["refresh_token"].(string))
			return a.refresh(used)
		},
	} {
		t.Run(name, func(t *testing.T) {
			a := newAPI(t, nil)
			login := a.login("alice")
			current := a.refresh(login.String(t, "refresh_token"))
			reuse(a, login.String(t, "refresh_token")).want(t, 401, "refresh_token_reused")
			// Both sides are out, at once.
			a.refresh(current.String(t, "refresh_token")).want(t, 401, "refresh_token_invalid")
			a.do("GET /func", "", bearer(current.String(t, "access_token"))).want(t, 401, "token_revoked")
			a.do("GET /func", "", bearer(login.String(t, "access_token"))).want(t, 401, "token_revoked")
			if names := a.eventNames(); !slices.Contains(names, hallpass.EventRefreshReused) {
				t.Errorf("events %q lack the reuse", names)
			}
		})
	}
}

func TestRefresh_withinTheGrace(t *testing.T) {
	a := newAPI(t, nil)
	login := a.login("alice")
	first := a.refresh(login.String(t, "refresh_token"))
	a.clock.Advance(30 * time.Second)
	again := a.refresh(login.String(t, "refresh_token"))
	again.want(t, 200, "")
	if again.String(t, "refresh_token") != first.String(t, "refresh_token") {
		t.Error("the successor differs")
	}
	if again.String(t, "access_token") == first.String(t, "access_token") {
		t.Error("the access token is not a fresh one")
	}
}

func TestRefresh_refuses(t *testing.T) {
	a := newAPI(t, nil)
	token := a.login("alice").String(t, "refresh_token")
	access := a.login("alice").String(t, "access_token")
	other := newAPI(t, nil).login("alice").String(t, "refresh_token")
	for _, presented := range []string{"", "x", access, other, token[:75], token + "A"} {
		a.refresh(presented).want(t, 401, "refresh_token_invalid")
	}
	a.do("GET /func", "", bearer(token)).want(t, 401, "token_invalid") // nor is it an access token
	a.clock.Advance(30 * 24 * time.Hour)
	a.refresh(token).want(t, 401, "refresh_token_expired")
}

func TestRefresh_endsWithTheSessionHoweverOftenItIsUsed(t *testing.T) {
	a := newAPI(t, nil)
	token := a.login("alice").String(t, "refresh_token")
	for range 4 {
		a.clock.Advance(20 * 24 * time.Hour)
		got := a.refresh(token)
		got.want(t, 200, "")
		token = got.String(t, "refresh_token")
	}
	a.clock.Advance(10*24*time.Hour - 5*time.Minute)
	last := a.refresh(token)
	last.want(t, 200, "")
	if got := last.JSON["expires_in"].(float64); got != 300 {
		t.Errorf("the access token outlives its session: expires_in %v", got)
	}
	if got := last.JSON["refresh_expires_in"].(float64); got != 300 {
		t.Errorf("refresh_expires_in %v", got)
	}
	a.clock.Advance(5 * time.Minute)
	a.refresh(last.String(t, "refresh_token")).want(t, 401, "refresh_token_expired")
}

// Each mint asks anew: nobody keeps what was taken from them.
func TestRefresh_asksForTheGrantAnew(t *testing.T) {
	a := newAPI(t, nil)
	token := a.login("alice").String(t, "refresh_token")
	a.users.SetGrant("alice", grant{Roles: []string{"guest"}})
	got := a.refresh(token)
	id, err := a.Verify(t.Context(), got.String(t, "access_token"))
	if err != nil {
		t.Fatal(err)
	}
	if !id.HasRole("guest") || id.HasRole("user") || len(id.Scopes) != 0 || id.Custom.Plan != "" {
		t.Errorf("the identity kept an old grant: %+v", id)
	}
	a.users.Disable("alice")
	a.refresh(got.String(t, "refresh_token")).want(t, 401, "refresh_token_invalid")
	a.do("GET /func", "", bearer(got.String(t, "access_token"))).want(t, 401, "token_revoked")
}

func TestStartSession_ofADisabledSubject(t *testing.T) {
	a := newAPI(t, nil)
	a.users.Disable("alice")
	if _, err := a.StartSession(t.Context(), "alice", hallpass.Client{}); !errors.Is(err,
		hallpass.ErrInvalidCredentials) {
		t.Errorf("StartSession: %v", err)
	}
	if s, err := a.Sessions(t.Context(), "alice", "", 10); err != nil || len(s) != 0 {
		t.Errorf("it left %d sessions, %v", len(s), err)
	}
}

// A change of roles cuts the access tokens and leaves the sessions.
func TestRevokeAccess_leavesTheSession(t *testing.T) {
	a := newAPI(t, nil)
	login := a.login("alice")
	if err := a.RevokeAccess(t.Context(), "alice"); err != nil {
		t.Fatal(err)
	}
	a.do("GET /func", "", bearer(login.String(t, "access_token"))).want(t, 401, "token_revoked")
	next := a.refresh(login.String(t, "refresh_token"))
	next.want(t, 200, "")
	a.do("GET /func", "", bearer(next.String(t, "access_token"))).want(t, 200, "")
}

// A cut between the reading of the grant and the start of the session is not missed: the grant is
// read again.
func TestRevokeAccess_reachesATokenBeingMade(t *testing.T) {
	var a *api
	var once sync.Once
	a = newAPI(t, func(c *hallpass.Config[appClaims]) {
		authorize := c.Authorize
		c.Authorize = func(ctx context.Context, subject string) (grant, error) {
			g, err := authorize(ctx, subject)
			once.Do(func() {
				a.users.SetGrant("alice", grant{Roles: []string{"guest"}})
				if err := a.RevokeAccess(ctx, subject); err != nil {
					t.Error(err)
				}
			})
			return g, err
		}
	})
	id, err := a.Verify(t.Context(), a.login("alice").String(t, "access_token"))
	if err != nil || !id.HasRole("guest") || id.HasRole("user") {
		t.Errorf("roles %v, %v; want those of after the cut", id.Roles, err)
	}
}

func TestRevokeOtherSessions_keepsTheOne(t *testing.T) {
	a := newAPI(t, nil)
	kept, ended := a.login("alice"), a.login("alice")
	if err := a.RevokeOtherSessions(t.Context(), "alice", kept.String(t, "session_id")); err != nil {
		t.Fatal(err)
	}
	a.do("GET /func", "", bearer(kept.String(t, "access_token"))).want(t, 200, "")
	a.do("GET /func", "", bearer(ended.String(t, "access_token"))).want(t, 401, "token_revoked")
	a.refresh(ended.String(t, "refresh_token")).want(t, 401, "refresh_token_invalid")
}

// read is a list that has read a store already.
func read(t *testing.T) *hallpass.Revocations {
	t.Helper()
	l := hallpass.NewRevocations()
	if err := l.Update(t.Context(), sessions.NewMemory(), time.Now()); err != nil {
		t.Fatal(err)
	}
	return l
}

// lateStore is a store whose first answer to EndSessions comes late: the sessions have ended long
// before.
type lateStore struct {
	sessions.Store
	asked  atomic.Bool
	ended  chan struct{}
	goesOn chan struct{}
}

func (s *lateStore) EndSessions(ctx context.Context, e sessions.Ending) ([]sessions.Revocation, error) {
	recorded, err := s.Store.EndSessions(ctx, e)
	if !s.asked.Swap(true) {
		close(s.ended)
		<-s.goesOn
	}
	return recorded, err
}

// Two tabs log out at once: whichever is answered first, the access token is refused from then on.
func TestRevokeSession_inParallelIsRefusedFromTheFirstAnswerOn(t *testing.T) {
	store := &lateStore{Store: sessions.NewMemory(), ended: make(chan struct{}), goesOn: make(chan struct{})}
	a := newAPI(t, func(c *hallpass.Config[appClaims]) { c.Store, c.Revocations = store, read(t) })
	login := a.login("alice")
	var first sync.WaitGroup
	first.Go(func() {
		if err := a.RevokeSession(context.Background(), login.String(t, "session_id")); err != nil {
			t.Error(err)
		}
	})
	<-store.ended
	if err := a.RevokeSession(t.Context(), login.String(t, "session_id")); err != nil {
		t.Error(err)
	}
	a.do("GET /func", "", bearer(login.String(t, "access_token"))).want(t, 401, "token_revoked")
	close(store.goesOn)
	first.Wait()
}

// brokenStore is a store that cannot be asked.
type brokenStore struct{ sessions.Store }

func (brokenStore) Session(context.Context, string) (sessions.Session, error) {
	return sessions.Session{}, hallpass.ErrStoreUnavailable
}

func (brokenStore) Sequence(context.Context) (int64, error) { return 0, hallpass.ErrStoreUnavailable }

func (brokenStore) CreateSession(context.Context, sessions.Session, int64) error {
	return hallpass.ErrStoreUnavailable
}

func TestStoreUnavailable(t *testing.T) {
	a := newAPI(t, nil)
	login := a.login("alice")
	broken := newAPI(t, func(c *hallpass.Config[appClaims]) {
		c.Store, c.Keys, c.Revocations = brokenStore{}, a.kit.Keys, read(t)
	})
	for _, got := range []answer{
		broken.refresh(login.String(t, "refresh_token")),
		broken.do("POST /auth/login", `{"username":"alice","password":"alice's password"}`),
		broken.do("POST /auth/logout", `{"refresh_token":"`+login.String(t, "refresh_token")+`"}`),
	} {
		got.want(t, 503, "store_unavailable")
		if got.Header.Get("Retry-After") == "" {
			t.Error("no Retry-After")
		}
	}
	broken.do("GET /func", "", bearer(login.String(t, "access_token"))).want(t, 200, "")
}

// The mistakes of both halves are told together, each once.
func TestNew_reportsTheMistakesOfBothHalves(t *testing.T) {
	_, err := hallpass.New(hallpass.Config[appClaims]{
		Audience: "api", AccessTTL: time.Millisecond, MaxLifetime: -1, Sources: make([]hallpass.TokenSource, 1),
	})
	if err == nil {
		t.Fatal("it was taken")
	}
	for _, want := range []string{"Issuer is empty", "Keys is nil", "AccessTTL", "MaxLifetime", "Sources"} {
		if strings.Count(err.Error(), want) != 1 {
			t.Errorf("%q is said %d times in\n%v", want, strings.Count(err.Error(), want), err)
		}
	}
}

// A session whose token cannot be signed does not begin.
func TestStartSession_leavesNoSessionWithoutTokens(t *testing.T) {
	a := newAPI(t, nil)
	a.users.SetGrant("alice", grant{Scopes: []string{"no scope"}})
	for _, subject := range []string{"alice", ""} {
		if _, err := a.StartSession(t.Context(), subject, hallpass.Client{}); err == nil {
			t.Errorf("%q: no error", subject)
		}
		if s, err := a.Sessions(t.Context(), subject, "", 10); err != nil || len(s) != 0 {
			t.Errorf("%q: %d sessions, %v", subject, len(s), err)
		}
	}
}
