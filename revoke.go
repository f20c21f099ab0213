package hallpass

import (
	"context"
	"errors"
	"math"
	"time"

	"github.com/hallpass-go/hallpass/sessions"
)

// RevokeSession ends a session: its refresh token and its access tokens are refused from now on. It
// is no error if the session is unknown or has ended.
func (i *Issuer[T]) RevokeSession(ctx context.Context, sessionID string) error {
	return i.end(ctx, sessions.Ending{SessionID: sessionID})
}

// RevokeOtherSessions ends all sessions of the subject but one, and refuses log-ins that are under
// way, as after a change of password. The functions in with run in the same transaction of the
// store (see [sessions.Ending]); pass the change itself if it goes to the same database.
func (i *Issuer[T]) RevokeOtherSessions(
	ctx context.Context,
	subject, except string,
	with ...func(context.Context) error,
) error {
	return i.end(
		ctx,
		sessions.Ending{Subject: subject, Except: except, Record: sessions.RevokedCredentials, With: together(with)},
	)
}

// ChangePassword is RevokeOtherSessions for a subject who changes their own password. Their own
// session continues with the tokens that it returns. Its old refresh token is replaced, as by a
// refresh: within [IssuerConfig.RefreshGrace] it still gets the same successor, for a client that
// lost the answer. The error is [ErrTokenRevoked], and nothing changes, if that session has ended
// or is not the subject's.
func (i *Issuer[T]) ChangePassword(
	ctx context.Context,
	subject, sessionID string,
	client Client,
	change func(context.Context) error,
) (Tokens, error) {
	s, err := i.Session(ctx, sessionID)
	if errors.Is(err, ErrNotFound) || err == nil && s.Subject != subject {
		return Tokens{}, ErrTokenRevoked.Because(err)
	}
	if err != nil {
		return Tokens{}, err
	}
	err = i.RevokeOtherSessions(ctx, subject, sessionID, change, func(ctx context.Context) (err error) {
		// Nothing can happen in between: this is the same transaction.
		if s, err = i.stepUp(ctx, math.MaxInt64, sessionID, false); err != nil {
			return err
		}
		return i.tell(ctx, EventSessionRefreshed, s, client, nil)
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
	return i.mint(ctx, m, s)
}

// RevokeSubject ends all sessions of the subject and refuses all tokens issued to them until now.
// For with, see [Issuer.RevokeOtherSessions].
func (i *Issuer[T]) RevokeSubject(ctx context.Context, subject string, with ...func(context.Context) error) error {
	return i.end(ctx, sessions.Ending{Subject: subject, Record: sessions.RevokedSubject, With: together(with)})
}

// RevokeAccess refuses all access tokens issued to the subject until now. Their sessions continue,
// so that each client fetches a token with the present rights: use it after a change of roles. For
// with, see [Issuer.RevokeOtherSessions].
func (i *Issuer[T]) RevokeAccess(ctx context.Context, subject string, with ...func(context.Context) error) error {
	return i.end(
		ctx,
		sessions.Ending{Subject: subject, Record: sessions.RevokedSubject, OnlyRecord: true, With: together(with)},
	)
}

// RevokeAll ends all sessions of all subjects and refuses all tokens issued until now. It returns
// how many sessions it ended.
func (i *Issuer[T]) RevokeAll(ctx context.Context) (int, error) {
	var ended int
	err := i.Atomically(ctx, func(ctx context.Context) error {
		n, recorded, err := i.c.Store.EndAll(ctx, i.now())
		if err != nil {
			return storeError("ending all sessions", err)
		}
		ended = n
		afterCommit(ctx, func(context.Context) { i.c.Revocations.Apply(recorded) })
		return i.Tell(ctx, Event{Name: EventAllRevoked})
	})
	return ended, err
}

// together returns a function that calls all of them in turn, or nil if there are none.
func together(functions []func(context.Context) error) func(context.Context) error {
	if len(functions) == 0 {
		return nil
	}
	return func(ctx context.Context) error {
		for _, f := range functions {
			if err := f(ctx); err != nil {
				return err
			}
		}
		return nil
	}
}

// RevokeToken refuses one access token by its ID ("jti") until it expires. Its session lives on.
func (i *Issuer[T]) RevokeToken(ctx context.Context, tokenID string, expiresAt time.Time) error {
	return i.Atomically(ctx, func(ctx context.Context) error {
		recorded, err := i.c.Store.Revoke(ctx, sessions.Revocation{
			Kind: sessions.RevokedToken, ID: tokenID, ExpiresAt: expiresAt.Add(clockMargin),
		})
		if err != nil {
			return storeError("recording revocation", err)
		}
		afterCommit(ctx, func(context.Context) { i.c.Revocations.Apply(recorded) })
		return i.Tell(ctx, Event{Name: EventTokenRevoked, TokenID: tokenID})
	})
}

func (i *Issuer[T]) end(ctx context.Context, e sessions.Ending) error {
	e.Now = i.now()
	e.ExpiresAt = i.accessExpiry(e.Now)
	if e.Subject != "" { // who may be a machine client, with tokens that live longer than this issuer's
		e.ExpiresAt = e.Now.Add(max(i.c.AccessTTL, clientTTL) + clockMargin)
	}
	return i.Atomically(ctx, func(ctx context.Context) error {
		recorded, err := i.c.Store.EndSessions(ctx, e)
		if err != nil {
			return storeError("ending sessions", err)
		}
		afterCommit(ctx, func(ctx context.Context) { i.ended(ctx, e, recorded) })
		return i.tellEnded(ctx, e.Subject, recorded)
	})
}

// tellEnded tells of each session that has ended.
func (i *Issuer[T]) tellEnded(ctx context.Context, subject string, recorded []sessions.Revocation) error {
	for _, r := range recorded {
		if r.Kind != sessions.RevokedSession {
			continue
		}
		if subject == "" { // one session was named
			s, err := i.c.Store.Session(ctx, r.ID)
			if err != nil {
				return storeError("reading session", err)
			}
			subject = s.Subject
		}
		if err := i.Tell(ctx, Event{Name: EventSessionEnded, Subject: subject, SessionID: r.ID}); err != nil {
			return err
		}
	}
	return nil
}

// ended refuses here what an ending has ended.
func (i *Issuer[T]) ended(ctx context.Context, e sessions.Ending, recorded []sessions.Revocation) {
	i.c.Revocations.Apply(recorded...)
	if len(recorded) == 0 && e.SessionID != "" {
		// Another call has ended the session, perhaps without having applied it here yet. The
		// caller must not be told before that is done.
		i.c.Revocations.Apply(
			sessions.Revocation{Kind: sessions.RevokedSession, ID: e.SessionID, ExpiresAt: e.ExpiresAt},
		)
	}
	if e.Record == sessions.RevokedCredentials {
		// The record itself refuses no token. Sessions that another process has ended before are
		// not among those recorded now, and must be refused here from now on, too.
		if err := i.c.Revocations.catchUp(ctx, i.c.Store, e.Now); err != nil {
			i.c.Observe(ctx, Event{Name: EventFailed, Err: err}) // the change is made; the next update is soon
		}
	}
}

// endDisabled ends the session of a subject who may have no more tokens.
func (i *Issuer[T]) endDisabled(ctx context.Context, s sessions.Session, client Client, cause error) error {
	if err := i.RevokeSession(context.WithoutCancel(ctx), s.ID); err != nil {
		return err
	}
	refusal := ErrRefreshTokenInvalid.Because(cause)
	if err := i.tell(ctx, EventRefreshRefused, s, client, refusal); err != nil {
		return err
	}
	return refusal
}

// clockMargin allows for a verifier's leeway and for clocks that differ.
const clockMargin = 5 * time.Minute

// accessExpiry is when the last access token made now has expired everywhere.
func (i *Issuer[T]) accessExpiry(now time.Time) time.Time {
	return now.Add(i.c.AccessTTL + clockMargin)
}
