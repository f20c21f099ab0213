// Package sqldb accesses a SQL database. It provides transactions, a pool of readers, migrations,
// and one error for a database that is unavailable. The differences between databases are in their
// engines: sqlite.go and postgres.go. The package imports no driver. The program must do so
// (modernc.org/sqlite for SQLite, github.com/jackc/pgx/v5/stdlib for PostgreSQL).
package sqldb

import (
	"cmp"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

const (
	// transactionLimit is how long a transaction may take in total.
	transactionLimit = 30 * time.Second
	// migrationLimit is the limit for one migration file, which may have to rewrite a large table.
	migrationLimit = 30 * time.Minute
	// statementLimit is how many prepared statements are kept. Their texts are constants of the
	// program.
	statementLimit = 256
)

// engine is a kind of database.
type engine interface {
	dialect() string                      // its name, which is also that of its folder of migrations
	rewrite(query string) string          // converts "?" to the database's placeholders
	arguments(args []any) []any           // replaces text that the database cannot hold
	ping() string                         // a query of one number that reads the database itself
	join(column, separator string) string // see [DB.Join]
	// oneRow returns the context for a statement about one row on behalf of a caller with ctx.
	oneRow(ctx context.Context) (context.Context, context.CancelFunc)
	reader() *sql.DB // for queries outside a transaction

	// write runs f in a transaction, as [DB.Write] documents.
	write(ctx context.Context, limit time.Duration, f func(transaction) error) error
	// unmoved returns an error if the file is no longer the one that was opened.
	unmoved() error
	// lastWriteFailed reports whether the last transaction could not be written.
	lastWriteFailed() bool
	// failure converts an error of database/sql to one of this package.
	failure(err error) error
	close() error
}

// transaction is one caller's part of a transaction.
type transaction interface {
	exec(query string, args ...any) (sql.Result, error)
	execRow(query string, args ...any) (sql.Result, error) // see [Tx.ExecRow]
	query(query string, args ...any) (*sql.Rows, error)
	scan(query string, args, dest []any) error
	script(statements string) error
	lock(name string, shared bool) error // see [Tx.Lock] and [Tx.LockShared]
	usable() error                       // returns why it cannot continue
	failure(err error) error
}

// DB is an open database. It is safe for concurrent use.
type DB struct {
	engine   engine
	done     func(operation string, took time.Duration)
	queries  sync.Map // query → *sql.Stmt: parsing SQL takes longer than reading most rows
	prepared atomic.Int64
}

// Open opens the database at location, which is a URL: "sqlite:" followed by a file path, or
// "postgres://user:password@host/database".
//
// If the file does not exist, Open creates it with mode 0600; its folder must exist. If others can
// access the file, Open corrects its mode and logs a warning, or fails if the file belongs to another
// user. An error that wraps [ErrUnavailable] says that the database cannot be reached, read or written.
func Open(ctx context.Context, location string) (*DB, error) {
	var e engine
	shown, err := location, error(nil)
	if strings.HasPrefix(location, postgresScheme) {
		shown = withoutSecret(location)
		e, err = openPostgres(location)
	} else if shown, err = File(location); err == nil {
		e, err = openSQLite(ctx, shown)
	} else {
		return nil, fmt.Errorf("opening database: %w", err)
	}
	if err != nil {
		return nil, fmt.Errorf("opening database %s: %w", shown, err)
	}
	db := &DB{engine: e, done: func(string, time.Duration) {}}
	if err := db.Ping(ctx); err != nil {
		return nil, fmt.Errorf("opening database %s: %w", shown, errors.Join(err, db.Close()))
	}
	return db, nil
}

// withoutSecret returns a URL without what may be one: the user, the password and the parameters.
func withoutSecret(text string) string {
	u, err := url.Parse(text)
	if err != nil {
		return postgresScheme
	}
	return postgresScheme + "//" + u.Host + u.Path
}

// File returns the path of the file in the URL of a SQLite database.
func File(location string) (path string, err error) {
	path, found := strings.CutPrefix(location, sqliteScheme)
	if !found {
		scheme, _, found := strings.Cut(location, ":")
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

// Close waits for the writes in progress and closes the database. Later calls fail with
// [ErrUnavailable].
func (db *DB) Close() error { return db.engine.close() }

// Observe has done called with how long each "read" of one row took, and each "write": a transaction
// until it is durable. It must be called before db is used by several goroutines.
func (db *DB) Observe(done func(operation string, took time.Duration)) { db.done = done }

// Dialect returns the kind of database, which is also the name of its folder of migrations:
// "sqlite" or "postgres".
func (db *DB) Dialect() string { return db.engine.dialect() }

// Join returns the aggregate function that joins the values of a column as one text. The columns of
// one query are joined in the same order, which may be any. Many small rows are read faster in this
// form, since a driver takes longer to deliver a row than the database takes to find it.
func (db *DB) Join(column, separator string) string { return db.engine.join(column, separator) }

// Write runs f in a transaction and returns nil once the transaction is durable. If f returns an
// error, its part is rolled back and Write returns that error. If f panics, its part is rolled back
// too. After an error that wraps [ErrUnavailable], the transaction may or may not have taken
// effect.
//
// If ctx ends before f starts, f is not run, and the error also wraps ctx's error. Once f has
// started, Write waits for the outcome even if ctx ends. Write may call f more than once, each time
// in a new transaction. F must not call Write, except with a context from [WithTx].
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
	begin := time.Now()
	err := db.engine.write(ctx, limit, func(part transaction) error {
		tx := &Tx{db: db, part: part}
		defer tx.over.Store(true)
		return f(tx)
	})
	db.done("write", time.Since(begin))
	return err
}

// Ping reads from the database. If the last transaction failed, for example because the disk was
// full, Ping also tries to write. Its errors wrap [ErrUnavailable].
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

// Query runs a query outside a transaction. Placeholders are written "?". The caller must close the
// rows.
func (db *DB) Query(ctx context.Context, query string, args ...any) (*Rows, error) {
	rows, err := db.query(ctx, query, args)
	if err != nil {
		return nil, db.engine.failure(err)
	}
	return &Rows{Rows: rows, failure: db.engine.failure}, nil
}

// QueryRow prepares a query of one row outside a transaction. It runs when [Row.Scan] is called,
// unless ctx has ended by then. A query that runs is not interrupted on SQLite.
func (db *DB) QueryRow(ctx context.Context, query string, args ...any) *Row {
	return &Row{func(dest []any) error {
		begin := time.Now()
		err := db.scan(ctx, query, args, dest)
		db.done("read", time.Since(begin))
		return db.engine.failure(err)
	}}
}

// query runs a query and prepares it at its first use. The texts are constants of the program. No
// more than statementLimit are kept.
func (db *DB) query(ctx context.Context, query string, args []any) (*sql.Rows, error) {
	args = db.engine.arguments(args)
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

// scan runs a query and scans its first row.
func (db *DB) scan(ctx context.Context, query string, args, dest []any) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	ctx, cancel := db.engine.oneRow(ctx)
	defer cancel()
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
