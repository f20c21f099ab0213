// Package sqldb is the project's way to a SQL database: transactions, a pool of readers,
// migrations, and one sentinel for a database that cannot be asked. What differs between databases
// is an engine; SQLite's is the only one yet (sqlite.go). The package imports no driver: the
// program does (modernc.org/sqlite for SQLite).
package sqldb

import (
	"cmp"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

const (
	// transactionLimit is how long a transaction may take, whoever takes part in it.
	transactionLimit = 30 * time.Second
	// migrationLimit is the same for one file of a migration, which may have to rewrite a large
	// table.
	migrationLimit = 30 * time.Minute
	// statementLimit is how many statements are kept prepared. The texts are constants of the
	// program.
	statementLimit = 256
)

// engine is a kind of database.
type engine interface {
	dialect() string             // names it, and its folder of migrations
	rewrite(query string) string // from "?" to its own placeholders
	ping() string                // a query of one number that reads the database itself
	reader() *sql.DB             // for queries outside a transaction

	// write runs f in a transaction, as [DB.Write] promises.
	write(ctx context.Context, limit time.Duration, f func(transaction) error) error
	// unmoved fails when the database is not the one that was opened.
	unmoved() error
	// lastWriteFailed reports whether the last transaction could not be written.
	lastWriteFailed() bool
	// failure makes an error of the database/sql layer one of this package.
	failure(err error) error
	close() error
}

// transaction is one caller's part of a transaction.
type transaction interface {
	exec(query string, args ...any) (sql.Result, error)
	query(query string, args ...any) (*sql.Rows, error)
	scan(query string, args, dest []any) error
	script(statements string) error
	lock(name string) error // see [Tx.Lock]
	usable() error          // why it cannot go on
	failure(err error) error
}

// DB is an open database. It is safe for concurrent use.
type DB struct {
	engine   engine
	queries  sync.Map // text of a query → *sql.Stmt: reading SQL takes longer than most rows do
	prepared atomic.Int64
}

// Open opens the database at url, "sqlite:" and the path of a file, which is made with mode 0600
// when it does not exist; its folder must. Of a file of ours that others can reach the mode is
// mended, with a warning in the log. An error that wraps [ErrUnavailable] says that the file cannot
// be read or written.
func Open(ctx context.Context, url string) (*DB, error) {
	location, err := parseURL(url)
	if err != nil {
		return nil, fmt.Errorf("opening database: %w", err)
	}
	e, err := openSQLite(ctx, location)
	if err != nil {
		return nil, fmt.Errorf("opening database %s: %w", location, err)
	}
	db := &DB{engine: e}
	if err := db.Ping(ctx); err != nil {
		return nil, fmt.Errorf("opening database %s: %w", location, errors.Join(err, db.Close()))
	}
	return db, nil
}

// parseURL returns the path that the URL of a database names.
func parseURL(url string) (path string, err error) {
	path, found := strings.CutPrefix(url, sqliteScheme)
	if !found {
		scheme, _, found := strings.Cut(url, ":")
		if !found {
			return "", errors.New(`the URL of a database starts with "sqlite:"`)
		}
		return "", fmt.Errorf(`%q is not supported yet; use "sqlite:" and the path of a file`, scheme+":")
	}
	path = strings.TrimPrefix(path, "//")
	if path == "" || strings.HasPrefix(path, ":memory:") {
		return "", fmt.Errorf("%s needs the path of a file", sqliteScheme)
	}
	return path, nil
}

// Close waits for the writes that have begun and closes the database. Later calls fail with
// [ErrUnavailable].
func (db *DB) Close() error { return db.engine.close() }

// Dialect names the kind of database, which is also the name of its folder of migrations: "sqlite".
func (db *DB) Dialect() string { return db.engine.dialect() }

// Write runs f in a transaction and returns nil once that is durable. When f returns an error its
// part is undone and Write returns that error; a panic of f undoes it too. An error that wraps
// [ErrUnavailable] says that the transaction may have taken place or not.
//
// When ctx ends before f has begun, f is not run, and the error wraps ctx's error too. Once it has
// begun, Write waits for the outcome, whatever becomes of ctx. f may be called more than once, each
// time in a new transaction, and it must not call Write, but with a context of [WithTx].
func (db *DB) Write(ctx context.Context, f func(tx *Tx) error) error {
	return db.write(ctx, transactionLimit, f)
}

func (db *DB) write(ctx context.Context, limit time.Duration, f func(tx *Tx) error) error {
	if tx, ok := ctx.Value(txKey{}).(*Tx); ok && tx.db == db {
		if err := tx.usable(); err != nil {
			return err
		}
		return f(tx)
	}
	return db.engine.write(ctx, limit, func(part transaction) error {
		tx := &Tx{db: db, part: part}
		defer tx.over.Store(true)
		return f(tx)
	})
}

// Ping reads from the database and, if the last transaction failed, as when the disk is full, tries
// to write. An error wraps [ErrUnavailable].
func (db *DB) Ping(ctx context.Context) error {
	if err := db.engine.unmoved(); err != nil {
		return err
	}
	var n int
	if err := db.QueryRow(ctx, db.engine.ping()).Scan(&n); err != nil || !db.engine.lastWriteFailed() {
		return err
	}
	return db.Write(ctx, func(tx *Tx) error {
		if _, err := tx.Exec(insertMigration, "ping", 0, "", "", 0); err != nil {
			return err
		}
		_, err := tx.Exec(deletePing)
		return err
	})
}

// Query runs a query outside a transaction. Placeholders are written "?". The caller closes the
// rows.
func (db *DB) Query(ctx context.Context, query string, args ...any) (*Rows, error) {
	rows, err := db.query(ctx, query, args)
	if err != nil {
		return nil, db.engine.failure(err)
	}
	return &Rows{Rows: rows, failure: db.engine.failure}, nil
}

// QueryRow is a query of one row outside a transaction. It runs when [Row.Scan] is called.
func (db *DB) QueryRow(ctx context.Context, query string, args ...any) *Row {
	return &Row{func(dest []any) error { return db.engine.failure(db.scan(ctx, query, args, dest)) }}
}

// query runs a query, prepared at its first use. The texts are constants of the program; more than
// the limit are not kept.
func (db *DB) query(ctx context.Context, query string, args []any) (*sql.Rows, error) {
	if s, ok := db.queries.Load(query); ok {
		return s.(*sql.Stmt).QueryContext(ctx, args...)
	}
	if db.prepared.Add(1) > statementLimit {
		return db.engine.reader().QueryContext(ctx, db.engine.rewrite(query), args...)
	}
	s, err := db.engine.reader().PrepareContext(ctx, db.engine.rewrite(query))
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
