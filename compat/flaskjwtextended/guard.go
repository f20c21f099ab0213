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

// Claims are the claims of a verified token (get_jwt), each as its JSON text.
type Claims map[string]string

// String returns a claim that is a string.
func (c Claims) String(name string) (string, bool) { return pyjwt.Members(c).String(name) }

// Int returns a claim that is a whole number.
func (c Claims) Int(name string) (int64, bool) { return pyjwt.Members(c).Int(name) }

// Identity is who sent a request, by its token.
type Identity[U any] struct {
	Subject  string   // get_jwt_identity; the JSON text of one that is no string
	User     U        // current_user: what Config.Lookup returned
	Claims   Claims   // get_jwt
	Location Location // get_jwt_request_location
}

// Guard says which tokens a route takes: the arguments of jwt_required.
type Guard struct {
	// Fresh takes access tokens of a login only. Defaults to all.
	Fresh bool
	// Refresh takes refresh tokens only. Defaults to access tokens only.
	Refresh bool
	// AnyType takes both (verify_type=False), as for a logout. Defaults to one type.
	AnyType bool
	// Locations are those of the route. Defaults to Config's.
	Locations []Location
}

// Func guards a handler as jwt_required() does: it is called with who sent the request. OPTIONS is
// answered without it, as by Flask; a mux sends that here for a pattern without a method, and for
// the others [flask.Options] has it. Func panics for a guard with a location that does not exist.
func (a *Auth[U]) Func(handler func(w http.ResponseWriter, r *http.Request, id Identity[U]), g Guard) http.Handler {
	return a.guarded(g, func(w http.ResponseWriter, r *http.Request, id Identity[U], failed *Failure) {
		if failed != nil {
			a.c.Answer(w, r, *failed)
			return
		}
		handler(w, r, id)
	})
}

// Optional guards a handler as jwt_required(optional=True) does: id is nil for a request without a
// token. One with a token that is not valid is refused. For the rest it is as Func.
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

// identify checks in the original's order: the locations, the token, its type, freshness,
// revocation, claims, the user.
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

// fail tells the application what went wrong, and nobody else.
func (a *Auth[U]) fail(ctx context.Context, doing string, err error) *Failure {
	a.c.Failed(ctx, fmt.Errorf("%s: %w", doing, err))
	return internal
}

// read returns the first token that is there. When none is, the failure says what is missing at
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

// decode verifies a token. That it has expired is said only when nothing else is wrong with it.
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

// verify tries each key: no two have the same algorithm, so that at most one gets to verify the
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

// subject returns the identity in text, and "" for one that is empty or null.
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

// check checks the type of a token and its freshness, at a time in seconds.
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

// checkEnd refuses a token without exp unless it is of the type that never expires: the decoder
// asks for exp only when no type does.
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

// isFresh reads the claim "fresh": true, or until when, in seconds and their fractions.
func isFresh(claim string, now int64) bool {
	if claim == "true" {
		return true
	}
	until, err := strconv.ParseFloat(claim, 64)
	return err == nil && until >= float64(now)
}

// ask asks the application about a verified token.
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
