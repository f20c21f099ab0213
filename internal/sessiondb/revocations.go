package sessiondb

import (
	"cmp"
	"context"
	"errors"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/hallpass-go/hallpass/internal/sqldb"
	"github.com/hallpass-go/hallpass/sessions"
)

var (
	errRevocationKind = errors.New("sessiondb: Revoke takes a RevokedToken")
	errShortIDs       = errors.New("sessiondb: the database returned less text than its length")
)

// numbers is the name of a lock. Revocations are numbered under it, and writes share it to check
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
	if _, err := tx.ExecRow(updateSequence, r.Sequence); err != nil {
		return sessions.Revocation{}, err
	}
	before, expiresAt := sqldb.Micros(r.Before), sqldb.Micros(r.ExpiresAt)
	_, err := tx.ExecRow(insertRevocationText, r.Sequence, string(r.Kind), r.ID, before, expiresAt)
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
	return insertRevocation(tx, e.Revocation(sqldb.Time(accessExpiry)))
}

// end ends the sessions that e names and that are not yet revoked.
func end(tx *sqldb.Tx, e sessions.Ending) ([]sessions.Revocation, error) {
	found, err := endings(tx, e)
	if err != nil {
		return nil, err
	}
	var recorded []sessions.Revocation
	for _, s := range found {
		result, err := tx.ExecRow(updateRevokedAt, sqldb.Micros(e.Now), s.ID)
		if err != nil {
			return nil, err
		}
		if n, err := result.RowsAffected(); err != nil || n == 0 { // another transaction has ended it
			if err != nil {
				return nil, err
			}
			continue
		}
		r, err := insertRevocation(tx, s.Revocation(e.ExpiresAt))
		if err != nil {
			return nil, err
		}
		recorded = append(recorded, r)
	}
	return recorded, nil
}

// endings returns the sessions that e names and that are not yet revoked, with no other fields than
// those of [sessions.Session.Revocation].
func endings(tx *sqldb.Tx, e sessions.Ending) ([]sessions.Session, error) {
	query, args := selectEnding, []any{e.SessionID}
	if e.Subject != "" {
		query, args = selectEndings, []any{e.Subject, e.Except}
	}
	rows, err := tx.Query(query, args...)
	if err != nil {
		return nil, err
	}
	return collect(rows, func(row scanner) (sessions.Session, error) {
		var s sessions.Session
		var accessExpiry int64
		err := row.Scan(&s.ID, &accessExpiry)
		s.AccessExpiry = sqldb.Time(accessExpiry)
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

// selectPage returns a query whose one row, a [page], holds all rows of selectRevocations.
func selectPage(db *sqldb.DB) string {
	joined := func(column, separator string) string {
		return "COALESCE(" + db.Join(column, separator) + ", '')"
	}
	return "SELECT count(*), " + joined("sequence", ",") + ", " + joined("kind", ",") + ", " +
		joined("revoked_id", "") + ", " + joined("octet_length(revoked_id)", ",") + ", " +
		joined("before", ",") + ", " + joined("expires_at", ",") + " FROM (" + selectRevocations + ") AS page"
}

// Revocations implements [sessions.RevocationStore].
func (s *Store) Revocations(
	ctx context.Context, since int64, now time.Time, limit int,
) ([]sessions.Revocation, error) {
	var p page
	row := s.db.QueryRow(ctx, s.selectPage, since, sqldb.Micros(now), max(limit, 0))
	err := row.Scan(&p.n, &p.sequences, &p.kinds, &p.ids, &p.idLengths, &p.befores, &p.expiries)
	if err != nil {
		return nil, wrap("listing revocations", err)
	}
	revocations, err := p.split()
	return revocations, wrap("listing revocations", err)
}

// page holds n records as [selectPage] returns them.
type page struct {
	n                                              int
	sequences, kinds, idLengths, befores, expiries string // n values with commas between them
	ids                                            string // n IDs with nothing between them
}

func (p *page) split() ([]sessions.Revocation, error) {
	revocations := make([]sessions.Revocation, p.n)
	for i := range revocations {
		sequence, err1 := strconv.ParseInt(first(&p.sequences), 10, 64)
		before, err2 := strconv.ParseInt(first(&p.befores), 10, 64)
		expiresAt, err3 := strconv.ParseInt(first(&p.expiries), 10, 64)
		length, err4 := strconv.Atoi(first(&p.idLengths))
		if err := cmp.Or(err1, err2, err3, err4); err != nil {
			return nil, err
		}
		if length > len(p.ids) {
			return nil, errShortIDs
		}
		revocations[i] = sessions.Revocation{
			Sequence: sequence, Kind: sessions.RevocationKind(first(&p.kinds)), ID: p.ids[:length],
			Before: sqldb.Time(before), ExpiresAt: sqldb.Time(expiresAt),
		}
		p.ids = p.ids[length:]
	}
	slices.SortFunc(revocations, func(a, b sessions.Revocation) int { return cmp.Compare(a.Sequence, b.Sequence) })
	return revocations, nil
}

// first removes and returns the first value of values, which have commas between them.
func first(values *string) string {
	value, rest, _ := strings.Cut(*values, ",")
	*values = rest
	return value
}
