package hallpass

import (
	"context"
	"time"
)

// How often [Auth.Run] looks after what.
const (
	followInterval = 500 * time.Millisecond // what other processes revoke is refused here within a second
	sweepInterval  = time.Minute
	sweepBatch     = 500
)

// Run looks after the store until ctx ends: it reads what has been revoked, follows what other
// processes revoke, and deletes what has expired. A program with a [Config.Store] of its own calls
// it once, on a goroutine of its own:
//
//	go auth.Run(ctx)
//
// Until it has read what has been revoked no token is accepted: the answer is
// [ErrStoreUnavailable]. A failure is told to [Config.Observe] as [EventFailed] and tried again.
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

// sweep deletes what has expired, in batches that hold the database for a moment each.
func (a *Auth[T]) sweep(ctx context.Context) error {
	for {
		n, err := a.Issuer.c.Store.Sweep(ctx, a.Issuer.c.Now(), sweepBatch)
		if err != nil || n < sweepBatch {
			return err
		}
	}
}
