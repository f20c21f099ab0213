package account_test

import (
	"context"
	"errors"
	"path/filepath"
	"sync"
	"testing"

	"github.com/hallpass-go/hallpass/internal/account"
	"github.com/hallpass-go/hallpass/internal/sqldb"
)

// removals are the ways to take the admin role's rights from a user.
var removals = map[string]func(ctx context.Context, a *account.Accounts, id string) error{
	"set roles": func(ctx context.Context, a *account.Accounts, id string) error {
		_, err := a.SetRoles(ctx, id, []string{"user"})
		return err
	},
	"disable": func(ctx context.Context, a *account.Accounts, id string) error {
		_, err := a.SetDisabled(ctx, id, true)
		return err
	},
	"delete": func(ctx context.Context, a *account.Accounts, id string) error {
		_, err := a.Delete(ctx, id)
		return err
	},
}

func TestLastAdmin_stays(t *testing.T) {
	for name, remove := range removals {
		t.Run(name, func(t *testing.T) {
			a, _ := newAccounts(t)
			create(t, a, "plain")
			admin, other := create(t, a, "admin", account.AdminRole), create(t, a, "other", account.AdminRole)
			if _, err := a.SetDisabled(t.Context(), other.ID, true); err != nil {
				t.Fatal(err)
			}
			if err := remove(t.Context(), a, admin.ID); !errors.Is(err, account.ErrLastAdmin) {
				t.Errorf("the only one who is enabled: err = %v, want ErrLastAdmin", err)
			}
			if u, err := a.User(t.Context(), admin.ID); err != nil || u.Disabled || len(u.Roles) != 1 ||
				u.Roles[0] != account.AdminRole {
				t.Errorf("afterwards %+v, %v", u, err)
			}
			if _, err := a.SetDisabled(t.Context(), other.ID, false); err != nil {
				t.Fatal(err)
			}
			if err := remove(t.Context(), a, admin.ID); err != nil {
				t.Errorf("one of two: %v", err)
			}
			if err := remove(t.Context(), a, other.ID); !errors.Is(err, account.ErrLastAdmin) {
				t.Errorf("the other of two: err = %v, want ErrLastAdmin", err)
			}
		})
	}
}

func TestLastAdmin_staysWhenAllAreRemovedAtOnce(t *testing.T) {
	const admins = 6
	for name, remove := range removals {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "test.db")
			processes := []*account.Accounts{
				openAccounts(t, openDatabase(t, path), cheap),
				openAccounts(t, openDatabase(t, path), cheap),
			}
			var ids []string
			for i := range admins {
				ids = append(ids, create(t, processes[0], "admin"+string(rune('0'+i)), account.AdminRole).ID)
			}
			errs := make([]error, admins)
			var ready, done sync.WaitGroup
			ready.Add(1)
			for i, id := range ids {
				done.Go(func() {
					ready.Wait()
					errs[i] = remove(context.Background(), processes[i%2], id)
				})
			}
			ready.Done()
			done.Wait()
			kept := 0
			for _, err := range errs {
				if errors.Is(err, account.ErrLastAdmin) {
					kept++
				} else if err != nil {
					t.Error(err)
				}
			}
			if kept != 1 {
				t.Errorf("%d administrators were kept, want 1", kept)
			}
		})
	}
}

func TestLastAdmin_doesNotHinderOthers(t *testing.T) {
	for name, remove := range removals {
		t.Run(name, func(t *testing.T) {
			a, _ := newAccounts(t)
			admin, plain := create(t, a, "admin", account.AdminRole), create(t, a, "plain")
			err := remove(t.Context(), a, plain.ID)
			if err != nil && !errors.Is(err, account.ErrUnchanged) { // they have no roles to lose
				t.Errorf("a plain user: %v", err)
			}
			if _, err := a.SetRoles(t.Context(), admin.ID, []string{"user", account.AdminRole}); err != nil {
				t.Errorf("other roles for the last administrator: %v", err)
			}
			if _, err := a.SetDisabled(t.Context(), admin.ID, false); !errors.Is(err, account.ErrUnchanged) {
				t.Errorf("enabling the last administrator: %v", err)
			}
		})
	}
}

// A disabled user does not count as an administrator, even if another program wrote that state to
// the database.
func TestLastAdmin_isNotOneWhoIsDisabled(t *testing.T) {
	for name, remove := range removals {
		t.Run(name, func(t *testing.T) {
			a, db := newAccounts(t)
			disabled := create(t, a, "disabled", account.AdminRole)
			execute(t, db, "UPDATE users SET disabled = 1")
			err := remove(t.Context(), a, disabled.ID)
			if err != nil && !errors.Is(err, account.ErrUnchanged) {
				t.Errorf("a disabled administrator: %v", err)
			}
		})
	}
}

func TestHasAdmin_looksForOneWhoIsEnabled(t *testing.T) {
	a, db := newAccounts(t)
	expect := func(when string, want bool) {
		t.Helper()
		if got, err := a.HasAdmin(t.Context()); err != nil || got != want {
			t.Errorf("%s: %v, %v, want %v", when, got, err, want)
		}
	}
	expect("without users", false)
	create(t, a, "plain")
	expect("with a plain user", false)
	create(t, a, "admin", account.AdminRole)
	expect("with an administrator", true)
	execute(t, db, "UPDATE users SET disabled = 1")
	expect("with one who is disabled", false)
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := a.HasAdmin(t.Context()); !errors.Is(err, sqldb.ErrUnavailable) {
		t.Errorf("err = %v, want sqldb.ErrUnavailable", err)
	}
}
