package server_test

import (
	"encoding/base64"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/hallpass-go/hallpass/internal/server"
	"github.com/hallpass-go/hallpass/internal/sqldb"
	"github.com/hallpass-go/hallpass/internal/users"
)

const (
	composed   = "\u00fcberm\u00e4\u00dfig s\u00fc\u00dfe Fr\u00fcchte"
	decomposed = "u\u0308berma\u0308\u00dfig su\u0308\u00dfe Fru\u0308chte" // as a Mac may send it

	// ofDecomposed is a hash at the costs of cheap that libargon2 made from the bytes of decomposed.
	ofDecomposed = "$argon2id$v=19$m=64,t=1,p=1$c2FsdHNhbHRzYWx0c2FsdA$A95l0awLammuifU0mnemzwtsY6mYLL6jH5hiQNDTwrI"
)

func basic(name, secret string) string {
	return "Authorization: Basic " + base64.StdEncoding.EncodeToString([]byte(name+":"+secret))
}

func TestPassword_everySpellingLogsIn(t *testing.T) {
	f := newFixture(t, options{})
	for name, set := range map[string]string{"anna": composed, "berta": decomposed} {
		id := f.do("POST /v1/users", credentials(name, set)).want(http.StatusCreated, "").str("id")
		var bearer string
		for _, secret := range []string{composed, decomposed, strings.ReplaceAll(composed, " ", "\u3000")} {
			f.do("POST /v1/login", "", basic(name, secret)).want(http.StatusOK, "")
			bearer = "Authorization: Bearer " +
				f.do("POST /v1/login", credentials(name, secret)).want(http.StatusOK, "").str("access_token")
			f.do("POST /v1/reauthenticate", `{"password":"`+secret+`"}`, bearer).want(http.StatusOK, "")
		}
		// The spelling of the current password does not matter, nor that of the new one.
		current := map[string]string{composed: decomposed, decomposed: composed}[set]
		change := `{"password":"Zwo\u0308lf Boxk\u00e4mpfer","current_password":"` + current + `"}`
		f.do("PATCH /v1/users/"+id, change, bearer).
			want(http.StatusOK, "")
		f.do("POST /v1/login", credentials(name, "Zw\u00f6lf Boxka\u0308mpfer")).want(http.StatusOK, "")
		f.do("POST /v1/login", credentials(name, set)).want(http.StatusUnauthorized, "invalid_credentials")
	}
}

func TestPassword_hashOfAnotherSpellingIsReplacedAtLogin(t *testing.T) {
	f := newFixture(t, options{})
	alice := f.join("alice")
	err := f.db.Write(t.Context(), func(tx *sqldb.Tx) error {
		_, err := tx.Exec("UPDATE users SET password_hash = ? WHERE id = ?", ofDecomposed, alice.id)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	f.do("POST /v1/login", credentials("alice", composed)).want(http.StatusUnauthorized, "invalid_credentials")
	f.do("POST /v1/login", credentials("alice", decomposed)).want(http.StatusOK, "")
	f.do("POST /v1/login", credentials("alice", composed)).want(http.StatusOK, "")
	f.do("POST /v1/login", credentials("alice", decomposed)).want(http.StatusOK, "")
}

func TestPassword_disallowedCharactersAreRefusedWhenItIsSetAndWrongAtLogin(t *testing.T) {
	f := newFixture(t, options{})
	alice := f.join("alice")
	usual := passwordOf("alice")
	for _, secret := range []string{usual + "\u2764\ufe0f", usual + "\t", "\u0378 " + usual} {
		for _, a := range []answer{
			f.do("POST /v1/users", credentials("bob", secret)),
			f.do("PATCH /v1/users/"+alice.id, strings.Replace(credentials("alice", secret), `"username":"alice"`,
				`"current_password":"`+passwordOf("alice")+`"`, 1), alice.bearer()),
		} {
			a.want(http.StatusUnprocessableEntity, "validation_failed")
			if !strings.Contains(a.Body, `"field":"password","code":"disallowed"`) ||
				!strings.Contains(a.Body, "RFC 8265") {
				t.Errorf("%+q: %s", secret, a.Body)
			}
		}
		wrong := f.do("POST /v1/login", credentials("alice", "wrong"))
		a := f.do("POST /v1/login", credentials("alice", secret)).want(http.StatusUnauthorized, "invalid_credentials")
		if got, want := withoutID(a), withoutID(wrong); got != want {
			t.Errorf("%+q: %s, but for a wrong one %s", secret, got, want)
		}
	}
}

// withoutID is the body without what is different in every answer.
func withoutID(a answer) string { return strings.ReplaceAll(a.Body, a.str("request_id"), "") }

func TestPassword_twoSpellingsAreOneGuess(t *testing.T) {
	f := newFixture(t, options{config: func(c *server.Config) {
		c.Limits.LoginAccount = users.Limit{Burst: 3, Per: time.Minute}
	}})
	f.join("alice")
	for range 3 {
		f.do("POST /v1/login", credentials("alice", decomposed)).want(http.StatusUnauthorized, "invalid_credentials")
	}
	f.do("POST /v1/login", credentials("alice", decomposed)).want(http.StatusTooManyRequests, "rate_limited")
}
