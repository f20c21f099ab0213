package flaskjwtextended

import (
	"context"
	"crypto/subtle"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"strings"

	"github.com/hallpass-go/hallpass/compat/flask"
	"github.com/hallpass-go/hallpass/compat/internal/pyjwt"
)

// Claims are the claims of a verified token (get_jwt). Values are JSON texts.
type Claims map[string]string

// String returns the value of a claim that is a string.
func (c Claims) String(name string) (string, bool) { return pyjwt.Members(c).String(name) }

// Int returns the value of a claim that is an integer.
func (c Claims) Int(name string) (int64, bool) { return pyjwt.Members(c).Int(name) }

// Identity says who sent a request, according to its token.
type Identity[U any] struct {
	Subject  string   // get_jwt_identity; JSON text if it is not a string
	User     U        // current_user: what Config.Lookup returned
	Claims   Claims   // get_jwt
	Location Location // get_jwt_request_location
}

// Guard says which tokens a route accepts. Its fields are the arguments of jwt_required.
type Guard struct {
	// Fresh accepts only access tokens from a login. Defaults to all.
	Fresh bool
	// Refresh accepts only refresh tokens. Defaults to only access tokens.
	Refresh bool
	// AnyType accepts both types (verify_type=False), for example for a logout. Defaults to one
	// type.
	AnyType bool
	// Locations are the locations for this route. Defaults to those of Config.
	Locations []Location
}

// Func guards a handler as jwt_required() does. The handler gets the identity from the token.
// OPTIONS is answered without a token, as in Flask. A mux sends it here for a pattern without a
// method. For other patterns use [flask.Options]. Func panics if the guard has an unknown location.
func (a *Auth[U]) Func(handler func(w http.ResponseWriter, r *http.Request, id Identity[U]), g Guard) http.Handler {
	return a.guarded(g, func(w http.ResponseWriter, r *http.Request, id Identity[U], failed *Failure) {
		if failed != nil {
			a.c.Answer(w, r, *failed)
			return
		}
		handler(w, r, id)
	})
}

// Optional guards a handler as jwt_required(optional=True) does. If the request has no token, id is
// nil. A request with an invalid token is refused. Otherwise it works like Func.
func (a *Auth[U]) Optional(
	handler func(w http.ResponseWriter, r *http.Request, id *Identity[U]),
	g Guard,
) http.Handler {
	return a.guarded(g, func(w http.ResponseWriter, r *http.Request, id Identity[U], failed *Failure) {
		switch {
		case failed == nil:
			handler(w, r, &id)
		case failed.absent:
			handler(w, r, nil)
		default:
			a.c.Answer(w, r, *failed)
		}
	})
}

func (a *Auth[U]) guarded(
	g Guard,
	then func(w http.ResponseWriter, r *http.Request, id Identity[U], failed *Failure),
) http.Handler {
	if err := known(g.Locations); err != nil {
		panic("flaskjwtextended: Guard: " + err.Error())
	}
	if len(g.Locations) == 0 {
		g.Locations = a.c.Locations
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodOptions {
			flask.Allow(w)
			return
		}
		id, failed := a.identify(r, g)
		then(w, r, id, failed)
	})
}

// identify performs the checks in the original's order: locations, token, type, freshness,
// revocation, claims, user.
func (a *Auth[U]) identify(r *http.Request, g Guard) (Identity[U], *Failure) {
	read, location, failed := a.read(r, g)
	if failed == nil {
		failed = g.check(read.Claims, a.c.Now().Unix())
	}
	if failed == nil {
		failed = a.checkEnd(read.Claims)
	}
	if failed == nil {
		failed = a.ask(r.Context(), Claims(read.Claims))
	}
	if failed != nil {
		return Identity[U]{}, failed
	}
	id := Identity[U]{
		Subject:  subject(read.Claims, a.c.IdentityClaim),
		Claims:   Claims(read.Claims),
		Location: location,
	}
	if a.c.Lookup == nil {
		return id, nil
	}
	user, found, err := a.c.Lookup(r.Context(), id.Claims)
	switch {
	case err != nil:
		return Identity[U]{}, a.fail(r.Context(), "looking up a user", err)
	case !found:
		return Identity[U]{}, userNotFound(id.Subject)
	}
	id.User = user
	return id, nil
}

// fail reports an error to the application only.
func (a *Auth[U]) fail(ctx context.Context, doing string, err error) *Failure {
	a.c.Failed(ctx, fmt.Errorf("%s: %w", doing, err))
	return internal
}

// read returns the first token that it finds. If there is none, the failure says what is missing at
// each location.
func (a *Auth[U]) read(r *http.Request, g Guard) (pyjwt.Token, Location, *Failure) {
	var missing []string
	for _, location := range g.Locations {
		text, csrf, failed := a.find(r, location, g.Refresh)
		if failed != nil && failed.absent {
			missing = append(missing, failed.Message)
			continue
		}
		if failed != nil {
			return pyjwt.Token{}, "", failed
		}
		token, failed := a.decode(text, csrf)
		return token, location, failed
	}
	if len(missing) == 1 {
		return pyjwt.Token{}, "", absent(missing[0])
	}
	names := make([]string, len(g.Locations))
	for i, location := range g.Locations {
		names[i] = string(location)
	}
	last := len(names) - 1
	return pyjwt.Token{}, "", absent(fmt.Sprintf("Missing JWT in %s or %s (%s)",
		strings.Join(names[:last], ", "), names[last], strings.Join(missing, "; ")))
}

// decode verifies a token. It reports an expired token only if nothing else is wrong with it.
func (a *Auth[U]) decode(text, csrf string) (pyjwt.Token, *Failure) {
	token, err := a.verify(text, false)
	expired := errors.Is(err, pyjwt.ErrExpired)
	if expired {
		token, err = a.verify(text, true)
	}
	if err != nil {
		return pyjwt.Token{}, invalid(err.Error())
	}
	if subject(token.Claims, a.c.IdentityClaim) == "" {
		return pyjwt.Token{}, invalid("Missing claim: " + a.c.IdentityClaim)
	}
	if failed := checkCSRF(token.Claims, csrf); failed != nil {
		return pyjwt.Token{}, failed
	}
	if expired {
		return pyjwt.Token{}, expiredToken
	}
	return token, nil
}

// verify tries each key. All keys have different algorithms, so at most one of them checks the
// signature.
func (a *Auth[U]) verify(text string, expiredToo bool) (token pyjwt.Token, err error) {
	for _, decoder := range a.decoders {
		decoder.ExpiredToo = expiredToo
		token, err = decoder.Decode(text, a.c.Now())
		if !errors.Is(err, pyjwt.ErrAlgorithm) {
			break
		}
	}
	return token, err
}

// subject returns the identity as text. It is "" if the claim is empty or null.
func subject(claims pyjwt.Members, name string) string {
	if text, isText := claims.String(name); isText {
		return text
	}
	if claims[name] == "null" {
		return ""
	}
	return claims[name]
}

func checkCSRF(claims pyjwt.Members, sent string) *Failure {
	if sent == "" {
		return nil
	}
	if claims["csrf"] == "" {
		return invalid("Missing claim: csrf")
	}
	wanted, isText := claims.String("csrf")
	if !isText || subtle.ConstantTimeCompare([]byte(wanted), []byte(sent)) != 1 {
		return unauthorized("CSRF double submit tokens do not match")
	}
	return nil
}

// check checks the type of a token and its freshness at now, in seconds.
func (g Guard) check(claims pyjwt.Members, now int64) *Failure {
	kind, _ := claims.String("type")
	switch {
	case claims["type"] == "":
		return invalid("Missing claim: type")
	case g.AnyType && (kind == "access" || kind == "refresh"):
	case g.Refresh && kind != "refresh":
		return invalid("Only refresh tokens are allowed")
	case !g.Refresh && kind != "access":
		return invalid("Only non-refresh tokens are allowed")
	}
	if g.Fresh && !isFresh(claims["fresh"], now) {
		return freshTokenNeeded
	}
	return nil
}

// checkEnd refuses a token without exp, unless tokens of its type never expire. If either type
// never expires, the decoder does not require exp.
func (a *Auth[U]) checkEnd(claims pyjwt.Members) *Failure {
	expires := a.c.AccessExpires
	if kind, _ := claims.String("type"); kind == "refresh" {
		expires = a.c.RefreshExpires
	}
	if claims["exp"] == "" && expires != Never {
		return invalid(`Token is missing the "exp" claim`)
	}
	return nil
}

// isFresh reads the claim "fresh", which is true or the end of freshness in seconds, possibly with
// a fraction.
func isFresh(claim string, now int64) bool {
	if claim == "true" {
		return true
	}
	until, err := strconv.ParseFloat(claim, 64)
	return err == nil && until >= float64(now)
}

// ask calls the application's functions for a verified token.
func (a *Auth[U]) ask(ctx context.Context, claims Claims) *Failure {
	if a.c.Revoked != nil {
		revoked, err := a.c.Revoked(ctx, claims)
		if err != nil {
			return a.fail(ctx, "looking for a token among the revoked", err)
		}
		if revoked {
			return revokedToken
		}
	}
	if a.c.VerifyClaims != nil {
		ok, err := a.c.VerifyClaims(ctx, claims)
		if err != nil {
			return a.fail(ctx, "verifying claims", err)
		}
		if !ok {
			return claimsNotVerified
		}
	}
	return nil
}
