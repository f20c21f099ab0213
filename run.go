package hallpass

import (
	"context"
	"time"
)

// The intervals of [Auth.Run].
const (
	followInterval = 500 * time.Millisecond // what other processes revoke is refused here within a second
	sweepInterval  = time.Minute
	sweepBatch     = 500
)

// Run keeps the store and the list of revocations up to date until ctx ends: it reads what has been
// revoked, follows the revocations of other processes, and deletes what has expired. A program with
// its own [Config.Store] calls it once, in a goroutine:
//
//	go auth.Run(ctx)
//
// No token is accepted before Run has read the revocations: the answer is [ErrStoreUnavailable].
// Failures go to [Config.Observe] as [EventFailed] and are tried again.
func (a *Auth[T]) Run(ctx context.Context) {
	store, revocations := a.Issuer.c.Store, a.Issuer.c.Revocations
	tell := func(err error) {
		if err != nil && ctx.Err() == nil {
			a.c.Observe(ctx, Event{Name: EventFailed, Err: err})
		}
	}
	tell(revocations.Update(ctx, store, a.Issuer.c.Now()))
	followed := make(chan struct{})
	go func() {
		defer close(followed)
		revocations.Follow(ctx, store, followInterval, tell)
	}()
	defer func() { <-followed }()
	sweep := time.NewTicker(sweepInterval)
	defer sweep.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-sweep.C:
			tell(a.sweep(ctx))
		}
	}
}

// sweep deletes what has expired, in batches that occupy the database only briefly.
func (a *Auth[T]) sweep(ctx context.Context) error {
	for {
		n, err := a.Issuer.c.Store.Sweep(ctx, a.Issuer.c.Now(), sweepBatch)
		if err != nil || n < sweepBatch {
			return err
		}
	}
}
