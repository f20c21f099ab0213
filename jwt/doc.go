// Package jwt signs and verifies JSON Web Tokens in compact form (RFC 7515, 7519, 8725, 9068).
//
// There is no way to read a token without verifying it, no "none", no JWE, and no switch that turns a
// check off. A [Profile] says what an issuer writes in another way than RFC 9068. Most programs use
// package hallpass instead, which adds sessions, revocation and HTTP to what is here.
package jwt
