package hallpass

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/hallpass-go/hallpass/internal/uid"
	"github.com/hallpass-go/hallpass/jwk"
	"github.com/hallpass-go/hallpass/jwt"
	"github.com/hallpass-go/hallpass/sessions"
)

// IssuerConfig says which tokens an [Issuer] makes. T holds the application's own claims.
type IssuerConfig[T any] struct {
	// Issuer is who issues the tokens ("iss"), by custom the URL of this server. Required.
	Issuer string
	// Audience is the API that the tokens are for ("aud"). Required.
	Audience string
	// Keys sign. Required.
	Keys jwk.Ring
	// Store keeps sessions and revocations. Defaults to [sessions.NewMemory], which forgets them
	// when the program ends.
	Store sessions.Store
	// Revocations receive this issuer's revocations. Give the same list to a [Verifier]. Defaults
	// to a list of its own.
	Revocations *Revocations
	// Authorize returns what the subject may do. It is called each time a token is made, so that a
	// change takes effect at the next refresh at the latest. It returns [ErrSubjectDisabled] for a
	// subject who may have no tokens. Defaults to an empty grant.
	Authorize func(ctx context.Context, subject string) (Grant[T], error)
	// MayRefresh is asked at each refresh, before the store is, and its error refuses the refresh.
	// The refresh token has been made for that session, but may be an old one. Use it to limit
	// refreshes, with package ratelimit. Defaults to no limit.
	MayRefresh func(ctx context.Context, sessionID string) error
	// ClientID is the "client_id" claim (RFC 9068 §2.2). Defaults to Audience: the API's own
	// clients.
	ClientID string
	// AccessTTL is how long an access token lives. Defaults to 15 minutes.
	AccessTTL time.Duration
	// IdleTTL is how long a session lives without a refresh. Defaults to 30 days.
	IdleTTL time.Duration
	// SessionTTL is how long a session lives at most. Defaults to 90 days.
	SessionTTL time.Duration
	// RefreshGrace is how long a used refresh token still gets the same successor. Defaults to 30
	// seconds.
	RefreshGrace time.Duration
	// MaxSessions is how many sessions a subject may have; a new one ends the oldest. Defaults to
	// no limit.
	MaxSessions int
	// Record receives each event in the transaction of what it tells of: if Record fails, nothing has
	// happened. So neither can be without the other. What it writes must go to the store's
	// database. It needs a Store that is a [sessions.Transactor]. Defaults to nobody.
	Record func(context.Context, Event) error
	// Observe receives each event once it has happened. It must not block. Defaults to nobody.
	Observe func(context.Context, Event)
	// Now is the clock. Defaults to time.Now.
	Now func() time.Time
}

// Grant is what a subject may do when a token is made.
type Grant[T any] struct {
	Roles  []string
	Scopes []string
	Custom T // signed into the token beside the registered claims, whose names it cannot take
}

// Tokens are what a login or a refresh gives (RFC 6749 §5.1).
type Tokens struct {
	AccessToken      string
	ExpiresIn        time.Duration // of the access token
	RefreshToken     string
	RefreshExpiresIn time.Duration
	Scopes           []string
	SessionID        string
	Subject          string
}

// Issuer is the issuing half: it starts, refreshes and ends sessions. It is safe for concurrent
// use.
type Issuer[T any] struct {
	c             IssuerConfig[T]
	refreshTokens refreshTokens
	transactor    sessions.Transactor // the store, if there is somebody to record
}

// NewIssuer returns an issuer, or every mistake in c at once.
func NewIssuer[T any](c IssuerConfig[T]) (*Issuer[T], error) {
	c.ClientID = defaultTo(c.ClientID, c.Audience)
	c.AccessTTL = defaultTo(c.AccessTTL, 15*time.Minute)
	c.IdleTTL = defaultTo(c.IdleTTL, 30*24*time.Hour)
	c.SessionTTL = defaultTo(c.SessionTTL, 90*24*time.Hour)
	c.RefreshGrace = defaultTo(c.RefreshGrace, 30*time.Second)
	c.Revocations = defaultTo(c.Revocations, NewRevocations())
	if err := c.validate(); err != nil {
		return nil, err
	}
	if c.Store == nil {
		c.Store = sessions.NewMemory()
	}
	if c.Authorize == nil {
		c.Authorize = func(context.Context, string) (Grant[T], error) { return Grant[T]{}, nil }
	}
	if c.MayRefresh == nil {
		c.MayRefresh = func(context.Context, string) error { return nil }
	}
	if c.Observe == nil {
		c.Observe = func(context.Context, Event) {}
	}
	if c.Now == nil {
		c.Now = time.Now
	}
	i := &Issuer[T]{c: c, refreshTokens: newRefreshTokens(c.Keys)}
	if c.Record != nil {
		i.transactor = c.Store.(sessions.Transactor) // validate has made sure
	}
	return i, nil
}

func (c IssuerConfig[T]) validate() error {
	var mistakes []error
	refuse := func(wrong bool, what string) {
		if wrong {
			mistakes = append(mistakes, errors.New("hallpass: "+what))
		}
	}
	refuse(c.Issuer == "", "Issuer is empty")
	refuse(c.Audience == "", "Audience is empty")
	refuse(c.Keys == nil, "Keys is nil")
	refuse(c.AccessTTL < time.Second, "AccessTTL is under a second")
	refuse(c.AccessTTL > jwk.MaxTokenLife, "AccessTTL is over 24 hours, which no verifier accepts by default")
	refuse(c.IdleTTL < c.AccessTTL, "IdleTTL is shorter than AccessTTL")
	refuse(c.SessionTTL < c.IdleTTL, "SessionTTL is shorter than IdleTTL")
	refuse(c.MaxSessions < 0, "MaxSessions is negative")
	_, together := c.Store.(sessions.Transactor)
	refuse(c.Record != nil && !together, "Record needs a Store that is a sessions.Transactor, as those of sqlstore are")
	refuse(c.RefreshGrace < 0, "RefreshGrace is negative")
	refuse(c.RefreshGrace > 10*time.Minute, "RefreshGrace is over 10 minutes, which a thief would use")
	return errors.Join(mistakes...)
}

// StartSession starts a session for a subject who has just proved who they are. The error is
// [ErrInvalidCredentials] if [IssuerConfig.Authorize] says that they may have none.
//
// If they proved it with a password that can change at the same time, use [Issuer.LogIn].
func (i *Issuer[T]) StartSession(ctx context.Context, subject string, client Client) (Tokens, error) {
	return i.LogIn(ctx, client, func(context.Context) (string, *Grant[T], error) { return subject, nil, nil })
}

// LogIn starts a session for the subject that prove returns. If prove fails, its error is returned.
// If the subject's password or rights change before the session has started, prove is called again,
// so that an old password never gets a session. If prove returns a grant, [IssuerConfig.Authorize]
// is not called.
func (i *Issuer[T]) LogIn(
	ctx context.Context, client Client, prove func(context.Context) (subject string, grant *Grant[T], err error),
) (Tokens, error) {
	for range attempts {
		since, err := i.sequence(ctx)
		if err != nil {
			return Tokens{}, err
		}
		subject, grant, err := prove(ctx)
		if err != nil {
			return Tokens{}, err
		}
		tokens, err := i.startSession(ctx, since, subject, grant, client)
		if !errors.Is(err, sessions.ErrSubjectChanged) {
			return tokens, err
		}
	}
	return Tokens{}, errBusySubject
}

// attempts is how often a write is tried while its subject keeps changing.
const attempts = 5

var errBusySubject = ErrStoreUnavailable.Because(errors.New("the subject is changed again and again"))

// sequence returns the number of the last revocation. A caller reads it before it checks a
// password, and can then tell whether the password has changed since.
func (i *Issuer[T]) sequence(ctx context.Context) (int64, error) {
	n, err := i.c.Store.Sequence(ctx)
	return n, storeError("reading the number of the last revocation", err)
}

// startSession fails with [sessions.ErrSubjectChanged] if the subject has changed after since.
func (i *Issuer[T]) startSession(
	ctx context.Context, since int64, subject string, grant *Grant[T], client Client,
) (Tokens, error) {
	m, err := i.prepare(ctx, since, subject, grant)
	if errors.Is(err, ErrSubjectDisabled) {
		return Tokens{}, ErrInvalidCredentials.Because(err)
	}
	if err != nil {
		return Tokens{}, err
	}
	s := sessions.Session{
		ID: uid.New(m.now), Subject: subject, Generation: 1, RotatedAt: m.now, CreatedAt: m.now, LastUsedAt: m.now,
		IdleExpiry: m.now.Add(i.c.IdleTTL), Expiry: m.now.Add(i.c.SessionTTL), AuthTime: m.now,
		AccessExpiry: i.accessExpiry(m.now), Client: client,
	}
	tokens, err := i.mint(ctx, m, s) // first: a session without tokens would be nobody's
	if err != nil {
		return Tokens{}, err
	}
	err = i.Atomically(ctx, func(ctx context.Context) error {
		if err := i.c.Store.CreateSession(ctx, s, since); err != nil {
			return storeError("creating session", err)
		}
		return i.tell(ctx, EventSessionStarted, s, client, nil)
	})
	if err != nil {
		return Tokens{}, err
	}
	// The session exists now, so the rest is done even if the client has hung up.
	if err := i.endOldest(context.WithoutCancel(ctx), subject, m.now); err != nil {
		return Tokens{}, err
	}
	return tokens, nil
}

// endOldest ends the oldest sessions beyond [IssuerConfig.MaxSessions].
func (i *Issuer[T]) endOldest(ctx context.Context, subject string, now time.Time) error {
	if i.c.MaxSessions == 0 {
		return nil
	}
	kept, err := i.c.Store.Sessions(ctx, subject, now, "", i.c.MaxSessions)
	if err != nil || len(kept) < i.c.MaxSessions {
		return storeError("listing sessions", err)
	}
	const most = 100 // at one login; what is left goes at the next
	surplus, err := i.c.Store.Sessions(ctx, subject, now, kept[len(kept)-1].ID, most)
	if err != nil {
		return storeError("listing sessions", err)
	}
	for _, s := range surplus {
		if err := i.RevokeSession(ctx, s.ID); err != nil {
			return err
		}
	}
	return nil
}

// Reauthenticate records that the subject of a session has proved again who they are, and returns
// tokens with the new time. prove checks the password; it is called again if the password changes
// at the same time, as in [Issuer.LogIn]. The refresh token is replaced, so that a stolen copy of
// the old one gets nothing. The error is [ErrTokenRevoked] if the session has ended.
func (i *Issuer[T]) Reauthenticate(
	ctx context.Context, sessionID string, client Client, prove func(context.Context) error,
) (Tokens, error) {
	for range attempts {
		since, err := i.sequence(ctx)
		if err != nil {
			return Tokens{}, err
		}
		if err := prove(ctx); err != nil {
			return Tokens{}, err
		}
		tokens, err := i.reauthenticate(ctx, since, sessionID, client)
		if !errors.Is(err, sessions.ErrSubjectChanged) {
			return tokens, err
		}
	}
	return Tokens{}, errBusySubject
}

func (i *Issuer[T]) reauthenticate(ctx context.Context, since int64, sessionID string, client Client) (Tokens, error) {
	if sessionID == "" {
		return Tokens{}, ErrTokenInvalid.Because(errors.New("the token has no session"))
	}
	s, err := i.c.Store.Session(ctx, sessionID)
	if errors.Is(err, sessions.ErrNotFound) || err == nil && s.Ended(i.now()) {
		return Tokens{}, ErrTokenRevoked.Because(err)
	}
	if err != nil {
		return Tokens{}, storeError("reading session", err)
	}
	m, err := i.prepare(ctx, since, s.Subject, nil)
	if errors.Is(err, ErrSubjectDisabled) {
		return Tokens{}, i.endDisabled(ctx, s, client, err)
	}
	if err != nil {
		return Tokens{}, err
	}
	// This comes last: it invalidates the old refresh token, which the client keeps if anything
	// fails.
	err = i.Atomically(ctx, func(ctx context.Context) error {
		if s, err = i.stepUp(ctx, since, sessionID, true); err != nil {
			return err
		}
		return i.tell(ctx, EventReauthenticated, s, client, nil)
	})
	if err != nil {
		return Tokens{}, err
	}
	return i.mint(ctx, m, s)
}

// stepUp moves a session to its next generation. The error is [ErrTokenRevoked] if it has ended.
func (i *Issuer[T]) stepUp(ctx context.Context, since int64, sessionID string, proved bool) (sessions.Session, error) {
	now := i.now()
	s, err := i.c.Store.StepUp(ctx, sessions.StepUp{
		SessionID: sessionID, Now: now, Proved: proved,
		IdleExpiry: now.Add(i.c.IdleTTL), AccessExpiry: i.accessExpiry(now), Since: since,
	})
	if errors.Is(err, sessions.ErrNotFound) {
		return sessions.Session{}, ErrTokenRevoked.Because(err)
	}
	if err != nil {
		return sessions.Session{}, storeError("renewing the session's refresh token", err)
	}
	return s, nil
}

// SessionOf returns the session of a refresh token, in any state, or [ErrRefreshTokenInvalid].
func (i *Issuer[T]) SessionOf(ctx context.Context, refreshToken string) (sessions.Session, error) {
	id, _, ok := i.refreshTokens.read(refreshToken)
	if !ok {
		return sessions.Session{}, ErrRefreshTokenInvalid
	}
	s, err := i.c.Store.Session(ctx, id)
	if errors.Is(err, sessions.ErrNotFound) {
		return sessions.Session{}, ErrRefreshTokenInvalid.Because(err)
	}
	return s, storeError("reading session", err)
}

// Sessions returns the subject's live sessions, newest first: see [sessions.SessionStore].
func (i *Issuer[T]) Sessions(ctx context.Context, subject, after string, limit int) ([]sessions.Session, error) {
	list, err := i.c.Store.Sessions(ctx, subject, i.c.Now(), after, limit)
	return list, storeError("listing sessions", err)
}

// Session returns a session in any state, or [ErrNotFound].
func (i *Issuer[T]) Session(ctx context.Context, id string) (sessions.Session, error) {
	s, err := i.c.Store.Session(ctx, id)
	return s, storeError("reading session", err)
}

// storeError says what failed, and turns a store's error into one of this package.
func storeError(doing string, err error) error {
	_, said := errors.AsType[*Error](err)
	switch {
	case err == nil || said:
		return err
	case errors.Is(err, sessions.ErrNotFound):
		return ErrNotFound.Because(err)
	case errors.Is(err, sessions.ErrUnavailable):
		return ErrStoreUnavailable.Because(fmt.Errorf("%s: %w", doing, err))
	}
	return fmt.Errorf("%s: %w", doing, err)
}

// mint holds what all tokens of one call have in common.
type mint[T any] struct {
	now   time.Time
	since int64 // the number of the last revocation, read before the grant
	grant Grant[T]
}

// prepare reads the grant, unless the caller has one. since was read before it, so a later change
// of the grant has a higher number than the token.
func (i *Issuer[T]) prepare(ctx context.Context, since int64, subject string, grant *Grant[T]) (mint[T], error) {
	m := mint[T]{now: i.now(), since: since}
	if grant != nil {
		m.grant = *grant
		return m, nil
	}
	read, err := i.c.Authorize(ctx, subject)
	if err != nil {
		return m, fmt.Errorf("authorizing: %w", err)
	}
	m.grant = read
	return m, nil
}

func (i *Issuer[T]) mint(ctx context.Context, m mint[T], s sessions.Session) (Tokens, error) {
	expiresAt := m.now.Add(i.c.AccessTTL)
	if s.Expiry.Before(expiresAt) {
		expiresAt = s.Expiry
	}
	access, err := i.sign(ctx, jwt.Claims{
		Issuer: i.c.Issuer, Subject: s.Subject, Audience: []string{i.c.Audience}, ExpiresAt: expiresAt,
		IssuedAt: m.now,
		Sequence: max(m.since, 1), // never 0: a token without a number would be judged by clocks
		ID:       uid.New(m.now), ClientID: i.c.ClientID, SessionID: s.ID, AuthTime: s.AuthTime,
		Scopes: append([]string{}, m.grant.Scopes...), Roles: append([]string{}, m.grant.Roles...), // never nil
	}, m.grant.Custom)
	if err != nil {
		return Tokens{}, err
	}
	refresh, err := i.refreshTokens.token(s.ID, s.Generation)
	if err != nil {
		return Tokens{}, fmt.Errorf("making refresh token: %w", err)
	}
	return Tokens{
		AccessToken: access, ExpiresIn: expiresAt.Sub(m.now), RefreshToken: refresh,
		RefreshExpiresIn: s.ExpiresAt().Sub(m.now),
		Scopes:           m.grant.Scopes, SessionID: s.ID, Subject: s.Subject,
	}, nil
}

// sign makes an access token with these claims and the application's own, which may be nil.
func (i *Issuer[T]) sign(ctx context.Context, c jwt.Claims, custom any) (string, error) {
	key, err := i.c.Keys.SigningKey(ctx)
	if err != nil {
		return "", ErrStoreUnavailable.Because(fmt.Errorf("finding the signing key: %w", err))
	}
	access, err := jwt.Sign(key, jwt.TypeAccess, c, custom)
	if err != nil {
		return "", fmt.Errorf("signing access token: %w", err)
	}
	return access, nil
}

// now returns the time at the precision of stores.
func (i *Issuer[T]) now() time.Time { return i.c.Now().UTC().Truncate(time.Microsecond) }

func (i *Issuer[T]) tell(ctx context.Context, name string, s sessions.Session, client Client, err error) error {
	return i.Tell(ctx, Event{Name: name, Subject: s.Subject, SessionID: s.ID, Client: client, Err: err})
}
