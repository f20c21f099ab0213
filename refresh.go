package hallpass

import (
	"context"
	"errors"
	"slices"

	"github.com/hallpass-go/hallpass/sessions"
)

// Refresh exchanges a refresh token for its successor and a new access token (RFC 6749 §6, RFC 9700
// §4.14.2). For [IssuerConfig.RefreshGrace] the last used token gets the same successor again, so
// that a lost answer or a second tab logs nobody out. Any other use of an old token ends the
// session with [ErrRefreshTokenReused]. Other refusals are [ErrRefreshTokenInvalid] and
// [ErrRefreshTokenExpired].
func (i *Issuer[T]) Refresh(ctx context.Context, refreshToken string, client Client) (Tokens, error) {
	return i.refresh(ctx, refreshToken, nil, client)
}

// refresh is Refresh, with these scopes only, or with all of them if there are none.
func (i *Issuer[T]) refresh(
	ctx context.Context, refreshToken string, scopes []string, client Client,
) (Tokens, error) {
	sessionID, generation, ok := i.refreshTokens.read(refreshToken)
	if !ok {
		return Tokens{}, ErrRefreshTokenInvalid
	}
	if err := i.c.MayRefresh(ctx, sessionID); err != nil {
		return Tokens{}, err
	}
	s, err := i.c.Store.Session(ctx, sessionID)
	if errors.Is(err, sessions.ErrNotFound) {
		return Tokens{}, ErrRefreshTokenInvalid.Because(err)
	}
	if err != nil {
		return Tokens{}, storeError("reading session", err)
	}
	for range attempts {
		since, err := i.sequence(ctx)
		if err != nil {
			return Tokens{}, err
		}
		m, err := i.prepare(ctx, since, s.Subject, nil)
		if errors.Is(err, ErrSubjectDisabled) {
			return Tokens{}, i.endDisabled(ctx, s, client, err)
		}
		if err != nil {
			return Tokens{}, err
		}
		if err := m.narrow(scopes); err != nil {
			return Tokens{}, err
		}
		after, outcome, refusal, err := i.rotate(ctx, sessions.Rotation{
			SessionID: sessionID, Generation: generation, Now: m.now, Grace: i.c.RefreshGrace,
			IdleExpiry: m.now.Add(i.c.IdleTTL), AccessExpiry: i.accessExpiry(m.now), Since: m.since, Read: s,
		}, client)
		switch {
		case err != nil:
			return Tokens{}, err
		case refusal != nil:
			return Tokens{}, refusal
		case outcome != sessions.Overtaken:
			return i.mint(ctx, m, after)
		}
		s = after
	}
	return Tokens{}, errBusySubject
}

// rotate presents a refresh token to the store and tells the outcome, which may be a refusal.
func (i *Issuer[T]) rotate(
	ctx context.Context, r sessions.Rotation, client Client,
) (s sessions.Session, outcome sessions.Outcome, refusal, err error) {
	err = i.Atomically(ctx, func(ctx context.Context) error {
		if s, outcome, err = i.c.Store.Rotate(ctx, r); err != nil {
			return storeError("rotating refresh token", err)
		}
		refusal = nil
		switch outcome {
		case sessions.Rotated:
			return i.tell(ctx, EventSessionRefreshed, s, client, nil)
		case sessions.Replayed:
			return i.tell(ctx, EventRefreshReplayed, s, client, nil)
		case sessions.Overtaken:
			return nil
		case sessions.Reused:
			refusal = ErrRefreshTokenReused
			afterCommit(ctx, func(context.Context) { i.c.Revocations.Apply(s.Revocation(r.AccessExpiry)) })
			return i.tell(ctx, EventRefreshReused, s, client, refusal)
		}
		refusal = ErrRefreshTokenInvalid
		if s.RevokedAt.IsZero() && s.Ended(r.Now) {
			refusal = ErrRefreshTokenExpired
		}
		return i.tell(ctx, EventRefreshRefused, s, client, refusal)
	})
	return s, outcome, refusal, err
}

// RefreshNarrowed is [Issuer.Refresh] for an access token with some of the subject's scopes only (RFC
// 6749 §6). No scopes ask for all of them. If the subject lacks one the error is
// [ErrInsufficientScope], and the refresh token has not been used.
func (i *Issuer[T]) RefreshNarrowed(
	ctx context.Context, refreshToken string, scopes []string, client Client,
) (Tokens, error) {
	return i.refresh(ctx, refreshToken, scopes, client)
}

// narrow leaves these scopes of a grant; none for all.
func (m *mint[T]) narrow(scopes []string) error {
	if len(scopes) == 0 {
		return nil
	}
	for _, scope := range scopes {
		if !slices.Contains(m.grant.Scopes, scope) {
			e := *ErrInsufficientScope.Because(errors.New("a refresh asks for a scope that the subject has not"))
			e.Scopes = scopes
			return &e
		}
	}
	m.grant.Scopes = scopes
	return nil
}
