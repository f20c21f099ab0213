package account_test

import (
	"errors"
	"fmt"
	"math"
	"testing"
	"time"

	"github.com/hallpass-go/hallpass/internal/account"
)

// slowHash takes some 50 ms to check, and the hashes of newAccounts less than one.
const slowHash = "pbkdf2:sha256:200000$saltsalt$5e5e5e5e5e5e5e5e5e5e5e5e5e5e5e5e5e5e5e5e5e5e5e5e5e5e5e5e5e5e5e5e"

// slow is what is told from a fast hash, also on a busy machine.
const slow = 20 * time.Millisecond

// If half of the users have slow hashes, so has every second name that nobody has, and always the
// same ones, whichever process is asked. So a slow answer does not tell of a user.
func TestAuthenticate_freeNamesTakeTheWorkOfImportedUsers(t *testing.T) {
	one, db := newAccounts(t)
	other := openAccounts(t, db, cheap)
	var batch []account.ImportedUser
	for i := range 40 {
		batch = append(batch, account.ImportedUser{Row: i, Username: fmt.Sprint("imported", i), PasswordHash: slowHash})
		n := account.NewUser{Username: fmt.Sprint("own", i), Password: secret}
		if _, err := one.Create(t.Context(), n); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := one.Import(account.ImportConfig{}).Add(t.Context(), batch); err != nil {
		t.Fatal(err)
	}
	took := func(a *account.Accounts, name string) time.Duration {
		best := time.Duration(math.MaxInt64)
		for range 2 { // the machine may be busy
			who, err := a.Claimant(t.Context(), name)
			if err != nil {
				t.Fatal(err)
			}
			start := time.Now()
			if _, err := a.Authenticate(t.Context(), who, "wrong"); !errors.Is(err, account.ErrCredentials) {
				t.Fatalf("%s: %v", name, err)
			}
			best = min(best, time.Since(start))
		}
		return best
	}
	if took(one, "imported0") < slow || took(one, "own0") > slow {
		t.Fatal("a slow and a fast hash cannot be told apart here")
	}
	slowNames := 0
	const names = 60
	for i := range names {
		name := fmt.Sprint("nobody", i)
		isSlow := took(one, name) > slow
		if isSlow {
			slowNames++
		}
		if i < 10 && took(other, name) > slow != isSlow {
			t.Errorf("%s takes other work in another process", name)
		}
	}
	if slowNames < names/4 || slowNames > names*3/4 {
		t.Errorf("%d of %d free names are slow, want about half", slowNames, names)
	}
}
