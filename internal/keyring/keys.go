package keyring

import (
	"context"
	"embed"
	"io/fs"
	"time"

	"github.com/hallpass-go/hallpass/internal/sqldb"
	"github.com/hallpass-go/hallpass/jwk"
)

//go:embed migrations
var migrations embed.FS

func migrationsFor(dialect string) (fs.FS, error) { return fs.Sub(migrations, "migrations/"+dialect) }

const selectKeys = `
SELECT id, algorithm, state, sealed, sealed_by, created_at, activated_at, retired_at, gone_at FROM signing_keys
ORDER BY created_at, id`

const insertActiveKey = `
INSERT INTO signing_keys (id, algorithm, state, sealed, sealed_by, created_at, activated_at)
VALUES (?, ?, 'active', ?, ?, ?, ?)`

// State is the state of a key: next, active, retired or gone, in that order.
type State string

// The states of a key.
const (
	Next    State = "next"    // published, so that verifiers have it when it starts to sign
	Active  State = "active"  // signs; exactly one key is active
	Retired State = "retired" // published until its last token has expired
	Gone    State = "gone"    // only its row is left
)

// KeyInfo is the public information about a key. A time is zero until it is reached.
type KeyInfo struct {
	ID          string
	Algorithm   jwk.Algorithm
	State       State
	CreatedAt   time.Time
	ActivatedAt time.Time
	RetiredAt   time.Time
	GoneAt      time.Time
}

// row is a row of signing_keys.
type row struct {
	KeyInfo
	sealed   []byte
	sealedBy string
}

// readKeys returns every row, oldest first.
func readKeys(ctx context.Context, db *sqldb.DB) ([]row, error) {
	rows, err := db.Query(ctx, selectKeys)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var found []row
	for rows.Next() {
		var r row
		var created, activated, retired, gone int64
		err := rows.Scan(&r.ID, &r.Algorithm, &r.State, &r.sealed, &r.sealedBy, &created, &activated, &retired, &gone)
		if err != nil {
			return nil, err
		}
		r.CreatedAt, r.ActivatedAt = sqldb.Time(created), sqldb.Time(activated)
		r.RetiredAt, r.GoneAt = sqldb.Time(retired), sqldb.Time(gone)
		found = append(found, r)
	}
	return found, rows.Err()
}

// insertActive adds a key that signs. If another process was faster, [sqldb.IsUnique] is true for
// its error.
func insertActive(tx *sqldb.Tx, r row) error {
	created := sqldb.Micros(r.CreatedAt)
	_, err := tx.Exec(insertActiveKey, r.ID, r.Algorithm, r.sealed, r.sealedBy, created, created)
	return err
}
