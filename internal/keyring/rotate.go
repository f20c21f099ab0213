package keyring

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/hallpass-go/hallpass/internal/sqldb"
	"github.com/hallpass-go/hallpass/jwk"
)

// A rotation goes through the states of a key: a next key is published; once every verifier can
// have it, it signs, and the one that signed is retired; once the last token of that is dead, it is
// gone. Each step is one transaction, so it happens as a whole or not at all, and once, however
// many processes take it.

const (
	insertNextKey = `
INSERT INTO signing_keys (id, algorithm, state, sealed, sealed_by, created_at) VALUES (?, ?, 'next', ?, ?, ?)`
	retireActiveKey = `UPDATE signing_keys SET state = 'retired', retired_at = ? WHERE state = 'active'`
	activateNextKey = `UPDATE signing_keys SET state = 'active', activated_at = ? WHERE state = 'next' AND id = ?`
	dropKey         = `UPDATE signing_keys SET state = 'gone', sealed = '', gone_at = ? WHERE id = ? AND state = ?`
)

// ErrNoSuchKey says that no key that is not gone has the ID.
var ErrNoSuchKey = errors.New("keyring: no such key")

// errOvertaken says that another process took the step first, which is as good.
var errOvertaken = errors.New("keyring: another process was first")

// Rotate makes the next key, which is published from now on and signs once [Config.Publish] is
// over. While there is a next key it returns that. An empty algorithm is that of the key that
// signs.
func (r *Ring) Rotate(ctx context.Context, algorithm jwk.Algorithm) (KeyInfo, error) {
	if err := r.Refresh(ctx); err != nil {
		return KeyInfo{}, err
	}
	snapshot := r.current.Load()
	if next, there := snapshot.inState(Next); there {
		return next, nil
	}
	if algorithm == "" {
		algorithm = snapshot.active.Algorithm()
	}
	if isHMAC(algorithm) != isHMAC(snapshot.active.Algorithm()) {
		return KeyInfo{}, errMixed
	}
	made, err := r.newRow(algorithm)
	if err != nil {
		return KeyInfo{}, err
	}
	err = r.db.Write(ctx, func(tx *sqldb.Tx) error {
		_, err := tx.Exec(
			insertNextKey,
			made.ID,
			made.Algorithm,
			made.sealed,
			made.sealedBy,
			sqldb.Micros(made.CreatedAt),
		)
		return err
	})
	if err != nil && !sqldb.IsUnique(err) {
		return KeyInfo{}, fmt.Errorf("adding the next key: %w", err)
	}
	if err := r.Refresh(ctx); err != nil {
		return KeyInfo{}, err
	}
	// Another process may have made it, and even have let it sign already.
	next, there := r.current.Load().inState(Next)
	if !there {
		next, _ = r.current.Load().inState(Active)
	}
	return next, nil
}

// Advance takes the steps that are due: the next key signs, a retired one goes, and when
// [Config.Rotation] is over a new rotation begins. It reads the database only when something is
// due, so it may be called often.
func (r *Ring) Advance(ctx context.Context) error {
	now := r.now()
	snapshot := r.current.Load()
	if next, there := snapshot.inState(Next); there && !now.Before(next.CreatedAt.Add(r.publish)) {
		if err := r.activate(ctx, next.ID, now); err != nil {
			return err
		}
	}
	for _, row := range snapshot.rows {
		if row.State == Retired && !now.Before(row.RetiredAt.Add(r.retire)) {
			if err := r.drop(ctx, row.ID, Retired, now); err != nil {
				return err
			}
		}
	}
	active, there := snapshot.inState(Active)
	if _, rotating := snapshot.inState(Next); r.rotation > 0 && there && !rotating &&
		!now.Before(active.ActivatedAt.Add(r.rotation)) {
		if _, err := r.Rotate(ctx, ""); err != nil {
			return err
		}
	}
	return nil
}

// activate lets the next key sign instead of the one that does.
func (r *Ring) activate(ctx context.Context, id string, now time.Time) error {
	err := r.db.Write(ctx, func(tx *sqldb.Tx) error {
		if _, err := tx.Exec(retireActiveKey, sqldb.Micros(now)); err != nil {
			return err
		}
		result, err := tx.Exec(activateNextKey, sqldb.Micros(now), id)
		return wantOne(result, err)
	})
	return r.after(ctx, "letting the next key sign", err)
}

// drop takes a key away for good: its private half is deleted.
func (r *Ring) drop(ctx context.Context, id string, from State, now time.Time) error {
	err := r.db.Write(ctx, func(tx *sqldb.Tx) error {
		result, err := tx.Exec(dropKey, sqldb.Micros(now), id, from)
		return wantOne(result, err)
	})
	return r.after(ctx, "dropping a key", err)
}

// Revoke drops a key at once, whatever its state: no token that it signed is taken from now on.
// When it is the one that signs, a new one takes its place, which verifiers elsewhere do not know
// until they ask for keys again. Errors: [ErrNoSuchKey].
func (r *Ring) Revoke(ctx context.Context, id string) (KeyInfo, error) {
	if err := r.Refresh(ctx); err != nil && !errors.Is(err, ErrNoActiveKey) {
		return KeyInfo{}, err
	}
	row, there := r.current.Load().rows[id]
	if !there {
		return KeyInfo{}, ErrNoSuchKey
	}
	if row.State != Active {
		return row.KeyInfo, r.drop(ctx, id, row.State, r.now())
	}
	made, err := r.newRow(row.Algorithm)
	if err != nil {
		return KeyInfo{}, err
	}
	err = r.db.Write(ctx, func(tx *sqldb.Tx) error {
		result, err := tx.Exec(dropKey, sqldb.Micros(made.CreatedAt), id, Active)
		if err := wantOne(result, err); err != nil {
			return err
		}
		return insertActive(tx, made)
	})
	return row.KeyInfo, r.after(ctx, "replacing a key", err)
}

// after refreshes the ring after a step, which another process may have taken.
func (r *Ring) after(ctx context.Context, doing string, err error) error {
	if err != nil && !errors.Is(err, errOvertaken) && !sqldb.IsUnique(err) {
		return fmt.Errorf("%s: %w", doing, err)
	}
	return r.Refresh(ctx)
}

func wantOne(result interface{ RowsAffected() (int64, error) }, err error) error {
	if err != nil {
		return err
	}
	if n, err := result.RowsAffected(); err != nil || n != 1 {
		return errors.Join(errOvertaken, err)
	}
	return nil
}

// inState returns the one key that is next or active, if there is one.
func (s *snapshot) inState(state State) (KeyInfo, bool) {
	for _, row := range s.rows {
		if row.State == state {
			return row.KeyInfo, true
		}
	}
	return KeyInfo{}, false
}

// newRow makes a key, sealed.
func (r *Ring) newRow(algorithm jwk.Algorithm) (row, error) {
	key, err := generate(algorithm)
	if err != nil {
		return row{}, fmt.Errorf("making a key: %w", err)
	}
	plain, err := key.MarshalPrivate()
	if err != nil {
		return row{}, fmt.Errorf("making a key: %w", err)
	}
	defer clear(plain)
	return row{
		KeyInfo:  KeyInfo{ID: key.ID(), Algorithm: algorithm, CreatedAt: r.now()},
		sealed:   r.sealer.seal(key.ID(), algorithm, plain),
		sealedBy: r.sealer.fingerprint,
	}, nil
}
