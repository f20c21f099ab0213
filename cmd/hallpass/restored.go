package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"time"

	"github.com/hallpass-go/hallpass/sqlstore"
)

// A database that was restored from a backup revives what was logged out since, and takes refresh tokens that were used. So
// the data folder remembers the highest number that a revocation has had, which no database but an older one is below.

// sequenceInterval is how often the number is written down: a restore is noticed if anything was revoked longer ago.
const sequenceInterval = 5 * time.Second

// sequenceMemory is the highest number of a revocation, by database, in a file of the data folder.
type sequenceMemory struct {
	path     string
	database string
	store    *sqlstore.Store
	written  int64
}

func (c *commands) sequenceMemory(store *sqlstore.Store) *sequenceMemory {
	database := c.DB
	if database == "" || database == "sqlite:" {
		database = "sqlite:" + c.databasePath()
	}
	return &sequenceMemory{path: filepath.Join(c.Data, "highest-revocation.json"), database: database, store: store}
}

// check fails when the database is older than what the folder remembers of it.
func (m *sequenceMemory) check(ctx context.Context) error {
	known, err := m.read()
	if err != nil {
		return err
	}
	now, err := m.store.Sequence(ctx)
	if err != nil {
		return err
	}
	if m.written = known[m.database]; now >= m.written {
		return nil
	}
	return fmt.Errorf("the database %s is older than this data folder remembers: it was restored from a backup, or made anew. "+
		"Sessions that were ended since would live again. Run hallpass session revoke --all with the same --data and --db, which "+
		"logs everybody out, and start again (docs/restore.md)", m.database)
}

func (m *sequenceMemory) read() (map[string]int64, error) {
	known := map[string]int64{}
	text, err := os.ReadFile(m.path)
	if errors.Is(err, fs.ErrNotExist) {
		return known, nil
	}
	if err == nil {
		err = json.Unmarshal(text, &known)
	}
	if err != nil {
		return nil, fmt.Errorf("reading what the data folder remembers of the database: %w; delete %s to forget it", err, m.path)
	}
	return known, nil
}

// write notes the number of now, if it is another one.
func (m *sequenceMemory) write(ctx context.Context) error {
	now, err := m.store.Sequence(ctx)
	if err != nil || now <= m.written {
		return err
	}
	known, err := m.read()
	if err != nil {
		return err
	}
	known[m.database] = now
	text, err := json.Marshal(known)
	if err != nil {
		return err
	}
	next := m.path + ".next"
	if err := os.WriteFile(next, text, 0o600); err != nil {
		return err
	}
	if err := os.Rename(next, m.path); err != nil {
		return err
	}
	m.written = now
	return nil
}

// follow writes until ctx ends, and once more then.
func (m *sequenceMemory) follow(ctx context.Context, log *slog.Logger) {
	tick := time.NewTicker(sequenceInterval)
	defer tick.Stop()
	for last := false; ; {
		if err := m.write(context.WithoutCancel(ctx)); err != nil {
			log.Warn("a restored database would not be noticed", "err", err)
		}
		if last {
			return
		}
		select {
		case <-ctx.Done():
			last = true
		case <-tick.C:
		}
	}
}
