package clients

import (
	"context"
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"strings"
	"time"

	"github.com/hallpass-go/hallpass/internal/sqldb"
)

//go:embed migrations
var migrations embed.FS

// Registry is the clients of one database. It is safe for concurrent use, also by several processes.
// Only [Service] changes them, because it also revokes their tokens.
type Registry struct{ db *sqldb.DB }

// Open returns the clients of a database, and updates the schema of their table.
func Open(ctx context.Context, db *sqldb.DB) (*Registry, error) {
	files, err := fs.Sub(migrations, "migrations/"+db.Dialect())
	if err == nil {
		err = db.Migrate(ctx, "clients", files)
	}
	if err != nil {
		return nil, fmt.Errorf("opening clients: %w", err)
	}
	return &Registry{db: db}, nil
}

const columns = `id, name, scopes, secret_hash, secret_made_at, previous_hash, previous_expires_at, disabled,
	created_at`

const (
	selectByID   = `SELECT ` + columns + ` FROM clients WHERE id = ?`
	selectByName = `SELECT ` + columns + ` FROM clients WHERE name = ?`
	selectPage   = `SELECT ` + columns + ` FROM clients WHERE id > ? ORDER BY id LIMIT ?`
	insertClient = `INSERT INTO clients (` + columns + `) VALUES (?, ?, ?, ?, ?, '', 0, 0, ?)`
	updateSecret = `UPDATE clients SET secret_hash = ?, secret_made_at = ?, previous_hash = ?, previous_expires_at = ?
	WHERE id = ?`
	updateDisabled = `UPDATE clients SET disabled = ? WHERE id = ?`
	deleteClient   = `DELETE FROM clients WHERE id = ?`
)

// record is a row: a client and the hashes of its secrets, which never leave this package.
type record struct {
	Client
	secretHash, previousHash string
}

// scan reads a row of one of the selects above. It returns [ErrNotFound] if there is no row.
func scan(row interface{ Scan(dest ...any) error }) (record, error) {
	var r record
	var scopes string
	var madeAt, previousExpiresAt, createdAt int64
	err := row.Scan(&r.ID, &r.Name, &scopes, &r.secretHash, &madeAt, &r.previousHash, &previousExpiresAt,
		&r.Disabled, &createdAt)
	if errors.Is(err, sqldb.ErrNoRows) {
		return record{}, ErrNotFound
	}
	if err != nil {
		return record{}, err
	}
	r.Scopes = append([]string{}, strings.Fields(scopes)...)
	r.SecretMadeAt, r.CreatedAt = sqldb.Time(madeAt), sqldb.Time(createdAt)
	r.PreviousExpiresAt = sqldb.Time(previousExpiresAt)
	return r, nil
}

// Client returns the client with that ID, or [ErrNotFound].
func (g *Registry) Client(ctx context.Context, id string) (Client, error) {
	r, err := scan(g.db.QueryRow(ctx, selectByID, id))
	return r.Client, failure("reading client", err)
}

// Find returns the client that text names, by its ID or its name, or [ErrNotFound].
func (g *Registry) Find(ctx context.Context, text string) (Client, error) {
	query := selectByName
	if strings.HasPrefix(text, IDPrefix) { // which no name has
		query = selectByID
	}
	r, err := scan(g.db.QueryRow(ctx, query, text))
	return r.Client, failure("reading client", err)
}

// List returns at most limit clients, oldest first. It starts after the client with the ID after; ""
// asks for the first page.
func (g *Registry) List(ctx context.Context, after string, limit int) ([]Client, error) {
	rows, err := g.db.Query(ctx, selectPage, after, limit)
	if err != nil {
		return nil, failure("listing clients", err)
	}
	defer rows.Close()
	list := []Client{}
	for rows.Next() {
		r, err := scan(rows)
		if err != nil {
			return nil, failure("listing clients", err)
		}
		list = append(list, r.Client)
	}
	return list, failure("listing clients", rows.Err())
}

func (g *Registry) insert(ctx context.Context, c Client, secretHash string) error {
	err := g.db.Write(ctx, func(tx *sqldb.Tx) error {
		_, err := tx.ExecRow(insertClient, c.ID, c.Name, strings.Join(c.Scopes, " "), secretHash,
			sqldb.Micros(c.SecretMadeAt), sqldb.Micros(c.CreatedAt))
		return err
	})
	if sqldb.IsUnique(err) { // IDs are random
		return ErrNameTaken
	}
	return failure("adding client", err)
}

// replaceSecret gives a client another secret. The present one is accepted until then, if that is
// after now.
func (g *Registry) replaceSecret(
	ctx context.Context, id, secretHash string, now, until time.Time,
) (Client, error) {
	return g.change(ctx, "rotating secret", id, func(tx *sqldb.Tx, r record) error {
		previous, expiresAt := "", time.Time{}
		if until.After(now) {
			previous, expiresAt = r.secretHash, until
		}
		_, err := tx.ExecRow(updateSecret, secretHash, sqldb.Micros(now), previous, sqldb.Micros(expiresAt), id)
		return err
	})
}

func (g *Registry) setDisabled(ctx context.Context, id string, disabled bool) (Client, error) {
	n := 0
	if disabled {
		n = 1
	}
	return g.change(ctx, "setting whether client is disabled", id, func(tx *sqldb.Tx, r record) error {
		if r.Disabled == disabled {
			return errUnchanged
		}
		_, err := tx.ExecRow(updateDisabled, n, id)
		return err
	})
}

func (g *Registry) remove(ctx context.Context, id string) error {
	err := g.db.Write(ctx, func(tx *sqldb.Tx) error {
		if _, err := lockClient(tx, id); err != nil {
			return err
		}
		_, err := tx.ExecRow(deleteClient, id)
		return err
	})
	return failure("deleting client", err)
}

// errUnchanged says that a change would change nothing.
var errUnchanged = errors.New("the client is like that already")

// change runs f on a client in a transaction and returns the client as it is afterwards. If f returns
// errUnchanged, that is as before.
func (g *Registry) change(ctx context.Context, doing, id string, f func(*sqldb.Tx, record) error) (Client, error) {
	var r record
	err := g.db.Write(ctx, func(tx *sqldb.Tx) (err error) {
		if r, err = lockClient(tx, id); err != nil {
			return err
		}
		if err := f(tx, r); err != nil {
			return err
		}
		r, err = scan(tx.QueryRow(selectByID, id))
		return err
	})
	return r.Client, failure(doing, err)
}

// lockClient reads a client that the transaction changes. The lock keeps the result valid until the
// commit.
func lockClient(tx *sqldb.Tx, id string) (record, error) {
	if err := tx.Lock("client " + id); err != nil {
		return record{}, err
	}
	return scan(tx.QueryRow(selectByID, id))
}

func failure(doing string, err error) error {
	if err == nil || errors.Is(err, ErrNotFound) {
		return err
	}
	return fmt.Errorf("%s: %w", doing, err)
}
