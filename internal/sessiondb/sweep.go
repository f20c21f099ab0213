package sessiondb

import (
	"context"
	"slices"
	"time"

	"github.com/hallpass-go/hallpass/internal/sqldb"
)

// sweepBatch is the maximum number of records that one transaction deletes, so that other writes do
// not wait long.
const sweepBatch = 500

// The inner SELECT has a name because MySQL allows LIMIT in no other form of subquery.
const deleteSessions = `DELETE FROM sessions WHERE id IN (SELECT id FROM
	(SELECT id FROM sessions WHERE idle_expiry < ? AND access_expiry < ? ORDER BY idle_expiry LIMIT ?) AS expired)`

const deleteRevocations = `DELETE FROM revocations WHERE sequence IN (SELECT sequence FROM
	(SELECT sequence FROM revocations WHERE expires_at < ? ORDER BY expires_at LIMIT ?) AS expired)`

// Sweep implements [sessions.SessionStore]. If it fails, records that it has already deleted stay
// deleted and are counted.
func (s *Store) Sweep(ctx context.Context, now time.Time, limit int) (int, error) {
	swept := 0
	for _, step := range []struct {
		statement string
		times     int // how often it asks for now
	}{{deleteSessions, 2}, {deleteRevocations, 1}} {
		for more := true; more && swept < limit; {
			batch := min(limit-swept, sweepBatch)
			n, err := s.sweep(
				ctx,
				step.statement,
				append(slices.Repeat([]any{sqldb.Micros(now)}, step.times), batch)...)
			if err != nil {
				return swept, wrap("sweeping", err)
			}
			swept += n
			more = n == batch
		}
	}
	return swept, nil
}

func (s *Store) sweep(ctx context.Context, statement string, args ...any) (int, error) {
	var n int64
	err := s.db.Write(ctx, func(tx *sqldb.Tx) error {
		result, err := tx.Exec(statement, args...)
		if err != nil {
			return err
		}
		n, err = result.RowsAffected()
		return err
	})
	if err != nil {
		return 0, err
	}
	return int(n), nil
}
