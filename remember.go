package hallpass

import (
	"context"
	"strings"
	"sync/atomic"
	"time"

	"github.com/hallpass-go/hallpass/internal/remembered"
	"github.com/hallpass-go/hallpass/jwk"
	"github.com/hallpass-go/hallpass/jwt"
)

// tokenMemory remembers the tokens that a verifier has verified, so that a signature is checked only
// once. What can change is checked each time: expiry, revocation, and whether the key is still in
// the set.
type tokenMemory[T any] struct {
	*remembered.Table[proven[T]]
	clone func(*T) *T // gives an application's claims memory of their own; nil if they have none to share
}

// proven is what a remembered token proved. Only the atomic field changes.
type proven[T any] struct {
	unrevoked atomic.Int64 // version of the revocations that were last seen not to hold this token
	issuer    *trusted
	key       jwk.Key
	from      time.Time // the claims hold from here
	until     time.Time // to before here
	identity  Identity[T]
}

// stillHolds checks everything that may have changed since the token's signature was checked.
func (p *proven[T]) stillHolds(ctx context.Context, now time.Time) bool {
	if key, err := p.issuer.keys.Key(ctx, p.key.ID()); err != nil || key != p.key {
		return false
	}
	if now.Before(p.from) || !now.Before(p.until) {
		return false
	}
	revocations := p.issuer.revocations
	version := revocations.version.Load()
	if p.unrevoked.Load() != version {
		if revocations.IsRevoked(&p.identity.Claims) {
			return false
		}
		p.unrevoked.Store(version)
	}
	return true
}

// newTokenMemory returns nil if T cannot be copied completely.
func newTokenMemory[T any](tokens int) *tokenMemory[T] {
	if !remembered.CanCopy[T]() {
		return nil
	}
	return &tokenMemory[T]{remembered.NewTable[proven[T]](tokens), remembered.Cloner[T]()}
}

// window returns the period in which claims that a [jwt.Verifier] has accepted hold by exp, nbf and
// iat: from the first time until before the second.
func window(c *jwt.Claims, leeway time.Duration) (from, until time.Time) {
	from = c.IssuedAt
	if c.NotBefore.After(from) {
		from = c.NotBefore
	}
	return from.Add(-leeway), c.ExpiresAt.Add(leeway)
}

// newEntry copies the token and the strings of its claims into one piece of memory, so that the much
// longer payload can be freed.
func (m *tokenMemory[T]) newEntry(token string, id *Identity[T]) *remembered.Entry[proven[T]] {
	e := &remembered.Entry[proven[T]]{}
	e.Value.identity = *id // first, since what is copied would otherwise be allocated
	m.copy(&e.Value.identity, &e.Value.identity)
	remembered.OwnText(&e.Value.identity.Custom)
	c := &e.Value.identity.Claims
	values := []*string{&c.Issuer, &c.Subject, &c.ID, &c.ClientID, &c.SessionID}
	for _, names := range [][]string{c.Audience, c.Scopes, c.Roles} {
		for i := range names {
			values = append(values, &names[i])
		}
	}
	var text strings.Builder
	text.WriteString(token)
	for _, value := range values {
		text.WriteString(*value)
	}
	all := strings.Clone(text.String())
	e.Token, all = all[:len(token)], all[len(token):]
	for _, value := range values {
		*value, all = all[:len(*value)], all[len(*value):]
	}
	return e
}

// copy copies the identity into dst with its own memory, so that requests share nothing that a
// handler may write to.
func (m *tokenMemory[T]) copy(dst, id *Identity[T]) {
	*dst = *id
	if n := len(id.Audience) + len(id.Scopes) + len(id.Roles); n > 0 {
		names := make([]string, n)
		dst.Audience, names = own(names, id.Audience)
		dst.Scopes, names = own(names, id.Scopes)
		dst.Roles, _ = own(names, id.Roles)
	}
	if m.clone != nil {
		dst.Custom = *m.clone(&id.Custom)
	}
}

// own copies values to the front of room. It returns them as a slice that cannot grow into what
// follows, and the remaining room.
func own(room, values []string) (own, rest []string) {
	//lint:ignore S1001 copy tells the garbage collector of each call, which is slower for a few strings
	for i, value := range values {
		room[i] = value
	}
	return room[:len(values):len(values)], room[len(values):]
}

// RememberedStats are statistics about a verifier's remembered tokens, for metrics.
type RememberedStats struct {
	Hits   int64 // verifications saved, to within a few per cent
	Misses int64 // tokens verified in full, and then remembered
	Tokens int   // tokens held now
}
