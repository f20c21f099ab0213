package openapi_test

import (
	"encoding/json"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/hallpass-go/hallpass"
	"github.com/hallpass-go/hallpass/internal/openapi"
)

type petDocument struct {
	petName
	Born  time.Time  `json:"born"`
	Died  *time.Time `json:"died"`
	Owner *person    `json:"owner"`
	Tags  []string   `json:"tags,omitempty"`
	Kind  string     `json:"kind" openapi:"enum=cat|dog"`
	inner string
}

type petName struct {
	Name string `json:"name"`
}

type person struct {
	Mail mail `json:"mail" openapi:"format=idn-email"`
}

// mail marshals itself.
type mail struct{}

type newPet struct {
	Name *string         `json:"name" hallpass:"required" openapi:"minLength=1,maxLength=9" example:"Tom"`
	Tags *[]string       `json:"tags" example:"[\"a\"]"`
	Mail mail            `json:"mail" openapi:"nullable"`
	Born json.RawMessage `json:"born" hallpass:"forbidden"`
}

type problem struct {
	Code string `json:"code"`
}

func pets() openapi.API {
	return openapi.API{
		Title: "Pets", Version: "1", URL: "https://pets.example", Problem: reflect.TypeFor[problem](),
		About:     map[string]string{"Pet.kind": "Of animal.", "kind": "Of what?"},
		WrittenAs: map[reflect.Type]reflect.Type{reflect.TypeFor[mail](): reflect.TypeFor[string]()},
		Operations: []openapi.Operation{
			{
				Pattern: "POST /pets/{id}", Does: "Names a <pet>.", Who: "anyone", Security: openapi.OptionalToken,
				Limits:   []openapi.Limit{{Name: "pets", Counts: "pets of a person", Quota: 3, Window: 24 * time.Hour}},
				Takes:    openapi.JSON(newPet{}),
				Answers:  []openapi.Answer{{Status: 201, Values: []any{petDocument{inner: "x"}}}},
				Refusals: []*hallpass.Error{hallpass.ErrNotFound, hallpass.ErrNotFound, hallpass.ErrRateLimited},
			},
			{Pattern: "DELETE /pets/{id}", Does: "Ends.", Who: "x", Answers: []openapi.Answer{{Status: 204}}},
		},
	}
}

func at(t *testing.T, document any, path ...string) any {
	t.Helper()
	for _, name := range path {
		members, ok := document.(map[string]any)
		if !ok || members[name] == nil {
			t.Fatalf("there is no %q of %v in %v", name, path, document)
		}
		document = members[name]
	}
	return document
}

// Schemas are what encoding/json writes, and what hallpass.ReadJSON accepts.
func TestDocument_schemasAreThoseOfTheTypes(t *testing.T) {
	text, err := openapi.Document(pets())
	if err != nil {
		t.Fatal(err)
	}
	var document any
	if err := json.Unmarshal(text, &document); err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]string{
		"NewPet": `{"additionalProperties":false,"properties":{"mail":{"type":["string","null"]},` +
			`"name":{"maxLength":9,"minLength":1,"type":"string"},` +
			`"tags":{"items":{"type":"string"},"type":"array"}},"required":["name"],"type":"object"}`,
		"Pet": `{"additionalProperties":false,"properties":{"born":{"format":"date-time","type":"string"},` +
			`"died":{"format":"date-time","type":["string","null"]},` +
			`"kind":{"description":"Of animal.","enum":["cat","dog"],"type":"string"},` +
			`"name":{"type":"string"},` +
			`"owner":{"oneOf":[{"$ref":"#/components/schemas/Person"},{"type":"null"}]},` +
			`"tags":{"items":{"type":"string"},"type":"array"}},` +
			`"required":["name","born","died","owner","kind"],"type":"object"}`,
		"Person": `{"additionalProperties":false,"properties":{"mail":{"format":"idn-email","type":"string"}},` +
			`"required":["mail"],"type":"object"}`,
	} {
		got, err := json.Marshal(at(t, document, "components", "schemas", name))
		if err != nil || string(got) != want {
			t.Errorf("%s: %v\n%s, want\n%s", name, err, got, want)
		}
	}
	both := at(t, document, "paths", "/pets/{id}").(map[string]any)
	if len(both) != 2 || at(t, both, "post", "operationId") != "postPetsId" ||
		at(t, both, "post", "responses", "404", "$ref") != "#/components/responses/404.not_found" {
		t.Errorf("the operations of one path: %v", both)
	}
	if fields := at(t, document, "components", "responses", "429.rate_limited", "headers"); at(t, fields, "Retry-After",
		"required") != true {
		t.Errorf("429 has the fields %v", fields)
	}
}

// What the table says is text on the page, whatever it looks like.
func TestPage_escapes(t *testing.T) {
	page, err := openapi.Page(pets())
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{
		"Names a &lt;pet&gt;.", `curl -s &#34;https://pets.example/pets/$ID&#34; -H `,
		`--json &#39;{&#34;name&#34;:&#34;Tom&#34;,&#34;tags&#34;:[&#34;a&#34;]}&#39;`,
		`curl -si -X DELETE`, "<td>404</td><td><code>not_found</code></td>",
		"string, at most 9 characters", "Person or null", "string: cat, dog. Of animal.",
		"pets of a person: 3 in 24h (pets).",
	} {
		if !strings.Contains(string(page), want) {
			t.Errorf("the page has no %s:\n%s", want, page)
		}
	}
	if strings.Contains(string(page), "<pet>") {
		t.Error("the page has an element of the table's making")
	}
}

// A tag that is misspelt, or a type that has no schema, is found at the start.
func TestDocument_refusesWhatItCannotDescribe(t *testing.T) {
	type misspelt struct {
		Name string `json:"name" openapi:"maxlength=9"`
	}
	for _, value := range []any{misspelt{}, struct {
		F func() `json:"f"`
	}{}} {
		api := pets()
		api.Operations[0].Answers[0].Values = []any{value}
		if !panics(func() { _, _ = openapi.Document(api) }) {
			t.Errorf("%T is described", value)
		}
	}
}

func panics(f func()) (did bool) {
	defer func() { did = recover() != nil }()
	f()
	return false
}
