package account

import (
	"context"
	"time"

	"github.com/hallpass-go/hallpass/internal/sqldb"
	"github.com/hallpass-go/hallpass/internal/uid"
)

// NameReserved is how long a name stays reserved for its user after a rename, so that people who know
// the user by the old name do not meet somebody else. The user may take the name back at any time.
// Everybody else gets [ErrUsernameTaken].
const NameReserved = 30 * 24 * time.Hour

const selectKey = `SELECT username_key FROM users WHERE id = ?`

const selectReserved = `
SELECT EXISTS (
	SELECT 1 FROM reserved_names WHERE username_key = ? AND user_id <> ? AND ends_at > ?)`

const insertReserved = `INSERT INTO reserved_names (username_key, user_id, ends_at) VALUES (?, ?, ?)`

const deleteReserved = `DELETE FROM reserved_names WHERE username_key = ?`

const sweepReserved = `
DELETE FROM reserved_names WHERE username_key IN (SELECT username_key FROM (
	SELECT username_key FROM reserved_names WHERE ends_at <= ? ORDER BY ends_at LIMIT ?) AS expired)`

// takeName runs in a transaction that gives a name to a user. It returns [ErrUsernameTaken] if the
// name is reserved for somebody else, and otherwise removes the reservation.
func takeName(tx *sqldb.Tx, key, id string, now time.Time) error {
	if err := tx.Lock("usernames"); err != nil { // nobody can reserve the name meanwhile
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

// reserveName runs in a transaction that takes a name away from a user.
func reserveName(tx *sqldb.Tx, key, id string, now time.Time) error {
	// There is such a row only if a program without reservations gave the name away.
	if _, err := tx.Exec(deleteReserved, key); err != nil {
		return err
	}
	_, err := tx.Exec(insertReserved, key, id, sqldb.Micros(now.Add(NameReserved)))
	return err
}

// changeName runs in a transaction that renames a user. A new spelling of the same name reserves
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
	return reserveName(tx, before, id, now)
}

// Sweep deletes reserved names and places that have expired at now, at most limit of each. It returns
// how many it deleted of what there were more of.
func (a *Accounts) Sweep(ctx context.Context, now time.Time, limit int) (int, error) {
	var most int64
	err := a.db.Write(ctx, func(tx *sqldb.Tx) error {
		most = 0
		for _, s := range []struct {
			statement string
			until     time.Time
		}{{sweepReserved, now}, {sweepPlaces, now.Add(-placeAge)}} {
			result, err := tx.Exec(s.statement, sqldb.Micros(s.until), limit)
			if err != nil {
				return err
			}
			n, err := result.RowsAffected()
			if err != nil {
				return err
			}
			most = max(most, n)
		}
		return nil
	})
	return int(most), failure("sweeping reserved names and places", err)
}

// Find returns the user that text names, or [ErrNotFound]. If text has the shape of an ID, Find
// looks only for an ID, otherwise only for a name. So text meant as an ID never matches a name.
func (a *Accounts) Find(ctx context.Context, text string) (User, error) {
	if key, problem := canonicalUsername(text); problem == nil && uid.Shaped(key) {
		return a.User(ctx, key)
	}
	return a.UserByUsername(ctx, text)
}
