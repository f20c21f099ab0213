package server_test

import (
	"bytes"
	"encoding/json"
	"flag"
	"net/http"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/hallpass-go/hallpass/internal/openapi"
	"github.com/hallpass-go/hallpass/internal/server"
)

var update = flag.Bool("update", false, "write docs/api.md from the table of routes")

// docs/api.md is what the table says.
func TestAPIDocument_isOfThisTable(t *testing.T) {
	const file = "../../docs/api.md"
	f := newFixture(t, options{config: func(c *server.Config) { c.Issuer = "http://127.0.0.1:8080" }})
	api, err := f.server.API()
	if err != nil {
		t.Fatal(err)
	}
	want, err := openapi.Markdown(api)
	if err != nil {
		t.Fatal(err)
	}
	if *update {
		if err := os.WriteFile(file, want, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if got, err := os.ReadFile(file); err != nil || !bytes.Equal(got, want) {
		t.Errorf("docs/api.md is stale (%v). Run: go test ./internal/server -run TestAPIDocument -update", err)
	}
}

func TestDocument_wantsSomethingSaidOfEachRoute(t *testing.T) {
	if err := server.Undescribed(); err == nil || !strings.Contains(err.Error(), "GET /new") {
		t.Errorf("a route of which nothing is said: %v", err)
	}
}

// The document and the page may be kept, by everybody, and asked for again cheaply.
func TestDescription_isCacheable(t *testing.T) {
	f := newFixture(t, options{})
	for path, contentType := range map[string]string{
		"/openapi.json": "application/json", "/docs": "text/html; charset=utf-8",
		"/docs/style.css": "text/css; charset=utf-8",
	} {
		a := f.do("GET "+path, "").want(http.StatusOK, "")
		h := a.Header
		got := []string{h.Get("Content-Type"), h.Get("Cache-Control"), h.Get("Vary")}
		if !slices.Equal(got, []string{contentType, "public, max-age=300", ""}) {
			t.Errorf("%s: fields %q", path, got)
		}
		again := f.do("GET "+path, "", "If-None-Match: "+h.Get("ETag"))
		if again.wantStatus(http.StatusNotModified); again.Body != "" {
			t.Errorf("%s: 304 with %q", path, again.Body)
		}
		f.do("GET "+path+"?x=1", "").want(http.StatusBadRequest, "malformed_request")
	}
}

var external = regexp.MustCompile(`(?:src|href)="([^"#]*)`)

// The page needs no script and nothing from elsewhere, and its policy allows neither.
func TestPage_isComplete(t *testing.T) {
	f := newFixture(t, options{})
	a := f.do("GET /docs", "").want(http.StatusOK, "")
	if policy := a.Header.Get("Content-Security-Policy"); policy !=
		"default-src 'none'; style-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'" {
		t.Errorf("policy %s", policy)
	}
	for _, path := range []string{"/openapi.json", "/docs/style.css", "/v1/users"} {
		if policy := f.do("GET "+path, "").Header.Get("Content-Security-Policy"); policy !=
			"default-src 'none'; frame-ancestors 'none'" {
			t.Errorf("%s: policy %s", path, policy)
		}
	}
	for _, match := range external.FindAllStringSubmatch(a.Body, -1) {
		if match[1] != "" && match[1] != "docs/style.css" && match[1] != "openapi.json" {
			t.Errorf("the page refers to %s", match[1])
		}
	}
	for _, inline := range []string{"<script", "<style", " style=", " onclick="} {
		if strings.Contains(a.Body, inline) {
			t.Errorf("the page has %s", inline)
		}
	}
	for _, pattern := range f.documented() {
		method, path, _ := strings.Cut(pattern, " ")
		if strings.Count(a.Body, "<h2><code><b>"+method+"</b> "+path+"</code></h2>") != 1 {
			t.Errorf("the page has no section about %s", pattern)
		}
	}
	for _, code := range []string{"last_admin", "username_taken", "refresh_token_reused", "fresh_token_required"} {
		if !strings.Contains(a.Body, "<code>"+code+"</code>") {
			t.Errorf("the page does not tell of %s", code)
		}
	}
}

// What is closed is described as closed.
func TestDocument_followsTheSettings(t *testing.T) {
	f := newFixture(t, options{config: func(c *server.Config) { c.ClosedSignup = true }})
	var document struct {
		Servers []struct{ URL string }
		Paths   map[string]map[string]struct {
			Security  []map[string]any
			Responses map[string]json.RawMessage
		}
	}
	f.do("GET /openapi.json", "").want(http.StatusOK, "").object(&document)
	signup := document.Paths["/v1/users"]["post"]
	if len(signup.Security) != 1 || signup.Security[0]["token"] == nil || signup.Responses["403"] == nil {
		t.Errorf("closed sign-up is described as %+v", signup)
	}
	if len(document.Servers) != 1 || document.Servers[0].URL != "https://issuer.test" {
		t.Errorf("servers %+v", document.Servers)
	}
}
