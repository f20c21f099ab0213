package hallpass

import (
	"errors"
	"net/http"
)

// Func protects a handler that takes the caller's identity as an argument, and so cannot be mounted
// unprotected by mistake. The caller must be authenticated and pass every rule.
func (v *Verifier[T]) Func(h func(http.ResponseWriter, *http.Request, Identity[T]), rules ...Rule) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		id, err := v.identify(r, rules)
		if err != nil {
			v.refuse(w, r, id, err)
			return
		}
		h(w, r, id)
	})
}

// Require protects an ordinary handler, which finds the identity with [IdentityFrom]. A CORS
// preflight passes without a token, since browsers send none with it: the next handler answers it.
// With [Verifier.Func], put the handler that answers preflights around the whole.
func (v *Verifier[T]) Require(rules ...Rule) func(http.Handler) http.Handler {
	return func(next http.Handler) http.Handler {
		protected := v.Func(func(w http.ResponseWriter, r *http.Request, id Identity[T]) {
			next.ServeHTTP(w, r.WithContext(withIdentity(r.Context(), id)))
		}, rules...)
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if isPreflight(r) {
				next.ServeHTTP(w, r)
				return
			}
			protected.ServeHTTP(w, r)
		})
	}
}

// isPreflight reports whether a browser is asking whether it may send a cross-origin request (Fetch
// Standard §4.8).
func isPreflight(r *http.Request) bool {
	return r.Method == http.MethodOptions && r.Header.Get("Origin") != "" &&
		r.Header.Get("Access-Control-Request-Method") != ""
}

// Optional lets a request without a token pass, with no identity. A request with an invalid token,
// or whose sender does not pass every rule, is refused as by [Verifier.Require].
func (v *Verifier[T]) Optional(rules ...Rule) func(http.Handler) http.Handler {
	return func(next http.Handler) http.Handler {
		protected := v.Require(rules...)(next)
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if _, err := findToken(r, v.sources); errors.Is(err, ErrTokenMissing) {
				next.ServeHTTP(w, r)
				return
			}
			protected.ServeHTTP(w, r)
		})
	}
}

// Identify returns who sent a request: it finds and verifies the token, and applies the rules. It is
// for routes that also know other ways to authenticate; [Verifier.Func] protects all others. The
// error is an [Error]. Without a token it is [ErrTokenMissing].
func (v *Verifier[T]) Identify(r *http.Request, rules ...Rule) (Identity[T], error) {
	return v.identify(r, rules)
}

// identify finds and verifies the token of a request, and applies the rules.
func (v *Verifier[T]) identify(r *http.Request, rules []Rule) (Identity[T], error) {
	token, err := findToken(r, v.sources)
	if err != nil {
		return Identity[T]{}, err
	}
	id, err := v.Verify(r.Context(), token)
	if err != nil || len(rules) == 0 {
		return id, err
	}
	return id, v.enforce(r, id, rules)
}

// enforce takes the identity by value, so that a route without rules need not allocate one.
func (v *Verifier[T]) enforce(r *http.Request, id Identity[T], rules []Rule) error {
	if e := checkAll(rules, r, &facts{Claims: &id.Claims, home: v.home, now: v.now(), identity: &id}); e != nil {
		return e
	}
	return nil
}

func (v *Verifier[T]) refuse(w http.ResponseWriter, r *http.Request, id Identity[T], err error) {
	e := asError(err)
	v.observe(r.Context(), Event{Name: EventRequestRefused, Subject: id.Subject, SessionID: id.SessionID, Err: e})
	v.profile.WriteError(w, r, e)
}
