package keyring

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/hallpass-go/hallpass/internal/sqldb"
	"github.com/hallpass-go/hallpass/jwk"
)

// A rotation takes a key through its states. A next key is published. Once every verifier can have
// it, it becomes active, and the previously active key is retired. Once the last token of the
// retired key has expired, the key is gone. Each step is one transaction. So a step happens
// completely or not at all, and only once, even if several processes try it.

const (
	insertNextKey = `
INSERT INTO signing_keys (id, algorithm, state, sealed, sealed_by, created_at) VALUES (?, ?, 'next', ?, ?, ?)`
	selectActive    = `SELECT id, algorithm FROM signing_keys WHERE state = 'active'`
	retireActiveKey = `UPDATE signing_keys SET state = 'retired', retired_at = ? WHERE state = 'active'`
	activateNextKey = `UPDATE signing_keys SET state = 'active', activated_at = ? WHERE state = 'next' AND id = ?`
	dropKey         = `UPDATE signing_keys SET state = 'gone', sealed = '', gone_at = ? WHERE id = ? AND state = ?`
)

// ErrNoSuchKey says that the ID is not that of a next, active or retired key.
var ErrNoSuchKey = errors.New("keyring: no such key")

// errOvertaken says that another process took the step first, which has the same result.
var errOvertaken = errors.New("keyring: another process was first")

// Rotate makes the next key. It is published from now on and signs after [Config.Publish]. If there
// is a next key already, Rotate returns that one. An empty algorithm stands for that of the active
// key.
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
	err = r.write(ctx, func(tx *sqldb.Tx) ([]KeyInfo, error) {
		_, err := tx.Exec(insertNextKey, made.ID, made.Algorithm, made.sealed, made.sealedBy,
			sqldb.Micros(made.CreatedAt))
		return []KeyInfo{made.in(Next)}, err
	})
	if err != nil && !sqldb.IsUnique(err) {
		return KeyInfo{}, fmt.Errorf("adding the next key: %w", err)
	}
	if err := r.Refresh(ctx); err != nil {
		return KeyInfo{}, err
	}
	// Another process may have made it, and may even have activated it.
	next, there := r.current.Load().inState(Next)
	if !there {
		next, _ = r.current.Load().inState(Active)
	}
	return next, nil
}

// Advance takes the steps that are due: it activates the next key, drops retired keys, and starts a
// rotation after [Config.Rotation]. It reads the database only if something is due, so it may be
// called often.
func (r *Ring) Advance(ctx context.Context) error {
	now := r.now()
	snapshot := r.current.Load()
	if next, there := snapshot.inState(Next); there && !now.Before(next.CreatedAt.Add(r.publish)) {
		if err := r.activate(ctx, next, now); err != nil {
			return err
		}
	}
	for _, row := range snapshot.rows {
		if row.State == Retired && !now.Before(row.RetiredAt.Add(r.retire)) {
			if err := r.drop(ctx, row.KeyInfo, now); err != nil {
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

// activate makes the next key the active one, and retires the previous one.
func (r *Ring) activate(ctx context.Context, next KeyInfo, now time.Time) error {
	err := r.write(ctx, func(tx *sqldb.Tx) ([]KeyInfo, error) {
		retired := KeyInfo{State: Retired}
		err := tx.QueryRow(selectActive).Scan(&retired.ID, &retired.Algorithm)
		if err != nil && !errors.Is(err, sqldb.ErrNoRows) {
			return nil, err
		}
		if _, err := tx.Exec(retireActiveKey, sqldb.Micros(now)); err != nil {
			return nil, err
		}
		result, err := tx.Exec(activateNextKey, sqldb.Micros(now), next.ID)
		return []KeyInfo{retired, next.in(Active)}, wantOne(result, err)
	})
	return r.after(ctx, "letting the next key sign", err)
}

// drop removes a key for good: it deletes the private half.
func (r *Ring) drop(ctx context.Context, key KeyInfo, now time.Time) error {
	err := r.write(ctx, func(tx *sqldb.Tx) ([]KeyInfo, error) {
		result, err := tx.Exec(dropKey, sqldb.Micros(now), key.ID, key.State)
		return []KeyInfo{key.in(Gone)}, wantOne(result, err)
	})
	return r.after(ctx, "dropping a key", err)
}

// Revoke drops a key at once, whatever its state. From now on all tokens that it signed are
// refused. If it was the active key, a new key replaces it. Other verifiers do not know the new key
// until they fetch the keys again. Errors: [ErrNoSuchKey].
func (r *Ring) Revoke(ctx context.Context, id string) (KeyInfo, error) {
	if err := r.Refresh(ctx); err != nil && !errors.Is(err, ErrNoActiveKey) {
		return KeyInfo{}, err
	}
	row, there := r.current.Load().rows[id]
	if !there {
		return KeyInfo{}, ErrNoSuchKey
	}
	if row.State != Active {
		return row.KeyInfo, r.drop(ctx, row.KeyInfo, r.now())
	}
	made, err := r.newRow(row.Algorithm)
	if err != nil {
		return KeyInfo{}, err
	}
	err = r.write(ctx, func(tx *sqldb.Tx) ([]KeyInfo, error) {
		result, err := tx.Exec(dropKey, sqldb.Micros(made.CreatedAt), id, Active)
		if err := wantOne(result, err); err != nil {
			return nil, err
		}
		return []KeyInfo{row.in(Gone), made.in(Active)}, insertActive(tx, made)
	})
	return row.KeyInfo, r.after(ctx, "replacing a key", err)
}

// write runs a step in a transaction, in which it is recorded too. The step returns the keys that it
// changes, as they are afterwards.
func (r *Ring) write(ctx context.Context, step func(*sqldb.Tx) ([]KeyInfo, error)) error {
	var changed []KeyInfo
	err := r.db.Write(ctx, func(tx *sqldb.Tx) (err error) {
		changed, err = step(tx)
		if err != nil {
			return err
		}
		for _, key := range changed {
			if key.ID == "" { // there was no active key to retire
				continue
			}
			if err := r.record(sqldb.WithTx(ctx, tx), key); err != nil {
				return err
			}
			// Before the commit: then another goroutine may see the change.
			r.written.Store(key.step(), context.WithoutCancel(ctx))
		}
		return nil
	})
	if err != nil {
		for _, key := range changed {
			r.written.Delete(key.step())
		}
	}
	return err
}

// keyStep is a key's way into a state. A key comes into each state once.
type keyStep struct {
	id    string
	state State
}

func (k KeyInfo) step() keyStep { return keyStep{k.ID, k.State} }

// in returns k in another state.
func (k KeyInfo) in(state State) KeyInfo {
	k.State = state
	return k
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

// inState returns the key in that state, which is next or active, if there is one.
func (s *snapshot) inState(state State) (KeyInfo, bool) {
	for _, row := range s.rows {
		if row.State == state {
			return row.KeyInfo, true
		}
	}
	return KeyInfo{}, false
}

// newRow makes a new, sealed key.
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
