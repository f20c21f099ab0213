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

// A database restored from a backup would bring back sessions that have been ended since, and
// accept refresh tokens that have been used. So the data folder records the highest number of any
// revocation. Only an older database has a lower number.

// sequenceInterval is how often the number is recorded. A restore is detected if it undoes a
// revocation that is older than this.
const sequenceInterval = 5 * time.Second

// restoreCheck detects a database that is older than the data folder's record. The file of the
// record holds the highest revocation number for each database.
type restoreCheck struct {
	path     string
	database string
	store    *sessiondb.Store
	written  int64
}

func (c *commands) restoreCheck(store *sessiondb.Store) *restoreCheck {
	database := masked(c.DB)
	if database == "" {
		database = "sqlite:" // the one in the folder, even if the folder is moved
	}
	return &restoreCheck{path: filepath.Join(c.Data, "highest-revocation.json"), database: database, store: store}
}

// check fails if the database is older than the folder's record of it.
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
			"Sessions that were ended since would live again. Run hallpass session revoke --all "+
			"with the same --data and --db, which "+
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

// write records the current number if it has changed.
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

// follow calls write regularly until ctx ends, and then once more.
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
