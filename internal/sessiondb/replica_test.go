package sessiondb_test

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"time"

	"github.com/hallpass-go/hallpass/internal/sessiondb"
	"github.com/hallpass-go/hallpass/sessions"
)

// replicas is a store that sends its calls to several stores in turn.
type replicas struct {
	stores [3]sessions.Store
	calls  atomic.Uint64
}

func (r *replicas) next() sessions.Store { return r.stores[r.calls.Add(1)%uint64(len(r.stores))] }

func (r *replicas) CreateSession(ctx context.Context, s sessions.Session, since int64) error {
	return r.next().CreateSession(ctx, s, since)
}

func (r *replicas) Session(ctx context.Context, id string) (sessions.Session, error) {
	return r.next().Session(ctx, id)
}

func (r *replicas) Sessions(
	ctx context.Context, subject string, now time.Time, after string, limit int,
) ([]sessions.Session, error) {
	return r.next().Sessions(ctx, subject, now, after, limit)
}

func (r *replicas) Rotate(ctx context.Context, rotation sessions.Rotation) (sessions.Session, sessions.Outcome, error) {
	return r.next().Rotate(ctx, rotation)
}

func (r *replicas) StepUp(ctx context.Context, u sessions.StepUp) (sessions.Session, error) {
	return r.next().StepUp(ctx, u)
}

func (r *replicas) EndAll(ctx context.Context, now time.Time) (int, sessions.Revocation, error) {
	return r.next().EndAll(ctx, now)
}

func (r *replicas) Epoch(ctx context.Context) (string, error) { return r.next().Epoch(ctx) }

func (r *replicas) Sequence(ctx context.Context) (int64, error) { return r.next().Sequence(ctx) }

func (r *replicas) Sweep(ctx context.Context, now time.Time, limit int) (int, error) {
	return r.next().Sweep(ctx, now, limit)
}

func (r *replicas) EndSessions(ctx context.Context, e sessions.Ending) ([]sessions.Revocation, error) {
	return r.next().EndSessions(ctx, e)
}

func (r *replicas) Revoke(ctx context.Context, revocation sessions.Revocation) (sessions.Revocation, error) {
	return r.next().Revoke(ctx, revocation)
}

func (r *replicas) Revocations(
	ctx context.Context, since int64, now time.Time, limit int,
) ([]sessions.Revocation, error) {
	return r.next().Revocations(ctx, since, now, limit)
}

// reopened is a store that opens its file for each call.
type reopened struct{ url string }

func (r reopened) with(call func(s sessions.Store) error) error {
	s, err := sessiondb.Open(context.Background(), r.url)
	if err != nil {
		return err
	}
	return errors.Join(call(s), s.Close())
}

func (r reopened) CreateSession(ctx context.Context, session sessions.Session, since int64) error {
	return r.with(func(s sessions.Store) error { return s.CreateSession(ctx, session, since) })
}

func (r reopened) Session(ctx context.Context, id string) (session sessions.Session, err error) {
	err = r.with(func(s sessions.Store) error {
		session, err = s.Session(ctx, id)
		return err
	})
	return session, err
}

func (r reopened) Sessions(
	ctx context.Context, subject string, now time.Time, after string, limit int,
) (list []sessions.Session, err error) {
	err = r.with(func(s sessions.Store) error {
		list, err = s.Sessions(ctx, subject, now, after, limit)
		return err
	})
	return list, err
}

func (r reopened) Rotate(
	ctx context.Context, rotation sessions.Rotation,
) (session sessions.Session, outcome sessions.Outcome, err error) {
	err = r.with(func(s sessions.Store) error {
		session, outcome, err = s.Rotate(ctx, rotation)
		return err
	})
	return session, outcome, err
}

func (r reopened) StepUp(ctx context.Context, u sessions.StepUp) (session sessions.Session, err error) {
	err = r.with(func(s sessions.Store) error {
		session, err = s.StepUp(ctx, u)
		return err
	})
	return session, err
}

func (r reopened) EndAll(ctx context.Context, now time.Time) (n int, recorded sessions.Revocation, err error) {
	err = r.with(func(s sessions.Store) error {
		n, recorded, err = s.EndAll(ctx, now)
		return err
	})
	return n, recorded, err
}

func (r reopened) Epoch(ctx context.Context) (epoch string, err error) {
	err = r.with(func(s sessions.Store) error {
		epoch, err = s.Epoch(ctx)
		return err
	})
	return epoch, err
}

func (r reopened) Sequence(ctx context.Context) (n int64, err error) {
	err = r.with(func(s sessions.Store) error {
		n, err = s.Sequence(ctx)
		return err
	})
	return n, err
}

func (r reopened) Sweep(ctx context.Context, now time.Time, limit int) (n int, err error) {
	err = r.with(func(s sessions.Store) error {
		n, err = s.Sweep(ctx, now, limit)
		return err
	})
	return n, err
}

func (r reopened) EndSessions(
	ctx context.Context, e sessions.Ending,
) (recorded []sessions.Revocation, err error) {
	err = r.with(func(s sessions.Store) error {
		recorded, err = s.EndSessions(ctx, e)
		return err
	})
	return recorded, err
}

func (r reopened) Revoke(
	ctx context.Context, revocation sessions.Revocation,
) (recorded sessions.Revocation, err error) {
	err = r.with(func(s sessions.Store) error {
		recorded, err = s.Revoke(ctx, revocation)
		return err
	})
	return recorded, err
}

func (r reopened) Revocations(
	ctx context.Context, since int64, now time.Time, limit int,
) (page []sessions.Revocation, err error) {
	err = r.with(func(s sessions.Store) error {
		page, err = s.Revocations(ctx, since, now, limit)
		return err
	})
	return page, err
}

// errorGroup runs functions concurrently and joins their errors.
type errorGroup struct {
	group sync.WaitGroup
	mu    sync.Mutex
	errs  []error // guarded by mu
}

func (g *errorGroup) run(f func() error) {
	g.group.Go(func() {
		err := f()
		g.mu.Lock()
		defer g.mu.Unlock()
		g.errs = append(g.errs, err)
	})
}

func (g *errorGroup) wait() error {
	g.group.Wait()
	return errors.Join(g.errs...)
}
