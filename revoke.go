package hallpass

import (
	"context"
	"math"
	"time"

	"github.com/hallpass-go/hallpass/sessions"
)

// RevokeSession ends a session: its refresh token and its access tokens are refused from now on.
// A session that is unknown or has ended is no error.
func (i *Issuer[T]) RevokeSession(ctx context.Context, sessionID string) error {
	return i.end(ctx, sessions.Ending{SessionID: sessionID})
}

// RevokeOtherSessions ends every session of the subject but one, and refuses log-ins that have
// begun, as a change of password does. Each with is done in the same transaction of the store (see
// [sessions.Ending]): give it the change itself, if that goes to the same database.
func (i *Issuer[T]) RevokeOtherSessions(ctx context.Context, subject, except string, with ...Deed) error {
	return i.end(
		ctx,
		sessions.Ending{Subject: subject, Except: except, Record: sessions.RevokedCredentials, With: together(with)},
	)
}

// ChangePassword is RevokeOtherSessions for the subject's own change of password: besides, the
// session in which it is made gets a new refresh token, and its tokens are returned.
// [ErrTokenRevoked] when that session has ended.
func (i *Issuer[T]) ChangePassword(
	ctx context.Context,
	subject, sessionID string,
	client Client,
	change Deed,
) (Tokens, error) {
	var s sessions.Session
	err := i.RevokeOtherSessions(ctx, subject, sessionID, change, func(ctx context.Context) (err error) {
		// Nothing can come between: this is a part of the very transaction that changes the
		// subject.
		s, err = i.stepUp(ctx, math.MaxInt64, sessionID, false)
		return err
	})
	if err != nil {
		return Tokens{}, err
	}
	since, err := i.sequence(ctx)
	if err != nil {
		return Tokens{}, err
	}
	m, err := i.prepare(ctx, since, subject, nil)
	if err != nil {
		return Tokens{}, err
	}
	i.tell(ctx, EventSessionRefreshed, s, client, nil)
	return i.mint(ctx, m, s)
}

// RevokeSubject ends every session of the subject, and with them every token issued to them until
// now. For with see [Issuer.RevokeOtherSessions].
func (i *Issuer[T]) RevokeSubject(ctx context.Context, subject string, with ...Deed) error {
	return i.end(ctx, sessions.Ending{Subject: subject, Record: sessions.RevokedSubject, With: together(with)})
}

// RevokeAccess refuses every access token issued to the subject until now and leaves the sessions
// alive, so that each client fetches a token that says what holds today: for a change of roles. For
// with see [Issuer.RevokeOtherSessions].
func (i *Issuer[T]) RevokeAccess(ctx context.Context, subject string, with ...Deed) error {
	return i.end(
		ctx,
		sessions.Ending{Subject: subject, Record: sessions.RevokedSubject, OnlyRecord: true, With: together(with)},
	)
}

// RevokeAll ends every session of everybody, and refuses every token that was issued until now. It
// returns how many sessions it ended.
func (i *Issuer[T]) RevokeAll(ctx context.Context) (int, error) {
	ended, recorded, err := i.c.Store.EndAll(ctx, i.now())
	if err != nil {
		return 0, storeError("ending all sessions", err)
	}
	i.c.Revocations.Apply(recorded)
	i.Tell(ctx, Event{Name: EventAllRevoked})
	return ended, nil
}

// Deed is a part of what is done together with a revocation.
type Deed func(ctx context.Context) error

// together is all deeds as one, or nil for none.
func together(deeds []Deed) func(context.Context) error {
	if len(deeds) == 0 {
		return nil
	}
	return func(ctx context.Context) error {
		for _, do := range deeds {
			if err := do(ctx); err != nil {
				return err
			}
		}
		return nil
	}
}

// RevokeToken refuses one access token by its ID ("jti") until it expires. Its session lives on.
func (i *Issuer[T]) RevokeToken(ctx context.Context, tokenID string, expiresAt time.Time) error {
	recorded, err := i.c.Store.Revoke(ctx, sessions.Revocation{
		Kind: sessions.RevokedToken, ID: tokenID, ExpiresAt: expiresAt.Add(clockMargin),
	})
	if err != nil {
		return storeError("recording revocation", err)
	}
	i.c.Revocations.Apply(recorded)
	i.Tell(ctx, Event{Name: EventTokenRevoked, TokenID: tokenID})
	return nil
}

func (i *Issuer[T]) end(ctx context.Context, e sessions.Ending) error {
	e.Now = i.now()
	e.ExpiresAt = i.accessExpiry(e.Now)
	recorded, err := i.c.Store.EndSessions(ctx, e)
	if err != nil {
		return storeError("ending sessions", err)
	}
	i.c.Revocations.Apply(recorded...)
	if len(recorded) == 0 && e.SessionID != "" {
		// Another call has ended it, and may not have come to say so here: who asked to end it is
		// not told before that is done.
		i.c.Revocations.Apply(
			sessions.Revocation{Kind: sessions.RevokedSession, ID: e.SessionID, ExpiresAt: e.ExpiresAt},
		)
	}
	for _, r := range recorded {
		if r.Kind == sessions.RevokedSession {
			i.Tell(ctx, Event{Name: EventSessionEnded, Subject: e.Subject, SessionID: r.ID})
		}
	}
	return nil
}

// endDisabled ends the session of a subject who may have no tokens any more.
func (i *Issuer[T]) endDisabled(ctx context.Context, s sessions.Session, client Client, cause error) error {
	if err := i.RevokeSession(context.WithoutCancel(ctx), s.ID); err != nil {
		return err
	}
	i.tell(ctx, EventRefreshRefused, s, client, cause)
	return ErrRefreshTokenInvalid.Because(cause)
}

// clockMargin is for a verifier's leeway and for clocks that differ.
const clockMargin = 5 * time.Minute

// accessExpiry is the time after which no access token that is made now can be alive.
func (i *Issuer[T]) accessExpiry(now time.Time) time.Time {
	return now.Add(i.c.AccessTTL + clockMargin)
}
