package hallpass

import (
	"context"
	"time"
)

// Session is one login on one device: the chain of refresh tokens that began there. However often it
// is refreshed it stays one record, and no token is stored in it.
type Session struct {
	ID         string
	Subject    string
	Generation uint32    // of the one refresh token that is current; the first is 1
	RotatedAt  time.Time // when Generation was reached
	CreatedAt  time.Time
	LastUsedAt time.Time
	IdleExpiry time.Time // the session ends then unless it is refreshed before
	Expiry     time.Time // the session ends then whatever happens
	AuthTime   time.Time // when the subject last proved who they are (RFC 9068 §2.2.1)
	RevokedAt  time.Time // zero while the session lives
	Client     Client
}

// Client says where a request came from.
type Client struct {
	IP        string
	UserAgent string // at most 256 bytes of UTF-8
}

const maxUserAgent = 256

// Ended reports whether the session is revoked or expired at now.
func (s Session) Ended(now time.Time) bool {
	return !s.RevokedAt.IsZero() || !now.Before(s.IdleExpiry) || !now.Before(s.Expiry)
}

// ExpiresAt is when the session ends unless it is refreshed.
func (s Session) ExpiresAt() time.Time {
	if s.Expiry.Before(s.IdleExpiry) {
		return s.Expiry
	}
	return s.IdleExpiry
}

// Outcome is what became of a presented refresh token.
type Outcome int

// The outcomes of [SessionStore.Rotate].
const (
	// Gone: the session is unknown, expired or revoked, or never had the presented generation. Nothing changed.
	Gone Outcome = iota
	// Rotated: the presented generation was current; the next one is now.
	Rotated
	// Replayed: the presented generation is the direct predecessor of the current one, within the grace. Nothing
	// changed but LastUsedAt, so the client that lost the answer gets the same successor again.
	Replayed
	// Reused: the presented generation is older, or the grace is over. The session is revoked and the revocation recorded.
	Reused
)

// Rotation is one presentation of a refresh token.
type Rotation struct {
	SessionID  string
	Generation uint32 // as presented
	Now        time.Time
	Grace      time.Duration // how long the direct predecessor of the current generation is answered with Replayed
	IdleExpiry time.Time     // for the session, when it is rotated; the store caps it at Session.Expiry
	// RevocationExpiry is the time after which no access token of the session can be alive:
	// the ExpiresAt of the revocation that Reused records.
	RevocationExpiry time.Time
	// Read is the session as the caller has read it, if it has. A store may spare itself another look: if the session is still as it was.
	Read Session
}

// Apply decides r for s, the session that it names, and returns s as it is afterwards. It is what every
// [SessionStore] does within its atomic write.
func (r Rotation) Apply(s Session) (Session, Outcome) {
	now := microsecond(r.Now)
	switch {
	case s.Ended(now), r.Generation == 0, r.Generation > s.Generation:
		return s, Gone
	case r.Generation == s.Generation:
		s.Generation++
		s.RotatedAt, s.LastUsedAt = now, now
		s.IdleExpiry = earlier(microsecond(r.IdleExpiry), s.Expiry)
		return s, Rotated
	case r.Generation == s.Generation-1 && now.Sub(s.RotatedAt).Abs() <= r.Grace: // a clock may have been set back
		s.LastUsedAt = now
		return s, Replayed
	default:
		s.RevokedAt = now
		return s, Reused
	}
}

// microsecond returns t as stores keep it.
func microsecond(t time.Time) time.Time { return t.UTC().Truncate(time.Microsecond) }

func earlier(a, b time.Time) time.Time {
	if b.Before(a) {
		return b
	}
	return a
}

// SessionStore keeps sessions. Package storetest has the suite that every implementation passes.
// All methods are safe for concurrent use, durable when they return nil, and return an error that wraps
// [ErrStoreUnavailable] when the store cannot be asked, as when ctx has ended: a call that begins then changes nothing.
// Times are kept to the microsecond, rounded down, in UTC. A limit under 1 asks for nothing.
type SessionStore interface {
	// CreateSession adds s. It fails when there is a session with its ID. An IdleExpiry after Expiry is kept as Expiry.
	CreateSession(ctx context.Context, s Session) error
	// Session returns the session whatever its state, or [ErrNotFound].
	Session(ctx context.Context, id string) (Session, error)
	// Sessions returns the subject's sessions that have not ended at now, newest first (by CreatedAt, then ID,
	// both descending), at most limit, starting after the session whose ID is after ("" for the first page). That one
	// may have ended; once it has been swept there is nothing after it.
	Sessions(ctx context.Context, subject string, now time.Time, after string, limit int) ([]Session, error)
	// Rotate decides one presentation of a refresh token. It is ONE atomic conditional write: of any number
	// of calls with one generation exactly one is Rotated. The session returned is as it is afterwards
	// (empty when Gone and unknown).
	Rotate(ctx context.Context, r Rotation) (Session, Outcome, error)
	// SetAuthTime notes that the subject proved again, at authTime, who they are, and returns the session as it is
	// afterwards. [ErrNotFound] when the session is unknown or had ended at authTime.
	SetAuthTime(ctx context.Context, id string, authTime time.Time) (Session, error)
	// Sweep deletes at most limit records, sessions that expired (RevokedAt aside) before now and revocations whose
	// ExpiresAt is before now, and returns how many it deleted. When that is less than limit there are no more.
	Sweep(ctx context.Context, now time.Time, limit int) (int, error)
}

// RevocationKind says what a [Revocation] names.
type RevocationKind string

// The kinds of revocation.
const (
	RevokedSession RevocationKind = "session" // every token of the session
	RevokedToken   RevocationKind = "token"   // one access token, by its "jti"
	RevokedSubject RevocationKind = "subject" // every access token of the subject issued at or before Before
)

// Revocation is a record that something must be refused before it expires by itself.
type Revocation struct {
	Sequence  int64 // given by the store, growing
	Kind      RevocationKind
	ID        string    // of the session, the token or the subject
	Before    time.Time // RevokedSubject: access tokens issued at or before it are refused; whole seconds
	ExpiresAt time.Time // after it no access token that this names can be alive
}

// Ending asks a store to end sessions.
type Ending struct {
	// SessionID or Subject is set, not both, or the store fails: one session, or every session of the subject.
	SessionID string
	Subject   string
	// Except names a session of Subject that lives on.
	Except    string
	Now       time.Time
	ExpiresAt time.Time // for the revocations recorded
}

// RevocationStore is the record of revocations, from which every replica refreshes its memory.
// It keeps the promises that [SessionStore] states.
type RevocationStore interface {
	// EndSessions marks the sessions that e names, and that have not been revoked, as revoked, records a
	// RevokedSession for each, all in one transaction, and returns those records. Sessions that have expired are among
	// them, since their last access tokens may be alive. Nothing to end is no error.
	EndSessions(ctx context.Context, e Ending) ([]Revocation, error)
	// Revoke records r (a RevokedToken or RevokedSubject, or it fails) and returns it with its sequence number. What is
	// revoked twice is recorded twice. Sessions stay as they are.
	Revoke(ctx context.Context, r Revocation) (Revocation, error)
	// Revocations returns, in order, the records with a sequence number over since whose ExpiresAt is not before now, at
	// most limit. Numbers become visible in their order: whoever goes on from the last that they saw misses none.
	Revocations(ctx context.Context, since int64, now time.Time, limit int) ([]Revocation, error)
}

// Store is the whole of what an [Issuer] keeps.
type Store interface {
	SessionStore
	RevocationStore
}
