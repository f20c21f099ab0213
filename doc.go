// Package hallpass authenticates HTTP APIs with JSON Web Tokens, from the password to the handler.
//
// # Both halves
//
// An API that has users of its own takes both halves at once: [New] returns an [Auth] from a [Config], [Auth.Mount] adds the
// routes for login, refresh, logout and sessions, and [Verifier.Func] protects a handler, which takes the caller's [Identity] as
// an argument. See the package example for a whole program.
//
// # Only checking
//
// A service that verifies the tokens of another uses a [Verifier] with the issuer's published keys ([jwk.Remote]). An access token is
// found in the request ([TokenSource]), its signature is verified before anything in it is looked at, then issuer, audience, type and
// times, then the [Revocations]. [Verifier.Require] protects handlers that take no argument, [Verifier.Optional] lets requests without a
// token pass, and [Verifier.Verify] is for tokens that come by another way.
//
// A [Rule] says who may: [Self], [Role], [Scope], [Fresh] and others, joined by [AnyOf] and [AllOf]. Who does not pass is refused with
// the status, code and challenge of the standards (RFC 6750, RFC 9457, RFC 9470); a [Profile] writes it.
//
// # Only issuing
//
// An [Issuer] starts sessions, refreshes them and ends them. A session is one row of a [Store], however often it is refreshed: refresh
// tokens are derived, not stored. Of two uses of one refresh token at the same time both get the same successor; a use after the
// grace ends the session, for then somebody else has it ([Rotation]).
//
// # Claims of one's own
//
// The type parameter T is the struct of an application's own claims, which the issuer gets from Authorize and the identity has as Custom.
// Its members match by exact name. Use struct{} for none.
//
// # Errors
//
// Every refusal is an [*Error] with a stable code. Test for one with errors.Is and the variables of this package. None holds a token, a
// password or a key.
package hallpass
