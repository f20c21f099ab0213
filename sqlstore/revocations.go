package sqlstore

import (
	"context"
	"errors"
	"time"

	"github.com/hallpass-go/hallpass"
	"github.com/hallpass-go/hallpass/internal/sqldb"
)

var (
	errRevocationKind = errors.New("sqlstore: Revoke takes a RevokedToken or a RevokedSubject")
	errEnding         = errors.New("sqlstore: an Ending names either a session or a subject")
)

const insertRevocationText = `INSERT INTO revocations (kind, revoked_id, before, expires_at) VALUES (?, ?, ?, ?)`

// insertRevocation returns r as it is kept, with its sequence number. Numbers are given under the lock for writing,
// so they become visible in their order.
func insertRevocation(tx *sqldb.Tx, r hallpass.Revocation) (hallpass.Revocation, error) {
	before, expiresAt := sqldb.Micros(r.Before), sqldb.Micros(r.ExpiresAt)
	result, err := tx.Exec(insertRevocationText, string(r.Kind), r.ID, before, expiresAt)
	if err != nil {
		return hallpass.Revocation{}, err
	}
	r.Sequence, err = result.LastInsertId()
	r.Before, r.ExpiresAt = sqldb.Time(before), sqldb.Time(expiresAt)
	return r, err
}

const selectEnding = `SELECT id FROM sessions WHERE id = ? AND revoked_at = 0`

const selectEndings = `SELECT id FROM sessions WHERE subject = ? AND id <> ? AND revoked_at = 0 ORDER BY created_at, id`

const updateRevokedAt = `UPDATE sessions SET revoked_at = ? WHERE id = ? AND revoked_at = 0`

// EndSessions implements [hallpass.RevocationStore].
func (s *Store) EndSessions(ctx context.Context, e hallpass.Ending) ([]hallpass.Revocation, error) {
	if (e.SessionID == "") == (e.Subject == "") {
		return nil, errEnding
	}
	var recorded []hallpass.Revocation
	err := s.db.Write(ctx, func(tx *sqldb.Tx) error {
		recorded = nil
		ids, err := endings(tx, e)
		if err != nil {
			return err
		}
		for _, id := range ids {
			if _, err := tx.Exec(updateRevokedAt, sqldb.Micros(e.Now), id); err != nil {
				return err
			}
			r, err := insertRevocation(tx, hallpass.Revocation{
				Kind: hallpass.RevokedSession, ID: id, ExpiresAt: e.ExpiresAt,
			})
			if err != nil {
				return err
			}
			recorded = append(recorded, r)
		}
		return nil
	})
	if err != nil {
		return nil, wrap("ending sessions", err)
	}
	return recorded, nil
}

// endings returns the ids of the sessions that e names and that are not revoked.
func endings(tx *sqldb.Tx, e hallpass.Ending) ([]string, error) {
	query, args := selectEnding, []any{e.SessionID}
	if e.Subject != "" {
		query, args = selectEndings, []any{e.Subject, e.Except}
	}
	rows, err := tx.Query(query, args...)
	if err != nil {
		return nil, err
	}
	return collect(rows, func(row scanner) (id string, err error) {
		err = row.Scan(&id)
		return id, err
	})
}

// Revoke implements [hallpass.RevocationStore].
func (s *Store) Revoke(ctx context.Context, r hallpass.Revocation) (hallpass.Revocation, error) {
	if r.Kind != hallpass.RevokedToken && r.Kind != hallpass.RevokedSubject {
		return hallpass.Revocation{}, errRevocationKind
	}
	var recorded hallpass.Revocation
	err := s.db.Write(ctx, func(tx *sqldb.Tx) (err error) {
		recorded, err = insertRevocation(tx, r)
		return err
	})
	if err != nil {
		return hallpass.Revocation{}, wrap("recording revocation", err)
	}
	return recorded, nil
}

const selectRevocations = `SELECT sequence, kind, revoked_id, before, expires_at FROM revocations
	WHERE sequence > ? AND expires_at >= ? ORDER BY sequence LIMIT ?`

// Revocations implements [hallpass.RevocationStore].
func (s *Store) Revocations(
	ctx context.Context, since int64, now time.Time, limit int,
) ([]hallpass.Revocation, error) {
	rows, err := s.db.Query(ctx, selectRevocations, since, sqldb.Micros(now), max(limit, 0))
	if err != nil {
		return nil, wrap("listing revocations", err)
	}
	revocations, err := collect(rows, scanRevocation)
	return revocations, wrap("listing revocations", err)
}

func scanRevocation(row scanner) (hallpass.Revocation, error) {
	var r hallpass.Revocation
	var before, expiresAt int64
	err := row.Scan(&r.Sequence, &r.Kind, &r.ID, &before, &expiresAt)
	r.Before, r.ExpiresAt = sqldb.Time(before), sqldb.Time(expiresAt)
	return r, err
}
