package server

import (
	"cmp"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/hallpass-go/hallpass"
	"github.com/hallpass-go/hallpass/internal/clients"
)

// tokenForm is what POST /v1/token takes. Other parameters are passed over (RFC 6749 §3.2).
type tokenForm struct {
	GrantType    string  `json:"grant_type" hallpass:"required" example:"refresh_token"`
	RefreshToken *string `json:"refresh_token" example:"$REFRESH"`
	Scope        *string `json:"scope"`
	ClientID     *string `json:"client_id"`
	ClientSecret *string `json:"client_secret"`
}

// tokenAnswer is the answer of RFC 6749 §5.1.
type tokenAnswer struct {
	AccessToken  string `json:"access_token"`
	TokenType    string `json:"token_type" openapi:"enum=Bearer"`
	ExpiresIn    int64  `json:"expires_in"`
	RefreshToken string `json:"refresh_token,omitempty"`
	Scope        string `json:"scope,omitempty"`
}

// token is the token endpoint of RFC 6749 §3.2.
func (s *Server) token(r request) (answer, error) {
	form, err := oauthForm(r.ReadForm())
	if err != nil {
		return answer{}, err
	}
	caller, err := clientCredentials(r, form)
	if err != nil {
		return answer{}, err
	}
	var tokens hallpass.Tokens
	switch form.Get("grant_type") {
	case "refresh_token":
		tokens, err = s.refreshGrant(r, form, caller)
	case "client_credentials":
		tokens, err = s.clientGrant(r, form, caller)
	case "":
		err = errInvalidRequest.WithDetail("Send grant_type.")
	default:
		err = errUnsupportedGrant
	}
	if err != nil {
		return answer{}, err
	}
	return answer{Header: http.Header{"Pragma": {"no-cache"}}, Body: tokenAnswer{
		AccessToken: tokens.AccessToken, TokenType: "Bearer", ExpiresIn: int64(tokens.ExpiresIn / time.Second),
		RefreshToken: tokens.RefreshToken, Scope: strings.Join(tokens.Scopes, " "),
	}}, nil
}

// refreshGrant is POST /v1/refresh for clients of RFC 6749 (§6). Refresh tokens are those of our own
// apps, which have no secret. One that says who it is names the client of its access tokens.
func (s *Server) refreshGrant(r request, form url.Values, caller credentialsOfClient) (hallpass.Tokens, error) {
	if !form.Has("refresh_token") {
		return hallpass.Tokens{}, errInvalidRequest.WithDetail("Send refresh_token.")
	}
	if caller.secret != "" {
		if _, err := s.authenticate(r, caller); err != nil {
			return hallpass.Tokens{}, err
		}
		return hallpass.Tokens{}, errInvalidGrant // which was issued to another client: this one gets none
	}
	if caller.id != "" && caller.id != s.c.Audience {
		return hallpass.Tokens{}, errInvalidClient
	}
	return s.auth.RefreshNarrowed(r.Context(), form.Get("refresh_token"), scopesOf(form), client(r.Request))
}

// clientGrant gives a client an access token of its own (RFC 6749 §4.4).
func (s *Server) clientGrant(r request, form url.Values, caller credentialsOfClient) (hallpass.Tokens, error) {
	if caller.secret == "" {
		return hallpass.Tokens{}, errInvalidClient.WithDetail("This grant wants a client with its secret.")
	}
	tokens, err := s.clients.Token(r.Context(), caller.id, caller.secret, scopesOf(form), client(r.Request))
	recordOf(r.Context()).subject = tokens.Subject
	return tokens, err
}

func scopesOf(form url.Values) []string { return strings.Fields(form.Get("scope")) }

// authenticate returns the client that a request is from.
func (s *Server) authenticate(r request, caller credentialsOfClient) (clients.Client, error) {
	found, err := s.clients.Authenticate(r.Context(), caller.id, caller.secret, client(r.Request))
	recordOf(r.Context()).subject = found.ID
	return found, err
}

// tokenOrClient returns who sends a request that a client with its secret may send, too. A client is
// an identity with nothing but its ID.
func (s *Server) tokenOrClient(r request, rules []hallpass.Rule) (id hallpass.Identity[noClaims], err error) {
	found, byClient, err := s.clientOfRequest(r)
	if byClient {
		id.Subject = found.ID
		return id, err
	}
	id, refusal := s.auth.Identify(r.Request, rules...)
	return id, cmp.Or(refusal, err)
}

// clientOfRequest authenticates the client that sends a request, if it does so with a secret. From then
// on refusals are those of RFC 6749.
func (s *Server) clientOfRequest(r request) (found clients.Client, byClient bool, err error) {
	form, err := r.ReadForm()
	if !isBasic(r.Request) && !form.Has("client_secret") {
		return found, false, err
	}
	recordOf(r.Context()).byClient = true
	if form, err = oauthForm(form, err); err != nil {
		return found, true, err
	}
	caller, err := clientCredentials(r, form)
	if err != nil {
		return found, true, err
	}
	found, err = s.authenticate(r, caller)
	return found, true, err
}
