// Package issuers has the issuers that most APIs take access tokens from, each as a value for
// [hallpass.VerifierConfig]:
//
//	verifier, err := hallpass.NewVerifier[struct{}](hallpass.VerifierConfig{
//		Issuers: []hallpass.TrustedIssuer{issuers.Keycloak("https://id.example.com/realms/shop", "orders")},
//	})
//
// Each one accepts the tokens that its issuer makes for your API and refuses its other tokens, such
// as ID tokens where access tokens are meant, and those that are bound to a key. The comment on each
// says what it gives up of RFC 9068. None gives up these: the algorithm is the one of the key, which
// was fixed when the set of keys was read; "iss" and the audience are compared exactly; "exp", "iat"
// and "sub" must be there; and a token lives at most 24 hours, or less where the comment says so.
//
// The values can be changed before they are used: Tokens.Keys.Algorithms for an issuer that signs
// with another algorithm, Tokens.MaxLifetime for one whose tokens live longer, Tokens.Roles for a
// claim of yours, Tokens.Values for what your API wants to be there, and Remote for how the keys
// are fetched.
package issuers

import (
	"strings"
	"time"

	"github.com/hallpass-go/hallpass"
	"github.com/hallpass-go/hallpass/jwk"
	"github.com/hallpass-go/hallpass/jwt"
)

// rs256 reads the sets of issuers that sign with RS256 alone. Some of their keys have no "alg".
func rs256() jwk.SetOptions {
	return jwk.SetOptions{
		Algorithms: []jwk.Algorithm{jwk.RS256}, Default: jwk.RS256, AllowSameID: true,
	}
}

// bound is the claim of tokens that are bound to a key (RFC 7800, RFC 8705, RFC 9449). Whoever
// sends one must prove to have the key, which nothing here checks.
const bound = "cnf"

// notOfAccessTokens returns claims that ID tokens have and access tokens do not (OpenID Connect
// Core 1.0 §2), and that of tokens that are bound to a key.
func notOfAccessTokens() []string { return []string{"nonce", "at_hash", "c_hash", bound} }

// Hallpass returns an issuer that writes its tokens as RFC 9068 says: hallpass serve, or a program
// with [hallpass.Auth]. It gives up nothing.
func Hallpass(issuer, audience string) hallpass.TrustedIssuer {
	return hallpass.TrustedIssuer{Issuer: issuer, Audience: audience}
}

// Auth0 returns the issuer of an Auth0 tenant, for access tokens of an API. Domain is the tenant's,
// such as "shop.eu.auth0.com", or its custom domain; audience is the API's identifier. The keys are
// RS256.
//
// It gives up: "typ" may be JWT, which says nothing about the kind of token (the audience does: an
// ID token is for a client, never for an API), and there may be no "jti". Scopes come from "scope".
// Permissions, which Auth0 adds to "permissions" if the API's RBAC setting says so, are the roles.
func Auth0(domain, audience string) hallpass.TrustedIssuer {
	return hallpass.TrustedIssuer{
		Issuer: "https://" + domain + "/", Audience: audience,
		Tokens: &jwt.Profile{
			Types: []string{"JWT", "at+jwt"}, Keys: rs256(),
			Client: []string{"azp", "client_id"}, Scopes: []string{"scope"}, Roles: []string{"permissions"},
			Forbidden: notOfAccessTokens(),
		},
	}
}

const entraHost = "https://login.microsoftonline.com/"

// Entra returns the issuer of one tenant of Microsoft Entra ID, for access tokens of version 2.0.
// Tenant is its ID (a UUID, not "common" or a domain); audience is the API's application ID, or the
// URI that its manifest says. The keys are RS256; Entra publishes them without "alg".
//
// It gives up: "typ" is JWT. Since an ID token can have the same audience, "azp" must be there and
// the claims of ID tokens must not. The token's ID is "uti". Scopes come from "scp", roles from
// "roles". A token of version 1.0 is refused: see [EntraV1].
func Entra(tenant, audience string) hallpass.TrustedIssuer {
	t := hallpass.TrustedIssuer{
		Issuer: entraHost + tenant + "/v2.0", Audience: audience, Tokens: entraProfile("2.0", "azp", tenant),
	}
	t.Tokens.Keys.Issuer = t.Issuer // the keys of personal accounts have another one
	return t
}

// EntraV1 is [Entra] for access tokens of version 1.0, which a tenant issues unless the manifest of
// the API sets requestedAccessTokenVersion to 2. Audience is mostly the application ID URI
// ("api://…"). It gives up the same; the client is in "appid".
func EntraV1(tenant, audience string) hallpass.TrustedIssuer {
	return hallpass.TrustedIssuer{
		Issuer: "https://sts.windows.net/" + tenant + "/", Audience: audience,
		Tokens: entraProfile("1.0", "appid", tenant),
		Remote: jwk.RemoteConfig{MetadataURL: entraHost + tenant + "/.well-known/openid-configuration"},
	}
}

// EntraAnyTenant is [Entra] for every tenant: whoever has a Microsoft account for work or school
// gets in, from any organisation, and so does everybody whom an administrator of any tenant lets
// in. The token's own tenant must be the one in its issuer; which tenants are your customers is for
// you to check, by [jwt.Claims.Issuer]. Personal accounts are refused. If you know the tenants,
// list an [Entra] for each of them instead.
func EntraAnyTenant(audience string) hallpass.TrustedIssuer {
	t := hallpass.TrustedIssuer{
		Issuer: entraHost + jwt.TenantPlace + "/v2.0", Audience: audience,
		Tokens:  entraProfile("2.0", "azp", ""),
		KeysURL: entraHost + "organizations/discovery/v2.0/keys",
	}
	t.Tokens.Tenant = "tid"
	t.Tokens.Keys.Issuer = t.Issuer
	return t
}

func entraProfile(version, client, tenant string) *jwt.Profile {
	values := map[string][]string{"ver": {version}}
	if tenant != "" {
		values["tid"] = []string{tenant}
	}
	return &jwt.Profile{
		Types: []string{"JWT"}, Keys: rs256(), ID: "uti", Session: "sid",
		Client: []string{client}, Scopes: []string{"scp"}, Roles: []string{"roles"},
		Required: []string{client}, Forbidden: notOfAccessTokens(), Values: values,
	}
}

// CognitoAccess returns the issuer of an Amazon Cognito user pool, for access tokens of one app
// client. Region is as in "eu-central-1", pool the user pool's ID, clientID the app client's. The
// keys are RS256.
//
// It gives up: there is no "typ" and no "aud". Who the token is for is "client_id", and "token_use"
// must be access. A token with "aud", which is for a resource server, is refused. The session is
// "origin_jti", which all tokens of one sign-in share. Scopes come from "scope", roles from
// "cognito:groups".
func CognitoAccess(region, pool, clientID string) hallpass.TrustedIssuer {
	return hallpass.TrustedIssuer{
		Issuer: cognitoIssuer(region, pool), Audience: clientID,
		Tokens: &jwt.Profile{
			Types: []string{""}, Keys: rs256(), Audience: "client_id", Session: "origin_jti",
			Client: []string{"client_id"}, Scopes: []string{"scope"}, Roles: []string{"cognito:groups"},
			Values: map[string][]string{"token_use": {"access"}},
		},
	}
}

// CognitoID is [CognitoAccess] for ID tokens, which API Gateway and many front ends send:
// "token_use" must be id, and "aud" the app client. It gives up "typ", and has no scopes.
func CognitoID(region, pool, clientID string) hallpass.TrustedIssuer {
	return hallpass.TrustedIssuer{
		Issuer: cognitoIssuer(region, pool), Audience: clientID,
		Tokens: &jwt.Profile{
			Types: []string{""}, Keys: rs256(), OneAudience: true, Session: "origin_jti",
			Roles: []string{"cognito:groups"}, Values: map[string][]string{"token_use": {"id"}},
		},
	}
}

func cognitoIssuer(region, pool string) string {
	return "https://cognito-idp." + region + ".amazonaws.com/" + pool
}

// Keycloak returns the issuer of a Keycloak realm, for access tokens. Realm is its URL, such as
// "https://id.example.com/realms/shop"; audience is the client ID of your API, which a client scope
// with an audience mapper must put into "aud". The keys are RS256.
//
// It gives up: the header's "typ" may be JWT; the claim "typ" must be Bearer, so ID tokens, refresh
// tokens and tokens bound to a key (DPoP) are refused. Scopes come from "scope"; roles are those of
// the realm and those of your API's client, together.
func Keycloak(realm, audience string) hallpass.TrustedIssuer {
	return hallpass.TrustedIssuer{
		Issuer: realm, Audience: audience,
		Tokens: &jwt.Profile{
			Types: []string{"JWT", "at+jwt"}, Keys: rs256(), Session: "sid", Client: []string{"azp", "client_id"},
			Scopes: []string{"scope"},
			Roles:  []string{"/realm_access/roles", "/resource_access/" + pointerName(audience) + "/roles"},
			Values: map[string][]string{"typ": {"Bearer"}}, Forbidden: []string{bound},
		},
	}
}

// pointerName escapes a name for a JSON Pointer (RFC 6901 §3).
func pointerName(name string) string { return strings.NewReplacer("~", "~0", "/", "~1").Replace(name) }

// Okta returns an authorization server of Okta, for access tokens. Issuer is its URL, such as
// "https://dev-1.okta.com/oauth2/default"; audience is its audience. (The tokens of the org
// authorization server, whose URL is the domain alone, are for Okta itself.) The keys are RS256.
//
// It gives up: there is no "typ". "cid" must be there and the claims of ID tokens must not. Scopes
// come from "scp", roles from "groups", which is there if you add it. The subject is a user's
// login, which can change hands; the ID is in "uid", which applications lack.
func Okta(issuer, audience string) hallpass.TrustedIssuer {
	return hallpass.TrustedIssuer{
		Issuer: issuer, Audience: audience,
		Tokens: &jwt.Profile{
			Types: []string{""}, Keys: rs256(), Client: []string{"cid"}, Scopes: []string{"scp"},
			Roles: []string{"groups"}, Required: []string{"cid"}, Forbidden: notOfAccessTokens(),
		},
	}
}

// Firebase returns the issuer of a Firebase project, for the ID tokens of Firebase Authentication,
// which are what its clients send to an API. Project is its ID. The keys are RS256, and a token
// lives at most 2 hours (Firebase says 1).
//
// It gives up: "typ" is JWT, and there is no "jti". "auth_time" and how somebody signed in
// ("firebase") must be there, so neither a custom token nor another token of Google passes. There
// are no scopes and no roles; custom claims decode into T. Session cookies are refused: they have
// another issuer.
func Firebase(project string) hallpass.TrustedIssuer {
	return hallpass.TrustedIssuer{
		Issuer: "https://securetoken.google.com/" + project, Audience: project,
		Tokens: &jwt.Profile{
			Types: []string{"JWT"}, Keys: rs256(), OneAudience: true,
			Required: []string{"auth_time", "/firebase/sign_in_provider"}, MaxLifetime: 2 * time.Hour,
		},
	}
}

// Google returns Google as an issuer, for the ID tokens of Sign in with Google and of service
// accounts. ClientID is yours. The keys are RS256, and a token lives at most 2 hours (Google says
// 1).
//
// It gives up: "typ" is JWT, and there may be no "jti". Everybody with a Google account can have
// such a token: Tokens.Values["hd"] limits it to your organisation's domain. There are no scopes
// and no roles. The subject is the account; "email" can change hands.
func Google(clientID string) hallpass.TrustedIssuer {
	return hallpass.TrustedIssuer{
		Issuer: "https://accounts.google.com", Audience: clientID,
		Tokens: &jwt.Profile{
			Types: []string{"JWT"}, Keys: rs256(), OneAudience: true,
			Values: map[string][]string{}, MaxLifetime: 2 * time.Hour,
		},
	}
}

// Supabase returns the issuer of a Supabase project, for the access tokens of its users. Project is
// its URL, such as "https://abc.supabase.co". The keys are ES256 or RS256: a project that still
// signs with the legacy secret (HS256) publishes no keys.
//
// It gives up: "typ" is JWT, there is no "jti", and the audience is "authenticated" in every
// project, so the issuer alone says whose token it is. "role" must be authenticated, which refuses
// the project's anon and service_role keys; it is the only role. Anonymous users have
// "is_anonymous": read it into T. Never decide by "user_metadata", which users write themselves.
func Supabase(project string) hallpass.TrustedIssuer {
	issuer := strings.TrimSuffix(project, "/") + "/auth/v1"
	return hallpass.TrustedIssuer{
		Issuer: issuer, Audience: "authenticated", KeysURL: issuer + "/.well-known/jwks.json",
		Tokens: &jwt.Profile{
			Types: []string{"JWT"},
			Keys: jwk.SetOptions{
				Algorithms: []jwk.Algorithm{jwk.ES256, jwk.RS256}, Default: jwk.RS256, AllowSameID: true,
			},
			OneAudience: true, Session: "session_id", Client: []string{"client_id"}, Roles: []string{"role"},
			Values: map[string][]string{"role": {"authenticated"}},
		},
	}
}

// GitHubActions returns GitHub as the issuer of the tokens that a job of GitHub Actions asks for
// ("id-token: write"). Owner is the user or organisation whose repositories may call; audience is
// what the job asks for. Any repository of anybody can have a token for your audience, so the owner
// is checked; Tokens.Values narrows it to a repository, an environment or a workflow
// (Values["repository"] = {"octo/app"}). The keys are RS256, and a token lives at most 1 hour.
//
// It gives up: "typ" is JWT. There are no scopes and no roles; the subject says repository and
// branch. The name of an owner can be taken by somebody else after it was given up:
// Values["repository_owner_id"] cannot.
func GitHubActions(owner, audience string) hallpass.TrustedIssuer {
	return hallpass.TrustedIssuer{
		Issuer: "https://token.actions.githubusercontent.com", Audience: audience,
		Tokens: &jwt.Profile{
			Types: []string{"JWT"}, Keys: rs256(), OneAudience: true, Required: []string{"repository"},
			Values: map[string][]string{"repository_owner": {owner}}, MaxLifetime: time.Hour,
		},
	}
}

// Kubernetes returns a cluster as the issuer of the projected tokens of its service accounts.
// Issuer is what the API server's --service-account-issuer says; audience is the one in the pod's
// volume (serviceAccountToken.audience), and should be your API's own. The keys are RS256 or ES256.
// Inside the cluster set Remote.AllowPrivate and Remote.RootCAs; the API server answers a discovery
// without credentials if the role system:service-account-issuer-discovery is given to
// system:unauthenticated. Or give Keys a set that was read from a file.
//
// It gives up: there is no "typ", and there may be no "jti". The namespace and the name of the
// service account must be there. Tokens of the old kind, which never end, are refused.
func Kubernetes(issuer, audience string) hallpass.TrustedIssuer {
	return hallpass.TrustedIssuer{
		Issuer: issuer, Audience: audience,
		Tokens: &jwt.Profile{
			Types: []string{""},
			Keys: jwk.SetOptions{
				Algorithms: []jwk.Algorithm{jwk.RS256, jwk.ES256}, Default: jwk.RS256, AllowSameID: true,
			},
			Required: []string{"/kubernetes.io/namespace", "/kubernetes.io/serviceaccount/name"},
		},
	}
}
