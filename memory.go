package hallpass

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"
)

var (
	errSessionExists  = errors.New("hallpass: the session exists")
	errRevocationKind = errors.New("hallpass: Revoke takes a RevokedToken or a RevokedSubject")
	errEnding         = errors.New("hallpass: an Ending names either a session or a subject")
)

// MemoryStore is a [Store] in the memory of one process. It is the reference for the others, and right for tests and
// for programs that may forget all sessions when they end. What has expired stays until [MemoryStore.Sweep] is called.
type MemoryStore struct {
	mu          sync.Mutex
	sessions    map[string]*Session            // guarded by mu; session id → session
	bySubject   map[string]map[string]*Session // guarded by mu; subject → session id → session
	sequence    int64                          // guarded by mu; of the last revocation
	revocations []Revocation                   // guarded by mu; in the order of their sequence numbers
}

// NewMemoryStore returns an empty store.
func NewMemoryStore() *MemoryStore {
	return &MemoryStore{sessions: map[string]*Session{}, bySubject: map[string]map[string]*Session{}}
}

var _ Store = (*MemoryStore)(nil)

// lock begins a call. The caller unlocks after a nil error.
func (m *MemoryStore) lock(ctx context.Context) error {
	if err := ctx.Err(); err != nil {
		return fmt.Errorf("%w: %w", ErrStoreUnavailable, err)
	}
	m.mu.Lock()
	return nil
}

// CreateSession implements [SessionStore].
func (m *MemoryStore) CreateSession(ctx context.Context, s Session) error {
	if err := m.lock(ctx); err != nil {
		return err
	}
	defer m.mu.Unlock()
	if m.sessions[s.ID] != nil {
		return errSessionExists
	}
	for _, t := range []*time.Time{
		&s.RotatedAt, &s.CreatedAt, &s.LastUsedAt, &s.IdleExpiry, &s.Expiry, &s.AuthTime, &s.RevokedAt,
	} {
		*t = microsecond(*t)
	}
	s.IdleExpiry = earlier(s.IdleExpiry, s.Expiry)
	m.sessions[s.ID] = &s
	if m.bySubject[s.Subject] == nil {
		m.bySubject[s.Subject] = map[string]*Session{}
	}
	m.bySubject[s.Subject][s.ID] = &s
	return nil
}

// Session implements [SessionStore].
func (m *MemoryStore) Session(ctx context.Context, id string) (Session, error) {
	if err := m.lock(ctx); err != nil {
		return Session{}, err
	}
	defer m.mu.Unlock()
	s := m.sessions[id]
	if s == nil {
		return Session{}, ErrNotFound
	}
	return *s, nil
}

// Sessions implements [SessionStore].
func (m *MemoryStore) Sessions(
	ctx context.Context, subject string, now time.Time, after string, limit int,
) ([]Session, error) {
	if err := m.lock(ctx); err != nil {
		return nil, err
	}
	defer m.mu.Unlock()
	sessions := m.bySubject[subject]
	previous := sessions[after]
	if after != "" && previous == nil {
		return nil, nil
	}
	var page []Session
	for _, s := range sessions {
		if !s.Ended(microsecond(now)) && (previous == nil || newestFirst(*s, *previous) > 0) {
			page = append(page, *s)
		}
	}
	slices.SortFunc(page, newestFirst)
	return page[:min(len(page), max(limit, 0))], nil
}

func newestFirst(a, b Session) int {
	return cmp.Or(b.CreatedAt.Compare(a.CreatedAt), cmp.Compare(b.ID, a.ID))
}

// Rotate implements [SessionStore].
func (m *MemoryStore) Rotate(ctx context.Context, r Rotation) (Session, Outcome, error) {
	if err := m.lock(ctx); err != nil {
		return Session{}, Gone, err
	}
	defer m.mu.Unlock()
	s := m.sessions[r.SessionID]
	if s == nil {
		return Session{}, Gone, nil
	}
	var outcome Outcome
	if *s, outcome = r.Apply(*s); outcome == Reused {
		m.record(Revocation{Kind: RevokedSession, ID: s.ID, ExpiresAt: r.RevocationExpiry})
	}
	return *s, outcome, nil
}

// SetAuthTime implements [SessionStore].
func (m *MemoryStore) SetAuthTime(ctx context.Context, id string, authTime time.Time) (Session, error) {
	if err := m.lock(ctx); err != nil {
		return Session{}, err
	}
	defer m.mu.Unlock()
	authTime = microsecond(authTime)
	s := m.sessions[id]
	if s == nil || s.Ended(authTime) {
		return Session{}, ErrNotFound
	}
	s.AuthTime = authTime
	return *s, nil
}

// Sweep implements [SessionStore].
func (m *MemoryStore) Sweep(ctx context.Context, now time.Time, limit int) (int, error) {
	if err := m.lock(ctx); err != nil {
		return 0, err
	}
	defer m.mu.Unlock()
	now = microsecond(now)
	swept := 0
	for id, s := range m.sessions {
		if swept < limit && s.IdleExpiry.Before(now) {
			m.remove(id, s.Subject)
			swept++
		}
	}
	m.revocations = slices.DeleteFunc(m.revocations, func(r Revocation) bool {
		if swept >= limit || !r.ExpiresAt.Before(now) {
			return false
		}
		swept++
		return true
	})
	return swept, nil
}

func (m *MemoryStore) remove(id, subject string) {
	delete(m.sessions, id)
	delete(m.bySubject[subject], id)
	if len(m.bySubject[subject]) == 0 {
		delete(m.bySubject, subject)
	}
}

// EndSessions implements [RevocationStore].
func (m *MemoryStore) EndSessions(ctx context.Context, e Ending) ([]Revocation, error) {
	if (e.SessionID == "") == (e.Subject == "") {
		return nil, errEnding
	}
	if err := m.lock(ctx); err != nil {
		return nil, err
	}
	defer m.mu.Unlock()
	named := m.bySubject[e.Subject]
	if e.SessionID != "" {
		named = map[string]*Session{}
		if s := m.sessions[e.SessionID]; s != nil {
			named[s.ID] = s
		}
	}
	var recorded []Revocation
	for id, s := range named {
		if !s.RevokedAt.IsZero() || e.Subject != "" && id == e.Except {
			continue
		}
		s.RevokedAt = microsecond(e.Now)
		recorded = append(recorded, m.record(Revocation{Kind: RevokedSession, ID: id, ExpiresAt: e.ExpiresAt}))
	}
	return recorded, nil
}

// Revoke implements [RevocationStore].
func (m *MemoryStore) Revoke(ctx context.Context, r Revocation) (Revocation, error) {
	if r.Kind != RevokedToken && r.Kind != RevokedSubject {
		return Revocation{}, errRevocationKind
	}
	if err := m.lock(ctx); err != nil {
		return Revocation{}, err
	}
	defer m.mu.Unlock()
	return m.record(r), nil
}

// record adds r; the caller has locked.
func (m *MemoryStore) record(r Revocation) Revocation {
	m.sequence++
	r.Sequence = m.sequence
	r.Before, r.ExpiresAt = microsecond(r.Before), microsecond(r.ExpiresAt)
	m.revocations = append(m.revocations, r)
	return r
}

// Revocations implements [RevocationStore].
func (m *MemoryStore) Revocations(
	ctx context.Context, since int64, now time.Time, limit int,
) ([]Revocation, error) {
	if err := m.lock(ctx); err != nil {
		return nil, err
	}
	defer m.mu.Unlock()
	now = microsecond(now)
	first, _ := slices.BinarySearchFunc(m.revocations, since+1, func(r Revocation, sequence int64) int {
		return cmp.Compare(r.Sequence, sequence)
	})
	var page []Revocation
	for _, r := range m.revocations[first:] {
		if len(page) >= limit {
			break
		}
		if !r.ExpiresAt.Before(now) {
			page = append(page, r)
		}
	}
	return page, nil
}
