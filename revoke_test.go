package hallpass_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/hallpass-go/hallpass"
)

// What README says of a change of password holds for a program with users of its own: a log-in that
// looked at the old password gets no session, the other sessions end, and the one that stays goes
// on with the tokens returned.
func TestChangePassword_library(t *testing.T) {
	a := newAPI(t, nil)
	kept, other := a.login("alice"), a.login("alice")
	var tokens hallpass.Tokens
	looked := 0
	_, err := a.LogIn(t.Context(), hallpass.Client{}, func(ctx context.Context) (string, *grant, error) {
		if looked++; looked > 1 {
			return "", nil, hallpass.ErrInvalidCredentials // it has changed
		}
		changed := false
		var err error
		tokens, err = a.ChangePassword(ctx, "alice", kept.String(t, "session_id"), hallpass.Client{},
			func(context.Context) error { changed = true; return nil })
		if err != nil || !changed {
			t.Fatalf("changed %v, %v", changed, err)
		}
		return "alice", nil, nil
	})
	if !errors.Is(err, hallpass.ErrInvalidCredentials) {
		t.Errorf("a log-in from before the change: %v, want ErrInvalidCredentials", err)
	}
	a.do("GET /func", "", bearer(other.String(t, "access_token"))).want(t, 401, "token_revoked")
	a.do("GET /func", "", bearer(kept.String(t, "access_token"))).want(t, 200, "")
	a.refresh(tokens.RefreshToken).want(t, 200, "")
	a.clock.Advance(time.Minute)
	a.refresh(kept.String(t, "refresh_token")).want(t, 401, "refresh_token_reused")
}

// A change that fails ends nothing.
func TestChangePassword_thatFailsEndsNothing(t *testing.T) {
	a := newAPI(t, nil)
	kept, other := a.login("alice"), a.login("alice")
	refused := errors.New("refused")
	_, err := a.ChangePassword(t.Context(), "alice", kept.String(t, "session_id"), hallpass.Client{},
		func(context.Context) error { return refused })
	if !errors.Is(err, refused) {
		t.Errorf("ChangePassword: %v, want the error of the change", err)
	}
	for _, s := range []answer{kept, other} {
		a.do("GET /func", "", bearer(s.String(t, "access_token"))).want(t, 200, "")
		a.refresh(s.String(t, "refresh_token")).want(t, 200, "")
	}
}

// A password that changes while it is looked at, at log-in and at step-up, is not taken.
func TestLogin_passwordThatChangesMeanwhile(t *testing.T) {
	var a *api
	change := func(string) {}
	a = newAPI(t, func(c *hallpass.Config[appClaims]) {
		authenticate, check := c.Authenticate, c.CheckPassword
		c.Authenticate = func(ctx context.Context, l hallpass.Login) (string, error) {
			subject, err := authenticate(ctx, l)
			change(subject)
			return subject, err
		}
		c.CheckPassword = func(ctx context.Context, subject, password string, client hallpass.Client) error {
			err := check(ctx, subject, password, client)
			change(subject)
			return err
		}
	})
	login := a.login("alice")
	change = func(subject string) {
		a.users.mu.Lock()
		a.users.password["alice"] = "another password"
		a.users.mu.Unlock()
		if err := a.RevokeOtherSessions(t.Context(), subject, login.String(t, "session_id")); err != nil {
			t.Error(err)
		}
		change = func(string) {}
	}
	a.do("POST /auth/reauthenticate", `{"password":"alice's password"}`, bearer(login.String(t, "access_token"))).
		want(t, 401, "invalid_credentials")
	change = func(subject string) {
		a.users.mu.Lock()
		a.users.password["alice"] = "a third password"
		a.users.mu.Unlock()
		if err := a.RevokeOtherSessions(t.Context(), subject, ""); err != nil {
			t.Error(err)
		}
		change = func(string) {}
	}
	a.do("POST /auth/login", `{"username":"alice","password":"another password"}`).want(t, 401, "invalid_credentials")
}

// A session of somebody else goes on with nobody's new password, and nothing changes.
func TestChangePassword_wantsASessionOfTheSubject(t *testing.T) {
	a := newAPI(t, nil)
	alice, bob := a.login("alice"), a.login("bob")
	changed := false
	_, err := a.ChangePassword(t.Context(), "alice", bob.String(t, "session_id"), hallpass.Client{},
		func(context.Context) error { changed = true; return nil })
	if !errors.Is(err, hallpass.ErrTokenRevoked) || changed {
		t.Errorf("changed %v, %v", changed, err)
	}
	a.do("GET /func", "", bearer(alice.String(t, "access_token"))).want(t, 200, "")
}
