package sqldb

import (
	"context"
	"slices"
	"sync"
	"time"
)

// Callers of [DB.Write] share transactions. The first caller leads: it starts a transaction, runs
// its own function, lends the transaction to each waiting caller in turn, commits, and hands the
// lead to a caller that came too late. Every caller runs its function on its own goroutine, and all
// but the leader under a savepoint. So a panic stays in its own goroutine, and a failure rolls back
// only its own part. A caller gets its success only after the commit that contains its part.

// batchLimit is the maximum number of callers that share a transaction.
const batchLimit = 128

func (e *sqlite) write(ctx context.Context, limit time.Duration, f func(transaction) error) error {
	if err := ctx.Err(); err != nil {
		return unavailable(err)
	}
	t := &turn{ctx: ctx, limit: limit, f: f, signal: make(chan signal, 1)}
	leads, err := e.queue.enter(t)
	if err != nil {
		return err
	}
	defer e.queue.calls.Done()
	if leads {
		return e.lead(t)
	}

	var s signal
	select {
	case s = <-t.signal:
	case <-ctx.Done():
		if e.queue.leave(t) {
			return unavailable(ctx.Err())
		}
		s = <-t.signal
	}
	switch {
	case s.err != nil:
		return s.err
	case s.batch == nil:
		return e.lead(t)
	default:
		return s.batch.join(t)
	}
}

// turn is one call of Write.
type turn struct {
	ctx    context.Context
	limit  time.Duration // of the transaction, if the turn leads
	f      func(transaction) error
	signal chan signal // gets one signal, after the turn has left the queue
}

// signal tells a waiting caller what to do: fail with err, take part in batch, or lead if both are
// nil.
type signal struct {
	err   error
	batch *batch
}

// lead runs a transaction for t and for the waiting callers. The deferred part also runs if t's
// function panics.
func (e *sqlite) lead(t *turn) (err error) {
	defer e.queue.handOver()
	b, err := e.begin(t.ctx, t.limit)
	if err != nil {
		if t.ctx.Err() == nil {
			e.queue.fail(err)
		}
		return err
	}
	defer func() {
		for n := 1; n < batchLimit && b.broken == nil && !b.failed; n++ {
			next := e.queue.next()
			if next == nil {
				break
			}
			next.signal <- signal{batch: b}
			<-b.returned
		}
		b.end()
		if err == nil {
			err = b.err
		}
	}()
	return b.runFirst(t)
}

// join runs t in a batch that another caller leads, and waits for its commit.
func (b *batch) join(t *turn) error {
	if err := b.borrow(t); err != nil {
		return err
	}
	<-b.ended
	return b.err
}

func (b *batch) borrow(t *turn) error {
	defer func() { b.returned <- struct{}{} }()
	return b.run(t)
}

// queue holds the callers of Write that wait for their turn.
type queue struct {
	calls sync.WaitGroup // callers that entered

	mu      sync.Mutex
	waiting []*turn // guarded by mu
	led     bool    // guarded by mu: a caller leads, or has been told to
	closed  bool    // guarded by mu
}

// enter reports whether t leads; otherwise t waits. If the error is nil, the caller must call
// calls.Done.
func (q *queue) enter(t *turn) (leads bool, err error) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.closed {
		return false, errClosed
	}
	q.calls.Add(1)
	if q.led {
		q.waiting = append(q.waiting, t)
		return false, nil
	}
	q.led = true
	return true, nil
}

// leave reports whether t was still waiting. If so, t is removed and gets no signal.
func (q *queue) leave(t *turn) bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	i := slices.Index(q.waiting, t)
	if i < 0 {
		return false
	}
	q.waiting = slices.Delete(q.waiting, i, i+1)
	return true
}

// next removes and returns the turn that has waited longest, or nil.
func (q *queue) next() *turn {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.pop()
}

func (q *queue) pop() *turn {
	if len(q.waiting) == 0 {
		return nil
	}
	t := q.waiting[0]
	q.waiting[0] = nil
	q.waiting = q.waiting[1:]
	return t
}

// handOver ends the caller's lead. The turn that has waited longest leads next.
func (q *queue) handOver() {
	q.mu.Lock()
	defer q.mu.Unlock()
	if t := q.pop(); t != nil {
		t.signal <- signal{}
		return
	}
	q.led = false
}

// fail sends err to all waiting callers, so that they do not meet the same failure one after the
// other.
func (q *queue) fail(err error) {
	q.mu.Lock()
	defer q.mu.Unlock()
	for _, t := range q.waiting {
		t.signal <- signal{err: err}
	}
	q.waiting = nil
}

// close refuses new callers, and returns when the others are done.
func (q *queue) close() {
	q.mu.Lock()
	q.closed = true
	q.mu.Unlock()
	q.calls.Wait()
}

func (q *queue) isClosed() bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.closed
}
