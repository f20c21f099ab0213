package sqldb

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
)

// ErrUnavailable says that the database is unavailable: it cannot be reached, read or written, is
// busy, full or closed, or the caller's context ended first. The outcome of the call is unknown.
var ErrUnavailable = errors.New("sqldb: database unavailable")

// ErrChanged says that another transaction has changed a row since this one read it. A function that is
// given to [DB.Write] returns it to be called again, in a new transaction.
var ErrChanged = fmt.Errorf("%w: another transaction changed the row", ErrUnavailable)

// ErrNoRows is [sql.ErrNoRows], for packages that need nothing else from database/sql.
var ErrNoRows = sql.ErrNoRows

var errClosed = fmt.Errorf("%w: it is closed", ErrUnavailable)

// IsUnique reports whether err says that a row would violate a unique key.
func IsUnique(err error) bool {
	return sqliteIsUnique(err) || postgresIsUnique(err)
}

func isUnavailable(err error) bool { return errors.Is(err, ErrUnavailable) }

func unavailable(err error) error {
	if isUnavailable(err) {
		return err
	}
	return fmt.Errorf("%w: %w", ErrUnavailable, err)
}

// isDisconnected reports whether err, from any driver, means that there was no answer.
func isDisconnected(err error) bool {
	for _, target := range []error{
		context.Canceled, context.DeadlineExceeded, driver.ErrBadConn, sql.ErrConnDone, sql.ErrTxDone,
	} {
		if errors.Is(err, target) {
			return true
		}
	}
	return false
}
