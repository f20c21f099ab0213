package account

import (
	"context"
	"errors"
	"fmt"

	"github.com/hallpass-go/hallpass/internal/sqldb"
	"github.com/hallpass-go/hallpass/password"
)

// Claimant is the user that a login claims to come from, who may not exist.
type Claimant struct {
	// LimitKey is the key under which a limiter counts the attempts. It is the same for all
	// spellings of a name. The LimitKey of an existing user does not change when the user is
	// renamed. It is empty if the text cannot be a name.
	LimitKey string
	// UserID is the ID of the user, or empty if nobody has the name.
	UserID string

	record record
	exists bool
	key    string // of the name; empty if the text cannot be a name
}

// Claimant looks up the user with that name, in any spelling. It is not an error if nobody has the
// name; see [Accounts.Authenticate].
func (a *Accounts) Claimant(ctx context.Context, username string) (Claimant, error) {
	key, problem := canonicalUsername(username)
	if problem != nil {
		return Claimant{}, nil
	}
	r, err := scan(a.db.QueryRow(ctx, selectByKey, key))
	switch {
	case errors.Is(err, ErrNotFound):
		return Claimant{LimitKey: "name:" + key, key: key}, nil
	case err != nil:
		return Claimant{}, failure("looking for who has a name", err)
	}
	return Claimant{LimitKey: UserLimitKey(r.ID), UserID: r.ID, record: r, exists: true, key: key}, nil
}

// UserLimitKey is the [Claimant.LimitKey] of the user with that ID.
func UserLimitKey(id string) string { return "id:" + id }

// Authenticate returns the user if secret is their password. Otherwise the error is
// [ErrCredentials], whether the user is unknown or disabled or the password is wrong. All these
// cases take the same work, or, where users were imported, that of one of their hashes (decoy.go). If
// the stored hash is outdated, weak or of other software, or was made from secret before passwords
// were prepared (RFC 8265 §4.2), Authenticate replaces it.
func (a *Accounts) Authenticate(ctx context.Context, c Claimant, secret string) (User, error) {
	a.refreshDecoys(ctx)
	r, err := a.authenticate(ctx, c.record, c.exists, c.key, secret)
	return r.User, err
}

// CheckPassword checks the password of a user who is logged in, and returns the proof that a change
// of the password requires. The errors are those of [Accounts.Authenticate].
func (a *Accounts) CheckPassword(ctx context.Context, id, secret string) (Proof, error) {
	r, err := scan(a.db.QueryRow(ctx, selectByID, id))
	if err != nil && !errors.Is(err, ErrNotFound) {
		return Proof{}, failure("authenticating", err)
	}
	r, err = a.authenticate(ctx, r, err == nil, "", secret)
	return Proof{r.passwordHash}, err
}

// authenticate hashes first, and only then checks whether the user is disabled. Key is that of the
// name that the login has, or empty.
func (a *Accounts) authenticate(ctx context.Context, r record, exists bool, key, secret string) (record, error) {
	var needsRehash bool
	var err error
	if exists {
		needsRehash, err = a.passwords.CheckNeedsRehash(ctx, r.passwordHash, secret)
	} else {
		err = a.checkDecoy(ctx, key, secret)
	}
	switch {
	case errors.Is(err, password.ErrMismatch):
		return record{}, ErrCredentials
	case err != nil:
		return record{}, fmt.Errorf("authenticating: %w", err)
	case !exists || r.Disabled:
		return record{}, ErrCredentials
	}
	if needsRehash {
		r.passwordHash = a.rehash(ctx, r, secret)
	}
	return r, nil
}

// rehash replaces the stored hash by a new one, and returns the hash that is now stored. If it
// fails, the login still succeeds, and the next login tries again.
func (a *Accounts) rehash(ctx context.Context, r record, secret string) string {
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

// checkPolicy returns what is wrong with a new password for a user with that name and email
// address.
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
	case password.Disallowed:
		return "A password has only characters that RFC 8265 allows: no control characters, and no " +
			"invisible ones, as in some emoji."
	default:
		return "This password would be guessed: it is a common one, or made of common words, " +
			"simple sequences or your name."
	}
}
