package sessiondb

import (
	"context"
	"errors"
	"time"

	"github.com/hallpass-go/hallpass/internal/sqldb"
	"github.com/hallpass-go/hallpass/sessions"
)

var (
	errRevocationKind = errors.New("sessiondb: Revoke takes a RevokedToken")
)

// numbers is the name of a lock. Revocations are numbered under it, and writes check under it
// whether their subject has changed. So numbers become visible in order, and no session starts
// between a revocation and its commit.
const numbers = "revocations"

const selectSequence = `SELECT highest FROM revocation_epoch WHERE id = 1`

const updateSequence = `UPDATE revocation_epoch SET highest = ? WHERE id = 1`

const insertRevocationText = `INSERT INTO revocations (sequence, kind, revoked_id, before, expires_at)
	VALUES (?, ?, ?, ?, ?)`

// insertRevocation returns r as it is stored, with its sequence number.
func insertRevocation(tx *sqldb.Tx, r sessions.Revocation) (sessions.Revocation, error) {
	if err := tx.Lock(numbers); err != nil {
		return sessions.Revocation{}, err
	}
	if err := tx.QueryRow(selectSequence).Scan(&r.Sequence); err != nil {
		return sessions.Revocation{}, err
	}
	r.Sequence = max(r.Sequence+1, time.Now().UnixMicro())
	if _, err := tx.Exec(updateSequence, r.Sequence); err != nil {
		return sessions.Revocation{}, err
	}
	before, expiresAt := sqldb.Micros(r.Before), sqldb.Micros(r.ExpiresAt)
	_, err := tx.Exec(insertRevocationText, r.Sequence, string(r.Kind), r.ID, before, expiresAt)
	r.Before, r.ExpiresAt = sqldb.Time(before), sqldb.Time(expiresAt)
	return r, err
}

const selectEnding = `SELECT id, access_expiry FROM sessions WHERE id = ? AND revoked_at = 0`

const selectEndings = `SELECT id, access_expiry FROM sessions WHERE subject = ? AND id <> ? AND ` +
	`revoked_at = 0 ORDER BY created_at, id`

const updateRevokedAt = `UPDATE sessions SET revoked_at = ? WHERE id = ? AND revoked_at = 0`

// EndSessions implements [sessions.RevocationStore].
func (s *Store) EndSessions(ctx context.Context, e sessions.Ending) ([]sessions.Revocation, error) {
	if err := e.Validate(); err != nil {
		return nil, err
	}
	var recorded []sessions.Revocation
	err := s.db.Write(ctx, func(tx *sqldb.Tx) error {
		recorded = nil
		if e.With != nil {
			if err := e.With(sqldb.WithTx(ctx, tx)); err != nil {
				return err
			}
		}
		if e.Record != "" {
			r, err := record(tx, e)
			if err != nil {
				return err
			}
			recorded = append(recorded, r)
		}
		if e.OnlyRecord {
			return nil
		}
		ended, err := end(tx, e)
		recorded = append(recorded, ended...)
		return err
	})
	if err != nil {
		return nil, wrap("ending sessions", err)
	}
	return recorded, nil
}

const selectAccessExpiry = `SELECT COALESCE(MAX(access_expiry), 0) FROM sessions WHERE subject = ?`

// record records the revocation that e asks for its subject. It lasts until the last access token
// of the subject has expired.
func record(tx *sqldb.Tx, e sessions.Ending) (sessions.Revocation, error) {
	var accessExpiry int64
	if err := tx.QueryRow(selectAccessExpiry, e.Subject).Scan(&accessExpiry); err != nil {
		return sessions.Revocation{}, err
	}
	return insertRevocation(tx, e.Revocation(laterOf(e.ExpiresAt, sqldb.Time(accessExpiry))))
}

// end ends the sessions that e names and that are not yet revoked.
func end(tx *sqldb.Tx, e sessions.Ending) ([]sessions.Revocation, error) {
	found, err := endings(tx, e)
	if err != nil {
		return nil, err
	}
	var recorded []sessions.Revocation
	for _, s := range found {
		if _, err := tx.Exec(updateRevokedAt, sqldb.Micros(e.Now), s.id); err != nil {
			return nil, err
		}
		r, err := insertRevocation(tx, sessions.Revocation{
			Kind: sessions.RevokedSession, ID: s.id, ExpiresAt: laterOf(e.ExpiresAt, s.accessExpiry),
		})
		if err != nil {
			return nil, err
		}
		recorded = append(recorded, r)
	}
	return recorded, nil
}

// ending is a session that is about to end.
type ending struct {
	id           string
	accessExpiry time.Time
}

// endings returns the sessions that e names and that are not yet revoked.
func endings(tx *sqldb.Tx, e sessions.Ending) ([]ending, error) {
	query, args := selectEnding, []any{e.SessionID}
	if e.Subject != "" {
		query, args = selectEndings, []any{e.Subject, e.Except}
	}
	rows, err := tx.Query(query, args...)
	if err != nil {
		return nil, err
	}
	return collect(rows, func(row scanner) (ending, error) {
		var s ending
		var accessExpiry int64
		err := row.Scan(&s.id, &accessExpiry)
		s.accessExpiry = sqldb.Time(accessExpiry)
		return s, err
	})
}

// Revoke implements [sessions.RevocationStore].
func (s *Store) Revoke(ctx context.Context, r sessions.Revocation) (sessions.Revocation, error) {
	if r.Kind != sessions.RevokedToken {
		return sessions.Revocation{}, errRevocationKind
	}
	var recorded sessions.Revocation
	err := s.db.Write(ctx, func(tx *sqldb.Tx) (err error) {
		recorded, err = insertRevocation(tx, r)
		return err
	})
	if err != nil {
		return sessions.Revocation{}, wrap("recording revocation", err)
	}
	return recorded, nil
}

// Sequence implements [sessions.RevocationStore].
func (s *Store) Sequence(ctx context.Context) (int64, error) {
	var n int64
	err := s.db.QueryRow(ctx, selectSequence).Scan(&n)
	return n, wrap("reading the number of the last revocation", err)
}

const selectRevocations = `SELECT sequence, kind, revoked_id, before, expires_at FROM revocations
	WHERE sequence > ? AND expires_at >= ? ORDER BY sequence LIMIT ?`

// Revocations implements [sessions.RevocationStore].
func (s *Store) Revocations(
	ctx context.Context, since int64, now time.Time, limit int,
) ([]sessions.Revocation, error) {
	rows, err := s.db.Query(ctx, selectRevocations, since, sqldb.Micros(now), max(limit, 0))
	if err != nil {
		return nil, wrap("listing revocations", err)
	}
	revocations, err := collect(rows, scanRevocation)
	return revocations, wrap("listing revocations", err)
}

func scanRevocation(row scanner) (sessions.Revocation, error) {
	var r sessions.Revocation
	var before, expiresAt int64
	err := row.Scan(&r.Sequence, &r.Kind, &r.ID, &before, &expiresAt)
	r.Before, r.ExpiresAt = sqldb.Time(before), sqldb.Time(expiresAt)
	return r, err
}
