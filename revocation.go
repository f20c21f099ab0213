package hallpass

import (
	"context"
	"errors"
	"hash/maphash"
	"maps"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/hallpass-go/hallpass/jwt"
	"github.com/hallpass-go/hallpass/sessions"
)

// Revocations holds, in memory, the tokens that must be refused although they have not expired, so
// that a check is a map look-up. The durable record is a [sessions.RevocationStore]. An [Issuer]
// applies its own revocations here at once; [Revocations.Follow] brings those of other processes
// within its interval.
type Revocations struct {
	shards   [64]revocationShard
	subjects atomic.Int64 // cuts held; most of the time none, which saves a look-up
	endings  atomic.Int64 // sessions and tokens held, likewise
	version  atomic.Int64 // grows when entries have been added

	// everybody refuses every token with a smaller number. everybodyBefore does the same for tokens
	// without a number, by their "iat" (Unix seconds). Both stay for good: no issuer makes such
	// tokens any more.
	everybody, everybodyBefore atomic.Int64

	// freshUntil is when the list becomes too old to be used, in nanoseconds since 1970. It is 0
	// for a list that never does, and neverRead for one that has to be read first.
	freshUntil atomic.Int64
	read       atomic.Bool  // there was an Update
	updated    atomic.Int64 // when the last Update was, in nanoseconds since 1970
	// subjectKey maps a subject to its name in the record, if that is not its ID.
	subjectKey func(issuer, subject string) string
	seeds      [2]maphash.Seed

	mu       sync.Mutex // guards the fields below
	sequence int64      // the highest read from the store
	pruned   time.Time
}

// revocationShard holds the part of the list that an ID's hash selects, so that processors do not
// wait for one lock.
type revocationShard struct {
	mu    sync.RWMutex
	ended map[revokedKey]minute // session or token → when the entry is not needed any more
	most  int                   // entries that ended has had since it was made
	cuts  map[string]subjectCut // subject → its cut
}

// revokedKey stands for an ID: 96 bits of hashes with secret seeds. Collisions do not happen in
// practice, and with a minute an entry takes 16 bytes.
type revokedKey [3]uint32

// minute is a time in minutes since 1970.
type minute uint32

// minuteAfter returns the first minute that begins after t.
func minuteAfter(t time.Time) minute { return minute(max(t.Unix()/60+1, 0)) }

type subjectCut struct {
	sequence int64  // tokens with a smaller one are refused
	before   int64  // tokens without one, with an "iat" at or before it (Unix seconds), are refused
	until    minute // when the entry is not needed any more
}

// NewRevocations returns an empty list.
func NewRevocations() *Revocations {
	l := &Revocations{seeds: [2]maphash.Seed{maphash.MakeSeed(), maphash.MakeSeed()}}
	for i := range l.shards {
		l.shards[i].ended = map[revokedKey]minute{}
		l.shards[i].cuts = map[string]subjectCut{}
	}
	return l
}

// Apply adds entries. They are refused from the moment that it returns.
func (l *Revocations) Apply(entries ...sessions.Revocation) {
	for _, e := range entries {
		switch e.Kind {
		case sessions.RevokedCredentials:
			continue // it refuses no token
		case sessions.RevokedAll:
			raise(&l.everybody, e.Sequence)
			raise(&l.everybodyBefore, e.Before.Unix())
			continue
		}
		s, key := l.shard(e.ID)
		s.mu.Lock()
		if e.Kind == sessions.RevokedSubject {
			old, known := s.cuts[e.ID]
			s.cuts[strings.Clone(e.ID)] = subjectCut{ // the store's may be a part of a long text
				sequence: max(old.sequence, e.Sequence), before: max(old.before, e.Before.Unix()),
				until: max(old.until, minuteAfter(e.ExpiresAt)),
			}
			if !known {
				l.subjects.Add(1)
			}
		} else {
			old, known := s.ended[key]
			s.ended[key] = max(old, minuteAfter(e.ExpiresAt))
			if !known {
				l.endings.Add(1)
			}
			s.most = max(s.most, len(s.ended))
		}
		s.mu.Unlock()
	}
	if len(entries) > 0 {
		l.version.Add(1)
	}
}

// raise sets value to n if n is higher.
func raise(value *atomic.Int64, n int64) {
	for {
		old := value.Load()
		if old >= n || value.CompareAndSwap(old, n) {
			return
		}
	}
}

// neverRead is the freshUntil of a list that must be read before it can be used.
const neverRead = 1

var (
	errStale  = errors.New("what has been revoked is not known: the feed has not answered for too long")
	errUnread = errors.New("what has been revoked has not been read: call Run of the Auth, or of the RevocationFeed")
)

// mustBeRead makes the list unusable until its first [Revocations.Update], if there has been none.
func (l *Revocations) mustBeRead() {
	if !l.read.Load() {
		l.freshUntil.Store(neverRead)
	}
}

// stale returns why the list cannot be used, or nil.
func (l *Revocations) stale(now func() time.Time) error {
	switch until := l.freshUntil.Load(); {
	case until == 0 || until != neverRead && now().UnixNano() <= until:
		return nil
	case until == neverRead:
		return errUnread
	default:
		return errStale
	}
}

// IsRevoked reports whether the token with these claims must be refused: by its own ID, by its
// session, or because it is older than the last revocation of its subject or of everybody.
func (l *Revocations) IsRevoked(c *jwt.Claims) bool {
	if l.hasEnded(c.SessionID) || l.hasEnded(c.ID) {
		return true
	}
	if everybody := l.everybody.Load(); everybody != 0 {
		if c.Sequence != 0 && c.Sequence < everybody ||
			c.Sequence == 0 && c.IssuedAt.Unix() <= l.everybodyBefore.Load() {
			return true
		}
	}
	if l.subjects.Load() == 0 {
		return false
	}
	subject := c.Subject
	if l.subjectKey != nil {
		subject = l.subjectKey(c.Issuer, subject)
	}
	cut := l.cut(subject)
	if c.Sequence == 0 {
		return cut.before != 0 && c.IssuedAt.Unix() <= cut.before
	}
	return c.Sequence < cut.sequence
}

func (l *Revocations) hasEnded(id string) bool {
	if id == "" || l.endings.Load() == 0 {
		return false
	}
	s, key := l.shard(id)
	s.mu.RLock()
	_, ended := s.ended[key]
	s.mu.RUnlock()
	return ended
}

// cut returns the revocation of a subject's tokens; the zero value when there is none.
func (l *Revocations) cut(subject string) subjectCut {
	s, _ := l.shard(subject)
	s.mu.RLock()
	defer s.mu.RUnlock()
	return s.cuts[subject]
}

// shard returns the shard that holds an ID, and the ID's key in it.
func (l *Revocations) shard(id string) (*revocationShard, revokedKey) {
	first, second := maphash.String(l.seeds[0], id), maphash.String(l.seeds[1], id)
	shard := &l.shards[second>>32%uint64(len(l.shards))]
	return shard, revokedKey{uint32(first), uint32(first >> 32), uint32(second)}
}

// Update reads what the store has recorded since the last call, and forgets what has expired. Call
// it once before the first request is served; [Revocations.Follow] repeats it.
func (l *Revocations) Update(ctx context.Context, store sessions.RevocationStore, now time.Time) error {
	const page = 1000
	l.mu.Lock()
	defer l.mu.Unlock()
	var applying sync.WaitGroup
	for {
		entries, err := store.Revocations(ctx, l.sequence, now, page)
		applying.Wait()
		if err != nil {
			return storeError("reading revocations", err)
		}
		if len(entries) > 0 {
			l.sequence = entries[len(entries)-1].Sequence
		}
		if len(entries) < page {
			l.Apply(entries...)
			break
		}
		applying.Go(func() { l.Apply(entries...) }) // while the store reads the next page
	}
	l.read.Store(true)
	l.updated.Store(now.UnixNano())
	l.freshUntil.CompareAndSwap(neverRead, 0)
	if now.Sub(l.pruned) > time.Minute {
		l.prune(now)
		l.pruned = now
	}
	return nil
}

// RevocationStats are statistics about a list of revocations, for metrics.
type RevocationStats struct {
	Held      int       // sessions, tokens and subjects in the list
	UpdatedAt time.Time // the last successful [Revocations.Update]; zero if there was none
}

// Stats returns the statistics of now.
func (l *Revocations) Stats() RevocationStats {
	s := RevocationStats{Held: int(l.endings.Load() + l.subjects.Load())}
	if updated := l.updated.Load(); updated != 0 {
		s.UpdatedAt = time.Unix(0, updated)
	}
	return s
}

// catchUp is [Revocations.Update] of a list that is kept up to date. One that has never been read, as in a
// program with one process, has nothing to catch up with.
func (l *Revocations) catchUp(ctx context.Context, store sessions.RevocationStore, now time.Time) error {
	if !l.read.Load() {
		return nil
	}
	return l.Update(ctx, store, now)
}

func (l *Revocations) prune(now time.Time) {
	current := minute(now.Unix() / 60)
	for i := range l.shards {
		s := &l.shards[i]
		s.mu.Lock()
		for key, until := range s.ended {
			if until <= current {
				delete(s.ended, key)
				l.endings.Add(-1)
			}
		}
		if s.most > 4*len(s.ended) {
			smaller := make(map[revokedKey]minute, len(s.ended)) // a map gives no room back by itself
			maps.Copy(smaller, s.ended)
			s.ended, s.most = smaller, len(smaller)
		}
		for subject, cut := range s.cuts {
			if cut.until <= current {
				delete(s.cuts, subject)
				l.subjects.Add(-1)
			}
		}
		s.mu.Unlock()
	}
}

// Follow calls [Revocations.Update] at each interval until ctx ends. It reports a failed update to
// failed, which may be nil, and tries again at the next interval. Until then, tokens that were
// refused stay refused.
func (l *Revocations) Follow(
	ctx context.Context,
	store sessions.RevocationStore,
	interval time.Duration,
	failed func(error),
) {
	tick := time.NewTicker(interval)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		bounded, cancel := context.WithTimeout(ctx, max(interval, time.Second))
		err := l.Update(bounded, store, time.Now())
		cancel()
		if err != nil && failed != nil && ctx.Err() == nil {
			failed(err)
		}
	}
}
