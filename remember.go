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
// its signature is checked only once. What can change is checked each time: expiry, revocation, and
// whether the key is still in the set. Lookups take no lock. A new token replaces the oldest of its
// shard.
type remembered[T any] struct {
	shards [rememberedShards]rememberedShard[T]
	used   atomic.Bool // whether there has been a token
	seed   maphash.Seed
	limit  int       // tokens in a shard
	clone  func(T) T // gives an application's claims memory of their own; nil if they have none to share
}

const rememberedShards = 64

type rememberedShard[T any] struct {
	buckets atomic.Pointer[[]atomic.Pointer[entry[T]]] // made by the first token; their number is a power of two
	hits    atomic.Int64                               // sampled: see find
	misses  atomic.Int64

	mu    sync.Mutex  // held by whoever changes the table
	queue []*entry[T] // ring of what is held, oldest at next
	next  int
}

// entry is one remembered token. Only the atomic fields change.
type entry[T any] struct {
	chain     atomic.Pointer[entry[T]] // the next token of the same bucket
	unrevoked atomic.Int64             // version of the revocations that were last seen not to hold this token
	token     string
	key       jwk.Key
	from      time.Time // the claims hold from here
	until     time.Time // to before here
	identity  Identity[T]
}

// hitSample is how many hits one counted hit stands for. Counting all of them would make processors
// wait for the counter.
const hitSample = 64

func newRemembered[T any](tokens int) *remembered[T] {
	return &remembered[T]{seed: maphash.MakeSeed(), limit: max(tokens/rememberedShards, 1), clone: cloner[T]()}
}

// hash hashes the end of a token, which is its signature: two valid tokens differ there.
func (m *remembered[T]) hash(token string) uint64 {
	return maphash.String(m.seed, token[max(0, len(token)-32):])
}

// find returns the entry of a token, or nil.
func (m *remembered[T]) find(token string) *entry[T] {
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

func (s *rememberedShard[T]) find(hash uint64, token string) *entry[T] {
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

func bucket[T any](buckets []atomic.Pointer[entry[T]], hash uint64) *atomic.Pointer[entry[T]] {
	return &buckets[hash/rememberedShards&uint64(len(buckets)-1)]
}

// add adds an entry, unless another request has added the same token already.
func (m *remembered[T]) add(e *entry[T]) {
	hash := m.hash(e.token)
	shard := &m.shards[hash%rememberedShards]
	shard.misses.Add(1)
	shard.mu.Lock()
	defer shard.mu.Unlock()
	m.used.Store(true)
	if shard.buckets.Load() == nil {
		buckets := make([]atomic.Pointer[entry[T]], 1<<bits.Len(uint(m.limit-1)))
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

// newEntry copies the token and the strings of its claims into one piece of memory, so that the much
// longer payload can be freed.
func (m *remembered[T]) newEntry(token string, id *Identity[T]) *entry[T] {
	e := &entry[T]{}
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

// forget removes a token, so that it is verified again. Its place in the queue stays until its
// turn.
func (m *remembered[T]) forget(e *entry[T]) {
	hash := m.hash(e.token)
	shard := &m.shards[hash%rememberedShards]
	shard.mu.Lock()
	shard.unlink(e, hash)
	shard.mu.Unlock()
}

// unlink removes e from its chain. A concurrent reader of e still finds the rest of the chain
// behind it. The caller holds s.mu.
func (s *rememberedShard[T]) unlink(e *entry[T], hash uint64) {
	at := bucket(*s.buckets.Load(), hash)
	for at.Load() != nil {
		if at.Load() == e {
			at.Store(e.chain.Load())
			return
		}
		at = &at.Load().chain
	}
}

// copy copies the identity into dst with its own memory, so that requests share nothing that a
// handler may write to.
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

// own copies values to the front of room. It returns them as a slice that cannot grow into what
// follows, and the remaining room.
func own(room, values []string) (own, rest []string) {
	//lint:ignore S1001 copy tells the garbage collector of each call, which is slower for a few strings
	for i, value := range values {
		room[i] = value
	}
	return room[:len(values):len(values)], room[len(values):]
}

// RememberedStats are statistics about a verifier's remembered tokens, for metrics.
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
