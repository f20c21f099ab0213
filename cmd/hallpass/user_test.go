package main

import (
	"context"
	"path/filepath"
	"strings"
	"testing"

	"github.com/hallpass-go/hallpass/internal/sqldb"
	"github.com/hallpass-go/hallpass/internal/users"
)

// If an administrator means one user's ID, the command never finds another user with this ID as
// their name. Older programs allowed such names.
func TestFindUser_anIDIsAnID(t *testing.T) {
	c := commands{}
	c.Data = filepath.Join(t.TempDir(), "data")
	in, err := c.open(t.Context(), openOptions{})
	if err != nil {
		t.Fatal(err)
	}
	defer in.Close()
	made := map[string]string{}
	for _, name := range []string{"victim", "thief"} {
		u, err := in.accounts.Create(t.Context(), users.NewUser{Username: name, Password: "seven green herons wade"})
		if err != nil {
			t.Fatal(err)
		}
		made[name] = u.ID
	}
	err = in.db.Write(t.Context(), func(tx *sqldb.Tx) error {
		_, err := tx.Exec("UPDATE users SET username = ?, username_key = ? WHERE id = ?",
			made["victim"], made["victim"], made["thief"])
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	std := streams{in: strings.NewReader(""), out: &strings.Builder{}, err: &strings.Builder{}}
	err = (&userSetRolesCommand{userArgument: userArgument{made["victim"]}, Role: []string{"admin"}}).Run(
		t.Context(),
		&c,
		std,
	)
	if err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]string{"victim": "admin", "thief": "user"} {
		u, err := in.accounts.User(context.Background(), made[name])
		if err != nil || len(u.Roles) != 1 || u.Roles[0] != want {
			t.Errorf("%s has the roles %q (%v), want %s", name, u.Roles, err, want)
		}
	}
	if _, err := in.accounts.Delete(t.Context(), made["thief"]); err != nil {
		t.Fatal(err)
	}
	if u, err := in.findUser(t.Context(), made["thief"]); err == nil {
		t.Errorf("the ID of a deleted user finds %s", u.ID)
	}
}
