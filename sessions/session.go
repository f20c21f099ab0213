// Package sessions defines what a store of login sessions and revocations must do, and provides an
// in-memory store.
//
// Most programs need at most two of its names: [NewMemory], the default, and [Store], which package
// sqlstore implements. The rest is for authors of their own stores, which package storetest checks.
package sessions

import (
	"context"
	"errors"
	"time"
)

// The errors of a [Store].
var (
	// ErrNotFound says that there is no such session.
	ErrNotFound = errors.New("sessions: there is no such session")
	// ErrUnavailable says that the store could not be reached.
	ErrUnavailable = errors.New("sessions: the store cannot be reached")
	// ErrSubjectChanged says that the subject's rights or password have changed since the caller
	// read them. The caller must read them again.
	ErrSubjectChanged = errors.New("sessions: the subject's rights or password changed meanwhile")
)

// Session is one login on one device, with the chain of refresh tokens that started there. It stays
// one record, however often it is refreshed. It contains no tokens.
type Session struct {
	ID         string
	Subject    string
	Generation uint32    // of the current refresh token; the first is 1
	RotatedAt  time.Time // when Generation was reached
	CreatedAt  time.Time
	LastUsedAt time.Time
	IdleExpiry time.Time // the session ends then unless it is refreshed earlier
	Expiry     time.Time // the session ends then in any case
	AuthTime   time.Time // when the subject last proved who they are (RFC 9068 §2.2.1)
	RevokedAt  time.Time // zero while the session lives
	// AccessExpiry is the time by which every access token of the session has expired, whichever
	// process issued it and whatever lifetime it used. A revocation of the session lasts until
	// then.
	AccessExpiry time.Time
	// SteppedUp says that a step-up led to Generation. The token of the generation before it is not
	// exchanged for the new one, since its holder may not be the one who gave the password.
	SteppedUp bool
	Client    Client
}

// Client says where a request came from.
type Client struct {
	IP        string
	UserAgent string // at most 256 bytes of UTF-8
}

// Ended reports whether the session is revoked or expired at now.
func (s Session) Ended(now time.Time) bool {
	return !s.RevokedAt.IsZero() || !now.Before(s.IdleExpiry) || !now.Before(s.Expiry)
}

// Revocation returns the record that s has ended. It lasts until expiresAt, or until the last
// access token of s has expired, if that is later.
func (s Session) Revocation(expiresAt time.Time) Revocation {
	return Revocation{Kind: RevokedSession, ID: s.ID, ExpiresAt: later(expiresAt, s.AccessExpiry)}
}

// ExpiresAt returns when the session ends unless it is refreshed.
func (s Session) ExpiresAt() time.Time {
	if s.Expiry.Before(s.IdleExpiry) {
		return s.Expiry
	}
	return s.IdleExpiry
}

// Outcome is the result of presenting a refresh token.
type Outcome int

// The outcomes of [SessionStore.Rotate].
const (
	// Gone: the session is unknown, expired or revoked, or it has not reached the presented
	// generation. Nothing changed. It is also the answer to the generation before a step-up, within
	// the grace period.
	Gone Outcome = iota
	// Rotated: the presented generation was current, and now the next one is.
	Rotated
	// Replayed: the presented generation is the one directly before the current one, within the
	// grace period. Only LastUsedAt and AccessExpiry may have changed. A client that lost the
	// answer gets the same successor again.
	Replayed
	// Reused: the presented generation is older, or the grace period is over. The session is now
	// revoked, and the revocation recorded.
	Reused
	// Overtaken: the subject's rights or password have changed since [Rotation.Since]. Nothing
	// changed. The caller reads the grant again and retries.
	Overtaken
)

// Rotation is one presentation of a refresh token.
type Rotation struct {
	SessionID  string
	Generation uint32 // as presented
	Now        time.Time
	Grace      time.Duration // how long the direct predecessor of the current generation is answered with Replayed
	IdleExpiry time.Time     // for the session, if it is rotated; capped at Session.Expiry
	// AccessExpiry is the [Session.AccessExpiry] that the new access token needs. The store keeps
	// the later of this and its own value.
	AccessExpiry time.Time
	// Since is the number of the last revocation at the time when the caller started, before it
	// read the grant for the new token or checked a password. See [RevocationStore.Sequence].
	Since int64
	// Read is the session as the caller read it, if it did. If the session has not changed since,
	// the store need not read it again.
	Read Session
}

// Apply decides r for s, which must be the session that r names, and returns s as it is afterwards.
// Every [SessionStore] calls it inside its atomic write.
func (r Rotation) Apply(s Session) (Session, Outcome) {
	now := microsecond(r.Now)
	switch {
	case s.Ended(now), r.Generation == 0, r.Generation > s.Generation:
		return s, Gone
	case r.Generation == s.Generation:
		s.Generation++
		s.SteppedUp = false
		s.RotatedAt, s.LastUsedAt = now, now
		s.IdleExpiry = earlier(microsecond(r.IdleExpiry), s.Expiry)
		s.AccessExpiry = later(s.AccessExpiry, microsecond(r.AccessExpiry))
		return s, Rotated
	case r.Generation == s.Generation-1 && now.Sub(s.RotatedAt).Abs() <= r.Grace: // clocks differ
		if s.SteppedUp {
			return s, Gone // it may be the subject's other tab, so keep the session
		}
		s.LastUsedAt = now
		s.AccessExpiry = later(s.AccessExpiry, microsecond(r.AccessExpiry))
		return s, Replayed
	default:
		s.RevokedAt = now
		return s, Reused
	}
}

// microsecond returns t with the precision of a store.
func microsecond(t time.Time) time.Time { return t.UTC().Truncate(time.Microsecond) }

// StepUp moves a session to its next generation without its current refresh token, because the
// subject has just given their password.
type StepUp struct {
	SessionID string
	Now       time.Time
	// Proved sets AuthTime to Now and refuses the previous generation from now on. Without it, the
	// previous generation is still answered within the grace period, as after a refresh.
	Proved       bool
	IdleExpiry   time.Time // as in [Rotation]
	AccessExpiry time.Time // as in [Rotation]
	Since        int64     // as in [Rotation]
}

// Apply decides u for s, which must be the session that u names, and returns s as it is afterwards.
// It returns false if the session has ended.
func (u StepUp) Apply(s Session) (Session, bool) {
	now := microsecond(u.Now)
	if s.Ended(now) {
		return s, false
	}
	s.Generation++
	s.SteppedUp = u.Proved
	s.RotatedAt, s.LastUsedAt = now, now
	if u.Proved {
		s.AuthTime = now
	}
	s.IdleExpiry = earlier(microsecond(u.IdleExpiry), s.Expiry)
	s.AccessExpiry = later(s.AccessExpiry, microsecond(u.AccessExpiry))
	return s, true
}

func later(a, b time.Time) time.Time {
	if a.Before(b) {
		return b
	}
	return a
}

func earlier(a, b time.Time) time.Time {
	if b.Before(a) {
		return b
	}
	return a
}

// SessionStore keeps sessions. Package storetest contains a test suite that every implementation
// must pass. All methods are safe for concurrent use, and their changes are durable once they
// return nil. They return an error that wraps [ErrUnavailable] if the store cannot be reached. A
// call whose ctx has already ended also returns it, and changes nothing. Times are kept in UTC,
// rounded down to the microsecond. With a limit under 1 a method returns or deletes nothing.
type SessionStore interface {
	// CreateSession adds s. It returns [ErrSubjectChanged] and adds nothing if the subject's rights
	// or password have changed since revocation number since (see [RevocationStore.Sequence]). It
	// fails if a session with the same ID exists. An IdleExpiry after Expiry is stored as Expiry.
	CreateSession(ctx context.Context, s Session, since int64) error
	// Session returns the session, whatever its state, or [ErrNotFound].
	Session(ctx context.Context, id string) (Session, error)
	// Sessions returns at most limit of the subject's sessions that have not ended at now, newest
	// first (by CreatedAt, then ID, both descending). It starts after the session with ID after; ""
	// asks for the first page. That session may have ended, but once it has been swept the page is
	// empty.
	Sessions(ctx context.Context, subject string, now time.Time, after string, limit int) ([]Session, error)
	// Rotate decides one presentation of a refresh token. It must be ONE atomic conditional write:
	// of all calls with the same generation, exactly one is Rotated. It returns the session as it
	// is afterwards (empty if it is Gone and unknown).
	Rotate(ctx context.Context, r Rotation) (Session, Outcome, error)
	// StepUp moves a session to its next generation in one atomic write, and returns the session as
	// it is afterwards. It returns [ErrNotFound] if the session is unknown or has ended, and
	// [ErrSubjectChanged] as CreateSession does.
	StepUp(ctx context.Context, u StepUp) (Session, error)
	// Sweep deletes at most limit records and returns how many it deleted. It deletes sessions that
	// expired before now (even if they were revoked) and whose AccessExpiry is before now, and
	// revocations whose ExpiresAt is before now. If it deletes fewer than limit, there are no more.
	Sweep(ctx context.Context, now time.Time, limit int) (int, error)
}

// RevocationKind says what a [Revocation] names.
type RevocationKind string

// The kinds of revocation.
const (
	RevokedSession RevocationKind = "session" // every token of the session
	RevokedToken   RevocationKind = "token"   // one access token, by its "jti"
	RevokedSubject RevocationKind = "subject" // every access token of the subject issued before it
	// RevokedCredentials refuses no tokens. It refuses new sessions of the subject whose
	// credentials were checked before it, such as a login with the old password that is under way.
	RevokedCredentials RevocationKind = "credentials"
	RevokedAll         RevocationKind = "all" // of every subject; it has no ID
)

// Revocation records that something must be refused before it expires.
type Revocation struct {
	// Sequence is assigned by the store, and grows. RevokedSubject refuses access tokens of the
	// subject that carry a smaller one ([jwt.Claims.Sequence]).
	Sequence  int64
	Kind      RevocationKind
	ID        string    // of the session, the token or the subject
	Before    time.Time // RevokedSubject also refuses tokens without a Sequence issued by then
	ExpiresAt time.Time // by then every access token that this refuses has expired
}

// Ending asks a store to end sessions.
type Ending struct {
	// Exactly one of SessionID and Subject must be set: one session, or every session of the
	// subject.
	SessionID string
	Subject   string
	// Except is the ID of a session of Subject that stays alive.
	Except string
	// Record is the kind of revocation to record for Subject: RevokedSubject, RevokedCredentials,
	// or empty for none.
	Record RevocationKind
	// OnlyRecord adds the record but ends no session.
	OnlyRecord bool
	// With, if not nil, runs first, in the same transaction. Calls of this store with the context
	// that it gets take part in the transaction. If With returns an error, everything is rolled
	// back and the error is returned.
	With func(ctx context.Context) error
	Now  time.Time
	// ExpiresAt is the earliest expiry of the recorded revocations. They last until the
	// AccessExpiry of the sessions concerned, if that is later.
	ExpiresAt time.Time
}

var errEnding = errors.New("sessions: an Ending names either a session, or a subject and perhaps a kind to record")

// Validate returns an error if e is malformed. Stores call it first.
func (e Ending) Validate() error {
	records := e.Record == RevokedSubject || e.Record == RevokedCredentials
	if (e.SessionID == "") == (e.Subject == "") || !records && (e.Record != "" || e.OnlyRecord) ||
		records && e.Subject == "" {
		return errEnding
	}
	return nil
}

// Revocation returns the record for e.Record, the one that is not about a single session. It lasts
// until e.ExpiresAt, or until accessExpiry, the latest AccessExpiry of the subject's sessions, if
// that is later.
func (e Ending) Revocation(accessExpiry time.Time) Revocation {
	r := Revocation{Kind: e.Record, ID: e.Subject, ExpiresAt: later(e.ExpiresAt, accessExpiry)}
	if e.Record == RevokedSubject {
		// Only tokens without a number are judged by this time. Older issuers dated some tokens one
		// second later than this second, so refuse those as well.
		r.Before = microsecond(e.Now).Truncate(time.Second).Add(time.Second)
	}
	return r
}

// AllRevoked returns the record of [RevocationStore.EndAll]. It is kept for ten years: no token
// lives longer, and such records are few.
func AllRevoked(now time.Time) Revocation {
	return Revocation{
		Kind: RevokedAll, Before: microsecond(now).Truncate(time.Second).Add(time.Second),
		ExpiresAt: now.AddDate(10, 0, 0),
	}
}

// RevocationStore records revocations. Every replica updates its memory from it. It makes the same
// promises as [SessionStore].
type RevocationStore interface {
	// Sequence returns the highest number of any revocation recorded so far, even if it has been
	// swept, or 0 if there has been none. Every revocation recorded later has a higher number.
	Sequence(ctx context.Context) (int64, error)
	// EndSessions revokes the sessions that e names and that are not yet revoked. It records a
	// RevokedSession for each, and a revocation of kind e.Record, and returns these records. All of
	// this is one transaction. It includes expired sessions, whose last access tokens may still be
	// valid. It is not an error if there is nothing to end.
	EndSessions(ctx context.Context, e Ending) ([]Revocation, error)
	// Revoke records r, which must be a RevokedToken, and returns it with its sequence number.
	// Revoking a token twice records it twice. Sessions are not changed.
	Revoke(ctx context.Context, r Revocation) (Revocation, error)
	// EndAll revokes every session that is not yet revoked, records a RevokedAll, and starts a new
	// epoch, all in one transaction. It returns the number of sessions that it ended and the
	// record. It is for cases where everything may be affected, such as a restored backup or a
	// stolen key.
	EndAll(ctx context.Context, now time.Time) (int, Revocation, error)
	// Epoch returns an ID of this record of revocations. The ID changes when a store loses its
	// numbers or starts anew.
	Epoch(ctx context.Context) (string, error)
	// Revocations returns, in order, at most limit records with a sequence number above since whose
	// ExpiresAt is not before now. Numbers become visible in order, so a reader that continues
	// after the last number it saw misses none. A number is at least the time in microseconds since
	// 1970, so numbers do not restart when an in-memory store restarts or a database is restored.
	Revocations(ctx context.Context, since int64, now time.Time, limit int) ([]Revocation, error)
}

// Store keeps sessions and revocations.
type Store interface {
	SessionStore
	RevocationStore
}

// Transactor is a [Store] that can take several of its calls, and what else goes to its database,
// together.
type Transactor interface {
	Store
	// Transaction runs f in one transaction, in which the calls of this store take part that use
	// the context that f gets. If f returns an error, everything is rolled back and that error is
	// returned. F may be called more than once, each time in a new transaction.
	Transaction(ctx context.Context, f func(ctx context.Context) error) error
}
