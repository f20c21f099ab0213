package hallpass

import (
	"hash/maphash"
	"math/bits"
	"math/rand/v2"
	"reflect"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/hallpass-go/hallpass/jwk"
)

// remembered is a bounded table from the exact text of an access token to what it proved, so that
// the costly part of verifying, the signature, is done once. What can change since is checked each
// time: expiry, revocation, and that the key is still in the set. Look-ups take no lock; the oldest
// token of a shard makes room for a new one.
type remembered[T any] struct {
	shards [rememberedShards]rememberedShard[T]
	used   atomic.Bool // whether there has been a token
	seed   maphash.Seed
	limit  int       // tokens in a shard
	clone  func(T) T // gives an application's claims memory of their own; nil if they have none to share
}

const rememberedShards = 64

type rememberedShard[T any] struct {
	buckets atomic.Pointer[[]atomic.Pointer[memory[T]]] // made by the first token; their number is a power of two
	hits    atomic.Int64                                // sampled: see find
	misses  atomic.Int64

	mu    sync.Mutex   // held by whoever changes the table
	queue []*memory[T] // ring of what is held, oldest at next
	next  int
}

// memory is one remembered token. What is not atomic never changes.
type memory[T any] struct {
	chain     atomic.Pointer[memory[T]] // the next token of the same bucket
	unrevoked atomic.Int64              // version of the revocations that were last seen not to hold this token
	token     string
	key       jwk.Key
	from      time.Time // the claims hold from here
	until     time.Time // to before here
	identity  Identity[T]
}

// hitSample is how many hits one counted hit stands for: counting each would make cores wait for
// the counter.
const hitSample = 64

func newRemembered[T any](tokens int) *remembered[T] {
	return &remembered[T]{seed: maphash.MakeSeed(), limit: max(tokens/rememberedShards, 1), clone: cloner[T]()}
}

// hash is of the end of a token, where the signature is: no two that verify have the same, but by
// chance.
func (m *remembered[T]) hash(token string) uint64 {
	return maphash.String(m.seed, token[max(0, len(token)-32):])
}

// find returns what is remembered of a token, or nil.
func (m *remembered[T]) find(token string) *memory[T] {
	if !m.used.Load() {
		return nil
	}
	hash := m.hash(token)
	shard := &m.shards[hash%rememberedShards]
	e := shard.find(hash, token)
	if e != nil && rand.Uint32()%hitSample == 0 {
		shard.hits.Add(hitSample)
	}
	return e
}

func (s *rememberedShard[T]) find(hash uint64, token string) *memory[T] {
	buckets := s.buckets.Load()
	if buckets == nil {
		return nil
	}
	e := bucket(*buckets, hash).Load()
	for e != nil && e.token != token {
		e = e.chain.Load()
	}
	return e
}

func bucket[T any](buckets []atomic.Pointer[memory[T]], hash uint64) *atomic.Pointer[memory[T]] {
	return &buckets[hash/rememberedShards&uint64(len(buckets)-1)]
}

// add puts a token into the table, unless it is there already: two requests may bring it at once.
func (m *remembered[T]) add(e *memory[T]) {
	hash := m.hash(e.token)
	shard := &m.shards[hash%rememberedShards]
	shard.misses.Add(1)
	shard.mu.Lock()
	defer shard.mu.Unlock()
	m.used.Store(true)
	if shard.buckets.Load() == nil {
		buckets := make([]atomic.Pointer[memory[T]], 1<<bits.Len(uint(m.limit-1)))
		shard.buckets.Store(&buckets)
	}
	if shard.find(hash, e.token) != nil {
		return
	}
	if len(shard.queue) < m.limit {
		shard.queue = append(shard.queue, e)
	} else {
		oldest := shard.queue[shard.next]
		shard.unlink(oldest, m.hash(oldest.token))
		shard.queue[shard.next] = e
		shard.next = (shard.next + 1) % m.limit
	}
	head := bucket(*shard.buckets.Load(), hash)
	e.chain.Store(head.Load())
	head.Store(e)
}

// newMemory keeps the token and all that the claims say in one piece of memory, apart from the much
// longer payload.
func (m *remembered[T]) newMemory(token string, id *Identity[T]) *memory[T] {
	e := &memory[T]{}
	m.copy(&e.identity, id)
	ownText(reflect.ValueOf(&e.identity.Custom).Elem())
	c := &e.identity.Claims
	values := []*string{&c.Issuer, &c.Subject, &c.ID, &c.ClientID, &c.SessionID}
	for _, names := range [][]string{c.Audience, c.Scopes, c.Roles} {
		for i := range names {
			values = append(values, &names[i])
		}
	}
	var text strings.Builder
	text.WriteString(token)
	for _, value := range values {
		text.WriteString(*value)
	}
	all := strings.Clone(text.String())
	e.token, all = all[:len(token)], all[len(token):]
	for _, value := range values {
		*value, all = all[:len(*value)], all[len(*value):]
	}
	return e
}

// forget drops a token, so that it is verified anew. Its place in the queue stays until its turn.
func (m *remembered[T]) forget(e *memory[T]) {
	hash := m.hash(e.token)
	shard := &m.shards[hash%rememberedShards]
	shard.mu.Lock()
	shard.unlink(e, hash)
	shard.mu.Unlock()
}

// unlink takes e out of its chain. Who is reading e meanwhile still finds the rest of the chain
// behind it. s.mu is held.
func (s *rememberedShard[T]) unlink(e *memory[T], hash uint64) {
	at := bucket(*s.buckets.Load(), hash)
	for at.Load() != nil {
		if at.Load() == e {
			at.Store(e.chain.Load())
			return
		}
		at = &at.Load().chain
	}
}

// copy makes dst the identity with memory of its own, so that no two requests share what a handler
// may write to.
func (m *remembered[T]) copy(dst, id *Identity[T]) {
	*dst = *id
	if n := len(id.Audience) + len(id.Scopes) + len(id.Roles); n > 0 {
		names := make([]string, n)
		dst.Audience, names = own(names, id.Audience)
		dst.Scopes, names = own(names, id.Scopes)
		dst.Roles, _ = own(names, id.Roles)
	}
	if m.clone != nil {
		dst.Custom = m.clone(id.Custom)
	}
}

// own copies values to the front of room. It returns them as a slice that cannot grow into its
// neighbour, and the room left.
func own(room, values []string) (own, rest []string) {
	//lint:ignore S1001 copy tells the garbage collector of each call, which is slower for a few strings
	for i, value := range values {
		room[i] = value
	}
	return room[:len(values):len(values)], room[len(values):]
}

// RememberedStats are the figures of a verifier's remembered tokens, for metrics.
type RememberedStats struct {
	Hits   int64 // verifications saved, to within a few per cent
	Misses int64 // tokens verified in full, and then remembered
	Tokens int   // tokens held now
}

func (m *remembered[T]) stats() RememberedStats {
	var s RememberedStats
	for i := range m.shards {
		shard := &m.shards[i]
		s.Hits += shard.hits.Load()
		s.Misses += shard.misses.Load()
		shard.mu.Lock()
		s.Tokens += len(shard.queue)
		shard.mu.Unlock()
	}
	return s
}
