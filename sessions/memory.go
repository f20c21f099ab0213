package sessions

import (
	"cmp"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"slices"
	"sort"
	"sync"
	"time"
)

var (
	errSessionExists  = errors.New("sessions: the session exists")
	errRevocationKind = errors.New("sessions: Revoke takes a RevokedToken")
)

// Memory is a [Store] in the memory of one process. It is the reference for other stores, and suits
// tests and programs that may forget all sessions when they stop. Expired records stay until
// [Memory.Sweep] is called.
type Memory struct {
	mu          sync.Mutex
	sessions    map[string]*Session            // guarded by mu; session id → session
	bySubject   map[string]map[string]*Session // guarded by mu; subject → session id → session
	sequence    int64                          // guarded by mu; of the last revocation
	revocations []Revocation                   // guarded by mu; in the order of their sequence numbers
	epoch       string                         // guarded by mu
}

// NewMemory returns an empty store.
func NewMemory() *Memory {
	return &Memory{sessions: map[string]*Session{}, bySubject: map[string]map[string]*Session{}, epoch: rand.Text()}
}

var _ Store = (*Memory)(nil)

// lock begins a call. If it returns nil, the caller must unlock.
func (m *Memory) lock(ctx context.Context) error {
	if err := ctx.Err(); err != nil {
		return fmt.Errorf("%w: %w", ErrUnavailable, err)
	}
	m.mu.Lock()
	return nil
}

// CreateSession implements [SessionStore].
func (m *Memory) CreateSession(ctx context.Context, s Session, since int64) error {
	if err := m.lock(ctx); err != nil {
		return err
	}
	defer m.mu.Unlock()
	if m.sessions[s.ID] != nil {
		return errSessionExists
	}
	if m.changed(s.Subject, since) {
		return ErrSubjectChanged
	}
	for _, t := range []*time.Time{
		&s.RotatedAt, &s.CreatedAt, &s.LastUsedAt, &s.IdleExpiry, &s.Expiry, &s.AuthTime, &s.RevokedAt,
		&s.AccessExpiry,
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
func (m *Memory) Session(ctx context.Context, id string) (Session, error) {
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
func (m *Memory) Sessions(
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
func (m *Memory) Rotate(ctx context.Context, r Rotation) (Session, Outcome, error) {
	if err := m.lock(ctx); err != nil {
		return Session{}, Gone, err
	}
	defer m.mu.Unlock()
	s := m.sessions[r.SessionID]
	if s == nil {
		return Session{}, Gone, nil
	}
	after, outcome := r.Apply(*s)
	if (outcome == Rotated || outcome == Replayed) && m.changed(s.Subject, r.Since) {
		return *s, Overtaken, nil
	}
	if *s = after; outcome == Reused {
		m.record(s.Revocation(r.AccessExpiry))
	}
	return *s, outcome, nil
}

// changed reports whether a revocation with a number above since changed the subject's rights or
// password. The caller holds the lock.
func (m *Memory) changed(subject string, since int64) bool {
	for _, r := range m.after(since) {
		if r.Kind == RevokedAll || (r.Kind == RevokedSubject || r.Kind == RevokedCredentials) && r.ID == subject {
			return true
		}
	}
	return false
}

// after returns the revocations with a number above since. The caller holds the lock.
func (m *Memory) after(since int64) []Revocation {
	first := sort.Search(len(m.revocations), func(i int) bool { return m.revocations[i].Sequence > since })
	return m.revocations[first:]
}

// StepUp implements [SessionStore].
func (m *Memory) StepUp(ctx context.Context, u StepUp) (Session, error) {
	if err := m.lock(ctx); err != nil {
		return Session{}, err
	}
	defer m.mu.Unlock()
	s := m.sessions[u.SessionID]
	if s == nil {
		return Session{}, ErrNotFound
	}
	after, lives := u.Apply(*s)
	if !lives {
		return Session{}, ErrNotFound
	}
	if m.changed(s.Subject, u.Since) {
		return Session{}, ErrSubjectChanged
	}
	*s = after
	return after, nil
}

// Sweep implements [SessionStore].
func (m *Memory) Sweep(ctx context.Context, now time.Time, limit int) (int, error) {
	if err := m.lock(ctx); err != nil {
		return 0, err
	}
	defer m.mu.Unlock()
	now = microsecond(now)
	swept := 0
	for id, s := range m.sessions {
		if swept < limit && s.IdleExpiry.Before(now) && s.AccessExpiry.Before(now) {
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

func (m *Memory) remove(id, subject string) {
	delete(m.sessions, id)
	delete(m.bySubject[subject], id)
	if len(m.bySubject[subject]) == 0 {
		delete(m.bySubject, subject)
	}
}

// EndSessions implements [RevocationStore].
func (m *Memory) EndSessions(ctx context.Context, e Ending) ([]Revocation, error) {
	if err := e.Validate(); err != nil {
		return nil, err
	}
	if e.With != nil { // before the lock, since it may call the store
		if err := e.With(ctx); err != nil {
			return nil, err
		}
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
	if e.Record != "" {
		var accessExpiry time.Time
		for _, s := range named {
			accessExpiry = later(accessExpiry, s.AccessExpiry)
		}
		recorded = append(recorded, m.record(e.Revocation(accessExpiry)))
	}
	for id, s := range named {
		if !s.RevokedAt.IsZero() || e.OnlyRecord || e.Subject != "" && id == e.Except {
			continue
		}
		s.RevokedAt = microsecond(e.Now)
		recorded = append(recorded, m.record(s.Revocation(e.ExpiresAt)))
	}
	return recorded, nil
}

// EndAll implements [RevocationStore].
func (m *Memory) EndAll(ctx context.Context, now time.Time) (int, Revocation, error) {
	if err := m.lock(ctx); err != nil {
		return 0, Revocation{}, err
	}
	defer m.mu.Unlock()
	ended := 0
	for _, s := range m.sessions {
		if s.RevokedAt.IsZero() {
			s.RevokedAt = microsecond(now)
			ended++
		}
	}
	m.epoch = rand.Text()
	return ended, m.record(AllRevoked(now)), nil
}

// Epoch implements [RevocationStore].
func (m *Memory) Epoch(ctx context.Context) (string, error) {
	if err := m.lock(ctx); err != nil {
		return "", err
	}
	defer m.mu.Unlock()
	return m.epoch, nil
}

// Sequence implements [RevocationStore].
func (m *Memory) Sequence(ctx context.Context) (int64, error) {
	if err := m.lock(ctx); err != nil {
		return 0, err
	}
	defer m.mu.Unlock()
	return m.sequence, nil
}

// Revoke implements [RevocationStore].
func (m *Memory) Revoke(ctx context.Context, r Revocation) (Revocation, error) {
	if r.Kind != RevokedToken {
		return Revocation{}, errRevocationKind
	}
	if err := m.lock(ctx); err != nil {
		return Revocation{}, err
	}
	defer m.mu.Unlock()
	return m.record(r), nil
}

// record adds r. The caller holds the lock.
func (m *Memory) record(r Revocation) Revocation {
	m.sequence = max(m.sequence+1, time.Now().UnixMicro())
	r.Sequence = m.sequence
	r.Before, r.ExpiresAt = microsecond(r.Before), microsecond(r.ExpiresAt)
	m.revocations = append(m.revocations, r)
	return r
}

// Revocations implements [RevocationStore].
func (m *Memory) Revocations(
	ctx context.Context, since int64, now time.Time, limit int,
) ([]Revocation, error) {
	if err := m.lock(ctx); err != nil {
		return nil, err
	}
	defer m.mu.Unlock()
	now = microsecond(now)
	var page []Revocation
	for _, r := range m.after(since) {
		if len(page) >= limit {
			break
		}
		if !r.ExpiresAt.Before(now) {
			page = append(page, r)
		}
	}
	return page, nil
}
