package jwt

import (
	"slices"

	"github.com/hallpass-go/hallpass/internal/jose"
)

// layout is a [Profile] made ready to read payloads by: for each member of a payload, what is to be
// done with its value.
type layout struct {
	uses     map[string][]use
	required []*Error // for each claim that must be there, in the order of their bits
	issuer   string   // has [TenantPlace] in it; empty if the issuer has one name
}

// use is one thing to do with a member, or with a value inside it.
type use struct {
	inside []string // names that lead to the value; empty for the member's own
	read   func(*reader, *Claims)
	bit    uint64 // in reader.seen, for a claim that must be there
}

// newLayout returns the layout of a profile without mistakes.
func newLayout(p *Profile, issuer string) *layout {
	l := &layout{uses: map[string][]use{}}
	l.use("iss", errIssClaim, func(r *reader, c *Claims) { c.Issuer = r.issuer() })
	l.use("sub", errSubClaim, func(r *reader, c *Claims) { c.Subject = r.plain(errSubClaim) })
	l.use("exp", errExpClaim, func(r *reader, c *Claims) { c.ExpiresAt = r.date(errExpClaim) })
	l.use("iat", errIatClaim, func(r *reader, c *Claims) { c.IssuedAt = r.date(errIatClaim) })
	l.use("nbf", nil, func(r *reader, c *Claims) { c.NotBefore = r.date(errNbfClaim) })
	l.use("auth_time", nil, func(r *reader, c *Claims) { c.AuthTime = r.date(errAuthTimeClaim) })
	l.audience(p)
	l.text(defaultTo(p.ID, "jti"), func(c *Claims) *string { return &c.ID })
	l.text(p.Session, func(c *Claims) *string { return &c.SessionID })
	for _, name := range p.Client {
		misfit := claimError(name, "is not a plain string, or not that of another claim for the client")
		l.use(name, nil, func(r *reader, c *Claims) {
			client := r.plain(misfit)
			if c.ClientID != "" && c.ClientID != client {
				r.misfit(misfit)
			}
			c.ClientID = client
		})
	}
	if p.Tenant != "" {
		l.issuer = issuer
		misfit := claimError(p.Tenant, "is missing or not a plain string")
		l.use(p.Tenant, misfit, func(r *reader, _ *Claims) { r.tenant = r.plain(misfit) })
	}
	for _, name := range p.Scopes {
		misfit := claimError(name, "is not scopes")
		l.use(name, nil, func(r *reader, c *Claims) { c.Scopes = append(c.Scopes, r.anyScopes(misfit)...) })
	}
	for _, name := range p.Roles {
		misfit := claimError(name, "is not plain strings")
		l.use(name, nil, func(r *reader, c *Claims) { c.Roles = append(c.Roles, r.strings(misfit)...) })
	}
	for _, name := range p.Required {
		missing := claimError(name, "is missing")
		l.use(name, missing, func(r *reader, _ *Claims) {
			if r.Kind() == 'n' {
				r.misfit(missing)
			}
		})
	}
	for _, name := range p.Forbidden {
		misfit := claimError(name, "belongs to another kind of token")
		l.use(name, nil, func(r *reader, _ *Claims) { r.misfit(misfit) })
	}
	for name, values := range p.Values {
		values = slices.Clone(values)
		misfit := claimError(name, "is missing or not what this kind of token has")
		l.use(name, misfit, func(r *reader, _ *Claims) {
			if value, ok := r.String(); !ok || !slices.Contains(values, value) {
				r.misfit(misfit)
			}
		})
	}
	return l
}

// rfc9068 is the layout of the tokens that [readClaims] reads, for own claims that are inside
// others.
var rfc9068 = func() *layout {
	l := &layout{uses: map[string][]use{}}
	missing := map[int]*Error{
		iss: errIssClaim, sub: errSubClaim, aud: errAudClaim, exp: errExpClaim, iat: errIatClaim, jti: errJtiClaim,
	}
	for number, name := range registered {
		l.use(name, missing[number], func(r *reader, c *Claims) { r.claim(c, number) })
	}
	return l
}()

// use adds a use of a claim. With missing the claim must be there.
func (l *layout) use(claim string, missing *Error, read func(*reader, *Claims)) {
	path, _ := parsePath(claim) // [Profile.check] has found the mistakes
	u := use{inside: path[1:], read: read}
	if missing != nil {
		u.bit = 1 << len(l.required)
		l.required = append(l.required, missing)
	}
	l.uses[path[0]] = append(l.uses[path[0]], u)
}

// text adds a claim that becomes a plain string, or nothing for a claim without a name.
func (l *layout) text(claim string, of func(*Claims) *string) {
	if claim != "" {
		misfit := claimError(claim, "is not a plain string")
		l.use(claim, nil, func(r *reader, c *Claims) { *of(c) = r.plain(misfit) })
	}
}

func (l *layout) audience(p *Profile) {
	misfit := errAudClaim
	if p.Audience != "" {
		misfit = claimError(p.Audience, "is missing or not a string or an array of strings")
	}
	l.use(defaultTo(p.Audience, "aud"), misfit, func(r *reader, c *Claims) {
		c.Audience = r.audience()
		if p.OneAudience && len(c.Audience) > 1 {
			r.misfit(errOneAudience)
		}
	})
}

func claimError(claim, problem string) *Error { return &Error{ErrClaims, claim + " " + problem} }

func defaultTo(value, fallback string) string {
	if value == "" {
		return fallback
	}
	return value
}

// readClaimsBy is [readClaims] for a payload that a layout describes.
func readClaimsBy(l *layout, payload string, c *Claims, k *known, own own) (ownFit bool, err error) {
	r := reader{Scanner: jose.NewScanner(payload), known: k, own: own}
	members := r.Object()
	for name, ok := members.Next(&r.Scanner); ok; name, ok = members.Next(&r.Scanner) {
		start := r.Scanner
		for _, u := range l.uses[name] {
			r.Scanner = start
			if r.descend(u.inside) {
				r.seen |= u.bit
				u.read(&r, c)
			}
		}
		if r.own.ownType != nil {
			r.readOwn(start, name)
		}
		r.Scanner = start
		r.Skip() // the whole of it, as strictly as if it were wanted
	}
	switch {
	case r.End() != nil:
		return false, errPayloadJSON
	case r.err != nil:
		return false, r.err
	}
	for i, missing := range l.required {
		if r.seen&(1<<i) == 0 {
			return false, missing
		}
	}
	if l.issuer != "" && !isTenantOf(l.issuer, c.Issuer, r.tenant) {
		return false, errIssuer
	}
	return !r.own.misfits, nil
}

// readOwn reads the application's own claims that are a member, or inside it.
func (r *reader) readOwn(start jose.Scanner, name string) {
	if field, ok := r.own.fields.Number(name); ok {
		r.Scanner = start
		r.own.read(&r.Scanner, field)
	}
	for _, f := range r.own.paths {
		if f.path[0] != name {
			continue
		}
		if r.Scanner = start; r.descend(f.path[1:]) && !f.reader.Read(&r.Scanner, r.own.value.Field(f.index)) {
			r.own.misfits = true
		}
	}
}

// descend moves the scanner from an object to the value that names lead to, and reports whether it
// is there.
func (r *reader) descend(names []string) bool {
	for _, wanted := range names {
		if r.Kind() != '{' {
			return false
		}
		members := r.Object()
		for {
			name, ok := members.Next(&r.Scanner)
			if !ok {
				return false
			}
			if name == wanted {
				break
			}
			r.Skip()
		}
	}
	return !r.Failed()
}

// anyScopes reads scopes, either as RFC 6749 §3.3 writes them or as an array.
func (r *reader) anyScopes(misfit *Error) []string {
	var scopes []string
	if text, ok := r.String(); ok {
		scopes = r.split(text)
	} else {
		scopes = r.list(misfit)
	}
	if slices.ContainsFunc(scopes, func(s string) bool { return !isScope(s) }) {
		r.misfit(misfit)
	}
	return scopes
}

// strings reads a string, or an array of them.
func (r *reader) strings(misfit *Error) []string {
	if r.Kind() == '[' {
		return r.list(misfit)
	}
	start := len(r.names)
	r.keep(r.plain(misfit))
	return r.since(start)
}
