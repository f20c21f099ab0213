// Package conformance compares recorded traffic with the OpenAPI documents of the servers that
// answered. It is a module of its own, so that the validator is no dependency of Hallpass.
package conformance

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/mail"
	"os"
	"path"
	"slices"
	"strings"
	"sync"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/getkin/kin-openapi/openapi3filter"
	"github.com/getkin/kin-openapi/routers"

	"github.com/hallpass-go/hallpass/internal/traffic"
)

// Document is an OpenAPI document that is valid.
type Document struct {
	spec     *openapi3.T
	requests *http.ServeMux // finds the operation as the server does
}

// Read reads a document from a file, and checks that it is valid OpenAPI 3.1.
func Read(file string) (*Document, error) {
	text, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	return Parse(text)
}

// textsAreText lets the validator take texts that it does not know as strings.
var textsAreText = sync.OnceFunc(func() {
	for _, contentType := range []string{"application/jwt", "text/html", "text/css"} {
		openapi3filter.RegisterBodyDecoder(contentType, openapi3filter.PlainBodyDecoder)
	}
})

// Parse is Read for a text.
func Parse(text []byte) (*Document, error) {
	textsAreText()
	spec, err := openapi3.NewLoader().LoadFromData(text)
	if err != nil {
		return nil, err
	}
	if err := spec.Validate(context.Background(), openapi3.EnableSchemaFormatValidation()); err != nil {
		return nil, err
	}
	if !strings.HasPrefix(spec.OpenAPI, "3.1.") {
		return nil, fmt.Errorf("the document is of OpenAPI %s, not 3.1", spec.OpenAPI)
	}
	d := &Document{spec: spec, requests: http.NewServeMux()}
	for template, item := range spec.Paths.Map() {
		for method := range item.Operations() {
			d.requests.HandleFunc(method+" "+template, func(http.ResponseWriter, *http.Request) {})
		}
	}
	return d, nil
}

// Check returns what of an exchange is outside the document: an answer, or a request that was
// accepted. The pattern is "" if the request is for none of its operations.
func (d *Document) Check(x traffic.Exchange) (pattern string, err error) {
	r, err := http.NewRequest(x.Method, "http://server.test"+x.Target, bytes.NewReader(x.Body))
	if err != nil {
		return "", err
	}
	r.Header = x.Fields
	_, pattern = d.requests.Handler(r)
	if pattern == "" || path.Clean(r.URL.Path) != r.URL.Path {
		return "", d.checkUnknown(x, r)
	}
	_, template, _ := strings.Cut(pattern, " ")
	item := d.spec.Paths.Value(template)
	method, _, _ := strings.Cut(pattern, " ") // GET for HEAD
	input := &openapi3filter.RequestValidationInput{
		Request: r, PathParams: parametersOf(template, r.URL.Path), Options: options,
		Route: &routers.Route{
			Spec: d.spec, Path: template, PathItem: item, Method: method, Operation: item.GetOperation(method),
		},
	}
	if err := checkAnswer(x, input); err != nil {
		return pattern, err
	}
	if x.Status < 300 {
		return pattern, openapi3filter.ValidateRequest(context.Background(), input)
	}
	return pattern, nil
}

var options = &openapi3filter.Options{
	IncludeResponseStatus: true, RejectWhenRequestBodyNotSpecified: true, SkipSettingDefaults: true,
	AuthenticationFunc: hasCredentials,
	SchemaValidationOptions: []openapi3.SchemaValidationOption{
		openapi3.EnableFormatValidation(),
		openapi3.WithStringFormatValidator("idn-email", openapi3.NewCallbackValidator(isEmail)),
	},
}

func isEmail(text string) error {
	if text == "" {
		return nil // in a request, the same as null
	}
	_, err := mail.ParseAddress(text)
	return err
}

// hasCredentials reports a request that was accepted without what the document wants.
func hasCredentials(_ context.Context, input *openapi3filter.AuthenticationInput) error {
	scheme, _, _ := strings.Cut(input.RequestValidationInput.Request.Header.Get("Authorization"), " ")
	if !strings.EqualFold(scheme, input.SecurityScheme.Scheme) {
		return errors.New("the request has no " + input.SecurityScheme.Scheme)
	}
	return nil
}

func checkAnswer(x traffic.Exchange, input *openapi3filter.RequestValidationInput) error {
	response := input.Route.Operation.Responses.Status(x.Status)
	switch {
	case response == nil:
		return fmt.Errorf("the document has no answer %d", x.Status)
	case len(response.Value.Content) == 0 && len(x.AnswerBody) > 0:
		return errors.New("the document has no body for this answer")
	case x.Method == http.MethodHead:
		return nil // the fields of a body that is not there
	}
	if err := checkLimit(x, input.Route.Operation); err != nil {
		return err
	}
	return openapi3filter.ValidateResponse(context.Background(), &openapi3filter.ResponseValidationInput{
		RequestValidationInput: input, Status: x.Status, Header: x.Answer, Options: options,
		Body: io.NopCloser(bytes.NewReader(x.AnswerBody)),
	})
}

// checkLimit checks that the limit that refused a request is one of its operation.
func checkLimit(x traffic.Exchange, operation *openapi3.Operation) error {
	policy := x.Answer.Get("RateLimit-Policy")
	if policy == "" {
		return nil
	}
	limits, _ := operation.Extensions["x-rate-limits"].([]any)
	for _, one := range limits {
		limit, _ := one.(map[string]any)
		if policy == fmt.Sprintf("%q;q=%v;w=%v", limit["name"], limit["quota"], limit["window"]) {
			return nil
		}
	}
	return fmt.Errorf("the document has no limit %s here, but %v", policy, limits)
}

// checkUnknown checks how a request is refused that the document does not have.
func (d *Document) checkUnknown(x traffic.Exchange, r *http.Request) error {
	if x.Method == http.MethodOptions && x.Answer.Get("Access-Control-Allow-Methods") != "" {
		return nil // a browser asks before it lets a page send a request
	}
	const limited = "429 rate_limited" // decided before the route is looked for
	want := []string{"404 not_found", limited}
	if path.Clean(r.URL.Path) == r.URL.Path && d.methodsOf(r) {
		want = []string{"405 method_not_allowed", limited}
	}
	if x.Method == http.MethodHead {
		return nil
	}
	var problem any
	if err := json.Unmarshal(x.AnswerBody, &problem); err != nil {
		return fmt.Errorf("for no operation of the document: %w", err)
	}
	members, _ := problem.(map[string]any)
	if got := fmt.Sprint(x.Status, " ", members["code"]); !slices.Contains(want, got) {
		return fmt.Errorf("for no operation of the document: answered %s, want %s", got, want)
	}
	schema := d.spec.Components.Schemas["Problem"].Value
	return schema.VisitJSON(problem, openapi3.EnableJSONSchema2020(), openapi3.EnableFormatValidation())
}

// methodsOf reports whether the document has the path of a request, with other methods.
func (d *Document) methodsOf(r *http.Request) bool {
	for _, method := range []string{"GET", "POST", "PUT", "PATCH", "DELETE"} {
		other := r.Clone(r.Context())
		other.Method = method
		if _, pattern := d.requests.Handler(other); pattern != "" {
			return true
		}
	}
	return false
}

// parametersOf returns the parameters of a path by the template that it fits.
func parametersOf(template, path string) map[string]string {
	parameters := map[string]string{}
	values := strings.Split(path, "/")
	for i, part := range strings.Split(template, "/") {
		if strings.HasPrefix(part, "{") && i < len(values) {
			parameters[strings.Trim(part, "{}")] = values[i]
		}
	}
	return parameters
}

// Promises returns the answers of the document: "GET /v1/me 200", and for a refusal
// "GET /v1/me 401 token_expired".
func (d *Document) Promises() (list []string) {
	for template, item := range d.spec.Paths.Map() {
		for method, operation := range item.Operations() {
			for status, response := range operation.Responses.Map() {
				about := method + " " + template + " " + status
				codes := codesOf(response.Value)
				if codes == nil {
					list = append(list, about)
				}
				for _, code := range codes {
					list = append(list, fmt.Sprint(about, " ", code))
				}
			}
		}
	}
	slices.Sort(list)
	return list
}

// codesOf returns the codes of a refusal, in problem documents and as RFC 6749 has them; nil for other
// answers.
func codesOf(response *openapi3.Response) (codes []any) {
	for contentType, member := range map[string]string{
		"application/problem+json": "code", "application/json": "error",
	} {
		content := response.Content.Get(contentType)
		if content != nil && len(content.Schema.Value.AllOf) > 1 {
			codes = append(codes, content.Schema.Value.AllOf[1].Value.Properties[member].Value.Enum...)
		}
	}
	return codes
}
