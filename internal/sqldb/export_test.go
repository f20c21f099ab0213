package sqldb

import (
	"context"
	"time"
)

// WriteWithin is Write with another time limit for the transaction.
func (db *DB) WriteWithin(ctx context.Context, limit time.Duration, f func(tx *Tx) error) error {
	return db.write(ctx, limit, f)
}

// Waiting returns how many callers of Write are waiting.
func (db *DB) Waiting() int {
	queue := &db.engine.(*sqlite).queue
	queue.mu.Lock()
	defer queue.mu.Unlock()
	return len(queue.waiting)
}

// BatchLimit is the maximum number of callers that share a transaction.
const BatchLimit = batchLimit
