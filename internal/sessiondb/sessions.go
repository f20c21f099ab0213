package sessiondb

import (
	"cmp"
	"context"
	"errors"
	"time"

	"github.com/hallpass-go/hallpass/internal/sqldb"
	"github.com/hallpass-go/hallpass/sessions"
)

const sessionColumns = `id, subject, generation, rotated_at, created_at, last_used_at,
	idle_expiry, expiry, auth_time, revoked_at, ip, user_agent, access_expiry, stepped_up`

const insertSession = `INSERT INTO sessions (` + sessionColumns + `) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`

// CreateSession implements [sessions.SessionStore].
func (s *Store) CreateSession(ctx context.Context, session sessions.Session, since int64) error {
	if session.IdleExpiry.After(session.Expiry) {
		session.IdleExpiry = session.Expiry
	}
	err := s.db.Write(ctx, func(tx *sqldb.Tx) error {
		if err := unchanged(tx, session.Subject, since); err != nil {
			return err
		}
		_, err := tx.ExecRow(insertSession, session.ID, session.Subject, session.Generation,
			sqldb.Micros(session.RotatedAt), sqldb.Micros(session.CreatedAt), sqldb.Micros(session.LastUsedAt),
			sqldb.Micros(session.IdleExpiry), sqldb.Micros(session.Expiry), sqldb.Micros(session.AuthTime),
			sqldb.Micros(session.RevokedAt), session.Client.IP, session.Client.UserAgent,
			sqldb.Micros(session.AccessExpiry), sqldb.Bool(session.SteppedUp))
		return err
	})
	return wrap("creating session", err)
}

// changes matches the revocations that change a subject. Those of kind "all" have no ID.
const changes = `kind IN ('subject', 'credentials', 'all')`

const selectChanged = `SELECT sequence FROM revocations
	WHERE revoked_id IN (?, '') AND sequence > ? AND ` + changes + ` LIMIT 1`

// unchanged returns [sessions.ErrSubjectChanged] if the subject has changed since the revocation
// with that number. The lock keeps the result valid until the commit.
func unchanged(tx *sqldb.Tx, subject string, since int64) error {
	if err := tx.LockShared(numbers); err != nil {
		return err
	}
	var sequence int64
	err := tx.QueryRow(selectChanged, subject, since).Scan(&sequence)
	if errors.Is(err, sqldb.ErrNoRows) {
		return nil
	}
	return cmp.Or(err, sessions.ErrSubjectChanged)
}

const selectSession = `SELECT ` + sessionColumns + ` FROM sessions WHERE id = ?`

// Session implements [sessions.SessionStore].
func (s *Store) Session(ctx context.Context, id string) (sessions.Session, error) {
	session, err := scanSession(s.db.QueryRow(ctx, selectSession, id))
	return session, wrap("reading session", err)
}

type scanner interface {
	Scan(dest ...any) error
}

func scanSession(row scanner) (sessions.Session, error) {
	var s sessions.Session
	var rotatedAt, createdAt, lastUsedAt, idleExpiry, expiry, authTime, revokedAt, accessExpiry int64
	err := row.Scan(&s.ID, &s.Subject, &s.Generation, &rotatedAt, &createdAt, &lastUsedAt,
		&idleExpiry, &expiry, &authTime, &revokedAt, &s.Client.IP, &s.Client.UserAgent, &accessExpiry, &s.SteppedUp)
	if errors.Is(err, sqldb.ErrNoRows) {
		return sessions.Session{}, sessions.ErrNotFound
	}
	if err != nil {
		return sessions.Session{}, err
	}
	s.RotatedAt, s.CreatedAt, s.LastUsedAt = sqldb.Time(rotatedAt), sqldb.Time(createdAt), sqldb.Time(lastUsedAt)
	s.IdleExpiry, s.Expiry = sqldb.Time(idleExpiry), sqldb.Time(expiry)
	s.AuthTime, s.RevokedAt = sqldb.Time(authTime), sqldb.Time(revokedAt)
	s.AccessExpiry = sqldb.Time(accessExpiry)
	return s, nil
}

const selectSessions = `SELECT ` + sessionColumns + ` FROM sessions
	WHERE subject = ? AND revoked_at = 0 AND idle_expiry > ?
	ORDER BY created_at DESC, id DESC LIMIT ?`

const selectSessionsAfter = `SELECT ` + sessionColumns + ` FROM sessions
	WHERE subject = ? AND revoked_at = 0 AND idle_expiry > ?
	AND (created_at, id) < (SELECT created_at, id FROM sessions WHERE id = ? AND subject = ?)
	ORDER BY created_at DESC, id DESC LIMIT ?`

// Sessions implements [sessions.SessionStore].
func (s *Store) Sessions(
	ctx context.Context, subject string, now time.Time, after string, limit int,
) ([]sessions.Session, error) {
	query, args := selectSessions, []any{subject, sqldb.Micros(now)}
	if after != "" {
		query, args = selectSessionsAfter, append(args, after, subject)
	}
	rows, err := s.db.Query(ctx, query, append(args, max(limit, 0))...)
	if err != nil {
		return nil, wrap("listing sessions", err)
	}
	list, err := collect(rows, scanSession)
	return list, wrap("listing sessions", err)
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
	SET generation = ?, rotated_at = ?, last_used_at = ?, idle_expiry = ?, revoked_at = ?,
		auth_time = ?, access_expiry = ?, stepped_up = ?
	WHERE id = ? AND generation = ? AND revoked_at = 0`

// updateRotated rotates a session that is as the caller read it, and whose subject has not changed
// since a number. Of what a rotation depends on, access_expiry alone can change while the
// generation stays. There are two subqueries because SQLite makes a table of every IN list.
const updateRotated = `UPDATE sessions
	SET generation = ?, rotated_at = ?, last_used_at = ?, idle_expiry = ?, access_expiry = ?, stepped_up = 0
	WHERE id = ? AND generation = ? AND revoked_at = 0 AND access_expiry = ?
	AND NOT EXISTS (SELECT 1 FROM revocations WHERE revoked_id = sessions.subject AND sequence > ? AND ` + changes + `)
	AND NOT EXISTS (SELECT 1 FROM revocations WHERE revoked_id = '' AND sequence > ? AND ` + changes + `)`

// Rotate implements [sessions.SessionStore].
func (s *Store) Rotate(ctx context.Context, r sessions.Rotation) (sessions.Session, sessions.Outcome, error) {
	var session sessions.Session
	var outcome sessions.Outcome
	err := s.db.Write(ctx, func(tx *sqldb.Tx) error {
		if r.Read.ID == r.SessionID {
			after, rotated, err := rotate(tx, r, r.Read)
			if err != nil || rotated {
				session, outcome = after, sessions.Rotated
				return err
			}
		}
		before, err := scanSession(tx.QueryRow(selectSession, r.SessionID))
		if errors.Is(err, sessions.ErrNotFound) {
			session, outcome = sessions.Session{}, sessions.Gone
			return nil
		}
		if err != nil {
			return err
		}
		session, outcome, err = rotateOrRefuse(tx, r, before)
		return err
	})
	if err != nil {
		return sessions.Session{}, sessions.Gone, wrap("rotating session", err)
	}
	return session, outcome, nil
}

// rotate reports whether it has rotated the session. It does so if r is about the current
// generation and neither the session nor its subject has changed, which is the usual case. It needs
// one statement for all of this.
func rotate(tx *sqldb.Tx, r sessions.Rotation, before sessions.Session) (sessions.Session, bool, error) {
	after, outcome := r.Apply(before)
	if outcome != sessions.Rotated {
		return sessions.Session{}, false, nil
	}
	if err := tx.LockShared(numbers); err != nil {
		return sessions.Session{}, false, err
	}
	result, err := tx.ExecRow(updateRotated,
		after.Generation, sqldb.Micros(after.RotatedAt), sqldb.Micros(after.LastUsedAt),
		sqldb.Micros(after.IdleExpiry), sqldb.Micros(after.AccessExpiry),
		before.ID, before.Generation, sqldb.Micros(before.AccessExpiry), r.Since, r.Since)
	if err != nil {
		return sessions.Session{}, false, err
	}
	n, err := result.RowsAffected()
	return after, n == 1, err
}

// rotateOrRefuse decides r for a session that the transaction has read.
func rotateOrRefuse(
	tx *sqldb.Tx, r sessions.Rotation, before sessions.Session,
) (sessions.Session, sessions.Outcome, error) {
	if after, rotated, err := rotate(tx, r, before); err != nil || rotated {
		return after, sessions.Rotated, err
	}
	after, outcome := r.Apply(before)
	switch outcome {
	case sessions.Gone:
		return after, outcome, nil
	case sessions.Reused:
		if err := replaceSession(tx, before, after); err != nil {
			return after, outcome, err
		}
		_, err := insertRevocation(tx, after.Revocation(r.AccessExpiry))
		return after, outcome, err
	}
	err := unchanged(tx, before.Subject, r.Since)
	if errors.Is(err, sessions.ErrSubjectChanged) {
		return before, sessions.Overtaken, nil
	}
	if err != nil {
		return after, outcome, err
	}
	return after, outcome, replaceSession(tx, before, after)
}

// replaceSession replaces before, which the transaction has read, by after. The condition of the
// statement makes this one step, so it never overwrites a change by another transaction.
func replaceSession(tx *sqldb.Tx, before, after sessions.Session) error {
	result, err := tx.ExecRow(updateSession, updateArguments(before, after)...)
	if err != nil {
		return err
	}
	n, err := result.RowsAffected()
	if err == nil && n != 1 {
		err = sqldb.ErrChanged
	}
	return err
}

// updateArguments returns the arguments of updateSession.
func updateArguments(before, after sessions.Session) []any {
	return []any{
		after.Generation, sqldb.Micros(after.RotatedAt), sqldb.Micros(after.LastUsedAt),
		sqldb.Micros(after.IdleExpiry), sqldb.Micros(after.RevokedAt),
		sqldb.Micros(after.AuthTime), sqldb.Micros(after.AccessExpiry), sqldb.Bool(after.SteppedUp),
		before.ID, before.Generation,
	}
}

// StepUp implements [sessions.SessionStore].
func (s *Store) StepUp(ctx context.Context, u sessions.StepUp) (sessions.Session, error) {
	var session sessions.Session
	err := s.db.Write(ctx, func(tx *sqldb.Tx) error {
		before, err := scanSession(tx.QueryRow(selectSession, u.SessionID))
		if err != nil {
			return err
		}
		after, lives := u.Apply(before)
		if !lives {
			return sessions.ErrNotFound
		}
		if err := unchanged(tx, before.Subject, u.Since); err != nil {
			return err
		}
		session = after
		return replaceSession(tx, before, after)
	})
	if err != nil {
		return sessions.Session{}, wrap("stepping up", err)
	}
	return session, nil
}
