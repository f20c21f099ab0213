package hallpass

import (
	"context"
	"fmt"
	"time"
)

// RevokeSession ends a session: its refresh token and its access tokens are refused from now on.
// A session that is unknown or has ended is no error.
func (i *Issuer[T]) RevokeSession(ctx context.Context, sessionID string) error {
	now := i.now()
	return i.end(ctx, Ending{SessionID: sessionID, Now: now, ExpiresAt: i.revocationExpiry(now)})
}

// RevokeOtherSessions ends every session of the subject but one, as a change of password does.
func (i *Issuer[T]) RevokeOtherSessions(ctx context.Context, subject, except string) error {
	now := i.now()
	return i.end(ctx, Ending{Subject: subject, Except: except, Now: now, ExpiresAt: i.revocationExpiry(now)})
}

// RevokeSubject ends every session of the subject, and with them every token issued to them until now.
func (i *Issuer[T]) RevokeSubject(ctx context.Context, subject string) error {
	now := i.now()
	// The cut comes first: it also reaches a token that is being made from a session not yet recorded.
	if err := i.RevokeAccess(ctx, subject); err != nil {
		return err
	}
	return i.end(ctx, Ending{Subject: subject, Now: now, ExpiresAt: i.revocationExpiry(now)})
}

// RevokeAccess refuses every access token issued to the subject until now and leaves the sessions alive, so
// that each client fetches a token that says what holds today: for a change of roles.
func (i *Issuer[T]) RevokeAccess(ctx context.Context, subject string) error {
	now := i.now()
	return i.revoke(ctx, Revocation{
		Kind: RevokedSubject, ID: subject, Before: now.Truncate(time.Second), ExpiresAt: i.revocationExpiry(now),
	})
}

// RevokeToken refuses one access token by its ID ("jti"). Its session lives on.
func (i *Issuer[T]) RevokeToken(ctx context.Context, tokenID string) error {
	return i.revoke(ctx, Revocation{Kind: RevokedToken, ID: tokenID, ExpiresAt: i.revocationExpiry(i.now())})
}

func (i *Issuer[T]) revoke(ctx context.Context, r Revocation) error {
	recorded, err := i.c.Store.Revoke(ctx, r)
	if err != nil {
		return fmt.Errorf("recording revocation: %w", err)
	}
	i.c.Revocations.Apply(recorded)
	return nil
}

func (i *Issuer[T]) end(ctx context.Context, e Ending) error {
	recorded, err := i.c.Store.EndSessions(ctx, e)
	if err != nil {
		return fmt.Errorf("ending sessions: %w", err)
	}
	i.c.Revocations.Apply(recorded...)
	if len(recorded) == 0 && e.SessionID != "" {
		// Another call has ended it, and may not have come to say so here: who asked to end it is not told before that is done.
		i.c.Revocations.Apply(Revocation{Kind: RevokedSession, ID: e.SessionID, ExpiresAt: e.ExpiresAt})
	}
	for _, r := range recorded {
		i.c.Observe(ctx, Event{Name: EventSessionEnded, Subject: e.Subject, SessionID: r.ID})
	}
	return nil
}

// endDisabled ends the session of a subject who may have no tokens any more.
func (i *Issuer[T]) endDisabled(ctx context.Context, s Session, client Client, cause error) error {
	if err := i.RevokeSession(ctx, s.ID); err != nil {
		return err
	}
	i.tell(ctx, EventRefreshRefused, s, client, cause)
	return ErrRefreshTokenInvalid.Because(cause)
}

// revocationExpiry is the time after which no access token that exists now can be alive. The minutes on top
// are for a verifier's leeway and for clocks that differ.
func (i *Issuer[T]) revocationExpiry(now time.Time) time.Time {
	return now.Add(i.c.AccessTTL + 5*time.Minute)
}
