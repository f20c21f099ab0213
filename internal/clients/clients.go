// Package clients keeps machine clients: programs that get tokens for themselves, or ask about and
// revoke tokens, with a secret (RFC 6749 §2). Each operation includes the client's tokens and is one
// transaction. The routes and the command line share it, and its events tell who did what.
package clients

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/hallpass-go/hallpass"
	"github.com/hallpass-go/hallpass/internal/uid"
	"github.com/hallpass-go/hallpass/ratelimit"
)

// IDPrefix begins the ID of every client and of no user, so a client's token can be no user's.
const IDPrefix = "client-"

// MaxOverlap is how long the previous secret may be accepted at most.
const MaxOverlap = 30 * 24 * time.Hour

// Client is a program with a secret.
type Client struct {
	ID           string
	Name         string    // no two clients have the same
	Scopes       []string  // what its tokens may have; sorted, never nil
	Disabled     bool      // a disabled client gets nothing
	CreatedAt    time.Time // UTC, to the microsecond, as all times
	SecretMadeAt time.Time
	// PreviousExpiresAt is until when the secret before is accepted, too. Zero if there is none.
	PreviousExpiresAt time.Time
}

// The events of clients. The subject is the client. An event names the actor if that is known.
const (
	EventCreated  = "client_created"
	EventRotated  = "client_secret_rotated"
	EventDisabled = "client_disabled"
	EventEnabled  = "client_enabled"
	EventDeleted  = "client_deleted"
	EventRefused  = "client_refused" // its secret was wrong
)

// Errors that callers check for.
var (
	ErrNotFound  = errors.New("there is no such client")
	ErrNameTaken = errors.New("another client has this name")
	// ErrRefused is the same for a client that is unknown or disabled and for a wrong secret.
	ErrRefused = errors.New("the client is unknown or its secret is wrong")
	// ErrScope says that a client asks for a scope that it may not have.
	ErrScope = errors.New("the client may not have this scope")
)

// InvalidError says what is wrong with one field of a request.
type InvalidError struct{ Field, Detail string }

// Error implements error.
func (e *InvalidError) Error() string { return e.Field + ": " + e.Detail }

// Issuer issues the tokens of clients.
type Issuer = hallpass.Issuer[struct{}]

// Config is what [New] needs.
type Config struct {
	// Registry has the clients. Required.
	Registry *Registry
	// Issuer issues and revokes their tokens. It keeps revocations in the database of Registry.
	// Required.
	Issuer *Issuer
	// Limiter counts wrong secrets. Required, except where nobody authenticates.
	Limiter *ratelimit.Limiter
	// PerClient and PerAddress limit wrong secrets. Zero means no limit.
	PerClient, PerAddress ratelimit.Limit
	// MayIssue is asked for each token before it is made, with the client's ID. Its error refuses it.
	// Defaults to no limit.
	MayIssue func(ctx context.Context, id string) error
	// Now is the clock. Defaults to time.Now.
	Now func() time.Time
}

// Service is the clients of one installation. It is safe for concurrent use, also by several
// processes.
type Service struct{ c Config }

// New returns the clients.
func New(c Config) *Service {
	if c.Now == nil {
		c.Now = time.Now
	}
	if c.MayIssue == nil {
		c.MayIssue = func(context.Context, string) error { return nil }
	}
	return &Service{c: c}
}

const maxScopes = 50

// Create makes a client, and returns its secret, which nobody can read again. Errors are
// [ErrNameTaken] and an [*InvalidError].
func (s *Service) Create(ctx context.Context, name string, scopes []string) (Client, string, error) {
	if !isName(name) || strings.HasPrefix(name, IDPrefix) {
		return Client{}, "", &InvalidError{"name", "A name has 1 to 64 lower-case letters, digits, dots, hyphens " +
			"and underscores. It starts with a letter or digit, and not with " + IDPrefix + "."}
	}
	scopes = append([]string{}, scopes...)
	slices.Sort(scopes)
	scopes = slices.Compact(scopes)
	for _, scope := range scopes {
		if !isScope(scope) {
			return Client{}, "", &InvalidError{"scopes", "A scope has 1 to 64 printable ASCII characters, and no " +
				"space, quote or backslash."}
		}
	}
	if len(scopes) > maxScopes {
		return Client{}, "", &InvalidError{"scopes", fmt.Sprintf("A client has at most %d scopes.", maxScopes)}
	}
	now, secret := s.now(), newSecret()
	c := Client{ID: IDPrefix + uid.New(now), Name: name, Scopes: scopes, CreatedAt: now, SecretMadeAt: now}
	err := s.c.Issuer.Atomically(ctx, func(ctx context.Context) error {
		return s.done(ctx, s.c.Registry.insert(ctx, c, hashOf(secret)), EventCreated, c.ID, strings.Join(scopes, " "))
	})
	if err != nil {
		return Client{}, "", err
	}
	return c, secret, nil
}

// isName tells whether s has the characters and the length of a name. These checks are written out,
// since regular expressions would lie in memory as long as the server runs.
func isName(s string) bool {
	return s != "" && len(s) <= 64 && !strings.ContainsAny(s[:1], "._-") &&
		strings.Trim(s, "abcdefghijklmnopqrstuvwxyz0123456789._-") == ""
}

// isScope tells whether s is a scope (RFC 6749 §3.3).
func isScope(s string) bool {
	forbidden := func(r rune) bool { return r <= ' ' || r > '~' || r == '"' || r == '\\' }
	return s != "" && len(s) <= 64 && !strings.ContainsFunc(s, forbidden)
}

// Rotate gives a client another secret, and returns that. For overlap, at most [MaxOverlap], the
// present secret is accepted too, and tokens stay valid. Without an overlap the present secret and all
// tokens of the client are refused at once. Errors are [ErrNotFound] and an [*InvalidError].
func (s *Service) Rotate(
	ctx context.Context, id string, overlap time.Duration,
) (client Client, secret string, err error) {
	if overlap < 0 || overlap > MaxOverlap {
		return Client{}, "", &InvalidError{"overlap_seconds", "An overlap is at least 0 and at most 30 days."}
	}
	secret = newSecret()
	rotate := func(ctx context.Context) error {
		now := s.now()
		client, err = s.c.Registry.replaceSecret(ctx, id, hashOf(secret), now, now.Add(overlap))
		return s.done(ctx, err, EventRotated, id, "")
	}
	if overlap > 0 {
		err = s.c.Issuer.Atomically(ctx, rotate)
	} else {
		err = s.c.Issuer.RevokeAccess(ctx, id, rotate)
	}
	if err != nil {
		return Client{}, "", err
	}
	return client, secret, nil
}

// Disable refuses a client and its tokens from now on.
func (s *Service) Disable(ctx context.Context, id string) (client Client, err error) {
	err = s.c.Issuer.RevokeAccess(ctx, id, func(ctx context.Context) error {
		client, err = s.c.Registry.setDisabled(ctx, id, true)
		return s.done(ctx, err, EventDisabled, id, "")
	})
	return client, unlessUnchanged(err)
}

// Enable accepts a disabled client again.
func (s *Service) Enable(ctx context.Context, id string) (client Client, err error) {
	err = s.c.Issuer.Atomically(ctx, func(ctx context.Context) error {
		client, err = s.c.Registry.setDisabled(ctx, id, false)
		return s.done(ctx, err, EventEnabled, id, "")
	})
	return client, unlessUnchanged(err)
}

// Delete deletes a client and refuses its tokens.
func (s *Service) Delete(ctx context.Context, id string) error {
	return s.c.Issuer.RevokeAccess(ctx, id, func(ctx context.Context) error {
		return s.done(ctx, s.c.Registry.remove(ctx, id), EventDeleted, id, "")
	})
}

// unlessUnchanged lets a change succeed that changes nothing. Its transaction is rolled back.
func unlessUnchanged(err error) error {
	if errors.Is(err, errUnchanged) {
		return nil
	}
	return err
}

// done tells of an operation within its transaction, unless err says that it failed.
func (s *Service) done(ctx context.Context, err error, event, id, reason string) error {
	if err != nil {
		return err
	}
	return s.c.Issuer.Tell(ctx, hallpass.Event{Name: event, Subject: id, Reason: reason})
}

// now returns the time at the precision of the database.
func (s *Service) now() time.Time { return s.c.Now().UTC().Truncate(time.Microsecond) }
