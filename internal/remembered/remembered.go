// Package remembered is a table of tokens and what they have proved, and copies what it holds so
// that nobody who gets it shares memory with another.
package remembered

import (
	"hash/maphash"
	"math/bits"
	"math/rand/v2"
	"sync"
	"sync/atomic"
)

// Table is a bounded table from the exact text of a token to what it proved. Lookups take no lock. A
// new token replaces the oldest of its shard. It is safe for concurrent use.
type Table[V any] struct {
	shards [shards]shard[V]
	used   atomic.Bool // whether there has been a token
	seed   maphash.Seed
	limit  int // tokens in a shard
}

const shards = 64

type shard[V any] struct {
	buckets atomic.Pointer[[]atomic.Pointer[Entry[V]]] // made by the first token; their number is a power of two
	hits    atomic.Int64                               // sampled: see Find
	misses  atomic.Int64

	mu    sync.Mutex  // held by whoever changes the table
	queue []*Entry[V] // ring of what is held, oldest at next
	next  int
}

// Entry is one remembered token. Token and Value must not change once it has been added, except what
// is atomic in Value.
type Entry[V any] struct {
	chain atomic.Pointer[Entry[V]] // the next token of the same bucket
	Token string
	Value V
}

// hitSample is how many hits one counted hit stands for. Counting all of them would make processors
// wait for the counter.
const hitSample = 64

// NewTable returns a table that holds about so many tokens.
func NewTable[V any](tokens int) *Table[V] {
	return &Table[V]{seed: maphash.MakeSeed(), limit: max(tokens/shards, 1)}
}

// hash hashes the end of a token, which is its signature: two valid tokens differ there.
func (t *Table[V]) hash(token string) uint64 {
	return maphash.String(t.seed, token[max(0, len(token)-32):])
}

// Find returns the entry of a token, or nil.
func (t *Table[V]) Find(token string) *Entry[V] {
	if !t.used.Load() {
		return nil
	}
	hash := t.hash(token)
	shard := &t.shards[hash%shards]
	e := shard.find(hash, token)
	if e != nil && rand.Uint32()%hitSample == 0 {
		shard.hits.Add(hitSample)
	}
	return e
}

func (s *shard[V]) find(hash uint64, token string) *Entry[V] {
	buckets := s.buckets.Load()
	if buckets == nil {
		return nil
	}
	e := bucket(*buckets, hash).Load()
	for e != nil && e.Token != token {
		e = e.chain.Load()
	}
	return e
}

func bucket[V any](buckets []atomic.Pointer[Entry[V]], hash uint64) *atomic.Pointer[Entry[V]] {
	return &buckets[hash/shards&uint64(len(buckets)-1)]
}

// Add adds an entry, unless another request has added the same token already.
func (t *Table[V]) Add(e *Entry[V]) {
	hash := t.hash(e.Token)
	shard := &t.shards[hash%shards]
	shard.misses.Add(1)
	shard.mu.Lock()
	defer shard.mu.Unlock()
	t.used.Store(true)
	if shard.buckets.Load() == nil {
		buckets := make([]atomic.Pointer[Entry[V]], 1<<bits.Len(uint(t.limit-1)))
		shard.buckets.Store(&buckets)
	}
	if shard.find(hash, e.Token) != nil {
		return
	}
	if len(shard.queue) < t.limit {
		shard.queue = append(shard.queue, e)
	} else {
		oldest := shard.queue[shard.next]
		shard.unlink(oldest, t.hash(oldest.Token))
		shard.queue[shard.next] = e
		shard.next = (shard.next + 1) % t.limit
	}
	head := bucket(*shard.buckets.Load(), hash)
	e.chain.Store(head.Load())
	head.Store(e)
}

// Forget removes a token, so that it is verified again. Its place in the queue stays until its
// turn.
func (t *Table[V]) Forget(e *Entry[V]) {
	hash := t.hash(e.Token)
	shard := &t.shards[hash%shards]
	shard.mu.Lock()
	shard.unlink(e, hash)
	shard.mu.Unlock()
}

// unlink removes e from its chain. A concurrent reader of e still finds the rest of the chain
// behind it. The caller holds s.mu.
func (s *shard[V]) unlink(e *Entry[V], hash uint64) {
	at := bucket(*s.buckets.Load(), hash)
	for at.Load() != nil {
		if at.Load() == e {
			at.Store(e.chain.Load())
			return
		}
		at = &at.Load().chain
	}
}

// Stats are statistics about a table.
type Stats struct {
	Hits   int64 // verifications saved, to within a few per cent
	Misses int64 // tokens verified in full, and then remembered
	Tokens int   // tokens held now
}

// Stats returns the statistics.
func (t *Table[V]) Stats() Stats {
	var s Stats
	for i := range t.shards {
		shard := &t.shards[i]
		s.Hits += shard.hits.Load()
		s.Misses += shard.misses.Load()
		shard.mu.Lock()
		s.Tokens += len(shard.queue)
		shard.mu.Unlock()
	}
	return s
}
