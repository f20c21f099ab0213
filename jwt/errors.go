package jwt

import "errors"

// What is wrong with a token. Errors of [Verifier.Verify] wrap one of these, or jwk.ErrUnavailable.
var (
	ErrMalformed   = errors.New("jwt: malformed token")
	ErrKey         = errors.New("jwt: no such key")
	ErrAlgorithm   = errors.New("jwt: algorithm is not the key's")
	ErrType        = errors.New("jwt: wrong type of token")
	ErrSignature   = errors.New("jwt: signature does not verify")
	ErrClaims      = errors.New("jwt: claims missing or of the wrong type")
	ErrExpired     = errors.New("jwt: expired")
	ErrNotYetValid = errors.New("jwt: not valid yet")
	ErrIssuer      = errors.New("jwt: wrong issuer")
	ErrAudience    = errors.New("jwt: wrong audience")
)

// Error says what is wrong in more words. It never holds anything of the token. All are made
// beforehand, since refusing must be cheap.
type Error struct {
	Kind   error  // one of the variables above
	Detail string // for people
}

// Error implements error.
func (e *Error) Error() string { return e.Kind.Error() + ": " + e.Detail }

// Unwrap returns Kind.
func (e *Error) Unwrap() error { return e.Kind }

var (
	errLength        = &Error{ErrMalformed, "it is empty or longer than 8192 bytes"}
	errSegments      = &Error{ErrMalformed, "it does not have three segments"}
	errUnsigned      = &Error{ErrSignature, "it has no signature"}
	errHeaderBase64  = &Error{ErrMalformed, "the header is not base64url in its one form"}
	errHeaderJSON    = &Error{ErrMalformed, "the header is not a JSON object without duplicates"}
	errPayloadBase64 = &Error{ErrMalformed, "the payload is not base64url in its one form"}
	errPayloadJSON   = &Error{ErrMalformed, "the payload is not a JSON object without duplicates"}
	errSigBase64     = &Error{ErrMalformed, "the signature is not base64url in its one form"}
	errHeaderType    = &Error{ErrMalformed, "alg, kid or typ is not a string, or missing"}
	errExtension     = &Error{ErrMalformed, "the header asks for an extension: crit, b64, zip or enc"}
	errUnknownKey    = &Error{ErrKey, "its kid names no key of the set"}
	errAlgorithm     = &Error{ErrAlgorithm, "its alg is not the one of its key"}
	errType          = &Error{ErrType, "its typ is not the expected one"}
	errSignature     = &Error{ErrSignature, "the signature does not verify with the key"}
	errIssClaim      = &Error{ErrClaims, "iss is missing or not a plain string"}
	errSubClaim      = &Error{ErrClaims, "sub is missing or not a plain string"}
	errAudClaim      = &Error{ErrClaims, "aud is missing or not a string or an array of strings"}
	errExpClaim      = &Error{ErrClaims, "exp is missing or not a date"}
	errNbfClaim      = &Error{ErrClaims, "nbf is not a date"}
	errIatClaim      = &Error{ErrClaims, "iat is missing or not a date"}
	errJtiClaim      = &Error{ErrClaims, "jti is missing or not a plain string"}
	errClientClaim   = &Error{ErrClaims, "client_id is not a plain string"}
	errSidClaim      = &Error{ErrClaims, "sid is not a plain string"}
	errAuthTimeClaim = &Error{ErrClaims, "auth_time is not a date"}
	errSequenceClaim = &Error{ErrClaims, "rev_seq is not a whole number"}
	errScopeClaim    = &Error{ErrClaims, "scope is not scopes with a space between"}
	errRolesClaim    = &Error{ErrClaims, "roles is not an array of plain strings"}
	errOneAudience   = &Error{ErrClaims, "aud names several audiences"}
	errCustom        = &Error{ErrClaims, "a claim of the application is not of its type"}
	errLifetime      = &Error{ErrClaims, "it lives longer than a token may"}
	errExpired       = &Error{ErrExpired, "exp has passed"}
	errNotBefore     = &Error{ErrNotYetValid, "nbf has not come"}
	errIssuedAt      = &Error{ErrNotYetValid, "iat has not come"}
	errIssuer        = &Error{ErrIssuer, "iss is not the expected one"}
	errAudience      = &Error{ErrAudience, "aud does not hold the expected one"}
)
