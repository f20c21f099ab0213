package account_test

import (
	"cmp"
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/crypto/argon2"

	"github.com/hallpass-go/hallpass/internal/account"
	"github.com/hallpass-go/hallpass/internal/sqldb"
	"github.com/hallpass-go/hallpass/password"
)

// One password in two spellings: in NFC, and as a Mac may send it.
const (
	composed   = "sieben gr\u00fcne Fr\u00f6sche"
	decomposed = "sieben gru\u0308ne Fro\u0308sche"
)

// legacyHash is a hash of the bytes of secret, as it was made before passwords were prepared.
func legacyHash(secret string, p password.Params) string {
	const salt = "saltsaltsaltsalt"
	tag := argon2.IDKey([]byte(secret), []byte(salt), p.Passes, p.MemoryKiB, 1, 32)
	return fmt.Sprintf("$argon2id$v=19$m=%d,t=%d,p=1$%s$%s", p.MemoryKiB, p.Passes,
		base64.RawStdEncoding.EncodeToString([]byte(salt)), base64.RawStdEncoding.EncodeToString(tag))
}

func setHash(t *testing.T, db *sqldb.DB, id, hash string) {
	t.Helper()
	execute(t, db, "UPDATE users SET password_hash = ? WHERE id = ?", hash, id)
}

func hashOf(t *testing.T, db *sqldb.DB, id string) string {
	t.Helper()
	var hash string
	if err := db.QueryRow(t.Context(), "SELECT password_hash FROM users WHERE id = ?", id).Scan(&hash); err != nil {
		t.Fatal(err)
	}
	return hash
}

// authenticate does a whole login.
func authenticate(ctx context.Context, a *account.Accounts, name, secret string) (account.User, error) {
	claimant, err := a.Claimant(ctx, name)
	if err != nil {
		return account.User{}, err
	}
	return a.Authenticate(ctx, claimant, secret)
}

func TestAuthenticate_takesTheNameInAnySpelling(t *testing.T) {
	a, _ := newAccounts(t)
	u := create(t, a, "Ångström")
	for _, name := range []string{"Ångström", "ångström", "ÅNGSTRÖM", "A\u030angstro\u0308m", "Ångström", "Åｎｇström"} {
		got, err := authenticate(t.Context(), a, name, secret)
		if err != nil || got.ID != u.ID {
			t.Errorf("%q: %+v, %v", name, got, err)
		}
	}
}

func TestAuthenticate_takesThePasswordExactlyAsItIs(t *testing.T) {
	a, _ := newAccounts(t)
	create(t, a, "anna")
	for name, wrong := range map[string]string{
		"empty": "", "another": otherSecret, "case": strings.ToUpper(secret), "blank after": secret + " ",
		"NUL after": secret + "\x00",
		"cut":       secret[:len(secret)-1], "longer": secret + secret, "very long": strings.Repeat(secret, 1000),
		"not UTF-8": "\xff", "one that RFC 8265 does not allow": secret + "\u2764\ufe0f",
	} {
		if _, err := authenticate(t.Context(), a, "anna", wrong); !errors.Is(err, account.ErrCredentials) {
			t.Errorf("%s: err = %v, want ErrCredentials", name, err)
		}
	}
}

func TestAuthenticate_saysTheSameOfUnknownWrongAndDisabled(t *testing.T) {
	a, _ := newAccounts(t)
	create(t, a, "anna")
	disabled := create(t, a, "disabled")
	if _, err := a.SetDisabled(t.Context(), disabled.ID, true); err != nil {
		t.Fatal(err)
	}
	for name, login := range map[string][2]string{
		"unknown":                          {"nobody", secret},
		"a name that cannot be":            {"no body", secret},
		"wrong":                            {"anna", otherSecret},
		"disabled with the right password": {"disabled", secret},
		"disabled with a wrong password":   {"disabled", otherSecret},
	} {
		u, err := authenticate(t.Context(), a, login[0], login[1])
		if err != account.ErrCredentials || u.ID != "" { // the value itself: nothing may be added to it
			t.Errorf("%s: %+v, %v, want ErrCredentials alone", name, u, err)
		}
	}
	if _, err := a.SetDisabled(t.Context(), disabled.ID, false); err != nil {
		t.Fatal(err)
	}
	if _, err := authenticate(t.Context(), a, "disabled", secret); err != nil {
		t.Errorf("enabled again: %v", err)
	}
}

func TestCheckPassword_isOfTheUserWithThatID(t *testing.T) {
	a, _ := newAccounts(t)
	u := create(t, a, "anna")
	if _, err := a.CheckPassword(t.Context(), u.ID, secret); err != nil {
		t.Error(err)
	}
	for name, given := range map[string]struct{ id, secret string }{
		"wrong": {u.ID, otherSecret}, "unknown": {"x", secret}, "by the name": {"anna", secret},
	} {
		_, err := a.CheckPassword(t.Context(), given.id, given.secret)
		if !errors.Is(err, account.ErrCredentials) {
			t.Errorf("%s: err = %v, want ErrCredentials", name, err)
		}
	}
	if _, err := a.SetDisabled(t.Context(), u.ID, true); err != nil {
		t.Fatal(err)
	}
	if _, err := a.CheckPassword(t.Context(), u.ID, secret); !errors.Is(err, account.ErrCredentials) {
		t.Errorf("disabled: err = %v, want ErrCredentials", err)
	}
}

func TestAuthenticate_replacesAHashOfOtherCosts(t *testing.T) {
	db := openDatabase(t, filepath.Join(t.TempDir(), "test.db"))
	u := create(t, openAccounts(t, db, cheap), "anna")
	before := hashOf(t, db, u.ID)
	dearer := cheap
	dearer.MemoryKiB *= 2
	a := openAccounts(t, db, dearer)

	if _, err := authenticate(t.Context(), a, "anna", otherSecret); !errors.Is(err, account.ErrCredentials) {
		t.Fatal(err)
	}
	if hashOf(t, db, u.ID) != before {
		t.Error("a wrong password replaced the hash")
	}
	if _, err := authenticate(t.Context(), a, "anna", secret); err != nil {
		t.Fatal(err)
	}
	after := hashOf(t, db, u.ID)
	if after == before || !strings.Contains(after, "m=128,") {
		t.Errorf("the hash is %s, want one with m=128", after)
	}
	if _, err := authenticate(t.Context(), a, "anna", secret); err != nil {
		t.Errorf("with the new hash: %v", err)
	}
	if hashOf(t, db, u.ID) != after {
		t.Error("the new hash was replaced again")
	}
}

func TestAuthenticate_takesThePasswordInAnySpelling(t *testing.T) {
	a, db := newAccounts(t)
	for name, set := range map[string]string{"anna": composed, "berta": decomposed} {
		u, err := a.Create(t.Context(), account.NewUser{Username: name, Password: set})
		if err != nil {
			t.Fatal(err)
		}
		before := hashOf(t, db, u.ID)
		for _, presented := range []string{composed, decomposed, strings.ReplaceAll(composed, " ", "\u00a0")} {
			if _, err := authenticate(t.Context(), a, name, presented); err != nil {
				t.Errorf("set as %+q, presented as %+q: %v", set, presented, err)
			}
			if _, err := a.CheckPassword(t.Context(), u.ID, presented); err != nil {
				t.Errorf("set as %+q, checked as %+q: %v", set, presented, err)
			}
		}
		if hashOf(t, db, u.ID) != before {
			t.Errorf("set as %+q: the hash was replaced", set)
		}
	}
}

func TestAuthenticate_replacesAHashOfAnotherSpelling(t *testing.T) {
	a, db := newAccounts(t)
	for name, check := range map[string]func(account.User, string) error{
		"anna": func(u account.User, presented string) error {
			_, err := authenticate(t.Context(), a, u.Username, presented)
			return err
		},
		"berta": func(u account.User, presented string) error {
			_, err := a.CheckPassword(t.Context(), u.ID, presented)
			return err
		},
	} {
		u := create(t, a, name)
		setHash(t, db, u.ID, legacyHash(decomposed, cheap))
		if err := check(u, composed); !errors.Is(err, account.ErrCredentials) {
			t.Errorf("%s, not yet replaced, in the other spelling: err = %v, want ErrCredentials", name, err)
		}
		if hashOf(t, db, u.ID) != legacyHash(decomposed, cheap) {
			t.Errorf("%s: a wrong password replaced the hash", name)
		}
		if err := check(u, decomposed); err != nil {
			t.Errorf("%s, as it was set: %v", name, err)
		}
		after := hashOf(t, db, u.ID)
		for _, presented := range []string{composed, decomposed} {
			if err := check(u, presented); err != nil {
				t.Errorf("%s, replaced, as %+q: %v", name, presented, err)
			}
		}
		if hashOf(t, db, u.ID) != after {
			t.Errorf("%s: the new hash was replaced again", name)
		}
	}
}

// Who set such a password earlier keeps it.
func TestAuthenticate_takesAPasswordThatCouldNotBeSetNow(t *testing.T) {
	a, db := newAccounts(t)
	u := create(t, a, "anna")
	hash := legacyHash(secret+"\u2764\ufe0f", cheap)
	setHash(t, db, u.ID, hash)
	if _, err := authenticate(t.Context(), a, "anna", secret+"\u2764\ufe0f"); err != nil {
		t.Error(err)
	}
	if hashOf(t, db, u.ID) != hash {
		t.Error("the hash was replaced by one of the same password")
	}
}

func TestAccounts_refusesPasswordsThatRFC8265DoesNotAllow(t *testing.T) {
	a, db := newAccounts(t)
	u := create(t, a, "anna")
	before := hashOf(t, db, u.ID)
	for _, bad := range []string{"seven green\therons wade", "seven green \u2764\ufe0f herons"} {
		_, err := a.Create(t.Context(), account.NewUser{Username: "berta", Password: bad})
		if got := problems(t, err); !slices.Equal(got, []string{"password disallowed"}) {
			t.Errorf("%+q: creating: problems = %q", bad, got)
		}
		_, err = a.Update(t.Context(), u.ID, account.Changes{Password: &bad})
		if got := problems(t, err); !slices.Equal(got, []string{"password disallowed"}) {
			t.Errorf("%+q: changing: problems = %q", bad, got)
		}
	}
	if count(t, db) != 1 || hashOf(t, db, u.ID) != before {
		t.Error("a refused password was stored")
	}
}

// A login that replaces a hash must not undo a password change that happened meanwhile.
func TestAuthenticate_doesNotUndoAChangeOfPassword(t *testing.T) {
	db := openDatabase(t, filepath.Join(t.TempDir(), "test.db"))
	weak := openAccounts(t, db, cheap)
	slow := openAccounts(t, db, password.Params{MemoryKiB: 8 << 10, Passes: 4, AllowWeak: true})
	for i := range 5 {
		u := create(t, weak, "anna"+string(rune('0'+i)))
		var login sync.WaitGroup
		login.Go(func() { _, _ = authenticate(context.Background(), slow, u.Username, secret) })
		time.Sleep(3 * time.Millisecond)
		if _, err := weak.Update(t.Context(), u.ID, account.Changes{Password: pointer(otherSecret)}); err != nil {
			t.Fatal(err)
		}
		login.Wait()
		if _, err := weak.CheckPassword(t.Context(), u.ID, otherSecret); err != nil {
			t.Errorf("the new password: %v", err)
		}
		if _, err := weak.CheckPassword(t.Context(), u.ID, secret); !errors.Is(err, account.ErrCredentials) {
			t.Errorf("the old password: err = %v, want ErrCredentials", err)
		}
	}
}

func TestAuthenticate_takesAsLongForUnknownWrongAndDisabled(t *testing.T) {
	db := openDatabase(t, filepath.Join(t.TempDir(), "test.db"))
	p := password.Params{MemoryKiB: 4 << 10, Passes: 1, AllowWeak: true}
	a := openAccounts(t, db, p)
	create(t, a, "anna")
	for name, hash := range map[string]string{
		"disabled":            legacyHash(secret, p),
		"disabled-prepared":   legacyHash(composed, p),
		"disabled-unprepared": legacyHash(decomposed, p),
	} {
		u := create(t, a, name)
		setHash(t, db, u.ID, hash)
		if _, err := a.SetDisabled(t.Context(), u.ID, true); err != nil {
			t.Fatal(err)
		}
	}
	one := []login{
		{"wrong", "anna", otherSecret},
		{"unknown", "nobody", secret},
		{"a name that cannot be", "no body", secret},
		{"disabled", "disabled", secret},
	}
	two := []login{
		{"wrong, of two spellings", "anna", decomposed},
		{"unknown, of two spellings", "nobody", decomposed},
		{"a name that cannot be, of two spellings", "no body", decomposed},
		{"disabled, right when prepared", "disabled-prepared", decomposed},
		{"disabled, right as sent", "disabled-unprepared", decomposed},
	}
	const attempts = 8 // so that other load on the machine does not fail the test
	for attempt := 1; ; attempt++ {
		took := measure(t, a, append(slices.Clone(one), two...))
		t.Logf("attempt %d: %v", attempt, took)
		problem := cmp.Or(unequal(one, took[:len(one)]), unequal(two, took[len(one):]))
		if ratio := float64(took[len(one)]) / float64(took[0]); problem == "" && ratio < 1.5 {
			problem = fmt.Sprintf("a password of two spellings takes %.2f of the time of one", ratio)
		}
		if problem == "" {
			return
		}
		if attempt == attempts {
			t.Fatal(problem)
		}
	}
}

// unequal says which login does not take about the time of the first; it returns "" if all do.
func unequal(logins []login, took []time.Duration) string {
	odd := slices.IndexFunc(took, func(d time.Duration) bool { return (d - took[0]).Abs() > took[0]/4 })
	if odd < 0 {
		return ""
	}
	return fmt.Sprintf("%s takes %v, and %s %v", logins[odd].what, took[odd], logins[0].what, took[0])
}

type login struct{ what, username, password string }

// measure returns the median time of each failing login, over many interleaved rounds.
func measure(t *testing.T, a *account.Accounts, logins []login) []time.Duration {
	t.Helper()
	const rounds = 31
	all := make([][]time.Duration, len(logins))
	for range rounds {
		for i, l := range logins {
			begin := time.Now()
			if _, err := authenticate(t.Context(), a, l.username, l.password); !errors.Is(err,
				account.ErrCredentials) {
				t.Fatal(err)
			}
			all[i] = append(all[i], time.Since(begin))
		}
	}
	medians := make([]time.Duration, len(logins))
	for i, d := range all {
		slices.Sort(d)
		medians[i] = d[rounds/2]
	}
	return medians
}

func TestAuthenticate_saysSoWhenAStoredHashCannotBeRead(t *testing.T) {
	a, db := newAccounts(t)
	u := create(t, a, "anna")
	execute(t, db, "UPDATE users SET password_hash = 'x' WHERE id = ?", u.ID)
	if _, err := authenticate(t.Context(), a, "anna", secret); err == nil || errors.Is(err, account.ErrCredentials) {
		t.Errorf("err = %v, want one that the log shows", err)
	}
}

func TestAuthenticate_stopsWithTheCaller(t *testing.T) {
	a, _ := newAccounts(t)
	create(t, a, "anna")
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := authenticate(ctx, a, "anna", secret); err == nil || errors.Is(err, account.ErrCredentials) {
		t.Errorf("err = %v, want one that says that nothing was checked", err)
	}
}
