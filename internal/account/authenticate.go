package account

import (
	"context"
	"errors"
	"fmt"

	"github.com/hallpass-go/hallpass/internal/sqldb"
	"github.com/hallpass-go/hallpass/password"
)

// Claimant is who a log-in claims to come from: a user, or nobody.
type Claimant struct {
	// LimitKey is what a limiter counts the attempts by. It is the same for all spellings of a name
	// and, for a name that somebody has, stays the same when they are renamed. It is empty for what
	// cannot be a name.
	LimitKey string

	record record
	exists bool
}

// Claimant looks for the user whose name that is, in any spelling. That nobody has the name is no
// error: see [Accounts.Authenticate].
func (a *Accounts) Claimant(ctx context.Context, username string) (Claimant, error) {
	key, problem := canonicalUsername(username)
	if problem != nil {
		return Claimant{}, nil
	}
	r, err := scan(a.db.QueryRow(ctx, selectByKey, key))
	switch {
	case errors.Is(err, ErrNotFound):
		return Claimant{LimitKey: "name:" + key}, nil
	case err != nil:
		return Claimant{}, failure("looking for who has a name", err)
	}
	return Claimant{LimitKey: UserLimitKey(r.ID), record: r, exists: true}, nil
}

// UserLimitKey is the [Claimant.LimitKey] of the user with that ID.
func UserLimitKey(id string) string { return "id:" + id }

// Authenticate returns the user if this is their password. Otherwise the error is [ErrCredentials]:
// after the same work and without a word on why, for an unknown user, a wrong password and a
// disabled user. An old or weak hash is replaced on the way.
func (a *Accounts) Authenticate(ctx context.Context, c Claimant, secret string) (User, error) {
	r, err := a.authenticate(ctx, c.record, c.exists, secret)
	return r.User, err
}

// CheckPassword checks the password of a user who is logged in, and returns the proof that a change
// of it wants. The errors are those of [Accounts.Authenticate].
func (a *Accounts) CheckPassword(ctx context.Context, id, secret string) (Proof, error) {
	r, err := scan(a.db.QueryRow(ctx, selectByID, id))
	if err != nil && !errors.Is(err, ErrNotFound) {
		return Proof{}, failure("authenticating", err)
	}
	r, err = a.authenticate(ctx, r, err == nil, secret)
	return Proof{r.passwordHash}, err
}

// authenticate asks whether the user is disabled only after the hash.
func (a *Accounts) authenticate(ctx context.Context, r record, exists bool, secret string) (record, error) {
	var err error
	if exists {
		err = a.passwords.Check(ctx, r.passwordHash, secret)
	} else {
		err = a.passwords.CheckDummy(ctx, secret)
	}
	switch {
	case errors.Is(err, password.ErrMismatch):
		return record{}, ErrCredentials
	case err != nil:
		return record{}, fmt.Errorf("authenticating: %w", err)
	case !exists || r.Disabled:
		return record{}, ErrCredentials
	}
	r.passwordHash = a.rehash(ctx, r, secret)
	return r, nil
}

// rehash replaces a hash that is weaker than a new one would be, and returns the one that is kept
// then. The login stands whether that succeeds or not, and the next one tries again.
func (a *Accounts) rehash(ctx context.Context, r record, secret string) string {
	if !a.passwords.NeedsRehash(r.passwordHash) {
		return r.passwordHash
	}
	hash, err := a.passwords.Hash(ctx, secret)
	if err != nil {
		return r.passwordHash
	}
	err = a.db.Write(ctx, func(tx *sqldb.Tx) error {
		_, err := tx.Exec(updateHash, hash, r.ID, r.passwordHash)
		return err
	})
	if err != nil {
		return r.passwordHash
	}
	return hash
}

// checkPolicy returns what is wrong with a new password for a user of that name and address.
func (a *Accounts) checkPolicy(secret, username, email string) *FieldProblem {
	err := a.policy.Validate(secret, username, email)
	if err == nil {
		return nil
	}
	problem := FieldProblem{Field: "password", Code: "invalid", Detail: "This password cannot be used."}
	if refused, ok := errors.AsType[*password.PolicyError](err); ok {
		problem.Code, problem.Detail = string(refused.Reason), policyDetail(refused)
	}
	return &problem
}

func policyDetail(e *password.PolicyError) string {
	switch e.Reason {
	case password.TooShort:
		return fmt.Sprintf(
			"A password has at least %d characters: several words are easier to keep in mind than one.",
			e.Limit,
		)
	case password.TooLong:
		return fmt.Sprintf("A password has at most %d bytes.", e.Limit)
	case password.InvalidUTF8:
		return "A password is UTF-8 text."
	case password.HoldsNUL:
		return "A password holds no NUL."
	default:
		return "This password would be guessed: it is a common one, or made of common words, simple sequences or your name."
	}
}
