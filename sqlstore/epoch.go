package sqlstore

import (
	"context"
	"crypto/rand"
	"time"

	"github.com/hallpass-go/hallpass"
	"github.com/hallpass-go/hallpass/internal/sqldb"
)

const updateAllRevokedAt = `UPDATE sessions SET revoked_at = ? WHERE revoked_at = 0`

const updateEpoch = `UPDATE revocation_epoch SET epoch = ? WHERE id = 1`

// EndAll implements [hallpass.RevocationStore].
func (s *Store) EndAll(ctx context.Context, now time.Time) (int, hallpass.Revocation, error) {
	var ended int64
	var recorded hallpass.Revocation
	err := s.db.Write(ctx, func(tx *sqldb.Tx) error {
		result, err := tx.Exec(updateAllRevokedAt, sqldb.Micros(now))
		if err != nil {
			return err
		}
		if ended, err = result.RowsAffected(); err != nil {
			return err
		}
		if _, err := tx.Exec(updateEpoch, rand.Text()); err != nil {
			return err
		}
		recorded, err = insertRevocation(tx, hallpass.AllRevoked(now))
		return err
	})
	if err != nil {
		return 0, hallpass.Revocation{}, wrap("ending all sessions", err)
	}
	return int(ended), recorded, nil
}

const selectEpoch = `SELECT epoch FROM revocation_epoch WHERE id = 1`

// Epoch implements [hallpass.RevocationStore].
func (s *Store) Epoch(ctx context.Context) (string, error) {
	var epoch string
	err := s.db.QueryRow(ctx, selectEpoch).Scan(&epoch)
	return epoch, wrap("reading the epoch", err)
}
