// Package hallpass authenticates HTTP APIs with JSON Web Tokens, from the password to the handler.
//
// # Most programs
//
// An API with users of its own needs four names. [New] makes an [Auth] from a [Config];
// [Auth.Mount] adds the routes for login, refresh, logout and sessions; [Verifier.Func] protects a
// handler, which gets the caller's [Identity] as an argument:
//
//	keys, err := jwk.OpenFile("keys.json") // made on first run
//	auth, err := hallpass.New(hallpass.Config[struct{}]{
//		Issuer: "https://api.example", Audience: "api", Keys: keys, Authenticate: checkPassword,
//	})
//	auth.Mount(mux, "/auth")
//	mux.Handle("GET /me", auth.Func(me))
//	mux.Handle("DELETE /posts/{id}", auth.Func(remove, hallpass.Role("editor")))
//	http.ListenAndServe("127.0.0.1:8000", mux)
//
// The functions are yours. One looks a user up and compares the password, for which there is package
// password; the others are handlers:
//
//	func checkPassword(ctx context.Context, login hallpass.Login) (subject string, err error)
//	func me(w http.ResponseWriter, r *http.Request, id hallpass.Identity[struct{}])
//
// The example of this package is the whole program. With [Config.Store] sessions outlive the
// program: then start [Auth.Run].
//
// # Services that only check
//
// A service that checks the tokens of another program uses a [Verifier] with that program's
// published keys ([jwk.Remote]). It looks for the token where a [TokenSource] says, checks the
// signature before it looks at anything in the token, then the issuer, the audience, the type and
// the times, then the [Revocations], which a [RevocationFeed] keeps up to date. [Verifier.Require]
// protects handlers that take no argument, [Verifier.Optional] also lets requests without a token
// pass, and [Verifier.Verify] is for tokens that come in another way.
//
// # Who may
//
// A [Rule] says who may: [Self], [Role], [Scope], [Fresh] and others, joined by [AnyOf] and
// [AllOf]. Anybody else is refused with the status, code and challenge of the standards (RFC 6750,
// RFC 9457, RFC 9470). Every refusal is an [*Error] with a stable code; test for one with errors.Is
// and the variables of this package. None holds a token, a password or a key.
//
// # Claims of your own
//
// The type parameter T is a struct with your own claims. [Config.Authorize] gives them to the
// issuer, and [Identity] has them as Custom. Members match by exact name. Use struct{} for none.
//
// # What you can skip
//
// An [Issuer] starts, refreshes and ends sessions without the routes. A [Route] is a route as a
// value, for those who have a table of their own. A [Profile] changes how answers look. Package
// sessions says what a store promises, and how refresh tokens are rotated.
package hallpass
