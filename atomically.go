package hallpass

import "context"

// Atomically runs deed in one transaction of the store, if that is a [sessions.Transactor] and
// [IssuerConfig.Record] is set. What this issuer, and the store, are asked to do with the context
// that deed gets takes part in it: all of that happens, or nothing does. Deed may be called more than
// once, and must not take long: other writes wait. Within another Atomically deed is a part of that.
func (i *Issuer[T]) Atomically(ctx context.Context, deed func(context.Context) error) error {
	if _, inside := ctx.Value(pendingKey{}).(*pending); inside {
		return deed(ctx)
	}
	var p *pending
	run := func(ctx context.Context) error {
		p = &pending{} // the functions of an earlier try are forgotten
		return deed(context.WithValue(ctx, pendingKey{}, p))
	}
	var err error
	if i.transactor == nil {
		err = run(ctx)
	} else {
		err = i.transactor.Transaction(ctx, run)
	}
	if err != nil {
		return storeError("writing", err)
	}
	for _, f := range p.functions {
		f(ctx)
	}
	return nil
}

type pendingKey struct{}

// pending holds what is to be done once a transaction is durable.
type pending struct{ functions []func(context.Context) }

// afterCommit has f called once the transaction of ctx is durable, and never if it fails. F gets a
// context without the transaction.
func afterCommit(ctx context.Context, f func(context.Context)) {
	p := ctx.Value(pendingKey{}).(*pending)
	p.functions = append(p.functions, f)
}
