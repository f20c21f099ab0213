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

// expiresAt is when the session ends unless it is refreshed.
func (s Session) expiresAt() time.Time {
	if s.Expiry.Before(s.IdleExpiry) {
		return s.Expiry
	}
	return s.IdleExpiry
}

// Outcome is what became of a presented refresh token.
type Outcome int

// The outcomes of [SessionStore.Rotate].
const (
	// Gone: the session is unknown, expired or revoked, or never reached the presented generation. Nothing changed.
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
}

// SessionStore keeps sessions. Package storetest has the suite that every implementation passes.
// All methods are safe for concurrent use, durable when they return nil, and return an error that wraps
// [ErrStoreUnavailable] when the store cannot be asked. Times are kept to the microsecond, in UTC.
type SessionStore interface {
	// CreateSession adds s, whose ID is new.
	CreateSession(ctx context.Context, s Session) error
	// Session returns the session whatever its state, or [ErrNotFound].
	Session(ctx context.Context, id string) (Session, error)
	// Sessions returns the subject's sessions that have not ended at now, newest first (by CreatedAt, then ID),
	// at most limit, starting after the session whose ID is after ("" for the first page).
	Sessions(ctx context.Context, subject string, now time.Time, after string, limit int) ([]Session, error)
	// Rotate decides one presentation of a refresh token. It is ONE atomic conditional write: of any number
	// of calls with one generation exactly one is Rotated. The session returned is as it is afterwards
	// (empty when Gone and unknown).
	Rotate(ctx context.Context, r Rotation) (Session, Outcome, error)
	// SetAuthTime notes that the subject has proved again who they are. [ErrNotFound] when the session is
	// unknown or has ended at now.
	SetAuthTime(ctx context.Context, id string, authTime time.Time) (Session, error)
	// Sweep deletes at most limit sessions that expired (RevokedAt aside) before now and revocations whose ExpiresAt is
	// before now, and returns how many records it deleted. It never returns a number over limit.
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
	// SessionID or Subject is set, not both: one session, or every session of the subject.
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
	// RevokedSession for each, all in one transaction, and returns those records. Nothing to end is no error.
	EndSessions(ctx context.Context, e Ending) ([]Revocation, error)
	// Revoke records r (a RevokedToken or RevokedSubject) and returns it with its sequence number. Sessions stay as they are.
	Revoke(ctx context.Context, r Revocation) (Revocation, error)
	// Revocations returns, in order, the records with a sequence number over since that have not expired at now, at most limit.
	Revocations(ctx context.Context, since int64, now time.Time, limit int) ([]Revocation, error)
}

// Store is the whole of what an [Issuer] keeps.
type Store interface {
	SessionStore
	RevocationStore
}
