package sqldb

import (
	"context"
	"database/sql"
	"errors"
	"io"
	"math/rand/v2"
	"net"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"
	"unicode/utf8"
)

const (
	postgresScheme = "postgres:"
	postgresDriver = "pgx" // its name in database/sql

	// postgresConns is how many connections a process has at most for transactions, and as many again
	// for queries outside of them: a transaction that waited for a query would keep its connection.
	postgresConns = 16
	// postgresPatience is how long a connection, and a query of one row, may take.
	postgresPatience = 5 * time.Second
	// postgresTries is how often a transaction is tried that others got in the way of.
	postgresTries = 10
)

// postgres is the engine for PostgreSQL. Each caller has a transaction of its own, in the isolation
// level READ COMMITTED: what must hold until the commit is locked ([Tx.Lock]).
type postgres struct {
	reads     *sql.DB
	writes    *sql.DB
	rewritten sync.Map // query with "?" → with "$1", "$2"
	calls     sync.WaitGroup
	closed    atomic.Bool
	failed    atomic.Bool // the last transaction could not be written
}

func openPostgres(location string) (engine, error) {
	u, err := url.Parse(location)
	if err != nil || u.Host == "" {
		return nil, errors.New("the URL is not like postgres://user:password@host/database")
	}
	if settings := u.Query(); !settings.Has("connect_timeout") {
		settings.Set("connect_timeout", strconv.Itoa(int(postgresPatience/time.Second)))
		u.RawQuery = settings.Encode()
	}
	e := &postgres{}
	for _, pool := range []**sql.DB{&e.reads, &e.writes} {
		db, err := sql.Open(postgresDriver, u.String())
		if err != nil {
			return nil, err
		}
		db.SetMaxOpenConns(postgresConns)
		db.SetMaxIdleConns(postgresConns)
		db.SetConnMaxIdleTime(5 * time.Minute)
		*pool = db
	}
	return e, nil
}

func (e *postgres) dialect() string       { return "postgres" }
func (e *postgres) ping() string          { return "SELECT 1" }
func (e *postgres) reader() *sql.DB       { return e.reads }
func (e *postgres) unmoved() error        { return nil }
func (e *postgres) lastWriteFailed() bool { return e.failed.Load() }
func (e *postgres) join(column, separator string) string {
	return "string_agg((" + column + ")::text, '" + separator + "')"
}

// oneRow returns a context that ends when a healthy server would have answered long ago.
func (e *postgres) oneRow(ctx context.Context) (context.Context, context.CancelFunc) {
	return context.WithTimeout(ctx, postgresPatience)
}

func (e *postgres) close() error {
	e.closed.Store(true)
	e.calls.Wait()
	return errors.Join(e.reads.Close(), e.writes.Close())
}

// arguments replaces what PostgreSQL refuses in text: NUL, and bytes that are no UTF-8. So text from a
// client that holds them finds no row, and does not fail.
func (e *postgres) arguments(args []any) []any {
	cloned := false
	for i, arg := range args {
		text, ok := arg.(string)
		if !ok || utf8.ValidString(text) && strings.IndexByte(text, 0) < 0 {
			continue
		}
		if !cloned {
			args, cloned = slices.Clone(args), true // they are the caller's
		}
		args[i] = strings.ReplaceAll(strings.ToValidUTF8(text, "\uFFFD"), "\x00", "\uFFFD")
	}
	return args
}

// rewrite numbers the placeholders.
func (e *postgres) rewrite(query string) string {
	if done, ok := e.rewritten.Load(query); ok {
		return done.(string)
	}
	var b strings.Builder
	n, quoted := 0, false
	for _, c := range []byte(query) {
		switch {
		case c == '\'':
			quoted = !quoted
		case c == '?' && !quoted:
			n++
			b.WriteString("$" + strconv.Itoa(n))
			continue
		}
		b.WriteByte(c)
	}
	e.rewritten.Store(query, b.String())
	return b.String()
}

func (e *postgres) write(ctx context.Context, limit time.Duration, f func(transaction) error) error {
	e.calls.Add(1)
	defer e.calls.Done()
	if e.closed.Load() {
		return errClosed
	}
	bounded, cancel := context.WithTimeout(context.WithoutCancel(ctx), limit)
	defer cancel()
	for try := 1; ; try++ {
		begun, err := e.try(ctx, bounded, f)
		if begun {
			e.failed.Store(isUnavailable(err))
		}
		if !postgresIsConflict(err) && !errors.Is(err, ErrChanged) {
			return err
		}
		if try == postgresTries {
			return unavailable(err)
		}
		// Each waits for another time, so that they do not meet again.
		select {
		case <-bounded.Done():
			return unavailable(err)
		case <-time.After(rand.N(time.Millisecond << min(try, 6))):
		}
	}
}

// try runs f in a transaction. It waits for a connection as long as wait lasts.
func (e *postgres) try(wait, ctx context.Context, f func(transaction) error) (begun bool, err error) {
	if err := wait.Err(); err != nil {
		return false, unavailable(err)
	}
	conn, err := e.writes.Conn(wait)
	if err != nil {
		return false, e.failure(err)
	}
	defer conn.Close()
	tx, err := conn.BeginTx(ctx, nil)
	if err != nil {
		return true, e.failure(err)
	}
	part := &postgresTx{engine: e, ctx: ctx, tx: tx}
	done := false
	defer func() {
		if !done { // f has panicked
			_ = tx.Rollback()
		}
	}()
	err = f(part)
	done = true
	if err == nil {
		err = part.broken
	}
	if err != nil {
		_ = tx.Rollback()
		return true, err
	}
	return true, e.failure(tx.Commit())
}

// postgresTx is a transaction.
type postgresTx struct {
	engine *postgres
	ctx    context.Context
	tx     *sql.Tx
	broken error // why it cannot continue
}

func (t *postgresTx) usable() error { return t.broken }

// failure converts an error. After any error PostgreSQL refuses all further statements of the
// transaction.
func (t *postgresTx) failure(err error) error {
	err = t.engine.failure(err)
	if err != nil && !errors.Is(err, ErrNoRows) && t.broken == nil {
		t.broken = err
	}
	return err
}

func (t *postgresTx) exec(query string, args ...any) (sql.Result, error) {
	result, err := t.tx.ExecContext(t.ctx, query, t.engine.arguments(args)...)
	return result, t.failure(err)
}

func (t *postgresTx) execRow(query string, args ...any) (sql.Result, error) {
	return t.exec(query, args...)
}

func (t *postgresTx) query(query string, args ...any) (*sql.Rows, error) {
	rows, err := t.tx.QueryContext(t.ctx, query, t.engine.arguments(args)...)
	return rows, t.failure(err)
}

func (t *postgresTx) scan(query string, args, dest []any) error {
	return t.failure(t.tx.QueryRowContext(t.ctx, query, t.engine.arguments(args)...).Scan(dest...))
}

func (t *postgresTx) script(statements string) error {
	_, err := t.tx.ExecContext(t.ctx, statements)
	return t.failure(err)
}

func (t *postgresTx) lock(name string, shared bool) error {
	statement := "SELECT pg_advisory_xact_lock(hashtextextended($1, 0))"
	if shared {
		statement = "SELECT pg_advisory_xact_lock_shared(hashtextextended($1, 0))"
	}
	_, err := t.exec(statement, "hallpass "+name)
	return err
}

func (e *postgres) failure(err error) error {
	if err == nil || errors.Is(err, ErrNoRows) || isUnavailable(err) {
		return err
	}
	if e.closed.Load() || postgresIsUnavailable(err) {
		return unavailable(err)
	}
	return err
}

// sqlState returns the SQLSTATE in err, or "". It knows the driver's error type only by its method.
// https://www.postgresql.org/docs/current/errcodes-appendix.html has the codes.
func sqlState(err error) string {
	var coded interface {
		error
		SQLState() string
	}
	if errors.As(err, &coded) {
		return coded.SQLState()
	}
	return ""
}

// postgresIsConflict reports whether the transaction may succeed if it is tried again.
func postgresIsConflict(err error) bool {
	switch sqlState(err) {
	case "40001", "40P01": // serialization_failure, deadlock_detected
		return true
	}
	return false
}

func postgresIsUnavailable(err error) bool {
	if state := sqlState(err); state != "" {
		switch state[:2] { // connection, resources, operator, system, internal error, login, no such database
		case "08", "53", "57", "58", "XX", "28", "3D":
			return true
		}
		return state == "25006" // read_only_sql_transaction
	}
	return isDisconnected(err) || errors.As(err, new(net.Error)) || errors.Is(err, io.EOF) ||
		errors.Is(err, io.ErrUnexpectedEOF) || errors.As(err, new(*net.OpError))
}

func postgresIsUnique(err error) bool { return sqlState(err) == "23505" }
