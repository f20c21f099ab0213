package sqldb

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"time"
)

// writer is the one connection that writes. It belongs to the caller that leads.
type writer struct {
	conn       *sql.Conn            // nil before the first transaction and after a failure
	statements map[string]*sql.Stmt // SQL text → statement prepared on conn
}

// batch is a transaction and the callers that take part in it. It is used by one goroutine at a
// time, that of the leader or of the caller to whom the leader lends it.
type batch struct {
	engine   *sqlite
	ctx      context.Context // has the transaction's time limit, and is independent of all callers
	cancel   context.CancelFunc
	broken   error         // why the transaction cannot continue
	failed   bool          // the leader's part failed, so the transaction is rolled back
	returned chan struct{} // the transaction belongs to the leader again
	ended    chan struct{} // closed once err is set
	err      error         // why the transaction had no effect
}

// begin starts a transaction that may take as long as limit. It waits for the lock until the
// context wait ends. [batch.end] ends the transaction.
func (e *sqlite) begin(wait context.Context, limit time.Duration) (*batch, error) {
	if err := wait.Err(); err != nil {
		return nil, unavailable(err)
	}
	if err := e.unmoved(); err != nil {
		return nil, err
	}
	b := &batch{engine: e, returned: make(chan struct{}), ended: make(chan struct{})}
	b.ctx, b.cancel = context.WithTimeout(context.Background(), limit)
	if err := retryBusy(wait, sqliteIsBusy, b.start); err != nil {
		e.writer.discard()
		b.cancel()
		return nil, e.failure(err)
	}
	return b, nil
}

// start uses a context that never ends, as all statements that begin or end a transaction do. If
// such a statement were interrupted, it could take effect and still report a failure.
func (b *batch) start() (err error) {
	w := &b.engine.writer
	if w.conn == nil {
		if w.conn, err = b.engine.writes.Conn(b.ctx); err != nil {
			return err
		}
		w.statements = map[string]*sql.Stmt{}
	}
	_, err = w.exec(context.Background(), "BEGIN IMMEDIATE")
	return err
}

// runFirst executes the leader's part. It needs no savepoint: nobody else has taken part, so if t's
// function fails or panics, the whole transaction is rolled back.
func (b *batch) runFirst(t *turn) error {
	b.failed = true
	if err := t.ctx.Err(); err != nil {
		return unavailable(err)
	}
	err := t.f(b)
	b.failed = err != nil
	return err
}

// run executes t's part of the transaction completely. If t's function fails or panics, its part is
// rolled back.
func (b *batch) run(t *turn) (err error) {
	if err := t.ctx.Err(); err != nil {
		return unavailable(err)
	}
	if err := b.step("SAVEPOINT part"); err != nil {
		return err
	}
	succeeded := false
	defer func() {
		if succeeded {
			err = b.step("RELEASE part")
			return
		}
		_ = b.step("ROLLBACK TO part") // if this fails, the whole transaction is rolled back
		_ = b.step("RELEASE part")
	}()
	err = t.f(b)
	succeeded = err == nil
	return err
}

// step runs a statement that must succeed for the transaction to continue.
func (b *batch) step(statement string) error {
	if b.broken != nil {
		return b.broken
	}
	if _, err := b.engine.writer.exec(context.Background(), statement); err != nil {
		b.broken = unavailable(err)
	}
	return b.broken
}

// end commits, or rolls back a transaction that is broken or whose leader failed, and informs all
// participants.
func (b *batch) end() {
	last := "COMMIT"
	if b.failed {
		last = "ROLLBACK"
	}
	b.err = b.step(last)
	b.cancel() // closes rows that a caller left open, for which discard would wait
	if b.err != nil {
		b.engine.writer.discard()
	}
	b.engine.unwritable.Store(b.err != nil)
	close(b.ended)
}

// failure converts an error of database/sql to one of this package. If the database was
// unavailable, it may have rolled back the transaction by itself. Later statements would then be
// transactions of their own, so the batch is broken.
func (b *batch) failure(err error) error {
	err = b.engine.failure(err)
	if isUnavailable(err) && b.broken == nil {
		b.broken = err
	}
	return err
}

func (b *batch) usable() error { return b.broken }

func (b *batch) exec(query string, args ...any) (sql.Result, error) {
	result, err := b.engine.writer.exec(b.ctx, query, args...)
	return result, b.failure(err)
}

func (b *batch) execRow(query string, args ...any) (sql.Result, error) {
	if err := b.ctx.Err(); err != nil {
		return nil, b.failure(err)
	}
	ctx, cancel := b.engine.oneRow(b.ctx)
	defer cancel()
	result, err := b.engine.writer.exec(ctx, query, args...)
	return result, b.failure(err)
}

func (b *batch) query(query string, args ...any) (*sql.Rows, error) {
	rows, err := b.engine.writer.conn.QueryContext(b.ctx, query, args...)
	return rows, b.failure(err)
}

func (b *batch) scan(query string, args, dest []any) error {
	if err := b.ctx.Err(); err != nil {
		return b.failure(err)
	}
	ctx, cancel := b.engine.oneRow(b.ctx)
	defer cancel()
	return b.failure(b.engine.writer.scan(ctx, query, args, dest))
}

func (b *batch) script(statements string) error {
	_, err := b.engine.writer.conn.ExecContext(b.ctx, statements)
	return b.failure(err)
}

// lock does nothing: BEGIN IMMEDIATE has taken the only lock that there is.
func (b *batch) lock(string, bool) error { return nil }

// exec runs a statement and prepares it at its first use.
func (w *writer) exec(ctx context.Context, query string, args ...any) (sql.Result, error) {
	s, err := w.prepare(ctx, query)
	if s == nil {
		return nil, err
	}
	return s.ExecContext(ctx, args...)
}

// scan runs a query of one row and prepares it at its first use.
func (w *writer) scan(ctx context.Context, query string, args, dest []any) error {
	s, err := w.prepare(ctx, query)
	if s == nil {
		return err
	}
	return s.QueryRowContext(ctx, args...).Scan(dest...)
}

func (w *writer) prepare(ctx context.Context, query string) (*sql.Stmt, error) {
	if s := w.statements[query]; s != nil {
		return s, nil
	}
	if len(w.statements) >= statementLimit {
		w.closeStatements()
		w.statements = map[string]*sql.Stmt{}
	}
	s, err := w.conn.PrepareContext(ctx, query)
	if err == nil {
		w.statements[query] = s
	}
	return s, err
}

// discard rolls back uncommitted changes and closes the connection, whose state is unknown.
func (w *writer) discard() {
	if w.conn == nil {
		return
	}
	w.closeStatements() // SQLite keeps a connection and its locks while statements are open
	_ = w.conn.Raw(func(any) error { return driver.ErrBadConn })
	w.conn = nil
}

func (w *writer) close() error {
	if w.conn == nil {
		return nil
	}
	w.closeStatements()
	err := w.conn.Close()
	w.conn = nil
	return err
}

func (w *writer) closeStatements() {
	for _, s := range w.statements {
		_ = s.Close()
	}
	w.statements = nil
}
