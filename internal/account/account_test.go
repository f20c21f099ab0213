package account_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/hallpass-go/hallpass/internal/account"
	"github.com/hallpass-go/hallpass/internal/sqldb"
	"github.com/hallpass-go/hallpass/internal/testservers"
	"github.com/hallpass-go/hallpass/password"
	_ "modernc.org/sqlite"
)

func TestMain(m *testing.M) { os.Exit(testservers.Run(m)) }

const (
	secret      = "seven green herons wade"
	otherSecret = "nine copper kettles hum"
)

var start = time.Date(2026, 3, 1, 12, 0, 0, 123456789, time.UTC)

// cheap are parameters that make hashing fast enough for tests.
var cheap = password.Params{MemoryKiB: 64, Passes: 1, Lanes: 1, AllowWeak: true}

func openDatabase(t testing.TB, path string) *sqldb.DB {
	t.Helper()
	db, err := sqldb.Open(context.Background(), testservers.Database(t, path))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { db.Close() })
	return db
}

func openAccounts(t testing.TB, db *sqldb.DB, p password.Params) *account.Accounts {
	t.Helper()
	governor, err := password.NewGovernor(password.GovernorConfig{Params: p, MaxWait: time.Minute})
	if err != nil {
		t.Fatal(err)
	}
	a, err := account.New(context.Background(), account.Config{
		DB: db, Passwords: governor, Now: func() time.Time { return start },
	})
	if err != nil {
		t.Fatal(err)
	}
	return a
}

func newAccounts(t testing.TB) (*account.Accounts, *sqldb.DB) {
	t.Helper()
	db := openDatabase(t, filepath.Join(t.TempDir(), "test.db"))
	return openAccounts(t, db, cheap), db
}

func create(t testing.TB, a *account.Accounts, name string, roles ...string) account.User {
	t.Helper()
	u, err := a.Create(context.Background(), account.NewUser{Username: name, Password: secret, Roles: roles})
	if err != nil {
		t.Fatalf("creating %q: %v", name, err)
	}
	return u
}

func count(t testing.TB, db *sqldb.DB) int {
	t.Helper()
	var n int
	if err := db.QueryRow(context.Background(), "SELECT count(*) FROM users").Scan(&n); err != nil {
		t.Fatal(err)
	}
	return n
}

func execute(t testing.TB, db *sqldb.DB, statement string, args ...any) {
	t.Helper()
	err := db.Write(context.Background(), func(tx *sqldb.Tx) error {
		_, err := tx.Exec(statement, args...)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}

// problems returns "field code" for each problem of an InvalidError.
func problems(t testing.TB, err error) []string {
	t.Helper()
	var invalid *account.InvalidError
	if !errors.As(err, &invalid) {
		t.Fatalf("err = %v, want an InvalidError", err)
	}
	var list []string
	for _, f := range invalid.Fields {
		if f.Detail == "" {
			t.Errorf("%s %s: no detail", f.Field, f.Code)
		}
		list = append(list, f.Field+" "+f.Code)
	}
	return list
}

func pointer(s string) *string { return &s }

func TestCreate_givesTheUserThatIsStored(t *testing.T) {
	path := filepath.Join(t.TempDir(), "test.db")
	db := openDatabase(t, path)
	got, err := openAccounts(t, db, cheap).Create(t.Context(), account.NewUser{
		Username: "Ａnna", Email: "anna@example.org", Password: secret, Roles: []string{"user", "admin", "user"},
	})
	if err != nil {
		t.Fatal(err)
	}
	want := account.User{ID: got.ID, Username: "Ａnna", Email: "anna@example.org", Roles: []string{"admin", "user"},
		CreatedAt: start.Truncate(time.Microsecond)}
	if got.ID == "" || !reflect.DeepEqual(got, want) {
		t.Errorf("got  %+v\nwant %+v", got, want)
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	stored, err := openAccounts(t, openDatabase(t, path), cheap).User(t.Context(), got.ID)
	if err != nil || !reflect.DeepEqual(stored, want) {
		t.Errorf("stored %+v (%v)\nwant   %+v", stored, err, want)
	}
}

func TestCreate_givesTheRoleOfAUser(t *testing.T) {
	a, _ := newAccounts(t)
	if u := create(t, a, "anna"); !slices.Equal(u.Roles, []string{"user"}) {
		t.Errorf("roles = %q, want user", u.Roles)
	}
}

func TestCreate_listsAllProblemsAtOnce(t *testing.T) {
	a, db := newAccounts(t)
	_, err := a.Create(
		t.Context(),
		account.NewUser{Username: "an na", Email: "anna", Password: "brief", Roles: []string{"Admin"}},
	)
	want := []string{"username invalid", "email invalid", "password too_short", "roles invalid"}
	if got := problems(t, err); !slices.Equal(got, want) {
		t.Errorf("problems = %q, want %q", got, want)
	}
	for _, value := range []string{"an na", "brief", "Admin"} {
		if strings.Contains(err.Error(), value) {
			t.Errorf("the error tells %q", value)
		}
	}
	if n := count(t, db); n != 0 {
		t.Errorf("%d users, want none", n)
	}
}

func TestCreate_refusesAPasswordMadeOfTheName(t *testing.T) {
	a, _ := newAccounts(t)
	_, err := a.Create(t.Context(),
		account.NewUser{Username: "annemarie-wilhelmina", Password: "annemarie-wilhelmina"})
	if got := problems(t, err); !slices.Equal(got, []string{"password too_common"}) {
		t.Errorf("problems = %q", got)
	}
}

func TestCreate_ofOneNameManyTimesAtOnceGivesOneUser(t *testing.T) {
	const callers = 50
	path := filepath.Join(t.TempDir(), "test.db")
	processes := []*account.Accounts{
		openAccounts(t, openDatabase(t, path), cheap),
		openAccounts(t, openDatabase(t, path), cheap),
	}
	spellings := []string{"straße", "STRASSE", "Strasse", "ｓｔｒａｓｓｅ", "STRAẞE"}
	errs := make([]error, callers)
	var ready, done sync.WaitGroup
	ready.Add(1)
	for i := range callers {
		done.Go(func() {
			ready.Wait()
			_, errs[i] = processes[i%2].Create(context.Background(),
				account.NewUser{Username: spellings[i%5], Password: secret})
		})
	}
	ready.Done()
	done.Wait()
	winners := 0
	for _, err := range errs {
		switch {
		case err == nil:
			winners++
		case !errors.Is(err, account.ErrUsernameTaken):
			t.Error(err)
		}
	}
	if users, err := processes[0].List(t.Context(), "", 10); winners != 1 || len(users) != 1 {
		t.Errorf("%d calls succeeded and there are %d users (%v), want 1 and 1", winners, len(users), err)
	}
}

func TestCreate_allowsOneAddressTwice(t *testing.T) {
	a, _ := newAccounts(t)
	for _, name := range []string{"anna", "bert"} {
		if _, err := a.Create(t.Context(), account.NewUser{Username: name,
			Email: "both@example.org", Password: secret}); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestUser_neverCarriesTheHash(t *testing.T) {
	a, _ := newAccounts(t)
	u := create(t, a, "anna")
	found, err := a.UserByUsername(t.Context(), "ANNA")
	if err != nil || found.ID != u.ID {
		t.Fatalf("found %+v, %v", found, err)
	}
	for _, text := range []string{fmt.Sprintf("%+v", found), fmt.Sprintf("%#v", u)} {
		if strings.Contains(text, "argon2") || strings.Contains(text, secret) {
			t.Errorf("%s", text)
		}
	}
}

func TestUser_isNotFound(t *testing.T) {
	a, _ := newAccounts(t)
	create(t, a, "anna")
	_, byID := a.User(t.Context(), "anna")
	_, byName := a.UserByUsername(t.Context(), "bert")
	_, byBadName := a.UserByUsername(t.Context(), "an na")
	_, updated := a.Update(t.Context(), "x", account.Changes{Email: pointer("")})
	_, roles := a.SetRoles(t.Context(), "x", nil)
	_, disabled := a.SetDisabled(t.Context(), "x", true)
	_, deleted := a.Delete(t.Context(), "x")
	for i, err := range []error{byID, byName, byBadName, updated, roles, disabled, deleted} {
		if !errors.Is(err, account.ErrNotFound) {
			t.Errorf("%d: err = %v, want ErrNotFound", i, err)
		}
	}
}

func TestUpdate_changesWhatIsGivenAlone(t *testing.T) {
	a, _ := newAccounts(t)
	u := create(t, a, "anna", "user", "editor")
	want := u
	for _, step := range []struct {
		name    string
		changes account.Changes
		apply   func()
	}{
		{"nothing", account.Changes{}, func() {}},
		{"e-mail", account.Changes{Email: pointer("a@example.org")}, func() { want.Email = "a@example.org" }},
		{"username", account.Changes{Username: pointer("Berta")}, func() { want.Username = "Berta" }},
		{"spelling", account.Changes{Username: pointer("BERTA")}, func() { want.Username = "BERTA" }},
		{"password", account.Changes{Password: pointer(otherSecret)}, func() {}},
		{"no e-mail", account.Changes{Email: pointer("")}, func() { want.Email = "" }},
	} {
		step.apply()
		got, err := a.Update(t.Context(), u.ID, step.changes)
		if step.name == "nothing" && errors.Is(err, account.ErrUnchanged) {
			err = nil
		}
		if err != nil || !reflect.DeepEqual(got, want) {
			t.Errorf("%s: %+v, %v, want %+v", step.name, got, err, want)
		}
		if stored, err := a.User(t.Context(), u.ID); err != nil || !reflect.DeepEqual(stored, want) {
			t.Errorf("%s: stored %+v, %v, want %+v", step.name, stored, err, want)
		}
	}
	if _, err := authenticate(t.Context(), a, "berta", otherSecret); err != nil {
		t.Errorf("the new name and password: %v", err)
	}
	if _, err := authenticate(t.Context(), a, "berta", secret); !errors.Is(err, account.ErrCredentials) {
		t.Errorf("the old password: err = %v, want ErrCredentials", err)
	}
	if _, err := authenticate(t.Context(), a, "anna", otherSecret); !errors.Is(err, account.ErrCredentials) {
		t.Errorf("the old name: err = %v, want ErrCredentials", err)
	}
}

func TestUpdate_changesNothingWhenItFails(t *testing.T) {
	a, _ := newAccounts(t)
	create(t, a, "bert")
	u := create(t, a, "anna")
	_, err := a.Update(
		t.Context(),
		u.ID,
		account.Changes{Username: pointer("BERT"), Email: pointer("a@example.org"), Password: pointer(otherSecret)},
	)
	if !errors.Is(err, account.ErrUsernameTaken) {
		t.Errorf("err = %v, want ErrUsernameTaken", err)
	}
	_, err = a.Update(t.Context(), u.ID,
		account.Changes{Username: pointer(""), Email: pointer("@"), Password: pointer("")})
	want := []string{"username too_short", "email invalid", "password too_short"}
	if got := problems(t, err); !slices.Equal(got, want) {
		t.Errorf("problems = %q, want %q", got, want)
	}
	if stored, err := a.User(t.Context(), u.ID); err != nil || !reflect.DeepEqual(stored, u) {
		t.Errorf("stored %+v, %v, want %+v", stored, err, u)
	}
	if _, err := authenticate(t.Context(), a, "anna", secret); err != nil {
		t.Errorf("the password: %v", err)
	}
}

func TestUpdate_checksThePasswordAgainstTheNameThatTheUserHas(t *testing.T) {
	a, _ := newAccounts(t)
	u := create(t, a, "annemarie-wilhelmina")
	_, err := a.Update(t.Context(), u.ID, account.Changes{Password: pointer("annemarie-wilhelmina")})
	if got := problems(t, err); !slices.Equal(got, []string{"password too_common"}) {
		t.Errorf("problems = %q", got)
	}
}

func TestList_givesEachUserOnceInOrder(t *testing.T) {
	a, _ := newAccounts(t)
	var want []string
	for i := range 7 {
		want = append(want, create(t, a, fmt.Sprintf("user%d", i)).ID)
	}
	slices.Sort(want) // all were made in the same millisecond
	var got []string
	for after := ""; ; {
		page, err := a.List(t.Context(), after, 3)
		if err != nil {
			t.Fatal(err)
		}
		if len(page) > 3 {
			t.Fatalf("a page of %d users, want at most 3", len(page))
		}
		for _, u := range page {
			got = append(got, u.ID)
		}
		if len(page) < 3 {
			break
		}
		after = page[2].ID
	}
	if !slices.Equal(got, want) {
		t.Errorf("got  %q\nwant %q", got, want)
	}
}

func TestSetRoles_givesExactlyThose(t *testing.T) {
	a, _ := newAccounts(t)
	u := create(t, a, "anna")
	got, err := a.SetRoles(t.Context(), u.ID, []string{"editor", "b_2", "editor", "a-1"})
	if err != nil || !slices.Equal(got.Roles, []string{"a-1", "b_2", "editor"}) {
		t.Errorf("roles = %q, %v", got.Roles, err)
	}
	got, err = a.SetRoles(t.Context(), u.ID, nil)
	if err != nil || got.Roles == nil || len(got.Roles) != 0 {
		t.Errorf("no roles: %#v, %v", got.Roles, err)
	}
}

func TestSetRoles_refusesWhatIsNoRole(t *testing.T) {
	a, _ := newAccounts(t)
	u := create(t, a, "anna")
	var many []string
	for i := range 17 {
		many = append(many, fmt.Sprint("role", i))
	}
	for name, roles := range map[string][]string{
		"empty": {""}, "blank": {"a b"}, "capital": {"Admin"}, "long": {strings.Repeat("a", 33)},
		"line feed": {"admin\n"},
		"umlaut":    {"ä"}, "comma": {"a,b"}, "one bad of two": {"user", "*"}, "many": many,
	} {
		_, err := a.SetRoles(t.Context(), u.ID, roles)
		if got := problems(t, err); len(got) != 1 {
			t.Errorf("%s: problems = %q, want one", name, got)
		}
	}
	if _, err := a.SetRoles(t.Context(), u.ID, append(many[:15], strings.Repeat("a", 32))); err != nil {
		t.Errorf("16 roles: %v", err)
	}
	if _, err := a.SetRoles(t.Context(), u.ID, slices.Repeat([]string{"user"}, 40)); err != nil {
		t.Errorf("one role 40 times: %v", err)
	}
}

func TestAccounts_sayWhenTheDatabaseCannotBeAsked(t *testing.T) {
	a, db := newAccounts(t)
	u := create(t, a, "anna")
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	_, created := a.Create(t.Context(), account.NewUser{Username: "bert", Password: secret})
	_, authenticated := authenticate(t.Context(), a, "anna", secret)
	_, unknown := authenticate(t.Context(), a, "nobody", secret)
	_, checked := a.CheckPassword(t.Context(), u.ID, secret)
	_, read := a.User(t.Context(), u.ID)
	_, byName := a.UserByUsername(t.Context(), "anna")
	_, listed := a.List(t.Context(), "", 5)
	_, updated := a.Update(t.Context(), u.ID, account.Changes{Email: pointer("")})
	_, roles := a.SetRoles(t.Context(), u.ID, nil)
	_, disabled := a.SetDisabled(t.Context(), u.ID, true)
	_, deleted := a.Delete(t.Context(), u.ID)
	for i, err := range []error{created, authenticated, unknown, checked, read, byName,
		listed, updated, roles, disabled, deleted} {
		if !errors.Is(err, sqldb.ErrUnavailable) || errors.Is(err, account.ErrCredentials) ||
			errors.Is(err, account.ErrNotFound) {
			t.Errorf("%d: err = %v, want sqldb.ErrUnavailable alone", i, err)
		}
	}
}

func TestNew_refusesAnIncompleteConfig(t *testing.T) {
	if _, err := account.New(t.Context(), account.Config{}); err == nil {
		t.Error("no database and no passwords: opened")
	}
}

// A taken name is reported before anything is hashed, so many attempts do not slow down logins.
func TestCreate_takenNameCostsNoHash(t *testing.T) {
	db := openDatabase(t, filepath.Join(t.TempDir(), "test.db"))
	create(t, openAccounts(t, db, cheap), "anna")
	busy, err := password.NewGovernor(password.GovernorConfig{Workers: 1, MaxWait: time.Millisecond, Params: cheap})
	if err != nil {
		t.Fatal(err)
	}
	a, err := account.New(t.Context(), account.Config{DB: db, Passwords: busy})
	if err != nil {
		t.Fatal(err)
	}
	long, err := password.Params{MemoryKiB: 256 << 10, Passes: 4}.Hash(secret)
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() { defer close(done); _ = busy.Check(ctx, long, secret) }()
	for busy.Stats().Running == 0 {
		time.Sleep(time.Millisecond)
	}
	if _, err := a.Create(t.Context(), account.NewUser{Username: "Anna", Password: secret}); !errors.Is(
		err,
		account.ErrUsernameTaken,
	) {
		t.Errorf("a taken name: %v, want ErrUsernameTaken", err)
	}
	if _, err := a.Create(t.Context(), account.NewUser{Username: "bert", Password: secret}); !errors.Is(
		err,
		password.ErrOverloaded,
	) {
		t.Errorf("a free name, while nothing can be hashed: %v, want ErrOverloaded", err)
	}
	stop()
	<-done
}
