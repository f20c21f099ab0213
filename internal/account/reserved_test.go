package account_test

import (
	"context"
	"errors"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/hallpass-go/hallpass/internal/account"
	"github.com/hallpass-go/hallpass/internal/sqldb"
	"github.com/hallpass-go/hallpass/internal/uid"
	"github.com/hallpass-go/hallpass/password"
)

// movable returns accounts with a clock that the test moves.
func movable(t *testing.T) (*account.Accounts, *sqldb.DB, *time.Time) {
	t.Helper()
	db := openDatabase(t, filepath.Join(t.TempDir(), "test.db"))
	governor, err := password.NewGovernor(password.GovernorConfig{Params: cheap, MaxWait: time.Minute})
	if err != nil {
		t.Fatal(err)
	}
	now := start
	a, err := account.New(context.Background(), account.Config{
		DB: db, Passwords: governor, Now: func() time.Time { return now },
	})
	if err != nil {
		t.Fatal(err)
	}
	return a, db, &now
}

func rename(t *testing.T, a *account.Accounts, id, name string) error {
	t.Helper()
	_, err := a.Update(t.Context(), id, account.Changes{Username: &name})
	return err
}

func signUp(t *testing.T, a *account.Accounts, name string) error {
	t.Helper()
	_, err := a.Create(t.Context(), account.NewUser{Username: name, Password: secret})
	return err
}

func TestUpdate_oldNameStaysReservedForATime(t *testing.T) {
	a, db, now := movable(t)
	anna, bert := create(t, a, "Straße"), create(t, a, "bert")
	if err := rename(t, a, anna.ID, "STRASSE"); err != nil { // another spelling of the same name
		t.Fatal(err)
	}
	if n := reserved(t, db); n != 0 {
		t.Errorf("%d names are reserved after a change of spelling", n)
	}
	if err := rename(t, a, anna.ID, "anna"); err != nil {
		t.Fatal(err)
	}
	taken := func(when string) {
		t.Helper()
		for _, name := range []string{"straße", "STRASSE"} {
			if err := signUp(t, a, name); !errors.Is(err, account.ErrUsernameTaken) {
				t.Errorf("%s: sign-up with %s: %v", when, name, err)
			}
			if err := rename(t, a, bert.ID, name); !errors.Is(err, account.ErrUsernameTaken) {
				t.Errorf("%s: another user's rename to %s: %v", when, name, err)
			}
		}
	}
	taken("at once")
	*now = start.Add(account.NameReserved - time.Second)
	taken("after 30 days less a second")
	if err := rename(t, a, anna.ID, "strasse"); err != nil {
		t.Errorf("who had the name cannot take it back: %v", err)
	}
	if err := rename(t, a, anna.ID, "anna"); err != nil {
		t.Errorf("back again: %v", err)
	}
	*now = now.Add(account.NameReserved - time.Second)
	taken("30 days less a second after the second rename")
	*now = now.Add(time.Second)
	if err := rename(t, a, bert.ID, "straße"); err != nil {
		t.Errorf("after 30 days: %v", err)
	}
}

func TestDelete_freesTheName(t *testing.T) {
	a, _, _ := movable(t)
	u := create(t, a, "anna")
	if _, err := a.Delete(t.Context(), u.ID); err != nil {
		t.Fatal(err)
	}
	if _, err := authenticate(t.Context(), a, "anna", secret); !errors.Is(err, account.ErrCredentials) {
		t.Errorf("err = %v, want ErrCredentials", err)
	}
	if again := create(t, a, "anna"); again.ID == u.ID {
		t.Error("the name's next user has the ID of the one before")
	}
}

// A failed rename reserves neither the old name nor the new one.
func TestUpdate_failedRenameReservesNothing(t *testing.T) {
	a, db, _ := movable(t)
	anna := create(t, a, "anna")
	create(t, a, "bert")
	if err := rename(t, a, anna.ID, "bert"); !errors.Is(err, account.ErrUsernameTaken) {
		t.Fatal(err)
	}
	if n := reserved(t, db); n != 0 {
		t.Errorf("%d names are reserved", n)
	}
}

func reserved(t *testing.T, db *sqldb.DB) (n int) {
	t.Helper()
	if err := db.QueryRow(t.Context(), "SELECT count(*) FROM reserved_names").Scan(&n); err != nil {
		t.Fatal(err)
	}
	return n
}

func TestSweep_deletesReservationsThatAreOver(t *testing.T) {
	a, db, now := movable(t)
	u := create(t, a, "name0")
	for _, name := range []string{"name1", "name2", "name3", "name4"} {
		if err := rename(t, a, u.ID, name); err != nil {
			t.Fatal(err)
		}
		*now = now.Add(time.Hour)
	}
	for _, c := range []struct {
		at                time.Duration
		limit, want, left int
	}{
		{account.NameReserved - time.Second, 10, 0, 4},
		{account.NameReserved + 2*time.Hour, 2, 2, 2},
		{account.NameReserved + 2*time.Hour, 2, 1, 1},
		{account.NameReserved + 2*time.Hour, 2, 0, 1},
	} {
		if n, err := a.Sweep(t.Context(), start.Add(c.at), c.limit); err != nil || n != c.want ||
			reserved(t, db) != c.left {
			t.Errorf("at %v: swept %d, %v, left %d; want %d, left %d", c.at, n, err, reserved(t, db), c.want, c.left)
		}
	}
}

func TestCreate_refusesANameWithTheShapeOfAnID(t *testing.T) {
	a, db := newAccounts(t)
	anna := create(t, a, "anna")
	last := anna.ID[:uid.Len-1] + "1" // a typo that is easy to miss; no ID has this form
	for _, name := range []string{
		anna.ID, strings.ToUpper(anna.ID), last, uid.New(start),
		strings.Repeat("ａ", uid.Len), strings.Repeat("v", uid.Len),
	} {
		_, err := a.Create(t.Context(), account.NewUser{Username: name, Password: secret})
		if got := problems(t, err); !slices.Equal(got, []string{"username looks_like_id"}) {
			t.Errorf("sign-up with %s: %q", name, got)
		}
		if got := problems(t, rename(t, a, anna.ID, name)); !slices.Equal(got, []string{"username looks_like_id"}) {
			t.Errorf("rename to %s: %q", name, got)
		}
	}
	if n := count(t, db); n != 1 {
		t.Errorf("%d users, want 1", n)
	}
	for _, name := range []string{anna.ID + "0", anna.ID[1:], strings.Repeat("w", uid.Len),
		anna.ID[:20] + "-" + anna.ID[21:]} {
		create(t, a, name)
	}
}

// Before names like IDs were refused, somebody could take a victim's ID as a name. This must not
// give them anything that is meant for the victim.
func TestFind_anIDIsAnID(t *testing.T) {
	a, db := newAccounts(t)
	victim, thief := create(t, a, "victim"), create(t, a, "thief")
	unused := uid.New(start)
	for _, name := range []string{victim.ID, unused} {
		execute(t, db, "UPDATE users SET username = ?, username_key = ? WHERE id = ?", name, name, thief.ID)
		for _, c := range []struct{ text, want string }{
			{victim.ID, victim.ID}, {strings.ToUpper(victim.ID), victim.ID}, {thief.ID, thief.ID},
			{"victim", victim.ID}, {"VICTIM", victim.ID},
			{unused, ""}, {strings.ToUpper(unused), ""}, {"thief", ""}, {"", ""}, {"no name", ""},
		} {
			u, err := a.Find(t.Context(), c.text)
			if u.ID != c.want || (c.want == "") != errors.Is(err, account.ErrNotFound) {
				t.Errorf("named %s, %q finds %q, %v, want %q", name, c.text, u.ID, err, c.want)
			}
		}
		if u, err := authenticate(t.Context(), a, name, secret); err != nil || u.ID != thief.ID {
			t.Errorf("who has such a name cannot log in any more: %v", err)
		}
	}
}

func TestLimitKey_survivesARename(t *testing.T) {
	a, db, _ := movable(t)
	anna := create(t, a, "anna")
	key := func(name string) string {
		t.Helper()
		claimant, err := a.Claimant(t.Context(), name)
		if err != nil {
			t.Fatal(err)
		}
		return claimant.LimitKey
	}
	before := key("anna")
	if before == "" || before != key("ANNA") || before != account.UserLimitKey(anna.ID) {
		t.Errorf("keys %q, %q and %q", before, key("ANNA"), account.UserLimitKey(anna.ID))
	}
	if err := rename(t, a, anna.ID, "annemarie"); err != nil {
		t.Fatal(err)
	}
	if after := key("Annemarie"); after != before {
		t.Errorf("the key was %q and is %q", before, after)
	}
	// Names that nobody has are counted by themselves, separately from all IDs.
	if key("nobody") != key("NOBODY") || key("nobody") == key("nobody2") || key(anna.ID) == before ||
		key("no name") != "" {
		t.Errorf("keys %q %q %q %q", key("nobody"), key("nobody2"), key(anna.ID), key("no name"))
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := a.Claimant(t.Context(), "anna"); !errors.Is(err, sqldb.ErrUnavailable) {
		t.Errorf("err = %v, want ErrUnavailable", err)
	}
}
