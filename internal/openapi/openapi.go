// Package openapi describes an HTTP API from a list of its operations: as an OpenAPI 3.1 document
// for programs, and as a page for people.
package openapi

import (
	"cmp"
	"encoding/json"
	"fmt"
	"net/http"
	"reflect"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/hallpass-go/hallpass"
)

// API is what there is to describe.
type API struct {
	Title, Version, Description string
	// URL is where clients reach the API, without a slash at its end.
	URL        string
	Operations []Operation
	// WrittenAs says what types look like that marshal themselves: type → a type whose fields do.
	WrittenAs map[reflect.Type]reflect.Type
	// About says what members are: "User.name", or "name" in any document → a sentence.
	About map[string]string
	// Problem is the type of the document that refusals are.
	Problem reflect.Type
	// OAuth are the refusals that are written differently.
	OAuth OAuthRefusals
}

// OAuthRefusals are written as RFC 6749 §5.2 has them: as JSON, with the code in the member error.
type OAuthRefusals struct {
	Document reflect.Type
	All      []*hallpass.Error
}

// Operation is one route.
type Operation struct {
	Pattern  string // method and path, as [http.ServeMux] takes them
	Does     string // a sentence
	Who      string // who may, in words
	Security Security
	Limits   []Limit
	// Parameters are those of the query. Those of the path follow from Pattern.
	Parameters []Parameter
	Takes      Body
	Answers    []Answer
	Refusals   []*hallpass.Error
}

// Security is what a request is authenticated with.
type Security string

// The ways to authenticate a request.
const (
	NoToken       Security = ""
	Token         Security = "token"
	OptionalToken Security = "optional token"
	// TokenOrClient is a token, or a client's secret by HTTP Basic or in the form (RFC 6749 §2.3.1).
	TokenOrClient Security = "token or client"
	// OptionalClient is a client's secret, or nothing.
	OptionalClient Security = "optional client"
)

// Limit is a limit of how often requests are answered.
type Limit struct {
	Name   string // in the field RateLimit-Policy
	Counts string // what, and by whom
	Quota  int    // in each Window
	Window time.Duration
}

// MarshalJSON implements [json.Marshaler]. The window is in seconds.
func (l Limit) MarshalJSON() ([]byte, error) {
	return json.Marshal(object{"name": l.Name, "counts": l.Counts, "quota": l.Quota, "window": l.Window.Seconds()})
}

// String says the limit for people: "wrong passwords for an account: 10 in 1m (account)".
func (l Limit) String() string {
	window := l.Window.String() // "24h0m0s"
	if strings.HasSuffix(window, "m0s") {
		window = strings.TrimSuffix(window, "0s")
	}
	if strings.HasSuffix(window, "h0m") {
		window = strings.TrimSuffix(window, "0m")
	}
	return fmt.Sprintf("%s: %d in %s (%s)", l.Counts, l.Quota, window, l.Name)
}

// Parameter is a parameter of the query.
type Parameter struct {
	Name, Does string
	Repeated   bool
	Schema     Schema
}

// Body is what a request carries. The zero Body is none.
type Body struct {
	ContentType string
	Value       any // of the type that the handler reads
	Optional    bool
	Basic       bool // HTTP Basic may take its place
}

// JSON is a body of JSON that is read into values like v.
func JSON(v any) Body { return Body{ContentType: "application/json", Value: v} }

// Form is a body of HTML's form, which may have other members.
func Form(v any) Body { return Body{ContentType: "application/x-www-form-urlencoded", Value: v} }

// OrNone is b or no body.
func (b Body) OrNone() Body { b.Optional = true; return b }

// OrBasic is b, or HTTP Basic without a body (RFC 7617).
func (b Body) OrBasic() Body { b.Optional, b.Basic = true, true; return b }

// Answer is an answer that is not a refusal.
type Answer struct {
	Status      int
	ContentType string            // defaults to application/json if there are Values
	Values      []any             // what is written: a value like one of these
	Header      map[string]string // name → what it says; each is always there
	Changing    bool              // it is another each time, so that nobody asks whether it is current
}

// refusalsOf returns the refusals of an operation by status, in order, each code once.
func (o Operation) refusalsOf() (statuses []int, byStatus map[int][]*hallpass.Error) {
	byStatus = map[int][]*hallpass.Error{}
	for _, e := range o.Refusals {
		known := slices.ContainsFunc(byStatus[e.Status], func(k *hallpass.Error) bool { return k.Code == e.Code })
		if !known {
			byStatus[e.Status] = append(byStatus[e.Status], e)
		}
	}
	for status, list := range byStatus {
		statuses = append(statuses, status)
		slices.SortFunc(list, func(a, b *hallpass.Error) int { return cmp.Compare(a.Code, b.Code) })
	}
	slices.Sort(statuses)
	return statuses, byStatus
}

func (o Operation) method() string { method, _, _ := strings.Cut(o.Pattern, " "); return method }
func (o Operation) path() string   { _, path, _ := strings.Cut(o.Pattern, " "); return path }

var wordOfPath = regexp.MustCompile(`[A-Za-z0-9]+`)

// id names the operation in generated clients and on the page: "postV1UsersIdDisable".
func (o Operation) id() string {
	id := strings.ToLower(o.method())
	for _, word := range wordOfPath.FindAllString(o.path(), -1) {
		id += strings.ToUpper(word[:1]) + word[1:]
	}
	return id
}

var wildcard = regexp.MustCompile(`\{([a-z_]+)\}`)

// object is JSON whose members may come in any order.
type object = map[string]any

// Document returns the OpenAPI 3.1 document.
func Document(api API) ([]byte, error) {
	s := newSchemas(api)
	paths := object{}
	for _, o := range api.Operations {
		item, ok := paths[o.path()].(object)
		if !ok {
			item = object{}
			paths[o.path()] = item
		}
		item[strings.ToLower(o.method())] = s.operation(o)
	}
	return json.MarshalIndent(struct {
		OpenAPI    string   `json:"openapi"`
		Info       object   `json:"info"`
		Servers    []object `json:"servers"`
		Paths      object   `json:"paths"`
		Components object   `json:"components"`
	}{
		OpenAPI: "3.1.1",
		Info:    object{"title": api.Title, "version": api.Version, "description": api.Description},
		Servers: []object{{"url": api.URL}},
		Paths:   paths,
		Components: object{
			"schemas":   s.components,
			"responses": s.shared,
			"securitySchemes": object{
				"token": object{"type": "http", "scheme": "bearer", "bearerFormat": "JWT"},
				"basic": object{"type": "http", "scheme": "basic"},
			},
		},
	}, "", "  ")
}

func newSchemas(api API) *schemas {
	return &schemas{
		writtenAs: api.WrittenAs, problem: api.Problem, about: api.About, oauth: api.OAuth,
		components: map[string]*Schema{}, types: map[string]reflect.Type{}, shared: object{},
	}
}

func (s *schemas) operation(o Operation) object {
	operation := object{
		"operationId": o.id(), "summary": o.Does, "description": "Who may: " + o.Who + ".",
		"security": o.security(), "responses": s.responses(o),
	}
	if parameters := s.parameters(o); parameters != nil {
		operation["parameters"] = parameters
	}
	if o.Limits != nil {
		operation["x-rate-limits"] = o.Limits
	}
	if o.Takes.Value != nil {
		operation["requestBody"] = object{
			"required": !o.Takes.Optional,
			"content":  object{o.Takes.ContentType: object{"schema": s.body(o.Takes)}},
		}
	}
	return operation
}

// body returns the schema of a body. Forms may have members that we do not know (RFC 7662 §2.1).
func (s *schemas) body(b Body) *Schema {
	schema := s.of(reflect.TypeOf(b.Value), true)
	if b.ContentType != "application/json" {
		s.resolve(schema).AdditionalProperties = nil
	}
	return schema
}

func (o Operation) security() []object {
	none := []string{}
	switch {
	case o.Security == Token:
		return []object{{"token": none}}
	case o.Security == TokenOrClient:
		return []object{{"token": none}, {"basic": none}, {}} // the empty one: in the form
	case o.Security == OptionalClient:
		return []object{{"basic": none}, {}}
	case o.Security == OptionalToken:
		return []object{{"token": none}, {}}
	case o.Takes.Basic:
		return []object{{}, {"basic": none}}
	}
	return []object{}
}

func (s *schemas) parameters(o Operation) (list []object) {
	for _, match := range wildcard.FindAllStringSubmatch(o.path(), -1) {
		list = append(list, object{"name": match[1], "in": "path", "required": true, "schema": Schema{Type: "string"}})
	}
	for _, p := range o.Parameters {
		schema := &p.Schema
		if p.Repeated {
			schema = &Schema{Type: "array", Items: schema}
		}
		list = append(list, object{"name": p.Name, "in": "query", "description": p.Does, "schema": schema})
	}
	return list
}

func (s *schemas) responses(o Operation) object {
	responses := object{}
	for _, a := range o.Answers {
		response := object{"description": http.StatusText(a.Status)}
		if content := s.content(a); content != nil {
			response["content"] = content
		}
		if len(a.Header) > 0 {
			response["headers"] = headers(a.Header)
		}
		responses[strconv.Itoa(a.Status)] = response
	}
	statuses, byStatus := o.refusalsOf()
	for _, status := range statuses {
		responses[strconv.Itoa(status)] = s.sharedRefusal(status, byStatus[status])
	}
	return responses
}

func (s *schemas) content(a Answer) object {
	if len(a.Values) == 0 {
		return nil
	}
	var list []*Schema
	for _, value := range a.Values {
		list = append(list, s.of(reflect.TypeOf(value), false))
	}
	schema := list[0]
	if len(list) > 1 {
		schema = &Schema{OneOf: list}
	}
	return object{cmp.Or(a.ContentType, "application/json"): object{"schema": schema}}
}

func headers(does map[string]string) object {
	list := object{}
	for name, text := range does {
		list[name] = object{"description": text, "required": true, "schema": Schema{Type: "string"}}
	}
	return list
}

// sharedRefusal refers to the description of refusals that several operations have.
func (s *schemas) sharedRefusal(status int, list []*hallpass.Error) object {
	name := strconv.Itoa(status)
	for _, e := range list {
		name += "." + e.Code
	}
	if s.shared[name] == nil {
		s.shared[name] = s.refusal(status, list)
	}
	return object{"$ref": "#/components/responses/" + name}
}

// refusal describes the refusals with one status: the problem document, and the codes that it can
// have here.
func (s *schemas) refusal(status int, list []*hallpass.Error) object {
	var codes, oauthCodes, texts []string
	for _, e := range list {
		if s.isOAuth(e) {
			oauthCodes = append(oauthCodes, e.Code)
		} else {
			codes = append(codes, e.Code)
		}
		texts = append(texts, fmt.Sprintf("`%s`: %s", e.Code, e.Detail))
	}
	content := object{}
	if codes != nil {
		content["application/problem+json"] = s.narrowed(s.problem, "code", codes)
	}
	if oauthCodes != nil {
		content["application/json"] = s.narrowed(s.oauth.Document, "error", oauthCodes)
	}
	response := object{"description": strings.Join(texts, "\n\n"), "content": content}
	switch status {
	case http.StatusUnauthorized:
		response["headers"] = headers(map[string]string{
			"WWW-Authenticate": "The challenge (RFC 6750 §3, RFC 7617 §2).",
		})
	case http.StatusTooManyRequests:
		response["headers"] = headers(map[string]string{
			"Retry-After":      "Seconds to wait (RFC 9110 §10.2.3).",
			"RateLimit":        "The limit: what remains, and seconds until all of it is back.",
			"RateLimit-Policy": "The limit: its quota, and the seconds for which that is.",
		})
	case http.StatusServiceUnavailable:
		response["headers"] = headers(map[string]string{"Retry-After": "Seconds to wait (RFC 9110 §10.2.3)."})
	}
	return response
}

func (s *schemas) isOAuth(e *hallpass.Error) bool {
	return slices.ContainsFunc(s.oauth.All, func(known *hallpass.Error) bool { return known.Code == e.Code })
}

// narrowed describes content that is a document in which a member has one of these values.
func (s *schemas) narrowed(document reflect.Type, member string, values []string) object {
	only := &Schema{Properties: properties{{name: member, schema: &Schema{Type: "string", Enum: values}}}}
	return object{"schema": &Schema{AllOf: []*Schema{s.of(document, false), only}}}
}

// Integer is the schema of a whole number from least to most, or without an upper limit if most is
// 0.
func Integer(least, most int) Schema {
	s := Schema{Type: "integer", Minimum: &least}
	if most > 0 {
		s.Maximum = &most
	}
	return s
}
