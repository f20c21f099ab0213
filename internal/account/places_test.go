package account_test

import (
	"fmt"
	"path/filepath"
	"testing"
	"time"

	"github.com/hallpass-go/hallpass/internal/account"
	"github.com/hallpass-go/hallpass/password"
)

// Places are in the database, a bounded number for each user and for a bounded time, and go with the
// user.
func TestPlaces(t *testing.T) {
	now := start
	db := openDatabase(t, filepath.Join(t.TempDir(), "test.db"))
	governor, err := password.NewGovernor(password.GovernorConfig{Params: cheap, MaxWait: time.Minute})
	if err != nil {
		t.Fatal(err)
	}
	open := func() *account.Accounts {
		a, err := account.New(t.Context(), account.Config{
			DB: db, Passwords: governor, Now: func() time.Time { return now },
		})
		if err != nil {
			t.Fatal(err)
		}
		return a
	}
	a := open()
	users := map[string]string{}
	for _, name := range []string{"anna", "bert"} {
		u, err := a.Create(t.Context(), account.NewUser{Username: name, Password: secret})
		if err != nil {
			t.Fatal(err)
		}
		users[name] = u.ID
	}
	add := func(name, place string) {
		t.Helper()
		if err := a.Places().Add(t.Context(), account.UserLimitKey(users[name]), place); err != nil {
			t.Fatal(err)
		}
	}
	want := func(what, name, place string, want bool) {
		t.Helper()
		for _, a := range []*account.Accounts{a, open()} { // another process sees the same
			got, err := a.Places().Has(t.Context(), account.UserLimitKey(users[name]), place)
			if err != nil || got != want {
				t.Errorf("%s: %s from %s: %v %v, want %v", what, name, place, got, err, want)
			}
		}
	}
	sweep := func() {
		t.Helper()
		if _, err := a.Sweep(t.Context(), now, 100); err != nil {
			t.Fatal(err)
		}
	}
	add("anna", "home")
	want("after a login", "anna", "home", true)
	want("after a login", "anna", "work", false)
	want("after a login", "bert", "home", false)
	if has, err := a.Places().Has(t.Context(), "name:nobody", "home"); has || err != nil {
		t.Errorf("a name that nobody has: %v %v", has, err)
	}

	for i := range 100 {
		now = now.Add(time.Second)
		add("bert", fmt.Sprint("place ", i))
	}
	want("beside another's", "anna", "home", true)
	want("of many", "bert", "place 67", false)
	want("of many", "bert", "place 68", true)
	want("of many", "bert", "place 99", true)

	now = now.Add(60 * 24 * time.Hour)
	add("anna", "home")
	now = now.Add(60 * 24 * time.Hour)
	sweep()
	want("after 60 days", "anna", "home", true)
	want("after 120 days", "bert", "place 99", false)
	now = now.Add(31 * 24 * time.Hour)
	sweep()
	want("after 91 days", "anna", "home", false)

	add("anna", "home")
	if _, err := a.Delete(t.Context(), users["anna"]); err != nil {
		t.Fatal(err)
	}
	want("after the user's end", "anna", "home", false)
	if err := a.Places().Add(t.Context(), account.UserLimitKey(users["anna"]), "home"); err == nil {
		t.Error("a user who is gone has a place")
	}
}
