package server

import (
	"fmt"
	"net/http"
	"reflect"
	"runtime/debug"
	"slices"
	"strings"

	"github.com/hallpass-go/hallpass"
	"github.com/hallpass-go/hallpass/internal/openapi"
	"github.com/hallpass-go/hallpass/internal/page"
	"github.com/hallpass-go/hallpass/internal/users"
)

// description is what the server says about itself, made once.
type description struct{ json, html []byte }

// describe makes the description from the table.
func (s *Server) describe() error {
	api, err := s.api()
	if err != nil {
		return err
	}
	if s.description.json, err = openapi.Document(api); err != nil {
		return err
	}
	s.description.html, err = openapi.Page(api)
	return err
}

func (s *Server) api() (openapi.API, error) {
	api := openapi.API{
		Title: "Hallpass", Version: version(), URL: strings.TrimSuffix(s.c.Issuer, "/"),
		Description: "Accounts, logins, sessions and keys. Times are RFC 3339 in UTC, identifiers are opaque. " +
			"A request to any other path is refused with not_found (404), and with another method with " +
			"method_not_allowed (405), or like any with rate_limited (429).",
		About:   aboutMembers,
		Problem: reflect.TypeFor[problemDocument](),
		OAuth:   openapi.OAuthRefusals{Document: reflect.TypeFor[oauthError](), All: oauthRefusals},
		WrittenAs: map[reflect.Type]reflect.Type{
			reflect.TypeFor[hallpass.Tokens](): reflect.TypeFor[tokensDocument](),
			reflect.TypeFor[address]():         reflect.TypeFor[string](),
		},
	}
	for _, line := range s.routes() {
		o, err := line.described(s.c.Limits)
		if err != nil {
			return openapi.API{}, err
		}
		api.Operations = append(api.Operations, o)
	}
	return api, nil
}

// described returns what the document says of a route, with the refusals that follow from who may,
// from the parameters and from the body. A route about which nothing is said is an error.
func (line row) described(limits users.Limits) (openapi.Operation, error) {
	if line.Does == "" || line.Who.words == "" || line.Answers == nil {
		return openapi.Operation{}, fmt.Errorf("server: the table says too little about %s", line.Pattern)
	}
	refusals := refuse(line.Refuses, hallpass.ErrMalformedRequest, hallpass.ErrInternal, errHeaderTooLarge)
	refusals = append(refusals, line.Who.refusals...)
	if !line.isProbe() {
		refusals = append(refusals, hallpass.ErrRateLimited)
	}
	if !line.Who.public {
		refusals = append(refusals, tokenChecked...)
	}
	if line.Takes.Value != nil {
		refusals = append(refusals, hallpass.ErrTooLarge, hallpass.ErrUnsupportedMediaType)
		if line.Takes.ContentType == openapi.JSON(nil).ContentType {
			refusals = append(refusals, hallpass.ErrValidation)
		}
	}
	var parameters []openapi.Parameter
	for _, name := range line.Parameters {
		p, known := parametersByName[line.Pattern+" "+name]
		if !known {
			p, known = parametersByName[name]
		}
		if !known {
			return openapi.Operation{}, fmt.Errorf("server: nothing is said about the parameter %s", name)
		}
		parameters = append(parameters, p)
		if !p.Repeated {
			refusals = append(refusals, hallpass.ErrValidation)
		}
	}
	if line.path() == tokenPath {
		for i, refusal := range refusals {
			refusals[i] = asOAuth(refusal)
		}
	}
	return openapi.Operation{
		Pattern: line.Pattern, Does: line.Does, Who: line.Who.words, Security: line.security(),
		Limits: line.limits(limits), Parameters: parameters, Takes: line.Takes, Answers: withNotModified(line),
		Refusals: refusals,
	}, nil
}

func (line row) path() string { _, path, _ := strings.Cut(line.Pattern, " "); return path }

func (line row) isProbe() bool { return isProbe(line.path()) }

// limits returns the limits that count requests of the route, as far as they are on.
func (line row) limits(all users.Limits) (list []openapi.Limit) {
	names := slices.Clone(line.Counts)
	if !line.Who.public {
		names = append(names, line.Limit.Name, "requests-user")
	}
	if !line.isProbe() {
		names = append(names, "requests-address")
	}
	for _, name := range names {
		if limit := all.ByName(name); limit != (users.Limit{}) {
			list = append(list, openapi.Limit{
				Name: name, Counts: limitsByName[name], Quota: limit.Burst, Window: limit.Per,
			})
		}
	}
	return list
}

// wrongPasswords are the names of the limits of guesses.
var wrongPasswords = []string{"account", "address"}

// limitsByName says what the limits of [users.Limits] count.
var limitsByName = map[string]string{
	"account": "wrong passwords for an account, or wrong secrets of a machine client",
	"address": "wrong passwords and secrets from an address",
	"signup":  "sign-ups from an address", "rename": "names that a user asks for",
	"refresh":       "refreshes of a session, and tokens of a machine client",
	"introspection": "tokens that a caller asks about",
	"requests-user": "requests of a user", "requests-address": "requests from an address",
}

func (line row) security() openapi.Security {
	switch {
	case line.Who.security != "":
		return line.Who.security
	case !line.Who.public:
		return openapi.Token
	}
	return openapi.NoToken
}

// withNotModified adds what a client is told that has the answer of a GET already.
func withNotModified(line row) []openapi.Answer {
	first := line.Answers[0]
	if !strings.HasPrefix(line.Pattern, http.MethodGet) || first.Status != http.StatusOK || first.Changing {
		return line.Answers
	}
	answers := slices.Clone(line.Answers)
	answers[0].Header = map[string]string{"ETag": "To ask with If-None-Match whether the answer is still current."}
	return append(answers, openapi.Answer{Status: http.StatusNotModified})
}

// Refusals that belong together.
var (
	storeAsked      = []*hallpass.Error{hallpass.ErrStoreUnavailable}
	passwordChecked = []*hallpass.Error{
		hallpass.ErrRateLimited, hallpass.ErrOverloaded, hallpass.ErrStoreUnavailable,
	}
	tokenChecked = []*hallpass.Error{
		hallpass.ErrTokenMissing, hallpass.ErrTokenInvalid, hallpass.ErrTokenExpired, hallpass.ErrTokenRevoked,
	}
)

func refuse(some []*hallpass.Error, more ...*hallpass.Error) []*hallpass.Error {
	return append(slices.Clone(some), more...)
}

// nothing is a body that may be left out, and says nothing.
var nothing = openapi.JSON(struct{}{}).OrNone()

func ok(values ...any) []openapi.Answer {
	return []openapi.Answer{{Status: http.StatusOK, Values: values}}
}

func as(contentType string, value any) []openapi.Answer {
	return []openapi.Answer{{Status: http.StatusOK, ContentType: contentType, Values: []any{value}}}
}

func text(contentType string) []openapi.Answer { return as(contentType, "") }

func changing(answers []openapi.Answer) []openapi.Answer {
	for i := range answers {
		answers[i].Changing = true
	}
	return answers
}

func created(value any) []openapi.Answer {
	return []openapi.Answer{{Status: http.StatusCreated, Values: []any{value}, Header: map[string]string{
		"Location": "The path of what was made.",
	}}}
}

func noContent() []openapi.Answer { return []openapi.Answer{{Status: http.StatusNoContent}} }

var identityFields = []openapi.Answer{{Status: http.StatusNoContent, Header: map[string]string{
	"X-Auth-Subject": "The ID of the user, or of the machine client.",
	"X-Auth-Roles":   "The roles, separated by commas.",
	"X-Auth-Scope":   "The scopes, separated by spaces.",
	"X-Auth-Session": "The session's ID.",
}}}

// parametersByName describes the parameters of queries. A route whose parameter means something
// else has a line of its own, with the pattern before the name.
var parametersByName = map[string]openapi.Parameter{
	"limit":   {Name: "limit", Does: "How many items at most.", Schema: openapi.Integer(1, page.MaxLimit)},
	"cursor":  {Name: "cursor", Does: "The next_cursor of the page before.", Schema: aString},
	"user":    {Name: "user", Does: "The ID of a user whom entries are about.", Schema: aString},
	"actor":   {Name: "actor", Does: "The ID of a user who did what entries tell of.", Schema: aString},
	"session": {Name: "session", Does: "The ID of a session.", Schema: aString},
	"event":   {Name: "event", Does: "The name of an event.", Schema: aString},
	"until":   {Name: "until", Does: "The time before which entries were made.", Schema: aTime},

	"GET /v1/audit since": {Name: "since", Does: "The time from which on entries were made.", Schema: aTime},

	"since":  {Name: "since", Does: "The sequence number up to which you have read.", Schema: openapi.Integer(0, 0)},
	"role*":  {Name: "role", Repeated: true, Does: "A role that the caller must have.", Schema: oneOrMore},
	"scope*": {Name: "scope", Repeated: true, Does: "A scope that the token must have.", Schema: oneOrMore},
}

var (
	aString   = openapi.Schema{Type: "string"}
	aTime     = openapi.Schema{Type: "string", Format: "date-time"}
	oneOrMore = openapi.Schema{Type: "string", MinLength: 1}
)

// version is the version of the program, as far as its build knows.
func version() string {
	if info, ok := debug.ReadBuildInfo(); ok && info.Main.Version != "" {
		return info.Main.Version
	}
	return "(devel)"
}

// publicFor lets everybody keep what changes with the program only.
var publicFor = []string{"public, max-age=300"}

func (d *description) document(request) (answer, error) {
	header := http.Header{"Cache-Control": publicFor}
	return answer{Header: header, Body: hallpass.Raw{ContentType: "application/json", Text: d.json}}, nil
}

// pagePolicy is the Content-Security-Policy of the page: beside the page itself only its style.
var pagePolicy = []string{"default-src 'none'; style-src 'self'; base-uri 'none'; form-action 'none'; " +
	"frame-ancestors 'none'"}

func (d *description) page(request) (answer, error) {
	header := http.Header{"Cache-Control": publicFor, "Content-Security-Policy": pagePolicy}
	return answer{Header: header, Body: hallpass.Raw{ContentType: "text/html; charset=utf-8", Text: d.html}}, nil
}

func (d *description) style(request) (answer, error) {
	header := http.Header{"Cache-Control": publicFor}
	return answer{Header: header, Body: hallpass.Raw{ContentType: "text/css; charset=utf-8", Text: openapi.Style}}, nil
}
