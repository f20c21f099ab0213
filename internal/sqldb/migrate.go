package sqldb

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"regexp"
	"strconv"
	"time"
)

const createMigrations = `
CREATE TABLE IF NOT EXISTS schema_migrations (
	set_name   VARCHAR(64)  NOT NULL,
	version    INTEGER      NOT NULL,
	name       VARCHAR(128) NOT NULL,
	sha256     CHAR(64)     NOT NULL,
	applied_at BIGINT       NOT NULL, -- microseconds since 1970
	PRIMARY KEY (set_name, version)
)`

const selectMigrations = `SELECT version, name, sha256 FROM schema_migrations WHERE set_name = ? ORDER BY version`

const insertMigration = `
INSERT INTO schema_migrations (set_name, version, name, sha256, applied_at) VALUES (?, ?, ?, ?, ?)`

// deletePing deletes the row that [DB.Ping] wrote, in the same transaction.
const deletePing = `DELETE FROM schema_migrations WHERE set_name = 'ping'`

var migrationName = regexp.MustCompile(`^(\d{4})_([a-z0-9_]+)\.sql$`)

// migration is one file of a set, or the record of one in the database.
type migration struct {
	version int
	name    string
	sha256  string
	script  string
}

// Migrate updates the tables of one set. It runs the files that the database has not seen, in
// order, each in its own transaction. The files must be at the top of files, which is the folder
// for this database's [DB.Dialect]. They are named NNNN_name.sql and numbered from 0001 without
// gaps. Several programs may call Migrate at the same time.
//
// Migrate fails if a file has changed since it was run, or if a newer program has run more files
// than there are in files. An error that wraps [ErrUnavailable] says that the database could not be
// reached. Files that have been run stay in effect.
func (db *DB) Migrate(ctx context.Context, set string, files fs.FS) error {
	known, err := readMigrations(files)
	if err != nil {
		return fmt.Errorf("reading migrations of %s: %w", set, err)
	}
	for {
		done := false
		err := db.write(ctx, migrationLimit, func(tx *Tx) (err error) {
			done, err = migrateStep(tx, set, known)
			return err
		})
		if err != nil {
			return fmt.Errorf("migrating %s: %w", set, err)
		}
		if done {
			return nil
		}
	}
}

// readMigrations returns the files in order.
func readMigrations(files fs.FS) ([]migration, error) {
	entries, err := fs.ReadDir(files, ".")
	if err != nil {
		return nil, err
	}
	var known []migration
	for _, entry := range entries {
		if path.Ext(entry.Name()) != ".sql" {
			continue
		}
		parts := migrationName.FindStringSubmatch(entry.Name())
		if parts == nil {
			return nil, fmt.Errorf("%s: the name is not NNNN_name.sql", entry.Name())
		}
		version, err := strconv.Atoi(parts[1])
		if err != nil || version != len(known)+1 {
			return nil, fmt.Errorf("%s: expected number %04d", entry.Name(), len(known)+1)
		}
		script, err := fs.ReadFile(files, entry.Name())
		if err != nil {
			return nil, err
		}
		sum := sha256.Sum256(script)
		known = append(known, migration{version, parts[2], hex.EncodeToString(sum[:]), string(script)})
	}
	if len(known) == 0 {
		return nil, errors.New("there are none")
	}
	return known, nil
}

// migrateStep runs the first migration of known that the database has not seen. If there is none,
// it reports true.
func migrateStep(tx *Tx, set string, known []migration) (done bool, err error) {
	if _, err := tx.Exec(createMigrations); err != nil {
		return false, err
	}
	applied, err := appliedMigrations(tx, set)
	if err != nil {
		return false, err
	}
	if err := compareMigrations(applied, known); err != nil {
		return false, err
	}
	if len(applied) == len(known) {
		return true, nil
	}
	next := known[len(applied)]
	if err := tx.script(next.script); err != nil {
		return false, fmt.Errorf("running %04d_%s.sql: %w", next.version, next.name, err)
	}
	_, err = tx.Exec(insertMigration, set, next.version, next.name, next.sha256, Micros(time.Now()))
	return false, err
}

func appliedMigrations(tx *Tx, set string) ([]migration, error) {
	rows, err := tx.Query(selectMigrations, set)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var applied []migration
	for rows.Next() {
		var m migration
		if err := rows.Scan(&m.version, &m.name, &m.sha256); err != nil {
			return nil, err
		}
		applied = append(applied, m)
	}
	return applied, rows.Err()
}

func compareMigrations(applied, known []migration) error {
	for i, m := range applied {
		if i >= len(known) {
			return fmt.Errorf(
				"the database has %04d_%s, which this program does not know: run a newer one",
				m.version,
				m.name,
			)
		}
		if k := known[i]; m.version != k.version || m.sha256 != k.sha256 {
			return fmt.Errorf(
				"%04d_%s.sql is not what was run in this database as %04d_%s: restore the file "+
					"and put the change in a new one",
				k.version,
				k.name,
				m.version,
				m.name,
			)
		}
	}
	return nil
}

// script runs several statements.
func (tx *Tx) script(statements string) error {
	if err := tx.usable(); err != nil {
		return err
	}
	return tx.part.script(statements)
}
