package sqlstore

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/hallpass-go/hallpass"
	"github.com/hallpass-go/hallpass/internal/sqldb"
)

const sessionColumns = `id, subject, generation, rotated_at, created_at, last_used_at,
	idle_expiry, expiry, auth_time, revoked_at, ip, user_agent`

const insertSession = `INSERT INTO sessions (` + sessionColumns + `) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`

// CreateSession implements [hallpass.SessionStore].
func (s *Store) CreateSession(ctx context.Context, session hallpass.Session) error {
	if session.IdleExpiry.After(session.Expiry) {
		session.IdleExpiry = session.Expiry
	}
	err := s.db.Write(ctx, func(tx *sqldb.Tx) error {
		_, err := tx.Exec(insertSession, session.ID, session.Subject, session.Generation,
			sqldb.Micros(session.RotatedAt), sqldb.Micros(session.CreatedAt), sqldb.Micros(session.LastUsedAt),
			sqldb.Micros(session.IdleExpiry), sqldb.Micros(session.Expiry), sqldb.Micros(session.AuthTime),
			sqldb.Micros(session.RevokedAt), session.Client.IP, session.Client.UserAgent)
		return err
	})
	return wrap("creating session", err)
}

const selectSession = `SELECT ` + sessionColumns + ` FROM sessions WHERE id = ?`

// Session implements [hallpass.SessionStore].
func (s *Store) Session(ctx context.Context, id string) (hallpass.Session, error) {
	session, err := scanSession(s.db.QueryRow(ctx, selectSession, id))
	return session, wrap("reading session", err)
}

type scanner interface {
	Scan(dest ...any) error
}

func scanSession(row scanner) (hallpass.Session, error) {
	var s hallpass.Session
	var rotatedAt, createdAt, lastUsedAt, idleExpiry, expiry, authTime, revokedAt int64
	err := row.Scan(&s.ID, &s.Subject, &s.Generation, &rotatedAt, &createdAt, &lastUsedAt,
		&idleExpiry, &expiry, &authTime, &revokedAt, &s.Client.IP, &s.Client.UserAgent)
	if errors.Is(err, sqldb.ErrNoRows) {
		return hallpass.Session{}, hallpass.ErrNotFound
	}
	if err != nil {
		return hallpass.Session{}, err
	}
	s.RotatedAt, s.CreatedAt, s.LastUsedAt = sqldb.Time(rotatedAt), sqldb.Time(createdAt), sqldb.Time(lastUsedAt)
	s.IdleExpiry, s.Expiry = sqldb.Time(idleExpiry), sqldb.Time(expiry)
	s.AuthTime, s.RevokedAt = sqldb.Time(authTime), sqldb.Time(revokedAt)
	return s, nil
}

const selectSessions = `SELECT ` + sessionColumns + ` FROM sessions
	WHERE subject = ? AND revoked_at = 0 AND idle_expiry > ?
	ORDER BY created_at DESC, id DESC LIMIT ?`

const selectSessionsAfter = `SELECT ` + sessionColumns + ` FROM sessions
	WHERE subject = ? AND revoked_at = 0 AND idle_expiry > ?
	AND (created_at, id) < (SELECT created_at, id FROM sessions WHERE id = ? AND subject = ?)
	ORDER BY created_at DESC, id DESC LIMIT ?`

// Sessions implements [hallpass.SessionStore].
func (s *Store) Sessions(
	ctx context.Context, subject string, now time.Time, after string, limit int,
) ([]hallpass.Session, error) {
	query, args := selectSessions, []any{subject, sqldb.Micros(now)}
	if after != "" {
		query, args = selectSessionsAfter, append(args, after, subject)
	}
	rows, err := s.db.Query(ctx, query, append(args, max(limit, 0))...)
	if err != nil {
		return nil, wrap("listing sessions", err)
	}
	sessions, err := collect(rows, scanSession)
	return sessions, wrap("listing sessions", err)
}

// collect reads all rows and closes them.
func collect[T any](rows *sqldb.Rows, scan func(scanner) (T, error)) ([]T, error) {
	defer rows.Close()
	var all []T
	for rows.Next() {
		one, err := scan(rows)
		if err != nil {
			return nil, err
		}
		all = append(all, one)
	}
	return all, rows.Err()
}

const updateSession = `UPDATE sessions
	SET generation = ?, rotated_at = ?, last_used_at = ?, idle_expiry = ?, revoked_at = ?
	WHERE id = ? AND generation = ? AND revoked_at = 0`

const updateSessionAsRead = updateSession + ` AND auth_time = ?`

// Rotate implements [hallpass.SessionStore].
func (s *Store) Rotate(ctx context.Context, r hallpass.Rotation) (hallpass.Session, hallpass.Outcome, error) {
	var session hallpass.Session
	var outcome hallpass.Outcome
	err := s.db.Write(ctx, func(tx *sqldb.Tx) error {
		var err error
		if session, outcome, err = rotateAsRead(tx, r); err != nil || outcome == hallpass.Rotated {
			return err
		}
		before, err := scanSession(tx.QueryRow(selectSession, r.SessionID))
		if errors.Is(err, hallpass.ErrNotFound) {
			session, outcome = hallpass.Session{}, hallpass.Gone
			return nil
		}
		if err != nil {
			return err
		}
		if session, outcome = r.Apply(before); outcome == hallpass.Gone {
			return nil
		}
		if err := replaceSession(tx, before, session); err != nil {
			return err
		}
		if outcome == hallpass.Reused {
			_, err = insertRevocation(tx, hallpass.Revocation{
				Kind: hallpass.RevokedSession, ID: session.ID, ExpiresAt: r.RevocationExpiry,
			})
		}
		return err
	})
	if err != nil {
		return hallpass.Session{}, hallpass.Gone, wrap("rotating session", err)
	}
	return session, outcome, nil
}

// rotateAsRead rotates a session that is still as the caller has read it, which it mostly is. Any other outcome than
// [hallpass.Rotated] says nothing.
func rotateAsRead(tx *sqldb.Tx, r hallpass.Rotation) (hallpass.Session, hallpass.Outcome, error) {
	after, outcome := r.Apply(r.Read)
	if r.Read.ID != r.SessionID || outcome != hallpass.Rotated {
		return hallpass.Session{}, hallpass.Gone, nil
	}
	result, err := tx.Exec(updateSessionAsRead, append(updateArguments(r.Read, after), sqldb.Micros(r.Read.AuthTime))...)
	if err != nil {
		return hallpass.Session{}, hallpass.Gone, err
	}
	if n, err := result.RowsAffected(); n != 1 || err != nil {
		return hallpass.Session{}, hallpass.Gone, err
	}
	return after, outcome, nil
}

var errChanged = fmt.Errorf("%w: another transaction changed the session", sqldb.ErrUnavailable)

// replaceSession writes after over before, which the transaction has read. The condition of the statement makes that
// one step: a session that another transaction has changed meanwhile is not written over.
func replaceSession(tx *sqldb.Tx, before, after hallpass.Session) error {
	result, err := tx.Exec(updateSession, updateArguments(before, after)...)
	if err != nil {
		return err
	}
	n, err := result.RowsAffected()
	if err == nil && n != 1 {
		err = errChanged
	}
	return err
}

// updateArguments are those of updateSession.
func updateArguments(before, after hallpass.Session) []any {
	return []any{
		after.Generation, sqldb.Micros(after.RotatedAt), sqldb.Micros(after.LastUsedAt), sqldb.Micros(after.IdleExpiry), sqldb.Micros(after.RevokedAt),
		before.ID, before.Generation,
	}
}

const updateAuthTime = `UPDATE sessions SET auth_time = ? WHERE id = ? AND revoked_at = 0 AND idle_expiry > ?`

// SetAuthTime implements [hallpass.SessionStore].
func (s *Store) SetAuthTime(ctx context.Context, id string, authTime time.Time) (hallpass.Session, error) {
	var session hallpass.Session
	err := s.db.Write(ctx, func(tx *sqldb.Tx) error {
		result, err := tx.Exec(updateAuthTime, sqldb.Micros(authTime), id, sqldb.Micros(authTime))
		if err != nil {
			return err
		}
		n, err := result.RowsAffected()
		if err != nil {
			return err
		}
		if n == 0 {
			return hallpass.ErrNotFound
		}
		session, err = scanSession(tx.QueryRow(selectSession, id))
		return err
	})
	if err != nil {
		return hallpass.Session{}, wrap("setting auth time", err)
	}
	return session, nil
}
