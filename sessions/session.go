// Package sessions says what a store of log-in sessions and revocations promises, and has one in
// memory.
//
// Most programs need two names of it at most: [NewMemory], the default, and [Store], which package
// sqlstore implements. The rest is for those who write a store of their own: package storetest
// checks it.
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
	// ErrUnavailable says that the store could not be asked.
	ErrUnavailable = errors.New("sessions: the store cannot be reached")
	// ErrSubjectChanged says that what a subject may do, or their password, has changed since the
	// caller looked. Begin again from there.
	ErrSubjectChanged = errors.New("sessions: the subject's rights or password changed meanwhile")
)

// Session is one login on one device: the chain of refresh tokens that began there. However often
// it is refreshed it stays one record, and no token is stored in it.
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
	// AccessExpiry is the time after which no access token of the session can be alive, whoever
	// made it and however long tokens live elsewhere. A revocation of the session lasts until then.
	AccessExpiry time.Time
	// SteppedUp says that a step-up reached Generation: whoever has the generation before it has
	// proved nothing, and gets nothing for it.
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
	// Gone: the session is unknown, expired or revoked, or never had the presented generation.
	// Nothing changed.
	Gone Outcome = iota
	// Rotated: the presented generation was current; the next one is now.
	Rotated
	// Replayed: the presented generation is the direct predecessor of the current one, within the
	// grace. Nothing changed but LastUsedAt, so the client that lost the answer gets the same
	// successor again.
	Replayed
	// Reused: the presented generation is older, or the grace is over. The session is revoked and
	// the revocation recorded.
	Reused
	// Overtaken: what the subject may do, or their password, has changed since [Rotation.Since].
	// Nothing changed: the caller reads the grant again, and asks again.
	Overtaken
)

// Rotation is one presentation of a refresh token.
type Rotation struct {
	SessionID  string
	Generation uint32 // as presented
	Now        time.Time
	Grace      time.Duration // how long the direct predecessor of the current generation is answered with Replayed
	IdleExpiry time.Time     // for the session, when it is rotated; the store caps it at Session.Expiry
	// AccessExpiry is the [Session.AccessExpiry] that the new access token asks for. The store
	// keeps the later of it and what it has.
	AccessExpiry time.Time
	// Since is the number of the last revocation when the caller began: before it read the grant
	// for the new token, or looked at a password. See [RevocationStore.Sequence].
	Since int64
	// Read is the session as the caller has read it, if it has. A store may spare itself another
	// look: if the session is still as it was.
	Read Session
}

// Apply decides r for s, the session that it names, and returns s as it is afterwards. It is what
// every [SessionStore] does within its atomic write.
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
	case r.Generation == s.Generation-1 && now.Sub(s.RotatedAt).Abs() <= r.Grace: // a clock may have been set back
		if s.SteppedUp {
			return s, Gone // it may be the subject's other tab: nobody is put out
		}
		s.LastUsedAt = now
		s.AccessExpiry = later(s.AccessExpiry, microsecond(r.AccessExpiry))
		return s, Replayed
	default:
		s.RevokedAt = now
		return s, Reused
	}
}

// microsecond returns t as stores keep it.
func microsecond(t time.Time) time.Time { return t.UTC().Truncate(time.Microsecond) }

// StepUp is a step of a session's refresh token to its next generation without the current one
// being presented: the subject has just given their password.
type StepUp struct {
	SessionID string
	Now       time.Time
	// Proved makes Now the session's AuthTime, and refuses the generation before from now on.
	// Without it that one is still answered within the grace, as after a refresh.
	Proved       bool
	IdleExpiry   time.Time // as in [Rotation]
	AccessExpiry time.Time // as in [Rotation]
	Since        int64     // as in [Rotation]
}

// Apply decides u for s, the session that it names, and returns s as it is afterwards, and false
// when the session has ended.
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

// SessionStore keeps sessions. Package storetest has the suite that every implementation passes.
// All methods are safe for concurrent use, durable when they return nil, and return an error that
// wraps [ErrUnavailable] when the store cannot be asked, as when ctx has ended: a call that begins
// then changes nothing. Times are kept to the microsecond, rounded down, in UTC. A limit under 1
// asks for nothing.
type SessionStore interface {
	// CreateSession adds s, unless what its subject may do, or their password, has changed since
	// the revocation of number since ([RevocationStore.Sequence]): then it is [ErrSubjectChanged],
	// and nothing is added. It fails when there is a session with its ID. An IdleExpiry after
	// Expiry is kept as Expiry.
	CreateSession(ctx context.Context, s Session, since int64) error
	// Session returns the session whatever its state, or [ErrNotFound].
	Session(ctx context.Context, id string) (Session, error)
	// Sessions returns the subject's sessions that have not ended at now, newest first (by
	// CreatedAt, then ID, both descending), at most limit, starting after the session whose ID is
	// after ("" for the first page). That one may have ended; once it has been swept there is
	// nothing after it.
	Sessions(ctx context.Context, subject string, now time.Time, after string, limit int) ([]Session, error)
	// Rotate decides one presentation of a refresh token. It is ONE atomic conditional write: of
	// any number of calls with one generation exactly one is Rotated. The session returned is as it
	// is afterwards (empty when Gone and unknown).
	Rotate(ctx context.Context, r Rotation) (Session, Outcome, error)
	// StepUp takes a session to its next generation, in one atomic write, and returns the session
	// as it is afterwards. [ErrNotFound] when the session is unknown or has ended, and
	// [ErrSubjectChanged] as for CreateSession.
	StepUp(ctx context.Context, u StepUp) (Session, error)
	// Sweep deletes at most limit records, sessions that expired (RevokedAt aside) before now and
	// whose AccessExpiry is before now, and revocations whose ExpiresAt is before now, and returns
	// how many it deleted. When that is less than limit there are no more.
	Sweep(ctx context.Context, now time.Time, limit int) (int, error)
}

// RevocationKind says what a [Revocation] names.
type RevocationKind string

// The kinds of revocation.
const (
	RevokedSession RevocationKind = "session" // every token of the session
	RevokedToken   RevocationKind = "token"   // one access token, by its "jti"
	RevokedSubject RevocationKind = "subject" // every access token of the subject made before it
	// RevokedCredentials refuses no token: it refuses sessions that begin with what proved the
	// subject's identity before it, as a log-in with the old password that was under way.
	RevokedCredentials RevocationKind = "credentials"
	RevokedAll         RevocationKind = "all" // every access token made before it, whoever's; it has no ID
)

// Revocation is a record that something must be refused before it expires by itself.
type Revocation struct {
	// Sequence is given by the store, and grows. RevokedSubject refuses the subject's access tokens
	// with a smaller one ([jwt.Claims.Sequence]).
	Sequence  int64
	Kind      RevocationKind
	ID        string    // of the session, the token or the subject
	Before    time.Time // RevokedSubject: of tokens without a Sequence, those issued at or before it are refused
	ExpiresAt time.Time // after it no access token that this names can be alive
}

// Ending asks a store to end sessions.
type Ending struct {
	// SessionID or Subject is set, not both, or the store fails: one session, or every session of
	// the subject.
	SessionID string
	Subject   string
	// Except names a session of Subject that lives on.
	Except string
	// Record is what is recorded for Subject besides: RevokedSubject, RevokedCredentials, or
	// nothing.
	Record RevocationKind
	// OnlyRecord leaves the sessions alive.
	OnlyRecord bool
	// With is done in the same transaction, before everything else, with a context that takes calls
	// of this store into it. Its error undoes all and is returned. May be nil.
	With func(ctx context.Context) error
	Now  time.Time
	// ExpiresAt is the least for the revocations recorded: they last until the AccessExpiry of the
	// sessions that they concern, if that is later.
	ExpiresAt time.Time
}

var errEnding = errors.New("sessions: an Ending names either a session, or a subject and perhaps a kind to record")

// Validate returns an error for an e that cannot be carried out. Stores call it first.
func (e Ending) Validate() error {
	records := e.Record == RevokedSubject || e.Record == RevokedCredentials
	if (e.SessionID == "") == (e.Subject == "") || !records && (e.Record != "" || e.OnlyRecord) ||
		records && e.Subject == "" {
		return errEnding
	}
	return nil
}

// Revocation returns the record that e asks for besides those of sessions.
func (e Ending) Revocation(expiresAt time.Time) Revocation {
	r := Revocation{Kind: e.Record, ID: e.Subject, ExpiresAt: expiresAt}
	if e.Record == RevokedSubject {
		// Only tokens without a number are judged by it. Older issuers dated one of the same second
		// a second later, so those are refused as well.
		r.Before = microsecond(e.Now).Truncate(time.Second).Add(time.Second)
	}
	return r
}

// AllRevoked is the record of [RevocationStore.EndAll]. It is kept for ten years: no token lives
// longer, and there are few of them.
func AllRevoked(now time.Time) Revocation {
	return Revocation{
		Kind: RevokedAll, Before: microsecond(now).Truncate(time.Second).Add(time.Second),
		ExpiresAt: now.AddDate(10, 0, 0),
	}
}

// RevocationStore is the record of revocations, from which every replica refreshes its memory.
// It keeps the promises that [SessionStore] states.
type RevocationStore interface {
	// Sequence returns the highest number that a recorded revocation has ever had, swept ones too;
	// 0 before the first. What is not yet recorded when it returns will have a higher one.
	Sequence(ctx context.Context) (int64, error)
	// EndSessions marks the sessions that e names, and that have not been revoked, as revoked,
	// records a RevokedSession for each, and what e.Record says, all in one transaction, and
	// returns those records. Sessions that have expired are among them, since their last access
	// tokens may be alive. Nothing to end is no error.
	EndSessions(ctx context.Context, e Ending) ([]Revocation, error)
	// Revoke records r (a RevokedToken, or it fails) and returns it with its sequence number. What
	// is revoked twice is recorded twice. Sessions stay as they are.
	Revoke(ctx context.Context, r Revocation) (Revocation, error)
	// EndAll marks every session that has not been revoked as revoked, records a RevokedAll, and
	// begins a new epoch, all in one transaction, and returns how many sessions it ended and the
	// record. For what may have been lost or stolen at once: a restored backup, a stolen key.
	EndAll(ctx context.Context, now time.Time) (int, Revocation, error)
	// Epoch returns an ID of this record of revocations, which another one does not have: a store
	// that has lost its numbers, or that has begun anew, has another.
	Epoch(ctx context.Context) (string, error)
	// Revocations returns, in order, the records with a sequence number over since whose ExpiresAt
	// is not before now, at most limit. Numbers become visible in their order: whoever goes on from
	// the last that they saw misses none. A number is at least the time in microseconds since 1970,
	// so that they do not start again when a store in memory does, or when a database is restored.
	Revocations(ctx context.Context, since int64, now time.Time, limit int) ([]Revocation, error)
}

// Store keeps sessions and the record of what has been revoked.
type Store interface {
	SessionStore
	RevocationStore
}
