package hallpass

import (
	"net/http"
	"slices"
	"time"

	"github.com/hallpass-go/hallpass/jwt"
)

// Rule decides who may pass once they are authenticated. The zero Rule lets nobody pass.
type Rule struct {
	check func(*http.Request, *facts) *Error
}

// facts are what rules decide by.
type facts struct {
	*jwt.Claims
	home     string // the issuer whose subjects the IDs in paths are
	now      time.Time
	identity any // *Identity[T], for Check
}

// Self lets a caller pass whose subject is the named path value: with the pattern "DELETE
// /users/{id}", Self("id") wants the caller's own ID there. Otherwise the error is [ErrNotOwner].
// With several issuers the IDs are those of [VerifierConfig.Issuer]: callers of another issuer do
// not pass.
func Self(pathValue string) Rule {
	return Rule{func(r *http.Request, f *facts) *Error {
		if r.PathValue(pathValue) != f.Subject || f.Issuer != f.home {
			return ErrNotOwner
		}
		return nil
	}}
}

// Role lets a caller pass who has at least one of the roles. Otherwise the error is
// [ErrInsufficientRole].
func Role(anyOf ...string) Rule {
	return Rule{func(_ *http.Request, f *facts) *Error {
		if !slices.ContainsFunc(anyOf, func(role string) bool { return slices.Contains(f.Roles, role) }) {
			return ErrInsufficientRole
		}
		return nil
	}}
}

// Scope lets a caller pass whose token has all of the scopes. Otherwise the error is
// [ErrInsufficientScope] (RFC 6750 §3.1).
func Scope(allOf ...string) Rule {
	return Rule{func(_ *http.Request, f *facts) *Error {
		for _, scope := range allOf {
			if !slices.Contains(f.Scopes, scope) {
				e := *ErrInsufficientScope
				e.Scopes = allOf
				return &e
			}
		}
		return nil
	}}
}

// Fresh lets a caller pass who proved who they are at most maxAge ago. Otherwise the error is
// [ErrFreshTokenRequired], with the challenge of RFC 9470 §3.
func Fresh(maxAge time.Duration) Rule {
	return Rule{func(_ *http.Request, f *facts) *Error {
		if f.AuthTime.IsZero() || f.now.Sub(f.AuthTime) > maxAge {
			e := *ErrFreshTokenRequired
			e.MaxAge = maxAge
			return &e
		}
		return nil
	}}
}

// Check lets a caller pass for whom f returns nil. An error of f that is not an [Error] is answered
// with 500. T must be the verifier's.
func Check[T any](f func(*http.Request, Identity[T]) error) Rule {
	return Rule{func(r *http.Request, facts *facts) *Error {
		id, ok := facts.identity.(*Identity[T])
		if !ok {
			return ErrInternal
		}
		if err := f(r, *id); err != nil {
			return asError(err)
		}
		return nil
	}}
}

// AllOf lets a caller pass who passes every rule. The answer is the first refusal.
func AllOf(rules ...Rule) Rule {
	return Rule{func(r *http.Request, f *facts) *Error { return checkAll(rules, r, f) }}
}

// AnyOf lets a caller pass who passes at least one rule. Otherwise the answer is
// [ErrFreshTokenRequired] if a rule wants it, since the caller can do something about that, or else
// the first refusal.
func AnyOf(rules ...Rule) Rule {
	return Rule{func(r *http.Request, f *facts) *Error {
		refusal := ErrInternal
		for i, rule := range rules {
			e := checkAll([]Rule{rule}, r, f)
			if e == nil {
				return nil
			}
			if i == 0 || e.Is(ErrFreshTokenRequired) {
				refusal = e
			}
		}
		return refusal
	}}
}

func checkAll(rules []Rule, r *http.Request, f *facts) *Error {
	for _, rule := range rules {
		if rule.check == nil {
			return ErrInternal
		}
		if e := rule.check(r, f); e != nil {
			return e
		}
	}
	return nil
}
