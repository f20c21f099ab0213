package account

import (
	"context"
	"errors"
	"strings"
	"time"

	"github.com/hallpass-go/hallpass/internal/sqldb"
)

const (
	// maxPlaces is how many places of one user are kept: the last that they logged in from.
	maxPlaces = 32
	// placeAge is how long a place is kept after the last login from there.
	placeAge = 90 * 24 * time.Hour
	// placeStep is how far the time of that login may be behind: most log-ins write nothing.
	placeStep = 24 * time.Hour
)

const selectPlace = `SELECT used_at FROM user_places WHERE user_id = ? AND place = ?`

const updatePlace = `UPDATE user_places SET used_at = ? WHERE user_id = ? AND place = ?`

const insertPlace = `INSERT INTO user_places (user_id, place, used_at) VALUES (?, ?, ?)`

const selectLastPlace = `
SELECT used_at FROM user_places WHERE user_id = ? ORDER BY used_at DESC LIMIT 1 OFFSET ?`

const deletePlaces = `DELETE FROM user_places WHERE user_id = ? AND used_at <= ?`

const deletePlacesOf = `DELETE FROM user_places WHERE user_id = ?`

const sweepPlaces = `
DELETE FROM user_places WHERE (user_id, place) IN (SELECT user_id, place FROM (
	SELECT user_id, place FROM user_places WHERE used_at <= ? ORDER BY used_at LIMIT ?) AS expired)`

// Places are from where users have logged in. They are the limiter's, so an account is a
// [Claimant.LimitKey], and a place is an address as it is counted.
type Places struct{ accounts *Accounts }

// Places returns from where users have logged in.
func (a *Accounts) Places() Places { return Places{a} }

// Has reports whether a user has logged in from a place.
func (p Places) Has(ctx context.Context, limitKey, place string) (bool, error) {
	usedAt, err := p.usedAt(ctx, limitKey, place)
	return !usedAt.IsZero(), err
}

// usedAt returns when a user last logged in from a place, less up to placeStep; the zero time if they
// never have.
func (p Places) usedAt(ctx context.Context, limitKey, place string) (time.Time, error) {
	id, exists := strings.CutPrefix(limitKey, UserLimitKey(""))
	if !exists {
		return time.Time{}, nil
	}
	var usedAt int64
	err := p.accounts.db.QueryRow(ctx, selectPlace, id, place).Scan(&usedAt)
	if errors.Is(err, sqldb.ErrNoRows) {
		return time.Time{}, nil
	}
	return sqldb.Time(usedAt), failure("looking for a place", err)
}

// Add remembers that a user has logged in from a place.
func (p Places) Add(ctx context.Context, limitKey, place string) error {
	now := p.accounts.now()
	if usedAt, err := p.usedAt(ctx, limitKey, place); err != nil || now.Sub(usedAt) < placeStep {
		return err
	}
	id := strings.TrimPrefix(limitKey, UserLimitKey(""))
	err := p.accounts.db.Write(ctx, func(tx *sqldb.Tx) error {
		if _, err := scan(tx.QueryRow(selectByID, id)); err != nil {
			return err // the user may be gone by now
		}
		result, err := tx.Exec(updatePlace, sqldb.Micros(now), id, place)
		if err != nil {
			return err
		}
		if n, err := result.RowsAffected(); err != nil || n > 0 {
			return err
		}
		var over int64
		err = tx.QueryRow(selectLastPlace, id, maxPlaces-1).Scan(&over)
		if err == nil {
			_, err = tx.Exec(deletePlaces, id, over)
		}
		if err != nil && !errors.Is(err, sqldb.ErrNoRows) {
			return err
		}
		_, err = tx.Exec(insertPlace, id, place, sqldb.Micros(now))
		return err
	})
	return failure("keeping a place", err)
}
