package jwt

import (
	"slices"

	"github.com/hallpass-go/hallpass/internal/jose"
)

// layout is a [Profile] made ready to read payloads by: for each member of a payload, what is to be
// done with its value.
type layout struct {
	uses    map[string][]use
	missing []*Error // for each claim that must be there, in the order of their bits
	issuer  string   // has [TenantPlace] in it; empty if the issuer has one name
}

// use is one thing to do with a member, or with a value inside it.
type use struct {
	inside []string // names that lead to the value; empty for the member's own
	astray *Error   // for a name that leads into something other than an object
	what   what
	claim  int      // the registered claim that the value becomes
	misfit *Error   // for a value that does not fit
	values []string // what the value may be
	bit    uint64   // in reader.seen, for a claim that must be there
}

// what says what is done with a value. These are not functions, since what they were given would
// have to be allocated.
type what int

const (
	readRegistered what = iota // as RFC 9068 has it
	readText                   // as the claim
	readClient                 // as the client, if no other claim says another
	readAudience
	readOneAudience
	readScopes
	readRoles
	readTenant
	mustBeThere
	mustNotBeThere
	mustBeOneOf // the values
)

// newLayout returns the layout of a profile without mistakes.
func newLayout(p *Profile, issuer string) *layout {
	l := &layout{uses: map[string][]use{}}
	l.registered("iss", "sub", "exp", "iat", "nbf", "auth_time")
	l.audience(p)
	l.text(defaultTo(p.ID, "jti"), jti)
	l.text(p.Session, sid)
	for _, name := range p.Client {
		misfit := claimError(name, "is not a plain string, or not that of another claim for the client")
		l.use(name, use{what: readClient, misfit: misfit})
	}
	if p.Tenant != "" {
		l.issuer = issuer
		misfit := claimError(p.Tenant, "is missing or not a plain string")
		l.required(p.Tenant, use{what: readTenant, misfit: misfit})
	}
	for _, name := range p.Scopes {
		l.use(name, use{what: readScopes, misfit: claimError(name, "is not scopes")})
	}
	for _, name := range p.Roles {
		l.use(name, use{what: readRoles, misfit: claimError(name, "is not plain strings")})
	}
	for _, name := range p.Required {
		l.required(name, use{what: mustBeThere, misfit: claimError(name, "is missing")})
	}
	for _, name := range p.Forbidden {
		misfit := claimError(name, "belongs to another kind of token")
		l.use(name, use{what: mustNotBeThere, misfit: misfit})
	}
	for name, values := range p.Values {
		misfit := claimError(name, "is missing or not what this kind of token has")
		l.required(name, use{what: mustBeOneOf, values: slices.Clone(values), misfit: misfit})
	}
	return l
}

// rfc9068 is the layout of the tokens that [readClaims] reads, for own claims that are inside
// others.
var rfc9068 = func() *layout {
	l := &layout{uses: map[string][]use{}}
	l.registered(registered[:]...)
	l.required("jti", use{what: mustBeThere, misfit: errJtiClaim})
	return l
}()

// registered adds registered claims, and that those must be there which every token has.
func (l *layout) registered(names ...string) {
	always := map[string]*Error{
		"iss": errIssClaim, "sub": errSubClaim, "aud": errAudClaim, "exp": errExpClaim, "iat": errIatClaim,
	}
	for _, name := range names {
		u := use{what: readRegistered, claim: slices.Index(registered[:], name), misfit: always[name]}
		if u.misfit != nil {
			l.required(name, u)
		} else {
			l.use(name, u)
		}
	}
}

// use adds a use of a claim.
func (l *layout) use(claim string, u use) {
	path, _ := parsePath(claim) // [Profile.check] has found the mistakes
	u.inside, u.astray = path[1:], claimError(claim, "leads into something other than an object")
	l.uses[path[0]] = append(l.uses[path[0]], u)
}

// required adds a use of a claim that must be there; its misfit says so.
func (l *layout) required(claim string, u use) {
	u.bit = 1 << len(l.missing)
	l.missing = append(l.missing, u.misfit)
	l.use(claim, u)
}

// text adds a claim that becomes a registered one of plain text, or nothing for a claim without a
// name.
func (l *layout) text(claim string, becomes int) {
	if claim != "" {
		l.use(claim, use{what: readText, claim: becomes, misfit: claimError(claim, "is not a plain string")})
	}
}

func (l *layout) audience(p *Profile) {
	u := use{what: readAudience, misfit: errAudClaim}
	if p.OneAudience {
		u.what = readOneAudience
	}
	if p.Audience != "" && p.Audience != "aud" {
		u.misfit = claimError(p.Audience, "is missing or not a string or an array of strings")
		l.use("aud", use{what: mustNotBeThere, misfit: claimError("aud", "names somebody else")})
	}
	l.required(defaultTo(p.Audience, "aud"), u)
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
		uses := l.uses[name]
		for i := range uses {
			r.Scanner = start
			whole = r.use(&uses[i], c)
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
	for i, missing := range l.missing {
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
func (r *reader) use(u *use, c *Claims) (whole bool) {
	found, fits := r.descend(u.inside)
	if found {
		r.seen |= u.bit
		r.value(u, c)
	}
	if !fits {
		r.misfit(u.astray)
	}
	return len(u.inside) == 0
}

// value reads a value to its end.
func (r *reader) value(u *use, c *Claims) {
	switch u.what {
	case readRegistered:
		r.claim(c, u.claim)
	case readText:
		text := r.plain(u.misfit)
		if u.claim == jti {
			c.ID = text
		} else {
			c.SessionID = text
		}
	case readClient:
		client := r.plain(u.misfit)
		if c.ClientID != "" && c.ClientID != client {
			r.misfit(u.misfit)
		}
		c.ClientID = client
	case readAudience, readOneAudience:
		c.Audience = r.audience()
		if u.what == readOneAudience && len(c.Audience) > 1 {
			r.misfit(errOneAudience)
		}
	case readScopes:
		c.Scopes = append(c.Scopes, r.anyScopes(u.misfit)...)
	case readRoles:
		c.Roles = append(c.Roles, r.strings(u.misfit)...)
	case readTenant:
		r.tenant = r.plain(u.misfit)
	case mustBeThere:
		if r.Kind() == 'n' {
			r.misfit(u.misfit)
		}
		r.Skip()
	case mustNotBeThere:
		r.misfit(u.misfit)
		r.Skip()
	case mustBeOneOf:
		if value, ok := stringOrSkip(&r.Scanner); !ok || !slices.Contains(u.values, value) {
			r.misfit(u.misfit)
		}
	}
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
