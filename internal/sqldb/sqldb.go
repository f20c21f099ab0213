// Package sqldb is the project's way to a SQL database: one writer whose transactions share their commits,
// a pool of readers, migrations, and one sentinel for a database that cannot be asked.
//
// It runs on SQLite. What differs between databases is in dialect.go. The package imports no driver: the
// program does (modernc.org/sqlite for SQLite).
package sqldb

import (
	"cmp"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"time"

	"github.com/hallpass-go/hallpass/internal/private"
)

const (
	// lockWait is how long a transaction waits for another process to end its own.
	lockWait = 5 * time.Second
	// transactionLimit is how long a transaction may take, whoever takes part in it.
	transactionLimit = 30 * time.Second
	// migrationLimit is the same for one file of a migration, which may have to rewrite a large table.
	migrationLimit = 30 * time.Minute
	// readers is how many queries outside a transaction run at one time; others wait for them.
	readers = 4
)

// DB is an open database. It is safe for concurrent use.
type DB struct {
	dialect  *dialect
	location string      // the file
	opened   os.FileInfo // what location was when it was opened
	reads    *sql.DB
	queries  sync.Map // text of a query → *sql.Stmt: reading SQL takes longer than most rows do
	prepared atomic.Int64
	writes   *sql.DB // one connection
	queue    queue
	writer   writer

	unwritable atomic.Bool // the last transaction could not be written
}

// Open opens the database at url, "sqlite:" and the path of a file, which is made with mode 0600 when it does
// not exist; its folder must. Of a file of ours that others can reach the mode is mended, with a warning in the log. An error that wraps [ErrUnavailable] says that the file cannot be read or written.
func Open(ctx context.Context, url string) (*DB, error) {
	d, location, err := parseURL(url)
	if err != nil {
		return nil, fmt.Errorf("opening database: %w", err)
	}
	db := &DB{dialect: d, location: location}
	if err := db.open(ctx); err != nil {
		return nil, fmt.Errorf("opening database %s: %w", location, errors.Join(err, db.Close()))
	}
	return db, nil
}

func (db *DB) open(ctx context.Context) (err error) {
	if db.location, err = filepath.Abs(db.location); err != nil {
		return err
	}
	if db.opened, err = createFile(db.location); err != nil {
		return unavailable(err)
	}
	if err := keepPrivate(db.location); err != nil {
		return err
	}
	if db.writes, err = sql.Open(db.dialect.driver, db.dialect.writerDSN(db.location)); err != nil {
		return err
	}
	db.writes.SetMaxOpenConns(1)
	if db.reads, err = sql.Open(db.dialect.driver, db.dialect.readerDSN(db.location)); err != nil {
		return err
	}
	db.reads.SetMaxOpenConns(readers)
	db.reads.SetMaxIdleConns(readers)
	if err := db.dialect.prepareFile(ctx, db.writes); err != nil {
		return db.failure(err)
	}
	return db.Ping(ctx)
}

// creating is held while a descriptor that is not SQLite's own is open on a database file: closing one drops the
// locks that the process holds on the file, those of another DB included.
var creating sync.Mutex

// createFile makes the file at path, for its owner alone, unless it exists, and returns what it is.
func createFile(path string) (os.FileInfo, error) {
	creating.Lock()
	defer creating.Unlock()
	f, err := os.OpenFile(path, os.O_CREATE|os.O_EXCL|os.O_RDWR, 0o600)
	if err == nil {
		err = f.Close()
		syncDir(filepath.Dir(path))
	}
	if err != nil && !errors.Is(err, os.ErrExist) {
		return nil, err
	}
	return os.Stat(path)
}

// keepPrivate mends or refuses files of the database that others can read or write. SQLite gives new ones beside it its mode.
func keepPrivate(path string) error {
	path, err := filepath.EvalSymlinks(path) // beside which the others are
	if err != nil {
		return unavailable(err)
	}
	return errors.Join(private.Keep(path), private.Keep(path+"-wal"), private.Keep(path+"-shm"))
}

// syncDir makes a new file's name survive a power loss, where the system can do that with a folder.
func syncDir(path string) {
	if dir, err := os.Open(path); err == nil {
		_ = dir.Sync()
		_ = dir.Close()
	}
}

// Close waits for the writes that have begun and closes the database. Later calls fail with [ErrUnavailable].
func (db *DB) Close() error {
	db.queue.close()
	var errs []error
	if db.reads != nil {
		errs = append(errs, db.reads.Close())
	}
	if db.writes != nil {
		errs = append(errs, db.writer.close(), db.writes.Close())
	}
	return errors.Join(errs...)
}

// Dialect names the kind of database, which is also the name of its folder of migrations: "sqlite".
func (db *DB) Dialect() string { return db.dialect.name }

// Ping reads from the database and, if the last transaction failed, as when the disk is full, tries to write. An error
// wraps [ErrUnavailable].
func (db *DB) Ping(ctx context.Context) error {
	if err := db.unmoved(); err != nil {
		return err
	}
	var n int
	if err := db.QueryRow(ctx, db.dialect.ping).Scan(&n); err != nil || !db.unwritable.Load() {
		return err
	}
	return db.Write(ctx, func(tx *Tx) error {
		_, err := tx.Exec("CREATE TABLE writable (yes INTEGER)")
		if err == nil {
			_, err = tx.Exec("DROP TABLE writable")
		}
		return err
	})
}

// unmoved fails when the file is no longer the one that was opened: what is written to a deleted file is lost
// with the process, although the database knows of no failure.
func (db *DB) unmoved() error {
	info, err := os.Stat(db.location)
	if err != nil {
		return unavailable(err)
	}
	if !os.SameFile(db.opened, info) {
		return unavailable(errors.New("the database file was replaced; restart to use the new one"))
	}
	return nil
}

// Query runs a query outside a transaction. Placeholders are written "?". The caller closes the rows.
func (db *DB) Query(ctx context.Context, query string, args ...any) (*Rows, error) {
	rows, err := db.query(ctx, query, args)
	if err != nil {
		return nil, db.failure(err)
	}
	return &Rows{Rows: rows, failure: db.failure}, nil
}

// QueryRow is a query of one row outside a transaction. It runs when [Row.Scan] is called.
func (db *DB) QueryRow(ctx context.Context, query string, args ...any) *Row {
	return &Row{func(dest []any) error { return db.failure(db.scan(ctx, query, args, dest)) }}
}

// query runs a query, prepared at its first use. The texts are constants of the program; more than the limit are not kept.
func (db *DB) query(ctx context.Context, query string, args []any) (*sql.Rows, error) {
	if s, ok := db.queries.Load(query); ok {
		return s.(*sql.Stmt).QueryContext(ctx, args...)
	}
	if db.prepared.Add(1) > statementLimit {
		return db.reads.QueryContext(ctx, db.dialect.rewrite(query), args...)
	}
	s, err := db.reads.PrepareContext(ctx, db.dialect.rewrite(query))
	if err != nil {
		db.prepared.Add(-1)
		return nil, err
	}
	if first, again := db.queries.LoadOrStore(query, s); again {
		db.prepared.Add(-1)
		_ = s.Close()
		s = first.(*sql.Stmt)
	}
	return s.QueryContext(ctx, args...)
}

// scan is [sql.Row.Scan] of a query.
func (db *DB) scan(ctx context.Context, query string, args, dest []any) error {
	rows, err := db.query(ctx, query, args)
	if err != nil {
		return err
	}
	defer rows.Close()
	if !rows.Next() {
		return cmp.Or(rows.Err(), ErrNoRows)
	}
	if err := rows.Scan(dest...); err != nil {
		return err
	}
	return rows.Close()
}

// failure makes an error of the database/sql layer one of this package.
func (db *DB) failure(err error) error {
	if err == nil || errors.Is(err, ErrNoRows) || isUnavailable(err) {
		return err
	}
	if db.queue.isClosed() || db.dialect.isUnavailable(err) {
		return unavailable(err)
	}
	return err
}
