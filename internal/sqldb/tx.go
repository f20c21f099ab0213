package sqldb

import (
	"context"
	"database/sql"
	"errors"
	"sync/atomic"
)

var errOver = errors.New("sqldb: Tx used after the function that it was given to returned")

// Tx is one caller's part of a transaction. It is valid until the function that received it
// returns. It is not safe for concurrent use. Placeholders are written "?".
//
// If a call finds the database unavailable, every later call fails too, and everything in the
// transaction is rolled back.
type Tx struct {
	db   *DB
	part transaction
	over atomic.Bool
}

type txKey struct{}

// WithTx returns a context in which calls of [DB.Write] take part in tx instead of starting a
// transaction, as long as tx is valid. So two packages that share a database can make one change
// together. If such a call fails, the function that received tx must return an error, which rolls
// everything back.
func WithTx(ctx context.Context, tx *Tx) context.Context {
	return context.WithValue(ctx, txKey{}, tx)
}

// Exec runs a statement.
func (tx *Tx) Exec(query string, args ...any) (sql.Result, error) {
	if err := tx.usable(); err != nil {
		return nil, err
	}
	return tx.part.exec(tx.text(query), args...)
}

// ExecRow is [Tx.Exec] for a statement that writes at most one row, which it finds by a key. On
// SQLite such a statement is not interrupted: what it takes to be able to is more than the statement.
func (tx *Tx) ExecRow(query string, args ...any) (sql.Result, error) {
	if err := tx.usable(); err != nil {
		return nil, err
	}
	return tx.part.execRow(tx.text(query), args...)
}

// Query runs a query. The caller must close the rows.
func (tx *Tx) Query(query string, args ...any) (*Rows, error) {
	if err := tx.usable(); err != nil {
		return nil, err
	}
	rows, err := tx.part.query(tx.text(query), args...)
	if err != nil {
		return nil, err
	}
	return &Rows{Rows: rows, failure: tx.part.failure}, nil
}

// QueryRow prepares a query of one row. It runs when [Row.Scan] is called.
func (tx *Tx) QueryRow(query string, args ...any) *Row {
	return &Row{func(dest []any) error {
		if err := tx.usable(); err != nil {
			return err
		}
		return tx.part.scan(tx.text(query), args, dest)
	}}
}

// Lock waits until no other transaction holds the lock with that name, and holds it until the
// transaction ends. A fact that a transaction reads stays true until its commit only under a lock,
// for example that there is another administrator or which number comes next. On SQLite Lock does
// nothing, since a transaction that writes is always alone. PostgreSQL needs it.
func (tx *Tx) Lock(name string) error {
	if err := tx.usable(); err != nil {
		return err
	}
	return tx.part.lock(name, false)
}

// LockShared is Lock, but others may hold the lock in the same way at the same time: it keeps only
// those waiting who call Lock.
func (tx *Tx) LockShared(name string) error {
	if err := tx.usable(); err != nil {
		return err
	}
	return tx.part.lock(name, true)
}

func (tx *Tx) text(query string) string { return tx.db.engine.rewrite(query) }

func (tx *Tx) usable() error {
	if tx.over.Load() {
		return errOver
	}
	return tx.part.usable()
}

// Rows is [sql.Rows] with the errors of this package.
type Rows struct {
	*sql.Rows
	failure func(error) error
}

// Scan is [sql.Rows.Scan].
func (r *Rows) Scan(dest ...any) error { return r.failure(r.Rows.Scan(dest...)) }

// Err is [sql.Rows.Err].
func (r *Rows) Err() error { return r.failure(r.Rows.Err()) }

// Close is [sql.Rows.Close].
func (r *Rows) Close() error { return r.failure(r.Rows.Close()) }

// Row is a query of one row.
type Row struct {
	scan func(dest []any) error
}

// Scan runs the query and stores the columns of its first row in dest. It returns [ErrNoRows] if
// there is no row.
func (r *Row) Scan(dest ...any) error { return r.scan(dest) }
