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

	"github.com/hallpass-go/hallpass/internal/sessiondb"
)

// A database that was restored from a backup revives what was logged out since, and takes refresh
// tokens that were used. So the data folder remembers the highest number that a revocation has had,
// which no database but an older one is below.

// sequenceInterval is how often the number is written down: a restore is noticed if anything was
// revoked longer ago.
const sequenceInterval = 5 * time.Second

// restoreCheck notices a database that is older than the data folder remembers. Its file has the
// highest number of a revocation, by database.
type restoreCheck struct {
	path     string
	database string
	store    *sessiondb.Store
	written  int64
}

func (c *commands) restoreCheck(store *sessiondb.Store) *restoreCheck {
	database := c.DB
	if database == "" {
		database = "sqlite:" // the one in the folder itself, wherever that is and is moved to
	}
	return &restoreCheck{path: filepath.Join(c.Data, "highest-revocation.json"), database: database, store: store}
}

// check fails when the database is older than what the folder remembers of it.
func (c *restoreCheck) check(ctx context.Context) error {
	known, err := c.read()
	if err != nil {
		return err
	}
	now, err := c.store.Sequence(ctx)
	if err != nil {
		return err
	}
	if c.written = known[c.database]; now >= c.written {
		return nil
	}
	name := c.database
	if name == "sqlite:" {
		name = "of " + filepath.Dir(c.path)
	}
	return fmt.Errorf(
		"the database %s is older than this data folder remembers: it was restored from a backup, or made anew. "+
			"Sessions that were ended since would live again. Run hallpass session revoke --all with the same --data and --db, which "+
			"logs everybody out, and start again (docs/restore.md)",
		name,
	)
}

func (c *restoreCheck) read() (map[string]int64, error) {
	known := map[string]int64{}
	text, err := os.ReadFile(c.path)
	if errors.Is(err, fs.ErrNotExist) {
		return known, nil
	}
	if err == nil {
		err = json.Unmarshal(text, &known)
	}
	if err != nil {
		return nil, fmt.Errorf(
			"reading what the data folder remembers of the database: %w; delete %s to forget it",
			err,
			c.path,
		)
	}
	return known, nil
}

// write notes the number of now, if it is another one.
func (c *restoreCheck) write(ctx context.Context) error {
	now, err := c.store.Sequence(ctx)
	if err != nil || now <= c.written {
		return err
	}
	known, err := c.read()
	if err != nil {
		return err
	}
	known[c.database] = now
	if err := writeWhole(c.path, known); err != nil {
		return err
	}
	c.written = now
	return nil
}

// follow writes until ctx ends, and once more then.
func (c *restoreCheck) follow(ctx context.Context, log *slog.Logger) {
	tick := time.NewTicker(sequenceInterval)
	defer tick.Stop()
	for last := false; ; {
		if err := c.write(context.WithoutCancel(ctx)); err != nil {
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
