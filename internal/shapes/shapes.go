// Package shapes has access tokens of the issuers of package issuers, in the shapes that those
// document, and what each verifier must read in them. It is for tests.
package shapes

import (
	"maps"
	"time"

	"github.com/hallpass-go/hallpass"
	"github.com/hallpass-go/hallpass/issuers"
	"github.com/hallpass-go/hallpass/jwk"
)

// Members are those of a header or of a payload.
type Members = map[string]any

// Shape is one kind of token.
type Shape struct {
	Name      string
	Trusted   hallpass.TrustedIssuer // without keys
	Algorithm jwk.Algorithm
	Header    Members // without alg and kid
	Claims    Members
	Want      Want
	// Misses change the token into one of another kind, of somebody else, or of the wrong form.
	Misses map[string]func(header, claims Members)
}

// Want is what a verifier must read.
type Want struct {
	Subject, ID, Session, Client string
	Scopes, Roles                []string
}

// The identifiers of the examples. All are invented.
const (
	Tenant      = "11111111-2222-3333-4444-555555555555"
	OtherTenant = "99999999-2222-3333-4444-555555555555"
	api         = "6a6b6c6d-7777-8888-9999-00000000000e"
	user        = "0a1b2c3d-0000-4000-8000-000000000001"
	entra       = "https://login.microsoftonline.com/"
	cognito     = "https://cognito-idp.eu-central-1.amazonaws.com/eu-central-1_AbCdEfGhI"
	google      = "https://accounts.google.com"
	supabase    = "https://abcdefgh.supabase.co/auth/v1"
	realm       = "https://id.example.com/realms/shop"
	okta        = "https://shop.okta.com/oauth2/default"
	cluster     = "https://kubernetes.default.svc.cluster.local"
)

// set returns a miss that sets a claim.
func set(name string, value any) func(Members, Members) {
	return func(_, claims Members) { claims[name] = value }
}

// drop returns a miss that removes a claim.
func drop(name string) func(Members, Members) {
	return func(_, claims Members) { delete(claims, name) }
}

// typ returns a miss that sets the type in the header.
func typ(value any) func(Members, Members) {
	return func(header, _ Members) { header["typ"] = value }
}

// timed adds the times of a token that was made a moment before now and lives as long as life.
func timed(now time.Time, life time.Duration, claims Members) Members {
	issued := now.Unix() - 10
	claims["iat"], claims["exp"] = issued, issued+int64(life.Seconds())
	return claims
}

// with returns a shape that differs from s in its name and in what change does.
func (s Shape) with(name string, change func(*Shape)) Shape {
	s.Name, s.Header, s.Claims = name, maps.Clone(s.Header), maps.Clone(s.Claims)
	change(&s)
	return s
}

// All returns the shapes of all issuers, for tokens that are valid now.
func All(now time.Time) []Shape {
	var all []Shape
	for _, of := range []func(time.Time) []Shape{
		auth0, entraV2, entraV1, cognitoPool, keycloak, oktaServer, firebase, googleAccount, supabaseProject,
		github, kubernetes, hallpassServer,
	} {
		all = append(all, of(now)...)
	}
	return all
}

func auth0(now time.Time) []Shape {
	s := Shape{
		Name: "Auth0", Trusted: issuers.Auth0("shop.eu.auth0.com", "https://orders.example.com"),
		Algorithm: jwk.RS256, Header: Members{"typ": "JWT"},
		Claims: timed(now, 24*time.Hour, Members{
			"iss": "https://shop.eu.auth0.com/", "sub": "auth0|507f1f77bcf86cd799439020",
			"aud":   []string{"https://orders.example.com", "https://shop.eu.auth0.com/userinfo"},
			"scope": "openid profile read:orders", "azp": "my_client_id", "gty": "password",
			"permissions":                 []string{"read:orders", "delete:orders"},
			"https://shop.example/region": "eu",
		}),
		Want: Want{
			Subject: "auth0|507f1f77bcf86cd799439020", Client: "my_client_id",
			Scopes: []string{"openid", "profile", "read:orders"}, Roles: []string{"read:orders", "delete:orders"},
		},
		Misses: map[string]func(Members, Members){
			"an ID token":              func(_, c Members) { c["aud"], c["nonce"] = "my_client_id", "n" },
			"an ID token for the API":  set("nonce", "n-0S6_WzA2Mj"),
			"one with at_hash":         set("at_hash", "77QmUPtjPfzWtF2AnpK9RQ"),
			"another tenant":           set("iss", "https://other.eu.auth0.com/"),
			"another region":           set("iss", "https://shop.us.auth0.com/"),
			"the management API":       set("aud", "https://shop.eu.auth0.com/api/v2/"),
			"permissions as an object": set("permissions", Members{"read:orders": true}),
			"two clients":              set("client_id", "another_client"),
			"bound to a key":           set("cnf", Members{"jkt": "0ZcOCORZNYy"}),
			"no type":                  func(h, _ Members) { delete(h, "typ") },
		},
	}
	rfc9068 := s.with("Auth0, as RFC 9068", func(s *Shape) {
		s.Header["typ"] = "at+jwt"
		s.Claims["client_id"], s.Claims["jti"] = "my_client_id", "fdBvSMgNtUNQbKqkJPSi5X"
		delete(s.Claims, "azp")
		s.Claims["aud"] = "https://orders.example.com"
		s.Want.ID = "fdBvSMgNtUNQbKqkJPSi5X"
		s.Misses = maps.Clone(s.Misses)
		s.Misses["two clients"] = set("azp", "another_client")
	})
	return []Shape{s, rfc9068}
}

func entraV2(now time.Time) []Shape {
	s := Shape{
		Name: "Entra ID", Trusted: issuers.Entra(Tenant, api), Algorithm: jwk.RS256,
		Header: Members{"typ": "JWT", "x5t": "nOo3ZDrODXEK1jKWhXslHR_KXEg"},
		Claims: timed(now, 75*time.Minute, Members{
			"iss": entra + Tenant + "/v2.0", "aud": api, "nbf": now.Unix() - 10, "aio": "AXQAi/8IAAAA",
			"azp": "0a1b2c3d-1111-4000-8000-00000000000a", "azpacr": "0", "name": "Ada Byron",
			"oid": "0a1b2c3d-2222-4000-8000-00000000000b", "preferred_username": "ada@shop.example",
			"rh": "I", "scp": "Orders.Read Orders.Write", "roles": []string{"Clerk"},
			"sid": "0a1b2c3d-3333-4000-8000-00000000000c", "sub": "HKZpfaHyWadeOouYlitjrI-KffTm222X5rrV3xDqfKQ",
			"tid": Tenant, "uti": "fqiBqXLPj0eQa82S-IYFAA", "ver": "2.0",
		}),
		Want: Want{
			Subject: "HKZpfaHyWadeOouYlitjrI-KffTm222X5rrV3xDqfKQ", ID: "fqiBqXLPj0eQa82S-IYFAA",
			Session: "0a1b2c3d-3333-4000-8000-00000000000c", Client: "0a1b2c3d-1111-4000-8000-00000000000a",
			Scopes: []string{"Orders.Read", "Orders.Write"}, Roles: []string{"Clerk"},
		},
		Misses: map[string]func(Members, Members){
			"another tenant": set("iss", entra+OtherTenant+"/v2.0"),
			"another tid":    set("tid", OtherTenant),
			"no tid":         drop("tid"),
			"another tenant in both": func(_, c Members) {
				c["iss"], c["tid"] = entra+OtherTenant+"/v2.0", OtherTenant
			},
			"an ID token":             func(_, c Members) { delete(c, "azp"); delete(c, "scp"); c["nonce"] = "n" },
			"an ID token of no nonce": drop("azp"),
			"an ID token with azp":    set("nonce", "n"),
			"a hash of a code":        set("c_hash", "x"),
			"version 1.0":             set("ver", "1.0"),
			"a v1 token": func(_, c Members) {
				c["iss"], c["ver"], c["appid"] = "https://sts.windows.net/"+Tenant+"/", "1.0", c["azp"]
				delete(c, "azp")
			},
			"bound to a key":   set("cnf", Members{"jkt": "0ZcOCORZNYy"}),
			"no version":       drop("ver"),
			"version a number": set("ver", 2.0),
			"roles an object":  set("roles", Members{"Clerk": true}),
			"personal account": func(_, c Members) {
				c["tid"] = "9188040d-6c67-4c5b-b112-36a304b66dad"
				c["iss"] = entra + "9188040d-6c67-4c5b-b112-36a304b66dad/v2.0"
			},
		},
	}
	appOnly := s.with("Entra ID, an application", func(s *Shape) {
		for _, name := range []string{"scp", "name", "preferred_username", "sid"} {
			delete(s.Claims, name)
		}
		s.Claims["idtyp"], s.Claims["azpacr"] = "app", "1"
		s.Want.Session, s.Want.Scopes = "", nil
	})
	anyTenant := s.with("Entra ID, any tenant", func(s *Shape) {
		s.Trusted = issuers.EntraAnyTenant(api)
		s.Claims["iss"], s.Claims["tid"] = entra+OtherTenant+"/v2.0", OtherTenant
		s.Misses = maps.Clone(s.Misses)
		delete(s.Misses, "personal account")       // which is refused by the key's issuer
		delete(s.Misses, "another tenant in both") // which is somebody's own tenant
		s.Misses["another tenant"] = set("iss", entra+Tenant+"/v2.0")
		s.Misses["another tid"] = set("tid", Tenant)
		s.Misses["the template"] = set("iss", entra+"{tenantid}/v2.0")
		s.Misses["common"] = func(_, c Members) { c["iss"], c["tid"] = entra+"common/v2.0", "common" }
	})
	return []Shape{s, appOnly, anyTenant}
}

func entraV1(now time.Time) []Shape {
	return []Shape{{
		Name: "Entra ID, v1", Trusted: issuers.EntraV1(Tenant, "api://orders"), Algorithm: jwk.RS256,
		Header: Members{"typ": "JWT", "x5t": "nOo3ZDrODXEK1jKWhXslHR_KXEg"},
		Claims: timed(now, 75*time.Minute, Members{
			"iss": "https://sts.windows.net/" + Tenant + "/", "aud": "api://orders", "nbf": now.Unix() - 10,
			"acr": "1", "amr": []string{"pwd"}, "appid": "0a1b2c3d-1111-4000-8000-00000000000a",
			"appidacr": "0", "family_name": "Byron", "ipaddr": "192.0.2.7", "name": "Ada Byron",
			"oid": "0a1b2c3d-2222-4000-8000-00000000000b", "scp": "user_impersonation",
			"sub": "HKZpfaHyWadeOouYlitjrI", "tid": Tenant, "unique_name": "ada@shop.example",
			"upn": "ada@shop.example", "uti": "fqiBqXLPj0eQa82S", "ver": "1.0",
		}),
		Want: Want{
			Subject: "HKZpfaHyWadeOouYlitjrI", ID: "fqiBqXLPj0eQa82S",
			Client: "0a1b2c3d-1111-4000-8000-00000000000a", Scopes: []string{"user_impersonation"},
		},
		Misses: map[string]func(Members, Members){
			"bound to a key":  set("cnf", Members{"jkt": "0ZcOCORZNYy"}),
			"another tenant":  set("iss", "https://sts.windows.net/"+OtherTenant+"/"),
			"another tid":     set("tid", OtherTenant),
			"no tid":          drop("tid"),
			"an ID token":     func(_, c Members) { delete(c, "appid"); delete(c, "scp"); c["nonce"] = "n" },
			"no client":       drop("appid"),
			"with a nonce":    set("nonce", "n"),
			"with at_hash":    set("at_hash", "x"),
			"version 2.0":     set("ver", "2.0"),
			"a v2 token":      func(_, c Members) { c["iss"], c["ver"] = entra+Tenant+"/v2.0", "2.0" },
			"no version":      drop("ver"),
			"the graph's":     set("aud", "https://graph.microsoft.com"),
			"the app's GUID":  set("aud", api),
			"scopes a number": set("scp", 7),
		},
	}}
}

func cognitoPool(now time.Time) []Shape {
	const client = "1example23456789"
	access := Shape{
		Name: "Cognito, access", Trusted: issuers.CognitoAccess("eu-central-1", "eu-central-1_AbCdEfGhI", client),
		Algorithm: jwk.RS256, Header: Members{},
		Claims: timed(now, time.Hour, Members{
			"iss": cognito, "sub": user, "cognito:groups": []string{"clerks", "eu"}, "version": 2,
			"client_id": client, "origin_jti": "0a1b2c3d-4444-4000-8000-00000000000d",
			"event_id": "0a1b2c3d-5555-4000-8000-00000000000e", "token_use": "access",
			"scope": "openid orders/read", "auth_time": now.Unix() - 10,
			"jti": "0a1b2c3d-6666-4000-8000-00000000000f", "username": "ada",
		}),
		Want: Want{
			Subject: user, ID: "0a1b2c3d-6666-4000-8000-00000000000f",
			Session: "0a1b2c3d-4444-4000-8000-00000000000d", Client: client,
			Scopes: []string{"openid", "orders/read"}, Roles: []string{"clerks", "eu"},
		},
		Misses: map[string]func(Members, Members){
			"an ID token": func(_, c Members) {
				delete(c, "client_id")
				c["aud"], c["token_use"] = client, "id"
			},
			"token_use id":       set("token_use", "id"),
			"no token_use":       drop("token_use"),
			"token_use a list":   set("token_use", []string{"access"}),
			"token_use Access":   set("token_use", "Access"),
			"another client":     set("client_id", "2example98765432"),
			"client only in aud": func(_, c Members) { delete(c, "client_id"); c["aud"] = client },
			"two clients":        set("client_id", []any{client, 1}),
			"another pool":       set("iss", "https://cognito-idp.eu-central-1.amazonaws.com/eu-central-1_ZzZzZzZzZ"),
			"another region":     set("iss", "https://cognito-idp.us-east-1.amazonaws.com/eu-central-1_AbCdEfGhI"),
			"a type":             typ("JWT"),
			"groups a number":    set("cognito:groups", 1),
			"another audience":   set("aud", "https://payments.example.com"),
		},
	}
	id := Shape{
		Name: "Cognito, ID", Trusted: issuers.CognitoID("eu-central-1", "eu-central-1_AbCdEfGhI", client),
		Algorithm: jwk.RS256, Header: Members{},
		Claims: timed(now, time.Hour, Members{
			"iss": cognito, "sub": user, "aud": client, "cognito:groups": []string{"clerks"},
			"email_verified": true, "cognito:username": "ada", "token_use": "id",
			"origin_jti": "0a1b2c3d-4444-4000-8000-00000000000d", "auth_time": now.Unix() - 10,
			"jti": "0a1b2c3d-6666-4000-8000-00000000000f", "email": "ada@shop.example",
		}),
		Want: Want{
			Subject: user, ID: "0a1b2c3d-6666-4000-8000-00000000000f",
			Session: "0a1b2c3d-4444-4000-8000-00000000000d", Roles: []string{"clerks"},
		},
		Misses: map[string]func(Members, Members){
			"an access token": func(_, c Members) {
				delete(c, "aud")
				c["client_id"], c["token_use"] = client, "access"
			},
			"token_use access": set("token_use", "access"),
			"no token_use":     drop("token_use"),
			"another client":   set("aud", "2example98765432"),
			"two audiences":    set("aud", []string{client, "2example98765432"}),
			"another pool":     set("iss", "https://cognito-idp.eu-central-1.amazonaws.com/eu-central-1_ZzZzZzZzZ"),
			"another region":   set("iss", "https://cognito-idp.us-east-1.amazonaws.com/eu-central-1_AbCdEfGhI"),
			"a type":           typ("JWT"),
			"groups an object": set("cognito:groups", Members{}),
		},
	}
	return []Shape{access, id}
}

func keycloak(now time.Time) []Shape {
	s := Shape{
		Name: "Keycloak", Trusted: issuers.Keycloak(realm, "orders"), Algorithm: jwk.RS256,
		Header: Members{"typ": "JWT"},
		Claims: timed(now, 5*time.Minute, Members{
			"auth_time": now.Unix() - 60, "jti": "onrtac:0a1b2c3d-7777-4000-8000-000000000010", "iss": realm,
			"aud": []string{"orders", "account"}, "sub": user, "typ": "Bearer", "azp": "web-app",
			"sid": "0a1b2c3d-8888-4000-8000-000000000011", "acr": "1",
			"allowed-origins": []string{"https://shop.example"},
			"realm_access":    Members{"roles": []string{"offline_access", "clerk"}},
			"resource_access": Members{
				"orders": Members{"roles": []string{"writer"}}, "account": Members{"roles": []string{"manage-account"}},
			},
			"scope": "openid email orders", "email_verified": true, "preferred_username": "ada",
		}),
		Want: Want{
			Subject: user, ID: "onrtac:0a1b2c3d-7777-4000-8000-000000000010",
			Session: "0a1b2c3d-8888-4000-8000-000000000011", Client: "web-app",
			Scopes: []string{"openid", "email", "orders"}, Roles: []string{"offline_access", "clerk", "writer"},
		},
		Misses: map[string]func(Members, Members){
			"bound to a key":             set("cnf", Members{"jkt": "0ZcOCORZNYy"}),
			"an ID token":                func(_, c Members) { c["typ"], c["aud"] = "ID", "web-app" },
			"an ID token for the API":    set("typ", "ID"),
			"a refresh token":            set("typ", "Refresh"),
			"an offline token":           set("typ", "Offline"),
			"a logout token":             set("typ", "Logout"),
			"a token bound to a key":     set("typ", "DPoP"),
			"no kind":                    drop("typ"),
			"a kind in another case":     set("typ", "bearer"),
			"another realm":              set("iss", "https://id.example.com/realms/other"),
			"the old path":               set("iss", "https://id.example.com/auth/realms/shop"),
			"audience account":           set("aud", "account"),
			"access to the realm a text": set("realm_access", "clerk"),
			"access to APIs a list":      set("resource_access", []string{"orders"}),
			"roles of the realm a text":  set("realm_access", Members{"roles": []any{"clerk", 1}}),
			"roles of the API a number":  set("resource_access", Members{"orders": Members{"roles": 1}}),
			"two clients":                set("client_id", "another"),
			"header of a logout token":   typ("logout+jwt"),
		},
	}
	rfc9068 := s.with("Keycloak, as RFC 9068, for one audience", func(s *Shape) {
		s.Header["typ"] = "at+jwt"
		s.Claims["aud"] = "orders"
		delete(s.Claims, "resource_access")
		s.Want.Roles = []string{"offline_access", "clerk"}
	})
	return []Shape{s, rfc9068}
}

func oktaServer(now time.Time) []Shape {
	s := Shape{
		Name: "Okta", Trusted: issuers.Okta(okta, "api://default"), Algorithm: jwk.RS256, Header: Members{},
		Claims: timed(now, time.Hour, Members{
			"ver": 1, "jti": "AT.0mP4JKAZX1iACIT4vbEDF7LpvDVjxypPMf0D7uX39RE", "iss": okta, "aud": "api://default",
			"sub": "ada@shop.example", "cid": "nmdP1fcyvdVO11AL7ECm", "uid": "00ugrenMeqvYla4HW0g3",
			"scp": []string{"openid", "orders"}, "auth_time": now.Unix() - 60, "groups": []string{"Everyone", "clerks"},
		}),
		Want: Want{
			Subject: "ada@shop.example", ID: "AT.0mP4JKAZX1iACIT4vbEDF7LpvDVjxypPMf0D7uX39RE",
			Client: "nmdP1fcyvdVO11AL7ECm", Scopes: []string{"openid", "orders"}, Roles: []string{"Everyone", "clerks"},
		},
		Misses: map[string]func(Members, Members){
			"bound to a key": set("cnf", Members{"jkt": "0ZcOCORZNYy"}),
			"an ID token": func(_, c Members) {
				c["aud"] = c["cid"]
				delete(c, "cid")
			},
			"no client":                drop("cid"),
			"client null":              set("cid", nil),
			"with a nonce":             set("nonce", "n"),
			"with at_hash":             set("at_hash", "x"),
			"the org server":           set("iss", "https://shop.okta.com"),
			"another server":           set("iss", "https://shop.okta.com/oauth2/aus9"),
			"another organisation":     set("iss", "https://other.okta.com/oauth2/default"),
			"the org server's type":    typ("application/okta-internal-at+jwt"),
			"a type":                   typ("JWT"),
			"scopes an object":         set("scp", Members{}),
			"a scope with a blank":     set("scp", []string{"openid orders"}),
			"groups with an empty one": set("groups", []string{""}),
		},
	}
	machine := s.with("Okta, a machine", func(s *Shape) {
		for _, name := range []string{"uid", "auth_time", "groups"} {
			delete(s.Claims, name)
		}
		s.Claims["sub"], s.Want.Subject, s.Want.Roles = "nmdP1fcyvdVO11AL7ECm", "nmdP1fcyvdVO11AL7ECm", nil
	})
	return []Shape{s, machine}
}

func firebase(now time.Time) []Shape {
	return []Shape{{
		Name: "Firebase", Trusted: issuers.Firebase("shop-1234"), Algorithm: jwk.RS256,
		Header: Members{"typ": "JWT"},
		Claims: timed(now, time.Hour, Members{
			"iss": "https://securetoken.google.com/shop-1234", "aud": "shop-1234", "auth_time": now.Unix() - 60,
			"user_id": "abcDEF123", "sub": "abcDEF123", "email": "ada@shop.example", "email_verified": true,
			"firebase": Members{
				"identities": Members{"email": []string{"ada@shop.example"}}, "sign_in_provider": "password",
			},
		}),
		Want: Want{Subject: "abcDEF123"},
		Misses: map[string]func(Members, Members){
			"another project":  set("iss", "https://securetoken.google.com/other-1"),
			"another audience": set("aud", "other-1"),
			"another in both": func(_, c Members) {
				c["iss"], c["aud"] = "https://securetoken.google.com/other-1", "other-1"
			},
			"two audiences":        set("aud", []string{"shop-1234", "other-1"}),
			"a session cookie":     set("iss", "https://session.firebase.google.com/shop-1234"),
			"a custom token":       set("iss", "firebase-adminsdk@shop-1234.iam.gserviceaccount.com"),
			"a custom token's aud": set("aud", "https://identitytoolkit.googleapis.com/"),
			"Google's":             set("iss", google),
			"no firebase":          drop("firebase"),
			"firebase a text":      set("firebase", "password"),
			"no way of signing in": set("firebase", Members{"identities": Members{}}),
			"no auth_time":         drop("auth_time"),
			"auth_time a text":     set("auth_time", "now"),
			"two weeks of life":    func(_, c Members) { c["exp"] = now.Unix() + 14*86400 },
		},
	}}
}

func googleAccount(now time.Time) []Shape {
	const client = "1234-abc.apps.googleusercontent.com"
	return []Shape{{
		Name: "Google", Trusted: issuers.Google(client), Algorithm: jwk.RS256, Header: Members{"typ": "JWT"},
		Claims: timed(now, time.Hour, Members{
			"iss": google, "azp": "1234-android.apps.googleusercontent.com", "aud": client,
			"sub": "110169484474386276334", "at_hash": "HK6E_P6Dh8Y93mRNtsDB1Q", "hd": "shop.example",
			"email": "ada@shop.example", "email_verified": true, "nonce": "0394852-3190485-2490358",
			"name": "Ada Byron",
		}),
		Want: Want{Subject: "110169484474386276334"},
		Misses: map[string]func(Members, Members){
			"another client":    set("aud", "1234-other.apps.googleusercontent.com"),
			"the azp's client":  set("aud", "1234-android.apps.googleusercontent.com"),
			"two audiences":     set("aud", []string{client, "1234-other.apps.googleusercontent.com"}),
			"the old issuer":    set("iss", "accounts.google.com"),
			"Firebase's":        set("iss", "https://securetoken.google.com/shop-1234"),
			"over plain HTTP":   set("iss", "http://accounts.google.com"),
			"a day of life":     func(_, c Members) { c["exp"] = now.Unix() + 86400 },
			"a service account": set("iss", "robot@shop-1234.iam.gserviceaccount.com"),
			"a number as sub":   set("sub", 110169484474),
		},
	}}
}

func supabaseProject(now time.Time) []Shape {
	s := Shape{
		Name: "Supabase", Trusted: issuers.Supabase("https://abcdefgh.supabase.co"), Algorithm: jwk.ES256,
		Header: Members{"typ": "JWT"},
		Claims: timed(now, time.Hour, Members{
			"iss": supabase, "sub": user, "aud": "authenticated", "email": "ada@shop.example", "phone": "",
			"app_metadata":  Members{"provider": "email", "providers": []string{"email"}},
			"user_metadata": Members{"role": "admin"}, "role": "authenticated", "aal": "aal1",
			"amr":        []Members{{"method": "password", "timestamp": now.Unix() - 10}},
			"session_id": "0a1b2c3d-9999-4000-8000-000000000012", "is_anonymous": false,
		}),
		Want: Want{
			Subject: user, Session: "0a1b2c3d-9999-4000-8000-000000000012", Roles: []string{"authenticated"},
		},
		Misses: map[string]func(Members, Members){
			"the anon key":         set("role", "anon"),
			"the service key":      set("role", "service_role"),
			"a key of the project": func(_, c Members) { c["iss"], c["role"] = "supabase", "anon" },
			"no role":              drop("role"),
			"a list of roles":      set("role", []string{"authenticated", "service_role"}),
			"another project":      set("iss", "https://zyxwvuts.supabase.co/auth/v1"),
			"another audience":     set("aud", "anon"),
			"two audiences":        set("aud", []string{"authenticated", "anon"}),
			"without the path":     set("iss", "https://abcdefgh.supabase.co"),
			"a session as number":  set("session_id", 1),
		},
	}
	rsa := s.with("Supabase, RS256", func(s *Shape) { s.Algorithm = jwk.RS256 })
	return []Shape{s, rsa}
}

func github(now time.Time) []Shape {
	return []Shape{{
		Name: "GitHub Actions", Trusted: issuers.GitHubActions("octo", "orders"), Algorithm: jwk.RS256,
		Header: Members{"typ": "JWT", "x5t": "nOo3ZDrODXEK1jKWhXslHR_KXEg"},
		Claims: timed(now, 5*time.Minute, Members{
			"jti": "0a1b2c3d-aaaa-4000-8000-000000000013", "sub": "repo:octo/app:ref:refs/heads/main",
			"aud": "orders", "ref": "refs/heads/main", "sha": "example-sha", "repository": "octo/app",
			"repository_owner": "octo", "repository_owner_id": "65", "run_id": "1", "actor": "ada",
			"workflow": "deploy", "event_name": "push", "repository_visibility": "private",
			"job_workflow_ref": "octo/flows/.github/workflows/deploy.yml@refs/heads/main",
			"iss":              "https://token.actions.githubusercontent.com", "nbf": now.Unix() - 300,
			"runner_environment": "github-hosted",
		}),
		Want: Want{Subject: "repo:octo/app:ref:refs/heads/main", ID: "0a1b2c3d-aaaa-4000-8000-000000000013"},
		Misses: map[string]func(Members, Members){
			"another owner": func(_, c Members) { c["repository"], c["repository_owner"] = "evil/app", "evil" },
			"another owner, with a workflow of the right one": func(_, c Members) {
				c["repository"], c["repository_owner"] = "evil/app", "evil"
				c["sub"] = "repo:evil/app:ref:refs/heads/main"
			},
			"an owner in another case": set("repository_owner", "Octo"),
			"no owner":                 drop("repository_owner"),
			"a list of owners":         set("repository_owner", []string{"octo"}),
			"no repository":            drop("repository"),
			"the default audience":     set("aud", "https://github.com/octo"),
			"two audiences":            set("aud", []string{"orders", "https://github.com/octo"}),
			"an enterprise's issuer":   set("iss", "https://token.actions.githubusercontent.com/octo"),
			"GitLab":                   set("iss", "https://gitlab.com"),
			"a day of life":            func(_, c Members) { c["exp"] = now.Unix() + 86000 },
		},
	}}
}

func kubernetes(now time.Time) []Shape {
	pod := func() Members {
		return Members{
			"namespace": "shop", "node": Members{"name": "node-1", "uid": "u"},
			"pod":            Members{"name": "web-0", "uid": "u"},
			"serviceaccount": Members{"name": "web", "uid": "u"}, "warnafter": now.Unix() + 3000,
		}
	}
	inside := func(change func(Members)) func(Members, Members) {
		return func(_, c Members) {
			inner := pod()
			change(inner)
			c["kubernetes.io"] = inner
		}
	}
	s := Shape{
		Name: "Kubernetes", Trusted: issuers.Kubernetes(cluster, "orders"), Algorithm: jwk.RS256, Header: Members{},
		Claims: timed(now, time.Hour, Members{
			"aud": []string{"orders"}, "iss": cluster, "jti": "0a1b2c3d-bbbb-4000-8000-000000000014",
			"kubernetes.io": pod(), "nbf": now.Unix() - 10, "sub": "system:serviceaccount:shop:web",
		}),
		Want: Want{Subject: "system:serviceaccount:shop:web", ID: "0a1b2c3d-bbbb-4000-8000-000000000014"},
		Misses: map[string]func(Members, Members){
			"the API server's audience": set("aud", []string{cluster}),
			"another audience":          set("aud", []string{"vault"}),
			"a token of the old kind": func(_, c Members) {
				for _, name := range []string{"aud", "exp", "iat", "nbf", "jti", "kubernetes.io"} {
					delete(c, name)
				}
				c["iss"], c["kubernetes.io/serviceaccount/namespace"] = "kubernetes/serviceaccount", "shop"
			},
			"the old issuer":      set("iss", "kubernetes/serviceaccount"),
			"another cluster":     set("iss", "https://kubernetes.other.svc.cluster.local"),
			"no pod":              drop("kubernetes.io"),
			"not an object":       set("kubernetes.io", "shop"),
			"no namespace":        inside(func(m Members) { delete(m, "namespace") }),
			"no service account":  inside(func(m Members) { delete(m, "serviceaccount") }),
			"a nameless one":      inside(func(m Members) { m["serviceaccount"] = Members{"uid": "u"} }),
			"a name that is null": inside(func(m Members) { m["serviceaccount"] = Members{"name": nil} }),
			"a year of life":      func(_, c Members) { c["exp"] = now.Unix() + 365*86400 },
			"a type":              typ("JWT"),
		},
	}
	return []Shape{s, s.with("Kubernetes, ES256, without jti", func(s *Shape) {
		s.Algorithm = jwk.ES256
		delete(s.Claims, "jti")
		s.Want.ID = ""
	})}
}

func hallpassServer(now time.Time) []Shape {
	return []Shape{{
		Name: "Hallpass", Trusted: issuers.Hallpass("https://auth.example.com", "orders"), Algorithm: jwk.ES256,
		Header: Members{"typ": "at+jwt"},
		Claims: timed(now, 15*time.Minute, Members{
			"iss": "https://auth.example.com", "sub": "06h0drd10ci8l1nacqfffmfahg", "aud": "orders", "jti": "t1",
			"client_id": "https://auth.example.com", "sid": "s1", "auth_time": now.Unix() - 10, "scope": "read write",
			"roles": []string{"user"}, "rev_seq": 7,
		}),
		Want: Want{
			Subject: "06h0drd10ci8l1nacqfffmfahg", ID: "t1", Session: "s1", Client: "https://auth.example.com",
			Scopes: []string{"read", "write"}, Roles: []string{"user"},
		},
		Misses: map[string]func(Members, Members){
			"an ID token":        typ("JWT"),
			"a page of the feed": typ("revocations+jwt"),
			"no type":            func(h, _ Members) { delete(h, "typ") },
			"no jti":             drop("jti"),
			"roles a text":       set("roles", "user"),
			"scopes a list":      set("scope", []string{"read"}),
			"another service":    set("aud", "payments"),
		},
	}}
}
