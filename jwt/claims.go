package jwt

import (
	"math"
	"slices"
	"strconv"
	"time"

	"github.com/hallpass-go/hallpass/internal/jose"
)

// TypeAccess is the type of an access token (RFC 9068 §2.1).
const TypeAccess = "at+jwt"

// Claims are the registered claims of an access token: RFC 7519 §4.1 and RFC 9068 §2.2, with the
// session ("sid") and the roles. Times have the resolution of a second when signed; a fraction is
// read and kept.
type Claims struct {
	Issuer    string    // iss
	Subject   string    // sub
	Audience  []string  // aud: a string when there is one, an array otherwise
	ExpiresAt time.Time // exp
	NotBefore time.Time // nbf; zero when absent
	IssuedAt  time.Time // iat
	ID        string    // jti
	ClientID  string    // client_id; empty when absent
	SessionID string    // sid; empty when absent
	AuthTime  time.Time // auth_time; zero when absent
	Scopes    []string  // scope, split at its spaces; nil when absent
	Roles     []string  // roles; nil when absent
	// Sequence is the number of the last revocation that the issuer knew of when it read what the
	// subject may do (rev_seq, a claim of Hallpass); 0 when absent. A later revocation of the
	// subject's tokens refuses this one, whatever the clocks say.
	Sequence int64
}

// The registered claims by their numbers, in the order in which they are written.
const (
	iss = iota
	sub
	aud
	exp
	nbf
	iat
	jti
	clientID
	sid
	authTime
	scope
	roles
	revSeq
)

// registered are the names of these claims, which custom members cannot take (RFC 7519 §4.1, RFC
// 9068 §2.2).
var registered = [...]string{
	iss: "iss", sub: "sub", aud: "aud", exp: "exp", nbf: "nbf", iat: "iat", jti: "jti",
	clientID: "client_id", sid: "sid", authTime: "auth_time", scope: "scope", roles: "roles",
	revSeq: "rev_seq",
}

// reader reads the claims of one payload. The first claim that does not fit is the error; the scan
// goes on, since a payload that is no JSON is a different mistake.
type reader struct {
	jose.Scanner
	known *known
	names []string // of all the lists, in one piece of memory
	err   *Error
	own   own

	// For payloads that are read by a [Profile].
	seen   uint64 // bits of the claims that must be there
	tenant string
}

func (r *reader) misfit(err *Error) {
	if r.err == nil {
		r.err = err
	}
}

// readClaims reads the registered claims of a payload into c, and in the same pass the
// application's own, of which it reports whether they fit. A registered claim of the wrong type is
// a failure, never "absent".
func readClaims(payload string, c *Claims, k *known, own own) (ownFit bool, err error) {
	r := reader{Scanner: jose.NewScanner(payload), known: k, own: own}
	order := usualOrder
	if own.ownType != nil {
		order = own.order
	}
	members := r.ObjectOf(order)
	for i := range usualOrder {
		if members.Expect(&r.Scanner, i) {
			r.member(c, i)
		}
	}
	for i := len(usualOrder); i < len(order); i++ {
		if members.Expect(&r.Scanner, i) {
			r.own.read(&r.Scanner, i-len(usualOrder))
		}
	}
	for name, ok := members.Next(&r.Scanner); ok; name, ok = members.Next(&r.Scanner) {
		r.named(c, name)
	}
	switch {
	case r.End() != nil:
		return false, errPayloadJSON
	case r.err != nil:
		return false, r.err
	}
	return !r.own.misfits, required(c)
}

// named reads the value of the claim of a name, or skips that of one that nobody asked for.
func (r *reader) named(c *Claims, name string) {
	number := slices.Index(registered[:], name)
	if number < 0 && r.own.ownType != nil {
		if field, ok := r.own.fields.Number(name); ok {
			r.own.read(&r.Scanner, field)
			return
		}
	}
	r.member(c, number)
}

// member reads the value of the registered claim of a number, for an own one of its name as well.
func (r *reader) member(c *Claims, number int) {
	if number < 0 || r.own.ownType == nil || !r.own.overlaps || r.own.twice[number] < 0 {
		r.claim(c, number)
		return
	}
	again := r.Scanner
	r.claim(c, number)
	if !r.Failed() {
		r.own.read(&again, r.own.twice[number])
	}
}

// usualOrder is the order in which [Sign] writes the claims, so that those of its tokens need not
// be looked for.
var usualOrder = jose.NewOrder(registered[:]...)

// claim reads the value of the registered claim of a number, or skips that of another.
func (r *reader) claim(c *Claims, number int) {
	switch number {
	case iss:
		c.Issuer = r.issuer()
	case sub:
		c.Subject = r.plain(errSubClaim)
	case aud:
		c.Audience = r.audience()
	case exp:
		c.ExpiresAt = r.date(errExpClaim)
	case nbf:
		c.NotBefore = r.date(errNbfClaim)
	case iat:
		c.IssuedAt = r.date(errIatClaim)
	case jti:
		c.ID = r.plain(errJtiClaim)
	case clientID:
		c.ClientID = r.plain(errClientClaim)
	case sid:
		c.SessionID = r.plain(errSidClaim)
	case authTime:
		c.AuthTime = r.date(errAuthTimeClaim)
	case scope:
		c.Scopes = r.scopes()
	case roles:
		c.Roles = r.roles()
	case revSeq:
		c.Sequence = r.sequence()
	default:
		r.Skip()
	}
}

func required(c *Claims) error {
	switch {
	case c.Issuer == "":
		return errIssClaim
	case c.Subject == "":
		return errSubClaim
	case len(c.Audience) == 0:
		return errAudClaim
	case c.ExpiresAt.IsZero():
		return errExpClaim
	case c.IssuedAt.IsZero():
		return errIatClaim
	case c.ID == "":
		return errJtiClaim
	}
	return nil
}

// plain reads a string that is not empty and holds no control characters: it ends up in logs,
// headers and look-ups.
func (r *reader) plain(misfit *Error) string {
	value, plain, ok := r.PlainString()
	if !ok {
		r.Skip()
	}
	if value == "" || !plain && !isPlain(value) {
		r.misfit(misfit)
	}
	return value
}

func isPlain(s string) bool {
	for i := range len(s) {
		if s[i] < 0x20 || s[i] == 0x7f {
			return false
		}
	}
	return s != ""
}

func (r *reader) issuer() string {
	if r.Literal(r.known.issuer) {
		return r.known.issuerValue
	}
	return r.plain(errIssClaim)
}

func (r *reader) audience() []string {
	start := len(r.names)
	if r.Literal(r.known.audience) {
		r.keep(r.known.audienceValue)
		return r.since(start)
	}
	if r.Kind() == '[' {
		return r.list(errAudClaim)
	}
	r.keep(r.plain(errAudClaim))
	return r.since(start)
}

// keep adds a name to the list in memory, which is this token's own, so that what a handler does to
// it is no other's; since returns those from one on, as a slice that cannot grow into its
// neighbour.
func (r *reader) keep(name string) {
	if r.names == nil {
		r.names = make([]string, 0, 4)
	}
	r.names = append(r.names, name)
}

func (r *reader) since(start int) []string {
	if r.names == nil {
		return []string{}
	}
	return r.names[start:len(r.names):len(r.names)]
}

func (r *reader) copied(known []string) []string {
	start := len(r.names)
	if r.names == nil {
		r.names = make([]string, 0, max(4, len(known)))
	}
	// One by one, since a copy of all tells the garbage collector of it, which takes longer.
	for _, name := range known {
		r.keep(name)
	}
	return r.since(start)
}

func (r *reader) roles() []string {
	if known, ok := r.known.roles.next(&r.Scanner); ok {
		return r.copied(known)
	}
	roles := r.list(errRolesClaim)
	if r.err == nil {
		r.known.roles.remember(`["`, roles, `","`, `"]`)
	}
	return roles
}

func (r *reader) list(misfit *Error) []string {
	if r.Kind() != '[' {
		r.Skip()
		r.misfit(misfit)
		return nil
	}
	start := len(r.names)
	elements := r.Array()
	for elements.Next(&r.Scanner) {
		r.keep(r.plain(misfit))
	}
	return r.since(start)
}

func (r *reader) scopes() []string {
	if known, ok := r.known.scopes.next(&r.Scanner); ok {
		return r.copied(known)
	}
	text, ok := stringOrSkip(&r.Scanner)
	if !ok {
		r.misfit(errScopeClaim)
		return nil
	}
	scopes := r.split(text)
	if r.err == nil {
		r.known.scopes.remember(`"`, scopes, " ", `"`)
	}
	return scopes
}

// split splits RFC 6749 §3.3's list: printable ASCII without quotes and backslashes, a space
// between.
func (r *reader) split(text string) []string {
	first, start := len(r.names), 0
	for i := range len(text) {
		switch {
		case text[i] == ' ' && i > start:
			r.keep(text[start:i])
			start = i + 1
		case !isScopeByte(text[i]):
			r.misfit(errScopeClaim)
		}
	}
	switch {
	case start < len(text):
		r.keep(text[start:])
	case text != "":
		r.misfit(errScopeClaim) // it ends with a space
	}
	return r.since(first)
}

func isScope(s string) bool {
	for i := range len(s) {
		if !isScopeByte(s[i]) {
			return false
		}
	}
	return s != ""
}

func isScopeByte(c byte) bool { return c > ' ' && c <= '~' && c != '"' && c != '\\' }

// maxDate is the last second of the year 9999, beyond which RFC 3339 has no way to write a time.
const maxDate = 253402300799

// maxSequence is the largest integer that every JSON reader keeps whole (RFC 8259 §6).
const maxSequence = 1<<53 - 1

// sequence reads a whole number that is not negative.
func (r *reader) sequence() int64 {
	text, ok := r.Number()
	if !ok {
		r.Skip()
		r.misfit(errSequenceClaim)
		return 0
	}
	n, err := strconv.ParseInt(text, 10, 64)
	if err != nil || n < 0 || n > maxSequence {
		r.misfit(errSequenceClaim)
		return 0
	}
	return n
}

// date reads a NumericDate (RFC 7519 §2): seconds since 1970, perhaps with a fraction.
func (r *reader) date(misfit *Error) time.Time {
	if whole, ok := r.Seconds(); ok && whole <= maxDate {
		return time.Unix(whole, 0)
	} else if ok {
		r.misfit(misfit)
		return time.Time{}
	}
	text, ok := r.Number()
	if !ok {
		r.Skip()
		r.misfit(misfit)
		return time.Time{}
	}
	seconds, err := strconv.ParseFloat(text, 64)
	if err != nil || seconds < 0 || seconds > maxDate {
		r.misfit(misfit)
		return time.Time{}
	}
	whole, fraction := math.Modf(seconds)
	return time.Unix(int64(whole), int64(fraction*1e9))
}
