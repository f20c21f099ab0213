package sqldb

import (
	"context"
	"time"
)

// WriteWithin is Write with another limit for the transaction.
func (db *DB) WriteWithin(ctx context.Context, limit time.Duration, f func(tx *Tx) error) error {
	return db.write(ctx, limit, f)
}

// Waiting returns how many callers of Write wait for their turn.
func (db *DB) Waiting() int {
	queue := &db.engine.(*sqlite).queue
	queue.mu.Lock()
	defer queue.mu.Unlock()
	return len(queue.waiting)
}

// BatchLimit is how many callers share a transaction at most.
const BatchLimit = batchLimit
