// Package jwt signs and verifies JSON Web Tokens in compact form (RFC 7515, 7519, 8725, 9068).
//
// There is no way to read a token without verifying it, no "none", no JWE, and no switch
// that turns a check off. Most programs use package hallpass instead, which adds sessions,
// revocation and HTTP to what is here.
package jwt

import (
	"time"
)

// TypeAccess is the type of an access token (RFC 9068 §2.1).
const TypeAccess = "at+jwt"

// Claims are the registered claims of an access token: RFC 7519 §4.1 and RFC 9068 §2.2, with the
// session ("sid") and the roles. Times have the resolution of a second when signed; a fraction is read and kept.
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
	Scopes    []string  // scope, split at its spaces
	Roles     []string  // roles
}
