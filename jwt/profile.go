package jwt

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/hallpass-go/hallpass/jwk"
)

// Profile says how an issuer writes its access tokens if it does not write them as RFC 9068 says.
// Package issuers has ready ones. A claim is named by its name, or by a JSON Pointer (RFC 6901) if
// it is inside another claim: "/realm_access/roles".
//
// A profile changes where things are and what may be missing. It never lets the token choose its
// algorithm, never accepts a token for another audience, and never one without "exp" and "iat".
// Claims that a profile does not name keep the meaning that they have in [Claims], except for
// scopes, roles, the session and the client, which are only read where the profile says.
type Profile struct {
	// Types are the accepted values of the header's "typ", without "application/" before them. ""
	// accepts a token that has no "typ". Required.
	Types []string
	// Keys say how the issuer's keys are read. Its Algorithms are required: a key for any other
	// algorithm verifies nothing.
	Keys jwk.SetOptions
	// NoKeyID accepts a token without "kid" while the issuer has exactly one key.
	NoKeyID bool
	// Audience is the claim that names whom the token is for. Defaults to "aud". If it is another, a
	// token with "aud" is refused, since that names somebody else (RFC 7519 §4.1.3).
	Audience string
	// OneAudience refuses a token for several audiences, as an ID token should not have.
	OneAudience bool
	// ID and Session are the claims that become [Claims.ID] and [Claims.SessionID], if they are
	// there. ID defaults to "jti", Session to none.
	ID, Session string
	// Client are the claims that become [Claims.ClientID]. Those that are there must agree.
	Client []string
	// Scopes and Roles are the claims that become [Claims.Scopes] and [Claims.Roles], all of them
	// together. Scopes are a string with spaces between or an array; roles a string or an array.
	Scopes, Roles []string
	// Required are claims that must be there beside "iss", "sub", "exp", "iat" and the audience.
	Required []string
	// Forbidden are claims that must not be there, because other kinds of token have them.
	Forbidden []string
	// Values are claims that must be there, with the strings that each may have.
	Values map[string][]string
	// Tenant is the claim whose value takes the place of [TenantPlace] in [Config.Issuer], for an
	// issuer that has a name for each tenant. Its value must be a UUID. Defaults to none.
	Tenant string
	// MaxLifetime is the longest time from "iat" to "exp", if [Config.MaxLifetime] is zero.
	// Defaults to 24 hours.
	MaxLifetime time.Duration
}

// TenantPlace is where the tenant stands in the name of an issuer that has one for each tenant.
const TenantPlace = "{tenantid}"

// maxRequired is how many claims a profile can require, so that with those that every token has
// they are fewer than the bits of a word.
const maxRequired = 50

// check returns every mistake in p.
func (p *Profile) check() error {
	var mistakes []error
	if len(p.Types) == 0 {
		mistakes = append(mistakes, errors.New("jwt: Types of the Profile is empty"))
	}
	if len(p.Keys.Algorithms) == 0 {
		mistakes = append(mistakes, errors.New("jwt: Keys.Algorithms of the Profile is empty"))
	}
	if p.MaxLifetime < 0 {
		mistakes = append(mistakes, errors.New("jwt: MaxLifetime of the Profile is negative"))
	}
	if len(p.Required)+len(p.Values) > maxRequired {
		mistakes = append(mistakes, fmt.Errorf("jwt: the Profile requires more than %d claims", maxRequired))
	}
	names := slices.Concat(p.Client, p.Scopes, p.Roles, p.Required, p.Forbidden)
	for name, values := range p.Values {
		names = append(names, name)
		if len(values) == 0 {
			mistakes = append(mistakes, fmt.Errorf("jwt: Values of the Profile allows no value of %q", name))
		}
	}
	for _, name := range names {
		if _, err := parsePath(name); err != nil {
			mistakes = append(mistakes, err)
		}
	}
	return errors.Join(mistakes...)
}

// parsePath returns the names that lead to a claim: one, or those of a JSON Pointer (RFC 6901 §4).
func parsePath(claim string) ([]string, error) {
	if claim == "" {
		return nil, errors.New("jwt: a claim has no name")
	}
	rest, isPointer := strings.CutPrefix(claim, "/")
	if !isPointer {
		return []string{claim}, nil
	}
	path := strings.Split(rest, "/")
	for i, name := range path {
		if strings.Contains(strings.NewReplacer("~0", "", "~1", "").Replace(name), "~") {
			return nil, fmt.Errorf("jwt: %q is not a JSON Pointer", claim)
		}
		path[i] = strings.ReplaceAll(strings.ReplaceAll(name, "~1", "/"), "~0", "~")
	}
	return path, nil
}

// accept returns why a key, or a header's "typ", is not one of the profile's.
func (p *Profile) accept(key jwk.Key, typ string) error {
	short, _ := strings.CutPrefix(typ, "application/")
	switch {
	case !slices.Contains(p.Keys.Algorithms, key.Algorithm()):
		return errAlgorithm
	case short == "" && typ != "" || !slices.Contains(p.Types, short):
		return errType
	}
	return nil
}

// isTenantOf reports whether issuer is the one of a template for a tenant, which must be a UUID
// (RFC 9562 §4) in lower case: it has no character that could lead to another issuer.
func isTenantOf(template, issuer, tenant string) bool {
	before, after, _ := strings.Cut(template, TenantPlace)
	return isUUID(tenant) && len(issuer) == len(before)+len(tenant)+len(after) &&
		issuer[:len(before)] == before && issuer[len(before):len(before)+len(tenant)] == tenant &&
		issuer[len(before)+len(tenant):] == after
}

func isUUID(s string) bool {
	if len(s) != 36 {
		return false
	}
	for i, c := range []byte(s) {
		isDash := i == 8 || i == 13 || i == 18 || i == 23
		isHex := '0' <= c && c <= '9' || 'a' <= c && c <= 'f'
		if isDash && c != '-' || !isDash && !isHex {
			return false
		}
	}
	return true
}
