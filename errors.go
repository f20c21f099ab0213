package hallpass

import (
	"errors"
	"net/http"
	"sync"
	"time"

	"github.com/hallpass-go/hallpass/internal/jose"
	"github.com/hallpass-go/hallpass/internal/page"
	"github.com/hallpass-go/hallpass/jwk"
	"github.com/hallpass-go/hallpass/jwt"
	"github.com/hallpass-go/hallpass/ratelimit"
)

// Error is what a request is refused with. Errors are compared by Code: errors.Is(err,
// ErrTokenExpired) holds for every error with that code, whatever its detail.
type Error struct {
	Code   string // stable, for programs
	Status int    // HTTP status
	Detail string // for people: what to do next. Never holds a token or a secret.

	Fields     []FieldError        // ErrValidation: every member that does not fit
	Scopes     []string            // ErrInsufficientScope: what the route wants
	MaxAge     time.Duration       // ErrFreshTokenRequired: how recent the authentication must be
	RetryAfter time.Duration       // ErrRateLimited, ErrOverloaded, ErrStoreUnavailable: when to come again
	Limit      *ratelimit.Decision // ErrRateLimited: the limit that was met
	Cause      error               // for the log, never for the client
}

// FieldError says what is wrong with one member of a request body.
type FieldError struct {
	Field  string `json:"field"`
	Code   string `json:"code"`
	Detail string `json:"detail"`
}

// The errors that requests end with. Each is a value to compare with; [Error.WithDetail] and
// [Error.Because] make the one that is returned.
var (
	ErrMalformedRequest = refusal("malformed_request", http.StatusBadRequest,
		"The request is not what this route takes.")
	ErrValidation = refusal("validation_failed", http.StatusUnprocessableEntity,
		"Some values do not fit; errors lists them.")
	ErrTokenMissing = refusal("token_missing", http.StatusUnauthorized,
		"Send an access token: Authorization: Bearer <token>.")
	ErrTokenInvalid = refusal("token_invalid", http.StatusUnauthorized,
		"The access token is not valid here. Log in to get another.")
	ErrTokenExpired = refusal("token_expired", http.StatusUnauthorized,
		"The access token has expired. Refresh it.")
	ErrTokenRevoked = refusal("token_revoked", http.StatusUnauthorized,
		"The access token has been revoked. Refresh it, or log in again.")
	ErrFreshTokenRequired = refusal("fresh_token_required", http.StatusUnauthorized,
		"This needs a recent login. Reauthenticate and try again.")
	ErrInvalidCredentials = refusal("invalid_credentials", http.StatusUnauthorized,
		"The user name or the password is wrong.")
	ErrRefreshTokenInvalid = refusal("refresh_token_invalid", http.StatusUnauthorized,
		"The refresh token is not valid. Log in again.")
	ErrRefreshTokenExpired = refusal("refresh_token_expired", http.StatusUnauthorized,
		"The session has expired. Log in again.")
	ErrRefreshTokenReused = refusal("refresh_token_reused", http.StatusUnauthorized,
		"The refresh token had been used before, so the session has been ended. Log in again.")
	ErrInsufficientScope = refusal("insufficient_scope", http.StatusForbidden,
		"The access token lacks a scope that this route wants.")
	ErrInsufficientRole = refusal("insufficient_role", http.StatusForbidden,
		"Your account has no role that may do this.")
	ErrNotOwner = refusal("not_owner", http.StatusForbidden,
		"This belongs to somebody else.")
	ErrCrossOrigin = refusal("cross_origin", http.StatusForbidden,
		"A cookie does not authenticate a request from another origin.")
	ErrNotFound = refusal("not_found", http.StatusNotFound,
		"There is nothing here by that name.")
	ErrTooLarge = refusal("too_large", http.StatusRequestEntityTooLarge,
		"The body is larger than this route takes.")
	ErrUnsupportedMediaType = refusal("unsupported_media_type", http.StatusUnsupportedMediaType,
		"Send JSON: Content-Type: application/json.")
	ErrRateLimited = refusal("rate_limited", http.StatusTooManyRequests,
		"Too many attempts. Wait as long as Retry-After says.")
	ErrInternal = refusal("internal", http.StatusInternalServerError,
		"Something went wrong on our side. The log has it under this request_id.")
	ErrOverloaded = refusal("overloaded", http.StatusServiceUnavailable,
		"The server is busy. Wait as long as Retry-After says.").after(2 * time.Second)
	ErrStoreUnavailable = refusal("store_unavailable", http.StatusServiceUnavailable,
		"The store cannot be reached. Wait as long as Retry-After says.").after(2 * time.Second)

	// ErrSubjectDisabled is for [Config.Authorize] to return: the subject is gone or may have no
	// tokens.
	ErrSubjectDisabled = errors.New("hallpass: subject is gone or disabled")
)

func refusal(code string, status int, detail string) *Error {
	return &Error{Code: code, Status: status, Detail: detail}
}

func (e *Error) after(d time.Duration) *Error {
	e.RetryAfter = d
	return e
}

// Error implements error. It holds the cause, so it is for logs.
func (e *Error) Error() string {
	if e.Cause != nil {
		return e.Code + ": " + e.Cause.Error()
	}
	return e.Code
}

// Unwrap returns the cause.
func (e *Error) Unwrap() error { return e.Cause }

// Is reports whether target is an [Error] of the same code.
func (e *Error) Is(target error) bool {
	t, ok := target.(*Error)
	return ok && t.Code == e.Code
}

// WithDetail returns a copy of e with another text for people.
func (e *Error) WithDetail(detail string) *Error {
	c := *e
	c.Detail = detail
	return &c
}

// Because returns a copy of e with its cause.
func (e *Error) Because(cause error) *Error {
	c := *e
	c.Cause = cause
	return &c
}

// asError returns the [Error] that err is or wraps, with err as its cause; [ErrInternal] for any
// other.
func asError(err error) *Error {
	if e, ok := errors.AsType[*Error](err); ok && e.Status >= 400 && e.Status <= 599 {
		if error(e) == err {
			return e
		}
		return e.Because(err)
	}
	if refused, ok := errors.AsType[*ratelimit.Refused](err); ok {
		e := ErrRateLimited.Because(err)
		e.RetryAfter, e.Limit = refused.RetryAfter, &refused.Decision
		return e
	}
	if errors.Is(err, ratelimit.ErrUnavailable) {
		return ErrStoreUnavailable.Because(err)
	}
	if wrong, ok := errors.AsType[*page.Error](err); ok {
		return InvalidFields(FieldError{Field: wrong.Parameter, Code: "invalid", Detail: wrong.Error()})
	}
	return ErrInternal.Because(err)
}

// refusals maps each error of the codec to its [Error]. There are a few dozen of them, all made in
// advance.
var refusals sync.Map // *jwt.Error → *Error

// tokenError turns an error of the codec into what a client is told: expired, or just invalid,
// since the details would only help a forger. It does not allocate, so that refusing is cheap.
func tokenError(err error) *Error {
	detailed, known := err.(*jwt.Error)
	if !known {
		if errors.Is(err, jwk.ErrUnavailable) {
			return ErrStoreUnavailable.Because(err)
		}
		return ErrTokenInvalid.Because(err)
	}
	if e, made := refusals.Load(detailed); made {
		return e.(*Error)
	}
	e := ErrTokenInvalid.Because(err)
	if detailed.Kind == jwt.ErrExpired {
		e = ErrTokenExpired.Because(err)
	}
	refusals.Store(detailed, e)
	return e
}

// bodyError turns an error of reading a JSON body into what a client is told.
func bodyError(err error) *Error {
	if _, ok := errors.AsType[*http.MaxBytesError](err); ok {
		return ErrTooLarge.Because(err)
	}
	if syntax, ok := errors.AsType[*jose.SyntaxError](err); ok {
		return ErrMalformedRequest.WithDetail(
			"The body is not one JSON object as this API takes it: " + syntax.Problem + ".",
		)
	}
	if fields, ok := errors.AsType[jose.FieldErrors](err); ok {
		return InvalidFields(fieldErrors(fields)...)
	}
	return ErrMalformedRequest.Because(err)
}

// InvalidFields returns [ErrValidation] with what is wrong with each member.
func InvalidFields(fields ...FieldError) *Error {
	e := *ErrValidation
	e.Fields = fields
	return &e
}

func fieldErrors(in jose.FieldErrors) []FieldError {
	out := make([]FieldError, len(in))
	for i, f := range in {
		out[i] = FieldError(f)
	}
	return out
}
