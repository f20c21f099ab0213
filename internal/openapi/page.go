package openapi

import (
	"bytes"
	"cmp"
	_ "embed"
	"encoding/json"
	"fmt"
	"html/template"
	"maps"
	"net/http"
	"reflect"
	"slices"
	"strings"
	text "text/template"
)

// Style is the style sheet of the page, which has it at docs/style.css.
//
//go:embed page.css
var Style []byte

//go:embed page.html
var pageHTML string

//go:embed page.md
var pageMarkdown string

// Page returns the page of documentation: HTML that needs no script.
func Page(api API) ([]byte, error) {
	var b bytes.Buffer
	// The template is parsed here, so that it is not kept: a server makes its page once.
	err := template.Must(template.New("page").Parse(pageHTML)).Execute(&b, newContents(api))
	return b.Bytes(), err
}

// Markdown returns the same as a file of a repository.
func Markdown(api API) ([]byte, error) {
	var b bytes.Buffer
	err := text.Must(text.New("page").Parse(pageMarkdown)).Execute(&b, newContents(api))
	return b.Bytes(), err
}

// contents is what the page shows.
type contents struct {
	API
	Start     []string // commands
	Sections  []section
	Documents []document
	Problems  []problem // of all routes, each once
}

// section is about one route.
type section struct {
	ID, Method, Path, Does, Who string
	Curl                        string
	Limits                      []Limit
	Parameters                  []member
	Takes                       *document
	Answers                     []shownAnswer
	Problems                    []problem
	ByStatus                    []statusCodes
}

// statusCodes are the codes that a refusal with the status may have.
type statusCodes struct {
	Status int
	Codes  []string
}

// Brief is the first sentence of Does.
func (s section) Brief() string {
	first, _, more := strings.Cut(s.Does, ". ")
	if more {
		first += "."
	}
	return first
}

type document struct {
	Name    string
	Note    string // of a body
	Members []member
}

type member struct {
	Name, Words string
	About       string
	Required    bool
}

type shownAnswer struct {
	Status      int
	Text        string
	ContentType string
	Documents   []shownDocument
	Header      []string
}

// shownDocument says what an answer holds: "a page of User". Name leads to the document, if it has
// one.
type shownDocument struct{ Before, Name, Link string }

type problem struct {
	Status int
	Code   string
	Detail string
}

func newContents(api API) contents {
	s := newSchemas(api)
	c := contents{API: api, Start: start(api.URL)}
	for _, o := range api.Operations {
		c.Sections = append(c.Sections, s.section(api.URL, o))
	}
	s.of(api.Problem, false)
	for _, shown := range c.Sections {
		c.Problems = append(c.Problems, shown.Problems...)
	}
	slices.SortFunc(c.Problems, func(a, b problem) int {
		return cmp.Or(cmp.Compare(a.Status, b.Status), cmp.Compare(a.Code, b.Code))
	})
	c.Problems = slices.Compact(c.Problems)
	for _, name := range s.names {
		c.Documents = append(c.Documents, document{Name: name, Members: members(s.components[name])})
	}
	return c
}

func (s *schemas) section(url string, o Operation) section {
	shown := section{
		ID: o.id(), Method: o.method(), Path: o.path(), Does: o.Does, Who: o.Who, Limits: o.Limits,
		Curl: s.curl(url, o),
	}
	for _, p := range o.Parameters {
		words := p.Does
		if p.Repeated {
			words += " May be repeated."
		}
		shown.Parameters = append(shown.Parameters, member{Name: p.Name, Words: words})
	}
	if o.Takes.Value != nil {
		body := s.resolve(s.body(o.Takes))
		shown.Takes = &document{Name: o.Takes.ContentType, Members: members(body)}
		if o.Takes.Basic {
			shown.Takes.Note = "HTTP Basic without a body may take its place."
		} else if o.Takes.Optional {
			shown.Takes.Note = "The body may be left out."
		}
	}
	for _, a := range o.Answers {
		shown.Answers = append(shown.Answers, s.answer(a))
	}
	statuses, byStatus := o.refusalsOf()
	for _, status := range statuses {
		codes := statusCodes{Status: status}
		for _, e := range byStatus[status] {
			codes.Codes = append(codes.Codes, e.Code)
			shown.Problems = append(shown.Problems, problem{status, e.Code, e.Detail})
		}
		shown.ByStatus = append(shown.ByStatus, codes)
	}
	return shown
}

func (s *schemas) answer(a Answer) shownAnswer {
	shown := shownAnswer{Status: a.Status, Text: http.StatusText(a.Status), ContentType: a.ContentType}
	for _, value := range a.Values {
		schema := s.of(reflect.TypeOf(value), false)
		one := shownDocument{Name: schema.words()}
		if items := listItems(schema); items != "" {
			one = shownDocument{Before: "a page of ", Name: items}
		}
		if s.components[one.Name] != nil {
			one.Link = one.Name
		}
		shown.Documents = append(shown.Documents, one)
	}
	for _, name := range slices.Sorted(maps.Keys(a.Header)) {
		shown.Header = append(shown.Header, name+": "+a.Header[name])
	}
	return shown
}

// listItems returns what the items of a page are, or "" for other objects.
func listItems(schema *Schema) string {
	for _, p := range schema.Properties {
		if p.name == "items" && p.schema.Items != nil {
			return p.schema.Items.words()
		}
	}
	return ""
}

func members(s *Schema) (list []member) {
	for _, p := range s.Properties {
		list = append(list, member{p.name, p.schema.words(), p.schema.Description, s.requires(p.name)})
	}
	return list
}

// start returns the commands that set the variables which those of the routes use.
func start(url string) []string {
	member := func(variable, name string) string {
		return fmt.Sprintf(`%s=$(printf %%s "$TOKENS" | sed 's/.*"%s":"\([^"]*\)".*/\1/')`, variable, name)
	}
	who := `--json '{"username":"alice","password":"correct horse battery"}'`
	return []string{
		fmt.Sprintf(`curl -s "%s/v1/users" %s`, url, who),
		fmt.Sprintf(`TOKENS=$(curl -s "%s/v1/login" %s)`, url, who),
		member("ACCESS", "access_token"),
		member("REFRESH", "refresh_token"),
		member("SESSION", "session_id"),
		fmt.Sprintf(`ID=$(curl -s "%s/v1/me" -H "Authorization: Bearer $ACCESS" | sed 's/.*"id":"\([^"]*\)".*/\1/')`,
			url),
	}
}

// curl returns a command that sends a request of the operation.
func (s *schemas) curl(url string, o Operation) string {
	variable := "$ID"
	switch {
	case strings.Contains(o.path(), "/sessions/"):
		variable = "$SESSION"
	case strings.Contains(o.path(), "/clients/"):
		variable = "$CLIENT"
	}
	path := wildcard.ReplaceAllLiteralString(o.path(), variable)
	words := []string{"curl", "-s"}
	body := s.exampleOf(o.Takes)
	if len(o.Answers[0].Values) == 0 {
		words[1] = "-si" // there is a status to see, and nothing else
	}
	usual := http.MethodGet
	if body != "" {
		usual = http.MethodPost
	}
	if o.method() != usual {
		words = append(words, "-X", o.method())
	}
	words = append(words, `"`+url+path+`"`)
	if o.Security != NoToken && o.Security != OptionalClient {
		words = append(words, `-H "Authorization: Bearer $ACCESS"`)
	}
	if body != "" {
		words = append(words, body)
	}
	return strings.Join(words, " ")
}

// exampleOf returns the arguments of curl for a body that holds the members with an example.
func (s *schemas) exampleOf(b Body) string {
	if b.Value == nil {
		return ""
	}
	var pairs, fields []string
	for _, p := range s.resolve(s.body(b)).Properties {
		if p.example == "" {
			continue
		}
		if b.ContentType != JSON(nil).ContentType {
			fields = append(fields, fmt.Sprintf(`--data-urlencode "%s=%s"`, p.name, p.example))
			continue
		}
		value := p.example
		if !strings.HasPrefix(value, "[") {
			quoted, _ := json.Marshal(value) // a string always can
			value = string(quoted)
		}
		pairs = append(pairs, fmt.Sprintf("%q:%s", p.name, value))
	}
	if pairs == nil {
		return strings.Join(fields, " ")
	}
	text := "{" + strings.Join(pairs, ",") + "}"
	if strings.Contains(text, "$") { // a variable of the shell
		return `--json "` + strings.ReplaceAll(text, `"`, `\"`) + `"`
	}
	return "--json '" + text + "'"
}
