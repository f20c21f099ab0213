package sessiondb

import (
	"context"
	"crypto/rand"
	"time"

	"github.com/hallpass-go/hallpass/internal/sqldb"
	"github.com/hallpass-go/hallpass/sessions"
)

const updateAllRevokedAt = `UPDATE sessions SET revoked_at = ? WHERE revoked_at = 0`

const updateEpoch = `UPDATE revocation_epoch SET epoch = ? WHERE id = 1`

// EndAll implements [sessions.RevocationStore].
func (s *Store) EndAll(ctx context.Context, now time.Time) (int, sessions.Revocation, error) {
	var ended int64
	var recorded sessions.Revocation
	err := s.db.Write(ctx, func(tx *sqldb.Tx) error {
		result, err := tx.Exec(updateAllRevokedAt, sqldb.Micros(now))
		if err != nil {
			return err
		}
		if ended, err = result.RowsAffected(); err != nil {
			return err
		}
		if _, err := tx.ExecRow(updateEpoch, rand.Text()); err != nil {
			return err
		}
		recorded, err = insertRevocation(tx, sessions.AllRevoked(now))
		return err
	})
	if err != nil {
		return 0, sessions.Revocation{}, wrap("ending all sessions", err)
	}
	return int(ended), recorded, nil
}

const selectEpoch = `SELECT epoch FROM revocation_epoch WHERE id = 1`

// Epoch implements [sessions.RevocationStore].
func (s *Store) Epoch(ctx context.Context) (string, error) {
	var epoch string
	err := s.db.QueryRow(ctx, selectEpoch).Scan(&epoch)
	return epoch, wrap("reading the epoch", err)
}
