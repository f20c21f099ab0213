package account

import (
	"context"
	"time"

	"github.com/hallpass-go/hallpass/internal/sqldb"
	"github.com/hallpass-go/hallpass/internal/uid"
)

// NameReserved is how long a name stays its user's after a rename, so that whoever
// still knows the user by it does not meet somebody else. The user may take it back at any time;
// everybody else gets [ErrUsernameTaken].
const NameReserved = 30 * 24 * time.Hour

const selectKey = `SELECT username_key FROM users WHERE id = ?`

const selectReserved = `
SELECT EXISTS (
	SELECT 1 FROM reserved_names WHERE username_key = ? AND user_id <> ? AND ends_at > ?)`

const insertReserved = `
INSERT INTO reserved_names (username_key, user_id, ends_at)
SELECT username_key, id, ? FROM users WHERE id = ?`

const deleteReserved = `DELETE FROM reserved_names WHERE username_key = ?`

const deleteReservedOf = `
DELETE FROM reserved_names WHERE username_key = (SELECT username_key FROM users WHERE id = ?)`

const sweepReserved = `
DELETE FROM reserved_names WHERE username_key IN (SELECT username_key FROM (
	SELECT username_key FROM reserved_names WHERE ends_at <= ? ORDER BY ends_at LIMIT ?) AS expired)`

// takeName is for a transaction that gives a name to a user: [ErrUsernameTaken] while it is
// reserved for somebody else. Afterwards it is not reserved.
func takeName(tx *sqldb.Tx, key, id string, now time.Time) error {
	if err := tx.Lock("usernames"); err != nil { // nobody reserves the name meanwhile
		return err
	}
	var reserved bool
	if err := tx.QueryRow(selectReserved, key, id, sqldb.Micros(now)).Scan(&reserved); err != nil {
		return err
	}
	if reserved {
		return ErrUsernameTaken
	}
	_, err := tx.Exec(deleteReserved, key)
	return err
}

// reserveName is for a transaction that takes a user's name away.
func reserveName(tx *sqldb.Tx, id string, now time.Time) error {
	// There is no row unless a program that knew nothing of reservations gave the name away.
	if _, err := tx.Exec(deleteReservedOf, id); err != nil {
		return err
	}
	_, err := tx.Exec(insertReserved, sqldb.Micros(now.Add(NameReserved)), id)
	return err
}

// changeName is for a transaction that renames a user. Another spelling of the same name reserves
// nothing.
func (a *Accounts) changeName(tx *sqldb.Tx, id, key string) error {
	var before string
	if err := tx.QueryRow(selectKey, id).Scan(&before); err != nil {
		return err
	}
	if before == key {
		return nil
	}
	now := a.now()
	if err := takeName(tx, key, id, now); err != nil {
		return err
	}
	return reserveName(tx, id, now)
}

// Sweep deletes at most limit reservations of names that are over at now, and returns how many it
// deleted.
func (a *Accounts) Sweep(ctx context.Context, now time.Time, limit int) (int, error) {
	var swept int64
	err := a.db.Write(ctx, func(tx *sqldb.Tx) error {
		result, err := tx.Exec(sweepReserved, sqldb.Micros(now), limit)
		if err != nil {
			return err
		}
		swept, err = result.RowsAffected()
		return err
	})
	return int(swept), failure("sweeping reserved names", err)
}

// Find returns the user whom a person names: by ID when the text has the shape of an ID, whatever
// names there are, and by name otherwise. [ErrNotFound] when there is none; what was meant for an
// ID never falls on a name.
func (a *Accounts) Find(ctx context.Context, text string) (User, error) {
	if key, problem := canonicalUsername(text); problem == nil && uid.Shaped(key) {
		return a.User(ctx, key)
	}
	return a.UserByUsername(ctx, text)
}
