package sqldb

import (
	"context"
	"database/sql"
	"errors"
	"sync/atomic"
)

var errOver = errors.New("sqldb: Tx used after the function that it was given to returned")

// Tx is one caller's part of a transaction. It is valid until the function that it was given to
// returns, and is not safe for concurrent use. Placeholders are written "?".
//
// Once the database could not be asked, every later call fails too: what the transaction has done
// is undone.
type Tx struct {
	db   *DB
	part transaction
	over atomic.Bool
}

type txKey struct{}

// WithTx returns a context whose calls of [DB.Write] take part in tx, as long as that lasts,
// instead of beginning a transaction: so two packages that share a database do one deed in one
// transaction. An error of such a call must become the error of the function that tx was given to,
// which undoes all.
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

// Query runs a query. The caller closes the rows.
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

// QueryRow is a query of one row. It runs when [Row.Scan] is called.
func (tx *Tx) QueryRow(query string, args ...any) *Row {
	return &Row{func(dest []any) error {
		if err := tx.usable(); err != nil {
			return err
		}
		return tx.part.scan(tx.text(query), args, dest)
	}}
}

// Lock waits until no other transaction has the lock of that name, and has it until the transaction
// ends. What a transaction reads and then relies on is true until its commit only under a lock:
// that there is another administrator, which number comes next. On SQLite a transaction that writes
// is alone, so there is nothing to wait for; a database with many writers needs it.
func (tx *Tx) Lock(name string) error {
	if err := tx.usable(); err != nil {
		return err
	}
	return tx.part.lock(name)
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

// Scan runs the query and puts the columns of its first row where dest points. [ErrNoRows] when
// there is no row.
func (r *Row) Scan(dest ...any) error { return r.scan(dest) }
