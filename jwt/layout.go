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
	inside []string               // names that lead to the value; empty for the member's own
	misfit *Error                 // for a name that leads into something other than an object
	read   func(*reader, *Claims) // the value, to its end
	bit    uint64                 // in reader.seen, for a claim that must be there
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
			r.Skip()
		})
	}
	for _, name := range p.Forbidden {
		misfit := claimError(name, "belongs to another kind of token")
		l.use(name, nil, func(r *reader, _ *Claims) { r.misfit(misfit); r.Skip() })
	}
	for name, values := range p.Values {
		values = slices.Clone(values)
		misfit := claimError(name, "is missing or not what this kind of token has")
		l.use(name, misfit, func(r *reader, _ *Claims) {
			if value, ok := stringOrSkip(&r.Scanner); !ok || !slices.Contains(values, value) {
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
	u := use{inside: path[1:], misfit: claimError(claim, "leads into something other than an object"), read: read}
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
		whole := false // the value has been read to its end
		for _, u := range l.uses[name] {
			r.Scanner = start
			whole = r.use(u, c)
		}
		if r.own.ownType != nil {
			whole = r.readOwn(start, name, whole)
		}
		if !whole {
			r.Scanner = start
			r.Skip() // as strictly as if it were wanted
		}
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

// use makes one use of a member's value, and reports whether it has read all of it.
func (r *reader) use(u use, c *Claims) (whole bool) {
	found, fits := r.descend(u.inside)
	if found {
		r.seen |= u.bit
		u.read(r, c)
	}
	if !fits {
		r.misfit(u.misfit)
	}
	return len(u.inside) == 0
}

// readOwn reads the application's own claims that are a member, or inside it. It reports whether the
// value has been read to its end, as before says that it was before.
func (r *reader) readOwn(start jose.Scanner, name string, before bool) (whole bool) {
	whole = before
	if field, ok := r.own.fields.Number(name); ok {
		r.Scanner = start
		r.own.read(&r.Scanner, field)
		whole = true
	}
	for _, f := range r.own.paths {
		if f.path[0] != name {
			continue
		}
		r.Scanner, whole = start, false
		found, fits := r.descend(f.path[1:])
		if !fits || found && !f.reader.Read(&r.Scanner, r.own.value.Field(f.index)) {
			r.own.misfits = true
		}
	}
	return whole
}

// descend moves the scanner from an object to the value that names lead to, and reports whether it
// is there, and whether what they lead through fits, which is objects.
func (r *reader) descend(names []string) (found, fits bool) {
	for _, wanted := range names {
		if r.Kind() != '{' {
			return false, false
		}
		members := r.Object()
		for {
			name, ok := members.Next(&r.Scanner)
			if !ok {
				return false, true
			}
			if name == wanted {
				break
			}
			r.Skip()
		}
	}
	return !r.Failed(), true
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
